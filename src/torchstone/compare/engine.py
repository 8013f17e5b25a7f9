"""The comparison from beginning to end: ask the subjects, ask the oracle, judge.

It prints nothing: whoever wants to show progress is told of it through `on_event`.
"""

import platform
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import as_completed
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torchstone.compare import PARTS
from torchstone.compare.catalogue import Entry, FunctionEntry, OptimizerEntry, infer, select
from torchstone.compare.result import Comparison, Row

if TYPE_CHECKING:
    from torchstone.compare.study import Study


@dataclass(frozen=True)
class Event:
    """Progress: steps done, steps in all, and what was done last."""

    done: int
    total: int
    doing: str


class _Progress:
    """Counts steps and tells the listener."""

    def __init__(self, listener: Callable[[Event], None] | None, total: int) -> None:
        self._listener, self._done, self.total = listener, 0, total

    def __call__(self, doing: str) -> None:
        self._done += 1
        if self._listener is not None:
            self._listener(Event(min(self._done, self.total), self.total, doing))


def run(
    names: Sequence[str],
    against: str | Callable[..., Any] | None,
    parts: Collection[str],
    on_event: Callable[[Event], None] | None,
    time_limit: float,
) -> Comparison:
    """See `torchstone.compare.compare`."""
    unknown = sorted(set(parts) - set(PARTS))
    if unknown:
        raise ValueError(f"parts: expected names among {', '.join(PARTS)}, got {', '.join(unknown)}")
    started = time.perf_counter()
    entries = entries_for(names, against)

    import torch

    from torchstone.compare.cost import one_thread

    studies = [_study(entry, parts) for entry in entries]
    asked = sum(len(each.tasks) + len(each.both) for each in studies)
    progress = _Progress(on_event, asked + sum(_count(each.questions) for each in studies))
    # The subjects come first, while the machine is quiet: some of their tasks are timings.
    with one_thread():
        answers = [
            _answers(entry, each, against, time_limit, progress) for entry, each in zip(entries, studies, strict=True)
        ]
    questions = [each.open_questions(replies) for each, (replies, _, _) in zip(studies, answers, strict=True)]
    progress.total = asked + sum(map(_count, questions))
    truths = _truths(entries, questions, progress)
    rows = [
        _row(entry, against, each.findings(replies, theirs, right), problem)
        for entry, each, (replies, theirs, problem), right in zip(entries, studies, answers, truths, strict=True)
    ]
    return Comparison(tuple(rows), torch.__version__, time.perf_counter() - started, _environment())


def _study(entry: Entry, parts: Collection[str]) -> "Study":
    """The study of an entry."""
    from torchstone import definitions
    from torchstone.compare.functions import FunctionStudy
    from torchstone.compare.optimizers import OptimizerStudy

    definition = definitions.get(entry.definition)
    if isinstance(entry, FunctionEntry) and isinstance(definition, definitions.Function):
        return FunctionStudy(entry, definition, parts)
    if isinstance(entry, OptimizerEntry) and isinstance(definition, definitions.UpdateRule):
        return OptimizerStudy(entry, definition, parts)
    raise TypeError(f"entry: expected one whose definition is of its kind, got {entry.definition}")


def _count(questions: Mapping[str, Sequence[Any]]) -> int:
    return sum(map(len, questions.values()))


def _truths(
    entries: Sequence[Entry], questions: Sequence[Mapping[str, Sequence[Any]]], progress: _Progress
) -> list[dict[str, list[Any]]]:
    """The oracle's answers, by entry and key."""
    from torchstone.compare.workers import Workers

    with Workers() as workers:
        pending = [
            {key: [workers.submit(*question) for question in listed] for key, listed in each.items()}
            for each in questions
        ]
        names = {
            future: entry.name
            for entry, each in zip(entries, pending, strict=True)
            for future in chain.from_iterable(each.values())
        }
        for future in as_completed(names):
            future.result()
            progress(f"{names[future]}: the exact numbers")
        return [{key: [future.result() for future in futures] for key, futures in each.items()} for each in pending]


def entries_for(names: Sequence[str], against: str | Callable[..., Any] | None) -> tuple[Entry, ...]:
    """What is to be compared. Raises `ValueError` where that cannot be told."""
    if against is None:
        return select(names)
    if len(names) > 1:
        raise ValueError(f"names: expected at most one beside `against`, got {len(names)}: {', '.join(names)}")
    if isinstance(against, str):
        from torchstone.compare.subject import parse

        cls = parse(against)[1]
    else:
        cls = getattr(against, "__name__", type(against).__name__)
    return select(names) if names else (infer(cls),)


def like(definition: Any) -> str:
    """Where PyTorch's own is: `torch.nn:GELU`."""
    module, _, cls = definition.counterpart.partition("(")[0].rpartition(".")
    return f"{module}:{cls}"


def _answers(
    entry: Entry, asked: "Study", against: str | Callable[..., Any] | None, time_limit: float, progress: _Progress
) -> tuple[Mapping[str, Any], Mapping[str, Any], str]:
    """The subject's replies, PyTorch's, and what ended the subject's process before its time."""
    from torchstone import definitions
    from torchstone.compare import sandbox
    from torchstone.compare.actions import Bench, perform
    from torchstone.compare.subject import load

    spec = like(definitions.get(entry.definition))
    problem = ""

    def told(task: Any) -> None:
        progress(f"{entry.name}: {task.action}")

    def here(bench: Bench, keys: Sequence[str]) -> dict[str, Any]:
        replies = {}
        for key in keys:
            replies[key] = perform(bench, asked.tasks[key])
            told(asked.tasks[key])
        return replies

    if isinstance(against, str):
        outcome = sandbox.run(entry.definition, against, spec, list(asked.tasks.values()), time_limit, told)
        pairs = zip(asked.tasks, outcome.replies, strict=True)
        replies = {key: reply for key, reply in pairs if reply is not None}
        problem = outcome.problem
    else:
        replies = here(Bench(entry, load(entry.ours) if against is None else against, load(spec)), list(asked.tasks))
    peer = Bench(entry, load(spec), load(spec)).peer()
    return replies, here(peer, [key for key in asked.tasks if key in asked.both]), problem


def _row(entry: Entry, against: str | Callable[..., Any] | None, findings: Mapping[str, Any], problem: str) -> Row:
    from torchstone import definitions

    definition = definitions.get(entry.definition)
    subject = entry.ours if against is None else against
    if not isinstance(subject, str):
        subject = f"{subject.__module__}:{getattr(subject, '__qualname__', type(subject).__qualname__)}"
    found: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in findings.items()
    }
    problems = ((problem,) if problem else ()) + tuple(dict.fromkeys(found.pop("problems")))
    return Row(
        name=entry.name,
        title=definition.title,
        kind=entry.kind,
        like=definition.counterpart,
        definition=entry.definition,
        subject=subject,
        problems=problems,
        **found,
    )


def _environment() -> dict[str, str]:
    """Where it was measured."""
    from torchstone import __version__
    from torchstone.compare.workers import cores

    return {
        "torchstone": __version__,
        "python": platform.python_version(),
        "system": platform.platform(),
        "processor": _processor(),
        "processors": str(cores()),
        "threads of PyTorch": "1",
    }


def _processor() -> str:
    """The processor's name, as far as the system tells."""
    listing = Path("/proc/cpuinfo")
    if listing.exists():
        for line in listing.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
