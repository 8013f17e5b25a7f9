"""What a statement is where it stands: a definition, a claim, something given; and its steps."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import sympy as sp

from torchstone.judge import Claim
from torchstone.prove import targets, tree
from torchstone.prove.claims import make_claim, make_loose
from torchstone.prove.functions import KNOWN, is_known
from torchstone.prove.meaning import RELATIONS, Reader, Reading
from torchstone.prove.written import Component, Mean, Prime, Slope, plain

if TYPE_CHECKING:
    from torchstone.prove.scope import Definition, Scope

_FEW_OPERATIONS = 60  # beyond it, solving an equation takes too long to be worth it


def read_statement(scope: Scope, statement: tree.Statement, line: int) -> list[Reading]:
    """A statement's steps. The scope learns what it defines or gives."""
    if not any(statement.sides):
        raise tree.LatexError("there is no formula here", statement.at)
    if not statement.relations:
        return [_lone(scope, statement)]
    if statement.sides[0] is not None and targets.is_given(scope, statement):
        return take_as_given(scope, statement)
    if (listed := targets.listed(statement)) is not None:
        return _vector(scope, statement, *listed, line)
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
        if relation == "~":
            readings.append(_rounded(within, left, node))
            left, at = reader.value(node), node.at
            continue
        if relation not in RELATIONS:
            raise tree.LatexError("only =, <, > and the like are judged", node.at)
        right = reader.value(node)
        if number or not isinstance(left, sp.IndexedBase) or scope.has_meaning(left):
            left, right = _by_components(within, left, right)
        reading = None
        if relation == "=" and number == 0:
            reading = _definition(scope, statement, left, right, line)
        if reading is None and relation == "=" and right == 0 and not statement.conditions:
            reading = _condition(scope, left, at)
        readings.append(reading or _claim(within, left, right, relation, at))
        left, at = right, node.at
    _remember_slopes(scope, readings)
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


# Definitions


def _definition(scope: Scope, statement: tree.Statement, left: sp.Expr, right: sp.Expr, line: int) -> Reading | None:
    """The reading of an equation that defines its left side; None where it does not."""
    first = statement.sides[0]
    if first is None:
        return None
    definition = targets.defined_by(first, left, right, line)
    if isinstance(left, Mean) and any(map(scope.has_meaning, left.args[0].atoms(sp.Symbol, sp.Indexed))):
        return None
    if isinstance(left, sp.Symbol) and (solution := _solution_named(scope, left)) is not None:
        scope.solved[left] = solution
        return None
    conditions = [each for each in statement.conditions if not targets.is_range(each)]
    if definition is not None and conditions:
        return _defined_by_cases(scope, definition, conditions, left, right, first.at)
    if definition is None:
        if isinstance(left, Slope) and _defines_a_slope(scope, left, right):
            scope.slopes[plain(left.args[0]), plain(left.args[1])] = right
            return _defining(scope, left, right, first.at)
        return None
    _refuse_two_meanings(scope, definition, first.at)
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
    scope.unread.pop(definition.name, None)
    _remember_weights(scope, right)
    return _defining(scope, left, right, first.at, note)


def _defined_by_cases(
    scope: Scope, definition: Definition, conditions: list[tree.Statement], left: sp.Expr, right: sp.Expr, at: int
) -> Reading | None:
    """f(x) = x for x > 0, and later f(x) = 0 for x <= 0: one function. None where f is known already."""
    known = scope.definitions.get(definition.name)
    if not definition.parameters or not (known is None or known.partial) or not _may_define(scope, definition, True):
        return None
    reader = Reader(scope)
    said = sp.And(*(reader.condition(each) for each in conditions))
    if known is not None and any(condition == said for _, condition in known.body.args):
        return None
    rows = [] if known is None else [tuple(row) for row in known.body.args]
    body = sp.Piecewise(*rows, (right, said), evaluate=False)
    scope.definitions[definition.name] = replace(definition, body=body, partial=True)
    reading = _defining(scope, left, right, at)
    return replace(reading, read_as=f"{reading.read_as} for {plain(said)}")


