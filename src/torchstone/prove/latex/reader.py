r"""Reads LaTeX from left to right. Every argument gets braces: \frac12 is read as \frac{1}{2}."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from torchstone.prove.latex.commands import REFUSED, SPACES
from torchstone.prove.tree import LatexError

DEEPEST = 40  # brackets, braces and environments within each other

# What an expression may end with: a sign after one of these is binary, and a bar closes.
OPERAND = {"NAME", "NUMBER", "RBRACE", "CLOSE", "PRIMES", "CASES", "FACTORIAL", "TEXT"}
OPENS = {"LBRACE", "OPEN", "EVALOPEN"}
CLOSES = {"RBRACE", "CLOSE", "EVALCLOSE"}
LIMIT = "}limit"  # the brace that ends a limit of \sum: no operand

_PIECE = re.compile(r"\\(?:[A-Za-z]+|.)|.", re.DOTALL)


@dataclass
class Token:
    """One token for the grammar. Positions are offsets into the source; lark asks for lines too, and gets none."""

    type: str
    value: Any
    start_pos: int
    end_pos: int
    line: ClassVar[int] = 0
    column: ClassVar[int] = 0
    end_line: ClassVar[int] = 0
    end_column: ClassVar[int] = 0


@dataclass
class Bracket:
    r"""An open printed bracket; `index` is its token's place.

    `left`: \left made it. `given`: a bar after an operand, which without a partner is the bar of p(y | x).
    `interval`: it follows "in". `broken`: \right. ended its line, and \left. goes on with it.
    """

    kind: str
    index: int
    at: int
    left: bool = False
    given: bool = False
    interval: bool = False
    broken: bool = False


@dataclass
class Frame:
    r"""What is being read: the formula, braces or an environment.

    `newline` is the token of a line break: none ("") in an argument, ROW in cases. `over` is the place of an \over.
    """

    newline: str = ""
    brackets: list[Bracket] = field(default_factory=list)
    over: int | None = None


Handler = Callable[["Reader", str, int], None]


def short(text: str, longest: int = 40) -> str:
    """A piece of the source for a message, in one line."""
    text = " ".join(text.split())
    return text if len(text) <= longest else text[:longest].rstrip() + "..."


class Reader:
    """`out` is what was found up to `i`; `frames` are the things that are open there."""

    def __init__(self, text: str, handlers: Mapping[str, Handler]) -> None:
        self.text = text
        self.handlers = handlers
        self.i = 0
        self.out: list[Token] = []
        self.frames: list[Frame] = []

    @property
    def newline(self) -> str:
        """The token of a line break here; none within brackets."""
        return "" if self.frames[-1].brackets else self.frames[-1].newline

    @property
    def brackets(self) -> list[Bracket]:
        """The brackets that are open here."""
        return self.frames[-1].brackets

    def emit(self, kind: str, value: Any, at: int) -> None:
        """A token from `at` to here."""
        self.out.append(Token(kind, value, at, self.i))

    def peek(self) -> str:
        """The next character that is no space or comment."""
        while self.i < len(self.text):
            if self.text[self.i] == "%":
                end = self.text.find("\n", self.i)
                self.i = len(self.text) if end < 0 else end
            elif self.text[self.i] in SPACES:
                self.i += 1
            else:
                return self.text[self.i]
        return ""

    def skip(self, character: str) -> bool:
        """Pass over a character, if it comes next."""
        found = self.text.startswith(character, self.i)
        self.i += len(character) if found else 0
        return found

    def shown(self, at: int) -> str:
        """The source from `at` on, for a message."""
        return short(self.text[at : at + 80], 24)

    def after_operand(self) -> bool:
        """Whether an expression ends here."""
        return bool(self.out) and self.out[-1].type in OPERAND and self.out[-1].value != LIMIT

    def unit(self) -> None:
        """Read one command or character with what belongs to it."""
        found = _PIECE.match(self.text, self.i)
        assert found
        piece, at = found[0], self.i
        self.i = found.end()
        handler = self.handlers.get(piece)
        if handler is None:
            known = "a command that is known here" if len(piece) > 1 else "known in a formula"
            raise LatexError(REFUSED.get(piece[1:]) or f"{piece} is not {known}", at)
        handler(self, piece, at)

    def until(self, stop: str, at: int, frame: Frame) -> None:
        """Read up to `stop`, which is passed over; `at` is where its partner stands."""
        if sum(1 + len(outer.brackets) for outer in self.frames) > DEEPEST:
            raise LatexError(f"braces and brackets lie deeper than {DEEPEST} within each other", at)
        self.frames.append(frame)
        while self.peek() and not (stop and self.text.startswith(stop, self.i)):
            self.unit()
        if not self.skip(stop):
            opener = self.text[at] if len(stop) == 1 else stop.replace("end", "begin")
            raise LatexError(f"a closing {stop} is missing for the {opener} in {self.shown(at)}", at)
        for bracket in frame.brackets:
            raise LatexError(f"the {bracket.kind} in {self.shown(bracket.at)} has no partner", bracket.at)
        self.frames.pop()

    def raw(self, opener: str = "{", closer: str = "}") -> str:
        """The text of an argument, not read any further; nothing where there is none."""
        if self.peek() != opener:
            return ""
        at, depth = self.i, 0
        while self.i < len(self.text):
            character = self.text[self.i]
            self.i += 2 if character == "\\" else 1
            depth += (character == opener) - (character == closer)
            if depth == 0:
                return self.text[at + 1 : self.i - 1]
        raise LatexError(f"a closing {closer} is missing for the {opener} in {self.shown(at)}", at)

    def argument(self, command: str) -> list[Token]:
        """Emit one argument in braces, and return what stands between them."""
        character = self.peek()
        at, start = self.i, len(self.out)
        if not character or character in "}&)]^_,":
            raise LatexError(f"something is missing after {command}", at)
        self.emit("LBRACE", "{", at)
        if self.skip("{"):
            frame = Frame()
            self.until("}", at, frame)
            self.split_over(frame, start)
        else:
            self.single(command)
        self.emit("RBRACE", "}", self.i)
        return self.out[start + 1 : -1]

    def single(self, command: str) -> None:
        """An argument without braces: one digit, letter or command."""
        if not self.peek():
            raise LatexError(f"something is missing after {command}", self.i)
        at, before = self.i, len(self.out)
        if self.text[at] in "0123456789":
            self.i += 1
            self.emit("NUMBER", self.text[at], at)
            return
        if len(self.frames) > DEEPEST:
            raise LatexError(f"commands lie deeper than {DEEPEST} within each other", at)
        frame = Frame()
        self.frames.append(frame)
        self.unit()
        self.frames.pop()
        if frame.brackets or len(self.out) == before:
            raise LatexError(f"put braces around what belongs to {command}", at)

    def group(self) -> None:
        r"""Braces that are no argument: {y^2}, \boxed{...}. Around whole statements they mean nothing."""
        if self.peek() != "{":
            return
        at, start = self.i, len(self.out)
        self.i += 1
        self.emit("LBRACE", "{", at)
        frame = Frame(self.newline)
        self.until("}", at, frame)
        self.split_over(frame, start)
        content = self.out[start + 1 :]
        sign = len(content) == 1 and content[0].type in ("REL", "SIGN", "TIMES", "OVER", "LINK")
        if not content or sign or (frame.newline and _holds_statements(content)):
            del self.out[start]
        else:
            self.emit("RBRACE", "}", self.i - 1)

    def split_over(self, frame: Frame, start: int) -> None:
        r"""{a \over b} is \frac{a}{b}."""
        if frame.over is None:
            return
        top, bottom = self.out[start + 1 : frame.over], self.out[frame.over :]
        at, middle = self.out[start].start_pos, bottom[0].start_pos if bottom else self.i
        self.out[start + 1 :] = [
            Token("FRAC", "\\over", at, at),
            *(Token("LBRACE", "{", at, at), *top, Token("RBRACE", "}", middle, middle)),
            *(Token("LBRACE", "{", middle, middle), *bottom, Token("RBRACE", "}", self.i - 1, self.i - 1)),
        ]


def _holds_statements(content: list[Token]) -> bool:
    depth = 0
    for token in content:
        depth += (token.type in OPENS) - (token.type in CLOSES)
        if depth == 0 and token.type in ("REL", "NEWLINE", "LINK"):
            return True
    return False
