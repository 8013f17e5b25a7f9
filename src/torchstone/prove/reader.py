r"""Reads LaTeX from left to right: arguments get braces (\frac12 is \frac{1}{2}), brackets and bars find partners."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from torchstone.prove import commands as known
from torchstone.prove.tree import LatexError

DEEPEST = 40  # brackets, braces and environments within each other

# What an expression may end with: a sign after one of these is binary, a bar closes.
OPERAND = {"NAME", "NUMBER", "RBRACE", "CLOSE", "PRIMES", "CASES", "FACTORIAL", "TEXT"}
OPENS = {"LBRACE", "OPEN", "EVALOPEN"}
CLOSES = {"RBRACE", "CLOSE", "EVALCLOSE"}

_NUMBER = re.compile(r"\d+(?:\{,\}\d+)*(?:\.\d+)?|\.\d+")
_FLOAT = re.compile(r"[\d.]+[eE][-+]?\d")
_COMMAND = re.compile(r"\\(?:[A-Za-z]+|.)", re.DOTALL)
_RELATION = re.compile("|".join(map(re.escape, known.TYPED_RELATIONS)))
_LINE = re.compile(r"\*?(?:\[\s*-?[\d.]+\s*\\?[a-z]+\s*\])?")


@dataclass
class Token:
    """One token for the grammar. Positions are offsets into the source; lark asks for the lines and gets none."""

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
    """An open printed bracket: `index` is its token's place; `left` where \\left made it."""

    kind: str
    index: int
    at: int
    left: bool = False
    given: bool = False  # a bar after an operand: without a partner it is the one of p(y | x)
    interval: bool = False
    broken: bool = False  # closed by \right. to go on in the next line


@dataclass
class Frame:
    """What is being read: the formula, braces or an environment. `lines`: line breaks part statements in it."""

    lines: bool
    newline: str = "NEWLINE"
    brackets: list[Bracket] = field(default_factory=list)
    over: int | None = None


Handler = Callable[["Reader", str, int], None]


