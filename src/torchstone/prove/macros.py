r"""What each command does to the reader: fonts, texts, fractions, sizes of brackets, environments."""

from __future__ import annotations

import re

from torchstone.prove import commands as known
from torchstone.prove.reader import Bracket, Frame, Handler, Reader, Token
from torchstone.prove.tree import LatexError

_DELIMITER = re.compile(r"\s*(\\[A-Za-z]+|\\[{}|]|[()\[\]|.<>/])")
_ENVIRONMENT = re.compile(r"\s*\{\s*([A-Za-z]+)\*?\s*\}")
_SYSTEM = re.compile(r"\s*\\begin\s*\{(array|aligned|alignedat|gathered|matrix|split|cases)\}")
_LETTERS = re.compile(r"\s*([A-Za-z]+)\s*")
_UNKNOWN = "{} is not a command that is known here"


def name(style: str, table: dict[str, str]) -> Handler:
    def handler(reader: Reader, command: str, at: int) -> None:
        reader.emit("NAME", (table[command[1:]], style), at)

    return handler


def emit(kind: str, value: object) -> Handler:
    def handler(reader: Reader, command: str, at: int) -> None:
        reader.emit(kind, value, at)

    return handler


def skip(reader: Reader, command: str, at: int) -> None:
    """Decoration."""


def note(reader: Reader, command: str, at: int) -> None:
    """An argument that says nothing about the mathematics."""
    if reader.text.startswith("*", reader.i):
        reader.i += 1
    if command == "\\hspace":
        reader.emit("SOFT", command, at)
    reader.raw()


def note_before(reader: Reader, command: str, at: int) -> None:
    reader.raw("[", "]")
    reader.raw()
    reader.group()


def underbrace(reader: Reader, command: str, at: int) -> None:
    reader.group()
    if reader.peek() == known.BRACES[command[1:]]:
        reader.i += 1
        if reader.peek() == "{":
            reader.raw()
        else:
            reader.i += 1


def tag(reader: Reader, command: str, at: int) -> None:
    if reader.text.startswith("*", reader.i):
        reader.i += 1
    reader.emit("TAG", reader.raw().strip("$ "), at)


def relation(reader: Reader, command: str, at: int) -> None:
    if command == "\\vcentcolon" and reader.peek() == "=":
        reader.i += 1
    reader.relation(known.RELATIONS[command[1:]], at)


def negated(reader: Reader, command: str, at: int) -> None:
    if reader.peek() == "=":
        reader.i += 1
        reader.emit("REL", ("!=", False), at)
    else:
        raise LatexError("\\not is read before = only", at)


def overset(reader: Reader, command: str, at: int) -> None:
    r"""\overset{def}{=} defines; what else stands over or under a relation is a remark. \underset{i}{\max} is \max_i."""
    above = reader.raw()
    place, start = reader.i, len(reader.out)
    if reader.peek() == "{":
        reader.i += 1
        reader.until("}", place, Frame(lines=False))
    else:
        reader.single(command)
    main = reader.out[start:]
    if len(main) == 1 and main[0].type == "REL":
        symbol, defines = main[0].value
        main[0].value = (symbol, defines or bool(re.search("def|Def|triangle|Delta|:", above)))
    elif command == "\\underset" and len(main) == 1 and main[0].type in ("BIG", "NAME"):
        end, reader.i = reader.i, at + len(command)
        reader.emit("SUB", "_", reader.i)
        reader.argument(command)
        reader.i = end
    elif not (len(main) == 1 and main[0].type == "LINK"):
        raise LatexError(f"{command} is read over a relation only", at)


def font(style: str) -> Handler:
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
                reader.until("$", dollar, Frame(lines=reader.frames[-1].lines))
        reader.i += 1
    else:
        reader.emit("TEXT", content, at)


def operator(reader: Reader, command: str, at: int) -> None:
    if reader.text.startswith("*", reader.i):
        reader.i += 1
    content = re.sub(r"\\[A-Za-z]+(?=\{)|\\[,;:! ]|\s|[{}]|\\(?=_)", "", reader.raw())
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]*", content):
        raise LatexError(f"{command} needs a name in braces", at)
    reader.emit("NAME", (content.replace("-", "_"), "word" if len(content) > 1 else "upright"), at)


def accent(reader: Reader, command: str, at: int) -> None:
    reader.emit("ACCENT", known.ACCENTS[command[1:]], at)
    reader.argument(command)


def fraction(reader: Reader, command: str, at: int) -> None:
    reader.emit("FRAC", command, at)
    reader.argument(command)
    reader.argument(command)


