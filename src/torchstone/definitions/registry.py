"""Definitions by name."""

import difflib
import re

from torchstone.definitions.activations import ACTIVATIONS
from torchstone.definitions.core import Definition, Kind
from torchstone.definitions.losses import LOSSES
from torchstone.definitions.optimizers import OPTIMIZERS

_ALL: tuple[Definition, ...] = (*LOSSES, *ACTIVATIONS, *OPTIMIZERS)


def _plain(name: str) -> str:
    """A name without case, underscores and the like: `BCEWithLogitsLoss` and `bce_with_logits_loss` are one."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


_BY_NAME = {_plain(name): entry for entry in _ALL for name in (entry.name, *entry.aliases)} | {
    _plain(entry.name + ("loss" if entry.kind == "loss" else "")): entry for entry in _ALL
}


def get(name: str) -> Definition:
    """The definition of that name, in any spelling: `sigmoid`, `Sigmoid`, `CrossEntropyLoss`, `cross_entropy`.

    Raises `KeyError` with the names that come near, where there is none.

    >>> get("CrossEntropyLoss").name
    'cross_entropy'
    """
    found = _BY_NAME.get(_plain(name))
    if found is None:
        near = difflib.get_close_matches(_plain(name), _BY_NAME, n=3, cutoff=0.5)
        hint = (
            f"did you mean {' or '.join(dict.fromkeys(_BY_NAME[entry].name for entry in near))}?"
            if near
            else "see definitions.names()"
        )
        raise KeyError(f"name: expected a definition's name, got {name!r}; {hint}")
    return found


def every(kind: Kind | None = None) -> tuple[Definition, ...]:
    """All definitions, or those of one kind: losses, then activations, then optimizers."""
    return tuple(entry for entry in _ALL if kind in (None, entry.kind))


def names(kind: Kind | None = None) -> tuple[str, ...]:
    """The names of all definitions, or of one kind.

    >>> names("optimizer")[:3]
    ('sgd', 'gradient_descent', 'momentum')
    """
    return tuple(entry.name for entry in every(kind))
