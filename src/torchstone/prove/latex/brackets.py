r"""Printed brackets and bars find their partners: ( ), \left[ \right), |x|, f(x)|_{x=0}, p(y|x), ]0, 1[."""

from __future__ import annotations

import re
from itertools import takewhile

from torchstone.prove.latex.commands import BARS, CLOSING, OPENING, REFUSED, SIZES
from torchstone.prove.latex.environments import SYSTEM, cases
from torchstone.prove.latex.reader import DEEPEST, Bracket, Handler, Reader, Token
from torchstone.prove.tree import LatexError

_DELIMITER = re.compile(r"\s*(\\[A-Za-z]+|\\[{}|]|[()\[\]|.<>/])")
_IN = ("in", False)


def begin(reader: Reader, kind: str, at: int, left: bool = False, given: bool = False) -> None:
    """An opening bracket."""
    if len(reader.brackets) + len(reader.frames) > DEEPEST:
        raise LatexError(f"brackets lie deeper than {DEEPEST} within each other", at)
    interval = bool(reader.out) and reader.out[-1].value == _IN
    reader.brackets.append(Bracket(kind, len(reader.out), at, left, given, interval))
    reader.emit("OPEN", kind, at)


def end(reader: Reader, kind: str, at: int, left: bool = False) -> None:
    """A closing bracket, and the partner it finds."""
    if kind not in ("|", "||"):
        _bars_given(reader)
    if not reader.brackets:
        raise LatexError(f"the {reader.text[at : reader.i]} closes nothing: its partner is missing", at)
    top = reader.brackets.pop()
    if top.left != left:
        missing = r"\right" if top.left else r"\left"
        raise LatexError(f"a {missing} is missing for the bracket in {reader.shown(top.at)}", top.at)
    reader.emit("CLOSE", kind, at)


def _bars_given(reader: Reader) -> None:
    """Bars that found no partner are those of p(y | x) and KL(p || q)."""
    while reader.brackets and reader.brackets[-1].given and not reader.brackets[-1].left:
        bar = reader.brackets.pop()
        reader.out[bar.index].type = "GIVEN" if bar.kind == "|" else "COMMA"


def typed(reader: Reader, character: str, at: int) -> None:
    """One of ( ) [ ]: square brackets turned outwards are those of an interval."""
    top = reader.brackets[-1] if reader.brackets else None
    closes = character == "[" and top is not None and top.interval and reader.after_operand()
    opens = character == "]" and top is None and bool(reader.out) and reader.out[-1].value == _IN
    if (character in "([" and not closes) or opens:
        begin(reader, character, at)
    else:
        end(reader, character, at)


def printed(reader: Reader, command: str, at: int) -> None:
    r"""\{, \rbrace, \lvert."""
    if command in OPENING:
        begin(reader, OPENING[command], at)
    else:
        end(reader, CLOSING[command], at)


_REST_OF_ROW = re.compile(r"(?:(?!\\\\|\\end\s*\{|\n[ \t]*\n).)*", re.DOTALL)
_BAR = re.compile(r"\||\\(?:[lr]?vert|mid|middle|begin)(?![A-Za-z])", re.IGNORECASE)


def _is_note(reader: Reader) -> bool:
    r"""A bar without a partner behind an equation begins a note on what is done next: 2x = 4 \quad | : 2."""
    if reader.newline != "NEWLINE" or reader.peek() == "_":
        return False
    row = reversed(reader.out)
    told = any(token.type == "REL" for token in takewhile(lambda token: token.type != "NEWLINE", row))
    rest = _REST_OF_ROW.match(reader.text, reader.i)
    if not told or rest is None or _BAR.search(rest[0]):
        return False
    reader.i = rest.end()
    return True


def bar(reader: Reader, command: str, at: int) -> None:
    """A bar opens, closes, stands for itself, or begins a note."""
    if _is_note(reader):
        reader.emit("REMARK", "", at)
        return
    double = command == "|" and reader.text.startswith("|", reader.i)
    kind = "||" if double else BARS[command]
    top = reader.brackets[-1] if reader.brackets else None
    own = top.kind if top and not top.left and reader.after_operand() else ""
    if double and own == "|":
        end(reader, "|", at)
        return
    reader.i += double
    if own == kind:
        end(reader, kind, at)
    elif own == "||" and top and reader.text[top.at] == "|":
        _halve(reader, top)
        end(reader, "|", at)
    elif kind == "|" and reader.after_operand() and reader.peek() == "_":
        reader.emit("EVALBAR", "|", at)
    else:
        begin(reader, kind, at, given=reader.after_operand())


