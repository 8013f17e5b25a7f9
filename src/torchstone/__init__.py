"""Right and wrong in the losses, activations and optimizers you write in PyTorch.

Importing the package loads nothing heavy: each part below is fetched on first use.
"""

from importlib import import_module
from typing import Any

# Bound here and now, since the packages of these names would take the functions' place when they are loaded.
from torchstone.check import check
from torchstone.compare import compare
from torchstone.derive import derive
from torchstone.prove import prove

__version__ = "0.1.0"

_PARTS = ("activations", "assignment", "definitions", "losses", "optimizers", "oracle")
_FUNCTIONS = {
    "parametrize": "torchstone.check.testing",
    "rule": "torchstone.check.rule",
    "traits": "torchstone.check.traits",
}

__all__ = [
    "__version__",
    "activations",
    "assignment",
    "check",
    "compare",
    "definitions",
    "derive",
    "losses",
    "optimizers",
    "oracle",
    "parametrize",
    "prove",
    "rule",
    "traits",
]


def __getattr__(name: str) -> Any:
    if name in _PARTS:
        return import_module(f"torchstone.{name}")
    if name in _FUNCTIONS:
        return getattr(import_module(_FUNCTIONS[name]), name)
    raise AttributeError(f"module 'torchstone' has no attribute {name!r}; it has {', '.join(__all__)}")


def __dir__() -> list[str]:
    return __all__
