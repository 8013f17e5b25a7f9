"""What a statement is where it stands: a definition, a claim, something given; and its steps."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import sympy as sp

from torchstone.judge import Claim
from torchstone.prove import tree
from torchstone.prove.meaning import defining, solving, targets
from torchstone.prove.meaning.claims import make_claim, make_loose, taken
from torchstone.prove.meaning.reader import RELATIONS, Reader, Reading
from torchstone.prove.meaning.written import Component, Prime, Slope, plain

if TYPE_CHECKING:
    from torchstone.prove.meaning.scope import Scope

Rebuild = Callable[[sp.Expr, sp.Expr, Mapping[str, sp.Expr]], Claim]


def read_statement(scope: Scope, statement: tree.Statement, line: int) -> list[Reading]:
    """A statement's steps. The scope learns what it defines or gives."""
    if not any(statement.sides):
        raise tree.LatexError("there is no formula here", statement.at)
    if not statement.relations:
        return [_lone(scope, statement)]
    if (listed := targets.listed(statement)) is not None:
        name, parts = listed
        base = sp.IndexedBase(name)
        return [_said(scope, "definition", base, base, defining.define_vector(scope, name, parts, line), statement.at)]
    if statement.sides[0] is not None and targets.is_given(scope, statement):
        return take_as_given(scope, statement)
    readings = _steps(scope, statement, line)
    for reading in readings:
        scope.use(reading.left, reading.right)
    return readings


def _steps(scope: Scope, statement: tree.Statement, line: int) -> list[Reading]:
    held, told = _said_before(scope)
    within = _under(held, statement.conditions)
    reader = Reader(within)
    left = _first(reader, statement)
    readings: list[Reading] = []
    at = statement.at if statement.sides[0] is None else statement.sides[0].at
    for number, (relation, node) in enumerate(zip(statement.relations, statement.sides[1:], strict=True)):
        assert node is not None
        if relation == "in":
            readings += _membership(within, left, node)
            continue
        right = reader.value(node)
        if relation == "~" or (relation == "=" and _is_rounded(within, left, node)):
            readings.append(_rounded(within, left, right, node))
        elif relation not in RELATIONS:
            raise tree.LatexError("only =, <, > and the like are judged", node.at)
        else:
            if number or not isinstance(left, sp.IndexedBase) or scope.has_meaning(left):
                left, right = _by_components(within, left, right)
            reading = _not_a_claim(scope, statement, number, left, right, line, at)
            readings.append(reading or _solution(within, left, right, at) or _claim(within, left, right, relation, at))
            if told and readings[-1].claim is not None:
                readings[-1] = replace(readings[-1], note=" · ".join(filter(None, [readings[-1].note, told])))
            if relation == "=" and readings[-1].kind != "given":
                solving.remember_slope(scope, left, right)
        left, at = right, node.at
    scope.previous = left
    return readings


def _not_a_claim(
    scope: Scope, statement: tree.Statement, number: int, left: sp.Expr, right: sp.Expr, line: int, at: int
) -> Reading | None:
    """An equation that defines its left side, or one to be solved; None for a claim."""
    if statement.relations[number] != "=":
        return None
    if number == 0 and left is sp.E and right.free_symbols:
        raise tree.LatexError("e is Euler's number: give what this equation is about another name", statement.at)
    if number == 0 and left.has(Slope, Prime):
        defining.look_ahead(scope, left, sp.S.Zero)  # dy/dx = 2x where y = x^2: y has a definition
    if number == 0 and (learnt := defining.define(scope, statement, left, right, line)) is not None:
        text, note = learnt
        return _said(scope, "definition", left, right, text, at, note)
    accented = isinstance(right, sp.Symbol) and right.name.endswith(("_bar", "_hat", "_tilde"))
    ends = accented and 0 < number == len(statement.relations) - 1
    if ends and (learnt := defining.define_last(scope, statement, left, right, line)) is not None:
        text, note = learnt
        return _said(scope, "definition", left, right, text, at, note)
    if solving.names_a_solution(scope, left, right):
        return None
    if (symbol := solving.given(scope, statement, number, left, right)) is None:
        return None
    return _said(scope, "given", left, right, f"given: {plain(left)} = {plain(right)}, to be solved for {symbol}", at)


def _solution(scope: Scope, left: sp.Expr, right: sp.Expr, at: int) -> Reading | None:
    """x = 1 for one of several solutions of an equation: that it is one."""
    residual = solving.residual_at(scope, left, right)
    if residual is None:
        return None
    claim = _claim(scope, residual, sp.S.Zero, "=", at)
    return replace(claim, left=left, right=right, read_as=f"{plain(left)} = {plain(right)}, a solution")


def _said(
    scope: Scope, kind: str, left: sp.Expr, right: sp.Expr, text: str, at: int, note: str = "", relation: str = "="
) -> Reading:
    """The reading of what is not to be judged."""
    rebuild = _rebuild(scope, "=", at)
    return Reading(kind, left, right, relation, text, at, None, None, {}, rebuild, note)  # type: ignore[arg-type]


def _lone(scope: Scope, statement: tree.Statement) -> Reading:
    node = statement.sides[0]
    assert node is not None
    e = Reader(scope).value(node)
    scope.previous = e
    scope.use(e)
    return _said(scope, "expression", e, e, plain(e), node.at, relation="")


