"""What is judged, and what comes of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import sympy as sp

Outcome = Literal["proven", "agrees", "refuted", "unknown"]
Relation = Literal["=", "!=", "<", "<=", ">", ">="]


@dataclass(frozen=True)
class Claim:
    """A relation between two expressions, said to hold wherever both of them have a real value.

    Symbols are real. `domains` narrows them: a symbol, or for a vector's components its `IndexedBase`, with the set
    it lies in. `given` holds relations that may be used: `Eq(Sum(t[j], (j, 1, K)), 1)`, `Ne(i, k)`. An unknown
    function `f(x)` stands for every smooth function.
    """

    left: sp.Expr
    right: sp.Expr
    relation: Relation = "="
    domains: Mapping[sp.Basic, sp.Set] = field(default_factory=dict)
    given: tuple[sp.Basic, ...] = ()


@dataclass(frozen=True)
class Counterexample:
    """Exact numbers at which the two sides differ, and what each side is there."""

    point: Mapping[str, str]  # symbol: an exact number, such as "1/2"; "z[1]" for a component; "f(x)": "x**2 + 1"
    left: str  # decimals, certified to the last one shown; or an exact number where it is a short one
    right: str


@dataclass(frozen=True)
class Verdict:
    """Proven, agrees (at every point that was tried, no more), refuted (final: the counterexample is exact), unknown.

    `method` says how in one phrase, or why it is not known.
    """

    outcome: Outcome
    method: str
    counterexample: Counterexample | None = None
