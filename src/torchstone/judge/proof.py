"""Proofs."""

from typing import Any
import sympy as sp
from torchstone.judge.verdict import Claim


def prove(claim: Claim, points: list[Any], deadline: float) -> str | None:
    if claim.relation == "=" and sp.simplify(claim.left - claim.right) == 0:
        return "symbolic: the difference simplifies to 0"
    return None
