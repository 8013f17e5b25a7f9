"""For what the formulas of a chain are said to hold: "for i = j", "let x > 0", "otherwise"."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from torchstone.prove import tree
from torchstone.prove.document import HERE, Formula, Section, Words
from torchstone.prove.latex.commands import words
from torchstone.prove.latex.words import CONDITION, OTHERWISE
from torchstone.prove.meaning.targets import is_constant, is_range, name_on_the_left

Parse = Callable[[Formula], Sequence[tree.Statement]]


@dataclass(frozen=True)
class Condition:
    """What is taken for granted. `lasts`: until something else is said of the same names, not for one case alone."""

    statement: tree.Statement
    lasts: bool = False

    @property
    def names(self) -> set[str]:
        """What it is about."""
        return set(map(_name, self.statement.sides)) - {""}

    @property
    def is_value(self) -> bool:
        """Whether it gives a number for a symbol: x = 0."""
        return self.statement.relations == ("=",) and is_constant(self.statement.sides[-1])


_ASSUMED = set(
    words(
        "let assume assuming suppose supposing given with since because provided sei seien sind angenommen mit da weil"
        " soit soient supposons avec puisque sea sean con sia siano пусть"
    )
)
_CASE = (CONDITION - {"as"}) | set(words("case cases fall cas caso i.e bei wo donde"))
_CLAIMED = set(
    words(
        "show shows prove proves that zeige zeigen dass montrer montrons que thus hence so therefore follows obtain get"
        " have has see gives yields means implies want need also damit folgt gilt donc alors"
    )
)
_NEGATED = {"=": "!=", "!=": "=", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|\n[ \t]*\n|\n[ \t]*(?=(?:[-*+]|\d+[.)])[ \t])")
_WORD = re.compile(r"[^\W\d_]+(?:\.[^\W\d_]+)*")
_TOGETHER = re.compile(
    r"\b(?:in general|in total|overall|combin|kombin|together|altogether|zusammen|insgesamt|allgemein|en général"
    r"|au total|ensemble|résum|in summary|both cases|two cases|all cases|either case|beide\w* fälle|allen fällen"
    r"|for all|for any|für alle|pour tout|kronecker|compact|unif|single formula|one formula)",
    re.IGNORECASE,
)
_INDEX = frozenset("ijklmnrst")


def conditions(section: Section, parse: Parse) -> tuple[list[list[tuple[tree.Statement, ...]]], list[Formula]]:
    """For every formula of a section's chains the conditions under which it holds; and which formulas said so."""
    sources: list[Formula] = []
    held = [replace(each, lasts=True) for head in section.heads for each in _found(head, parse, sources, True)]
    every: list[list[list[Condition]]] = []
    for passage in section.passages:
        text, trailing, own = _heard(passage.words, parse, sources)
        if every:
            every[-1][-1] += trailing
        alone = [each for each in held if not each.lasts]
        if not own and _is_otherwise(text):
            own = [_negation(alone[0])] if len(alone) == 1 and _is_simple(alone[0]) else []
            held = [each for each in held if each.lasts]
        elif _TOGETHER.search(text):
            held = [each for each in held if each.lasts]
        if own:
            names = set().union(*(each.names for each in own))
            case = any(not each.lasts for each in own)
            held = [each for each in held if not each.names & names and (each.lasts or not case)] + own
        every.append([list(held) for _ in passage.formulas])
        held = [each for each in held if not each.is_value]
    if every:
        every[-1][-1] += _heard(section.tail, parse, sources)[1]
    return [[tuple(each.statement for each in one) for one in passage] for passage in every], sources


_BEGINS = re.compile(
    r"^[ \t>*_-]*(?:example|exercise|problem|task|question|part|aufgabe|beispiel|übung|teil|exercice|exemple|partie"
    r"|ejercicio|ejemplo|esercizio|esempio|zadanie|пример|задача)\s*\(?(?:\d{1,3}|[a-z])\b"
    r"|^[ \t]{0,3}([-*_])(?:[ \t]*\1){2,}[ \t]*$",
    re.IGNORECASE | re.MULTILINE,
)
_MARK = re.compile(r"^[ \t>*_-]*(?:\(?(?:[a-h]|[ivx]{1,4})\))(?=[\s*_]|$)", re.MULTILINE)
_SHOWN = re.compile(
    r"\b(?:show|prove|simplif|rewrit|expand|verif|hence|thus|therefore|deduce|conclude|zeige|vereinfach|also|donc)",
    re.IGNORECASE,
)
_LET = re.compile(r"\b(?:let|consider|define|sei|soit|sea|sia|betrachte|now take)\b[^.\n]*$", re.IGNORECASE)