def _halve(reader: Reader, top: Bracket) -> None:
    """||x| - 1| begins with two absolute values."""
    outer = reader.out[top.index]
    outer.value = top.kind = "|"
    outer.end_pos -= 1
    reader.out.insert(top.index + 1, Token("OPEN", "|", top.at + 1, top.at + 2))
    reader.brackets.append(Bracket("|", top.index + 1, top.at + 1))


def _delimiter(reader: Reader, command: str) -> str:
    found = _DELIMITER.match(reader.text, reader.i)
    if not found:
        raise LatexError(f"a bracket is missing after {command}", reader.i)
    reader.i = found.end()
    return found[1]


def size(reader: Reader, command: str, at: int) -> None:
    r"""\big( is a bracket; \bigl| opens and \bigr| closes, or says where."""
    found = _DELIMITER.match(reader.text, reader.i)
    if not (found and found[1] in BARS and command[-1] in "lr"):
        return
    reader.i = found.end()
    kind = BARS[found[1]]
    if command[-1] == "l":
        begin(reader, kind, at)
    elif reader.peek() == "_" and not (reader.brackets and reader.brackets[-1].kind == kind):
        reader.emit("EVALBAR", "|", at)
    else:
        end(reader, kind, at)


def left(reader: Reader, command: str, at: int) -> None:
    r"""\left( and its like; \left. is the partner of \right|_{x=0}, or goes on with a bracket of the line before."""
    brace = re.compile(r"\s*(\\\{|\\lbrace)").match(reader.text, reader.i)
    if brace and SYSTEM.match(reader.text, brace.end()):
        reader.i = brace.end()
        cases(reader, command, at)
        return
    delimiter = _delimiter(reader, command)
    kind = BARS.get(delimiter) or OPENING.get(delimiter)
    if delimiter == ".":
        broken = bool(reader.brackets) and reader.brackets[-1].broken
        reader.brackets.append(Bracket("resumed" if broken else ".", len(reader.out), at, left=True))
        if not broken:
            reader.emit("EVALOPEN", command, at)
    elif kind or delimiter == "]":
        begin(reader, kind or delimiter, at, left=True)
    else:
        raise LatexError(REFUSED.get(delimiter[1:], f"{delimiter} is not a bracket that is known here"), at)


def right(reader: Reader, command: str, at: int) -> None:
    r"""The partner of \left."""
    delimiter = _delimiter(reader, command)
    _bars_given(reader)
    if not reader.brackets or not reader.brackets[-1].left:
        if reader.brackets:
            at = reader.brackets[-1].at
            raise LatexError(f"the {reader.brackets[-1].kind} in {reader.shown(at)} has no partner", at)
        raise LatexError(f"no \\left for {command}{delimiter}", at)
    top = reader.brackets[-1]
    kind = BARS.get(delimiter) or CLOSING.get(delimiter) or OPENING.get(delimiter)
    if not kind and delimiter != ".":
        raise LatexError(REFUSED.get(delimiter[1:], f"{delimiter} is not a bracket that is known here"), at)
    if top.kind == "." and kind:
        reader.brackets.pop()
        reader.emit("EVALCLOSE", delimiter, at)
    elif top.kind == "." and top.index == len(reader.out) - 1:
        reader.brackets.pop()
        reader.out.pop()
    elif top.kind == ".":
        reader.brackets.pop()
        reader.out[top.index].type = "LBRACE"
        reader.emit("RBRACE", "}", at)
    elif top.kind == "resumed":
        reader.brackets.pop()
        if kind:
            reader.brackets[-1].left = True
            end(reader, kind, at, left=True)
    elif kind:
        end(reader, kind, at, left=True)
    else:
        top.left, top.broken = False, True


def middle(reader: Reader, command: str, at: int) -> None:
    r"""\mid and \middle|."""
    if command == "\\middle":
        _delimiter(reader, command)
    elif _is_note(reader):
        reader.emit("REMARK", "", at)
        return
    reader.emit("GIVEN", "|", at)


BRACKETS: dict[str, Handler] = {
    **dict.fromkeys("()[]", typed),
    **dict.fromkeys([sign for sign in (*OPENING, *CLOSING) if len(sign) > 1], printed),
    **dict.fromkeys(BARS, bar),
    **dict.fromkeys([f"\\{name}" for name in SIZES], size),
    "\\left": left, "\\right": right, "\\mid": middle, "\\middle": middle,
}  # fmt: skip
