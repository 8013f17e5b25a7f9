"""Claims: two sides with every definition put in, and what may be taken for granted about them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, cast

import sympy as sp

from torchstone.judge import Claim
from torchstone.judge.verdict import Relation
from torchstone.prove import tree
from torchstone.prove.meaning import solving
from torchstone.prove.meaning.expansion import Expansion
from torchstone.prove.meaning.indices import opened, put, with_plain_bounds
from torchstone.prove.meaning.slopes import alike, refuse_kink
from torchstone.prove.meaning.written import Inverse, plain

if TYPE_CHECKING:
    from torchstone.prove.meaning.scope import Definition, Scope


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
        a, b, note = _by_recurrence(expansion, recurrence, left, right)
    else:
        a, b, note = expansion.of(left), expansion.of(right), ""
    if expansion.unrelated and (a == 0) != (b == 0):
        body, variable = expansion.unrelated[0]
        raise tree.LatexError(f"nothing that is defined here makes {plain(body)} depend on {plain(variable)}", at)
    if scope.values:
        for side in (a, b):
            refuse_kink(side, expansion.kinks, scope.values, at)
        a, b = put(a, scope.values), put(b, scope.values)
    a, b = solving.put_in(scope, left, right, a, b)
    a, b, sized = _with_sizes(alike(a), alike(b))
    for side in (a, b):
        if side.has(sp.nan, sp.zoo):
            raise tree.LatexError("division by zero", at)
    a, b = with_plain_bounds(a, b)
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
    weights = [_apart(total, free) for name, total in scope.weights.items() if _counts_on(name, a, b)]
    for known in (*scope.given, *weights, *sorted(kinks, key=str)):
        settled = put(known, scope.values) if scope.values else known
        if settled not in (sp.true, sp.false) and _places(settled) <= labels and settled not in given:
            given.append(settled)
    return Claim(a, b, cast("Relation", relation), domains, tuple(given))


def _counts_on(weights: str, a: sp.Expr, b: sp.Expr) -> bool:
    """Whether a vector's sum may matter: one component by itself, it does not bind."""
    base = sp.IndexedBase(weights)
    summed = any(each.has(base) for side in (a, b) for each in side.atoms(sp.Sum))
    return summed or len({each for side in (a, b) for each in side.atoms(sp.Indexed) if each.base == base}) > 1


def _apart(total: sp.Eq, free: set[sp.Basic]) -> sp.Basic:
    """The sum of a vector's components with a counter of its own, where its letter is one of the claim's."""
    body, index, first, last = opened(total.lhs)
    if index not in free:
        return total
    counter = sp.Symbol(f"{index}'", integer=True)
    return sp.Eq(sp.Sum(put(body, {index: counter}), (counter, first, last)), total.rhs)


def taken(scope: Scope, claim: Claim) -> str:
    """What a claim takes for granted that nobody said."""
    free = claim.left.free_symbols | claim.right.free_symbols
    counted = [name for name, total in scope.weights.items() if _apart(total, free) in claim.given]
    names = counted if claim.left != claim.right else []
    return " and ".join(f"taking sum({name}) = 1 as given" for name in names)


def _places(relation: sp.Basic) -> set[str]:
    """The numbers that a relation is about; of one about indices only, those."""
    names = {symbol for symbol in relation.free_symbols if not isinstance(symbol, sp.Indexed)}
    return {str(symbol) for symbol in names if not symbol.is_integer} or {str(symbol) for symbol in names}


def _recurrence_of(scope: Scope, left: sp.Expr) -> Definition | None:
    """The recurrence that a side with m_t or w_{t+1} in it is about, whose number is not known."""
    for each in left.atoms(sp.Indexed):
        definition = scope.definitions.get(str(each.base))
        if definition is not None and definition.recursive and not each.indices[0].is_Integer:
            return definition
    return None


def _by_recurrence(
    expansion: Expansion, recurrence: Definition, left: sp.Expr, right: sp.Expr
) -> tuple[sp.Expr, sp.Expr, str]:
    """m_t = r, where m_t is known through m_{t-1}: r holds an earlier m, or is shown by induction over t."""
    base = sp.IndexedBase(recurrence.name)
    a, b = expansion.of(left), expansion.of(right)
    latest, others = _numbers(a, base), _numbers(b, base)
    if others & latest:
        return a, b, ""
    if len(latest) != 1:
        raise tree.LatexError("more than one component of a recurrence stands on this side", expansion.at)
    (index,) = latest
    if others:
        return _unrolled_to(expansion, expansion.of(_unrolled(a, recurrence, base, index)), b), b, ""
    (symbol,) = index.free_symbols
    closed = _solved_for(a, b, base[index])
    if closed is None:
        raise tree.LatexError(f"this is not solved for {plain(base[index])}", expansion.at)
    closed = put(closed, {symbol: 2 * symbol - index})
    first = sp.Integer(expansion.scope.letters.start_of(recurrence.name))
    start, begins = expansion.of(base[first]), put(closed, {symbol: first})
    if sp.simplify(begins - start) != 0:
        return start, begins, f"at {plain(symbol)} = {first}"
    step = expansion.of(_unrolled(base[symbol], recurrence, base, symbol))
    before = {base[number]: put(closed, {symbol: number}) for number in _numbers(step, base)}
    note = f"by induction over {plain(symbol)}"
    return _without_last(step.xreplace(before), symbol), _without_last(closed, symbol), note


def _unrolled_to(expansion: Expansion, a: sp.Expr, b: sp.Expr) -> sp.Expr:
    """A side with every later component of a recurrence traced back to those that the other side holds."""
    for definition in expansion.scope.definitions.values():
        base = sp.IndexedBase(definition.name)
        for number in _numbers(a, base) if definition.recursive else ():
            if any((number - other).is_positive for other in _numbers(b, base)):
                a = expansion.of(_unrolled(a, definition, base, number))
    return a


def _numbers(e: sp.Expr, base: sp.IndexedBase) -> set[sp.Expr]:
    """Which components of a vector an expression holds, as far as they aren't numbers."""
    return {each.indices[0] for each in e.atoms(sp.Indexed) if each.base == base and not each.indices[0].is_Integer}


def _unrolled(e: sp.Expr, recurrence: Definition, base: sp.IndexedBase, index: sp.Expr) -> sp.Expr:
    return e.xreplace({base[index]: put(recurrence.body, {recurrence.index[0]: index})})


def _solved_for(a: sp.Expr, b: sp.Expr, component: sp.Expr) -> sp.Expr | None:
    """The component from an equation in which it is linear."""
    place = sp.Dummy("component", real=True)
    held = a.xreplace({component: place})
    factor = sp.diff(held, place)
    if factor == 0 or factor.has(place):
        return None
    return (b - held.subs(place, 0)) / factor


def _without_last(e: sp.Expr, symbol: sp.Expr) -> sp.Expr:
    """Sums up to t as sums up to t - 1, and their last term."""

    def split(each: sp.Sum) -> sp.Expr:
        body, index, first, last = opened(each)
        if last != symbol:
            return each
        return sp.Sum(body, (index, first, last - 1)) + put(body, {index: last})

    return e.replace(lambda each: isinstance(each, sp.Sum), split)


def _with_sizes(a: sp.Expr, b: sp.Expr) -> tuple[sp.Expr, sp.Expr, str]:
    """Where one side has a sum over z of any size and the other z_1 and z_2 by themselves: a sum over those."""
    sums = a.atoms(sp.Sum) | b.atoms(sp.Sum)
    uppers = {limits[2] for each in sums for limits in each.limits if limits[2].is_Symbol}
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
