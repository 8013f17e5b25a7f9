"""The child's side: judges a document's steps and tells of each, as a line of JSON."""

import contextlib
import json
import sys
from dataclasses import asdict
from typing import Any

from torchstone.prove.document import read_markdown, read_notebook
from torchstone.prove.goals import goals_of
from torchstone.prove.proof import Found, examine
from torchstone.prove.result import Step

_MEMORY = 6 << 30  # bytes: SymPy can eat a machine


def main() -> None:
    """Read a request on stdin, write what is found to stdout."""
    request = json.loads(sys.stdin.read())
    _limit_memory()
    try:
        _work(request)
    except Exception as error:  # whatever it is, the parent must hear of it: it is ours
        import traceback

        _tell({"fault": "".join(traceback.format_exception(error))})
    else:
        _tell({"done": True})


def _work(request: dict[str, Any]) -> None:
    sections = read_notebook(request["text"]) if request["notebook"] else read_markdown(request["text"])
    known = {(n, k): Found((n, k), Step.of(step), arrives) for n, k, step, arrives in request["known"]}
    unreadable = dict(request["unreadable"])
    goals = goals_of(sections, request["goals"])
    for event in examine(sections, request["seconds"], goals, known, unreadable):
        if isinstance(event, Found):
            _tell({"place": event.place, "step": asdict(event.step), "arrives": event.arrives})
        else:
            _tell({"place": event.place, "step": asdict(event.pending) if event.pending else None})


def _tell(message: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def _limit_memory() -> None:
    with contextlib.suppress(ImportError, ValueError, OSError):  # not on Windows; a stricter limit is there already
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
