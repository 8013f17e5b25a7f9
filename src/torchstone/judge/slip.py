"""The likely slip of a refuted claim: one small change that makes it true."""

import time
from collections.abc import Callable, Iterator, Mapping
from itertools import combinations
from typing import Any, NamedTuple

import sympy as sp
from sympy.printing.str import StrPrinter

from torchstone.judge.functions import UndecidedValueError, UndefinedValueError, UnsupportedError
from torchstone.judge.judge import judge, prepared
from torchstone.judge.limit import TimeUp, at_most
from torchstone.judge.points import OutsideError, Space, Trial
from torchstone.judge.refute import Search, number_text, same
from torchstone.judge.values import Code, at_bits, compile_value, is_valueless
from torchstone.judge.verdict import Claim

Rebuild = Callable[[sp.Expr, sp.Expr, Mapping[str, sp.Expr]], Claim]

_SECONDS = 1.5
_POINTS = 5
_MOST_EDITS = 160
_BITS = 300
_SLOPES = ("Derivative", "Slope", "Prime")  # SymPy's, and how others write down what is still to be carried out
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
    kind: str  # "sign", "name" (one taken for another) or "other"


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
        with at_most(_SECONDS):
            claim = prepared(rebuild(left, right, {}))
            if claim.relation != "=":
                return None
            for change in _changes(left, right, rebuild, definitions, claim):
                if _makes_true(left, change, rebuild, deadline):
                    return change.sentence
    except (Exception, TimeUp):
        # Whatever goes wrong with a mere suggestion is no reason to disturb a verdict.
        return None
    return None


def _makes_true(left: sp.Expr, change: _Change, rebuild: Rebuild, deadline: float) -> bool:
    try:
        claim = prepared(rebuild(left, change.right, change.definitions))
        if is_valueless(claim.left) or is_valueless(claim.right):
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
    if not claim.left.free_symbols | claim.right.free_symbols:
        value = at_bits(_BITS, compile_value(claim.left), {})
        text = number_text(value, 6)
        yield _Change(claim.left, {}, f"the left side is {text}")
        return
    for name, body in definitions.items():
        if isinstance(body, sp.Add) and len(body.args) == 2 and sum(_is_negative(term) for term in body.args) == 1:
            yield _redefined(right, name, -body)
    measured = _Measured(claim)
    if any(type(node).__name__ in _SLOPES for side in (left, right) for node in sp.preorder_traversal(side)):
        yield from _inner_derivatives(right, claim, measured)
    if measured.ratio(sp.S.NegativeOne):
        yield _Change(-right, {}, f"the sign: {_text(-right)} would make it true")
    names = _names(left, right, claim)
    edits = [edit for _, edit in zip(range(_MOST_EDITS), _edits(right, names), strict=False)]
    yield from (_edited(edit) for edit in edits if edit.kind == "sign")
    yield from (_edited(edit) for edit in edits if edit.kind == "name")
    yield from _factors_and_terms(left, right, rebuild, claim, measured)
    yield _Change(1 / right, {}, f"the quotient is upside down: {_text(1 / right)} would make it true")
    yield from (_edited(edit) for edit in edits if edit.kind == "other")
    written = {str(symbol) for side in (left, right) for symbol in side.free_symbols}
    for name, body in definitions.items():
        if name in written:
            yield from (_redefined(right, name, edit.whole) for edit in _edits(body, names) if edit.kind == "sign")


def _edited(edit: _Edit) -> _Change:
    if edit.whole == edit.new:
        return _Change(edit.whole, {}, f"{_text(edit.new)} on the right side would make it true")
    return _Change(edit.whole, {}, f"{_text(edit.new)} in place of {_text(edit.old)} would make it true")


def _text(expression: sp.Expr) -> str:
    """An expression as text, without what was left unevaluated when it was read."""
    return str(_Printer().doprint(_evaluated(expression)))


class _Printer(StrPrinter):
    def _print_Sum(self, e: sp.Sum) -> str:
        limits = ", ".join(f"{index} = {self.doprint(first)}..{self.doprint(last)}" for index, first, last in e.limits)
        return f"sum({self.doprint(e.function)}, {limits})"


