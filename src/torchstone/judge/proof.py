"""Proofs of equality: by normal form, case by case; by derivatives and one value; by SymPy last."""

import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import sympy as sp

from torchstone.judge.facts import Facts, UndeterminedError
from torchstone.judge.functions import UnsupportedError
from torchstone.judge.induction import by_induction
from torchstone.judge.order import ordered
from torchstone.judge.reading import Reader
from torchstone.judge.tower import Poly, Quotient, TooLargeError, Tower, VanishingError
from torchstone.judge.values import is_valueless
from torchstone.judge.verdict import Claim

_SLOTS = (24, 80)
_MOST_CASES = 40
_VALUES = (sp.S.One, sp.S.Zero, sp.Integer(2), sp.S.NegativeOne, sp.S.Half, sp.Integer(3), sp.Integer(-2))


class UnprovenError(Exception):
    """No proof this way."""


def prove(claim: Claim, deadline: float) -> str | None:
    """How the claim is proven, in one phrase; None where no proof is found."""
    simpler = _with_whole_angles(claim)
    if simpler is not claim:
        with suppress(TooLargeError, UnprovenError, UnsupportedError, UndeterminedError, VanishingError):
            return _Proof(simpler, _SLOTS[0], deadline).of(simpler)
    for slots in _SLOTS:
        proof = _Proof(claim, slots, deadline)
        try:
            return proof.of(claim)
        except TooLargeError as error:
            if str(error) != "too many different terms":
                break
        except (UnprovenError, UnsupportedError, UndeterminedError, VanishingError):
            break
    if claim.relation == "=" and not claim.given:
        return _by_sympy(claim, deadline)
    return None


def _with_whole_angles(claim: Claim) -> Claim:
    """The claim with a new symbol for each angle, which implies it: what does not need the angles' parts is easier so.

    The addition theorems would take cos((3x - 5)^2) apart into powers of cos(x^2) and cos(x).
    """
    if claim.relation != "=" or claim.given:
        return claim
    angles: dict[sp.Expr, sp.Expr] = {}

    def named(angle: sp.Expr) -> sp.Expr:
        angle = sp.expand(angle)
        if -angle in angles:
            return -angles[-angle]
        return angles.setdefault(angle, sp.Dummy("angle", real=True))

    def is_compound(node: sp.Basic) -> bool:
        return isinstance(node, sp.sin | sp.cos | sp.tan) and not node.args[0].is_Symbol

    sides = [
        side.replace(is_compound, lambda call: call.func(named(call.args[0]))) for side in (claim.left, claim.right)
    ]
    return replace(claim, left=sides[0], right=sides[1]) if angles else claim


@dataclass(frozen=True)
class _Case:
    """Two sides to be shown equal under some facts."""

    left: sp.Expr
    right: sp.Expr
    facts: Facts
    given: tuple[sp.Basic, ...]
    depth: int = 0

    @property
    def symbols(self) -> set[sp.Basic]:
        """What it depends on."""
        return self.left.free_symbols | self.right.free_symbols

    def under(self, facts: Facts) -> "_Case":
        """The same with more known."""
        return replace(self, facts=facts, depth=self.depth + 1)

    def at(self, old: sp.Basic, new: sp.Basic, facts: Facts | None = None) -> "_Case":
        """The same with something put in for a symbol or a delta."""
        left, right, *given = (each.subs(old, new) for each in (self.left, self.right, *self.given))
        return _Case(left, right, facts or self.facts.copy(), tuple(given), self.depth + 1)


