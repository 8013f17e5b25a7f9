"""Right and wrong in the losses, activations and optimizers you write in PyTorch.

Importing the package loads nothing heavy: each part below is fetched on first use.
"""

from importlib import import_module
from types import ModuleType

# Bound here and now, since the packages of these names would take the functions' place when they are loaded.
from torchstone.compare import compare
from torchstone.derive import derive
from torchstone.prove import prove

__version__ = "0.1.0"

_PARTS = ("activations", "assignment", "definitions", "losses", "optimizers", "oracle")

__all__ = [
    "__version__",
    "activations",
    "assignment",
    "compare",
    "definitions",
    "derive",
    "losses",
    "optimizers",
    "oracle",
    "prove",
]


def __getattr__(name: str) -> ModuleType:
    if name in _PARTS:
        return import_module(f"torchstone.{name}")
    raise AttributeError(f"module 'torchstone' has no attribute {name!r}; it has {', '.join(__all__)}")


def __dir__() -> list[str]:
    return __all__
