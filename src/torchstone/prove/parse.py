r"""LaTeX of one display formula to statements: what is not understood raises, and nothing is guessed.

>>> [statement] = parse(r"\sigma(x) = \frac{1}{1 + e^{-x}}")
>>> statement.relations, statement.sides[1].top
(('=',), Number(at=18, text='1'))
>>> parse(r"y = 1/2x")
Traceback (most recent call last):
    ...
torchstone.prove.tree.LatexError: 1/2x can be read in two ways: write \frac{1}{2} x or \frac{1}{2 x}
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from torchstone.prove import tree
from torchstone.prove.latex.assemble import Entry, conditioned, listed, unbracketed
from torchstone.prove.latex.flow import Chunk, chunks, outer, relations, rows, solid, split
from torchstone.prove.latex.notes import without_notes
from torchstone.prove.latex.reader import Token, short
from torchstone.prove.latex.runs import joined
from torchstone.prove.latex.tokens import tokens
from torchstone.prove.latex.words import resolve
from torchstone.prove.tree import LatexError, Node, Statement

if TYPE_CHECKING:
    from lark import Lark, UnexpectedToken


def parse(latex: str) -> list[Statement]:
    r"""The statements of one display formula, in order.

    Args:
        latex: What stands between $$ and $$, or \[ and \]; environments such as align may be in it.

    Returns:
        Statements whose nodes know where they begin. One that begins with "=" has None as its first side.

    Raises:
        LatexError: for what is not known or can be read in two ways, with the place.
    """
    from torchstone.prove.latex.divide import TwoReadingsError

    try:
        return _formula(latex)
    except TwoReadingsError as error:
        raise error.told(latex) from None


def _formula(latex: str) -> list[Statement]:
    found: list[Statement] = []
    for row in rows(resolve(_opened(tokens(without_notes(latex))))):
        parts = chunks([_with_cases(token, latex) for token in row])
        found = conditioned(_entries(parts, latex), found)
    return found


def _opened(found: list[Token]) -> list[Token]:
    """A brace before whole equations lists them."""
    out: list[Token] = []
    for token in found:
        if token.type == "CASES" and token.value and all(map(_is_equation, token.value)):
            for row in token.value:
                spaced = [replace(part, type="SOFT") if part.type == "AMP" else part for part in row]
                out += [Token("NEWLINE", "", token.start_pos, token.start_pos), *spaced]
            out.append(Token("NEWLINE", "", token.end_pos, token.end_pos))
        else:
            out.append(token)
    return out


def _is_equation(row: list[Token]) -> bool:
    first, *columns = split(joined(row, in_cases=True), "AMP")
    words = [position for position, token in outer(first) if token.type in ("TEXT", "LINK", "COMMA", "SOFT")]
    aligned = bool(columns) and relations(columns[0])[:1] == [0]
    return aligned or bool(relations(first[: words[0]] if words else first))


def _with_cases(token: Token, latex: str) -> Token:
    if token.type != "CASES":
        return token
    read = tuple(_case(resolve(row, in_cases=True), latex, token.start_pos) for row in token.value)
    if not read:
        raise LatexError("\\begin{cases} has no rows", token.start_pos)
    return replace(token, value=tree.Cases(token.start_pos, read))


def _case(row: list[Token], latex: str, at: int) -> tuple[Node, Node | None]:
    """A row of cases: its value and its condition."""
    first, *columns = split([_with_cases(token, latex) for token in row], "AMP")
    condition = [token for column in columns for token in column]
    if not columns:
        words = [position for position, token in outer(first) if token.type in ("LINK", "COMMA", "SOFT")]
        middle = words[0] if words else len(first)
        first, condition = first[:middle], first[middle:]
    value = solid(first)
    while value and value[-1].type in ("COMMA", "SEMI", "REMARK", "LINK"):
        condition.insert(0, value.pop())
    if not value:
        raise LatexError("a value is missing in \\begin{cases}", row[0].start_pos if row else at)
    body = _statement(value, latex)
    if body.relations or body.sides[0] is None:
        raise LatexError("an equation stands in a row of \\begin{cases}: a value is expected", body.at)
    parts = [chunk for chunk in chunks(condition) if chunk or chunk.link == "otherwise"]
    if any(chunk.link == "otherwise" for chunk in parts):
        return body.sides[0], None
    conditions = [part for entry in listed([_entry(chunk, latex) for chunk in parts]) for part in unbracketed(entry)]
    wrong = next((statement for statement in conditions if not statement.relations), None)
    if wrong or not conditions:
        raise LatexError(
            "a condition such as x > 0 is missing in \\begin{cases}", wrong.at if wrong else value[0].start_pos
        )
    return body.sides[0], conditions[0] if len(conditions) == 1 else tree.Group(conditions[0].at, "", tuple(conditions))


def _entries(parts: list[Chunk], latex: str) -> list[Entry]:
    return listed([_entry(part, latex) for part in parts if part and not _is_signature(part)])


def _entry(part: Chunk, latex: str) -> Entry:
    at = part[0].start_pos if part else 0
    if part.link == "or":
        raise LatexError('"or" between statements is not read: write them one by one', at)
    if part.link == "otherwise":
        raise LatexError('"otherwise" stands outside of \\begin{cases}', at)
    return Entry(part.link, replace(_statement(part, latex), tag=part.tag))


def _is_signature(part: Chunk) -> bool:
    r"""f : \mathbb{R} \to (0, 1) says nothing that could be checked."""
    kinds = [token.value[0] for _, token in outer(part) if token.type == "REL"]
    colons = [position for position, token in outer(part) if token.type == "OVER" and token.value == ":"]
    return kinds == ["to"] and bool(colons) and colons[0] < relations(part)[0]


# -- the grammar ---------------------------------------------------------------------------------------------------


@cache
def _grammar() -> Lark:
    from lark import Lark
    from lark.lexer import Lexer

    from torchstone.prove.latex.build import Builder

    class Tokens(Lexer):
        """They are tokens already."""

        def __init__(self, _: object) -> None: ...

        def lex(self, tokens: list[Token]) -> Iterator[Token]:  # type: ignore[override]
            return iter(tokens)

    grammar = files("torchstone.prove.latex").joinpath("grammar.lark").read_text(encoding="utf-8")
    return Lark(grammar, parser="lalr", lexer=Tokens, start="statement", strict=True, transformer=Builder())


def _statement(found: list[Token], latex: str) -> Statement:
    from lark import UnexpectedToken

    try:
        statement: Statement = _grammar().parse(found)  # type: ignore[assignment]
    except UnexpectedToken as error:
        raise _explained(error, found, latex) from None
    return statement


_HINTS = {
    "EVALBAR": "it is not clear what the | belongs to: write \\left. ... \\right|_{...}",
    "GIVEN": "a bar stands alone: | needs a partner, or brackets as in p(y | x)",
    "LINK": "words can't stand within an expression: {piece}",
    "AMP": "a & stands within an expression",
    "PERIOD": "a full stop can't stand within a formula: write \\cdot for a product",
}
_ENDS = {"RBRACE", "CLOSE", "REL", "COMMA", "SEMI", "EVALCLOSE", "TIMES", "OVER", "$END"}


def _explained(error: UnexpectedToken, found: list[Token], latex: str) -> LatexError:
    token = error.token
    at = token.start_pos or 0
    piece = short(latex[at : token.end_pos])
    position = next((place for place, other in enumerate(found) if other is token), len(found))
    before = found[position - 1] if position else None
    if token.type in _HINTS:
        return LatexError(_HINTS[token.type].format(piece=piece), at)
    if token.type not in _ENDS or (before and before.type in ("RBRACE", "CLOSE")):
        return LatexError(f"{piece or token.value} can't stand here", at)
    if before is None:
        return LatexError(f"something is missing before {piece}", at)
    told = short(latex[before.start_pos : before.end_pos])
    return LatexError(f"something is missing after {told}", before.start_pos)
