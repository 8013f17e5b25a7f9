"""Derivations, written step by step and proven at every one.

>>> import torchstone
>>> torchstone.derive("log(x)").result
1/x
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torchstone.derive.derivation import Chain, Derivation, Step

__all__ = ["Chain", "Derivation", "Step", "derive", "names"]


def derive(
    what: str, wrt: str | None = None, in_terms_of: str | None = None, assume: str | Sequence[str] = ()
) -> "Derivation":
    """Derive, line by line: each line with the rule that gives it and the judge's verdict.

    Args:
        what: A definition in any spelling (`"sigmoid"`, `"CrossEntropyLoss"`, `"adam"`): its gradient in the form that
            a backward is written in, or what an optimizer's buffers hold. A named derivation (`"logit"`; see
            `names()`). Or a formula in SymPy's syntax (`"tanh(w*x + b)"`), which is differentiated.
        wrt: The symbol to differentiate by. None: a function's prediction; every symbol of a formula in turn.
        in_terms_of: A name for the function's value, such as `"y"`, to write the derivative in.
        assume: What is known of symbols, which are real: `"y in (0, 1)"`, `"x > 0"`.

    Returns:
        The derivation. `proven` says whether every step is; a step that isn't says so.

    Raises:
        ValueError: for a name that isn't known and no formula either, and for a symbol that does not occur.

    The rules are those of `torchstone.definitions.calculus`; the judge uses SymPy's derivative, not theirs.

    >>> derive("sigmoid", in_terms_of="y").result
    y*(1 - y)
    """
    from torchstone.derive.engine import run

    return run(what, wrt, in_terms_of, (assume,) if isinstance(assume, str) else tuple(assume))


def names() -> tuple[str, ...]:
    """The names that `derive` knows: the textbook's derivations, then every definition.

    >>> names()[:3]
    ('sigmoid-derivative', 'sigmoid-derivative-in-y', 'softmax-two-classes')
    """
    from torchstone.derive.engine import every_name

    return every_name()


def __getattr__(name: str) -> object:
    if name in ("Chain", "Derivation", "Step"):
        from torchstone.derive import derivation

        return getattr(derivation, name)
    raise AttributeError(f"module 'torchstone.derive' has no attribute {name!r}")