class _Proof:
    """One attempt: what was used on the way."""

    def __init__(self, claim: Claim, slots: int, deadline: float) -> None:
        self.claim, self.deadline = claim, deadline
        self.tower = Tower(slots)
        self.facts = Facts(self.tower)
        self.cases = 0
        self.labels: list[str] = []
        self.constant = False
        self._take_domains()
        self._take_given()

    def of(self, claim: Claim) -> str | None:
        """The proof in a phrase. Raises where there is none."""
        if claim.relation != "=":
            return ordered(claim, self.facts)
        case = _Case(claim.left, claim.right, self.facts, claim.given)
        try:
            self.equal(case)
        except UnprovenError:
            number = self._number_of_terms(case)
            if number is not None:
                return f"symbolic: induction on {number}"
            self._value_by_value(case)
        return self.phrase()

    def _number_of_terms(self, case: _Case) -> sp.Symbol | None:
        """What induction goes over, where it proves the case."""
        if not (case.left.has(sp.Sum) or case.right.has(sp.Sum)):
            return None
        try:
            return by_induction(case.left, case.right, self.tower, case.facts)
        except (UndeterminedError, UnsupportedError, VanishingError):
            return None

    def _value_by_value(self, case: _Case) -> None:
        """A symbol of a few values takes each of them."""
        few = [
            (symbol, domain)
            for symbol, domain in self.claim.domains.items()
            if isinstance(symbol, sp.Symbol) and isinstance(domain, sp.FiniteSet) and symbol in case.symbols
        ]
        if not few:
            raise UnprovenError
        symbol, values = min(few, key=lambda pair: str(pair[0]))
        for value in values:
            there = case.at(symbol, value)
            if any(is_valueless(side) for side in (there.left, there.right)):
                continue
            try:
                self.equal(there)
            except UnprovenError:
                self._value_by_value(there)
            self.labels.append(f"{symbol} = {value}")

    def phrase(self) -> str:
        """What was done, in a few words."""
        how = "both sides have the same normal form"
        if self.constant:
            how = "both sides have the same derivatives, and the same value at a point"
        if self.labels:
            cases = ", ".join(dict.fromkeys(self.labels))
            return f"symbolic: {how} in each case ({cases})" if len(cases) < 60 else f"symbolic: {how} in each case"
        return f"symbolic: {how}"

    def _take_domains(self) -> None:
        reader = Reader(self.tower, self.facts)
        nodes = {node for side in (self.claim.left, self.claim.right) for node in sp.preorder_traversal(side)}
        for variable, domain in self.claim.domains.items():
            alike = [variable] if isinstance(variable, sp.Symbol) else []
            alike += [node for node in nodes if isinstance(node, sp.Indexed) and node.base == variable]
            for each in alike:
                for bound, direction, open_ in _bounds(domain):
                    value = reader.read(direction * (each - bound))
                    self.facts.add(value.top, strict=open_)
        for node in nodes:
            if isinstance(node, sp.Symbol) and (node.is_positive or node.is_negative):
                value = reader.read(node if node.is_positive else -node)
                self.facts.add(value.top)

    def _take_given(self) -> None:
        reader = Reader(self.tower, self.facts)
        for given in self.claim.given:
            if isinstance(given, sp.Eq):
                self._relate(reader.difference(given.lhs, given.rhs))
            elif isinstance(given, (sp.StrictGreaterThan, sp.GreaterThan)):
                self.facts.learn(reader.read(given.lhs - given.rhs), isinstance(given, sp.StrictGreaterThan))
            elif isinstance(given, (sp.StrictLessThan, sp.LessThan)):
                self.facts.learn(reader.read(given.rhs - given.lhs), isinstance(given, sp.StrictLessThan))

    def _relate(self, zero: Quotient) -> None:
        """An equation as a relation: it gives one generator by the others."""
        best = None
        for generator in self.tower.used(zero.top):
            index = generator.index
            terms = dict(zero.top.terms())
            own = {exponents: value for exponents, value in terms.items() if exponents[index]}
            if len(own) == 1 and sum(next(iter(own))) == 1 and generator.index not in self.tower.relations:
                rank = (generator.kind == "sum", generator.kind == "symbol", index)
                if best is None or rank > best[0]:
                    best = (rank, generator, next(iter(own.values())))
        if best is not None:
            _, generator, scale = best
            rest = zero.top - self.tower.gens[generator.index] * scale
            self.tower.relate(generator, 1, rest / -scale)

    def equal(self, case: _Case) -> None:
        """Proves that the sides are equal under the facts, or raises."""
        self.cases += 1
        if self.cases > _MOST_CASES or case.depth > 8 or time.monotonic() > self.deadline:
            raise UnprovenError
        if sp.false in case.given:
            return
        reader = Reader(self.tower, case.facts)
        try:
            difference = reader.difference(case.left, case.right)
            if not difference.top:
                return
            locus = self._undecided(difference, case.facts)
            if locus is None and not self._index_pairs(case):
                self._check_constant(case, reader)
                locus = self._parting(case)
                if locus is None:
                    self._one_value(case)
                    self.constant = True
                    return
        except VanishingError:
            return  # a side has no value anywhere here
        except UndeterminedError as undetermined:
            locus = undetermined.locus
        if locus is None:
            self._index_cases(case)
        else:
            self._cases(case, self._finest(locus, case.facts))

    def _undecided(self, difference: Quotient, facts: Facts) -> Poly | None:
        """A sign on which a size |p| in the difference depends."""
        for generator in (*self.tower.used(difference.top), *self.tower.used(difference.bottom)):
            if generator.kind == "root" and facts.sign_of(generator.data) is None:
                _, value = self.tower.relations[generator.index]
                if value != generator.data:
                    return generator.data
        return None

    def _finest(self, locus: Poly, facts: Facts) -> Poly:
        """If the locus itself depends on a size |p|, the sign of p comes first."""
        return self._undecided(Quotient(locus, self.tower.one), facts) or locus

    def _cases(self, case: _Case, locus: Poly) -> None:
        """The case once more for each sign of the locus."""
        expression = self.tower.polynomial_expression(locus)
        for sign, relation in ((1, ">"), (-1, "<")):
            here = case.facts.copy()
            here.add(locus * sign)
            if here.possible():
                self.equal(case.under(here))
                self.labels.append(f"{sp.sstr(expression)} {relation} 0")
        here = case.facts.on_the_border(locus)
        if here.possible():
            if not self._divides(locus, case.under(here)):
                self._on_the_border(case, expression)
            self.labels.append(f"{sp.sstr(expression)} = 0")

    def _divides(self, locus: Poly, case: _Case) -> bool:
        """Whether the difference is a multiple of what is 0, or a side has no value there."""
        try:
            top = Reader(self.tower, case.facts).difference(case.left, case.right).top
        except VanishingError:
            return True
        except (UndeterminedError, UnsupportedError):
            return False
        return not top or not divmod(top, locus)[1]

    def _on_the_border(self, case: _Case, expression: sp.Expr) -> None:
        """Where the locus is 0: one symbol is given by the others."""
        for symbol in sorted(expression.free_symbols, key=str):
            if isinstance(symbol, sp.Symbol) and symbol.is_integer is not True:
                slope, rest = sp.expand(sp.diff(expression, symbol)), sp.expand(expression.subs(symbol, 0))
                # Where a slope is 0, the rest is too: not so if it is a number.
                if symbol not in slope.free_symbols and slope != 0 and (slope.is_Rational or rest.is_Rational):
                    value = sp.expand(-rest / slope)
                    there = case.at(symbol, value, self._moved(case.facts, symbol, value))
                    if not any(is_valueless(side) for side in (there.left, there.right)):
                        self.equal(there)
                    return
        raise UnprovenError

    def _moved(self, facts: Facts, symbol: sp.Symbol, value: sp.Expr) -> Facts:
        """The facts that remain where a symbol has a value."""
        moved = Facts(self.tower)
        reader = Reader(self.tower, moved)
        for (_, strict), poly in facts.known.items():
            expression = self.tower.polynomial_expression(poly).subs(symbol, value)
            if not is_valueless(expression):
                read = reader.read(expression)
                if read.bottom.is_constant():
                    moved.add(read.top / read.bottom, strict)
        return moved

    # Indices ---------------------------------------------------------------------------------------------------------

    def _index_pairs(self, case: _Case) -> list[sp.Basic]:
        """The deltas that stand outside of sums over their indices."""
        free = case.left.free_symbols | case.right.free_symbols
        deltas = case.left.atoms(sp.KroneckerDelta) | case.right.atoms(sp.KroneckerDelta)
        return sorted((delta for delta in deltas if delta.free_symbols <= free), key=sp.default_sort_key)

    def _index_cases(self, case: _Case) -> None:
        for delta in self._index_pairs(case)[:1]:
            one, other = sorted(delta.args[:2], key=lambda index: (not index.is_Symbol, str(index)))
            if not one.is_Symbol:
                raise UnprovenError
            self.equal(case.at(delta, sp.S.Zero))
            self.labels.append(f"{one} != {other}")
            self.equal(case.at(one, other))
            self.labels.append(f"{one} = {other}")
            return
        self._numbered(case)

    def _numbered(self, case: _Case) -> None:
        """An index beside sums with numbers for bounds takes each of their values."""
        sides = (case.left, case.right)
        limits = {
            (low, high) for side in sides for each in side.atoms(sp.Sum, sp.Product) for _, low, high in each.limits
        }
        indices = {index for side in sides for each in side.atoms(sp.Indexed) for index in each.indices}
        free = {index for index in indices if index.is_Symbol and any(index in side.free_symbols for side in sides)}
        if len(limits) != 1 or not free:
            raise UnprovenError
        ((low, high),) = limits
        if not (low.is_Integer and high.is_Integer and high - low < 4):
            raise UnprovenError
        index = min(free, key=str)
        for value in range(int(low), int(high) + 1):
            self.equal(case.at(index, sp.Integer(value)))
            self.labels.append(f"{index} = {value}")

    # A difference that does not change -------------------------------------------------------------------------------

    def _check_constant(self, case: _Case, reader: Reader) -> None:
        """Raises unless all derivatives of the difference vanish."""
        difference = case.left - case.right
        symbols = sorted(difference.free_symbols, key=str)
        if not symbols or difference.has(sp.Indexed, sp.Derivative, sp.Subs, sp.Sum, sp.Product):
            raise UnprovenError
        if any(symbol.is_integer for symbol in symbols) or difference.atoms(sp.core.function.AppliedUndef):
            raise UnprovenError
        for symbol in symbols:
            slope = sp.diff(difference, symbol)
            if slope.has(sp.Derivative) or reader.difference(slope, sp.S.Zero).top:
                raise UnprovenError

    def _parting(self, case: _Case) -> Poly | None:
        """What may part the domain, where it is 0. Raises where the domain may have several pieces otherwise."""
        facts = case.facts
        reader = Reader(self.tower, facts)
        reader.difference(case.left, case.right)
        polys = [quotient.bottom for quotient in reader.memory.values()]
        for side in (case.left, case.right):
            for node in sp.preorder_traversal(side):
                for bounded in _bounded(node):
                    polys += [reader.read(bounded).top, reader.read(bounded).bottom]
        for poly in polys:
            for factor, _ in self.tower.factors(poly)[1]:
                if facts.sign_of(factor) is None:
                    return factor
        for poly in facts.known.values():
            # Half-spaces meet in a convex set; other conditions may leave several pieces.
            if poly.total_degree() > 1 or any(each.kind != "symbol" for each in self.tower.used(poly)):
                raise UnprovenError
        return None

    def _one_value(self, case: _Case) -> None:
        """Finds a point at which the difference is exactly 0."""
        symbols = sorted((case.left - case.right).free_symbols, key=str)
        conditions = [
            (self.tower.polynomial_expression(poly), strict) for (_, strict), poly in case.facts.known.items()
        ]
        for point in _points(len(symbols)):
            at = dict(zip(symbols, point, strict=True))
            values = [(condition.subs(at), strict) for condition, strict in conditions]
            if not all(value > 0 or (value == 0 and not strict) for value, strict in values):
                continue
            sides = [side.subs(at) for side in (case.left, case.right)]
            if any(is_valueless(side) for side in sides):
                continue
            try:
                if not Reader(self.tower, Facts(self.tower)).difference(*sides).top:
                    return
            except (UnsupportedError, UndeterminedError, VanishingError):
                continue
        raise UnprovenError


