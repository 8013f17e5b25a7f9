"""Derivatives as they are written: d/dx, dy/dx, with round d's, f', and (...)'."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import sympy as sp

from torchstone.prove import tree
from torchstone.prove.meaning.shapes import is_derivative
from torchstone.prove.meaning.written import Prime, Slope

if TYPE_CHECKING:
    from torchstone.prove.meaning.reader import Reader


@dataclass(frozen=True)
class Operator:
    """d/dx before anything stands behind it: the variables, each with how often."""

    variables: tuple[tuple[sp.Expr, int], ...]

    def of(self, body: sp.Expr) -> sp.Expr:
        """The derivative of an expression, written down."""
        for variable, order in self.variables:
            body = Slope(body, variable, order)
        return body


def is_derivative_node(node: tree.Node) -> bool:
    """Whether a node is d/dx, dy/dx, or a round d with a subscript."""
    match node:
        case tree.Fraction():
            return is_derivative(node)
        case tree.Scripted(base=tree.Name(name="partial")):
            return node.subscript is not None
    return False


def operator(reader: Reader, node: tree.Node) -> Operator | None:
    """The operator that a node is: d/dx, with nothing above but the d."""
    scope = reader.scope
    match node:
        case tree.Fraction() if is_derivative(node):
            read = read_fraction(reader, node)
            return read if isinstance(read, Operator) else None
        case tree.Scripted(base=tree.Name(name="partial"), subscript=subscript) if subscript is not None:
            return Operator(((_variable(reader, subscript), 1),))
        case tree.Scripted(base=tree.Name(name="D"), subscript=tree.Name(name=name, style="letter") as subscript):
            # D_x, unless it is a name of its own.
            own = {"D", f"D_{name}"} & (scope.letters.defined | set(scope.definitions))
            if not own and len(name) == 1 and name not in scope.letters.indices and node.superscript is None:
                return Operator(((_variable(reader, subscript), 1),))
    return None


def dotted(reader: Reader, node: tree.Name) -> tuple[str, int] | None:
    r"""The x of \dot x and how often it is differentiated by time, where x is defined and \dot x is not."""
    name, _, accent = node.name.rpartition("_")
    known = reader.scope.definitions
    order = {"dot": 1, "ddot": 2}.get(accent)
    return (name, order) if order is not None and name in known and node.name not in known else None


def by_time(reader: Reader, node: tree.Name) -> sp.Expr | None:
    r"""\dot x of a defined x: its derivative by t."""
    if (found := dotted(reader, node)) is None:
        return None
    name, order = found
    definition, time = reader.scope.definitions[name], reader.scope.symbol("t")
    if definition.parameters == (time,):
        return Prime(sp.Function(name)(time), order)
    if definition.parameters or definition.index or "t" not in reader.scope.reach(definition.body):
        raise tree.LatexError(f"\\dot {name} is a derivative by t, and {name} does not depend on t", node.at)
    return Slope(reader.scope.symbol(name), time, order)


def read_fraction(reader: Reader, node: tree.Fraction) -> Operator | sp.Expr | None:
    """d/dx as an operator, dy/dx as a derivative; None for a plain fraction."""
    if not is_derivative(node):
        return None
    operator = Operator(_variables(reader, node.bottom))
    order, body = _split(node.top)
    if order != sum(count for _, count in operator.variables):
        raise tree.LatexError("the orders of this derivative differ above and below", node.at)
    if body is None:
        return operator
    return operator.of(reader.read(body))


def _split(node: tree.Node) -> tuple[int, tree.Node | None]:
    """What stands above: how often, and of what."""
    first, *rest = node.items if isinstance(node, tree.Row) else (node,)
    order = 1
    if isinstance(first, tree.Scripted) and first.superscript is not None:
        order = _count(first.superscript)
    if not rest:
        return order, None
    return order, rest[0] if len(rest) == 1 else tree.Row(rest[0].at, tuple(rest))


def _variables(reader: Reader, bottom: tree.Node) -> tuple[tuple[sp.Expr, int], ...]:
    assert isinstance(bottom, tree.Row)
    groups: list[list[tree.Node]] = []
    for item in bottom.items:
        if isinstance(item, tree.Name) and item.name in ("d", "partial"):
            groups.append([])
        elif groups:
            groups[-1].append(item)
        else:
            raise tree.LatexError("expected dx below the derivative's line", item.at)
    found = []
    for group in groups:
        if not group:
            raise tree.LatexError("expected dx below the derivative's line", bottom.at)
        node, order = group[0] if len(group) == 1 else tree.Row(group[0].at, tuple(group)), 1
        if isinstance(node, tree.Scripted) and isinstance(node.superscript, tree.Number):
            order = _count(node.superscript)
            node = tree.Scripted(node.at, node.base, node.subscript) if node.subscript is not None else node.base
        found.append((_variable(reader, node), order))
    return tuple(reversed(found))


def _variable(reader: Reader, node: tree.Node) -> sp.Expr:
    variable = reader.value(node)
    if isinstance(variable, sp.IndexedBase):
        raise tree.LatexError(f"a derivative by the vector {variable} is not read: take one of its components", node.at)
    if isinstance(variable, sp.Symbol | sp.Indexed | sp.core.function.AppliedUndef):
        return variable
    raise tree.LatexError("a derivative is taken by a symbol", node.at)


def _count(node: tree.Node) -> int:
    if isinstance(node, tree.Number) and node.text.isdigit() and 0 < int(node.text) <= 10:
        return int(node.text)
    raise tree.LatexError("the order of a derivative is a number from 1 to 10", node.at)


def primed(reader: Reader, body: sp.Expr, order: int, at: int, named: bool) -> sp.Expr:
    """y', f', (1 + e^{-x})': by the one symbol that it can be. `named`: a function without its argument."""
    if named and isinstance(body, sp.Function) and len(body.args) == 1:
        return Prime(body, order)
    variable = reader.wrt or reader.scope.variable_of(body)
    if variable is None:
        raise tree.LatexError("by what is this differentiated? Write d/dx in place of the prime", at)
    return Slope(body, variable, order)
