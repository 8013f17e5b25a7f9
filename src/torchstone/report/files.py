"""Files that are written whole or not at all."""

import contextlib
import os
import tempfile
from pathlib import Path


def check_writable(path: str | Path) -> None:
    """Raise `OSError`, in one clear line, where a file could not be written."""
    file = Path(path)
    if file.is_dir():
        raise IsADirectoryError(f"expected a file to write to, got the folder {str(file)!r}")
    if not file.parent.is_dir():
        raise FileNotFoundError(f"expected a file in a folder that exists, got {str(file)!r}")
    if not os.access(file.parent, os.W_OK):
        raise PermissionError(f"expected a folder that can be written to, got {str(file.parent)!r}")


def write_text(path: str | Path, text: str) -> None:
    """Write a file in UTF-8: under another name in the same folder first, and moved into place when it is complete.

    A reader never sees half a file, and a failure leaves what was there.
    """
    check_writable(path)
    file = Path(path)
    handle, name = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as stream:
            stream.write(text)
        # mkstemp makes a private file; a report is an ordinary one.
        Path(name).chmod(file.stat().st_mode & 0o777 if file.exists() else 0o666 & ~_umask())
        Path(name).replace(file)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        raise


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current
