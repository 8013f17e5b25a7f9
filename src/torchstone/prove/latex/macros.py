r"""What each command means: symbols, fonts, texts, accents, fractions, decoration."""

from __future__ import annotations

import re

from torchstone.prove.latex import commands as known
from torchstone.prove.latex.reader import Frame, Handler, Reader
from torchstone.prove.latex.signs import relate
from torchstone.prove.tree import LatexError

_LETTERS = re.compile(r"\s*([A-Za-z]+)\s*")


def emit(kind: str, value: object) -> Handler:
    """A command that is one token."""

    def handler(reader: Reader, command: str, at: int) -> None:
        reader.emit(kind, value, at)

    return handler


def skip(reader: Reader, command: str, at: int) -> None:
    """Decoration."""


def content(reader: Reader, command: str, at: int) -> None:
    r"""\boxed{...}: what is in the braces."""
    reader.group()


def note(reader: Reader, command: str, at: int) -> None:
    """An argument that says nothing about the mathematics."""
    reader.skip("*")
    if command == "\\hspace":
        reader.emit("SOFT", command, at)
    reader.raw()


def note_before(reader: Reader, command: str, at: int) -> None:
    r"""\textcolor{red}{...}: what is in the second braces."""
    reader.raw("[", "]")
    reader.raw()
    reader.group()


def underbrace(reader: Reader, command: str, at: int) -> None:
    """What is over the brace; the note under it goes."""
    reader.group()
    if reader.peek() and reader.skip(known.BRACES[command[1:]]) and reader.peek() and not reader.raw():
        reader.i += 1


def tag(reader: Reader, command: str, at: int) -> None:
    """The number of a formula."""
    reader.skip("*")
    reader.emit("TAG", reader.raw().strip("$ "), at)


def relation(reader: Reader, command: str, at: int) -> None:
    """A relation by its command."""
    if command == "\\vcentcolon" and reader.peek():
        reader.skip("=")
    relate(reader, known.RELATIONS[command[1:]], at)


def negated(reader: Reader, command: str, at: int) -> None:
    r"""\not=."""
    if not (reader.peek() and reader.skip("=")):
        raise LatexError("\\not is read before = only", at)
    reader.emit("REL", ("!=", False), at)


def overset(reader: Reader, command: str, at: int) -> None:
    r"""\overset{def}{=} defines, \overset{!}{=} demands; anything else over a relation is a remark.

    \underset{i}{\max} is \max_i.
    """
    above = reader.raw()
    place, start = reader.i, len(reader.out)
    if reader.peek() == "{":
        reader.i += 1
        reader.until("}", place, Frame())
    else:
        reader.single(command)
    main = reader.out[start:]
    if len(main) == 1 and main[0].type == "REL":
        symbol, defines = main[0].value
        must = symbol == "=" and above.strip() in ("!", r"\text{!}")
        main[0].value = ("=!" if must else symbol, defines or bool(re.search("def|Def|triangle|Delta|:", above)))
    elif command == "\\underset" and len(main) == 1 and main[0].type in ("BIG", "NAME"):
        end, reader.i = reader.i, at + len(command)
        reader.emit("SUB", "_", reader.i)
        reader.argument(command)
        reader.i = end
    elif not (len(main) == 1 and main[0].type == "LINK"):
        raise LatexError(f"{command} is read over a relation only", at)


def font(style: str) -> Handler:
    r"""\mathbf{x} is one symbol, \mathbf{softmax} a word; around anything else the font is handed down."""

    def handler(reader: Reader, command: str, at: int) -> None:
        character = reader.peek()
        letters = _LETTERS.fullmatch(reader.text, reader.i + 1, max(reader.text.find("}", reader.i), reader.i))
        if character == "{" and letters:
            reader.raw()
            word = letters[1]
            if len(word) == 1:
                reader.emit("NAME", (word, style), at)
            elif len(word) > 2 or style != "bold":
                reader.emit("NAME", (word, "word"), at)
            else:
                for letter in word:
                    reader.emit("NAME", (letter, style), at)
        elif command == "\\textbf":
            text(reader, command, at)
        elif character == "{" and re.match(r"\{\s*\d\s*\}", reader.text[reader.i :]):
            reader.emit("NAME", (reader.raw().strip(), style), at)
        elif character.isascii() and character.isalnum():
            reader.i += 1
            reader.emit("NAME", (character, style), at)
        elif character and character in "\\{":
            reader.emit("STYLE", style, at)
            reader.argument(command)

    return handler


