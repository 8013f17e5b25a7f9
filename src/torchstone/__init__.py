"""Right and wrong in the losses, activations and optimizers you write in PyTorch.

Importing the package loads nothing heavy: each name below is fetched on first use.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torchstone.compare import compare as compare

__version__ = "0.1.0"

# Where each public name lives.
_HOME = {
    "compare": "torchstone.compare",
}
_MODULES = ("activations", "assignment", "definitions", "losses", "optimizers", "oracle")

__all__ = ["__version__", "activations", "assignment", "compare", "definitions", "losses", "optimizers", "oracle"]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    if name in _MODULES:
        return import_module(f"torchstone.{name}")
    raise AttributeError(f"module 'torchstone' has no attribute {name!r}; it has {', '.join(__all__)}")


def __dir__() -> list[str]:
    return __all__
