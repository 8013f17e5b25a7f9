"""Things side by side: which are calls, which are factors, and how far a sum or an unbracketed function reaches."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import sympy as sp

from torchstone.prove import tree
from torchstone.prove.meaning import derivatives, sums
from torchstone.prove.meaning.functions import KNOWN, OF_VECTORS, REFUSED, is_known
from torchstone.prove.meaning.shapes import (
    begins_with_d,
    brackets_of,
    holds_bare,
    is_derivative,
    label_of,
    said_plainly,
    walk,
)
from torchstone.prove.meaning.written import Component, Inverse, Prime, over, plain, power, times

if TYPE_CHECKING:
    from torchstone.prove.meaning.reader import Reader


@dataclass(frozen=True)
class Head:
    """A function about to be applied, with what hangs on its name: sin^2, sigma^{-1}, f'', log_2, softmax_i."""

    name: str
    at: int
    subscript: tree.Node | None = None
    power: tree.Node | None = None
    inverse: bool = False
    primes: int = 0


def read_row(reader: Reader, items: tuple[tree.Node, ...], at: int, rest: tree.Product | None = None) -> sp.Expr:
    """A row's product. `rest` is what follows it behind a sign, for a sum that takes all of it."""
    factors: list[sp.Expr] = []
    position = 0
    while position < len(items):
        item, after = items[position], items[position + 1 :]
        if isinstance(item, tree.Big):
            factors.append(_big(reader, item, after, rest))
            break
        operator = derivatives.operator(reader, item)
        if (special := _special(reader, item, after)) is not None:
            value, used = special
            factors.append(value)
        elif operator is not None:
            operand, used = _operand(reader, operator, after, item.at)
            factors.append(operator.of(operand))
        elif (head := _head(reader, item, after)) is not None:
            value, used = _applied(reader, head, after)
            factors.append(value)
        else:
            factors.append(reader.read(item) if len(items) > 1 else reader.value(item))
            used = 0
        position += 1 + used
    return times(*factors)


def read_product(reader: Reader, node: tree.Product) -> sp.Expr:
    """Factors with signs between them. A sum takes all that follow it."""
    result: sp.Expr | None = None
    position = 0
    while position < len(node.factors):
        factor = node.factors[position]
        divides = position > 0 and node.signs[position - 1] == "/"
        value: sp.Expr
        if (vectors := _two_vectors(reader, node, position)) is not None:
            value = sums.inner_product(reader, *vectors)
            position += 1
        elif position + 1 < len(node.factors) and node.signs[position] == "/" and _is_slope(factor, node, position):
            value = reader.read(tree.Fraction(factor.at, factor, node.factors[position + 1]))
            position += 1
        elif _is_open(factor) and position + 1 < len(node.factors):
            rest = tree.Product(factor.at, node.factors[position + 1 :], node.signs[position + 1 :])
            items = factor.items if isinstance(factor, tree.Row) else (factor,)
            first_sign = node.signs[position]
            value = read_row(reader, items, factor.at, _with_sign(rest, first_sign))
            position = len(node.factors)
        else:
            _refuse_a_split_operand(reader, node, position)
            value = reader.read(factor)
        if result is None:
            result = value
        elif divides:
            result = reader.quotient(result, value, factor.at)
        else:
            result = times(result, value)
        position += 1
    assert result is not None
    return result


def _two_vectors(reader: Reader, node: tree.Product, position: int) -> list[sp.IndexedBase] | None:
    r"""\mathbf{w} \cdot \mathbf{x}: the sum of products."""
    pair = node.factors[position : position + 2]
    if len(pair) < 2 or node.signs[position] != "*" or not all(isinstance(each, tree.Name) for each in pair):
        return None
    values = [reader.value(each) for each in pair]
    return values if all(isinstance(value, sp.IndexedBase) for value in values) else None


def _with_sign(rest: tree.Product, sign: str) -> tree.Product:
    """What follows a sum's body, with the sign before it kept: an empty factor stands for the body."""
    return tree.Product(rest.at, rest.factors, (sign, *rest.signs))


def _is_open(factor: tree.Node) -> bool:
    items = factor.items if isinstance(factor, tree.Row) else (factor,)
    return any(isinstance(item, tree.Big) for item in items)


def _is_slope(factor: tree.Node, node: tree.Product, position: int) -> bool:
    """Whether dy/dx is written with a slash."""
    below = node.factors[position + 1]
    return begins_with_d(factor) and is_derivative(tree.Fraction(factor.at, factor, below))


