r"""Trees from what the grammar recognised: which script belongs where, and what a / divides."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any, NamedTuple, TypeAlias

from lark import Transformer, v_args

from torchstone.prove import tree
from torchstone.prove.latex.commands import PARTNER
from torchstone.prove.latex.divide import factors
from torchstone.prove.latex.reader import Token
from torchstone.prove.tree import LatexError, Node

Listed: TypeAlias = "list[Node]"


class Piece(NamedTuple):
    """A node and where it ends. `braced`: it stood in braces, which do not print."""

    node: Node
    end: int
    braced: bool = False


def expression(node: Node, place: str) -> Node:
    """The node, which must not be a statement."""
    if isinstance(node, tree.Statement):
        raise LatexError(f"a relation can't stand in {place}", node.at)
    if isinstance(node, tree.Interval):
        raise LatexError(f"the bracket {node.opening} is closed by {node.closing}", node.at)
    return node


def one(nodes: Listed, at: int) -> Node:
    """What an argument holds: one thing, or a list without brackets."""
    return nodes[0] if len(nodes) == 1 else tree.Group(at, "", tuple(nodes))


def unseen(piece: Piece) -> Node:
    """A factor or base that is no sum or product in braces: those do not print, so a reader can't see them."""
    if piece.braced and isinstance(piece.node, (tree.Sum, tree.Product)):
        what = "sum" if isinstance(piece.node, tree.Sum) else "product"
        raise LatexError(f"the braces around this {what} do not print: write ( )", piece.node.at)
    return expression(piece.node, "an expression")


