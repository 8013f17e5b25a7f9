"""What a check found: plain data, for reports and programs."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

Severity = Literal["error", "warning", "note"]
Outcome = Literal["passed", "failed", "expected", "not applicable", "blocked", "skipped", "fault"]
Verdict = Literal["pass", "fail", "error"]  # error: a fault of the checker's own
SCHEMA = 1
NOT_SELECTED = "not selected"  # the reason of rules that its user left out


@dataclass(frozen=True)
class Finding:
    """One violation of a rule.

    `input`, `expected` and `got` are plain data (numbers, lists, text), `input` by the names of the subject's inputs.
    `ulp` is the distance in units in the last place, where that says something. `cause` is what the answer is instead,
    where it was recognised; `repro` a script that shows the finding with torch alone.
    """

    message: str
    input: Mapping[str, Any] = field(default_factory=dict)
    expected: Any = None
    got: Any = None
    ulp: float | None = None
    cause: str = ""
    repro: str = ""
    severity: Severity | None = None  # where it differs from the rule's own
    rule: str = ""  # the code; the engine puts it there
    name: str = ""


@dataclass(frozen=True)
class RuleResult:
    """What became of one rule: findings where it failed, a reason where it did not run or was expected to fail."""

    code: str
    name: str
    outcome: Outcome
    reason: str = ""
    findings: tuple[Finding, ...] = ()
    seconds: float = 0.0
    source: str = "torchstone"  # the package that the rule comes from


@dataclass(frozen=True)
class SubjectReport:
    """What was found of one subject.

    `knowledge` says what it was held against: "nothing", "counterpart" or "definition". `facts` are short sentences on
    how it was understood: how it is called, which traits it has, who said so.
    """

    target: str
    kind: str
    knowledge: str
    like: str = ""
    definition: str = ""
    facts: tuple[str, ...] = ()
    results: tuple[RuleResult, ...] = ()
    stale: tuple[str, ...] = ()  # expectations that nothing met
    not_implemented: str = ""  # the sentence of a subject that is only a stub
    line: int | None = None  # of its file, where its code begins

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Every finding, the errors first; those that were expected are left out."""
        order = ("error", "warning", "note")
        failed = [finding for result in self.results if result.outcome == "failed" for finding in result.findings]
        return tuple(sorted(failed, key=lambda finding: order.index(finding.severity or "error")))

    @property
    def errors(self) -> tuple[Finding, ...]:
        """The findings that make the subject wrong."""
        return tuple(finding for finding in self.findings if finding.severity == "error")

    @property
    def not_run(self) -> tuple[RuleResult, ...]:
        """The rules that gave no verdict, and those whose failure was expected, each with its reason."""
        return tuple(result for result in self.results if result.outcome not in ("passed", "failed"))

    @property
    def met(self) -> tuple[str, ...]:
        """The codes and names of the rules whose failure was expected, and came."""
        return tuple(word for each in self.results if each.outcome == "expected" for word in (each.code, each.name))

    @property
    def faults(self) -> tuple[RuleResult, ...]:
        """Where the checker itself went wrong."""
        return tuple(result for result in self.results if result.outcome == "fault")

    @cached_property
    def counts(self) -> Mapping[str, int]:
        """How many rules came to each outcome."""
        return dict(Counter(result.outcome for result in self.results))

    @property
    def verdict(self) -> Verdict:
        """Whether the subject passes, fails, or could not be judged for a fault of the checker's."""
        if self.errors or self.not_implemented:
            return "fail"
        return "error" if self.faults else "pass"


@dataclass(frozen=True)
class Report:
    """What a check found, subject by subject. Shows itself as a card in a notebook.

    `remarks` say what else there is to know of the targets: cells that do not parse, names that were passed over.
    """

    subjects: tuple[SubjectReport, ...]
    torch: str = ""
    remarks: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether every subject passes."""
        return all(subject.verdict == "pass" for subject in self.subjects)

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Every finding."""
        return tuple(finding for subject in self.subjects for finding in subject.findings)

    @property
    def errors(self) -> tuple[Finding, ...]:
        """The findings that make a subject wrong."""
        return tuple(finding for subject in self.subjects for finding in subject.errors)

    @property
    def not_run(self) -> tuple[RuleResult, ...]:
        """The rules that gave no verdict, and those whose failure was expected."""
        return tuple(result for subject in self.subjects for result in subject.not_run)

    @property
    def faults(self) -> tuple[RuleResult, ...]:
        """Where the checker itself went wrong."""
        return tuple(result for subject in self.subjects for result in subject.faults)

    def __str__(self) -> str:
        from torchstone.report.check.terminal import text

        return text(self)

    def _repr_html_(self) -> str:
        from torchstone.report.check.page import notebook

        return notebook(self)

    def to_html(self) -> str:
        """One self-contained page."""
        from torchstone.report.check.page import html

        return html(self)

    def to_json(self) -> str:
        """The data, as the command writes it."""
        from torchstone.report.check.data import json

        return json(self)


def joined(reports: Sequence[Report]) -> Report:
    """Several reports as one."""
    return Report(
        tuple(subject for report in reports for subject in report.subjects),
        next((report.torch for report in reports if report.torch), ""),
        tuple(remark for report in reports for remark in report.remarks),
    )
