"""LaTeX to tokens: from here on every argument has braces, and decoration is gone."""

from __future__ import annotations

from torchstone.prove.latex import commands as known
from torchstone.prove.latex.brackets import BRACKETS
from torchstone.prove.latex.environments import ENVIRONMENTS
from torchstone.prove.latex.macros import COMMANDS
from torchstone.prove.latex.reader import Frame, Reader, Token
from torchstone.prove.latex.signs import CHARACTERS
from torchstone.prove.tree import LatexError

LONGEST = 20_000  # characters of one formula
HANDLERS = CHARACTERS | BRACKETS | ENVIRONMENTS | COMMANDS


def expand(source: str) -> tuple[str, list[int] | range]:
    """Copied symbols as commands, and the place in the source of each character of the result."""
    if source.isascii():
        return source, range(len(source) + 1)
    pieces: list[str] = []
    places: list[int] = []
    for at, character in enumerate(source):
        piece = character
        for table, form in (
            (known.UNICODE, "\\{} "),
            (known.PLAIN, "{}"),
            (known.RAISED, "^{{{}}}"),
            (known.LOWERED, "_{{{}}}"),
        ):
            if character in table:
                piece = form.format(table[character])
                if pieces and piece[0] in "^_" and pieces[-1][0] == piece[0] and source[at - 1] in table:
                    pieces[-1] = pieces[-1][:-1]  # x¹² has one exponent
                    places.pop()
                    piece = piece[2:]
        pieces.append(piece)
        places += [at] * len(piece)
    return "".join(pieces), [*places, len(source)]


def tokens(source: str) -> list[Token]:
    """The tokens of one formula.

    Raises:
        LatexError: for what is not known, and brackets without a partner.
    """
    if len(source) > LONGEST:
        raise LatexError(f"the formula has {len(source):,} characters: at most {LONGEST:,} are read", 0)
    text, places = expand(source)
    reader = Reader(text, HANDLERS)
    try:
        reader.until("", 0, Frame("NEWLINE"))
    except LatexError as error:
        raise LatexError(str(error), places[min(error.at, len(text))]) from None
    relocate(reader.out, places)
    return reader.out


def relocate(found: list[Token], places: list[int] | range) -> None:
    """Offsets into the expanded text become offsets into the source."""
    for token in found:
        token.start_pos, token.end_pos = places[token.start_pos], places[token.end_pos]
        if token.type == "CASES":
            for row in token.value:
                relocate(row, places)