def _vector(
    scope: Scope, statement: tree.Statement, name: str, parts: tuple[tree.Node, ...], line: int
) -> list[Reading]:
    """z = (z_1, z_2): how many components there are, and what they are where they have other names."""
    reader = Reader(scope)
    base = sp.IndexedBase(name)
    scope.letters.vectors.add(name)
    dots = [place for place, part in enumerate(parts) if isinstance(part, tree.Name) and part.name == "dots"]
    if dots:
        last = reader.read(parts[-1])
        if not isinstance(last, sp.Indexed):
            raise tree.LatexError("what do the dots stand for?", parts[dots[0]].at)
        scope.sizes[name] = last.indices[0]
    else:
        scope.sizes[name] = sp.Integer(len(parts))
        for number, part in enumerate(parts, 1):
            value = reader.read(part)
            key = plain(base[number])
            if value != base[number] and key not in scope.definitions:
                scope.define(key, name, value, line, sp.Integer(number))
    shown = (
        f"{name} = ({', '.join('...' if place in dots else plain(reader.read(p)) for place, p in enumerate(parts))})"
    )
    return [
        Reading(
            "definition", base, base, "=", f"definition: {shown}", statement.at, None, None, {}, _rebuild(scope, "=", 0)
        )
    ]


def _remember_weights(scope: Scope, right: sp.Expr) -> None:
    """In sum_i y_i log p_i the y_i are weights: targets, one-hot or probabilities, that sum to 1."""
    for each in right.atoms(sp.Sum):
        index, first, last = each.limits[0]
        factors = sp.Mul.make_args(each.function)
        logarithms = [factor for factor in factors if factor.atoms(sp.log)]
        for factor in factors:
            if isinstance(factor, sp.Indexed) and factor.indices == (index,) and len(logarithms) == 1:
                vector = str(factor.base)
                if not scope.has_meaning(factor) and not logarithms[0].has(factor.base):
                    total = sp.Sum(factor, (index, first, scope.settled(last)))
                    scope.weights[vector] = sp.Eq(total, 1)


def hear(scope: Scope, statement: tree.Statement, line: int) -> None:
    """Take in what a sentence says: a definition of a name that has none, the size of a sum, that weights sum to 1.

    A sentence's formula claims nothing, and a display formula may still define the name.
    """
    if len(statement.sides) != 2 or statement.relations != ("=",) or statement.sides[0] is None or statement.conditions:
        return
    if targets.is_given(scope, statement):
        take_as_given(scope, statement)
        return
    reader = Reader(scope)
    left = _first(reader, statement)
    if isinstance(left, Slope | Prime | Mean) or statement.sides[1] is None:
        return
    right = reader.value(statement.sides[1])
    definition = targets.defined_by(statement.sides[0], left, right, line)
    if definition is None or (definition.special and definition.name not in scope.letters.size_names()):
        return
    key = targets.key(definition)
    if scope.has_meaning(left) or key in scope.definitions or definition.recursive or is_known(definition.name):
        return
    if definition.name not in scope.reach(right):
        scope.definitions[key] = definition
        scope.inherited.add(key)


# Equations to be solved


def _remember_slopes(scope: Scope, readings: list[Reading]) -> None:
    """What a chain that begins with a derivative says to equal it."""
    variable: sp.Symbol | None = None
    for reading in readings:
        if reading.kind not in ("claim", "definition") or reading.relation != "=":
            continue
        variable = _slope_variable(scope, reading.left) or scope.slope_of.get(reading.left, variable)
        if variable is not None:
            scope.slope_of[reading.right] = variable


def _slope_variable(scope: Scope, e: sp.Expr) -> sp.Symbol | None:
    symbol = None
    if isinstance(e, Slope):
        symbol = e.args[1]
    elif isinstance(e, Prime):
        symbol = e.args[0].args[0]
    return symbol if isinstance(symbol, sp.Symbol) and not scope.has_meaning(symbol) else None


def _condition(scope: Scope, left: sp.Expr, at: int) -> Reading | None:
    """A derivative that is set to zero: an equation to be solved, not a claim. Its solution is known from here on."""
    variable = _slope_variable(scope, left) or scope.slope_of.get(left)
    if variable is None or variable in scope.solved:
        return None
    slope = scope.settled(left, at)
    if slope == 0 or variable not in slope.free_symbols:
        return None
    solution = _solution(slope, variable)
    if solution is not None:
        scope.solved[variable] = solution
    return _given(scope, left, sp.S.Zero, "=", f"{plain(left)} = 0, to be solved for {variable}", at)


