"""What a statement is where it stands: a definition, a claim, something given; and its steps."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import sympy as sp

from torchstone.judge import Claim
from torchstone.prove import targets, tree
from torchstone.prove.claims import make_claim, make_loose
from torchstone.prove.functions import KNOWN, is_known
from torchstone.prove.meaning import RELATIONS, Reader, Reading
from torchstone.prove.written import Slope, plain

if TYPE_CHECKING:
    from torchstone.prove.scope import Definition, Scope


def read_statement(scope: Scope, statement: tree.Statement, line: int) -> list[Reading]:
    """A statement's steps. The scope learns what it defines or gives."""
    if not any(statement.sides):
        raise tree.LatexError("there is no formula here", statement.at)
    if not statement.relations:
        return [_lone(scope, statement)]
    if statement.sides[0] is not None and targets.is_given(scope, statement):
        return take_as_given(scope, statement)
    within = _under(scope, statement.conditions)
    reader = Reader(within)
    left = _first(reader, statement)
    readings: list[Reading] = []
    at = statement.at if statement.sides[0] is None else statement.sides[0].at
    for number, (relation, node) in enumerate(zip(statement.relations, statement.sides[1:], strict=True)):
        assert node is not None
        if relation == "in":
            readings += _membership(within, left, node)
            continue
        if relation not in RELATIONS:
            raise tree.LatexError("only =, <, > and the like are judged", node.at)
        right = reader.value(node)
        reading = None
        if relation == "=" and number == 0 and not statement.conditions:
            reading = _definition(scope, statement, left, right, line)
        readings.append(reading or _claim(within, left, right, relation, at))
        left, at = right, node.at
    scope.previous = left
    for reading in readings:
        scope.use(reading.left, reading.right)
    return readings


def _lone(scope: Scope, statement: tree.Statement) -> Reading:
    node = statement.sides[0]
    assert node is not None
    e = Reader(scope).value(node)
    scope.previous = e
    scope.use(e)
    return Reading("expression", e, e, "", plain(e), node.at, None, None, {}, _rebuild(scope, "=", node.at))


def _first(reader: Reader, statement: tree.Statement) -> sp.Expr:
    """The left side; of a line that begins with a relation, the side before it."""
    node, scope = statement.sides[0], reader.scope
    if node is not None:
        reader.wrt = targets.argument(scope, node)
        reader.parameters = targets.parameters(scope, node)
        return reader.value(node)
    if scope.previous is None:
        reason = "what stands before it could not be read" if scope.lost else "nothing stands before it"
        raise tree.LatexError(f"this begins with a relation, and {reason}", statement.at)
    reader.wrt = scope.variable_of(scope.previous)
    return scope.previous


# Definitions


def _definition(scope: Scope, statement: tree.Statement, left: sp.Expr, right: sp.Expr, line: int) -> Reading | None:
    """The reading of an equation that defines its left side; None where it does not."""
    first = statement.sides[0]
    if first is None:
        return None
    definition = targets.defined_by(first, left, right, line)
    if definition is None:
        if isinstance(left, Slope) and _defines_a_slope(scope, left, right):
            scope.slopes[plain(left.args[0]), plain(left.args[1])] = right
            return _defining(scope, left, right, first.at)
        return None
    if not (statement.defines or _may_define(scope, definition)):
        return None
    if definition.name in scope.reach(definition.body) and not definition.recursive:
        return None
    key = targets.key(definition)
    before = scope.definitions.get(key)
    note = f"in place of line {before.line}" if before and key not in scope.inherited else ""
    if not isinstance(right, sp.IndexedBase) and not definition.index:
        scope.settled(right, first.at)
    scope.definitions[key] = definition
    scope.inherited.discard(key)
    return _defining(scope, left, right, first.at, note)


def _may_define(scope: Scope, definition: Definition) -> bool:
    """Whether a name is still to be had: not defined here, or inherited and not used yet, or a number before."""
    if definition.name.endswith("'"):
        function = definition.name[:-1]
        return function not in scope.definitions and not is_known(function) and definition.name not in scope.definitions
    known = scope.definitions.get(targets.key(definition))
    general = scope.definitions.get(definition.name)
    if known is None and general is not None and not general.recursive:
        known = general
    if known is not None:
        if known.special:
            return definition.special
        return definition.name in scope.inherited and definition.name not in scope.used
    if general is not None:  # a component of what a recurrence gives: its beginning
        return definition.index == (sp.S.Zero,)
    usual = KNOWN.get(definition.name)
    if usual is not None and usual.fixed:
        return False
    return not (is_known(definition.name) and definition.name in scope.used)