def text(reader: Reader, command: str, at: int) -> None:
    r"""\text{...}: its words are told apart later. Formulas between $ are read."""
    if reader.peek() != "{":
        letters = _LETTERS.match(reader.text, reader.i)
        if not letters:
            raise LatexError(f"something is missing after {command}", at)
        word = letters[1] if command == "\\rm" else letters[1][0]
        reader.i += len(word)
        reader.emit("TEXT", word, at)
        return
    content = reader.raw()
    if command in ("\\mathrm", "\\rm") and re.search(r"[\\^_{]", re.sub(r"\\[ ,;:!_]", "", content)):
        reader.i = at + len(command)
        reader.emit("STYLE", "upright", at)
        reader.argument(command)
    elif command == "\\mathrm" and len(content.strip()) == 2 and content.strip()[0] == "d":
        for letter, style in zip(content.strip(), ("upright", "letter"), strict=True):
            reader.emit("NAME", (letter, style), at)
    elif "$" in content:
        reader.i = reader.text.index("{", at) + 1
        while not reader.text.startswith("}", reader.i):
            begin = reader.i
            reader.i = begin + len(re.split(r"[$}]", reader.text[begin:], maxsplit=1)[0])
            if reader.text[begin : reader.i].strip():
                reader.emit("TEXT", reader.text[begin : reader.i], begin)
            if reader.text.startswith("$", reader.i):
                dollar = reader.i
                reader.i += 1
                reader.until("$", dollar, Frame(reader.newline))
        reader.i += 1
    else:
        reader.emit("TEXT", content, at)


def operator(reader: Reader, command: str, at: int) -> None:
    r"""\operatorname{ReLU}."""
    reader.skip("*")
    content = re.sub(r"\\[A-Za-z]+(?=\{)|\\[,;:! ]|\s|[{}]|\\(?=_)", "", reader.raw())
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]*", content):
        raise LatexError(f"{command} needs a name in braces", at)
    reader.emit("NAME", (content.replace("-", "_"), "word" if len(content) > 1 else "upright"), at)


def accent(reader: Reader, command: str, at: int) -> None:
    r"""\hat{y}."""
    reader.emit("ACCENT", known.ACCENTS[command[1:]], at)
    reader.argument(command)


def fraction(reader: Reader, command: str, at: int) -> None:
    r"""\frac{1}{2}."""
    reader.emit("FRAC", command, at)
    reader.argument(command)
    reader.argument(command)


def over(reader: Reader, command: str, at: int) -> None:
    r"""{1 \over 2}."""
    frame = reader.frames[-1]
    if len(reader.frames) == 1 or frame.over is not None:
        raise LatexError("\\over needs braces around its fraction: write \\frac{...}{...}", at)
    frame.over = len(reader.out)


def root(reader: Reader, command: str, at: int) -> None:
    r"""\sqrt[3]{x}."""
    degree = reader.peek() == "["
    reader.emit("ROOTN" if degree else "ROOT", command, at)
    if degree:
        begin = reader.i
        reader.i += 1
        reader.emit("LBRACE", "[", begin)
        reader.until("]", begin, Frame())
        reader.emit("RBRACE", "]", reader.i - 1)
    following = reader.text[reader.i : reader.i + 2]
    if following.isdigit() and len(following) == 2:
        raise LatexError(f"the root prints over the {following[0]} only: write \\sqrt{{...}}", at)
    reader.argument(command)


def _table() -> dict[str, Handler]:
    table: dict[str, Handler] = {
        "over": over, "sqrt": root, "tag": tag, "not": negated, "forall": emit("LINK", "cond"),
        "prime": emit("PRIMES", 1), "setminus": emit("SETMINUS", "\\"), "backslash": emit("SETMINUS", "\\"),
        "colon": emit("OVER", ":"), "ratio": emit("OVER", ":"), "dd": emit("NAME", ("d", "upright")),
    }  # fmt: skip
    for handler, names in (
        (skip, (*known.SKIPPED, *known.SKIPPED_SIGNS)), (note, known.NOTES), (note_before, known.NOTES_BEFORE),
        (underbrace, known.BRACES), (content, known.CONTENT), (emit("SOFT", " "), known.QUADS),
        (emit("TIMES", "*"), known.TIMES), (emit("OVER", "/"), known.OVER), (emit("LINK", "arrow"), known.ARROWS),
        (text, known.TEXTS), (accent, known.ACCENTS), (fraction, known.FRACTIONS), (relation, known.RELATIONS),
        (overset, known.STACKED), (operator, known.OPERATORS),
    ):  # fmt: skip
        table |= dict.fromkeys(names, handler)
    table |= {command: emit("NAME", (name, "letter")) for command, name in known.LETTERS.items()}
    table |= {command: emit("NAME", (command, "function")) for command in known.FUNCTIONS}
    table |= {command: emit("BIG", command) for command in known.BIG}
    table |= {command: font(style) for command, style in known.FONTS.items()}
    return {f"\\{command}": handler for command, handler in table.items()}


COMMANDS = _table()
