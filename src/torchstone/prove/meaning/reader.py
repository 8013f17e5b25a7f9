"""From a formula's tree to expressions, as it was written, with what its section knows of the letters."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import sympy as sp

from torchstone.judge import Claim
from torchstone.prove import tree
from torchstone.prove.meaning import applications, derivatives, sums
from torchstone.prove.meaning.functions import KNOWN, REFUSED, is_known
from torchstone.prove.meaning.shapes import index_parts, is_label, plain_name
from torchstone.prove.meaning.written import At, negative, over, plus, power

if TYPE_CHECKING:
    from torchstone.prove.meaning.scope import Scope

Kind = Literal["definition", "claim", "given", "expression"]


@dataclass(frozen=True)
class Reading:
    """One step, with its meaning."""

    kind: Kind
    left: sp.Expr  # as written: no definition put in, no derivative carried out
    right: sp.Expr
    relation: str
    read_as: str
    at: int
    claim: Claim | None  # with everything put in and carried out; None where there is nothing to judge
    loose: Claim | None  # with the defined symbols left free: does it follow from another line?
    definitions: Mapping[str, sp.Expr]  # the defined symbols that occur in it
    rebuild: Callable[[sp.Expr, sp.Expr, Mapping[str, sp.Expr]], Claim]  # the claim with changed parts
    note: str = ""


class Reader:
    """Reads the sides of one statement."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.parameters: frozenset[str] = frozenset()  # of the function that the statement defines
        self.takes_vectors = False  # whether what is read is handed to a function of a vector, as z + c or z/T
        self.wrt: sp.Expr | None = None  # what an expression with a prime is differentiated by

    def read(self, node: tree.Node) -> sp.Expr:
        """A number's expression."""
        value = self.value(node)
        if isinstance(value, sp.IndexedBase) and not self.takes_vectors:
            raise tree.LatexError(f"{value} is a vector here: write one of its components, {value}_i", node.at)
        return value

    def value(self, node: tree.Node) -> sp.Expr:
        """The same; a vector's name may stand by itself."""
        handler = _HANDLERS.get(type(node))
        if handler is None:
            raise tree.LatexError(f"{_WORDS.get(type(node), 'this')} is not read here", node.at)
        return handler(self, node)

    def _number(self, node: tree.Number) -> sp.Expr:
        if len(node.text) > 100:
            raise tree.LatexError("this number is too long", node.at)
        return sp.Rational(node.text)

    def _name(self, node: tree.Name) -> sp.Expr:
        name, scope = node.name, self.scope
        if (slope := derivatives.by_time(self, node)) is not None:
            return slope
        if name in REFUSED or node.style == "blackboard":
            raise tree.LatexError(f"{REFUSED.get(name, name)} is not read", node.at)
        if name in _CONSTANTS and name not in scope.definitions:
            return _CONSTANTS[name]
        as_vector = node.style == "bold" or name not in scope.letters.bare or self.takes_vectors
        if name in scope.letters.vectors and as_vector:
            return sp.IndexedBase(name)
        if name in scope.definitions or name in self.parameters:
            return scope.symbol(name)
        primed = node.style == "function" and name in scope.letters.primed and name in KNOWN
        if primed or scope.is_function(name):
            return self._usual_value(node)
        if node.style == "function" or (node.style == "word" and is_known(name)):
            raise tree.LatexError(f"{name} has no argument", node.at)
        return scope.symbol(name)

    def _usual_value(self, node: tree.Name) -> sp.Expr:
        """A function named without an argument: its value at the argument it is always called with."""
        argument = self.scope.letters.argument_of(node.name)
        if argument is None:
            if self.scope.letters.is_called_plainly(node.name):
                raise tree.LatexError(f"{node.name} has no argument here, and more than one elsewhere", node.at)
            value: sp.Expr = self.scope.symbol("x")
        else:
            value = self.value(argument)
        known = KNOWN.get(node.name)
        return sp.Function(node.name)(value) if known is None else known.written(node.name, [value])

    def _scripted(self, node: tree.Scripted) -> sp.Expr:
        special = self._special(node, node.base)
        if special is not None:
            return special
        body, exponent = self._without_exponent(node)
        if node.primes:
            body = derivatives.primed(self, body, node.primes, node.at, isinstance(node.base, tree.Name))
        if isinstance(exponent, tree.Name) and exponent.name in ("T", "top"):
            raise tree.LatexError("a transpose is read only in w^T x", exponent.at)
        return body if exponent is None else power(body, self.read(exponent))

    def _without_exponent(self, node: tree.Scripted) -> tuple[sp.Expr, tree.Node | None]:
        """What is raised to a power, and the exponent: None where the superscript belongs to the name."""
        base, exponent = node.base, node.superscript
        if not isinstance(base, tree.Name):
            body = self.value(base) if node.subscript is not None else self.read(base)
            return (body if node.subscript is None else applications.component(self, body, node.subscript)), exponent
        if base.name in REFUSED:
            raise tree.LatexError(f"{REFUSED[base.name]} is not read", node.at)
        in_brackets = isinstance(exponent, tree.Group) and exponent.bracket in ("(", "[")
        component = self._indexed(node, base)
        if component is not None:
            return component, None if in_brackets else exponent
        if is_label(exponent) or in_brackets:
            return self.scope.symbol(plain_name(replace(node, primes=0))), None
        if node.subscript is not None:
            return self.scope.symbol(plain_name(replace(node, superscript=None, primes=0))), exponent
        return self.read(base), exponent

    def _special(self, node: tree.Scripted, base: tree.Node) -> sp.Expr | None:
        """delta_{ij}, the indicator of a condition, the square of a vector's norm; None for anything else."""
        match base, node.subscript, node.superscript:
            case tree.Name(name="delta"), _, None:
                return self._kronecker(node)
            case tree.Name(name="1" | "I", style="blackboard" | "bold"), tree.Statement() as condition, None:
                return sums.indicator(self, condition)
            case tree.Name(name="1" | "I", style="blackboard" | "bold"), tree.Group(parts=(condition,)), None:
                return sums.indicator(self, condition)
            case tree.Group(bracket="||", parts=(inner,)), None | tree.Number(text="2"), tree.Number(text="2"):
                vector = self.value(inner)
                if isinstance(vector, sp.IndexedBase):
                    return sums.inner_product(self, vector, vector)
        return None

    def _kronecker(self, node: tree.Scripted) -> sp.Expr | None:
        """delta_{ij}, one where i is j and else zero; None for any other delta."""
        parts = index_parts(node)
        if len(parts) != 2 or node.superscript is not None or not self.scope.letters.counts(node):
            return None
        return sp.KroneckerDelta(*(self.read(part) for part in parts), evaluate=False)

    def _indexed(self, node: tree.Scripted, base: tree.Name) -> sp.Expr | None:
        """A component of a vector; None where the subscript is only a label."""
        parts = index_parts(node)
        if base.name not in self.scope.letters.vectors or not parts:
            return None
        if base.name in self.scope.letters.bare and base.style != "bold" and not self.scope.letters.counts(node):
            return None
        return sp.IndexedBase(base.name)[tuple(self.read(part) for part in parts)]

    def _group(self, node: tree.Group) -> sp.Expr:
        if len(node.parts) != 1:
            raise tree.LatexError("a list is not read here", node.at)
        if node.bracket == "||":
            raise tree.LatexError("the norm of a vector is not read: write the sum of its squares", node.at)
        body = self.read(node.parts[0])
        return sp.Abs(body, evaluate=False) if node.bracket == "|" else body

    def _fraction(self, node: tree.Fraction) -> sp.Expr:
        written = derivatives.read_fraction(self, node)
        if isinstance(written, derivatives.Operator):
            raise tree.LatexError("this derivative has nothing to work on", node.at)
        if written is not None:
            return written
        return self.quotient(self.read(node.top), self.read(node.bottom), node.bottom.at)

    def quotient(self, top: sp.Expr, bottom: sp.Expr, at: int) -> sp.Expr:
        """A quotient as written; not one by zero."""
        if not bottom.free_symbols and not bottom.atoms(sp.Function) and self.scope.settled(bottom, at) == 0:
            raise tree.LatexError("division by zero", at)
        return over(top, bottom)

    def _root(self, node: tree.Root) -> sp.Expr:
        degree = sp.Integer(2) if node.degree is None else self.read(node.degree)
        return sp.Pow(self.read(node.body), over(sp.S.One, degree), evaluate=False)

    def _big(self, node: tree.Big) -> sp.Expr:
        raise tree.LatexError("this sum or product has nothing to work on", node.at)

    def _cases(self, node: tree.Cases) -> sp.Expr:
        rows = []
        for value, condition in node.rows:
            rows.append((self.read(value), sp.true if condition is None else self.condition(condition)))
        return sp.Piecewise(*rows, evaluate=False)

    def condition(self, node: tree.Node) -> sp.Basic:
        """x > 0, 0 <= x < 1, i = j: a relation to be met."""
        if isinstance(node, tree.Group) and node.bracket == "":
            return sp.And(*(self.condition(part) for part in node.parts))
        if not isinstance(node, tree.Statement) or len(node.sides) < 2 or node.sides[0] is None:
            raise tree.LatexError("expected a condition such as x > 0", node.at)
        parts = []
        for left, sign, right in zip(node.sides, node.relations, node.sides[1:], strict=False):
            if sign not in RELATIONS or left is None or right is None:
                raise tree.LatexError("expected a condition such as x > 0", node.at)
            parts.append(RELATIONS[sign](self.read(left), self.read(right)))
        return sp.And(*parts)

    def _evaluated(self, node: tree.Evaluated) -> sp.Expr:
        where = node.where
        body = self.read(node.body)
        if isinstance(where, tree.Statement) and where.relations == ("=",) and where.sides[0] and where.sides[1]:
            return At(body, self.read(where.sides[0]), self.read(where.sides[1]))
        raise tree.LatexError("expected a place such as x = 0", where.at)

    def _sum(self, node: tree.Sum) -> sp.Expr:
        if sums.has_dots(node):
            return sums.read_dots(self, node)
        terms = []
        for sign, term in node.terms:
            value = self.read(term)
            terms.append(negative(value) if sign == "-" else value)
        return plus(terms)

    def _product(self, node: tree.Product) -> sp.Expr:
        return applications.read_product(self, node)

    def _row(self, node: tree.Row) -> sp.Expr:
        return applications.read_row(self, node.items, node.at)


