"""The words and signs that every form of the report shares."""

import math
from collections.abc import Iterable, Mapping
from itertools import groupby
from typing import Any, NamedTuple

from torchstone.check.result import NOT_SELECTED, Finding, Report, RuleResult, SubjectReport


class Sign(NamedTuple):
    """A sign, its style in a terminal and its class in a page."""

    sign: str
    style: str
    tone: str


SEVERITIES = {
    "error": Sign("✗", "bold red", "bad"),
    "warning": Sign("!", "yellow", "fair"),
    "note": Sign("·", "cyan", "given"),
}
VERDICTS = {
    "pass": Sign("✓", "bold green", "good"),
    "fail": Sign("✗", "bold red", "bad"),
    "error": Sign("?", "bold magenta", "fair"),
}
_LONGEST = 160  # characters of an input; the data and the script have all of it
# In the order in which they are told.
OUTCOMES = ("fault", "blocked", "expected", "not applicable", "skipped")
_KNOWLEDGE = {
    "nothing": "held against nothing: only what holds of every {kind} is checked",
    "counterpart": "held against {like}",
    "definition": "held against the definition of {definition}",
}


def counted(number: int, noun: str) -> str:
    """A number and its noun.

    >>> counted(1, "error"), counted(3, "error")
    ('1 error', '3 errors')
    """
    return f"{number} {noun}" + ("" if number == 1 else "s")


def headline(report: Report) -> str:
    """The outcome in one line."""
    verdicts = [subject.verdict for subject in report.subjects]
    told = [f"{verdicts.count(word)} {said}" for word, said in _SAID.items() if word in verdicts]
    return f"{counted(len(verdicts), 'subject')}: {', '.join(told)}" if verdicts else "nothing to check"


_SAID = {"fail": "wrong", "error": "not judged", "pass": "right"}


def summary(subject: SubjectReport) -> str:
    """A subject's outcome in one line: what was found, and what became of the rules."""
    if subject.not_implemented:
        return f"not implemented: {subject.not_implemented}"
    found = [
        counted(number, word) for word in SEVERITIES if (number := sum(f.severity == word for f in subject.findings))
    ]
    ran = [f"{counted(subject.counts.get('passed', 0), 'rule')} passed"]
    ran += [f"{subject.counts[outcome]} {outcome}" for outcome in OUTCOMES if subject.counts.get(outcome)]
    return f"{', '.join(found) or 'nothing found'} · {', '.join(ran)}"


def knowledge(subject: SubjectReport) -> str:
    """What the subject was held against."""
    if subject.not_implemented:
        return "a stub"
    told = _KNOWLEDGE[subject.knowledge].format(kind=subject.kind, like=subject.like, definition=subject.definition)
    return told + (f" and against {subject.like}" if subject.like and subject.knowledge == "definition" else "")


def number(value: Any) -> str:
    """A number, or what stands for one, as short as it tells the difference.

    >>> number(0.1), number(1e-300), number([1.0, float("nan")])
    ('0.1', '1e-300', '[1.0, nan]')
    """
    return f"{value:.9g}" if isinstance(value, float) else "nothing" if value is None else str(value)


def distance(ulp: float) -> str:
    """How far off, in units in the last place."""
    if math.isinf(ulp):
        return "not comparable: one of them is no finite number"
    return f"{ulp:.3g} ulp (units in the last place) apart"


def details(finding: Finding) -> list[tuple[str, str]]:
    """What stands below a finding's sentence: each with its title."""
    told = [("input", ", ".join(f"{name} = {_shown(value)}" for name, value in finding.input.items()))]
    if finding.expected is not None or finding.got is not None:
        apart = f", {distance(finding.ulp)}" if finding.ulp is not None else ""
        told += [("expected", number(finding.expected)), ("got", number(finding.got) + apart)]
    told.append(("because", finding.cause))
    return [(title, text) for title, text in told if text]


def _shown(value: Any) -> str:
    """An input's numbers; of many, the first ones."""
    text = str(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST].rpartition(',')[0]}, ..."


def by_reason(results: Iterable[RuleResult]) -> list[tuple[str, str, str]]:
    """The rules that gave no verdict, with what became of them and why, since many share both.

    Those that the user did not select are counted and not listed: their user knows.
    """
    ordered = sorted(results, key=lambda result: (OUTCOMES.index(result.outcome), outcome(result), result.reason))
    groups = groupby(ordered, key=lambda result: (outcome(result), result.reason))
    found = []
    for (became, reason), members in groups:
        codes = [result.code for result in members]
        listed = counted(len(codes), "rule") if reason == NOT_SELECTED else " ".join(codes)
        found.append((listed, became, reason))
    return found


def outcome(result: RuleResult) -> str:
    """What became of a rule, in words for readers."""
    if result.outcome != "fault":
        return result.outcome
    return "a fault of torchstone's own" if result.source == "torchstone" else f"a fault of the package {result.source}"


def as_data(value: Any) -> Any:
    """Plain data that JSON can hold: what is no finite number becomes text, since JSON has no sign for it."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): as_data(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [as_data(each) for each in value]
    return value if isinstance(value, (bool, int, float, str, type(None))) else str(value)
