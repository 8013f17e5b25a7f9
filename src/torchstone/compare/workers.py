"""Processes that ask the oracle: each answers one question at a time.

They are started as programs of our own, since `multiprocessing` would run the caller's script once more in each of
them; and they import no PyTorch. Questions and answers are pickles between two processes of ours: nobody else's data.
"""

import contextlib
import os
import pickle
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any

from torchstone._python import python_command


def cores() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Workers:
    """Up to as many workers as processors, each started when it is first needed; leaving the block ends them."""

    def __init__(self, count: int | None = None) -> None:
        self._threads = ThreadPoolExecutor(count or cores())
        self._own = threading.local()  # each thread speaks with one process
        self._processes: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> "Workers":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
        for process in self._processes:
            process.kill()
        self._threads.shutdown()
        for process in self._processes:  # once more: one may have been started in between
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    with contextlib.suppress(OSError):
                        pipe.close()

    def submit(self, question: str, *arguments: Any) -> "Future[Any]":
        """The answer to come of one of the QUESTIONS."""
        return self._threads.submit(self._ask, question, arguments)

    def _ask(self, question: str, arguments: tuple[Any, ...]) -> Any:
        process = self._process()
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            pickle.dump((question, arguments), process.stdin)
            process.stdin.flush()
            answer = pickle.load(process.stdout)
        except (EOFError, OSError, ValueError, pickle.UnpicklingError) as error:
            raise RuntimeError("a process that asks the oracle has ended unexpectedly") from error
        if isinstance(answer, Exception):
            raise answer
        return answer

    def _process(self) -> "subprocess.Popen[bytes]":
        if not hasattr(self._own, "process"):
            environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
            self._own.process = subprocess.Popen(
                python_command(__name__), stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
            )
            self._processes.append(self._own.process)
        process: subprocess.Popen[bytes] = self._own.process
        return process


def _truth(definition: str, inputs: Mapping[str, Any], cotangent: Any) -> Any:
    from torchstone import definitions, oracle

    function = definitions.get(definition)
    assert isinstance(function, definitions.Function)
    return oracle.truth(function, inputs, cotangent=cotangent)


def _trajectory(definition: str, start: Any, gradients: Any, hyper: Any) -> Any:
    from torchstone import definitions, oracle

    rule = definitions.get(definition)
    assert isinstance(rule, definitions.UpdateRule)
    return oracle.trajectory(rule, start, gradients, hyper)


QUESTIONS: Mapping[str, Callable[..., Any]] = {"truth": _truth, "trajectory": _trajectory}


def main() -> None:
    """Answer questions from stdin on stdout until it is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent, which ends us
    questions, answers = sys.stdin.buffer, sys.stdout.buffer
    sys.stdout = sys.stderr
    while True:
        try:
            question, arguments = pickle.load(questions)
        except EOFError:
            return
        try:
            answer = QUESTIONS[question](*arguments)
        except Exception as error:
            answer = error
        pickle.dump(answer, answers)
        answers.flush()


if __name__ == "__main__":
    main()
