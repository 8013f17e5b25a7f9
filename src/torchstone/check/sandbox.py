"""The checker's side of the processes that run other people's code (`child.py`)."""

import contextlib
import os
import secrets
import signal
import subprocess
import tempfile
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, Listener
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from safetensors import SafetensorError

from torchstone._python import python_command
from torchstone.check.child import ADDRESS, CAN_FORK, KEY
from torchstone.check.probe import Answer, Probe, pack, unpack
from torchstone.check.spec import Description, Spec
from torchstone.check.target import MissingError, Target

_START = 120.0  # seconds for a process to import torch on a slow machine
_LARGEST_ANSWER = 256 << 20
_KEPT = 4096  # bytes of what the processes print, the last ones
_MOST_ENDS = 3  # of a subject that ends its process: afterwards it is not asked again

Pipe = Connection  # the type's parameters differ between versions of Python


@dataclass(frozen=True)
class Candidate:
    """Something that a target holds: what can be seen of it, and what its author declared."""

    target: str
    description: Description
    cell: int | None = None
    traits: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Contents:
    """What a target holds."""

    candidates: tuple[Candidate, ...]
    remarks: tuple[str, ...] = ()
    error: str = ""  # the target's own code raised, or ended its process


@dataclass
class _Peer:
    """One of the processes."""

    connection: Any
    pid: int


class Sandbox:
    """A target, loaded in a child process. Leaving the block ends all processes.

    `seconds` is the time for one answer, and for one cell or file to run.
    """

    def __init__(self, target: Target, kwargs: Mapping[str, Any] | None = None, seconds: float = 20.0) -> None:
        self._target, self._kwargs, self.seconds = target, dict(kwargs or {}), seconds
        self._folder = tempfile.TemporaryDirectory(prefix="torchstone-", ignore_cleanup_errors=True)
        self._key = secrets.token_bytes(32)
        family = "AF_PIPE" if os.name == "nt" else "AF_UNIX"
        address = None if os.name == "nt" else str(Path(self._folder.name) / "socket")
        self._listener = Listener(address, family, backlog=8, authkey=self._key)
        self._arrivals: dict[str, list[_Peer]] = {"first": [], "loader": [], "worker": []}
        self._arrived = threading.Condition()
        self._processes: list[subprocess.Popen[bytes]] = []
        self._tail = bytearray()
        self._skip: list[int] = []
        self._first: _Peer | None = None
        self._loader: _Peer | None = None
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> "Sandbox":
        self._start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(OSError):
            self._listener.close()
        for peers in (self._loader, self._first):
            if peers is not None:
                _kill(peers.pid)
        for process in self._processes:
            process.kill()
            process.wait()
        self._folder.cleanup()

    # Processes.

    def _accept(self) -> None:
        """Take connections as they come, and sort them by what they say they are."""
        while True:
            try:
                connection = self._listener.accept()
                content, _ = unpack(connection.recv_bytes(1 << 16))
            except (OSError, EOFError, ValueError, SafetensorError, AttributeError):
                if getattr(self._listener, "_listener", None) is None:
                    return
                continue
            except Exception:
                return
            with self._arrived:
                self._arrivals[str(content["role"])].append(_Peer(connection, int(content["pid"])))
                self._arrived.notify_all()

    def _await(self, role: str, seconds: float) -> _Peer:
        with self._arrived:
            if not self._arrived.wait_for(lambda: bool(self._arrivals[role]), seconds):
                raise RuntimeError(f"the process that runs the subject did not start: {self.last_line()}")
            return self._arrivals[role].pop()

    def _start(self) -> None:
        process = subprocess.Popen(
            python_command("torchstone.check.child"),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={
                **os.environ,
                ADDRESS: str(self._listener.address),
                KEY: self._key.hex(),
                "OMP_NUM_THREADS": "1",
                "MKL_NUM_THREADS": "1",
                "PYTHONIOENCODING": "utf-8",
            },
        )
        self._processes.append(process)
        assert process.stdout is not None
        threading.Thread(target=_keep_the_last, args=(process.stdout, self._tail), daemon=True).start()
        self._first = None

    def last_line(self) -> str:
        """What the processes printed last."""
        lines = [line.strip() for line in bytes(self._tail).decode("utf-8", "replace").splitlines() if line.strip()]
        return lines[-1][:200] if lines else ""

    def load(self) -> Contents:
        """Run the target's code, and tell what it holds. Raises `MissingError` where it names nothing.

        A cell that does not come to an end, or ends the process, is left out.
        """
        remarks: list[str] = []
        while True:
            outcome = self._load_once()
            if isinstance(outcome, Contents):
                return Contents(outcome.candidates, (*remarks, *outcome.remarks), outcome.error)
            cell, what = outcome
            if cell is None:
                return Contents((), tuple(remarks), what)
            remarks.append(f"cell {cell} {what}")
            self._skip.append(cell)

    def _load_once(self) -> Contents | tuple[int | None, str]:
        if self._first is None:
            self._first = self._await("first", _START)
        asked = {"do": "load", "where": self._target.where, "name": self._target.name}
        _send(self._first.connection, {**asked, "skip": self._skip, "kwargs": self._kwargs})
        self._loader = self._await("loader", _START)
        cell = None
        while True:
            message = self._next(self._loader)
            if isinstance(message, str):
                return cell, message
            if "missing" in message:
                raise MissingError(message["missing"])
            if "error" in message:
                return Contents((), (), f"raises {message['error']}")
            if "found" in message:
                candidates = tuple(
                    Candidate(each["target"], Description.from_json(each["description"]), each["cell"], each["traits"])
                    for each in message["found"]
                )
                return Contents(candidates, tuple(message["remarks"]))
            cell = int(message["cell"])

    def _next(self, peer: _Peer) -> dict[str, Any] | str:
        """The next message of a process, or what became of it."""
        try:
            if peer.connection.poll(self.seconds):
                return unpack(peer.connection.recv_bytes(_LARGEST_ANSWER))[0]
        except (EOFError, OSError):
            return self._end(peer, self._first)
        _kill(peer.pid)
        self._end(peer, self._first)
        return f"did not come to an end within {self.seconds:g} s"

    def _end(self, peer: _Peer, maker: _Peer | None) -> str:
        """How a process ended, as its maker knows."""
        peer.connection.close()
        status: int | None = None
        if not CAN_FORK:
            status = self._processes[-1].wait(timeout=10)
            self._start()
        elif maker is not None:
            with contextlib.suppress(EOFError, OSError):
                _send(maker.connection, {"do": "status", "pid": peer.pid})
                status = unpack(maker.connection.recv_bytes())[0]["status"]
        return f"ended its process with {_status(status)}"

    def home(self, target: str, spec: Spec) -> "Home":
        """Where one of the candidates can be asked."""
        return Home(self, target, spec)

    def worker(self, target: str, spec: Spec) -> _Peer:
        """A new process that answers for one subject."""
        if self._loader is None or (not CAN_FORK and self._arrivals["worker"]):
            self._load_once()
        assert self._loader is not None
        _send(self._loader.connection, {"do": "serve", "target": target, "spec": spec.to_json()})
        found = self._await("worker", _START)
        if not CAN_FORK:  # the loader has become the worker
            self._loader, self._first = None, None
            self._start()
        return found

    def ended(self, worker: _Peer) -> str:
        """How a worker ended."""
        return self._end(worker, self._loader)


