"""The parent's side: the file is read here, its steps are judged in a child process that can be ended.

A step that takes too long ends the child, not the work: it is reported as unknown, and a fresh child goes on behind it.
"""

import json
import os
import queue
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from torchstone._python import python_command
from torchstone.prove.document import Section, is_notebook, read_markdown, read_notebook
from torchstone.prove.result import Chain, Proof, Step

if TYPE_CHECKING:
    from torchstone.prove.goals import Goal

_START = 60.0  # seconds that a child has to load SymPy on a slow machine
_GRACE = 3.0  # over the step's own limit: the judge keeps it by itself, except within one long operation
_LARGEST_FILE = 200_000_000  # bytes


@dataclass(frozen=True)
class Event:
    """Progress: formulas done, formulas in all, and what is worked on now."""

    done: int
    total: int
    doing: str


@dataclass
class _Work:
    """What a child is told, and what came of it so far."""

    text: str
    notebook: bool
    seconds: float
    goals: str | Mapping[str, str] | None
    found: dict[tuple[int, int], tuple[Step, bool]] = field(default_factory=dict)
    unreadable: dict[int, str] = field(default_factory=dict)

    def request(self) -> str:
        known = [[*place, asdict(step), arrives] for place, (step, arrives) in self.found.items()]
        goals = dict(self.goals) if isinstance(self.goals, Mapping) else self.goals
        content = {"text": self.text, "notebook": self.notebook, "seconds": self.seconds, "goals": goals}
        return json.dumps({**content, "known": known, "unreadable": list(self.unreadable.items())})


def prove(
    path: str | Path = "",
    *,
    text: str | None = None,
    goals: str | Mapping[str, str] | None = None,
    time_limit: float = 10.0,
    on_event: Callable[[Event], None] | None = None,
) -> Proof:
    """The proof of a file, or of a text. See `torchstone.prove`."""
    text = _read(Path(path)) if text is None else text
    name = str(path) if path else "<text>"
    notebook = is_notebook(text) if Path(path).suffix != ".ipynb" else True
    if not text.strip():
        raise ValueError(f"{name}: expected a derivation, got an empty file")
    try:
        sections = read_notebook(text) if notebook else read_markdown(text)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
    total = sum(len(passage.formulas) for section in sections for passage in section.passages)
    if not total:
        raise ValueError(rf"{name}: expected display math ($$...$$, \[...\], an align environment), found none")
    asked = {} if goals is None else _goals(sections, goals)
    work = _Work(text, notebook, time_limit, goals)
    while not _went_through(work, total, on_event or (lambda event: None)):
        pass
    return Proof(name, _chains(sections, work, asked))


def _goals(sections: Sequence[Section], goals: str | Mapping[str, str]) -> "dict[int, Goal]":
    from torchstone.prove.goals import goals_of  # loads SymPy, which this process has no other need of

    return goals_of(sections, goals)


def _read(path: Path) -> str:
    try:
        if path.stat().st_size > _LARGEST_FILE:
            raise ValueError(f"{path}: expected a file of at most {_LARGEST_FILE:,} bytes, got {path.stat().st_size:,}")
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: expected UTF-8 text, got byte {error.object[error.start]:#x}") from None
    except IsADirectoryError:
        raise ValueError(f"{path}: expected a file, got a folder") from None
    except OSError as error:
        raise ValueError(f"{path}: {(error.strerror or str(error)).lower()}") from None


def _went_through(work: _Work, total: int, on_event: Callable[[Event], None]) -> bool:
    """Let a child work on what is left. False: it was ended at a step, which is settled now; go on behind it."""
    with tempfile.TemporaryFile() as errors, _child(work, errors) as lines:
        place: Sequence[int] = ()
        pending, waiting = None, _START
        while True:
            try:
                line = lines.get(timeout=waiting)
            except queue.Empty:
                line, reason = None, f"took longer than {work.seconds:g} s"
            else:
                reason = "the process that worked on it ended: too much memory, perhaps"
            if line is None and not place:
                errors.seek(0)
                raise RuntimeError(f"the process that judges did not start: {errors.read().decode(errors='replace')}")
            if line is None:
                _settle(work, place, pending, reason)
                return False
            message: dict[str, Any] = json.loads(line)
            if "fault" in message:
                raise RuntimeError(message["fault"])
            if "done" in message:
                return True
            place, waiting = message["place"], work.seconds + _GRACE
            pending = message["step"]
            if "arrives" in message:
                work.found[place[0], place[1]] = (Step.of(message["step"]), message["arrives"])
                pending = None
            on_event(Event(place[0], total, pending["read_as"] if pending else ""))


def _settle(work: _Work, place: Sequence[int], pending: dict[str, Any] | None, reason: str) -> None:
    if pending is None:
        work.unreadable[place[0]] = reason
    else:
        work.found[place[0], place[1]] = (replace(Step.of(pending), method=reason), False)


@contextmanager
def _child(work: _Work, errors: IO[bytes]) -> Iterator["queue.Queue[str | None]"]:
    """A process that judges; its lines, and None at its end."""
    process = subprocess.Popen(
        python_command("torchstone.prove.child"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=errors,
        encoding="utf-8",
        start_new_session=os.name == "posix",  # an interrupt is the parent's to handle
    )
    lines: queue.Queue[str | None] = queue.Queue()

    def listen() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            lines.put(line)
        lines.put(None)

    def tell() -> None:
        assert process.stdin is not None
        try:
            process.stdin.write(work.request())
            process.stdin.close()
        except OSError:  # it has ended already: `listen` tells
            pass

    threads = [threading.Thread(target=target, daemon=True) for target in (listen, tell)]
    try:
        for thread in threads:
            thread.start()
        yield lines
    finally:
        process.kill()
        process.wait()
        for thread in threads:
            thread.join()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                with suppress(OSError):  # what was still to be written has no reader any more
                    stream.close()


def _chains(sections: Sequence[Section], work: _Work, goals: "Mapping[int, Goal]") -> tuple[Chain, ...]:
    chains: list[Chain] = []
    # A goal's number (one goal can be about several sections): its text, the chains it is about, and who reaches it.
    arrived: dict[int, list[tuple[str, int, bool]]] = {}
    first = 0
    for number, section in enumerate(sections):
        for passage in section.passages:
            formulas = range(first, first + len(passage.formulas))
            first = formulas.stop
            found = [work.found[place] for place in sorted(work.found) if place[0] in formulas]
            if not found:
                continue
            start = passage.formulas[0]
            goal = goals.get(number)
            if goal is not None:
                entry = (goal.text, len(chains), any(arrives for _, arrives in found))
                arrived.setdefault(id(goal), []).append(entry)
            chains.append(Chain(section.title, start.line, start.cell, tuple(step for step, _ in found)))
    for entries in arrived.values():
        reached = [entry for entry in entries if entry[2]]
        for text, position, _ in reached or entries[-1:]:
            chains[position] = replace(chains[position], goal=text, reaches_goal=bool(reached))
    return tuple(chains)