def over(reader: Reader, command: str, at: int) -> None:
    frame = reader.frames[-1]
    if len(reader.frames) == 1 or frame.over is not None:
        raise LatexError("\\over needs braces around its fraction: write \\frac{...}{...}", at)
    frame.over = len(reader.out)


def root(reader: Reader, command: str, at: int) -> None:
    degree = reader.peek() == "["
    reader.emit("ROOTN" if degree else "ROOT", command, at)
    if degree:
        begin = reader.i
        reader.i += 1
        reader.emit("LBRACE", "[", begin)
        reader.until("]", begin, Frame(lines=False))
        reader.emit("RBRACE", "]", reader.i - 1)
    following = reader.text[reader.i : reader.i + 2]
    if following.isdigit() and len(following) == 2:
        raise LatexError(f"the root prints over the {following[0]} only: write \\sqrt{{...}}", at)
    reader.argument(command)


def substack(reader: Reader, command: str, at: int) -> None:
    if reader.peek() == "{":
        begin = reader.i
        reader.i += 1
        reader.until("}", begin, Frame(lines=False, newline="COMMA"))


# -- brackets ------------------------------------------------------------------------------------------------------


def delimiter(reader: Reader, command: str) -> str:
    found = _DELIMITER.match(reader.text, reader.i)
    if not found:
        raise LatexError(f"a bracket is missing after {command}", reader.i)
    reader.i = found.end()
    return found[1]


def size(reader: Reader, command: str, at: int) -> None:
    r"""\big( and \bigl( are brackets; \bigl| opens and \bigr| closes."""
    place = reader.i
    found = _DELIMITER.match(reader.text, place)
    if found and found[1] in known.BARS and command[-1] in "lr":
        reader.i = found.end()
        action = reader.open if command[-1] == "l" else reader.close
        following = reader.peek()
        brackets = reader.frames[-1].brackets
        if command[-1] == "r" and following == "_" and not (brackets and brackets[-1].kind == known.BARS[found[1]]):
            reader.emit("EVALBAR", "|", at)
        else:
            action(known.BARS[found[1]], at)


def left(reader: Reader, command: str, at: int) -> None:
    system = re.match(r"\s*(\\\{|\\lbrace)", reader.text[reader.i :])
    if system and _SYSTEM.match(reader.text, reader.i + system.end()):
        reader.i += system.end()
        return cases(reader, command, at)
    sign = delimiter(reader, command)
    brackets = reader.frames[-1].brackets
    if sign == "." and brackets and brackets[-1].broken:
        brackets.append(Bracket("resume", len(reader.out), at, left=True))
    elif sign == ".":
        brackets.append(Bracket(".", len(reader.out), at, left=True))
        reader.emit("EVALOPEN", command, at)
    elif sign in known.BARS:
        reader.open(known.BARS[sign], at, left=True)
    elif sign in known.OPENING or sign == "]":
        reader.open(known.OPENING.get(sign, sign), at, left=True)
    else:
        raise LatexError(known.REFUSED.get(sign[1:], f"{sign} is not a bracket that is known here"), at)
    return None


def right(reader: Reader, command: str, at: int) -> None:
    sign = delimiter(reader, command)
    brackets = reader.frames[-1].brackets
    while brackets and not brackets[-1].left and brackets[-1].given:
        bar = brackets.pop()
        reader.out[bar.index].type = "GIVEN" if bar.kind == "|" else "COMMA"
    if not brackets or not brackets[-1].left:
        missing = (
            f"the bracket in {reader.shown(brackets[-1].at)} has no partner before" if brackets else "no \\left for"
        )
        raise LatexError(f"{missing} {command}{sign}", at)
    top = brackets[-1]
    closer = known.BARS.get(sign) or known.CLOSING.get(sign) or known.OPENING.get(sign)
    if top.kind == ".":
        brackets.pop()
        if sign == ".":
            reader.out[top.index].type = "LBRACE"
            reader.emit("RBRACE", sign, at)
        else:
            reader.emit("EVALCLOSE", sign, at)
    elif top.kind == "resume":
        brackets.pop()
        if closer:
            brackets[-1].broken, brackets[-1].left = False, True
            reader.close(closer, at, left=True)
    elif sign == ".":
        top.left, top.broken = False, True
    elif closer:
        reader.close(closer, at, left=True)
    else:
        raise LatexError(known.REFUSED.get(sign[1:], f"{sign} is not a bracket that is known here"), at)


def bracket(reader: Reader, command: str, at: int) -> None:
    if command in known.BARS:
        reader.bar("\\|" if known.BARS[command] == "||" else "|", at)
    elif command in known.OPENING:
        reader.open(known.OPENING[command], at)
    else:
        reader.close(known.CLOSING[command], at)


# -- lines and environments ----------------------------------------------------------------------------------------


