"""The likely slip of a refuted claim: one small change that makes it true."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any, NamedTuple

import sympy as sp

from torchstone.judge.judge import judge, prepared
from torchstone.judge.points import OutsideError, Space, Trial
from torchstone.judge.refute import Search, same
from torchstone.judge.values import (
    Code,
    UndecidedValueError,
    UndefinedValueError,
    UnsupportedError,
    at_bits,
    compile_value,
)
from torchstone.judge.verdict import Claim

Rebuild = Callable[[sp.Expr, sp.Expr, Mapping[str, sp.Expr]], Claim]

_SECONDS = 1.5
_POINTS = 5
_MOST_EDITS = 160
_BITS = 300
_CONFUSED = {sp.sin: sp.cos, sp.cos: sp.sin, sp.sinh: sp.cosh, sp.cosh: sp.sinh, sp.exp: sp.log, sp.log: sp.exp}


class _Change(NamedTuple):
    """Another right side, or another definition, and how to say it."""

    right: sp.Expr
    definitions: Mapping[str, sp.Expr]
    sentence: str


class _Edit(NamedTuple):
    """A whole expression with one part of it changed."""

    whole: sp.Expr
    old: sp.Expr
    new: sp.Expr
    kind: str  # "sign" or "other"


def suggest(left: sp.Expr, right: sp.Expr, rebuild: Rebuild, definitions: Mapping[str, sp.Expr]) -> str | None:
    """One sentence that names a single change that makes a refuted claim true; None where no simple one is found.

    `left` and `right` are the sides as they were written, `definitions` what the defined symbols in them stand for
    (name: body), and `rebuild(left, right, changed)` the claim with the definitions put in, some of them changed.

    >>> x = sp.Symbol("x", real=True)
    >>> rebuild = lambda left, right, changed: Claim(left.doit(), right)
    >>> suggest(sp.Derivative(sp.exp(2 * x), x), sp.exp(2 * x), rebuild, {})
    'the inner derivative 2 (of 2*x) is missing on the right side'
    """
    deadline = time.monotonic() + _SECONDS
    try:
        claim = prepared(rebuild(left, right, {}))
        if claim.relation != "=":
            return None
        for change in _changes(left, right, rebuild, definitions, claim):
            if time.monotonic() > deadline:
                return None
            if _makes_true(left, change, rebuild, deadline):
                return change.sentence
    except Exception:
        # Whatever goes wrong with a mere suggestion is no reason to disturb a verdict.
        return None
    return None


def _makes_true(left: sp.Expr, change: _Change, rebuild: Rebuild, deadline: float) -> bool:
    try:
        claim = prepared(rebuild(left, change.right, change.definitions))
        if claim.left.has(sp.nan, sp.zoo, sp.oo) or claim.right.has(sp.nan, sp.zoo, sp.oo):
            return False
        if not Search(claim).survives(_POINTS, 8 * _POINTS):
            return False
    except (UnsupportedError, ValueError, TypeError):
        return False
    seconds = min(0.6, max(deadline - time.monotonic(), 0.05))
    return judge(claim, seconds).outcome in ("proven", "agrees")


def _changes(
    left: sp.Expr, right: sp.Expr, rebuild: Rebuild, definitions: Mapping[str, sp.Expr], claim: Claim
) -> Iterator[_Change]:
    """What to try, the likeliest first."""
    for name, body in definitions.items():
        if isinstance(body, sp.Add) and len(body.args) == 2 and sum(_is_negative(term) for term in body.args) == 1:
            yield _redefined(right, name, -body)
    measured = _Measured(claim)
    if left.has(sp.Derivative) or right.has(sp.Derivative):
        yield from _inner_derivatives(right, claim, measured)
    if measured.ratio(sp.S.NegativeOne):
        yield _Change(-right, {}, f"the sign: {sp.sstr(-right)} would make it true")
    indices = _index_symbols(claim)
    edits = list(_limited(_edits(right, indices)))
    for edit in edits:
        if edit.kind == "sign":
            yield _edited(edit)
    yield from _factors_and_terms(left, right, rebuild, claim, measured)
    yield _Change(1 / right, {}, f"the quotient is upside down: {sp.sstr(1 / right)} would make it true")
    for edit in edits:
        if edit.kind != "sign":
            yield _edited(edit)
    for name, body in definitions.items():
        for edit in _limited(_edits(body, indices)):
            yield _redefined(right, name, edit.whole)


def _edited(edit: _Edit) -> _Change:
    if edit.whole == edit.new:
        return _Change(edit.whole, {}, f"{sp.sstr(edit.new)} on the right side would make it true")
    return _Change(edit.whole, {}, f"{sp.sstr(edit.new)} in place of {sp.sstr(edit.old)} would make it true")


def _redefined(right: sp.Expr, name: str, body: sp.Expr) -> _Change:
    return _Change(right, {name: body}, f"{name} = {sp.sstr(body)} would make it true")


def _limited(edits: Iterator[_Edit]) -> Iterator[_Edit]:
    for count, edit in enumerate(edits):
        if count == _MOST_EDITS:
            return
        yield edit


def _is_negative(term: sp.Expr) -> bool:
    return bool(term.could_extract_minus_sign())


# Changes of one part ---------------------------------------------------------------------------------------------------


def _edits(node: sp.Expr, indices: Sequence[sp.Symbol]) -> Iterator[_Edit]:
    """Every expression that differs from this one in one part, the outermost first."""
    for new, kind in _local(node, indices):
        if new != node:
            yield _Edit(new, node, new, kind)
    if isinstance(node, (sp.Derivative, sp.Subs)):
        return
    for position, part in enumerate(node.args):
        if isinstance(part, sp.Expr) and not (isinstance(node, sp.Indexed) and position == 0):
            for edit in _edits(part, indices):
                arguments = (*node.args[:position], edit.whole, *node.args[position + 1 :])
                yield _Edit(node.func(*arguments), edit.old, edit.new, edit.kind)
        elif isinstance(node, sp.Piecewise):
            value, condition = part.args
            for edit in _edits(value, indices):
                arguments = (*node.args[:position], (edit.whole, condition), *node.args[position + 1 :])
                yield _Edit(node.func(*arguments), edit.old, edit.new, edit.kind)


def _local(node: sp.Expr, indices: Sequence[sp.Symbol]) -> Iterator[tuple[sp.Expr, str]]:
    """The slips that can be made at one place."""
    if isinstance(node, sp.Add):
        for term in node.args:
            yield node - 2 * term, "sign"
        for term in node.args:
            yield node - term, "other"
    elif isinstance(node, sp.Mul):
        for factor in node.args:
            if factor is not sp.S.NegativeOne:
                yield node / factor, "other"
                if isinstance(factor, sp.Pow) and factor.exp.is_negative:
                    yield node / factor**2, "other"
    elif isinstance(node, sp.Pow) and node.base is not sp.E:
        for exponent in (-node.exp, node.exp - 1, node.exp + 1):
            yield node.base**exponent, "other"
    elif isinstance(node, (sp.Function, sp.Pow)):
        argument = node.exp if isinstance(node, sp.Pow) else node.args[0]
        if len(node.args) == 1 or isinstance(node, sp.Pow):
            yield sp.exp(-argument) if isinstance(node, sp.Pow) else node.func(-argument), "sign"
        other = _CONFUSED.get(type(node))
        if other is not None:
            yield other(argument), "other"
    elif isinstance(node, sp.Indexed):
        for index in node.indices:
            for symbol in sorted(index.free_symbols, key=str):
                for other in indices:
                    yield node.subs(symbol, other), "other"
                for step in (1, -1):
                    yield node.subs(symbol, symbol + step), "other"
            if index.is_Integer:
                for value in (index + 1, index - 1):
                    if value > 0:
                        yield node.subs(index, value), "other"


def _index_symbols(claim: Claim) -> tuple[sp.Symbol, ...]:
    """The free indices of a claim's vectors."""
    sides = (claim.left, claim.right)
    free = {symbol for side in sides for symbol in side.free_symbols}
    used = {
        symbol
        for side in sides
        for each in side.atoms(sp.Indexed)
        for index in each.indices
        for symbol in index.free_symbols
    }
    return tuple(sorted(free & used, key=str))


