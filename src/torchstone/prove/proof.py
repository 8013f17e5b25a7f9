"""The loop: each formula of a document is read, each step judged, in order."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from torchstone.judge import Verdict, judge, suggest
from torchstone.prove import result, said, tree
from torchstone.prove.document import Formula, Passage, Section
from torchstone.prove.follow import follows
from torchstone.prove.goals import Goal
from torchstone.prove.meaning.reader import Reading
from torchstone.prove.meaning.scope import Scope
from torchstone.prove.meaning.targets import name_on_the_left
from torchstone.prove.parse import parse

# What lays out the rows of a display and says nothing; within cases it says which value goes with which condition.
_LAYOUT = re.compile(
    r"(?P<cases>\\begin\{cases\}.*?\\end\{cases\})"
    r"|\\\\(?:\[[^\]]*\])?|&|\\(?:begin|end)\{(?:equation|align|gather|split|multline|eqnarray)\w*\*?\}",
    re.DOTALL,
)

_COMMENT = re.compile(r"(?<!\\)%[^\n]*")
# Behind a statement: spaces, what closes its environment, and words that lead to the next.
_BEHIND = re.compile(
    r"\s*(?:\\\\|\\q?quad|\\[,;:! ]|&|\\end\{(?!cases)\w+\*?\}|(?:\\\\|\\q?quad|,)\s*\\text\s*\{[^{}]*\}"
    r"|\\(?:Right|Longright|Leftright|Longleftright)arrow|\\implies|\\iff)\s*$"
)

Place = tuple[int, int]  # the formula's number in the document, the step's in the formula


@dataclass(frozen=True)
class Began:
    """What is worked on now. `pending`: the step as it stands if nothing comes of it; None while a formula is read."""

    place: Place
    pending: result.Step | None = None


@dataclass(frozen=True)
class Found:
    """A step with its verdict. `arrives`: it says what the section's goal asks for."""

    place: Place
    step: result.Step
    arrives: bool = False


@dataclass
class _Chain:
    """What the next step of a chain may follow from."""

    refuted: list[tuple[Reading, int]] = field(default_factory=list)


def examine(
    sections: Sequence[Section],
    seconds: float,
    goals: Mapping[int, Goal],
    known: Mapping[Place, Found],
    unreadable: Mapping[int, str],
) -> Iterator[Began | Found]:
    """Every step of a document with its verdict.

    `goals` are by a section's number. `known` steps are not judged again, and `unreadable` formulas (by number, with
    the reason) not read.
    """
    scope, preamble = Scope(), None  # what stands before all that starts afresh is meant in each of it
    first = 0
    for number, section in enumerate(sections):
        if section.afresh and number:
            preamble = scope if preamble is None else preamble
            scope = preamble.child()
        else:
            scope = scope.child()
        formulas = [formula for passage in section.passages for formula in passage.formulas]
        statements: list[list[tree.Statement] | tree.LatexError] = []
        for place, formula in enumerate(formulas, first):
            yield Began((place, 0))
            statements.append(_parsed(formula, unreadable.get(place, "")))
        shown = [each for group in statements if isinstance(group, list) for each in group]
        scope.announce(shown)
        under, conditions = said.conditions(section, _sentence)
        _hear(scope, section, shown, conditions)
        for passage, held in zip(section.passages, under, strict=True):
            chain = _Chain()
            _begin(scope, passage)
            for formula, scope.under in zip(passage.formulas, held, strict=True):
                group = statements.pop(0)
                yield from _formula(formula, group, scope, chain, first, seconds, goals.get(number), known)
                first += 1


def _hear(scope: Scope, section: Section, shown: Sequence[tree.Statement], conditions: Sequence[Formula]) -> None:
    """Take in what the sentences say of names that no display formula defines: "let u = 2x + 3"."""
    defined = {name_on_the_left(statement) for statement in shown}
    for formula in section.inline:
        for statement in _sentence(formula):
            # K = 2 tells how many there are, in whatever case; any other condition is no definition.
            sized = name_on_the_left(statement) in scope.letters.size_names()
            if name_on_the_left(statement) not in defined and (sized or formula not in conditions):
                scope.hear(statement, formula.line)


def _begin(scope: Scope, passage: Passage) -> None:
    """Another part of an exercise, or a sentence such as "let f(x) = x^3", makes room for other functions."""
    if anew := said.begins_anew(passage.words):
        scope.renew(anew == "names")
    for formula in said.let(passage.words):
        for statement in _sentence(formula):
            name = name_on_the_left(statement)
            if name is not None and isinstance(statement.sides[0], tree.Row):
                scope.forget(name)
                scope.hear(statement, formula.line)


