"""From a formula's tree to expressions, as it was written, with what its section knows of the letters."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import sympy as sp

from torchstone.judge import Claim
from torchstone.prove import applications, derivatives, sums, tree
from torchstone.prove.functions import KNOWN, REFUSED, is_known
from torchstone.prove.letters import index_parts, is_label, plain_name
from torchstone.prove.written import At, negative, over, plus, power

if TYPE_CHECKING:
    from torchstone.prove.scope import Scope

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

    def number(self, node: tree.Number) -> sp.Expr:
        if len(node.text) > 100:
            raise tree.LatexError("this number is too long", node.at)
        return sp.Rational(node.text)

    def name(self, node: tree.Name) -> sp.Expr:
        name, scope = node.name, self.scope
        if name in REFUSED or node.style == "blackboard":
            raise tree.LatexError(f"{REFUSED.get(name, name)} is not read", node.at)
        if node.style == "function":
            if name in scope.letters.primed and name in KNOWN:
                return self._usual_value(node)
            raise tree.LatexError(f"{name} has no argument", node.at)
        if name in _CONSTANTS and name not in scope.definitions:
            return _CONSTANTS[name]
        if name in scope.letters.vectors and (
            node.style == "bold" or name not in scope.letters.bare or self.takes_vectors
        ):
            return sp.IndexedBase(name)
        if name in scope.definitions or name in self.parameters:
            return scope.symbol(name)
        if scope.is_function(name):
            return self._usual_value(node)
        if node.style == "word" and is_known(name):
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
        if known is not None and known.fixed and isinstance(known.value, type):
            return known.value(value, evaluate=False)
        return sp.Function(node.name)(value)

    def scripted(self, node: tree.Scripted) -> sp.Expr:
        base, exponent = node.base, node.superscript
        if (special := self.special(node, base)) is not None:
            return special
        if isinstance(base, tree.Name) and (symbol := self.indexed(node, base)) is not None:
            body = symbol
            if isinstance(exponent, tree.Group) and index_parts(node)[-1:] == list(exponent.parts):
                exponent = None
        elif isinstance(base, tree.Name) and base.name in REFUSED and base.name != "partial":
            raise tree.LatexError(f"{REFUSED[base.name]} is not read", node.at)
        elif node.subscript is not None:
            if not isinstance(base, tree.Name):
                body = applications.component(self, self.value(base), node.subscript)
            elif is_label(exponent):
                body, exponent = self.scope.symbol(plain_name(node)), None
            elif base.name == "partial":
                raise tree.LatexError("this derivative has nothing to work on", node.at)
            else:
                body = self.scope.symbol(plain_name(tree.Scripted(node.at, base, node.subscript)))
        elif isinstance(base, tree.Name) and is_label(exponent):
            body, exponent = self.scope.symbol(plain_name(node)), None
        else:
            body = self.read(base)
        if isinstance(exponent, tree.Group) and exponent.bracket in ("(", "[") and isinstance(base, tree.Name):
            body = self.scope.symbol(plain_name(tree.Scripted(node.at, base, node.subscript, exponent)))
            exponent = None
        if node.primes:
            body = derivatives.primed(self, body, node.primes, node.at, isinstance(base, tree.Name))
        if exponent is None:
            return body
        if isinstance(exponent, tree.Name) and exponent.name in ("T", "top", "intercal", "dagger", "transpose"):
            raise tree.LatexError("a transpose is not read: write the product of vectors as a sum", exponent.at)
        return power(body, self.read(exponent))

    def special(self, node: tree.Scripted, base: tree.Node) -> sp.Expr | None:
        """delta_{ij}, the indicator of a condition, the square of a vector's norm; None for anything else."""
        match base, node.subscript, node.superscript:
            case tree.Name(name="delta"), _, None:
                return self.kronecker(node)
            case tree.Name(name="1" | "I", style="blackboard" | "bold"), tree.Statement() as condition, None:
                return sums.indicator(self, condition)
            case tree.Name(name="1" | "I", style="blackboard" | "bold"), tree.Group(parts=(condition,)), None:
                return sums.indicator(self, condition)
            case tree.Group(bracket="||", parts=(inner,)), None | tree.Number(text="2"), tree.Number(text="2"):
                vector = self.value(inner)
                if isinstance(vector, sp.IndexedBase):
                    return sums.inner_product(self, vector, vector)
        return None

    def kronecker(self, node: tree.Scripted) -> sp.Expr | None:
        """delta_{ij}, one where i is j and else zero; None for any other delta."""
        parts = index_parts(node)
        if len(parts) != 2 or node.superscript is not None or not self.scope.letters.counts(node):
            return None
        return sp.KroneckerDelta(*(self.read(part) for part in parts), evaluate=False)

    def indexed(self, node: tree.Scripted, base: tree.Name) -> sp.Expr | None:
        """A component of a vector; None where the subscript is only a label."""
        parts = index_parts(node)
        if base.name not in self.scope.letters.vectors or not parts:
            return None
        if base.name in self.scope.letters.bare and base.style != "bold" and not self.scope.letters.counts(node):
            return None
        return sp.IndexedBase(base.name)[tuple(self.read(part) for part in parts)]

    def group(self, node: tree.Group) -> sp.Expr:
        if len(node.parts) != 1:
            raise tree.LatexError("a list is not read here", node.at)
        if node.bracket == "||":
            raise tree.LatexError("the norm of a vector is not read: write the sum of its squares", node.at)
        body = self.read(node.parts[0])
        return sp.Abs(body, evaluate=False) if node.bracket == "|" else body

    def fraction(self, node: tree.Fraction) -> sp.Expr:
        written = derivatives.read_fraction(self, node)
        if isinstance(written, derivatives.Operator):
            raise tree.LatexError("this derivative has nothing to work on", node.at)
        if written is not None:
            return written
        return self.quotient(self.read(node.top), self.read(node.bottom), node.bottom.at)

    def quotient(self, top: sp.Expr, bottom: sp.Expr, at: int) -> sp.Expr:
        if not bottom.free_symbols and not bottom.atoms(sp.Function) and self.scope.settled(bottom, at) == 0:
            raise tree.LatexError("division by zero", at)
        return over(top, bottom)

    def root(self, node: tree.Root) -> sp.Expr:
        degree = sp.Integer(2) if node.degree is None else self.read(node.degree)
        return sp.Pow(self.read(node.body), over(sp.S.One, degree), evaluate=False)

    def big(self, node: tree.Big) -> sp.Expr:
        raise tree.LatexError("this sum or product has nothing to work on", node.at)

    def cases(self, node: tree.Cases) -> sp.Expr:
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
        for left, sign, right in zip(node.sides, node.relations, node.sides[1:]):
            if sign not in RELATIONS or left is None or right is None:
                raise tree.LatexError("expected a condition such as x > 0", node.at)
            parts.append(RELATIONS[sign](self.read(left), self.read(right)))
        return sp.And(*parts)

    def evaluated(self, node: tree.Evaluated) -> sp.Expr:
        where = node.where
        body = self.read(node.body)
        if isinstance(where, tree.Statement) and where.relations == ("=",) and where.sides[0] and where.sides[1]:
            return At(body, self.read(where.sides[0]), self.read(where.sides[1]))
        raise tree.LatexError("expected a place such as x = 0", where.at)

    def sum(self, node: tree.Sum) -> sp.Expr:
        if sums.has_dots(node):
            return sums.read_dots(self, node)
        terms = []
        for sign, term in node.terms:
            value = self.read(term)
            terms.append(negative(value) if sign == "-" else value)
        return plus(terms)

    def product(self, node: tree.Product) -> sp.Expr:
        return applications.read_product(self, node)

    def row(self, node: tree.Row) -> sp.Expr:
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
    tree.Number: Reader.number,  # type: ignore[dict-item]
    tree.Name: Reader.name,  # type: ignore[dict-item]
    tree.Scripted: Reader.scripted,  # type: ignore[dict-item]
    tree.Group: Reader.group,  # type: ignore[dict-item]
    tree.Fraction: Reader.fraction,  # type: ignore[dict-item]
    tree.Root: Reader.root,  # type: ignore[dict-item]
    tree.Big: Reader.big,  # type: ignore[dict-item]
    tree.Cases: Reader.cases,  # type: ignore[dict-item]
    tree.Evaluated: Reader.evaluated,  # type: ignore[dict-item]
    tree.Sum: Reader.sum,  # type: ignore[dict-item]
    tree.Product: Reader.product,  # type: ignore[dict-item]
    tree.Row: Reader.row,  # type: ignore[dict-item]
}