# What the numbers say --------------------------------------------------------------------------------------------------


class _Measured:
    """Both sides at a few points: what one has to be multiplied by, or what is to be added, to get the other."""

    def __init__(self, claim: Claim) -> None:
        space = Space(claim)
        left, right = compile_value(claim.left), compile_value(claim.right)
        self.points: list[tuple[Trial, Any, Any]] = []
        for number in range(60):
            try:
                trial = space.trial(number)
                here, there = at_bits(_BITS, left, trial), at_bits(_BITS, right, trial)
            except (OutsideError, UndefinedValueError, UndecidedValueError):
                continue
            self.points.append((trial, here, there))
            if len(self.points) == _POINTS:
                break

    def _everywhere(self, candidate: sp.Expr, test: Callable[[Any, Any, Any], bool]) -> bool:
        try:
            code: Code = compile_value(candidate)
            return bool(self.points) and all(
                test(at_bits(_BITS, code, trial), here, there) for trial, here, there in self.points
            )
        except (UndefinedValueError, UndecidedValueError, UnsupportedError, OutsideError):
            return False

    def ratio(self, candidate: sp.Expr) -> bool:
        """Whether left = right * candidate at all of them, and that says something."""
        return self._everywhere(candidate, lambda value, here, there: same(here, there * value)) and any(
            not same(there, there * 0) for _, _, there in self.points
        )

    def inverse(self, candidate: sp.Expr) -> bool:
        """Whether left * candidate = right at all of them."""
        return self._everywhere(candidate, lambda value, here, there: same(here * value, there)) and any(
            not same(here, here * 0) for _, here, _ in self.points
        )

    def gap(self, candidate: sp.Expr) -> bool:
        """Whether left = right + candidate at all of them."""
        return self._everywhere(candidate, lambda value, here, there: same(here, there + value))


