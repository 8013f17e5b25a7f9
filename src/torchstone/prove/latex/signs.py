r"""Single characters: letters, numbers, operators, relations, scripts and punctuation."""

from __future__ import annotations

import re

from torchstone.prove.latex.commands import TYPED_RELATIONS
from torchstone.prove.latex.reader import LIMIT, Handler, Reader, Token
from torchstone.prove.tree import LatexError

_NUMBER = re.compile(r"[0-9]+(?:\{,\}[0-9]+)*(?:\.[0-9]+)?|\.[0-9]+")
_FLOAT = re.compile(r"[0-9.]+[eE][-+]?[0-9]")
_RELATION = re.compile("|".join(map(re.escape, TYPED_RELATIONS)))
_STOPS = {",": "COMMA", ";": "SEMI", ".": "PERIOD"}
_PLACES = {"^": "raised", "_": "lowered"}


def letter(reader: Reader, character: str, at: int) -> None:
    """One symbol."""
    reader.emit("NAME", (character, "letter"), at)


def number(reader: Reader, _: str, at: int) -> None:
    """2, 0.5, .5, and 0{,}5 or 1{,}000{,}000, where the comma has one reading."""
    if found := _FLOAT.match(reader.text, at):
        raise LatexError(f"{found[0]} prints as a product with e: write 10^{{...}} for a power of ten", at)
    found = _NUMBER.match(reader.text, at)
    assert found
    reader.i = found.end()
    written = found[0]
    whole, *groups = written.split("{,}")
    if len(groups) == 1 and (whole == "0" or len(groups[0]) != 3):
        written = whole + "." + groups[0]
    elif len(groups) == 1:
        readings = f"{whole}{groups[0]} or {whole}.{groups[0]}"
        raise LatexError(f"{written} can be read in two ways: write {readings}", at)
    reader.emit("NUMBER", written.replace("{,}", ""), at)


def stop(reader: Reader, character: str, at: int) -> None:
    """Punctuation; three full stops are dots, and one before a digit begins a number."""
    if character == "." and _NUMBER.match(reader.text, at):
        number(reader, character, at)
    elif character == "." and reader.skip(".."):
        reader.emit("NAME", ("dots", "letter"), at)
    else:
        reader.emit(_STOPS[character], character, at)


def sign(kind: str, value: str) -> Handler:
    """An operator."""

    def handler(reader: Reader, character: str, at: int) -> None:
        if character == "*" and reader.skip("*"):
            raise LatexError("** is not LaTeX: write ^{...} for a power", at)
        if character in ":-" and _RELATION.match(reader.text, at):
            relation(reader, character, at)
        else:
            reader.emit(kind, value, at)

    return handler


def relation(reader: Reader, _: str, at: int) -> None:
    """A relation of one or two typed characters."""
    found = _RELATION.match(reader.text, at)
    assert found
    reader.i = found.end()
    relate(reader, TYPED_RELATIONS[found[0]], at)


def relate(reader: Reader, value: tuple[str, bool], at: int) -> None:
    """The relation's token; a colon before "=" belongs to it."""
    last = reader.out[-1] if reader.out else None
    if value[0] == "=>":
        reader.emit("LINK", "arrow", at)
    elif value == ("=", False) and last and last.type == "OVER" and last.value == ":":
        reader.out.pop()
        reader.emit("REL", ("=", True), last.start_pos)
    elif value[0] == "=" and last and last.type == "FACTORIAL" and last.end_pos == at:
        raise LatexError("!= can be read in two ways: write \\neq, or n! = with a space", at - 1)
    else:
        reader.emit("REL", value, at)


def prime(reader: Reader, _: str, at: int) -> None:
    """f', f''."""
    count = 1
    while reader.skip("'"):
        count += 1
    reader.emit("PRIMES", count, at)


def script(reader: Reader, character: str, at: int) -> None:
    r"""An exponent or index; a lone sign in it is a name, and \prime is a prime."""
    bare = reader.peek() != "{"
    following = reader.text[reader.i : reader.i + 2]
    on_sign = bool(reader.out) and (reader.out[-1].type == "BIG" or reader.out[-1].value == LIMIT)
    if bare and re.fullmatch(r"[0-9]{2}|[-+][\w\\]", following):
        written = re.match(r"[0-9]+|[-+](?:[0-9]+|\w)", reader.text[reader.i : reader.i + 12])
        whole = written[0] if written else f"{following[0]}..."
        message = f"{character}{following} prints only the {following[0]} {_PLACES[character]}"
        raise LatexError(f"{message}: write {character}{{{whole}}}", at)
    start = len(reader.out)
    reader.emit("SUP" if character == "^" else "SUB", character, at)
    content = reader.argument(character)
    if not content:
        del reader.out[start:]
    elif all(token.type == "PRIMES" for token in content):
        reader.out[start:] = [Token("PRIMES", sum(token.value for token in content), at, reader.i)]
    elif len(content) == 1 and content[0].type in ("SIGN", "TIMES"):
        content[0].type, content[0].value = "NAME", (content[0].value.replace("*", "star"), "letter")
    if on_sign and reader.out[-1].type == "RBRACE":
        reader.out[-1].value = LIMIT


def group(reader: Reader, _: str, at: int) -> None:
    """An opening brace."""
    reader.i = at
    reader.group()


def closing(_: Reader, character: str, at: int) -> None:
    """A brace that nothing opened."""
    raise LatexError(f"a {character} closes nothing: its {{ is missing", at)


def factorial(reader: Reader, character: str, at: int) -> None:
    """n!."""
    reader.emit("FACTORIAL", character, at)


CHARACTERS: dict[str, Handler] = {
    **dict.fromkeys("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", letter),
    **dict.fromkeys("0123456789", number), **dict.fromkeys(",;.", stop), **dict.fromkeys("=<>", relation),
    **dict.fromkeys("^_", script), "+": sign("SIGN", "+"), "-": sign("SIGN", "-"), "*": sign("TIMES", "*"),
    "/": sign("OVER", "/"), ":": sign("OVER", ":"), "'": prime, "!": factorial, "{": group, "}": closing,
}  # fmt: skip
