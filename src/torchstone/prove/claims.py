"""Claims: two sides with every definition put in, and what may be taken for granted about them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, cast

import sympy as sp

from torchstone.judge import Claim
from torchstone.judge.verdict import Relation
from torchstone.prove import tree
from torchstone.prove.expansion import Expansion, alike, put
from torchstone.prove.written import Inverse, plain

if TYPE_CHECKING:
    from torchstone.prove.scope import Definition, Scope


def make_claim(
    scope: Scope, left: sp.Expr, right: sp.Expr, relation: str, at: int, changed: Mapping[str, sp.Expr]
) -> tuple[Claim, str]:
    """The claim that `left relation right` is, and a note on how it is to be understood."""
    expansion = Expansion(scope, at, changed)
    if isinstance(left, Inverse) and left.args[0].func.__name__ in scope.definitions:
        # f^-1(y) = r says that f(r) = y.
        call = left.args[0]
        left, right = call.func(right), call.args[0]
    recurrence = _recurrence_of(scope, left)
    if recurrence is not None and relation == "=":
        a, b, note = _by_induction(expansion, recurrence, left, right)
    else:
        a, b, note = expansion.of(left), expansion.of(right), ""
    if scope.values:
        a, b = put(a, scope.values), put(b, scope.values)
    if scope.solved:
        a, b = put(a, scope.solved), put(b, scope.solved)
    a, b, sized = _with_sizes(alike(a), alike(b))
    for side in (a, b):
        if side.has(sp.nan, sp.zoo):
            raise tree.LatexError("division by zero", at)
    a, b = _with_plain_bounds(a, b)
    return _with_what_is_given(scope, a, b, relation, expansion.kinks), note or sized


def make_loose(scope: Scope, left: sp.Expr, right: sp.Expr, relation: str, claim: Claim) -> Claim:
    """The claim with defined symbols left free."""
    symbols = frozenset(name for name, known in scope.definitions.items() if not known.parameters)
    expansion = Expansion(scope)
    try:
        a, b = expansion.of(left, symbols), expansion.of(right, symbols)
    except (tree.LatexError, ValueError, TypeError, AttributeError):
        return claim
    return _with_what_is_given(scope, a, b, relation, expansion.kinks)


def _with_what_is_given(scope: Scope, a: sp.Expr, b: sp.Expr, relation: str, kinks: Iterable[sp.Basic]) -> Claim:
    free = a.free_symbols | b.free_symbols
    labels = {str(symbol) for symbol in free}
    domains = {place: domain for place, domain in scope.domains.items() if str(place) in labels}
    given = []
    for known in (*scope.given, *scope.weights.values(), *sorted(kinks, key=str)):
        settled = put(known, scope.values) if scope.values else known
        if settled not in (sp.true, sp.false) and _places(settled) <= labels and settled not in given:
            given.append(settled)
    return Claim(a, b, cast("Relation", relation), domains, tuple(given))


def _places(relation: sp.Basic) -> set[str]:
    """The numbers that a relation is about; of one about indices only, those."""
    names = {symbol for symbol in relation.free_symbols if not isinstance(symbol, sp.Indexed)}
    return {str(symbol) for symbol in names if not symbol.is_integer} or {str(symbol) for symbol in names}


def _with_plain_bounds(a: sp.Expr, b: sp.Expr) -> tuple[sp.Expr, sp.Expr]:
    """The same sums with the same indices on both sides: j, in a sum over a sum k, and so on."""
    taken = {str(symbol) for symbol in a.free_symbols | b.free_symbols}
    names = [name for name in ("j", "k", "l", "m", "r", "s", "j1", "j2", "j3", "j4") if name not in taken]
    return _renamed(a, names), _renamed(b, names)


def _renamed(e: sp.Basic, names: list[str]) -> sp.Basic:
    if not e.args or not e.has(sp.Sum, sp.Product):
        return e
    inner = [_renamed(argument, names) for argument in e.args]
    if not isinstance(e, sp.Sum | sp.Product) or len(e.limits) != 1:
        return e.func(*inner)
    index, first, last = inner[1]
    height = _height(inner[0])
    if height >= len(names):
        return e.func(*inner)
    fresh = sp.Symbol(names[height], integer=True)
    return e.func(put(inner[0], {index: fresh}), (fresh, first, last))


def _height(e: sp.Basic) -> int:
    """How deep sums stand in sums."""
    deepest = max(map(_height, e.args), default=0)
    return deepest + 1 if isinstance(e, sp.Sum | sp.Product) else deepest


def _recurrence_of(scope: Scope, left: sp.Expr) -> Definition | None:
    """The recurrence for a component whose number is not known: m_t, w_{t+1}."""
    if not isinstance(left, sp.Indexed) or left.indices[0].is_Integer:
        return None
    definition = scope.definitions.get(str(left.base))
    return definition if definition is not None and definition.recursive else None


def _by_induction(
    expansion: Expansion, recurrence: Definition, left: sp.Expr, right: sp.Expr
) -> tuple[sp.Expr, sp.Expr, str]:
    """m_t = r(t), where m_t is known through m_{t-1}: either r holds m_{t-1} too, or r(0) = m_0 and r follows r."""
    base, index = left.base, left.indices[0]
    body = put(recurrence.body, {recurrence.index[0]: index})
    a, b = expansion.of(body), expansion.of(right)
    numbers = [each.indices[0] for each in b.atoms(sp.Indexed) if each.base == base]
    if any(not number.is_Integer for number in numbers):
        return a, b, ""
    symbol = next(iter(index.free_symbols))
    first, begins = sp.S.Zero, put(b, {symbol: -(index - symbol)})
    start = expansion.of(base[first])
    if sp.simplify(begins - start) != 0:
        return start, begins, f"at {plain(symbol)} = 0"
    before = {
        each: put(b, {symbol: each.indices[0] - index + symbol}) for each in a.atoms(sp.Indexed) if each.base == base
    }
    return _without_last(a.xreplace(before), symbol), _without_last(b, symbol), f"by induction over {plain(symbol)}"


def _without_last(e: sp.Expr, symbol: sp.Expr) -> sp.Expr:
    """Sums up to t as sums up to t - 1, and their last term."""

    def split(each: sp.Sum) -> sp.Expr:
        index, first, last = each.limits[0]
        if last != symbol:
            return each
        return sp.Sum(each.function, (index, first, last - 1)) + put(each.function, {index: last})

    return e.replace(lambda each: isinstance(each, sp.Sum), split)


def _with_sizes(a: sp.Expr, b: sp.Expr) -> tuple[sp.Expr, sp.Expr, str]:
    """Where one side has a sum over z of any size and the other z_1 and z_2 by themselves: a sum over those."""
    sums = a.atoms(sp.Sum) | b.atoms(sp.Sum)
    uppers = {each.limits[0][2] for each in sums if each.limits[0][2].is_Symbol}
    if len(uppers) != 1 or (a.has(sp.Sum) and b.has(sp.Sum)):
        return a, b, ""
    plain_side = b if a.has(sp.Sum) else a
    numbers = {int(i) for each in plain_side.atoms(sp.Indexed) for i in each.indices if i.is_Integer}
    most = max(numbers, default=0)
    if most < 2 or numbers != set(range(1, most + 1)):
        return a, b, ""
    upper = uppers.pop()
    values = {upper: sp.Integer(most)}
    return put(a, values), put(b, values), f"with {upper} = {most}, as written out"