def _special(reader: Reader, item: tree.Node, after: tuple[tree.Node, ...]) -> tuple[sp.Expr, int] | None:
    """E[...], 1[...] and w^T x, and how many items they took."""
    group = brackets_of(after[0]) if after else None
    match item:
        case tree.Name(name="P" | "p" | "Pr" as name) if group is not None and group is after[0] and _is_event(group):
            return reader.scope.symbol(f"{name}({said_plainly(group.parts[0])})"), 1
        case tree.Name(name="E") if group is not None and _is_expected(item, group):
            mean = sums.expectation(reader, group)
            exponent = after[0].superscript if isinstance(after[0], tree.Scripted) else None
            return mean if exponent is None else power(mean, reader.read(exponent)), 1
        case tree.Name(name="1" | "I", style="blackboard" | "bold") if group is not None and len(group.parts) == 1:
            return sums.indicator(reader, group.parts[0]), 1
        case tree.Scripted(base=tree.Name() as base, superscript=tree.Name(name="top" | "T")) if after:
            left, right = reader.value(base), reader.value(after[0])
            if isinstance(left, sp.IndexedBase) and isinstance(right, sp.IndexedBase):
                return sums.inner_product(reader, left, right), 1
    return None


def _is_event(group: tree.Group) -> bool:
    """Whether brackets hold what a probability is of: y = 1, y | x."""
    return len(group.parts) == 1 and isinstance(group.parts[0], tree.Given | tree.Statement)


def _is_expected(item: tree.Name, after: tree.Node) -> bool:
    group = brackets_of(after)
    return item.style in ("blackboard", "upright", "word") or (group is not None and group.bracket == "[")


def component(reader: Reader, value: sp.Expr, subscript: tree.Node) -> sp.Expr:
    """A component of what a function gives: softmax(z)_i."""
    if isinstance(value, sp.IndexedBase):
        return value[_index(reader, subscript)]
    if isinstance(value, sp.Function) and reader.scope.gives_vector(value):
        return Component(value, *_index(reader, subscript))
    raise tree.LatexError(f"{plain(value)} has no components", subscript.at)


def _index(reader: Reader, subscript: tree.Node) -> tuple[sp.Expr, ...]:
    if isinstance(subscript, tree.Group):
        return tuple(reader.read(part) for part in subscript.parts)
    if isinstance(subscript, tree.Row) and all(isinstance(item, tree.Name | tree.Number) for item in subscript.items):
        return tuple(reader.read(item) for item in subscript.items)
    return (reader.read(subscript),)


def _head(reader: Reader, item: tree.Node, after: tuple[tree.Node, ...]) -> Head | None:
    """The function that an item names, where what follows makes a call of it."""
    if isinstance(item, tree.Name):
        name, order = derivatives.dotted(reader, item) or (item.name, 0)
        if _begins_call(reader, replace(item, name=name), after):
            return Head(name, item.at, primes=order)
    if not isinstance(item, tree.Scripted) or not isinstance(item.base, tree.Name):
        return None
    base, subscript, superscript = item.base, item.subscript, item.superscript
    if base.style != "function" and subscript is not None and base.name not in OF_VECTORS:
        # f_1 is a name of its own, unless it is a vector's component.
        if base.name in reader.scope.letters.vectors:
            return None
        base, subscript = tree.Name(base.at, label_of(item) or base.name), None
    if not _begins_call(reader, base, after):
        return None
    if order := _order(superscript):
        return Head(base.name, item.at, subscript, primes=order)
    inverse = _is_minus_one(superscript)
    return Head(base.name, item.at, subscript, None if inverse else superscript, inverse, item.primes)


def _begins_call(reader: Reader, name: tree.Name, after: tuple[tree.Node, ...]) -> bool:
    if name.style == "function":
        return bool(after)
    return is_called(reader, name, brackets_of(after[0]) if after else None, bool(after))


def _is_minus_one(node: tree.Node | None) -> bool:
    match node:
        case tree.Sum(terms=(("-", tree.Number(text="1")),)):
            return True
    return False


def _order(node: tree.Node | None) -> int:
    """f^{(3)}: how often it is differentiated; 0 where the superscript is none of that."""
    match node:
        case tree.Group(bracket="(", parts=(tree.Number(text=text),)) if text.isdigit():
            return int(text)
    return 0


