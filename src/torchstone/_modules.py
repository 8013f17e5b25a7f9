"""Other people's modules: by the path of their file, or by their dotted name. This runs their code."""

import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType


class NoModuleError(ValueError):
    """There is no such module. What its own code raises is something else, and passes."""


def from_file(path: Path, name: str) -> ModuleType:
    """The module in a file, under a name of our choice: a file may be called torch.py."""
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise NoModuleError(f"expected a Python file, got {str(path)!r}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def from_path(dotted: str) -> ModuleType:
    """The module of a dotted name."""
    try:
        return importlib.import_module(dotted)
    except ModuleNotFoundError as error:
        if error.name and f"{dotted}.".startswith(f"{error.name}."):
            raise NoModuleError(f"expected a module, got {dotted!r}: {error}") from None
        raise