@v_args(inline=True)
class Builder(Transformer[Token, Any]):
    """The grammar's callbacks, one for each rule."""

    # -- statements ----------------------------------------------------------------------------------------------

    def statement(self, *parts: Any) -> tree.Statement:
        """Sides and relations, one after the other."""
        sides: list[Node | None] = [None] if isinstance(parts[0], Token) else []
        relations: list[str] = []
        defines = False
        for part in parts:
            if isinstance(part, Token):
                relations.append(part.value[0])
                defines |= part.value[1]
            elif relations and relations[-1] == "in":
                sides.append(_set(part.node))
            else:
                sides.append(expression(part.node, "one side of another"))
        at = parts[0].start_pos if isinstance(parts[0], Token) else parts[0].node.at
        demands = relations[-1:] == ["=!"]
        relations = ["=" if relation == "=!" else relation for relation in relations]
        if "mapsto" in relations:
            return _mapping(at, sides)
        if relations == ["=:"]:
            sides, relations, defines = sides[::-1], ["="], True
        elif "=:" in relations:
            raise LatexError("=: stands in a chain: define the name in a line of its own", at)
        return tree.Statement(at, tuple(sides), tuple(relations), defines, demands)

    def list(self, *parts: Any) -> Listed:
        """Statements between commas; those without a relation are expressions."""
        return [
            expression_of(part) if isinstance(part, tree.Statement) else part
            for part in parts
            if not isinstance(part, Token)
        ]

    def argument(self, opener: Token, nodes: Listed, closer: Token) -> Piece:
        """What stands in the braces of an argument."""
        return Piece(one(nodes, opener.start_pos), closer.end_pos)

    def evaluated_here(self, body: Piece, bar: Token, _: Token, where: Piece) -> Piece:
        """f(x)|_{x=0}."""
        terms = body.node.terms if isinstance(body.node, tree.Sum) else (("+", body.node),)
        if len(terms) > 1 or isinstance(terms[0][1], tree.Product):
            message = "it is not clear what the | belongs to: write \\left. ... \\right|_{...}"
            raise LatexError(message, bar.start_pos)
        return Piece(_at_place(expression(body.node, "|"), where), where.end)

    def evaluated(self, opener: Token, body: Piece, _bar: Token, _sub: Token, where: Piece) -> Piece:
        r"""\left. f(x) \right|_{x=0}."""
        return Piece(_at_place(expression(body.node, "\\left."), where), where.end)

    # -- sums, products, rows ------------------------------------------------------------------------------------

    def sum(self, *parts: Any) -> Piece:
        """Terms with their signs; two signs in a row are one."""
        if len(parts) == 1:
            return parts[0]
        terms: list[tuple[str, Node]] = []
        sign, at = "+", None
        for part in parts:
            if isinstance(part, Token):
                sign = "-" if (part.value == "-") != (sign == "-") else "+"
                at = part.start_pos if at is None else at
                continue
            at = part.node.at if at is None else at
            inner = part.node
            if part.braced and isinstance(inner, tree.Sum) and sign == "+":
                terms += inner.terms
            elif part.braced and isinstance(inner, tree.Sum) and len(inner.terms) > 1:
                unseen(part)
            else:
                terms.append((sign, expression(inner, "a sum")))
            sign = "+"
        if len(terms) == 1 and terms[0][0] == "+":
            return Piece(terms[0][1], parts[-1].end)
        return Piece(tree.Sum(at or 0, tuple(terms)), parts[-1].end)

    def product(self, *parts: Any) -> Piece:
        """Factors with a sign between them."""
        if len(parts) == 1:
            return parts[0]
        nodes: list[tuple[Node, int]] = []
        between: list[str] = []
        in_set = "\\" in parts[1::2]
        for sign, piece in zip(("", *parts[1::2]), parts[::2], strict=True):
            inner = piece.node
            alike = isinstance(inner, tree.Product) and (not sign or (sign == "*" and set(inner.signs) == {"*"}))
            between += [sign] if sign else []
            if alike:
                nodes += [(factor, piece.end) for factor in inner.factors]
                between += inner.signs
                continue
            if not (in_set or (isinstance(inner, tree.Sum) and len(inner.terms) == 1)):
                unseen(piece)
            nodes.append((inner, piece.end))
        factored, signs = factors(nodes, between)
        if not signs:
            return Piece(factored[0], parts[-1].end)
        return Piece(tree.Product(factored[0].at, tuple(factored), tuple(signs)), parts[-1].end)

    def sign(self, token: Token) -> str:
        """The sign, as the tree has it."""
        return {"TIMES": "*", "OVER": "/", "SETMINUS": "\\"}[token.type]

    def signed(self, *parts: Any) -> Piece:
        """The factor after a sign: a * -b."""
        *signs, row = parts
        negative = sum(sign.value == "-" for sign in signs) % 2
        node = unseen(row)
        return Piece(tree.Sum(signs[0].start_pos, (("-", node),)) if negative else node, row.end)

    def row(self, *pieces: Piece) -> Piece:
        """Things side by side."""
        if len(pieces) == 1:
            return pieces[0]
        items: list[Node] = []
        for piece in pieces:
            node = unseen(piece)
            items += node.items if isinstance(node, tree.Row) else [node]
        for left, right in pairwise(items):
            _side_by_side(left, right)
        return Piece(tree.Row(items[0].at, tuple(items)), pieces[-1].end)

    # -- scripts -------------------------------------------------------------------------------------------------

    def subscript(self, base: Piece, _: Token, argument: Piece) -> Piece:
        """An index, or a lower limit."""
        node = base.node
        if isinstance(node, tree.Big) and node.lower is None:
            return Piece(replace(node, lower=argument.node), argument.end)
        if isinstance(node, tree.Name) and node.style == "function" and node.name in ("max", "min"):
            return Piece(tree.Big(node.at, node.name, argument.node), argument.end)
        place = argument.node
        bracketed = isinstance(node, tree.Group) and node.bracket in ("(", "[") and len(node.parts) == 1
        if bracketed and isinstance(place, tree.Statement) and place.relations == ("=",):
            return Piece(_at_place(node, argument), argument.end)
        return _scripted(base, "subscript", argument)

    def superscript(self, base: Piece, _: Token, argument: Piece) -> Piece:
        """An exponent, or an upper limit."""
        if isinstance(base.node, tree.Big) and base.node.upper is None:
            return Piece(replace(base.node, upper=expression(argument.node, "a limit")), argument.end)
        return _scripted(base, "superscript", argument)

    def primes(self, base: Piece, token: Token) -> Piece:
        """f'."""
        return _scripted(base, "primes", Piece(tree.Number(token.start_pos, str(token.value)), token.end_pos))

    def factorial(self, base: Piece, token: Token) -> Piece:
        """n! is a call."""
        name = tree.Name(base.node.at, "factorial", "function")
        body = base.node.parts if isinstance(base.node, tree.Group) and base.node.bracket == "(" else (unseen(base),)
        return Piece(tree.Row(base.node.at, (name, tree.Group(base.node.at, "(", body))), token.end_pos)

    # -- atoms ---------------------------------------------------------------------------------------------------

    def number(self, token: Token) -> Piece:
        """2."""
        return Piece(tree.Number(token.start_pos, token.value), token.end_pos)

    def name(self, token: Token) -> Piece:
        """x."""
        return Piece(tree.Name(token.start_pos, *token.value), token.end_pos)

    def big(self, token: Token) -> Piece:
        """A sign that takes what follows."""
        return Piece(tree.Big(token.start_pos, token.value), token.end_pos)

    def cases(self, token: Token) -> Piece:
        """They were read before."""
        return Piece(token.value, token.end_pos)

    def fraction(self, token: Token, top: Piece, bottom: Piece) -> Piece:
        r"""\frac."""
        above, below = expression(top.node, token.value), expression(bottom.node, token.value)
        return Piece(tree.Fraction(token.start_pos, _unlisted(above), _unlisted(below)), bottom.end)

    def root(self, token: Token, *arguments: Piece) -> Piece:
        r"""\sqrt."""
        *degree, body = (_unlisted(expression(argument.node, "a root")) for argument in arguments)
        return Piece(tree.Root(token.start_pos, body, *degree), arguments[-1].end)

    def style(self, token: Token, argument: Piece) -> Piece:
        r"""\mathbf around more than one symbol."""
        return Piece(_styled(argument.node, token.value), argument.end, braced=True)

    def accent(self, token: Token, argument: Piece) -> Piece:
        r"""\hat{y} is the name y_hat."""
        node = argument.node
        name = node.base if isinstance(node, tree.Scripted) else node
        if isinstance(name, tree.Number):
            name = tree.Name(name.at, name.text)
        if not isinstance(name, tree.Name):
            raise LatexError("an accent such as \\hat stands over one symbol only", token.start_pos)
        name = replace(name, at=token.start_pos, name=f"{name.name}_{token.value}")
        node = replace(node, at=token.start_pos, base=name) if isinstance(node, tree.Scripted) else name
        return Piece(node, argument.end)

    def group(self, opener: Token, nodes: Listed, closer: Token) -> Piece:
        """Brackets; two that differ are those of an interval."""
        kind, at = opener.value, opener.start_pos
        if PARTNER.get(kind) == closer.value:
            if kind[0] == "|" and (len(nodes) > 1 or isinstance(nodes[0], tree.Statement)):
                raise LatexError("one expression is expected between bars", at)
            parts = tuple(part if isinstance(part, tree.Statement) else expression(part, "brackets") for part in nodes)
            return Piece(tree.Group(at, kind, parts), closer.end_pos)
        if len(nodes) != 2 or kind not in "([]" or closer.value not in ")[]":
            raise LatexError(f"the bracket {kind} is closed by {closer.value}", at)
        return Piece(tree.Interval(at, kind, tuple(nodes), closer.value), closer.end_pos)

    def given(self, opener: Token, nodes: Listed, bar: Token, conditions: Listed, closer: Token) -> Piece:
        """p(y | x)."""
        if PARTNER.get(opener.value) != closer.value:
            raise LatexError(f"the bracket {opener.value} is closed by {closer.value}", opener.start_pos)
        given = tree.Given(opener.start_pos, tuple(nodes), tuple(conditions))
        return Piece(tree.Group(opener.start_pos, opener.value, (given,)), closer.end_pos)

    def braces(self, opener: Token, nodes: Listed, closer: Token) -> Piece:
        """They do not print."""
        if len(nodes) > 1:
            raise LatexError("the braces around this list do not print: write ( ) or \\{ \\}", opener.start_pos)
        return Piece(nodes[0], closer.end_pos, braced=True)


