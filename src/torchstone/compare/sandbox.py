"""The parent's side of the child process that runs other people's code.

The child gets the points and sends back its answers, as safetensors and JSON in a temporary folder. What is right
never enters it, and nothing that it writes is unpickled.
"""

import contextlib
import json
import os
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from safetensors import SafetensorError

from torchstone._limits import ending
from torchstone._python import python_command
from torchstone.compare.subject import MissingError
from torchstone.compare.task import Reply, Task, read_reply, write_json, write_tensors

_KEPT = 4096  # bytes of what the child prints, the last ones
_LARGEST_ANSWER = 64 << 20
_PAUSE = 0.02  # seconds between two looks at what the child has done


@dataclass(frozen=True)
class Outcome:
    """The replies, None for tasks that were not reached, and a sentence if the process did not come to its end."""

    replies: tuple[Reply | None, ...]
    problem: str = ""


def run(
    definition: str, spec: str, like: str, tasks: Sequence[Task], time_limit: float, on_done: Callable[[Task], None]
) -> Outcome:
    """The tasks, done by a subject in a child process.

    Raises `MissingError` where the spec names nothing.
    """
    with tempfile.TemporaryDirectory(prefix="torchstone-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        listed = [{"action": task.action, "options": dict(task.options)} for task in tasks]
        for number, task in enumerate(tasks):
            write_tensors(folder / f"task-{number}.safetensors", task.tensors)
        write_json(
            folder / "job.json",
            {"definition": definition, "spec": spec, "like": like, "tasks": listed, "seconds": time_limit},
        )
        with _started(folder) as (process, tail):
            done, end = 0, time.monotonic() + time_limit
            while process.poll() is None and time.monotonic() < end:
                while done < len(tasks) and (folder / f"reply-{done}.json").exists():
                    on_done(tasks[done])
                    done += 1
                time.sleep(_PAUSE)
            status = process.poll()
        return _outcome(folder, tasks, status, time_limit, tail)


@contextlib.contextmanager
def _started(folder: Path) -> Iterator[tuple["subprocess.Popen[bytes]", bytearray]]:
    """The child, and the last of what it prints; it and its own children are ended on the way out."""
    process = subprocess.Popen(
        [*python_command("torchstone.compare.child"), str(folder)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=os.name == "posix",
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONIOENCODING": "utf-8"},
    )
    tail = bytearray()
    assert process.stdout is not None
    reader = threading.Thread(target=_keep_the_last, args=(process.stdout, tail), daemon=True)
    reader.start()
    try:
        yield process, tail
    finally:
        _kill(process)
        process.wait()
        reader.join(timeout=1)


def _kill(process: "subprocess.Popen[bytes]") -> None:
    if os.name == "posix":
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()


def _keep_the_last(pipe: IO[bytes], tail: bytearray) -> None:
    with pipe:
        while chunk := pipe.read1(65536):  # type: ignore[attr-defined]
            tail += chunk
            del tail[:-_KEPT]


def _outcome(folder: Path, tasks: Sequence[Task], status: int | None, time_limit: float, tail: bytearray) -> Outcome:
    nothing = (None,) * len(tasks)
    try:
        missing, failed = _loaded(folder)
        replies = tuple(_bounded(folder, number) for number in range(len(tasks)))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, SafetensorError) as error:
        return Outcome(nothing, f"its process left an answer that cannot be read: {error}")
    if missing:
        raise MissingError(missing)
    if failed:
        return Outcome(nothing, f"loading it {failed}")
    unanswered = replies.index(None) if None in replies else -1
    loading = not (folder / "loaded.json").exists()
    doing = "" if unanswered < 0 else " while loading it" if loading else f" while {tasks[unanswered].doing}"
    if status is None:
        return Outcome(replies, f"it did not finish within {time_limit:g} s, and was ended{doing}")
    if status != 0 or unanswered >= 0:
        return Outcome(replies, f"its process ended with {ending(status)}{doing}{_last_line(tail)}")
    return Outcome(replies)


def _loaded(folder: Path) -> tuple[str, str]:
    """What the child says of loading the subject: what it does not find, and what went wrong."""
    path = folder / "loaded.json"
    if not path.exists():
        return "", ""
    loaded = json.loads(path.read_text(encoding="utf-8"))
    return str(loaded["missing"]), str(loaded["error"])


def _bounded(folder: Path, number: int) -> Reply | None:
    size = sum(path.stat().st_size for path in folder.glob(f"reply-{number}.*"))
    if size > _LARGEST_ANSWER:
        raise ValueError(f"{size:,} bytes")
    return read_reply(folder, number)


def _last_line(tail: bytearray) -> str:
    lines = [line.strip() for line in bytes(tail).decode("utf-8", "replace").splitlines() if line.strip()]
    return f"; it last printed: {lines[-1][:200]}" if lines else ""