def _evaluated(node: Any) -> Any:
    if isinstance(node, (sp.Add, sp.Mul, sp.Pow)):
        return node.func(*(_evaluated(part) for part in node.args))
    return node


def _redefined(right: sp.Expr, name: str, body: sp.Expr) -> _Change:
    return _Change(right, {name: body}, f"{name} = {_text(body)} would make it true")


def _is_negative(term: sp.Expr) -> bool:
    return bool(term.could_extract_minus_sign())


def single_changes(expression: sp.Expr) -> Iterator[sp.Expr]:
    """Every expression that differs from this one by one slip: a sign, a factor, an exponent, an index, a name."""
    names = _names(expression, expression, Claim(expression, expression))
    return (edit.whole for edit in _edits(expression, names))


# Changes of one part --------------------------------------------------------------------------------------------------


def _edits(node: sp.Expr, names: "_Names") -> Iterator[_Edit]:
    """Every expression that differs from this one in one part, the outermost first."""
    for kind, rule in _LOCAL.items():
        if isinstance(node, kind):
            for new, likelihood in rule(node, names):
                if new != node:
                    yield _Edit(new, node, new, likelihood)
    if isinstance(node, (sp.Derivative, sp.Subs)):
        return
    for position, part in enumerate(node.args):
        if isinstance(part, sp.Expr) and not (isinstance(node, sp.Indexed) and position == 0):
            for edit in _edits(part, names):
                yield from _put_in(node, position, edit.whole, edit)
        elif isinstance(node, sp.Piecewise):
            value, condition = part.args
            for edit in _edits(value, names):
                yield from _put_in(node, position, (edit.whole, condition), edit)


def _put_in(node: sp.Expr, position: int, part: Any, edit: _Edit) -> Iterator[_Edit]:
    """The edit of a part as one of the whole; none where SymPy does not take the part, such as a complex one in Max."""
    try:
        whole = node.func(*node.args[:position], part, *node.args[position + 1 :])
    except (ValueError, TypeError):
        return
    yield _Edit(whole, edit.old, edit.new, edit.kind)


class _Names(NamedTuple):
    """What can be taken for one another."""

    symbols: tuple[sp.Symbol, ...]
    indices: tuple[sp.Symbol, ...]
    bases: tuple[sp.IndexedBase, ...]


_Local = Iterator[tuple[sp.Expr, str]]  # another expression in its place, and how likely that slip is


def _in_a_sum(node: sp.Add, names: _Names) -> _Local:
    for position, term in enumerate(node.args):
        others = (*node.args[:position], *node.args[position + 1 :])
        yield sp.Add(*others, -term), "sign"
        yield sp.Add(*others), "other"
        for lost in (*names.symbols, sp.Integer(2), sp.S.Half):
            yield sp.Add(*others, term * lost), "other"


def _in_a_product(node: sp.Mul, _: _Names) -> _Local:
    for position, factor in enumerate(node.args):
        others = sp.Mul(*node.args[:position], *node.args[position + 1 :])
        if factor is not sp.S.NegativeOne:
            yield others, "other"
            if isinstance(factor, sp.Pow) and factor.exp.is_negative:
                yield others / factor, "other"


def _in_a_power(node: sp.Pow, _: _Names) -> _Local:
    if node.base is sp.E:
        yield from _in_an_argument(sp.exp, node.exp)
        return
    for exponent in (-node.exp, *(node.exp + step for step in (-1, 1, -2, 2))):
        yield node.base**exponent, "other"


def _in_a_function(node: sp.Function, _: _Names) -> _Local:
    if len(node.args) == 1 and not isinstance(node, sp.Piecewise):
        yield from _in_an_argument(node.func, node.args[0])
        if type(node) in _CONFUSED:
            yield _CONFUSED[type(node)](node.args[0]), "name"


