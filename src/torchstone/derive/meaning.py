"""What a line of a derivation says once its definitions are put in, and whether it follows."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from typing import cast

import sympy as sp
from sympy.core.function import AppliedUndef

from torchstone.definitions.limits import one_sided
from torchstone.judge import Claim, Verdict, judge
from torchstone.judge.verdict import Relation

# The expectation over the gradients of a stationary process: linear, and the same for every g_i.
E = sp.Function("E")
G = sp.IndexedBase("g")


def _is_definition(relation: sp.Basic) -> bool:
    return isinstance(relation, sp.Eq) and isinstance(relation.lhs, sp.Symbol | AppliedUndef | sp.Indexed)


class Meaning:
    """Definitions and domains, and what expressions mean under them."""

    def __init__(self, given: Iterable[sp.Basic], domains: Mapping[sp.Basic, sp.Set]) -> None:
        given = tuple(given)
        self.domains = dict(domains)
        # What is said of a function that SymPy knows is no news to the judge.
        self.facts = tuple(
            each for each in given if not _is_definition(each) and not isinstance(each.args[0], sp.Function)
        )
        self._definitions: dict[sp.Basic, list[tuple[sp.Basic, sp.Basic]]] = defaultdict(list)
        for each in given:
            if _is_definition(each):
                self._definitions[_head(each.lhs)].append((each.lhs, each.rhs))

    def plain(self, expression: sp.Basic, keep: Collection[sp.Basic] = ()) -> sp.Basic:
        """The expression with definitions put in and derivatives carried out: by SymPy, not by the rules.

        `keep` holds names whose definitions wait.
        """
        if isinstance(expression, sp.Derivative):
            variable = expression.variables[0]
            # Whatever else has a name may depend on the variable.
            slope = sp.diff(self.plain(expression.expr, {variable}), variable)
            return slope if isinstance(slope, sp.Derivative) else self.plain(slope, keep)
        if expression not in keep and (defined := self._defined(expression)) is not None:
            return self.plain(defined, keep)
        if not expression.args or isinstance(expression, sp.Indexed):
            return expression
        result = expression.func(*(self.plain(each, keep) for each in expression.args))
        if isinstance(result, sp.Limit):
            return one_sided(result, self.domains)
        return expectation(result.args[0]) if isinstance(result, E) else result

    def _defined(self, expression: sp.Basic) -> sp.Basic | None:
        """What an expression stands for, if its name has a definition that fits."""
        for left, right in self._definitions.get(_head(expression), ()):
            values = dict(zip(_places(left), _places(expression), strict=True))
            # b[1] is itself alone; b[n] is every component.
            if left == expression or all(isinstance(place, sp.Symbol) for place in values):
                return right.xreplace({} if left == expression else values)
        return None

    def verdict(self, left: sp.Basic, right: sp.Basic, relation: str = "=") -> Verdict:
        """Whether two lines are equal."""
        names = {name for name in self._definitions if isinstance(name, sp.Symbol)}
        used = [{*names} & side.free_symbols for side in (left, right)]
        # What both lines are written in can stay: where they are equal for every such u, no more need be known of it.
        if used[0] and used[0] == used[1]:
            found = self._judged(self.plain(left, names), self.plain(right, names), relation)
            if found.outcome == "proven":
                return found
        return self._judged(self.plain(left), self.plain(right), relation)

    def _judged(self, left: sp.Basic, right: sp.Basic, relation: str) -> Verdict:
        facts = tuple(each.func(*(self.plain(side) for side in each.args)) for each in self.facts)
        symbols = set().union(*(each.atoms(sp.Symbol, sp.IndexedBase) for each in (left, right, *facts)))
        domains = {symbol: domain for symbol, domain in self.domains.items() if symbol in symbols}
        return judge(Claim(left, right, cast(Relation, relation), domains, facts))

    def of_equation(self, equation: sp.Basic) -> Verdict:
        """Whether a relation holds."""
        return self.verdict(equation.lhs, equation.rhs, "=" if isinstance(equation, sp.Eq) else equation.rel_op)


def _head(expression: sp.Basic) -> sp.Basic | None:
    """What a definition is found by: the symbol, the function, the vector."""
    if isinstance(expression, sp.Symbol):
        return expression
    if isinstance(expression, AppliedUndef):
        return expression.func
    return expression.base if isinstance(expression, sp.Indexed) else None


def _places(expression: sp.Basic) -> tuple[sp.Basic, ...]:
    """A function's arguments, a component's index."""
    return () if isinstance(expression, sp.Symbol) else expression.args[isinstance(expression, sp.Indexed) :]


def expectation(expression: sp.Expr) -> sp.Expr:
    """E, by linearity, of a sum of multiples of g_i or of g_i²: each has the same expectation, a symbol here."""
    if not (expression.has(G) or expression.has(sp.Symbol("g", real=True))):
        return expression
    if expression.is_Add:
        return sp.Add(*map(expectation, expression.args))
    if isinstance(expression, sp.Sum):
        return sp.Sum(expectation(expression.function), *expression.limits)
    rest, gradients = expression.as_independent(sp.Indexed, sp.Symbol("g", real=True), as_Add=False)
    if rest != 1:
        return rest * expectation(gradients)
    base, power = expression.as_base_exp()
    if not (isinstance(base, sp.Indexed) or base.is_Symbol) or power not in (1, 2):
        return E(expression)
    return sp.Symbol("E_g" if power == 1 else "E_g2", real=True)
