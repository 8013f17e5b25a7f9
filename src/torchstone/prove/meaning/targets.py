"""What a formula is about: the name that an equation defines, what is merely given, the set after "in"."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import sympy as sp
from sympy.core.function import AppliedUndef

from torchstone.prove import tree
from torchstone.prove.meaning.functions import KNOWN
from torchstone.prove.meaning.indices import put
from torchstone.prove.meaning.shapes import brackets_of, is_dots, is_symbol, plain_name, walk
from torchstone.prove.meaning.written import Component, Mean, Prime, Slope, plain

if TYPE_CHECKING:
    from torchstone.prove.meaning.reader import Reader
    from torchstone.prove.meaning.scope import Definition, Scope


def defined_by(node: tree.Node, left: sp.Expr, right: sp.Expr, line: int) -> Definition | None:
    """What `left = right` would define. None where the left side is neither a symbol nor a call with plain symbols."""
    from torchstone.prove.meaning.scope import Definition

    definition: Definition | None = None
    match left:
        case sp.Symbol() if _is_a_name(node):
            definition = Definition(left.name, right, line, special=bool(right.is_number))
        case sp.Indexed():
            definition = _component_defined(left, right, line)
        case sp.IndexedBase() if isinstance(right, sp.Function):
            index = sp.Symbol("i", integer=True)
            definition = Definition(str(left), Component(right, index), line, (), (index,))
        case Prime() if left.args[1] == 1 and _is_parameter(left.args[0].args[0]):
            definition = _derivative_defined(left.args[0], right, line)
        case Slope() if isinstance(left.args[0], AppliedUndef) and left.args[0].args == left.args[1:2]:
            definition = _derivative_defined(left.args[0], right, line)
        case Mean():
            definition = _mean_defined(left, right, line)
        case Component():
            call, *index = left.args
            if all(_is_parameter(a) for a in call.args) and all(i.is_Symbol for i in index):
                definition = Definition(call.func.__name__, right, line, tuple(call.args), tuple(index))
        case AppliedUndef() if _is_a_call(node) and all(map(_is_parameter, left.args)):
            if len(set(left.args)) == len(left.args):
                definition = Definition(left.func.__name__, right, line, tuple(left.args))
    return definition


def _mean_defined(left: Mean, right: sp.Expr, line: int) -> Definition | None:
    """E[g_i] = mu, E[g^2] = v: what is said of the expectation of what is random, or of a power of it."""
    from torchstone.prove.meaning.scope import Definition

    inside = left.args[0]
    match inside.base if isinstance(inside, sp.Pow) and inside.exp.is_Integer else inside:
        case sp.Indexed() as component if len(component.indices) == 1 and component.indices[0].is_Symbol:
            blank = component.base[sp.Symbol("_", integer=True)]
            return Definition(f"E[{plain(inside.xreplace({component: blank}))}]", right, line, (), component.indices)
        case sp.Symbol():
            return Definition(f"E[{plain(inside)}]", right, line)
    return None


def _derivative_defined(call: sp.Expr, right: sp.Expr, line: int) -> Definition | None:
    """f'(x) = ..., of an f that nothing is known of."""
    from torchstone.prove.meaning.scope import Definition

    return Definition(f"{call.func.__name__}'", right, line, call.args)


def _component_defined(left: sp.Indexed, right: sp.Expr, line: int) -> Definition | None:
    """p_i = ..., p_1 = ..., and w_{t+1} = w_t - ...: a recurrence, with its index moved to t."""
    from torchstone.prove.meaning.scope import Definition

    name, index = str(left.base), tuple(left.indices)
    others = [each.indices for each in right.atoms(sp.Indexed) if each.base == left.base]
    started = all(own[0].is_Integer for own in others)
    if len(index) == 1 and not started and not index[0].is_Integer:
        letters = index[0].free_symbols
        if len(letters) != 1 or any((own[0] - index[0]).is_negative is not True for own in others):
            return None
        (symbol,) = letters
        body = put(right, {symbol: 2 * symbol - index[0]})
        return Definition(name, body, line, (), (symbol,), recursive=True)
    if all(each.is_Integer or each.is_Symbol for each in index):
        return Definition(name, right, line, (), index, special=bool(right.is_number))
    return None


def listed(statement: tree.Statement) -> tuple[str, tuple[tree.Node, ...]] | None:
    """The vector and its components, where a statement lists them: z = (z_1, z_2)."""
    match statement.sides, statement.relations:
        case (tree.Name(name=name), tree.Group(bracket="(" | "[", parts=parts)), ("=",) if len(parts) > 1:
            return name, parts
        case (
            tree.Name(name=name),
            tree.Scripted(base=tree.Group(bracket="(" | "[", parts=parts), superscript=tree.Name(name="top" | "T")),
        ), ("=",) if len(parts) > 1:
            return name, parts
    return None


def is_plain_equation(statement: tree.Statement) -> bool:
    """Whether a statement is an equation with only a symbol or a call on its left, and no number on its right."""
    left, right = statement.sides[0], statement.sides[-1]
    plainly = left is not None and (is_symbol(left) or _is_a_call(left)) and statement.relations[:1] == ("=",)
    return plainly and right is not None and not is_constant(right) and not statement.conditions


def name_on_the_left(statement: tree.Statement) -> str | None:
    """The name that a statement would define, as far as its left side alone tells."""
    match statement.sides[0]:
        case tree.Name(name=name) | tree.Row(items=(tree.Name(name=name), tree.Group() | tree.Scripted())):
            return name
        case tree.Scripted(base=tree.Name()) as symbol if is_symbol(symbol):
            return plain_name(symbol)
    return None