def _inner_derivatives(right: sp.Expr, claim: Claim, measured: _Measured) -> Iterator[_Change]:
    seen: set[sp.Expr] = set()
    for side in (claim.right, claim.left):
        for node in sp.preorder_traversal(side):
            if isinstance(node, (sp.Sum, sp.Product, sp.Indexed, sp.KroneckerDelta)):
                continue
            is_function = isinstance(node, sp.Function) and len(node.args) == 1
            inner = node.args[0] if is_function else node.base if isinstance(node, sp.Pow) else None
            inner = node.exp if isinstance(node, sp.Pow) and node.base is sp.E else inner
            if inner is None or inner in seen or not isinstance(inner, sp.Expr) or inner.is_Atom:
                continue
            seen.add(inner)
            for symbol in sorted(inner.free_symbols, key=str):
                if isinstance(symbol, sp.Symbol) and not inner.has(sp.Indexed):
                    slope = sp.diff(inner, symbol)
                    if slope not in (0, 1) and measured.ratio(slope):
                        what = (
                            f"the inner derivative {sp.sstr(slope)} (of {sp.sstr(inner)}) is missing on the right side"
                        )
                        yield _Change(right * slope, {}, what)


def _factors_and_terms(
    left: sp.Expr, right: sp.Expr, rebuild: Rebuild, claim: Claim, measured: _Measured
) -> Iterator[_Change]:
    for candidate in _small(left, right, claim):
        try:
            value = rebuild(candidate, sp.S.Zero, {}).left
        except (ValueError, TypeError):
            continue
        text = sp.sstr(candidate)
        if measured.ratio(value):
            yield _Change(right * candidate, {}, f"the right side lacks the factor {text}")
        if measured.inverse(value):
            yield _Change(right / candidate, {}, f"the right side has the factor {text} too many")
        if measured.gap(value):
            yield _Change(right + candidate, {}, f"the right side lacks the term {text}")
        if measured.gap(-value):
            yield _Change(right - candidate, {}, f"the right side has the term {text} too many")


def _small(left: sp.Expr, right: sp.Expr, claim: Claim) -> Iterator[sp.Expr]:
    """Small expressions that may have been lost: numbers, symbols, 1 - y, and the parts of both sides."""
    found: dict[sp.Expr, None] = dict.fromkeys(sp.Integer(n) for n in (2, 3, 4, -1, -2, 1))
    found[sp.S.Half] = None
    sides = (left, right, claim.left, claim.right)
    bound = {symbol for side in sides for each in side.atoms(sp.Sum, sp.Product) for symbol in each.bound_symbols}
    atoms = {atom for side in sides for atom in side.atoms(sp.Symbol, sp.Indexed) if not atom.free_symbols & bound}
    bases = {atom.base.label for atom in atoms if isinstance(atom, sp.Indexed)}
    plain = sorted(atoms - bases, key=lambda atom: (len(str(atom)), str(atom)))
    for atom in plain:
        found.update(dict.fromkeys((atom, 1 - atom, 1 + atom, atom**2, 2 * atom)))
    for one, other in combinations(plain[:5], 2):
        found.update(dict.fromkeys((one * other, 2 * one * other)))
    for side in sides:
        for node in sp.preorder_traversal(side):
            if isinstance(node, sp.Expr) and node.args and not node.free_symbols & bound and sp.count_ops(node) < 25:
                found.update(dict.fromkeys((node, 1 - node)))
    return iter(list(found)[:150])
