"""Bounds on a process that runs other people's code, where the system has them."""

import contextlib
from pathlib import Path
from types import ModuleType

_MORE_MEMORY = 4 << 30  # bytes of address space beyond what Python and PyTorch take
_LARGEST_FILE = 64 << 20
_MOST_SECONDS = 3600  # of one process: an endless loop ends even where its checker was killed


def limit() -> None:
    """Bound memory, time and the sizes of files; no core dumps."""
    resource = _resource()
    if resource is None:
        return
    limits = {"RLIMIT_FSIZE": _LARGEST_FILE, "RLIMIT_CORE": 0, "RLIMIT_CPU": _MOST_SECONDS}
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