def _solution(e: sp.Expr, variable: sp.Symbol) -> sp.Expr | None:
    factor = sp.simplify(sp.diff(e, variable).doit())
    if variable not in factor.free_symbols:
        return sp.simplify(-e.subs(variable, 0).doit() / factor)
    if e.has(sp.Sum, sp.Piecewise) or sp.count_ops(e) > _FEW_OPERATIONS:
        return None
    try:
        solutions = sp.solve(e, variable)
    except NotImplementedError:
        return None
    return solutions[0] if len(solutions) == 1 else None


def _solution_named(scope: Scope, symbol: sp.Symbol) -> sp.Expr | None:
    """The solution for mu, which mu, mu^* and mu_hat all name."""
    if scope.has_meaning(symbol):
        return None
    base = symbol.name.split("^")[0].split("_")[0]
    return next((value for name, value in scope.solved.items() if str(name) in (symbol.name, base)), None)


def _refuse_two_meanings(scope: Scope, definition: Definition, at: int) -> None:
    known = scope.definitions.get(definition.name)
    if known is not None and bool(known.index) != bool(definition.index):
        what, other = ("a vector", "a number") if known.index else ("a number", "a vector")
        raise tree.LatexError(f"{known.name} is {what} on line {known.line}, here it is {other}", at)


def _may_define(scope: Scope, definition: Definition, by_cases: bool = False) -> bool:
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
        if known.partial and by_cases:
            return True
        return definition.name in scope.inherited and definition.name not in scope.used
    if general is not None:  # a component of what a recurrence gives: its beginning
        return definition.index == (scope.letters.start_of(definition.name),)
    usual = KNOWN.get(definition.name)
    if usual is not None and usual.fixed:
        return False
    return not (is_known(definition.name) and definition.name in scope.used)


def _defines_a_slope(scope: Scope, left: Slope, right: sp.Expr) -> bool:
    body, variable, order = left.args
    if not isinstance(body, sp.Symbol) or body.name in scope.definitions or order != 1:
        return False
    known = (plain(body), plain(variable)) in scope.slopes
    return not known and variable in scope.roots(body.name) and not right.has(left)


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
        if targets.is_range(statement):
            continue
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
    for name in sorted((scope.reach(left) | scope.reach(right)) & set(scope.unread)):
        raise tree.LatexError(
            f"{name} is not known: line {scope.unread[name]}, which defines it, could not be read", at
        )
    scope = scope.copy()
    claim, note = make_claim(scope, left, right, relation, at, {})
    names = sorted(scope.reach(left, deep=False) | scope.reach(right, deep=False))
    used = {name: scope.definitions[name].body for name in names if name in scope.definitions}
    if isinstance(left, sp.Symbol) and left.name in scope.definitions and not note:
        note = f"{plain(left)} was defined on line {scope.definitions[left.name].line}"
    text = f"{plain(left)} {relation} {plain(right)}"
    loose = make_loose(scope, left, right, relation, claim)
    return Reading("claim", left, right, relation, text, at, claim, loose, used, _rebuild(scope, relation, at), note)


def _rounded(scope: Scope, left: sp.Expr, node: tree.Node) -> Reading:
    """An approximate equality with a decimal number: no farther off than its last digit counts."""
    number = node.terms[0][1] if isinstance(node, tree.Sum) and len(node.terms) == 1 else node
    if not isinstance(number, tree.Number):
        raise tree.LatexError("an approximate equality is read only with a decimal number on its right", node.at)
    digits = len(number.text.partition(".")[2])
    right, last = Reader(scope).read(node), sp.Rational(1, 10**digits)

    def within(a: sp.Expr, b: sp.Expr, changed: Mapping[str, sp.Expr]) -> Claim:
        return make_claim(scope, sp.Abs(a - b, evaluate=False), last, "<=", node.at, changed)[0]

    claim = within(left, right, {})
    text = f"{plain(left)} ~ {plain(right)}, to {digits} decimals"
    return Reading("claim", left, right, "~", text, node.at, claim, claim, {}, within)


def _rebuild(scope: Scope, relation: str, at: int) -> Callable[[sp.Expr, sp.Expr, Mapping[str, sp.Expr]], Claim]:
    def rebuild(left: sp.Expr, right: sp.Expr, changed: Mapping[str, sp.Expr]) -> Claim:
        return make_claim(scope, left, right, relation, at, changed)[0]

    return rebuild
