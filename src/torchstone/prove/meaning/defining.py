"""Definitions: whether an equation defines its left side, and what the scope learns then."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING

import sympy as sp
from sympy.core.function import AppliedUndef

from torchstone.prove import tree
from torchstone.prove.meaning import solving, targets
from torchstone.prove.meaning.expansion import Expansion
from torchstone.prove.meaning.functions import KNOWN, is_known
from torchstone.prove.meaning.indices import opened
from torchstone.prove.meaning.reader import Reader
from torchstone.prove.meaning.shapes import is_dots
from torchstone.prove.meaning.written import Mean, Prime, Slope, plain

if TYPE_CHECKING:
    from torchstone.prove.meaning.scope import Definition, Scope


def define(scope: Scope, statement: tree.Statement, left: sp.Expr, right: sp.Expr, line: int) -> tuple[str, str] | None:
    """Learn what an equation defines, and tell it in plain text with a note; None where it defines nothing."""
    node = statement.sides[0]
    if node is None or solving.names_a_solution(scope, left, right):
        return None
    if isinstance(left, Slope):
        return _define_slope(scope, left, right) or _define(scope, statement, left, right, line)
    return _define(scope, statement, left, right, line)


def _define(
    scope: Scope, statement: tree.Statement, left: sp.Expr, right: sp.Expr, line: int
) -> tuple[str, str] | None:
    node = statement.sides[0]
    assert node is not None
    definition = targets.defined_by(node, left, right, line)
    if definition is None and statement.relations == ("=",):
        return define_last(scope, statement, left, right, line) or _define_by_equation(scope, left, right, line)
    if definition is None or (isinstance(left, Mean) and _is_worked_out(scope, left)):
        return None
    under = [each for each in scope.under if targets.bounds_one_of(each, definition.parameters)]
    conditions = [each for each in (*under, *statement.conditions) if not targets.is_range(each)]
    if conditions and definition.parameters:
        return _define_by_cases(scope, definition, conditions, _said(left, right))
    _refuse_two_meanings(scope, definition, node.at)
    depends = definition.name in scope.reach(definition.body) and not (definition.recursive or _is_closed(definition))
    if depends or not (statement.defines or may_define(scope, definition)):
        return None
    before = scope.definitions.get(definition.key)
    note = f"in place of line {before.line}" if before and definition.key not in scope.inherited else ""
    if not isinstance(right, sp.IndexedBase) and not definition.index:
        scope.settled(right, node.at)
    scope.learn(definition)
    _remember_weights(scope, right)
    return _said(left, right), note


def _is_closed(definition: Definition) -> bool:
    """Whether a sequence is told from its beginning: x_t = x_0 q^t."""
    own = [each for each in definition.body.atoms(sp.Indexed) if str(each.base) == definition.name]
    counted = bool(definition.index) and not any(index.is_Integer for index in definition.index)
    return counted and bool(own) and all(index.is_Integer for each in own for index in each.indices)


def _said(left: sp.Expr, right: sp.Expr) -> str:
    return f"definition: {plain(left)} = {plain(right)}"


def _is_worked_out(scope: Scope, left: Mean) -> bool:
    """Whether the expectation is one of what has a definition: an equation for it is a claim."""
    return any(map(scope.has_meaning, left.args[0].atoms(sp.Symbol, sp.Indexed)))


def may_define(scope: Scope, definition: Definition) -> bool:
    """Whether a name is still to be had: not defined here, or inherited and not used yet, or a number before."""
    name, known = definition.name, scope.definitions.get(definition.key)
    if name.endswith("'"):
        return known is None and name[:-1] not in scope.definitions and not is_known(name[:-1])
    general = scope.definitions.get(name)
    if known is None and general is not None:
        # The beginning of what a recurrence gives is a component of its own.
        return general.recursive and definition.index == (scope.letters.start_of(name),)
    if known is not None:
        return definition.special if known.special else name in scope.inherited and name not in scope.used
    usual = KNOWN.get(name)
    if is_known(name) and definition.parameters and not definition.body.free_symbols & set(definition.parameters):
        return False  # sigma(z) = 1/2 says something of z
    return not (usual is not None and usual.fixed) and not (is_known(name) and name in scope.used)


def _refuse_two_meanings(scope: Scope, definition: Definition, at: int) -> None:
    known = scope.definitions.get(definition.name)
    if known is not None and bool(known.index) != bool(definition.index):
        what, other = ("a vector", "a number") if known.index else ("a number", "a vector")
        raise tree.LatexError(f"{known.name} is {what} on line {known.line}, here it is {other}", at)


def _define_slope(scope: Scope, left: Slope, right: sp.Expr) -> tuple[str, str] | None:
    """du/dx = 2, of a u that has no definition."""
    body, variable, order = left.args
    key = plain(body), plain(variable)
    free = isinstance(body, sp.Symbol) and body.name not in scope.definitions and order == 1
    if not free or key in scope.slopes or variable not in scope.roots(body.name) or right.has(left):
        return None
    scope.slopes[key] = right
    return _said(left, right), ""


def _is_new(scope: Scope, name: str) -> bool:
    """Whether a name has not come up at all."""
    reached = any(name in scope.reach(known.body) for known in scope.definitions.values())
    return name not in scope.definitions and name not in scope.used and not reached


def define_last(
    scope: Scope, statement: tree.Statement, left: sp.Expr, right: sp.Expr, line: int
) -> tuple[str, str] | None:
    """2*x + 3 = u, of a u that has not come up before, at the end of a chain."""
    node = statement.sides[-1]
    if node is None or not isinstance(right, sp.Symbol) or right.is_integer or not _is_new(scope, right.name):
        return None
    definition = targets.defined_by(node, right, left, line)
    if definition is None or definition.special or right.name in scope.reach(left) or not left.free_symbols:
        return None
    scope.settled(left, node.at)
    scope.learn(definition)
    return _said(left, right), ""


def _define_by_equation(scope: Scope, left: sp.Expr, right: sp.Expr, line: int) -> tuple[str, str] | None:
    """log(p/(1 - p)) = w*x + b, of a p that nothing is known of: no identity, but what p is."""
    from torchstone.prove.meaning.scope import Definition

    symbols = [symbol for symbol in left.free_symbols if not symbol.is_integer]
    if (
        len(symbols) != 1
        or not isinstance(symbols[0], sp.Symbol)
        or left.has(AppliedUndef, Slope, Prime, sp.Sum, sp.Product)
    ):
        return None
    (symbol,) = symbols
    others = {str(each) for each in scope.settled(right).free_symbols}
    new = _is_new(scope, symbol.name) and {str(root) for root in scope.roots(symbol.name)} <= others
    if not new or not others or symbol.name in others or symbol.name in scope.reach(right):
        return None
    solution = solving.solved(Expansion(scope).of(left, frozenset([symbol.name])), symbol, right)
    if solution is None:
        return None
    scope.learn(Definition(symbol.name, solution, line))
    return _said(left, right), f"{symbol} = {plain(solution)}"


def _define_by_cases(
    scope: Scope, definition: Definition, conditions: list[tree.Statement], said: str
) -> tuple[str, str] | None:
    """f(x) = x for x > 0, and later f(x) = 0 for x <= 0: one function. None where f is known already."""
    known = scope.definitions.get(definition.name)
    reader = Reader(scope)
    condition = sp.And(*(reader.condition(each) for each in conditions))
    rows = [tuple(row) for row in known.body.args] if known is not None and known.partial else []
    if any(other == condition for _, other in rows) or not (rows or may_define(scope, definition)):
        return None
    body = sp.Piecewise(*rows, (definition.body, condition), evaluate=False)
    scope.learn(replace(definition, body=body, partial=True))
    return f"{said} for {plain(condition)}", ""


def define_vector(scope: Scope, name: str, parts: tuple[tree.Node, ...], line: int) -> str:
    """z = (z_1, z_2): how many components there are, and what they are where they have other names."""
    from torchstone.prove.meaning.scope import Definition

    reader, base = Reader(scope), sp.IndexedBase(name)
    scope.letters.vectors.add(name)
    shown = ["..." if is_dots(part) else plain(reader.read(part)) for part in parts]
    if "..." in shown:
        last = reader.read(parts[-1])
        if not isinstance(last, sp.Indexed):
            raise tree.LatexError("what do the dots stand for?", parts[shown.index("...")].at)
        scope.sizes[name] = last.indices[0]
    else:
        scope.sizes[name] = sp.Integer(len(parts))
        for number, part in enumerate(parts, 1):
            value = reader.read(part)
            if value != base[number]:
                scope.learn(Definition(name, value, line, (), (sp.Integer(number),)))
    return f"definition: {name} = ({', '.join(shown)})"


def _remember_weights(scope: Scope, right: sp.Expr) -> None:
    """In sum_i y_i log p_i the y_i are weights: targets, one-hot or probabilities, that sum to 1."""
    for each in right.atoms(sp.Sum):
        body, index, first, last = opened(each)
        factors = sp.Mul.make_args(body)
        logarithms = [factor for factor in factors if factor.atoms(sp.log)]
        for factor in factors:
            weighs = isinstance(factor, sp.Indexed) and factor.indices == (index,) and len(logarithms) == 1
            if weighs and not scope.has_meaning(factor) and not logarithms[0].has(factor.base):
                total = sp.Sum(factor, (index, first, scope.settled(last)))
                scope.weights[str(factor.base)] = sp.Eq(total, 1)


def look_ahead(scope: Scope, left: sp.Expr, right: sp.Expr) -> None:
    """Learn what a symbol stands for that a later line defines ("where s = ..."), if it comes up for the first time."""
    solutions = {str(symbol) for symbol in (*scope.solved, *scope.zeros)}
    for name in sorted(scope.reach(left, deep=False) | scope.reach(right, deep=False)):
        if name in solutions or not _is_new(scope, name):
            continue
        for statement in scope.later:
            node, other = statement.sides[:2]
            if node is not None and other is not None and targets.name_on_the_left(statement) == name:
                reader = Reader(scope)
                with contextlib.suppress(tree.LatexError):
                    hear(scope, node, reader.value(node), reader.value(other), 0)


def hear(scope: Scope, node: tree.Node, left: sp.Expr, right: sp.Expr, line: int) -> None:
    """Take in an equation of a sentence: a definition of a name that has none, or the size of a sum.

    A sentence claims nothing, and a display formula may still define the name.
    """
    definition = None if isinstance(left, Slope | Mean) else targets.defined_by(node, left, right, line)
    if definition is None or definition.recursive or definition.name.endswith("'") or is_known(definition.name):
        return
    if definition.special and definition.name not in scope.letters.size_names():
        return
    if left.is_Symbol and left.is_integer and right.is_Symbol:  # i = j says when, not what i is
        return
    free = not scope.has_meaning(left) and definition.key not in scope.definitions
    if free and definition.name not in scope.reach(right):
        scope.learn(definition)
        scope.inherited.add(definition.key)
