"""Functions with cases: a branch is taken where the facts decide, and asked for where they do not."""

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import sympy as sp

from torchstone.judge.facts import UndeterminedError
from torchstone.judge.functions import UnsupportedError
from torchstone.judge.powers import Powers
from torchstone.judge.tower import Quotient, VanishingError


class Cases(Powers):
    """Piecewise, Max, Min, sign, Heaviside, Abs."""

    def cased(self, node: Any, rule: Callable[[], Quotient]) -> Quotient:
        """A function with cases; under a sum, where the index decides the case, it stays as it is."""
        try:
            return rule()
        except UndeterminedError as undetermined:
            if self.bound and self.tower.free(undetermined.locus) & set(self.bound):
                return self._frozen(node)
            raise

    def _frozen(self, node: Any) -> Quotient:
        if not isinstance(node, sp.Piecewise):
            return self.opaque(node)
        before = dict(self.facts.known)
        key = tuple(
            (self.tower.key(self.read(value)), self._condition_key(condition)) for value, condition in node.args
        )
        self.facts.known = before  # what a branch needs holds on that branch alone
        self.facts.signs.clear()
        return self.tower.quotient(self.tower.generator(("piecewise", key), "function", node))

    def _condition_key(self, node: Any) -> Any:
        if isinstance(node, sp.core.relational.Relational):
            return node.rel_op, self.tower.key(self.read(node.lhs - node.rhs))
        return (str(node.func), *(self._condition_key(part) for part in node.args))

    def holds(self, node: Any) -> bool:
        """Whether a condition is true under the facts."""
        if node in (sp.true, sp.false):
            return bool(node)
        if isinstance(node, sp.core.relational.Relational):
            sign = self.facts.sign(self.read(node.lhs - node.rhs))
            return {"<": sign < 0, "<=": sign <= 0, ">": sign > 0, ">=": sign >= 0, "==": sign == 0, "!=": sign != 0}[
                node.rel_op
            ]
        if isinstance(node, sp.Not):
            return not self.holds(node.args[0])
        if not isinstance(node, (sp.And, sp.Or)):
            raise UnsupportedError(f"the condition {node}")
        decisive, unknown = isinstance(node, sp.Or), None
        for part in node.args:
            try:
                if self.holds(part) is decisive:
                    return decisive
            except UndeterminedError as undetermined:
                unknown = unknown or undetermined
        if unknown is not None:
            raise unknown
        return not decisive

    def piecewise(self, node: Any) -> Quotient:
        """The branch that applies."""

        def rule() -> Quotient:
            for value, condition in node.args:
                if self.holds(condition):
                    return self.read(value)
            raise VanishingError  # no branch applies: no value

        return self.cased(node, rule)

    def extreme(self, node: Any) -> Quotient:
        """The largest or the smallest."""
        direction = 1 if isinstance(node, sp.Max) else -1

        def rule() -> Quotient:
            best = self.read(node.args[0])
            for each in node.args[1:]:
                value = self.read(each)
                if self.facts.sign(self.tower.add(value, self.tower.negative(best))) == direction:
                    best = value
            return best

        return self.cased(node, rule)

    def sign(self, node: Any) -> Quotient:
        """-1, 0, 1."""
        return self.cased(node, lambda: self.tower.number(self.facts.sign(self.read(node.args[0]))))

    def heaviside(self, node: Any) -> Quotient:
        """0 or 1; at 0 a convention, so no value to judge by."""

        def rule() -> Quotient:
            sign = self.facts.sign(self.read(node.args[0]))
            if sign == 0:
                if node.args[1] == sp.S.Half:
                    raise VanishingError
                return self.read(node.args[1])
            return self.tower.number(int(sign > 0))

        return self.cased(node, rule)

    def impulse(self, node: Any) -> Quotient:
        """The derivative of a jump: 0 beside it."""
        if self.facts.sign(self.read(node.args[0])) == 0:
            raise VanishingError
        return self.tower.number(0)

    def absolute(self, node: Any) -> Quotient:
        """|P| is the product of its factors' sizes."""
        return self.rational_power(self.read(node.args[0]), Fraction(1))
