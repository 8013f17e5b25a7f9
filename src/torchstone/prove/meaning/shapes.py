"""The shapes of trees: what is a symbol, a call, a derivative; what names a piece holds, and how they are written."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, replace
from typing import TypeGuard

from torchstone.prove import tree
from torchstone.prove.meaning.functions import is_known


def children(node: tree.Node) -> Iterator[tree.Node]:
    """The pieces that a node is made of."""
    for entry in fields(node):
        value = getattr(node, entry.name)
        yield from _nodes_in(value)


def _nodes_in(value: object) -> Iterator[tree.Node]:
    if isinstance(value, tree.Node):
        yield value
    elif isinstance(value, tuple):
        for each in value:
            yield from _nodes_in(each)


def walk(node: tree.Node) -> Iterator[tree.Node]:
    """A node and everything in it."""
    yield node
    for child in children(node):
        yield from walk(child)


def brackets_of(node: tree.Node) -> tree.Group | None:
    """The round or square brackets that a function's arguments may stand in, with or without scripts."""
    group = node.base if isinstance(node, tree.Scripted) else node
    return group if isinstance(group, tree.Group) and group.bracket in ("(", "[", "{") else None


def index_parts(node: tree.Scripted) -> list[tree.Node]:
    """The indices that a symbol carries: of x_i, x_{ij}, x_{i,j}, x^{(i)}."""
    parts: list[tree.Node] = []
    match node.subscript:
        case tree.Row(items=items) if all(isinstance(item, tree.Name | tree.Number) for item in items):
            parts += items
        case tree.Group(bracket=bracket, parts=listed) if bracket != "|":
            parts += listed
        case None:
            pass
        case other:
            parts.append(other)
    match node.superscript:
        case tree.Group(bracket="(" | "[", parts=(tree.Name() | tree.Number() | tree.Sum() as sample,)):
            parts.append(sample)
    return parts


def bound_variable(big: tree.Big) -> str | None:
    """The letter that a sum runs over."""
    lower = big.lower
    if isinstance(lower, tree.Group) and lower.parts:
        lower = lower.parts[0]
    if isinstance(lower, tree.Statement):
        lower = lower.sides[0]
    return lower.name if isinstance(lower, tree.Name) else None


def names_in(node: tree.Node) -> Iterator[str]:
    """The symbols of a derivative's numerator or denominator, without its d's."""
    for each in [node] if not isinstance(node, tree.Row) else node.items:
        match each:
            case tree.Name(name="d" | "partial"):
                pass
            case tree.Name(name=name):
                yield name
            case tree.Scripted(base=tree.Name(name=name)) if name not in ("d", "partial"):
                yield label_of(each) or name
            case tree.Sum() | tree.Row():
                for child in children(each):
                    yield from names_in(child)


def plain_name(node: tree.Node) -> str:
    """x, w_1, y_hat: the name of a symbol with its label."""
    match node:
        case tree.Name(name=name):
            return name
        case tree.Number(text=text):
            return text
        case tree.Scripted(base=base, subscript=subscript, superscript=superscript):
            label = "" if subscript is None else "_" + plain_name(subscript)
            sample = ""
            if isinstance(superscript, tree.Group) and len(superscript.parts) == 1:
                sample = f"^({plain_name(superscript.parts[0])})"
            elif is_label(superscript):
                sample = f"^{superscript.name}"
            return plain_name(base) + label + sample
        case tree.Row(items=items):
            return "".join(plain_name(item) for item in items)
        case tree.Group(parts=parts):
            return ",".join(plain_name(part) for part in parts)
        case tree.Sum(terms=terms):
            return "".join(("" if not n and sign == "+" else sign) + plain_name(x) for n, (sign, x) in enumerate(terms))
    raise tree.LatexError("this subscript is not read", node.at)


def label_of(node: tree.Scripted) -> str | None:
    """The name of a symbol with its subscript; None where that is no name."""
    try:
        return plain_name(replace(node, superscript=None, primes=0))
    except tree.LatexError:
        return None


def is_label(superscript: tree.Node | None) -> TypeGuard[tree.Name]:
    """Whether a superscript only tells one symbol from another: w^*, w^{new}, x^+."""
    return isinstance(superscript, tree.Name) and (
        superscript.style == "word" or superscript.name in ("star", "+", "-")
    )


def is_dots(node: tree.Node) -> bool:
    """Whether something is left out here."""
    return isinstance(node, tree.Name) and node.name == "dots"


def is_derivative(fraction: tree.Fraction) -> bool:
    """Whether a fraction is d/dx, dy/dx, or one with round d's."""
    return begins_with_d(fraction.top) and isinstance(fraction.bottom, tree.Row) and begins_with_d(fraction.bottom)


def begins_with_d(node: tree.Node) -> bool:
    """d, d^2, d y: what stands above or below in a derivative."""
    first = node.items[0] if isinstance(node, tree.Row) else node
    if isinstance(first, tree.Scripted) and first.subscript is None and not first.primes:
        first = first.base
    return isinstance(first, tree.Name) and first.name in ("d", "partial")


def said_plainly(node: tree.Node) -> str:
    """What stands in the brackets of a probability: y = 1 | x."""
    match node:
        case tree.Given(parts=parts, conditions=conditions):
            return ", ".join(map(said_plainly, parts)) + " | " + ", ".join(map(said_plainly, conditions))
        case tree.Statement(sides=(tree.Node() as left, tree.Node() as right), relations=(relation,)):
            return f"{plain_name(left)} {relation} {plain_name(right)}"
    return plain_name(node)


def transposed_name(node: tree.Node) -> tree.Name | None:
    """The w of w^T."""
    match node:
        case tree.Scripted(base=tree.Name() as base, subscript=None, superscript=tree.Name(name="top" | "T")):
            return base
    return None


def is_plain_call(node: tree.Node) -> bool:
    """g(x), as the argument of f(g(x))."""
    match node:
        case tree.Row(items=(tree.Name(), tree.Group(bracket="(", parts=parts))):
            return all(is_symbol(part) or is_plain_call(part) for part in parts)
    return False


def holds_bare(name: str, node: tree.Node) -> bool:
    """Whether a name occurs without brackets behind it."""
    if isinstance(node, tree.Row):
        for position, item in enumerate(node.items):
            called = position + 1 < len(node.items) and brackets_of(node.items[position + 1]) is not None
            if not (called and isinstance(item, tree.Name)) and holds_bare(name, item):
                return True
        return False
    if isinstance(node, tree.Name):
        return node.name == name
    return any(holds_bare(name, child) for child in children(node))


def is_symbol(node: tree.Node) -> bool:
    """Whether a node is a plain symbol: x, w_1."""
    match node:
        case tree.Name(name=name, style=style):
            return style != "function" and not (style == "word" and is_known(name))
        case tree.Scripted(base=tree.Name(style=style), superscript=superscript, primes=0) if style != "function":
            return superscript is None or is_label(superscript)
    return False


def without_places(node: object) -> object:
    """A tree as lists, in which equal pieces are equal wherever they stand."""
    if isinstance(node, tree.Node):
        return type(node).__name__, [without_places(getattr(node, f.name)) for f in fields(node) if f.name != "at"]
    if isinstance(node, tuple):
        return [without_places(each) for each in node]
    return node
