"""Runs rules over a subject: what applies, what blocks what, what became of each."""

import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice

from torchstone.check.asking import Ended
from torchstone.check.expectations import Expectations, for_subject
from torchstone.check.optimizers.subject import OptimizerSubject
from torchstone.check.result import NOT_SELECTED, Finding, RuleResult, SubjectReport
from torchstone.check.rule import TIERS, NotApplicable, Rule, Skipped, Tier, matching, rules
from torchstone.check.subject import Subject

AnySubject = Subject | OptimizerSubject

_MOST = 5  # findings of one rule: the sixth tells nobody anything new


@dataclass(frozen=True)
class Selection:
    """Which rules run, and which failures are expected: of every subject, or of one."""

    tier: Tier = "fast"
    select: Sequence[str] = ()
    ignore: Sequence[str] = ()
    expect: Expectations = field(default_factory=dict)

    def reasons(self, kind: str) -> dict[Rule, str]:
        """Every rule for a kind of subject, with the reason why it is passed over, or none.

        A rule that is selected by name runs whatever its tier, and so do those that it comes after.
        """
        known = {each.code: each for each in rules() if kind in each.kinds}
        wanted, unwanted = set(matching(self.select)), set(matching(self.ignore))
        waiting = [known[code] for code in wanted if code in known]
        while waiting:
            before = {code for code in waiting.pop().after if code in known and code not in wanted}
            wanted |= before
            waiting += [known[code] for code in before]

        def reason(each: Rule) -> str:
            if each.code in unwanted:
                return "ignored on request"
            if wanted:
                return "" if each.code in wanted else NOT_SELECTED
            return "" if TIERS.index(each.tier) <= TIERS.index(self.tier) else f"only in the {each.tier} tier"

        return {each: reason(each) for each in known.values()}


@dataclass(frozen=True)
class Event:
    """Progress: rules done, rules in all, and what is being looked at."""

    done: int
    total: int
    doing: str


def examine(
    subject: AnySubject, selection: Selection, on_event: Callable[[Event], None] | None = None
) -> tuple[RuleResult, ...]:
    """What became of each rule, in order."""
    chosen = selection.reasons(subject.kind)
    subject.patient = selection.tier == "slow"
    known = for_subject(selection.expect, subject.spec.target)
    expected = {code: reason for name, reason in known.items() for code in matching([name])}
    results: dict[str, RuleResult] = {}
    for number, (each, passed_over) in enumerate(chosen.items()):
        if passed_over:
            results[each.code] = RuleResult(each.code, each.name, "skipped", passed_over)
            continue
        if on_event is not None:
            on_event(Event(number, len(chosen), f"{subject.spec.target}: {each.code} {each.name}"))
        started = time.perf_counter()
        result = _blocked(each, results) or _outcome(each, subject)
        if result.outcome == "failed" and each.code in expected:
            result = replace(result, outcome="expected", reason=expected[each.code])
        results[each.code] = replace(result, seconds=time.perf_counter() - started, source=each.source)
    return tuple(results.values())


def stale(results: Sequence[RuleResult], expect: Mapping[str, str]) -> tuple[str, ...]:
    """The expectations that a rule met with a pass: they can go."""
    passed = {code for result in results if result.outcome == "passed" for code in (result.code, result.name)}
    return tuple(name for name in expect if name in passed)


def _blocked(each: Rule, results: Mapping[str, RuleResult]) -> RuleResult | None:
    """A rule after one that found an error tells nothing new."""
    for code in each.after:
        before = results.get(code)
        if before is not None and before.outcome in ("failed", "expected", "blocked"):
            wrong = before.outcome == "blocked" or any(finding.severity == "error" for finding in before.findings)
            if wrong:
                return RuleResult(each.code, each.name, "blocked", f"by {code} {before.name}")
    return None


def _outcome(each: Rule, subject: AnySubject) -> RuleResult:
    known = {"nothing": True, "counterpart": subject.peer is not None, "definition": subject.definition is not None}
    if not known[each.need]:
        return RuleResult(each.code, each.name, "not applicable", f"needs a {each.need}, and none is known")
    findings: list[Finding] = []
    try:
        for finding in islice(each.check(subject), _MOST):
            findings.append(
                replace(finding, rule=each.code, name=each.name, severity=finding.severity or each.severity)
            )
    except (NotApplicable, Skipped) as error:
        if not findings:
            kind = "skipped" if isinstance(error, Skipped) else "not applicable"
            return RuleResult(each.code, each.name, kind, str(error))  # type: ignore[arg-type]
    except Ended as error:
        findings.append(Finding(f"the subject {error}", rule=each.code, name=each.name, severity="error"))
    except Exception:
        return RuleResult(each.code, each.name, "fault", traceback.format_exc(limit=-6), tuple(findings))
    return RuleResult(each.code, each.name, "failed" if findings else "passed", "", tuple(findings))


def reported(subject: AnySubject, results: tuple[RuleResult, ...], expect: Expectations) -> SubjectReport:
    """The report on one subject."""
    return SubjectReport(
        subject.spec.target,
        subject.kind,
        subject.knowledge,
        subject.peer.text if subject.peer else "",
        subject.definition.name if subject.definition else "",
        subject.told,
        results,
        stale(results, for_subject(expect, subject.spec.target)),
    )
