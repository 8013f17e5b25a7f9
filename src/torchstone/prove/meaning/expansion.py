"""From what was written to what it says: definitions put in, derivatives carried out, down to undefined symbols."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import sympy as sp

from torchstone.definitions.limits import BY_CASES, one_sided
from torchstone.prove import tree
from torchstone.prove.meaning.functions import KNOWN, NUMBERS_OF_VECTORS, OF_VECTORS, Terms
from torchstone.prove.meaning.indices import collapsed, component, finite, opened, put, with_other_bounds
from torchstone.prove.meaning.slopes import agree, kinks, refuse_kink, unknown_derivative
from torchstone.prove.meaning.written import At, Component, Inverse, Lim, Mean, Prime, Slope, plain

if TYPE_CHECKING:
    from torchstone.prove.meaning.scope import Scope

_LARGEST_POWER = 5000  # bits of a whole number's power
_MOST_STEPS = 12  # of a recurrence, from its beginning
_DEEPEST = 40

Names = frozenset[str]


class Expansion:
    """Puts definitions in. `at` is where to point if that fails."""

    def __init__(self, scope: Scope, at: int = 0, changed: Mapping[str, sp.Expr] | None = None) -> None:
        self.scope = scope
        self.at = at
        self.changed = changed or {}
        self.unrelated: list[tuple[sp.Expr, sp.Expr]] = []  # derivatives of what does not hold their variable
        self.kinks: set[sp.Basic] = set()  # where a derivative was taken of what has a kink: it has none there
        self.depth = 0

    def of(self, e: sp.Basic, keep: Names = frozenset()) -> sp.Basic:
        """An expression's meaning. The symbols named in `keep` stay as they are."""
        self.depth += 1
        if self.depth > _DEEPEST * 10:
            raise self._error("the definitions go around in a circle")
        try:
            return self._of(e, keep)
        finally:
            self.depth -= 1

    def _error(self, message: str) -> tree.LatexError:
        return tree.LatexError(message, self.at)

    def _of(self, e: sp.Basic, keep: Names) -> sp.Basic:
        for kind, meaning in _MEANINGS.items():
            if isinstance(e, kind):
                return meaning(self, e, keep)
        return e.func(*(self.of(argument, keep) for argument in e.args)) if e.args else e

    def _vector_name(self, e: sp.IndexedBase, keep: Names) -> sp.IndexedBase:
        return e

    def _unknown_slope(self, e: sp.Derivative | sp.Subs, keep: Names) -> sp.Expr:
        meanings = {symbol: self.of(symbol, keep) for symbol in e.free_symbols}
        return e.subs([pair for pair in meanings.items() if pair[0] != pair[1]], simultaneous=True)

    def _power(self, e: sp.Pow, keep: Names) -> sp.Expr:
        base, exponent = self.of(e.base, keep), self.of(e.exp, keep)
        if base.is_Rational and exponent.is_Rational:
            size = abs(float(exponent)) * max(base.p.bit_length(), base.q.bit_length()) if exponent.q < 100 else 0
            if abs(exponent) > 10**6 or size > _LARGEST_POWER:
                raise self._error("this power is too large")
        if base == 0 and exponent.is_negative:
            raise self._error("division by zero")
        return base**exponent

    def _symbol(self, symbol: sp.Symbol, keep: Names) -> sp.Expr:
        name = symbol.name
        if name in keep:
            return symbol
        body = self.changed.get(name)
        definition = self.scope.definitions.get(name)
        if body is None and definition is not None and not definition.index:
            body = definition.body
        if body is not None:
            return self.of(body, keep)
        roots = self.scope.roots(name)
        return sp.Function(name)(*(self.of(root, keep) for root in roots)) if roots else symbol

    def _indexed(self, e: sp.Indexed, keep: Names) -> sp.Expr:
        indices = tuple(self.of(index, keep) for index in e.indices)
        name = str(e.base)
        if name in keep:
            return e.base[indices]
        single = self.changed.get(plain(e.base[indices]), None)
        if single is None and (definition := self.scope.definitions.get(plain(e.base[indices]))):
            single = definition.body
        if single is not None:
            return self.of(single, keep)
        definition = self.scope.definitions.get(name)
        if definition is None or len(definition.index) != len(indices):
            return e.base[indices]
        body = self.changed.get(name, definition.body)
        begins = all(index.is_Integer for index in indices) and e.base[indices] in body.atoms(sp.Indexed)  # x_0
        if begins or (definition.recursive and not self._can_unroll(e.base[indices])):
            return e.base[indices]
        if definition.recursive:
            return self.of(put(body, dict(zip(definition.index, indices, strict=True))), keep)
        return self._substituted(body, dict(zip(definition.index, indices, strict=True)), keep)

    def _substituted(self, body: sp.Expr, values: Mapping[sp.Basic, sp.Basic], keep: Names) -> sp.Expr:
        """A definition's body with values for its parameters: expanded first, for what it holds may hold them too."""
        names = frozenset(str(parameter) for parameter in values)
        with self._kinks_at(values):
            inner = self.of(body, keep | names)
        return self._once_more(put(inner, values), keep)

    @contextmanager
    def _kinks_at(self, values: Mapping[sp.Basic, sp.Basic]) -> Iterator[None]:
        """Kinks that come up in here are where the symbols have those values."""
        before, self.kinks = self.kinks, set()
        yield
        self.kinks = before | {put(kink, values) for kink in self.kinks}

    def _once_more(self, e: sp.Expr, keep: Names) -> sp.Expr:
        """Where numbers took the place of indices, components may have come up that are defined one by one."""
        known = self.scope.definitions
        for each in e.atoms(sp.Indexed):
            general = known.get(str(each.base))
            if plain(each) in known or (general and general.recursive and self._can_unroll(each)):
                return self.of(e, keep)
        return e

    def _can_unroll(self, e: sp.Indexed) -> bool:
        """Whether a component of what a recurrence gives is so near its beginning that it can be worked out."""
        number = e.indices[0]
        start = self.scope.letters.start_of(str(e.base))
        return bool(number.is_Integer and start < number <= start + _MOST_STEPS)

    def _call(self, e: sp.Expr, keep: Names) -> sp.Expr:
        name = e.func.__name__
        definition = self.scope.definitions.get(name)
        arguments = [self.of(argument, keep) for argument in e.args]
        if definition is not None and len(definition.parameters) == len(arguments):
            body = self.changed.get(name, definition.body)
            return self._substituted(body, dict(zip(definition.parameters, arguments, strict=True)), keep)
        if name in KNOWN:
            return KNOWN[name].value(*arguments)
        if name in NUMBERS_OF_VECTORS:
            terms, total = self._vector(arguments, keep)
            return NUMBERS_OF_VECTORS[name](terms, total)
        if name in OF_VECTORS:
            raise self._error(f"{name} is a vector here: write one of its components, {plain(e)}_i")
        return e.func(*arguments)

    def _component(self, e: Component, keep: Names) -> sp.Expr:
        call, *written = e.args
        name = call.func.__name__
        indices = tuple(self.of(index, keep) for index in written)
        definition = self.scope.definitions.get(name)
        if definition is not None and len(definition.parameters) == len(call.args):
            body = self.changed.get(name, definition.body)
            places, given = (
                (*definition.parameters, *definition.index),
                (*(self.of(each, keep) for each in call.args), *indices),
            )
            values = dict(zip(places, given, strict=True))
            return self._substituted(body, values, keep)
        if name not in OF_VECTORS:
            raise self._error(f"{name} is not known for these arguments")
        terms, total = self._vector(list(call.args), keep)
        return OF_VECTORS[name](terms, total, indices[0])

    def _vector(self, arguments: list[sp.Expr], keep: Names) -> tuple[Terms, Callable[[Terms], sp.Expr]]:
        """A vector's components and the sum over them, given the vector's name or the list of its components."""
        first = arguments[0]
        bases = sorted(first.atoms(sp.IndexedBase), key=str)
        if len(arguments) == 1 and bases and not first.has(sp.Indexed):
            index = sp.Symbol("j", integer=True)
            begin, end = (self.of(bound, keep) for bound in self.scope.range_of(str(bases[0])))

            def terms(number: sp.Expr) -> sp.Expr:
                return self.of(component(first, (number,)), keep)

            def total(function: Terms) -> sp.Expr:
                return self._once_more(finite(sp.Sum(function(index), (index, begin, end))), keep)

            return terms, total
        listed = [self.of(argument, keep) for argument in arguments]

        def term(number: sp.Expr) -> sp.Expr:
            if not number.is_Integer or not 1 <= number <= len(listed):
                raise self._error(f"expected a component from 1 to {len(listed)}, got {number}")
            return listed[int(number) - 1]

        return term, lambda function: sp.Add(*(function(sp.Integer(n + 1)) for n in range(len(listed))))

    def _inverse(self, e: Inverse, keep: Names) -> sp.Expr:
        call = e.args[0]
        name = call.func.__name__
        known = KNOWN.get(name)
        definition = self.scope.definitions.get(name)
        argument = self.of(call.args[0], keep)
        if known is not None and known.inverse is not None:
            place = sp.Symbol("x", real=True)
            usual = (
                definition is None or sp.simplify(self._call(sp.Function(name)(place), keep) - known.value(place)) == 0
            )
            if usual:
                return known.inverse(argument)
        raise self._error(f"the inverse of {name} is not known")

    def _placed(self, e: At, keep: Names) -> sp.Expr:
        body, symbol, value = e.args
        values = {symbol: self.of(value, keep)}
        with self._kinks_at(values):
            inner = self.of(body, keep | {str(symbol)})
            refuse_kink(inner, self.kinks, values, self.at)
        return put(inner, values)

    def _limit(self, e: Lim, keep: Names) -> sp.Expr:
        body, symbol, place, side = e.args
        inner, place = self.of(body, keep | {symbol.name}), self.of(place, keep)
        sides = [side.name if place.is_finite else "+"]
        if inner.has(*BY_CASES) and sides == ["+-"]:
            sides = ["-", "+"]
        try:
            value, *others = (self._limit_from(inner, symbol, place, each) for each in sides)
        except (ValueError, NotImplementedError, sp.PoleError):
            raise self._error("this limit can't be worked out") from None
        if value.has(sp.Limit, sp.AccumBounds) or value in (sp.nan, sp.zoo):
            raise self._error("this limit can't be worked out")
        if any(sp.simplify(value - other) != 0 for other in others):
            raise self._error("this limit does not exist: it is another from each side")
        return value

    def _limit_from(self, inner: sp.Expr, symbol: sp.Symbol, place: sp.Expr, side: str) -> sp.Expr:
        if inner.has(*BY_CASES):
            return one_sided(sp.Limit(inner, symbol, place, side), self.scope.domains)
        return sp.limit(inner, symbol, place, side)

    def _expectation(self, e: Mean, keep: Names) -> sp.Expr:
        return self._mean(self.of(e.args[0], keep))

    def _mean(self, e: sp.Expr) -> sp.Expr:
        """An expectation: linear, and of what is random a symbol of its own."""
        random = self.scope.letters.random
        if not any(_name_of(each) in random for each in e.atoms(sp.Symbol, sp.Indexed)):
            return e
        if isinstance(e, sp.Add):
            return sp.Add(*map(self._mean, e.args))
        if isinstance(e, sp.Sum):
            body, *limits = opened(e)
            return sp.Sum(self._mean(body), limits)
        if isinstance(e, sp.Mul):
            fixed = [f for f in e.args if not any(_name_of(a) in random for a in f.atoms(sp.Symbol, sp.Indexed))]
            rest = sp.Mul(*(f for f in e.args if f not in fixed))
            if fixed:
                return sp.Mul(*fixed) * self._mean(rest)
        if isinstance(e, sp.Mul | sp.Pow) and (wide := sp.expand(e)) != e:
            return self._mean(wide)
        return self._opaque_mean(e)

    def _opaque_mean(self, e: sp.Expr) -> sp.Expr:
        """E[g_i]: a component of a vector of its own. What an equation says of it is put in."""
        numbers = sorted({index for each in e.atoms(sp.Indexed) for index in each.indices}, key=str)
        text = plain(e)
        if not numbers:
            name = f"E[{text}]"
            known = self.scope.definitions.get(name)
            return self.of(known.body) if known else sp.Symbol(name, real=True)
        if len(numbers) > 1:
            raise self._error(f"the expectation of {text} is not read")
        blank = sp.Symbol("_", integer=True)
        name = f"E[{plain(put(e, {numbers[0]: blank}))}]"
        known = self.scope.definitions.get(name)
        if known is not None:
            return self.of(put(known.body, {known.index[0]: numbers[0]}))
        return sp.IndexedBase(name)[numbers[0]]

    def _summed(self, e: sp.Sum, keep: Names) -> sp.Expr:
        body, index, first, last = opened(e)
        first, last = self.of(first, keep), self.of(last, keep)
        inner = self.of(body, keep | {str(index)})
        return self._once_more(finite(type(e)(inner, (index, first, last))), keep)

    # Derivatives

    def _slope(self, e: Slope, keep: Names) -> sp.Expr:
        body, variable, order = e.args
        known = self.scope.slopes.get((plain(body), plain(variable)))
        if known is not None and order == 1:
            return self.of(known, keep)
        value = self._differentiated(body, variable, int(order), keep)
        if value == 0 and str(_name_of(variable)) not in self.scope.reach(body):
            self.unrelated.append((body, variable))
        # What was an independent variable here has a meaning outside.
        return self.of(value, keep)

    def _differentiated(self, body: sp.Expr, variable: sp.Expr, order: int, keep: Names) -> sp.Expr:
        kept = keep | {_name_of(variable)}
        inner = self.of(body, kept)
        if isinstance(variable, sp.core.function.AppliedUndef):
            place = sp.Dummy("t", real=True)
            return self._diff(inner.xreplace({variable: place}), place, order).xreplace({place: variable})
        held = variable.base if isinstance(variable, sp.Indexed) else variable
        if not self.scope.has_meaning(variable) or inner.has(held):
            return self._diff(inner, variable, order)
        return self._by_a_defined_symbol(inner, variable, order, keep)

    def _by_a_defined_symbol(self, inner: sp.Expr, variable: sp.Expr, order: int, keep: Names) -> sp.Expr:
        """df/du where f holds u's definition in place of u: (df/dw)/(du/dw), the same for all that u is made of."""
        meaning = self.of(variable, keep)
        basis = sorted(meaning.free_symbols - _bases(meaning), key=str)
        if not (inner.free_symbols & set(basis)):
            return sp.S.Zero
        if order != 1:
            raise self._error(f"a higher derivative by {plain(variable)} is not read here")
        ratios = []
        for symbol in basis:
            slope = self._diff(meaning, symbol, 1)
            if slope != 0:
                ratios.append(self._diff(inner, symbol, 1) / slope)
        ratios.sort(key=sp.count_ops)
        if any(not agree(ratio, ratios[0]) for ratio in ratios[1:]):
            raise self._error(f"this is no function of {plain(variable)} alone")
        return ratios[0]

    def _prime(self, e: Prime, keep: Names) -> sp.Expr:
        call, order = e.args
        derivative = self.scope.definitions.get(f"{call.func.__name__}'")
        if derivative is not None and order == 1:
            return self._substituted(derivative.body, {derivative.parameters[0]: self.of(call.args[0], keep)}, keep)
        place = sp.Symbol(f"{call.func.__name__}_argument", real=True)
        values = {place: self.of(call.args[0], keep)}
        with self._kinks_at(values):
            value = self._diff(self.of(call.func(place), keep), place, int(order))
            refuse_kink(value, self.kinks, values, self.at)
        return put(value, values)

    def _diff(self, e: sp.Expr, variable: sp.Expr, order: int) -> sp.Expr:
        for _ in range(order):
            self.kinks |= set(kinks(e, variable))
            if isinstance(variable, sp.Indexed):
                e = with_other_bounds(e, variable.free_symbols)
            e = self._known_slopes(collapsed(sp.diff(e, variable)))
        return e

    def _known_slopes(self, e: sp.Expr) -> sp.Expr:
        """The derivatives of what has no definition, where an equation gave them: du/dx = 2, f'(x) = 3*x."""
        for each in e.atoms(sp.Derivative, sp.Subs):
            call, places, order = unknown_derivative(each)
            if call is None or order != 1:
                continue
            name = call.func.__name__
            known = self.scope.slopes.get((name, plain(places[0])))
            function = self.scope.definitions.get(f"{name}'")
            if known is not None:
                e = e.xreplace({each: self.of(known)})
            elif function is not None and len(places) == 1:
                e = e.xreplace(
                    {each: self._substituted(function.body, {function.parameters[0]: places[0]}, frozenset())}
                )
        return e


_MEANINGS: Mapping[type | tuple[type, ...], Callable[[Expansion, Any, Names], sp.Basic]] = {
    sp.Symbol: Expansion._symbol,
    sp.IndexedBase: Expansion._vector_name,
    sp.Indexed: Expansion._indexed,
    Slope: Expansion._slope,
    Prime: Expansion._prime,
    Component: Expansion._component,
    Inverse: Expansion._inverse,
    Lim: Expansion._limit,
    Mean: Expansion._expectation,
    At: Expansion._placed,
    (sp.Sum, sp.Product): Expansion._summed,
    (sp.Derivative, sp.Subs): Expansion._unknown_slope,
    sp.Pow: Expansion._power,
    sp.core.function.AppliedUndef: Expansion._call,
}


def _name_of(variable: sp.Expr) -> str:
    return str(variable.base) if isinstance(variable, sp.Indexed) else str(variable)


def _bases(e: sp.Expr) -> set[sp.Symbol]:
    """Symbols that name a vector or an index, not a number."""
    indices = {symbol for each in e.atoms(sp.Indexed) for index in each.indices for symbol in index.free_symbols}
    return {each.base.label for each in e.atoms(sp.Indexed)} | indices