def _is_parameter(argument: sp.Expr) -> bool:
    return isinstance(argument, sp.Symbol | sp.IndexedBase)


def _is_a_name(node: tree.Node) -> bool:
    if isinstance(node, tree.Row):  # P(y = 1 | x)
        group = brackets_of(node.items[-1])
        return len(node.items) == 2 and group is not None and isinstance(group.parts[0], tree.Given | tree.Statement)
    return isinstance(node, tree.Name | tree.Scripted)


def _is_a_call(node: tree.Node) -> bool:
    return isinstance(node, tree.Row) and len(node.items) == 2 and brackets_of(node.items[1]) is not None


def parameters(scope: Scope, node: tree.Node) -> frozenset[str]:
    """The names of a function's parameters, where the left side is a call that may define it."""
    match node:
        case tree.Row(items=(tree.Name(name=name), tree.Group(parts=parts))):
            if name in scope.letters.defined and name not in scope.definitions:
                return frozenset(part.name for part in parts if isinstance(part, tree.Name))
    return frozenset()


def argument(scope: Scope, node: tree.Node) -> sp.Expr | None:
    """The x of f(x) or f'(x) on a left side: what primes on the right side differentiate by."""
    if isinstance(node, tree.Row) and len(node.items) == 2:
        group = brackets_of(node.items[1])
        if group is not None and len(group.parts) == 1 and isinstance(group.parts[0], tree.Name):
            name = group.parts[0].name
            return None if name in scope.letters.vectors else scope.symbol(name)
    return None


def is_given(scope: Scope, statement: tree.Statement) -> bool:
    """Whether a statement only says what its symbols are: y in (0, 1), x > 0, i != j, sum_i y_i = 1."""
    if all(sign in ("<", "<=", ">", ">=", "!=") for sign in statement.relations):
        if all(_bounds(scope, a, b) or _bounds(scope, b, a) for a, b in pairwise(statement.sides)):
            return True
        return all(_is_free(scope, side) or is_constant(side) for side in statement.sides)
    if statement.relations == ("in",):
        side = statement.sides[0]
        parts = side.parts if isinstance(side, tree.Group) else (side,)
        return all(_is_free(scope, part) for part in parts)
    if statement.relations == ("=",) and is_constant(statement.sides[1]):
        match statement.sides[0]:
            case tree.Row(items=(tree.Big(kind="sum"), tree.Scripted(base=tree.Name(name=name)) as term)):
                return name in scope.letters.vectors and name not in scope.definitions and term.superscript is None
    return False


def is_range(statement: tree.Statement) -> bool:
    """i = 1, ..., n: which numbers an index takes says nothing of a formula with that index."""
    match statement.sides, statement.relations:
        case (_, tree.Interval(ends=ends)), ("in",):
            return any(map(is_dots, ends))
    return False


def _bounds(scope: Scope, node: tree.Node | None, other: tree.Node | None) -> bool:
    """Whether a relation only bounds a symbol that nothing is known of, by what does not hold it: k <= C - 1."""
    if node is None or other is None or not _is_free(scope, node):
        return False
    names = {plain_name(each) for each in walk(other) if is_symbol(each)}
    held = names.union(*(scope.reach(known.body) for name, known in scope.definitions.items() if name in names))
    own = {plain_name(each) for each in (node, node.base if isinstance(node, tree.Scripted) else node)}
    return not own & held


def bounds_one_of(statement: tree.Statement, symbols: tuple[sp.Expr, ...]) -> bool:
    """Whether a condition says where some of the symbols lie: x > 0."""
    names = {str(symbol) for symbol in symbols}
    placed = any(isinstance(side, tree.Name) and side.name in names for side in statement.sides)
    return placed and statement.relations[0] in ("<", "<=", ">", ">=")


def _is_free(scope: Scope, node: tree.Node | None) -> bool:
    """Whether a node is a symbol, or a component, that nothing is known of."""
    match node:
        case tree.Name(name=name):
            return name not in scope.definitions and name not in KNOWN
        case tree.Scripted(base=tree.Name(name=name), superscript=None, primes=0):
            return name not in scope.definitions and not scope.has_meaning(scope.symbol(name))
    return False


def is_constant(node: tree.Node | None) -> bool:
    """Whether a node is a number."""
    match node:
        case tree.Number():
            return True
        case tree.Name(name="pi" | "e" | "infinity"):
            return True
        case tree.Sum(terms=terms):
            return all(is_constant(term) for _, term in terms)
        case tree.Fraction(top=top, bottom=bottom):
            return is_constant(top) and is_constant(bottom)
    return False


def domain(reader: Reader, node: tree.Node) -> tuple[sp.Set, str]:
    """The set after "in", and how it is called."""
    match node:
        case tree.Interval(opening="{", ends=ends):
            numbers = [reader.read(end) for end in ends]
            return sp.FiniteSet(*numbers), "{" + ", ".join(map(plain, numbers)) + "}"
        case tree.Interval(opening=opening, ends=(low, high), closing=closing):
            a, b = reader.scope.settled(reader.read(low)), reader.scope.settled(reader.read(high))
            left, right = opening in "(]" or a == -sp.oo, closing in ")[" or b == sp.oo
            return sp.Interval(
                a, b, left, right
            ), f"{'(' if left else '['}{plain(a)}, {plain(b)}{')' if right else ']'}"
        case tree.Name(name="R" | "reals") | tree.Scripted(base=tree.Name(name="R")):
            return sp.S.Reals, "the reals"
        case tree.Name(name="N"):
            return sp.S.Naturals0, "the natural numbers"
        case tree.Name(name="Z"):
            return sp.S.Integers, "the integers"
    raise tree.LatexError("expected an interval such as (0, 1) or a set such as {0, 1}", node.at)