def begins_anew(text: Words) -> str:
    """What may be defined anew: "names" in another exercise, "functions" in another part of one, or "" for none."""
    if _BEGINS.search(text.text):
        return "names"
    return "functions" if _MARK.search(text.text) and not _SHOWN.search(text.text) else ""


def let(text: Words) -> list[Formula]:
    """The formulas of a text that it lets be: "let f(x) = x^2"."""
    parts = text.text.split(HERE)
    return [formula for before, formula in zip(parts, text.formulas, strict=False) if _LET.search(before)]


def _heard(text: Words, parse: Parse, sources: list[Formula]) -> tuple[str, list[Condition], list[Condition]]:
    """The words; what they say of the formula before them ("... for i = j."); and of those that follow."""
    first = re.match(r"\s*([a-zäöüß]+)\s*" + HERE + r"\s*(?:[.,;)]|$|and\b|und\b|et\b|or\b)", text.text)
    if first is None or first[1] not in CONDITION:
        return text.text, [], _found(text, parse, sources)
    end = text.text.index(HERE) + 1
    before = _found(Words(text.text[:end], text.formulas[:1]), parse, sources)
    after = Words(text.text[end:], text.formulas[1:])
    return after.text, before, _found(after, parse, sources)


def _found(text: Words, parse: Parse, sources: list[Formula], heading: bool = False) -> list[Condition]:
    found: list[Condition] = []
    formulas = iter(text.formulas)
    for sentence in _SENTENCE_END.split(text.text):
        for before, after in _places(sentence):
            formula = next(formulas)
            kind = _kind(before, after, heading)
            if not kind:
                continue
            statements = [each for each in parse(formula) if _is_condition(each)]
            found += [Condition(each, kind == "assumed") for each in statements]
            sources += [formula] * bool(statements)
    return found


def _places(sentence: str) -> Iterator[tuple[str, str]]:
    parts = sentence.split(HERE)
    for number in range(1, len(parts)):
        yield " ".join(parts[:number]), parts[number]


def _kind(before: str, after: str, heading: bool) -> str:
    """Whether words introduce a condition: one that is "assumed", a "case", or "" for none."""
    spoken = [word.lower() for word in _WORD.findall(before)]
    for word in reversed(spoken):
        if word in _CLAIMED:
            return ""
        if word in _ASSUMED:
            return "assumed"
        if word in _CASE:
            return "case"
    stands_alone = not spoken or after.lstrip(" *_)").startswith(":") or before.rstrip().endswith("(")
    return "case" if heading or stands_alone else ""


def _is_condition(statement: tree.Statement) -> bool:
    if not statement.relations or None in statement.sides or is_range(statement) or statement.conditions:
        return False
    if set(statement.relations) <= {"<", "<=", ">", ">=", "!="} or statement.relations == ("in",):
        return True
    left, right = statement.sides[0], statement.sides[-1]
    if statement.relations != ("=",) or statement.defines:
        return False
    if name_on_the_left(statement) is None:
        return not isinstance(left, tree.Row | tree.Fraction) or is_constant(right)
    symbols = isinstance(left, tree.Name) and isinstance(right, tree.Name)
    return (symbols and _name(left) in _INDEX) or (not isinstance(left, tree.Row) and is_constant(right))


def _name(node: tree.Node | None) -> str:
    match node:
        case tree.Name(name=name) | tree.Scripted(base=tree.Name(name=name)):
            return name
    return ""


def _is_otherwise(text: str) -> bool:
    last = _SENTENCE_END.split(text.strip())[-1]
    spoken = [word.lower() for word in _WORD.findall(last)]
    return bool(spoken) and (spoken[0] in OTHERWISE or spoken[-1] in OTHERWISE or "other" in spoken[:4])


def _is_simple(condition: Condition) -> bool:
    return len(condition.statement.relations) == 1 and condition.statement.relations[0] in _NEGATED


def _negation(condition: Condition) -> Condition:
    statement = condition.statement
    return replace(condition, statement=replace(statement, relations=(_NEGATED[statement.relations[0]],)))
