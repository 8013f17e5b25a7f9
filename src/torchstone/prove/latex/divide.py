r"""What a slash divides: 1/2 (x - y)^2 has one reading, dy/dx too, but 1/2x has two and is refused."""

from __future__ import annotations

from torchstone.prove import tree
from torchstone.prove.latex.reader import short
from torchstone.prove.tree import LatexError, Node


class TwoReadingsError(LatexError):
    """A slash before several things; the message needs the source of the three `spans`."""

    def __init__(self, spans: tuple[tuple[int, int], ...]) -> None:
        super().__init__("a slash stands before several things", spans[0][0])
        self.spans = spans

    def told(self, source: str) -> LatexError:
        """The same with both readings spelt out."""
        top, first, rest = (short(source[begin:end]) for begin, end in self.spans)
        whole = short(source[self.spans[0][0] : self.spans[-1][1]])
        one, other = rf"\frac{{{top}}}{{{first}}} {rest}", rf"\frac{{{top}}}{{{first} {rest}}}"
        return LatexError(f"{whole} can be read in two ways: write {one} or {other}", self.at)


def factors(pieces: list[tuple[Node, int]], signs: list[str]) -> tuple[list[Node], list[str]]:
    """Factors and the signs between them. Each piece is a node and where it ends."""
    nodes, kept = [pieces[0][0]], []
    for (node, end), sign, (before, before_end) in zip(pieces[1:], signs, pieces, strict=False):
        if sign == "/" and (merged := derivative(nodes[-1], node)):
            nodes[-1] = merged
        elif sign == "/" and isinstance(node, tree.Row):
            first, rest = split(node.items)
            if rest and not may_follow(first, rest[0]):
                raise TwoReadingsError(((before.at, before_end), (node.at, rest[0].at), (rest[0].at, end)))
            nodes.append(row(first))
            kept.append("/")
            if rest:
                nodes.append(row(rest))
                kept.append("*")
        else:
            nodes.append(node)
            kept.append(sign)
    return nodes, kept


def row(items: tuple[Node, ...]) -> Node:
    """Several things side by side, or the only one."""
    return items[0] if len(items) == 1 else tree.Row(items[0].at, items)


def base(node: Node) -> Node:
    """Without its scripts."""
    return node.base if isinstance(node, tree.Scripted) else node


def is_function(node: Node) -> bool:
    """A function by its command or its name in letters."""
    node = base(node)
    return isinstance(node, tree.Name) and node.style in ("function", "word")


def is_differential(node: Node) -> bool:
    """The d of dx, or a partial."""
    node = base(node)
    return isinstance(node, tree.Name) and node.name in ("d", "partial") and node.style in ("letter", "upright")


def split(items: tuple[Node, ...]) -> tuple[tuple[Node, ...], tuple[Node, ...]]:
    """What the slash takes for certain (a function with its argument counts as one thing), and the rest."""
    first, second = items[:2]
    if isinstance(base(first), tree.Big):
        return items, ()
    brackets = base(second)
    called = isinstance(brackets, tree.Group) and brackets.bracket in ("(", "[") and isinstance(base(first), tree.Name)
    size = 2 if called or is_function(first) else 1
    return items[:size], items[size:]


def may_follow(first: tuple[Node, ...], following: Node) -> bool:
    """Is it clear that what follows is no longer divided by? After brackets, and where brackets or a big sign come."""
    closed = (tree.Group, tree.Big, tree.Fraction, tree.Root, tree.Cases)
    if len(first) == 1 and isinstance(base(first[0]), tree.Group):
        return True
    if isinstance(base(following), closed):
        return True
    return len(first) == 1 and isinstance(first[0], tree.Number) and is_function(following)


def derivative(top: Node, bottom: Node) -> Node | None:
    r"""dy/dx, d/dx f(x), \partial L/\\partial w: the fraction, with what stands before and after it."""
    below = bottom.items if isinstance(bottom, tree.Row) else ()
    above = top.items if isinstance(top, tree.Row) else (top,)
    starts = [position for position, item in enumerate(above) if is_differential(item)]
    if not starts or len(below) < 2 or not is_differential(below[0]):
        return None
    end = 2
    while end + 1 < len(below) and is_differential(below[end]):
        end += 2
    start = starts[-1]
    fraction = tree.Fraction(above[start].at, row(above[start:]), tree.Row(below[0].at, below[:end]))
    return row((*above[:start], fraction, *below[end:]))
