"""The checker's side of the processes that run other people's code (`child.py`)."""

import contextlib
import os
import secrets
import signal
import subprocess
import tempfile
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from multiprocessing.connection import Client, Listener
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from safetensors import SafetensorError

from torchstone._limits import ending
from torchstone._python import python_command
from torchstone.check.child import ADDRESS, CAN_FORK, FORKS, KEY
from torchstone.check.probe import Answer, Probe, pack, unpack
from torchstone.check.spec import Description, Spec
from torchstone.check.target import MissingError, Target

_START = 120.0  # seconds for a process to import torch on a slow machine
_LARGEST_ANSWER = 256 << 20
_KEPT = 4096  # bytes of what the processes print, the last ones
_MOST_ENDS = 3  # of a subject that ends its process: afterwards it is not asked again


@dataclass(frozen=True)
class Candidate:
    """Something that a target holds: what can be seen of it, and what its author declared."""

    target: str
    description: Description
    traits: Mapping[str, Any] = field(default_factory=dict)
    cell: int | None = None
    line: int | None = None  # of its file or cell


@dataclass(frozen=True)
class Contents:
    """What a target holds. `passed` are the names that were left alone."""

    candidates: tuple[Candidate, ...] = ()
    passed: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    error: str = ""  # the target's own code raised, or ended its process


@dataclass(frozen=True)
class _Peer:
    """One of the processes."""

    connection: Any
    pid: int