class Reader:
    """Reads LaTeX from left to right; `out` is what was found."""

    def __init__(self, text: str, commands: Mapping[str, Handler]) -> None:
        self.text = text
        self.commands = commands
        self.i = 0
        self.out: list[Token] = []
        self.frames: list[Frame] = []

    def emit(self, kind: str, value: Any, at: int) -> None:
        self.out.append(Token(kind, value, at, self.i))

    def space(self) -> None:
        while self.i < len(self.text):
            if self.text[self.i] in known.SPACES:
                self.i += 1
            elif self.text[self.i] == "%":
                end = self.text.find("\n", self.i)
                self.i = len(self.text) if end < 0 else end
            else:
                return

    def peek(self) -> str:
        self.space()
        return self.text[self.i : self.i + 1]

    def until(self, stop: str, at: int, frame: Frame) -> None:
        """Read up to `stop`, which is passed over."""
        if len(self.frames) > DEEPEST:
            raise LatexError(f"braces and environments lie deeper than {DEEPEST} within each other", at)
        self.frames.append(frame)
        while self.peek() and not (stop and self.text.startswith(stop, self.i)):
            self.unit()
        if stop and not self.text.startswith(stop, self.i):
            opener = self.text[at : at + 1] if stop in "}]$" else stop.replace("end", "begin")
            raise LatexError(f"a closing {stop} is missing for the {opener} in {self.shown(at)}", at)
        self.i += len(stop)
        self.frames.pop()
        for bracket in frame.brackets:
            raise LatexError(f"the {bracket.kind} in {self.shown(bracket.at)} has no partner", bracket.at)

    def shown(self, at: int) -> str:
        end = at + 24
        return self.text[at:end].replace("\n", " ").strip() + ("..." if end < len(self.text) else "")

    # -- one thing -----------------------------------------------------------------------------------------------

    def unit(self) -> None:
        at, character = self.i, self.text[self.i]
        if character == "\\":
            self.command()
        elif character == "{":
            self.group()
        elif character.isascii() and character.isalpha():
            self.i += 1
            self.emit("NAME", (character, "letter"), at)
        elif _NUMBER.match(self.text, at):
            self.number()
        elif character in "^_":
            self.script()
        elif (relation := _RELATION.match(self.text, at)) and not self.text.startswith("=:=", at):
            self.i = relation.end()
            self.relation(known.TYPED_RELATIONS[relation[0]], at)
        elif character in "()[]|":
            self.i += 1
            self.bracket(character + character if self.text.startswith("||", at) else character, at)
        elif character in _SIGNS:
            self.i += 1
            getattr(self, _SIGNS[character])(character, at)
        elif character == "}":
            raise LatexError("a } closes nothing: its { is missing", at)
        else:
            raise LatexError(f"{character} is not known here", at)

    def number(self) -> None:
        at = self.i
        if found := _FLOAT.match(self.text, at):
            raise LatexError(f"{found[0]} prints as a product with e: write 10^{{...}} for a power of ten", at)
        found = _NUMBER.match(self.text, at)
        assert found
        written, self.i = found[0], found.end()
        whole, *others = written.split("{,}")
        if others and (len(others) > 1 or len(others[0].split(".")[0]) == 3) and whole != "0":
            if len(others) == 1 and "." not in others[0]:
                raise LatexError(
                    f"{written} can be read in two ways: write {whole}{others[0]} or {whole}.{others[0]}", at
                )
            written = whole + "".join(others)
        elif others:
            written = whole + "." + others[0]
        self.emit("NUMBER", written, at)

    def sign(self, character: str, at: int) -> None:
        self.emit("SIGN", character, at)

    def times(self, character: str, at: int) -> None:
        if self.text.startswith("*", self.i) and character == "*":
            raise LatexError("** is not LaTeX: write ^{...} for a power", at)
        self.emit("TIMES", "*", at)

    def over(self, character: str, at: int) -> None:
        self.emit("OVER", character, at)

    def relation(self, value: tuple[str, bool], at: int) -> None:
        if value[0] == "=>":
            self.emit("LINK", "arrow", at)
        elif value == ("=", False) and self.out and self.out[-1].type == "OVER" and self.out[-1].value == ":":
            self.out[-1] = Token("REL", ("=", True), self.out[-1].start_pos, self.i)
        elif value[0] == "=" and self.out and self.out[-1].type == "FACTORIAL" and self.out[-1].end_pos == at:
            raise LatexError("!= can be read in two ways: write \\neq, or n! = with a space", at - 1)
        else:
            self.emit("REL", value, at)

    def prime(self, _: str, at: int) -> None:
        count = 1
        while self.text.startswith("'", self.i):
            self.i += 1
            count += 1
        self.emit("PRIMES", count, at)

    def stop(self, character: str, at: int) -> None:
        if character == "." and self.text.startswith("..", self.i):
            self.i += 2
            self.emit("NAME", ("dots", "letter"), at)
        else:
            self.emit({",": "COMMA", ";": "SEMI", ".": "PERIOD"}[character], character, at)

    def factorial(self, _: str, at: int) -> None:
        self.emit("FACTORIAL", "!", at)

    def column(self, _: str, at: int) -> None:
        frame = self.frames[-1]
        if frame.newline == "ROW" and not frame.brackets:
            self.emit("AMP", "&", at)
        elif frame.lines and not frame.brackets:
            self.emit("SOFT", "&", at)

    def line(self, _: str, at: int) -> None:
        space = _LINE.match(self.text, self.i)
        assert space
        self.i = space.end()
        frame = self.frames[-1]
        if (frame.lines or frame.newline != "NEWLINE") and not frame.brackets:
            self.emit(frame.newline, "\\\\", at)

    # -- braces --------------------------------------------------------------------------------------------------

    def group(self, _: str = "", _at: int = 0) -> None:
        """Braces that are no argument: {y^2}, \\boxed{...}. Around whole statements they mean nothing."""
        if self.peek() != "{":
            return
        at, start = self.i, len(self.out)
        self.i += 1
        self.emit("LBRACE", "{", at)
        frame = Frame(lines=self.frames[-1].lines and not self.frames[-1].brackets)
        self.until("}", at, frame)
        content = self.out[start + 1 :]
        self.split_over(frame, start)
        alone = len(content) == 1 and content[0].type in ("REL", "SIGN", "TIMES", "OVER", "LINK")
        if not content or alone or (frame.lines and _whole(content)):
            del self.out[start]
        else:
            self.emit("RBRACE", "}", self.i - 1)
            self.out[start:] = [token for token in self.out[start:] if token.type != "SOFT"]

    def split_over(self, frame: Frame, start: int) -> None:
        r"""{a \over b} is \frac{a}{b}."""
        if frame.over is None:
            return
        top, bottom = self.out[start + 1 : frame.over], self.out[frame.over :]
        at, middle, end = self.out[start].start_pos, bottom[0].start_pos if bottom else self.i, self.i
        brace = [Token(kind, kind, where, where) for kind, where in
                 (("LBRACE", at), ("RBRACE", middle), ("LBRACE", middle), ("RBRACE", end))]  # fmt: skip
        frac = Token("FRAC", "frac", at, at)
        self.out[start + 1 :] = [frac, brace[0], *top, brace[1], brace[2], *bottom, brace[3]]

    def raw(self, opener: str = "{", closer: str = "}") -> str:
        """The text of an argument, not read any further."""
        if self.peek() != opener:
            return ""
        at = self.i
        depth = 0
        while self.i < len(self.text):
            character = self.text[self.i]
            self.i += 2 if character == "\\" else 1
            depth += (character == opener) - (character == closer)
            if depth == 0:
                return self.text[at + 1 : self.i - 1]
        raise LatexError(f"a closing {closer} is missing for the {opener} in {self.shown(at)}", at)

    def argument(self, name: str, newline: str = "NEWLINE") -> list[Token]:
        """Emit one argument in braces, and return what stands between them."""
        character = self.peek()
        at, start = self.i, len(self.out)
        if not character or character in "}&)]^_,":
            raise LatexError(f"something is missing after {name}", at)
        self.emit("LBRACE", "{", at)
        frame = Frame(lines=False, newline=newline)
        if character == "{":
            self.i += 1
            self.until("}", at, frame)
            self.split_over(frame, start)
        else:
            if len(self.frames) > DEEPEST:
                raise LatexError(f"commands lie deeper than {DEEPEST} within each other", at)
            self.frames.append(frame)
            self.single(name)
            self.frames.pop()
        self.emit("RBRACE", "}", self.i)
        return self.out[start + 1 : -1]

    def single(self, name: str) -> None:
        """An argument without braces: one digit, letter or command."""
        at, character = self.i, self.text[self.i]
        if character.isascii() and character.isdigit():
            self.i += 1
            self.emit("NUMBER", character, at)
        elif character in "([|":
            raise LatexError(f"put braces around what belongs to {name}: {name}{{{character}...}}", at)
        else:
            before = len(self.out)
            self.unit()
            if self.frames[-1].brackets or len(self.out) == before:
                raise LatexError(f"put braces around what belongs to {name}", at)

    def script(self) -> None:
        at, sign = self.i, self.text[self.i]
        self.i += 1
        bare = self.peek() != "{"
        place = self.i
        first = self.text[place : place + 1]
        following = self.text[place + 1 : place + 2]
        on_big = bool(self.out) and (self.out[-1].type == "BIG" or self.out[-1].value == "}big")
        if bare and first.isdigit() and following.isdigit():
            number = re.match(r"\d+", self.text[place:])
            assert number
            raise LatexError(
                f"{sign}{number[0]} prints only the {first} {_PLACES[sign]}: write {sign}{{{number[0]}}}", at
            )
        if bare and first and first in "+-" and following.isalnum():
            raise LatexError(f"{sign}{first}{following} prints only the {first} {_PLACES[sign]}: use braces", at)
        start = len(self.out)
        self.emit("SUP" if sign == "^" else "SUB", sign, at)
        content = self.argument(sign)
        if not content:
            del self.out[start:]
        elif all(token.type == "PRIMES" for token in content):
            self.out[start:] = [Token("PRIMES", sum(token.value for token in content), at, self.i)]
        elif len(content) == 1 and content[0].type in ("SIGN", "TIMES"):
            content[0].type, content[0].value = "NAME", (content[0].value.replace("*", "star"), "letter")
        if on_big and content:
            self.out[-1].value = "}big"

    # -- printed brackets ----------------------------------------------------------------------------------------

    def after_operand(self) -> bool:
        return bool(self.out) and self.out[-1].type in OPERAND and self.out[-1].value != "}big"

    def bracket(self, character: str, at: int) -> None:
        frame = self.frames[-1]
        top = frame.brackets[-1] if frame.brackets else None
        if character in ("|", "||", "\\|"):
            self.bar(character, at)
        elif character in "([" and not (character == "[" and top and top.interval and self.after_operand()):
            self.open(character, at)
        elif character == "]" and not top and self.out and self.out[-1].value == ("in", False):
            self.open(character, at)
        else:
            self.close(character, at)

    def open(self, kind: str, at: int, left: bool = False, given: bool = False) -> None:
        brackets = self.frames[-1].brackets
        if len(brackets) + len(self.frames) > DEEPEST:
            raise LatexError(f"brackets lie deeper than {DEEPEST} within each other", at)
        interval = bool(self.out) and self.out[-1].value == ("in", False)
        brackets.append(Bracket(kind, len(self.out), at, left, given, interval))
        self.emit("OPEN", kind, at)

    def close(self, kind: str, at: int, left: bool = False) -> None:
        brackets = self.frames[-1].brackets
        while brackets and brackets[-1].given and kind not in ("|", "||"):
            bar = brackets.pop()
            self.out[bar.index].type = "GIVEN" if bar.kind == "|" else "COMMA"
        if not brackets:
            raise LatexError(f"the {self.text[at : self.i]} closes nothing: its partner is missing", at)
        top = brackets.pop()
        if top.left != left:
            missing = r"\right" if top.left else r"\left"
            raise LatexError(f"a {missing} is missing for the bracket in {self.shown(top.at)}", top.at)
        self.emit("CLOSE", kind, at)

    def bar(self, character: str, at: int) -> None:
        """A bar opens, closes, or stands for itself: |x|, f(x)|_{x=0}, p(y|x)."""
        brackets = self.frames[-1].brackets
        top = brackets[-1] if brackets else None
        kind = "|" if character == "|" else "||"
        if not self.after_operand():
            self.i += character == "||"
            self.open(kind, at)
        elif top and top.kind == kind and not top.left:
            self.i += character == "||"
            self.close(kind, at)
        elif top and top.kind == "|" and character == "||" and not top.left:
            self.close("|", at)
        elif top and top.kind == "||" and self.text[top.at] == "|" and kind == "|":
            inner = self.out[top.index]  # ||x| - 1| is two absolute values
            inner.value = top.kind = "|"
            inner.end_pos -= 1
            self.out.insert(top.index + 1, Token("OPEN", "|", top.at + 1, top.at + 2))
            brackets.append(Bracket("|", top.index + 1, top.at + 1))
            self.close("|", at)
        elif kind == "|" and self.peek() == "_":
            self.emit("EVALBAR", "|", at)
        else:
            self.i += character == "||"
            self.open(kind, at, given=True)

    # -- commands ------------------------------------------------------------------------------------------------

    def command(self) -> None:
        at = self.i
        found = _COMMAND.match(self.text, at)
        if not found:
            raise LatexError("a \\ stands at the end", at)
        self.i = found.end()
        name = found[0][1:]
        handler = self.commands.get(name)
        if handler is None:
            reason = known.REFUSED.get(name)
            raise LatexError(reason or f"{found[0]} is not a command that is known here", at)
        handler(self, found[0], at)


_PLACES = {"^": "raised", "_": "lowered"}
_SIGNS = {
    **dict.fromkeys("+-", "sign"), "*": "times", **dict.fromkeys("/:", "over"), "'": "prime",
    **dict.fromkeys(",;.", "stop"), "!": "factorial", "&": "column",
}  # fmt: skip


def _whole(content: list[Token]) -> bool:
    """Does it hold a relation or a line break outside of its own brackets?"""
    depth = 0
    for token in content:
        depth += (token.type in OPENS) - (token.type in CLOSES)
        if depth == 0 and token.type in ("REL", "NEWLINE", "LINK"):
            return True
    return False
