"""A time limit for what cannot be asked to hurry."""

import gc
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

# The alarm comes again after so many seconds, in case what it raises was swallowed.
_AGAIN = 0.1


class TimeUp(BaseException):
    """Not an Exception: nothing in between may swallow it."""


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """Raises TimeUp after so many seconds, where the platform and the thread allow it."""
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return

    def time_up(_: int, frame: FrameType | None) -> None:
        if not _is_collecting(frame):
            raise TimeUp

    started = time.monotonic()
    handler = signal.signal(signal.SIGALRM, time_up)
    left, interval = signal.setitimer(signal.ITIMER_REAL, max(seconds, 1e-3), _AGAIN)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
        if left:  # somebody else's alarm was running: let it go on
            signal.setitimer(signal.ITIMER_REAL, max(left - (time.monotonic() - started), 1e-3), interval)


def _is_collecting(frame: FrameType | None) -> bool:
    """Whether a callback of the garbage collector is running: Python swallows what is raised there, with a warning."""
    callbacks = {getattr(each, "__code__", None) for each in gc.callbacks}
    while frame is not None:
        if frame.f_code in callbacks:
            return True
        frame = frame.f_back
    return False
