"""Proofs of inequalities."""

from torchstone.judge.facts import Facts
from torchstone.judge.verdict import Claim


def ordered(claim: Claim, facts: Facts) -> str | None:
    return None
