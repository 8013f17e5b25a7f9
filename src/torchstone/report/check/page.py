"""The report as a web page that needs nothing but itself, and as a card for notebooks."""

from typing import Any

from torchstone.check.result import Report, SubjectReport
from torchstone.report.check.words import (
    SEVERITIES,
    VERDICTS,
    by_reason,
    counted,
    details,
    headline,
    knowledge,
    summary,
)


def html(report: Report) -> str:
    """One self-contained page: no network, no script; light and dark; it prints."""
    return _render("check.html", report)


def notebook(report: Report) -> str:
    """A card for notebooks: it looks right on light and on dark ground."""
    return _render("check_card.html", report)


def _render(template: str, report: Report) -> str:
    from torchstone.report.pages import environment

    helpers = {
        "knowledge": knowledge,
        "details": details,
        "summary": summary,
        "by_reason": by_reason,
        "counted": counted,
    }
    tone = "bad" if any(each.verdict == "fail" for each in report.subjects) else "good" if report.ok else "fair"
    return (
        environment()
        .get_template(template)
        .render(
            report=report,
            headline=headline(report),
            tone=tone,
            verdicts=VERDICTS,
            severities=SEVERITIES,
            demands=_demands(report),
            rows=[_row(each) for each in report.subjects],
            **helpers,
        )
    )


def _row(subject: SubjectReport) -> dict[str, Any]:
    """One line of the summary."""
    found: list[str | None] = [finding.severity for finding in subject.findings]
    return {
        "subject": subject,
        "found": [found.count(severity) for severity in SEVERITIES],
        "passed": subject.counts.get("passed", 0),
        "not_run": len(subject.not_run),
    }


def _demands(report: Report) -> dict[str, str]:
    """What the rules demand that found something, by their codes."""
    from torchstone.check.rule import find

    return {finding.rule: find(finding.rule).title for finding in report.findings}
