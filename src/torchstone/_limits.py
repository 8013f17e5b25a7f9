"""Bounds on a process that runs other people's code, where the system has them; and how such a process ended."""

import contextlib
import signal
from pathlib import Path
from types import ModuleType

_MORE_MEMORY = 4 << 30  # bytes of address space beyond what Python and PyTorch take
_LARGEST_FILE = 64 << 20


def limit(seconds: float) -> None:
    """Bound memory, processor time and the sizes of files; no core dumps."""
    resource = _resource()
    if resource is None:
        return
    limits = {"RLIMIT_FSIZE": _LARGEST_FILE, "RLIMIT_CORE": 0, "RLIMIT_CPU": int(seconds) + 5}
    with contextlib.suppress(OSError):
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
        limits["RLIMIT_AS"] = pages * resource.getpagesize() + _MORE_MEMORY
    for name, most in limits.items():
        with contextlib.suppress(ValueError, OSError):  # a stricter limit is there already
            resource.setrlimit(getattr(resource, name), (most, most))


def _resource() -> ModuleType | None:
    try:
        import resource
    except ImportError:
        return None
    return resource


def ending(status: int) -> str:
    """A process's exit status, or the signal that ended it.

    >>> ending(3), ending(-9)
    ('exit status 3', 'signal SIGKILL')
    """
    if status >= 0:
        return f"exit status {status}"
    try:
        return f"signal {signal.Signals(-status).name}"
    except ValueError:
        return f"signal {-status}"