class Sandbox:
    """A target, loaded in a child process. Leaving the block ends all processes.

    `seconds` is the time for one answer, and for one cell or file to run.
    """

    def __init__(
        self, target: Target, kwargs: Mapping[str, Any] | None = None, seconds: float = 20.0, fork: bool = CAN_FORK
    ) -> None:
        self.seconds, self._fork = seconds, fork
        self._order = {"do": "load", "where": target.where, "name": target.name, "kwargs": dict(kwargs or {})}
        self._skip: list[str] = []
        self._temporary = tempfile.TemporaryDirectory(prefix="torchstone-", ignore_cleanup_errors=True)
        self._key = secrets.token_bytes(32)
        family = "AF_PIPE" if os.name == "nt" else "AF_UNIX"
        self.folder = Path(self._temporary.name)
        address = None if os.name == "nt" else str(self.folder / "socket")
        self._listener = Listener(address, family, backlog=8, authkey=self._key)
        self._closing = False
        self._arrivals: dict[str, list[_Peer]] = {"first": [], "loader": [], "worker": []}
        self._arrived = threading.Condition()
        self._processes: list[subprocess.Popen[bytes]] = []
        self._tail = bytearray()
        self._first: _Peer | None = None
        self._loader: _Peer | None = None

    def __enter__(self) -> "Sandbox":
        threading.Thread(target=self._accept, daemon=True).start()
        self._start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing = True
        with contextlib.suppress(OSError, EOFError):  # the thread that waits for connections gets one, and leaves
            Client(self._listener.address, authkey=self._key).close()
        for peer in (self._loader, self._first, *(peer for peers in self._arrivals.values() for peer in peers)):
            if peer is not None:
                _kill(peer.pid)
                peer.connection.close()
        for process in self._processes:
            process.kill()
            process.wait()
        self._temporary.cleanup()

    # Processes.

    def _accept(self) -> None:
        """Take connections as they come, and sort them by what they say they are."""
        with self._listener:
            while not self._closing:
                with contextlib.suppress(Exception):  # whatever knocks: only our own get in
                    connection = self._listener.accept()
                    content, _ = unpack(connection.recv_bytes(1 << 16))
                    with self._arrived:
                        self._arrivals[str(content["role"])].append(_Peer(connection, int(content["pid"])))
                        self._arrived.notify_all()

    def _await(self, role: str) -> _Peer:
        with self._arrived:
            if not self._arrived.wait_for(lambda: bool(self._arrivals[role]), _START):
                raise RuntimeError(f"the process that runs the subject did not start: {self._last_line()}")
            return self._arrivals[role].pop()

    def _start(self) -> None:
        """Begin a process that imports torch, and waits."""
        process = subprocess.Popen(
            python_command("torchstone.check.child"),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={
                **os.environ,
                ADDRESS: str(self._listener.address),
                KEY: self._key.hex(),
                FORKS: "yes" if self._fork else "",
                "OMP_NUM_THREADS": "1",
                "MKL_NUM_THREADS": "1",
                "PYTHONIOENCODING": "utf-8",
            },
        )
        self._processes.append(process)
        assert process.stdout is not None
        threading.Thread(target=_keep_the_last, args=(process.stdout, self._tail), daemon=True).start()
        self._first = self._loader = None

    def _last_line(self) -> str:
        """What the processes printed last."""
        lines = [line.strip() for line in bytes(self._tail).decode("utf-8", "replace").splitlines() if line.strip()]
        return lines[-1][:200] if lines else ""

    def _end(self, peer: _Peer, maker: _Peer | None) -> str:
        """End a process, if it has not ended, and tell how it did."""
        _kill(peer.pid)
        peer.connection.close()
        if self._fork:
            status = self._status(peer.pid, maker)
        else:
            process = next((each for each in self._processes if each.pid == peer.pid), None)
            status = process.wait() if process is not None else None
            if peer in (self._first, self._loader):
                self._start()
        return f"ended its process with {'an unknown status' if status is None else ending(status)}"

    def _status(self, pid: int, maker: _Peer | None) -> int | None:
        with contextlib.suppress(EOFError, OSError):
            assert maker is not None
            _send(maker, {"do": "status", "pid": pid})
            status: int | None = unpack(maker.connection.recv_bytes())[0]["status"]
            return status
        return None

    # Loading.

    def load(self) -> Contents:
        """Run the target's code, and tell what it holds. Raises `MissingError` where it names nothing.

        A cell that does not come to an end, or ends the process, is left out; so is what cannot be built for that.
        """
        remarks: list[str] = []
        while True:
            outcome = self._load()
            if isinstance(outcome, Contents):
                return Contents(outcome.candidates, outcome.passed, (*remarks, *outcome.remarks), outcome.error)
            step, what = outcome
            if not step or self._order["name"] == step.rpartition(":")[2]:
                return Contents(remarks=tuple(remarks), error=what)
            remarks.append(f"{step} {what}")
            self._skip.append(step)

    def _load(self) -> Contents | tuple[str, str]:
        """What the target holds; or the step at which its process ended, and how."""
        self._first = self._first or self._await("first")
        _send(self._first, {**self._order, "skip": self._skip})
        self._loader = loader = self._await("loader")
        step = ""
        while True:
            try:
                if not loader.connection.poll(self.seconds):
                    self._end(loader, self._first)
                    return step, f"did not come to an end within {self.seconds:g} s"
                message = unpack(loader.connection.recv_bytes(_LARGEST_ANSWER))[0]
            except (EOFError, OSError):
                return step, self._end(loader, self._first)
            if "missing" in message:
                raise MissingError(message["missing"])
            if "fault" in message:
                raise RuntimeError(message["fault"])
            if "error" in message:
                return Contents(error=f"raises {message['error']}")
            if "found" in message:
                return Contents(
                    tuple(
                        Candidate(**{**each, "description": Description.from_json(each["description"])})
                        for each in message["found"]
                    ),
                    tuple(message["passed"]),
                    tuple(message["remarks"]),
                )
            step = message["at"]

    # Asking.

    def home(self, target: str, spec: Spec) -> "Home":
        """Where one of the candidates can be asked."""
        return Home(self, target, spec)

    def worker(self, target: str, spec: Spec) -> _Peer:
        """A new process that answers for one subject."""
        if self._loader is None:
            self._load()
        assert self._loader is not None
        _send(self._loader, {"do": "serve", "target": target, "spec": spec.to_json()})
        if not self._fork:  # the loader becomes the worker
            self._start()
        return self._await("worker")

    def end(self, worker: _Peer) -> str:
        """End a worker, if it has not ended, and tell how it did."""
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
        self._worker = worker = self._worker or self._sandbox.worker(self._target, self._spec)
        try:
            content = {"action": probe.action, "options": dict(probe.options)}
            worker.connection.send_bytes(pack(content, probe.tensors))
            if worker.connection.poll(self._sandbox.seconds):
                facts, tensors = unpack(worker.connection.recv_bytes(_LARGEST_ANSWER))
                return Answer(facts["facts"], tensors, facts["failure"], facts["error"], facts["during"])
            self._sandbox.end(worker)
            how = f"did not answer within {self._sandbox.seconds:g} s, and was ended"
        except (EOFError, OSError, SafetensorError, ValueError, KeyError):
            how = self._sandbox.end(worker)
        self._worker = None
        self._ends.append(how)
        return Answer(failure="ended", error=how)

    def close(self) -> None:
        """End the subject's process."""
        if self._worker is not None:
            self._sandbox.end(self._worker)
            self._worker = None


def _send(peer: _Peer, content: Mapping[str, Any]) -> None:
    peer.connection.send_bytes(pack(content, {}))


def _kill(pid: int) -> None:
    """End a process and those that it started."""
    with contextlib.suppress(OSError):
        if os.name == "nt":
            os.kill(pid, signal.SIGTERM)
        elif os.getpgid(pid) == pid:  # a group of its own, not ours
            os.killpg(pid, signal.SIGKILL)
        else:
            os.kill(pid, signal.SIGKILL)


def _keep_the_last(pipe: IO[bytes], tail: bytearray) -> None:
    with pipe:
        while chunk := pipe.read1(65536):  # type: ignore[attr-defined]
            tail += chunk
            del tail[:-_KEPT]
