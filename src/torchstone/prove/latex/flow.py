r"""Where one statement ends and the next begins: line breaks, commas, \Rightarrow, \quad, words."""

from __future__ import annotations

from collections.abc import Iterator

from torchstone.prove.latex.reader import CLOSES, OPENS, OPERAND, Token
from torchstone.prove.tree import LatexError

# What parts two statements, from the weakest to the strongest word.
PARTS = ("row", "soft", "comma", "remark", "where", "arrow", "or", "otherwise", "cond")
_SEPARATORS = {"COMMA": "comma", "SEMI": "comma", "PERIOD": "comma", "SOFT": "soft", "REMARK": "remark"}
_OPERATORS = ("SIGN", "TIMES", "OVER")


class Chunk(list[Token]):
    """The tokens of one statement, the word before it, and a tag behind it."""

    link = "row"
    tag = ""


def outer(tokens: list[Token]) -> Iterator[tuple[int, Token]]:
    """The tokens that stand in no bracket, with their places; of a bracket, neither end."""
    depth = 0
    for position, token in enumerate(tokens):
        if token.type in OPENS:
            depth += 1
        elif token.type in CLOSES:
            depth -= 1
        elif depth == 0:
            yield position, token


def split(tokens: list[Token], kind: str) -> list[list[Token]]:
    """The tokens between those of one kind that stand in no bracket."""
    places = [position for position, token in outer(tokens) if token.type == kind]
    return [tokens[begin + 1 : end] for begin, end in zip([-1, *places], [*places, len(tokens)], strict=True)]


def solid(tokens: list[Token]) -> list[Token]:
    """Without spaces."""
    return [token for token in tokens if token.type != "SOFT"]


def relations(tokens: list[Token]) -> list[int]:
    """Places of the relations that stand in no bracket."""
    return [position for position, token in outer(tokens) if token.type == "REL"]


def rows(tokens: list[Token]) -> list[list[Token]]:
    """The lines of a formula. One that begins with an operator goes on with the line before."""
    found: list[list[Token]] = []
    for row in split(tokens, "NEWLINE"):
        content = solid(row)
        if not content:
            continue
        before = solid(found[-1]) if found else []
        unfinished = bool(before) and before[-1].type in (*_OPERATORS, "REL")
        aligned = row[0].type == "SOFT"
        own = content[0].type == "SIGN" and bool(relations(content)) and not aligned
        if before and (unfinished or (content[0].type in _OPERATORS and not own)):
            found[-1] += content
        else:
            found.append(row)
    return found


def chunks(row: list[Token]) -> list[Chunk]:
    """The statements of one line."""
    found = [Chunk()]
    for link, tokens, tag in _pieces(_without_inner_spaces(row)):
        for number, part in enumerate(_apart(tokens)):
            word = link if number == 0 else "soft"
            if found[-1] and part:
                found.append(Chunk())
                found[-1].link = word
            elif not found[-1]:
                found[-1].link = max(word, found[-1].link, key=PARTS.index)
            else:
                found.append(Chunk())
                found[-1].link = word
            found[-1] += part
        if tag:
            last = next((chunk for chunk in reversed(found) if chunk), found[-1])
            last.tag = tag
    if len(found) > 1 and not found[-1]:
        found.pop()
    return _tagged(found)


def _pieces(row: list[Token]) -> Iterator[tuple[str, list[Token], str]]:
    """What stands between commas and words: the word before it, its tokens, and its tag."""
    link, begin, conditional, seen = "row", 0, False, 0
    several = _several_relations(row)
    for position, token in outer(row):
        seen += token.type == "REL"
        colon = token.type == "OVER" and token.value == ":" and seen and (conditional or _ends_condition(row, position))
        arrow = token.type == "REL" and token.value[0] == "to" and position in several
        if not (token.type in _SEPARATORS or token.type in ("LINK", "TAG") or colon or arrow) or token.type == "SOFT":
            continue
        if token.type == "PERIOD" and position + 1 < len(row) and row[position + 1].type in ("NAME", "NUMBER", "FRAC"):
            raise LatexError("a full stop can't stand within a formula: write \\cdot for a product", token.start_pos)
        link = "cond" if colon else link
        yield link, row[begin:position], token.value if token.type == "TAG" else ""
        link = token.value if token.type == "LINK" else _SEPARATORS.get(token.type, "arrow" if arrow else "comma")
        begin, seen, conditional = position + 1, 0, link == "cond"
    yield link, row[begin:], ""


def _ends_condition(row: list[Token], position: int) -> bool:
    r"""Whether a colon ends what it stands behind: i = j: \quad, and x > 0: before another equation."""
    apart = position + 1 < len(row) and row[position + 1].type == "SOFT"
    before, after = relations(row[:position]), relations(row[position + 1 :])
    return bool(after) and (apart or row[before[-1]].value[0] in ("<", ">", "<=", ">=", "!="))


def _several_relations(row: list[Token]) -> set[int]:
    r"""Places of arrows that stand between statements: x = 2 \to y = 3. Alone, x \\to 0 is a relation."""
    found: set[int] = set()
    places: list[int] = []
    for position, token in [*outer(row), (len(row), Token("COMMA", ",", 0, 0))]:
        if token.type == "REL":
            places.append(position)
        elif token.type in ("COMMA", "SEMI", "LINK", "REMARK", "PERIOD"):
            found |= set(places) if len(places) > 1 else set()
            places = []
    return found


def _without_inner_spaces(row: list[Token]) -> list[Token]:
    depth, found = 0, []
    for token in row:
        depth += (token.type in OPENS) - (token.type in CLOSES)
        if depth == 0 or token.type not in ("SOFT", "REMARK", "TAG"):
            found.append(token)
    return found


def _apart(tokens: list[Token]) -> list[list[Token]]:
    """Parted by spaces, where one side is complete and what follows has a relation or stands in brackets."""
    parts = [part for part in split(tokens, "SOFT") if part]
    has_relation = [bool(relations(part)) for part in parts]
    found: list[list[Token]] = [[]]
    for number, part in enumerate(parts):
        complete = bool(found[-1]) and found[-1][-1].type in OPERAND and found[-1][-1].value != "}big"
        begins = part[0].type not in (*_OPERATORS, "REL")
        last = number == len(parts) - 1
        if complete and begins and (any(has_relation[number:]) or (last and _bracketed(part))):
            found.append([])
        found[-1] += part
    return found


def _bracketed(tokens: list[Token]) -> bool:
    """One pair of brackets around all of it, with a relation, or a number as authors give to formulas."""
    if tokens[0].type != "OPEN" or tokens[-1].type != "CLOSE" or list(outer(tokens)):
        return False
    return bool(relations(tokens[1:-1])) or _is_tag(tokens)


def _is_tag(tokens: list[Token]) -> bool:
    return (
        len(tokens) == 3
        and tokens[0].value == "("
        and tokens[-1].type == "CLOSE"
        and (tokens[1].type in ("NUMBER", "TIMES") or tokens[1].value == ("star", "letter"))
    )


def _tagged(found: list[Chunk]) -> list[Chunk]:
    """A number in brackets at the end of a line is its tag."""
    if len(found) > 1 and found[-1].link in ("soft", "comma") and _is_tag(found[-1]):
        found[-2].tag = str(found[-1][1].value)
        found.pop()
    return found