def is_called(reader: Reader, name: tree.Name, group: tree.Group | None, followed: bool) -> bool:
    """Whether a name followed by brackets is a function with its arguments. Else it is a factor.

    A word that is a known function is called by whatever follows it. A letter needs brackets, and is a factor where
    the brackets hold the letter itself, as in sigma(1 - sigma).
    """
    scope = reader.scope
    if name.style == "word" and is_known(name.name) and name.name not in scope.definitions:
        return followed
    if group is None or name.name in scope.letters.vectors:
        return False
    if name.style == "word" and name.name not in scope.definitions:
        return True  # words are no factors: who writes foo(x) means a function
    if not scope.is_function(name.name):
        return scope.is_value_of(name.name, group)
    return not any(holds_bare(name.name, part) for part in group.parts)


def _applied(reader: Reader, head: Head, after: tuple[tree.Node, ...]) -> tuple[sp.Expr, int]:
    """A function's value, and how many items its argument took."""
    if not after:
        raise tree.LatexError(f"{head.name} has no argument", head.at)
    group, scripts = brackets_of(after[0]), None
    if isinstance(after[0], tree.Group) and after[0].bracket == "|":
        arguments, used = [reader.read(after[0])], 1
    elif group is not None:
        inner = group.parts[0]
        parts = inner.parts if len(group.parts) == 1 and isinstance(inner, tree.Group) else group.parts
        arguments, used = _arguments(reader, head, parts), 1
        scripts = after[0] if isinstance(after[0], tree.Scripted) else None
    else:
        argument, used = _unbracketed(reader, head, after)
        arguments = [argument]
    return _value(reader, head, arguments, scripts), used


def _arguments(reader: Reader, head: Head, parts: tuple[tree.Node, ...]) -> list[sp.Expr]:
    before = reader.takes_vectors
    reader.takes_vectors = before or (len(parts) == 1 and reader.scope.takes_vector(head.name))
    try:
        return [reader.value(part) for part in parts]
    finally:
        reader.takes_vectors = before


def _value(reader: Reader, head: Head, arguments: list[sp.Expr], scripts: tree.Scripted | None) -> sp.Expr:
    value = _call(reader, head, arguments)
    primes = head.primes + (scripts.primes if scripts else 0)
    subscripts = [each for each in (head.subscript, scripts.subscript if scripts else None) if each is not None]
    if head.name not in ("log", "lg"):
        for subscript in subscripts:
            value = component(reader, value, subscript) if not isinstance(value, Component) else value
    if primes:
        if not isinstance(value, sp.Function) or len(value.args) != 1:
            raise tree.LatexError("a prime is read behind a function of one number only", head.at)
        value = Prime(value, primes)
    if head.inverse:
        value = Inverse(value)
    for exponent in (head.power, scripts.superscript if scripts else None):
        if exponent is not None:
            value = power(value, reader.read(exponent))
    return value


def _call(reader: Reader, head: Head, arguments: list[sp.Expr]) -> sp.Expr:
    """A function of its arguments, as written."""
    name, scope = head.name, reader.scope
    if name in REFUSED:
        raise tree.LatexError(f"{REFUSED[name]} is not read", head.at)
    definition = scope.definitions.get(name)
    if definition is not None and not definition.parameters:
        return scope.symbol(name)
    first = arguments[0]
    if scope.takes_vector(name):
        if len(arguments) == 1 and isinstance(first, sp.Indexed) and not first.indices[0].is_number:
            # softmax(z_i) is what many write for softmax(z)_i.
            return Component(sp.Function(name)(first.base), *first.indices)
        return sp.Function(name)(*arguments)
    if definition is None and name in KNOWN:
        return _known_call(reader, head, arguments)
    if definition is None and not scope.is_function(name):
        raise tree.LatexError(f"{name} is not a function that is known here: define it first", head.at)
    if definition is not None and len(arguments) != len(definition.parameters):
        count = len(definition.parameters)
        raise tree.LatexError(f"{name} was defined with {count} arguments, here it has {len(arguments)}", head.at)
    return sp.Function(name)(*arguments)