RELATIONS: Mapping[str, Callable[[sp.Expr, sp.Expr], sp.Basic]] = {
    "=": sp.Eq,
    "!=": sp.Ne,
    "<": sp.Lt,
    "<=": sp.Le,
    ">": sp.Gt,
    ">=": sp.Ge,
}
_CONSTANTS = {"e": sp.E, "pi": sp.pi, "infinity": sp.oo}
_WORDS = {tree.Statement: "a relation", tree.Interval: "an interval", tree.Given: "a condition in brackets"}
_HANDLERS: dict[type[tree.Node], Callable[[Reader, tree.Node], sp.Expr]] = {
    tree.Number: Reader._number,  # type: ignore[dict-item]
    tree.Name: Reader._name,  # type: ignore[dict-item]
    tree.Scripted: Reader._scripted,  # type: ignore[dict-item]
    tree.Group: Reader._group,  # type: ignore[dict-item]
    tree.Fraction: Reader._fraction,  # type: ignore[dict-item]
    tree.Root: Reader._root,  # type: ignore[dict-item]
    tree.Big: Reader._big,  # type: ignore[dict-item]
    tree.Cases: Reader._cases,  # type: ignore[dict-item]
    tree.Evaluated: Reader._evaluated,  # type: ignore[dict-item]
    tree.Sum: Reader._sum,  # type: ignore[dict-item]
    tree.Product: Reader._product,  # type: ignore[dict-item]
    tree.Row: Reader._row,  # type: ignore[dict-item]
}
