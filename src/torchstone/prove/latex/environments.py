r"""Lines, columns and environments: align parts statements, cases holds rows, matrices are refused."""

from __future__ import annotations

import re

from torchstone.prove.latex.commands import CASES, LINES
from torchstone.prove.latex.reader import Frame, Handler, Reader, Token
from torchstone.prove.latex.signs import relate
from torchstone.prove.tree import LatexError

SYSTEM = re.compile(r"\s*\\begin\s*\{((?:array|aligned|alignedat|gathered|matrix|split|[dr]?cases)\*?)\}")
_ENVIRONMENT = re.compile(r"\s*\{\s*(([A-Za-z]+)\*?)\s*\}")
_SPACING = re.compile(r"\*?(?:\[\s*-?[\d.]+\s*\\?[a-z]+\s*\])?")
_ENTITY = re.compile("(lt|gt|le|ge|ne);")
_ENTITIES = {"lt": ("<", False), "gt": (">", False), "le": ("<=", False), "ge": (">=", False), "ne": ("!=", False)}
_WITH_COLUMNS = ("array", "alignedat", "alignat")


def line(reader: Reader, command: str, at: int) -> None:
    r"""\\ parts statements or rows; within brackets it means nothing."""
    spacing = _SPACING.match(reader.text, reader.i)
    reader.i = spacing.end() if spacing else reader.i
    if reader.newline:
        reader.emit(reader.newline, command, at)


def column(reader: Reader, command: str, at: int) -> None:
    """& parts value and condition in cases; elsewhere it only aligns. &lt; is a copied <."""
    entity = _ENTITY.match(reader.text, reader.i)
    if entity:
        reader.i = entity.end()
        relate(reader, _ENTITIES[entity[1]], at)
        return
    if reader.newline == "ROW":
        reader.emit("AMP", command, at)
    elif reader.newline == "NEWLINE":
        reader.emit("SOFT", command, at)


def begin(reader: Reader, command: str, at: int) -> None:
    r"""\begin{...}."""
    found = _ENVIRONMENT.match(reader.text, reader.i)
    if not found:
        raise LatexError("a name in braces is missing after \\begin", at)
    starred, name = found[1], found[2]
    if name in CASES:
        reader.i = at
        cases(reader, command, at)
        return
    if "matrix" in name or name == "array":
        raise LatexError(f"matrices are not read: \\begin{{{starred}}}", at)
    if name not in LINES:
        raise LatexError(f"\\begin{{{starred}}} is not an environment that is known here", at)
    reader.i = found.end()
    _options(reader, name)
    newline = reader.newline
    reader.until(f"\\end{{{starred}}}", at, Frame(newline))
    if newline == "NEWLINE":
        reader.emit("NEWLINE", command, reader.i)


def _options(reader: Reader, name: str) -> None:
    if reader.text.startswith("[", reader.i):
        reader.raw("[", "]")
    if name in _WITH_COLUMNS:
        reader.raw()


def ending(reader: Reader, command: str, at: int) -> None:
    r"""An \end whose \begin is not the last one that is open."""
    found = _ENVIRONMENT.match(reader.text, reader.i)
    raise LatexError(f"{command}{{{found[1] if found else ''}}} ends nothing that is open here", at)


def cases(reader: Reader, command: str, at: int) -> None:
    r"""The rows of \begin{cases}, or of an array after \left\{, as one token."""
    found = SYSTEM.match(reader.text, reader.i)
    assert found
    reader.i = found.end()
    _options(reader, found[1])
    outer, reader.out = reader.out, []
    reader.until(f"\\end{{{found[1]}}}", at, Frame("ROW"))
    inner, reader.out = reader.out, outer
    closing = re.compile(r"\s*\\right\s*\.").match(reader.text, reader.i)
    if command == "\\left" and not closing:
        raise LatexError("\\right. is missing after the cases", reader.i)
    if command == "\\left" and closing:
        reader.i = closing.end()
    rows: list[list[Token]] = [[]]
    for token in inner:
        if token.type == "ROW":
            rows.append([])
        else:
            rows[-1].append(token)
    reader.emit("CASES", [row for row in rows if row], at)


def substack(reader: Reader, _: str, at: int) -> None:
    r"""\substack{i=1 \\ i \neq k}: a list."""
    if reader.peek() == "{":
        opening = reader.i
        reader.i += 1
        reader.until("}", opening, Frame("COMMA"))


ENVIRONMENTS: dict[str, Handler] = {
    **dict.fromkeys(["\\\\", "\\cr", "\\newline", "\\tabularnewline"], line),
    "&": column, "\\begin": begin, "\\end": ending, "\\substack": substack,
}  # fmt: skip
