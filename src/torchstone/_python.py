"""How this Python runs one of our modules in another process."""

import sys
from pathlib import Path

_ROOT = str(Path(__file__).parent.parent)


def python_command(module: str) -> list[str]:
    """A command that runs a module's `main` in this Python, and takes nothing from the folder it is started in."""
    clean = 'import sys; sys.path[:1] == [""] and sys.path.pop(0); '
    return [sys.executable, "-c", f"{clean}sys.path.append({_ROOT!r}); from {module} import main; main()"]