def expression_of(statement: tree.Statement) -> Node:
    """A statement without a relation is its expression."""
    alone = not statement.relations and statement.sides[0] is not None
    return statement.sides[0] if alone and statement.sides[0] else statement


def _mapping(at: int, sides: list[Node | None]) -> tree.Statement:
    r"""f : x \mapsto x^2 defines f(x)."""
    if len(sides) == 2 and isinstance(sides[0], tree.Product) and sides[0].signs == ("/",):
        function, variable = sides[0].factors
        called = tree.Row(at, (function, tree.Group(variable.at, "(", (variable,))))
        return tree.Statement(at, (called, sides[1]), ("=",), True)
    raise LatexError("\\mapsto is read in f : x \\mapsto ... only", at)


def _unlisted(node: Node) -> Node:
    if isinstance(node, tree.Group) and not node.bracket:
        raise LatexError("a list can't stand here", node.at)
    return node


def _scripted(base: Piece, slot: str, argument: Piece) -> Piece:
    node = base.node
    value: Any = argument.node
    if slot == "primes":
        value = int(value.text)
    if isinstance(node, tree.Row):
        if not isinstance(node.items[-1], tree.Group):
            raise LatexError("the braces around this product do not print: write ( )", node.at)
        last = _scripted(Piece(node.items[-1], base.end), slot, argument)
        return Piece(replace(node, items=(*node.items[:-1], last.node)), argument.end, braced=True)
    unseen(base)
    if isinstance(node, tree.Scripted):
        free = not getattr(node, slot) and not (slot == "primes" and node.superscript is not None)
        if free:
            return Piece(replace(node, **{slot: value}), argument.end)
        if not base.braced:
            raise LatexError(
                f"a second {slot.removesuffix('s')} follows the first: put braces around the first", node.at
            )
    return Piece(tree.Scripted(node.at, node, **{slot: value}), argument.end)