def _known_call(reader: Reader, head: Head, arguments: list[sp.Expr]) -> sp.Expr:
    name, known = head.name, KNOWN[head.name]
    vector = next((each for each in arguments if isinstance(each, sp.IndexedBase)), None)
    if vector is not None:
        raise tree.LatexError(f"{name} takes numbers, and {vector} is a vector here: write {name}({vector}_i)", head.at)
    if known.arguments != (0,) and len(arguments) not in known.arguments:
        raise tree.LatexError(f"{name} takes {known.arguments[0]} argument, not {len(arguments)}", head.at)
    if name in ("log", "lg") and head.subscript is not None:
        base = reader.read(head.subscript)
        return over(sp.log(arguments[0], evaluate=False), sp.log(base, evaluate=False))
    return known.written(name, arguments)


def _unbracketed(reader: Reader, head: Head, after: tuple[tree.Node, ...]) -> tuple[sp.Expr, int]:
    r"""The argument of a function without brackets: \log x, \sin 2x, \log\sigma(x), \log\frac{a}{b}."""
    first = after[0]
    if (special := _special(reader, first, after[1:])) is not None:
        value, used = special
        return value, used + 1
    inner = _head(reader, first, after[1:])
    if inner is not None:
        value, used = _applied(reader, inner, after[1:])
        return value, used + 1
    if isinstance(first, tree.Big):
        return _big(reader, first, after[1:], None), len(after)
    taken = 0
    while taken < len(after) and not _ends_argument(reader, after, taken):
        taken += 1
    if taken == 0:
        raise tree.LatexError(f"{head.name} has no argument", head.at)
    run = after[:taken]
    left_over = after[taken] if taken < len(after) else None
    if left_over is not None and (isinstance(left_over, tree.Group) or brackets_of(left_over)):
        raise tree.LatexError(
            f"does {head.name} reach over the brackets here? Write {head.name}(...) with brackets of its own", head.at
        )
    if len(run) > 1 and isinstance(run[0], tree.Fraction | tree.Root):
        raise tree.LatexError(
            f"how far does {head.name} reach here? Write {head.name}(...) with brackets of its own", head.at
        )
    return read_row(reader, run, run[0].at), taken


def _ends_argument(reader: Reader, items: tuple[tree.Node, ...], position: int) -> bool:
    item = items[position]
    return (
        isinstance(item, tree.Group | tree.Big)
        or brackets_of(item) is not None
        or derivatives.is_derivative_node(item)
        or _head(reader, item, items[position + 1 :]) is not None
    )


def _operand(
    reader: Reader, operator: derivatives.Operator, after: tuple[tree.Node, ...], at: int
) -> tuple[sp.Expr, int]:
    """What a derivative works on: the brackets behind it, or all that follows up to the next derivative."""
    if not after:
        raise tree.LatexError("this derivative has nothing to work on", at)
    if isinstance(after[0], tree.Group) or brackets_of(after[0]):
        return reader.read(after[0]), 1
    taken = 0
    while taken < len(after) and not derivatives.is_derivative_node(after[taken]):
        taken += 1
    if taken == 0:
        operand, used = (
            _operand(reader, inner, after[1:], at)
            if (inner := derivatives.operator(reader, after[0]))
            else (
                reader.read(after[0]),
                0,
            )
        )
        return (inner.of(operand), used + 1) if inner else (operand, 1)
    return read_row(reader, after[:taken], after[0].at), taken


def _refuse_a_split_operand(reader: Reader, node: tree.Product, position: int) -> None:
    """Where does the derivative end in d/dx 2 * x^3? That is not guessed."""
    factor = node.factors[position]
    items = factor.items if isinstance(factor, tree.Row) else (factor,)
    if position + 1 >= len(node.factors) or len(items) < 2 or derivatives.operator(reader, items[-2]) is None:
        return
    follows = node.factors[position + 1]
    bracketed = isinstance(items[-1], tree.Group) or brackets_of(items[-1]) is not None
    if not bracketed and not any(derivatives.is_derivative_node(each) for each in walk(follows)):
        raise tree.LatexError("how far does the derivative reach here? Put brackets around what it works on", factor.at)


def _big(reader: Reader, big: tree.Big, items: tuple[tree.Node, ...], rest: tree.Product | None) -> sp.Expr:
    """A sum, product or limit with its body: all that follows."""
    if not items:
        what = "nothing to work on" if rest is None else "a sign behind it"
        raise tree.LatexError(f"this sum, product or limit has {what}", big.at)
    body = tree.Row(items[0].at, items) if len(items) > 1 else items[0]
    if rest is not None:
        body = tree.Product(body.at, (body, *rest.factors), rest.signs)
    return sums.read_big(reader, big, body)