def _by_components(scope: Scope, left: sp.Expr, right: sp.Expr) -> tuple[sp.Expr, sp.Expr]:
    """An equation of vectors as one of their components; any other as it is."""

    def component(e: sp.Expr) -> sp.Expr | None:
        index = sp.Symbol("i", integer=True)
        if isinstance(e, sp.IndexedBase):
            return e[index]
        return Component(e, index) if isinstance(e, sp.core.function.AppliedUndef) and scope.gives_vector(e) else None

    a, b = component(left), component(right)
    return (left, right) if a is None or b is None else (a, b)


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


def hear(scope: Scope, statement: tree.Statement, line: int) -> None:
    """Take in a formula of a sentence."""
    node, right = statement.sides[0], statement.sides[-1]
    if node is None or right is None or statement.relations != ("=",) or statement.conditions:
        return
    if targets.is_given(scope, statement):
        take_as_given(scope, statement)
        return
    reader = Reader(scope)
    left = _first(reader, statement)
    defining.hear(scope, node, left, reader.value(right), line)


# What is given


def _said_before(scope: Scope) -> tuple[Scope, str]:
    """The scope with what the sentence before a formula says of it, and that in plain text."""
    if not scope.under:
        return scope, ""
    within, told = scope.copy(), []
    for condition in scope.under:
        with contextlib.suppress(tree.LatexError, ValueError, TypeError):
            told += [each.read_as.removeprefix("given: ") for each in take_as_given(within, condition)]
    return within, f"for {', '.join(told)}" if told else ""


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
        if left is None or right is None or sign not in (*RELATIONS, "in"):
            raise tree.LatexError("expected a condition such as x > 0", statement.at)
        if targets.is_range(statement):
            text, a, b = "an index", reader.read(left), sp.S.Zero
        elif sign == "in":
            places = [reader.value(each) for each in (left.parts if isinstance(left, tree.Group) else (left,))]
            domain, said = targets.domain(reader, right)
            for place in places:
                scope.narrow(place, domain)
            text, a, b = f"{', '.join(map(plain, places))} in {said}", places[0], sp.S.Zero
        else:
            a, b = reader.read(left), reader.read(right)
            scope.relate(a, sign, b)
            text = f"{plain(a)} {sign} {plain(b)}"
        readings.append(_said(scope, "given", a, b, f"given: {text}", left.at, relation=sign))
    return readings


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
    for name in sorted((scope.reach(left) | scope.reach(right)) & set(scope.unread)):
        raise tree.LatexError(
            f"{name} is not known: line {scope.unread[name]}, which defines it, could not be read", at
        )
    scope = scope.copy()
    defining.look_ahead(scope, left, right)
    claim, note = make_claim(scope, left, right, relation, at, {})
    names = sorted(scope.reach(left, deep=False) | scope.reach(right, deep=False))
    used = {name: scope.definitions[name].body for name in names if name in scope.definitions}
    if isinstance(left, sp.Symbol) and left.name in scope.definitions and not note:
        note = f"{plain(left)} was defined on line {scope.definitions[left.name].line}"
    note = " · ".join(filter(None, [note, taken(scope, claim)]))
    text = f"{plain(left)} {relation} {plain(right)}"
    loose = make_loose(scope, left, right, relation, claim)
    return Reading("claim", left, right, relation, text, at, claim, loose, used, _rebuild(scope, relation, at), note)


def _is_rounded(scope: Scope, left: sp.Expr, node: tree.Node) -> bool:
    """Whether a decimal number can only be a rounded one: sigma(1) = 0.7311."""
    number = node.terms[0][1] if isinstance(node, tree.Sum) and len(node.terms) == 1 else node
    if not isinstance(number, tree.Number) or "." not in number.text:
        return False
    value = scope.settled(left)
    return not value.free_symbols and value.is_rational is not True and value.is_number


def _rounded(scope: Scope, left: sp.Expr, right: sp.Expr, node: tree.Node) -> Reading:
    """An approximate equality with a decimal number: no farther off than its last digit counts."""
    number = node.terms[0][1] if isinstance(node, tree.Sum) and len(node.terms) == 1 else node
    if not isinstance(number, tree.Number):
        raise tree.LatexError("an approximate equality is read only with a decimal number on its right", node.at)
    digits = len(number.text.partition(".")[2])
    scope = scope.copy()

    def rebuild(a: sp.Expr, b: sp.Expr, changed: Mapping[str, sp.Expr]) -> Claim:
        distance = sp.Abs(a - b, evaluate=False)
        return make_claim(scope, distance, sp.Rational(1, 10**digits), "<=", node.at, changed)[0]

    claim = rebuild(left, right, {})
    text = f"{plain(left)} ~ {plain(right)}, to {digits} decimals"
    return Reading("claim", left, right, "~", text, node.at, claim, claim, {}, rebuild)


def _rebuild(scope: Scope, relation: str, at: int) -> Rebuild:
    def rebuild(left: sp.Expr, right: sp.Expr, changed: Mapping[str, sp.Expr]) -> Claim:
        return make_claim(scope, left, right, relation, at, changed)[0]

    return rebuild
