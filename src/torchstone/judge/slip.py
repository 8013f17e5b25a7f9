"""The likely slip of a refuted claim: a single small change that makes it true."""

from collections.abc import Callable, Mapping

import sympy as sp

from torchstone.judge.verdict import Claim

Rebuild = Callable[[sp.Expr, sp.Expr, Mapping[str, sp.Expr]], Claim]


def suggest(left: sp.Expr, right: sp.Expr, rebuild: Rebuild, definitions: Mapping[str, sp.Expr]) -> str | None:
    """One sentence that names the change; None where no simple one is found."""
    return None