def _in_an_argument(function: Callable[[sp.Expr], sp.Expr], argument: sp.Expr) -> _Local:
    yield function(-argument), "sign"
    yield function(argument / 2), "other"
    yield function(argument * 2), "other"


def _in_an_index(node: sp.Indexed, names: _Names) -> _Local:
    for index in node.indices:
        for symbol in sorted(index.free_symbols, key=str):
            for other in (*names.indices, symbol + 1, symbol - 1):
                yield node.subs(symbol, other), "name"
        if index.is_Integer:
            for value in (index + 1, index - 1):
                if value > 0:
                    yield node.subs(index, value), "name"


def _in_a_symbol(node: sp.Symbol, names: _Names) -> _Local:
    same_stem = [other for other in names.symbols if _stem(other) == _stem(node)]
    for other in (*same_stem, *names.symbols):
        yield other, "name" if other in same_stem else "other"


def _stem(symbol: sp.Symbol) -> str:
    return str(symbol).split("_")[0]


def _under_a_sum(node: sp.Sum, names: _Names) -> _Local:
    for base in names.bases:
        for index, *_ in node.limits:
            yield node.func(node.function * base[index], *node.limits), "other"


_LOCAL: dict[Any, Callable[[Any, _Names], _Local]] = {
    sp.Add: _in_a_sum,
    sp.Mul: _in_a_product,
    sp.Pow: _in_a_power,
    sp.Function: _in_a_function,
    sp.Indexed: _in_an_index,
    sp.Symbol: _in_a_symbol,
    sp.Sum: _under_a_sum,
}


def _names(left: sp.Expr, right: sp.Expr, claim: Claim) -> _Names:
    """The symbols, free indices and vectors that occur."""
    sides = (left, right, claim.left, claim.right)
    indexed = {each for side in sides for each in side.atoms(sp.Indexed)}
    bases = {each.base for each in indexed}
    used = {symbol for each in indexed for index in each.indices for symbol in index.free_symbols}
    free = {symbol for side in sides for symbol in side.free_symbols if isinstance(symbol, sp.Symbol)}
    free -= {base.label for base in bases}
    symbols = sorted((symbol for symbol in free if not symbol.is_integer), key=str)
    return _Names(
        tuple(symbols[:8]), tuple(sorted(free & used, key=str)), tuple(sorted(bases, key=lambda base: base.name)[:4])
    )


# What the numbers say -------------------------------------------------------------------------------------------------


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
    most = max(sp.count_ops(left), sp.count_ops(right))
    for candidate in _small(left, right, claim):
        try:
            value = rebuild(candidate, sp.S.Zero, {}).left
        except (ValueError, TypeError):
            continue
        text = _text(candidate)
        if measured.ratio(value):
            yield _Change(right * candidate, {}, f"the right side lacks the factor {text}")
        if measured.inverse(value):
            yield _Change(right / candidate, {}, f"the right side has the factor {text} too many")
        if isinstance(candidate, sp.Add) or sp.count_ops(candidate) > most:
            continue  # the whole difference is no slip
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
        found.update(dict.fromkeys((atom, 1 - atom, 1 + atom, atom**2, 2 * atom, atom * (1 - atom))))
    for one, other in combinations(plain[:5], 2):
        found.update(dict.fromkeys((one * other, 2 * one * other)))
    for side in sides:
        for node in sp.preorder_traversal(side):
            if isinstance(node, sp.Expr) and node.args and not node.free_symbols & bound and sp.count_ops(node) < 25:
                found.update(dict.fromkeys((node, 1 - node)))
    written = {left, right, claim.left, claim.right}
    return iter([each for each in found if each not in written and not _inexpressible(each)][:150])


def _inexpressible(candidate: sp.Expr) -> bool:
    """Whether a candidate holds what was written but is no SymPy, such as f'(x), or what only SymPy writes."""
    return any(
        isinstance(node, (sp.Derivative, sp.Heaviside, sp.KroneckerDelta, sp.Piecewise))
        or not (type(node).__module__ or "sympy").startswith("sympy")
        for node in sp.preorder_traversal(candidate)
    )