def _bounded(node: sp.Basic) -> tuple[sp.Expr, ...]:
    """Expressions that must be positive, or not negative, for a function to have a real value."""
    u = node.args[0] if node.args else sp.S.One
    if isinstance(node, sp.Pow) and node.base is not sp.E and not node.exp.is_integer:
        return (u,)
    if isinstance(node, (sp.asin, sp.acos, sp.atanh)):
        return (1 - u, 1 + u)
    if isinstance(node, sp.acosh):
        return (u - 1,)
    return (u,) if isinstance(node, sp.log) else ()


def _points(count: int) -> Iterator[tuple[sp.Expr, ...]]:
    for shift in range(len(_VALUES)):
        yield tuple(_VALUES[(shift + position) % len(_VALUES)] for position in range(count))
        if count > 1:
            yield (_VALUES[shift],) * count


def _bounds(domain: sp.Set) -> Iterator[tuple[sp.Expr, int, bool]]:
    """(bound, direction, whether it is left out) of a set's hull, where it is an interval or a few numbers.

    In place of an irrational number stands the whole number beyond it.
    """
    if isinstance(domain, sp.Interval):
        if domain.start.is_Rational:
            yield domain.start, 1, bool(domain.left_open)
        elif (below := sp.floor(domain.start)).is_Integer:
            yield below, 1, True
        if domain.end.is_Rational:
            yield domain.end, -1, bool(domain.right_open)
        elif (above := sp.ceiling(domain.end)).is_Integer:
            yield above, -1, True
    elif isinstance(domain, sp.FiniteSet) and all(each.is_Rational for each in domain):
        yield min(domain), 1, False
        yield max(domain), -1, False


def _by_sympy(claim: Claim, deadline: float) -> str | None:
    """SymPy's simplify, with what is left of the time."""
    if time.monotonic() > deadline or claim.left.has(sp.Indexed) or claim.right.has(sp.Indexed):
        return None
    difference: Any = claim.left - claim.right
    if sp.count_ops(difference) > 150:
        return None
    for how in (difference.doit, lambda: sp.simplify(difference)):
        if how() == 0:
            return "symbolic: SymPy simplifies the difference of the sides to 0"
    return None


__all__ = ["prove"]