def _sentence(formula: Formula) -> list[tree.Statement]:
    """The statements of a formula in a sentence; none, where it can't be read."""
    statements = _parsed(formula, "")
    return statements if isinstance(statements, list) else []


def _parsed(formula: Formula, unreadable: str) -> list[tree.Statement] | tree.LatexError:
    if formula.trouble or unreadable:
        return tree.LatexError(formula.trouble or unreadable)
    try:
        return parse(formula.latex)
    except tree.LatexError as error:
        return error


def _formula(
    formula: Formula,
    statements: list[tree.Statement] | tree.LatexError,
    scope: Scope,
    chain: _Chain,
    number: int,
    seconds: float,
    goal: Goal | None,
    known: Mapping[Place, Found],
) -> Iterator[Began | Found]:
    if isinstance(statements, tree.LatexError):
        yield Found((number, 0), _unread(formula, formula.latex, statements))
        return
    count = 0
    for position, statement in enumerate(statements):
        end = statements[position + 1].at if position + 1 < len(statements) else len(formula.latex)
        source = formula.latex[statement.at : end]
        yield Began((number, count))
        try:
            readings = scope.read(statement, formula.line_at(statement.at))
        except Exception as error:  # of a text by anybody, on any subject: one step that fails must not take the rest
            yield Found((number, count), _unread(formula, source, error))
            count += 1
            continue
        for reading in readings:
            if reading.kind == "expression":
                continue
            place = (number, count)
            step = result.Step(
                line=formula.line_at(reading.at),
                cell=formula.cell,
                source=_tidy(source),
                read_as=reading.read_as,
                verdict="unknown",
                method=f"took longer than {seconds:g} s",
            )
            if place in known:
                found = known[place]
            else:
                yield Began(place, step)
                step = _judged(step, reading, chain, seconds, _another(scope, reading))
                found = Found(place, step, goal is not None and step.verdict == "proven" and goal.met_by(reading))
            if found.step.verdict == "refuted":
                chain.refuted.append((reading, found.step.line))
            yield found
            count += 1


def _another(scope: Scope, reading: Reading) -> str:
    """What to do where a function is meant to be another one than above."""
    known = scope.definitions.get(getattr(reading.left.func, "__name__", ""))
    if known is None or known.parameters != reading.left.args:
        return ""
    return f"{known.name} was defined on line {known.line}; put a heading between if this is another {known.name}"


def _judged(step: result.Step, reading: Reading, chain: _Chain, seconds: float, another: str) -> result.Step:
    if reading.claim is None:
        return replace(step, verdict="proven", method=" · ".join(filter(None, [reading.kind, reading.note])))
    verdict = judge(reading.claim, seconds=min(4.0, seconds / 2))
    if verdict.outcome != "refuted":
        return _with(step, verdict, reading.note)
    for earlier, line in reversed(chain.refuted):
        if follows(reading, earlier):
            return replace(step, verdict="proven", method=f"{result.FOLLOWS} {line}, which is refuted")
    step = _with(step, verdict, " · ".join(filter(None, [reading.note, another])))
    return replace(step, suggestion=suggest(reading.left, reading.right, reading.rebuild, reading.definitions))


def _with(step: result.Step, verdict: Verdict, note: str) -> result.Step:
    counter = verdict.counterexample
    shown = result.Counterexample(dict(counter.point), counter.left, counter.right) if counter else None
    method = " · ".join(filter(None, [verdict.method, note]))
    return replace(step, verdict=verdict.outcome, method=method, counterexample=shown)


def _unread(formula: Formula, source: str, error: Exception) -> result.Step:
    known = isinstance(error, tree.LatexError)
    reason = str(error) if known else f"a fault of torchstone's: {type(error).__name__}: {error}"
    line = formula.line_at(error.at if isinstance(error, tree.LatexError) else 0)
    return result.Step(line, formula.cell, _tidy(source), "", "unread", reason)


def _tidy(source: str) -> str:
    """A statement's LaTeX without what only parts it from the next."""
    source = _COMMENT.sub("", source)
    while (shorter := _BEHIND.sub("", source)) != source:
        source = shorter
    return " ".join(_LAYOUT.sub(lambda found: found["cases"] or " ", source).split())[:2000].strip(" ,.;")
