"""What is right: one definition per function, written once as mathematics.

>>> from torchstone import definitions
>>> definitions.get("tanh").expression
(exp(x) - exp(-x))/(exp(x) + exp(-x))
"""

from torchstone.definitions.core import (
    COMPONENT,
    FREE,
    VALUE,
    Convention,
    Definition,
    Function,
    Hyper,
    Identity,
    Input,
    Kink,
    Limit,
    Reference,
    State,
    UpdateRule,
    Variant,
)
from torchstone.definitions.counterparts import Counterpart, for_counterpart
from torchstone.definitions.registry import every, get, names

__all__ = [
    "COMPONENT",
    "FREE",
    "VALUE",
    "Convention",
    "Counterpart",
    "Definition",
    "Function",
    "Hyper",
    "Identity",
    "Input",
    "Kink",
    "Limit",
    "Reference",
    "State",
    "UpdateRule",
    "Variant",
    "every",
    "for_counterpart",
    "get",
    "names",
]