class Home:
    """A subject in a child process."""

    def __init__(self, sandbox: Sandbox, target: str, spec: Spec) -> None:
        self._sandbox, self._target, self._spec = sandbox, target, spec
        self._worker: _Peer | None = None
        self._ends: list[str] = []

    def ask(self, probe: Probe) -> Answer:
        """The subject's answer. Where its process ends or takes too long, that is the answer."""
        if len(self._ends) >= _MOST_ENDS:
            return Answer(failure="ended", error=f"{self._ends[-1]}, as it did {_MOST_ENDS} times before")
        if self._worker is None:
            self._worker = self._sandbox.worker(self._target, self._spec)
        worker, seconds = self._worker, self._sandbox.seconds
        try:
            content = {"action": probe.action, "options": dict(probe.options)}
            worker.connection.send_bytes(pack(content, probe.tensors))
            if worker.connection.poll(seconds):
                facts, tensors = unpack(worker.connection.recv_bytes(_LARGEST_ANSWER))
                return Answer(facts["facts"], tensors, facts["failure"], facts["error"], facts["during"])
            _kill(worker.pid)
            self._sandbox.ended(worker)
            return self._ended(f"did not answer within {seconds:g} s, and was ended")
        except (EOFError, OSError, SafetensorError, ValueError, KeyError):
            _kill(worker.pid)
            return self._ended(self._sandbox.ended(worker))

    def _ended(self, what: str) -> Answer:
        self._worker = None
        self._ends.append(what)
        return Answer(failure="ended", error=what)

    def close(self) -> None:
        """End the subject's process."""
        if self._worker is not None:
            _kill(self._worker.pid)
            self._sandbox.ended(self._worker)
            self._worker = None


def _send(connection: Any, content: Mapping[str, Any]) -> None:
    connection.send_bytes(pack(content, {}))


def _kill(pid: int) -> None:
    """End a process and those that it started."""
    for end in (_kill_group, os.kill):
        with contextlib.suppress(ProcessLookupError, PermissionError, AttributeError, OSError):
            end(pid, signal.SIGKILL if os.name == "posix" else signal.SIGTERM)


def _kill_group(pid: int, number: int) -> None:
    if os.getpgid(pid) == pid:  # its own, not ours
        os.killpg(pid, number)


def _keep_the_last(pipe: IO[bytes], tail: bytearray) -> None:
    with pipe:
        while chunk := pipe.read1(65536):  # type: ignore[attr-defined]
            tail += chunk
            del tail[:-_KEPT]


def _status(status: int | None) -> str:
    if status is None:
        return "an unknown status"
    if status >= 0:
        return f"exit status {status}"
    try:
        return f"signal {signal.Signals(-status).name}"
    except ValueError:
        return f"signal {-status}"


def _names(candidates: Sequence[Candidate]) -> str:
    return ", ".join(candidate.description.name for candidate in candidates)