def line(reader: Reader, command: str, at: int) -> None:
    reader.line(command, at)


def begin(reader: Reader, command: str, at: int) -> None:
    found = _ENVIRONMENT.match(reader.text, reader.i)
    if not found:
        raise LatexError("a name in braces is missing after \\begin", at)
    environment, start = found[1], at
    if environment in known.CASES:
        reader.i = at
        return cases(reader, command, at)
    if environment not in known.LINES:
        if "matrix" in environment or environment == "array":
            raise LatexError(f"matrices are not read: \\begin{{{environment}}}", at)
        raise LatexError(f"\\begin{{{environment}}} is not an environment that is known here", at)
    reader.i = found.end()
    reader.raw("[", "]")
    if environment == "alignedat" or environment == "alignat":
        reader.raw()
    stop = f"\\end{reader.text[reader.text.index('{', at) : found.end()]}"
    frame = reader.frames[-1]
    reader.until(stop, start, Frame(lines=frame.lines and not frame.brackets))
    if frame.lines and not frame.brackets:
        reader.emit("NEWLINE", stop, reader.i)
    return None


def end(reader: Reader, command: str, at: int) -> None:
    found = _ENVIRONMENT.match(reader.text, reader.i)
    raise LatexError(f"\\end{{{found[1] if found else ''}}} ends nothing that was begun, or not yet", at)


def cases(reader: Reader, command: str, at: int) -> None:
    r"""The rows of \begin{cases}, or of an array after \left\{, as one token."""
    begin = _SYSTEM.match(reader.text, reader.i) or re.match(
        r"\s*\\begin\s*\{([dr]?cases)\*?\}", reader.text[reader.i :]
    )
    assert begin
    reader.i = begin.end() if begin.re is _SYSTEM else reader.i + begin.end()
    environment = begin[0].strip().replace("begin", "end", 1).replace(" ", "")
    if begin[1] in ("array", "alignedat"):
        reader.raw()
    outer, reader.out = reader.out, []
    reader.until(environment, at, Frame(lines=False, newline="ROW"))
    inner, reader.out = reader.out, outer
    if command == "\\left":
        closing = re.match(r"\s*\\right\s*\.", reader.text[reader.i :])
        if not closing:
            raise LatexError("\\right. is missing after the cases", reader.i)
        reader.i += closing.end()
    rows: list[list[Token]] = [[]]
    for token in inner:
        if token.type == "ROW":
            rows.append([])
        else:
            rows[-1].append(token)
    reader.emit("CASES", [row for row in rows if row], at)


def _table() -> dict[str, Handler]:
    table: dict[str, Handler] = {}
    groups: list[tuple[Handler, object]] = [
        (skip, [*known.SKIPPED, *known.SKIPPED_SIGNS, "\n", "\t"]), (note, known.NOTES), (note_before, known.NOTES_BEFORE),
        (underbrace, known.BRACES), (Reader.group, known.CONTENT), (emit("SOFT", " "), known.QUADS),
        (emit("TIMES", "*"), known.TIMES), (emit("OVER", "/"), known.OVER), (emit("LINK", "arrow"), known.ARROWS),
        (text, known.TEXTS), (accent, known.ACCENTS), (fraction, known.FRACTIONS), (size, known.SIZES),
        (relation, known.RELATIONS), (overset, ["overset", "stackrel", "underset"]), (line, ["\\", "cr", "newline"]),
        (operator, ["operatorname", "operatornamewithlimits"]), (name("letter", known.LETTERS), known.LETTERS),
        (name("function", {f: f for f in known.FUNCTIONS}), known.FUNCTIONS),
        (bracket, [s[1:] for t in (known.OPENING, known.CLOSING, known.BARS) for s in t if s[0] == "\\"]),
    ]  # fmt: skip
    for handler, names in groups:
        table |= dict.fromkeys(names, handler)  # type: ignore[call-overload]
    table |= {command: font(style) for command, style in known.FONTS.items()}
    table |= {command: emit("BIG", kind) for command, kind in known.BIG.items()}
    table |= {
        "over": over, "sqrt": root, "left": left, "right": right, "begin": begin, "end": end, "tag": tag, "not": negated,
        "substack": substack, "forall": emit("LINK", "cond"), "mid": emit("GIVEN", "|"), "middle": skip, "prime":
        emit("PRIMES", 1), "setminus": emit("SETMINUS", "\\"), "backslash": emit("SETMINUS", "\\"),
        "colon": emit("OVER", ":"), "ratio": emit("OVER", ":"), "dd": emit("NAME", ("d", "upright")),
        "lim": emit("BIG", "lim"), "longequal": emit("REL", ("=", False)),
    }  # fmt: skip
    return table


COMMANDS = _table()
