"""Points at which the two sides of a claim differ, with balls that prove it; or how often they agreed."""

import time
from dataclasses import dataclass
from typing import Any

import sympy as sp
from flint import arb, ctx, fmpq

from torchstone.judge.functions import UndecidedValueError, UndefinedValueError
from torchstone.judge.points import OutsideError, Space, Trial
from torchstone.judge.values import Code, at_bits, compile_value
from torchstone.judge.verdict import Claim, Counterexample, Relation

DIGITS = 60  # to which the sides agree where they are not told apart
_BITS = (256, 1024, 4096)
_MOST_SHRINKS = 150


@dataclass
class Evidence:
    """What the points said: how many agreed, and the smallest one found that does not."""

    counterexample: Counterexample | None = None
    agreed: int = 0
    undefined: int = 0
    undecided: int = 0


class Search:
    """Goes through the points of a claim's domain, in order."""

    def __init__(self, claim: Claim, evidence: Evidence | None = None) -> None:
        self.relation = claim.relation
        self.space = Space(claim)
        self.left, self.right = compile_value(claim.left), compile_value(claim.right)
        self.evidence = evidence if evidence is not None else Evidence()
        self.next = 0
        self.seen: set[tuple[Any, ...]] = set()

    def go_on(self, wanted: int, attempts: int, deadline: float) -> Evidence:
        """Try points until so many have agreed, or one refutes the claim."""
        evidence = self.evidence
        stop = self.next + attempts
        while self.next < stop and evidence.agreed < wanted and evidence.counterexample is None:
            if time.monotonic() > deadline:
                break
            trial, holds = self._try(self.next, None)
            self.next += 1
            if trial is None or holds is None:
                continue
            identity = tuple(sorted((str(key), str(value)) for key, value in trial.chosen.items()))
            if holds and identity in self.seen:
                if not identity:
                    break  # no variables: one point says all
                continue
            self.seen.add(identity)
            if holds:
                evidence.agreed += 1
            else:
                evidence.counterexample = self._described(self._shrunk(trial, deadline))
        return evidence

    def survives(self, points: int, attempts: int) -> bool:
        """Whether so many points agree and none refutes; without looking for the smallest that does."""
        agreed = 0
        for number in range(attempts):
            _, holds = self._try(number, None)
            if holds is False:
                return False
            agreed += holds is True
            if agreed >= points:
                return True
        return agreed > 0

    def _try(self, number: int, forced: dict[Any, Any] | None) -> tuple[Trial | None, bool | None]:
        try:
            trial = self.space.trial(number, forced)
            holds = relation_at(self.left, self.right, self.relation, trial)
        except (OutsideError, UndefinedValueError):
            if forced is None:
                self.evidence.undefined += 1
            return None, None
        except UndecidedValueError:
            if forced is None:
                self.evidence.undecided += 1
            return None, None
        return trial, holds

    def _shrunk(self, trial: Trial, deadline: float) -> Trial:
        """A simpler point that refutes the claim too: each variable in turn as simple as it can be."""
        left = _MOST_SHRINKS
        for key in list(trial.chosen):
            if key in trial.solved or key not in trial.chosen:
                continue
            variable = key[0] if isinstance(key, tuple) else key
            for value in self.space.options(variable, trial):
                left -= 1
                if left < 0 or value == trial.chosen[key] or time.monotonic() > deadline:
                    break
                forced = {each: known for each, known in trial.chosen.items() if each not in trial.solved}
                simpler, holds = self._try(trial.number, {**forced, key: value})
                if simpler is not None and holds is False and simpler.chosen.get(key) == value:
                    trial = simpler
                    break
        return trial

    def _described(self, trial: Trial) -> Counterexample:
        values = [_narrow(code, trial) for code in (self.left, self.right)]
        point = dict(_named(key, value) for key, value in trial.chosen.items())
        return Counterexample(point, *_texts(*values))


def relation_at(left: Code, right: Code, relation: Relation, point: Trial) -> bool | None:
    """Whether the sides stand in the relation at a point, for certain or to DIGITS digits; None: cannot be told."""
    for bits in _BITS:
        try:
            here, there = at_bits(bits, left, point), at_bits(bits, right, point)
            direction, close = _compared(here, there, bits)
        except UndecidedValueError:
            continue
        if direction is None and not close:
            continue
        if direction is None:
            # Equal to so many digits: that agrees with =, <= and >=, and says nothing of the others.
            return True if relation in ("=", "<=", ">=") else None
        return {
            "=": direction == 0,
            "!=": direction != 0,
            "<": direction < 0,
            "<=": direction <= 0,
            ">": direction > 0,
            ">=": direction >= 0,
        }[relation]
    raise UndecidedValueError


def _compared(here: Any, there: Any, bits: int) -> tuple[int | None, bool]:
    """The sign of the difference, None where it cannot be told; and whether it is 0 to DIGITS digits."""
    before, ctx.prec = ctx.prec, bits
    try:
        difference = here - there
        if isinstance(difference, fmpq):
            return (difference > 0) - (difference < 0), True
        if not difference.contains(0):
            return (1 if difference > 0 else -1), True
        size = max(arb(1), abs(arb(here)), key=lambda ball: float(ball.mid()))
        return None, bool(abs(difference).upper() < size.lower() * arb(10) ** -DIGITS)
    finally:
        ctx.prec = before


def same(here: Any, there: Any) -> bool:
    """Whether two values may be equal: the same number, or balls that overlap."""
    difference = here - there
    return bool(difference == 0) if isinstance(difference, fmpq) else bool(difference.contains(0))


def _narrow(code: Code, trial: Trial) -> Any:
    value = None
    for bits in _BITS:
        try:
            value = at_bits(bits, code, trial)
        except UndecidedValueError:
            continue
        if isinstance(value, fmpq) or value.rel_accuracy_bits() > 150:
            break
    return value


def _texts(left: Any, right: Any) -> tuple[str, str]:
    """Both values, with as many digits as tell them apart."""
    texts = ("", "")
    for digits in (10, 20, 40, 60):
        texts = (number_text(left, digits), number_text(right, digits))
        if texts[0] != texts[1]:
            break
    return texts


def number_text(value: Any, digits: int = 10) -> str:
    """A number as text: exact where it is short, else its decimals."""
    if isinstance(value, fmpq):
        text = str(value)
        if len(text) <= 12:
            return text
    before, ctx.prec = ctx.prec, 400
    try:
        ball = arb(value)
        if ball.contains(0):
            return "0"
        return str(ball.str(digits, radius=False))
    finally:
        ctx.prec = before


def _named(key: Any, value: Any) -> tuple[str, str]:
    if isinstance(key, tuple):
        base, indices = key
        return f"{base}[{', '.join(map(str, indices))}]", str(value)
    if isinstance(value, tuple):
        names, body = value
        return f"{key}({', '.join(map(str, names))})", sp.sstr(body)
    return str(key), str(value)