def _side_by_side(left: Node, right: Node) -> None:
    """Refuse numbers where a reader would doubt what they belong to."""
    if not isinstance(right, (tree.Number, tree.Fraction)):
        return
    if isinstance(right, tree.Fraction):
        numbers = (left, right.top, right.bottom)
        if all(isinstance(node, tree.Number) for node in numbers):
            raise LatexError(
                "a number before a fraction of numbers can be read in two ways: write \\cdot or +", left.at
            )
    elif isinstance(left, tree.Number):
        raise LatexError("two numbers stand side by side: write \\cdot between them", left.at)
    elif isinstance(left, tree.Name) and left.style == "letter" and left.name not in ("dots", "partial", "nabla"):
        raise LatexError(
            f"a number follows {left.name}: write {left.name}_{right.text} for an index, or put it before", left.at
        )


def _set(node: Node) -> Node:
    """What stands after "in": brackets are an interval or a set there."""
    if isinstance(node, tree.Group) and (node.bracket == "{" or (node.bracket in ("(", "[") and len(node.parts) == 2)):
        return tree.Interval(node.at, node.bracket, node.parts, PARTNER[node.bracket])
    if isinstance(node, tree.Product) and set(node.signs) == {"\\"}:
        return replace(node, factors=tuple(_set(factor) for factor in node.factors))
    return node


def _at_place(body: Node, where: Piece) -> Node:
    places = where.node.parts if isinstance(where.node, tree.Group) and not where.node.bracket else (where.node,)
    for place in places:
        if not (isinstance(place, tree.Statement) and place.relations == ("=",) and None not in place.sides):
            raise LatexError("a bar says where with an equation, as in |_{x=0}", place.at)
        body = tree.Evaluated(body.at, body, place)
    return body


def _styled(node: Node, style: str) -> Node:
    """The style for every name in it."""
    if isinstance(node, tree.Name):
        fits = node.style in ("letter", "upright") and (style != "upright" or len(node.name) == 1)
        return replace(node, style=style) if fits and style != "letter" else node
    if isinstance(node, tree.Scripted):
        return replace(node, base=_styled(node.base, style))
    if isinstance(node, tree.Row):
        return replace(node, items=tuple(_styled(item, style) for item in node.items))
    if isinstance(node, tree.Sum):
        return replace(node, terms=tuple((sign, _styled(term, style)) for sign, term in node.terms))
    return node