def _defines_a_slope(scope: Scope, left: Slope, right: sp.Expr) -> bool:
    body, variable, order = left.args
    if not isinstance(body, sp.Symbol) or body.name in scope.definitions or order != 1:
        return False
    known = (plain(body), plain(variable)) in scope.slopes
    return not known and variable in scope.roots(body.name) and body.name not in scope.reach(right)


def _defining(scope: Scope, left: sp.Expr, right: sp.Expr, at: int, note: str = "") -> Reading:
    text = f"definition: {plain(left)} = {plain(right)}"
    return Reading("definition", left, right, "=", text, at, None, None, {}, _rebuild(scope, "=", at), note)


# What is given


def _under(scope: Scope, conditions: tuple[tree.Statement, ...]) -> Scope:
    """The scope with a statement's conditions taken in."""
    if not conditions:
        return scope
    within = scope.copy()
    for condition in conditions:
        take_as_given(within, condition)
    return within


def take_as_given(scope: Scope, statement: tree.Statement) -> list[Reading]:
    """Take a statement for granted from here on."""
    reader = Reader(scope)
    readings = []
    for left, sign, right in zip(statement.sides, statement.relations, statement.sides[1:], strict=False):
        if left is None or right is None:
            raise tree.LatexError("expected a condition such as x > 0", statement.at)
        if sign == "in":
            places = left.parts if isinstance(left, tree.Group) else (left,)
            domain, text = targets.domain(reader, right)
            named = [reader.value(each) for each in places]
            for place in named:
                scope.narrow(place, domain)
            said = f"{', '.join(map(plain, named))} in {text}"
            readings.append(_given(scope, named[0], sp.S.Zero, sign, said, left.at))
            continue
        if sign not in RELATIONS:
            raise tree.LatexError("only =, <, > and the like are judged", statement.at)
        a, b = reader.read(left), reader.read(right)
        scope.relate(a, sign, b)
        readings.append(_given(scope, a, b, sign, f"{plain(a)} {sign} {plain(b)}", left.at))
    return readings


def _given(scope: Scope, a: sp.Expr, b: sp.Expr, sign: str, text: str, at: int) -> Reading:
    return Reading("given", a, b, sign, f"given: {text}", at, None, None, {}, _rebuild(scope, "=", at))


# Claims


def _membership(scope: Scope, left: sp.Expr, node: tree.Node) -> list[Reading]:
    """y in (0, 1) for a y that is defined: two inequalities to show."""
    domain, _ = targets.domain(Reader(scope), node)
    if not isinstance(domain, sp.Interval):
        raise tree.LatexError("whether this lies in the set is not judged", node.at)
    readings = []
    if domain.start.is_finite:
        readings.append(_claim(scope, left, domain.start, ">" if domain.left_open else ">=", node.at))
    if domain.end.is_finite:
        readings.append(_claim(scope, left, domain.end, "<" if domain.right_open else "<=", node.at))
    return readings


def _claim(scope: Scope, left: sp.Expr, right: sp.Expr, relation: str, at: int) -> Reading:
    if isinstance(left, sp.IndexedBase) or isinstance(right, sp.IndexedBase):
        raise tree.LatexError("vectors are compared by their components: write z_i", at)
    scope = scope.copy()
    claim, note = make_claim(scope, left, right, relation, at, {})
    names = sorted(scope.reach(left, deep=False) | scope.reach(right, deep=False))
    used = {name: scope.definitions[name].body for name in names if name in scope.definitions}
    if isinstance(left, sp.Symbol) and left.name in scope.definitions and not note:
        note = f"{plain(left)} was defined on line {scope.definitions[left.name].line}"
    text = f"{plain(left)} {relation} {plain(right)}"
    loose = make_loose(scope, left, right, relation, claim)
    return Reading("claim", left, right, relation, text, at, claim, loose, used, _rebuild(scope, relation, at), note)


def _rebuild(scope: Scope, relation: str, at: int) -> Callable[[sp.Expr, sp.Expr, Mapping[str, sp.Expr]], Claim]:
    def rebuild(left: sp.Expr, right: sp.Expr, changed: Mapping[str, sp.Expr]) -> Claim:
        return make_claim(scope, left, right, relation, at, changed)[0]

    return rebuild
