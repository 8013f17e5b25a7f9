"""The report in a terminal: the summary first, then the findings, then what did not run."""

from collections.abc import Iterator

from rich.console import Console
from rich.text import Text

from torchstone.check.result import Finding, Report, SubjectReport
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
from torchstone.report.lines import WIDTH, captured, folded, said, show

_COLUMN = 12  # of the titles below a finding


def render(report: Report, console: Console) -> None:
    """Print it."""
    show(_lines(report, console.width), console)


def text(report: Report) -> str:
    """The same as text, 100 columns wide and without colour."""
    return captured(_lines(report))


def finding(found: Finding) -> str:
    """One finding as text."""
    return captured(_finding(found, WIDTH))


def _lines(report: Report, width: int = WIDTH) -> Iterator[Text]:
    if len(report.subjects) != 1:
        yield from folded(said(headline(report), "bold green" if report.ok and report.subjects else "bold red"), width)
        for subject in report.subjects:
            sign = VERDICTS[subject.verdict]
            line = Text.assemble(
                (f"{sign.sign} ", sign.style), said(subject.target, "bold"), "  ", said(summary(subject))
            )
            yield from folded(line, width, 2, 6)
        yield Text()
    for subject in report.subjects:
        yield from _subject(subject, width)
        yield Text()
    for remark in report.remarks:
        yield from folded(said(remark, "dim"), width, 0, 2)


def _subject(subject: SubjectReport, width: int) -> Iterator[Text]:
    sign = VERDICTS[subject.verdict]
    title = Text.assemble((f"{sign.sign} ", sign.style), said(subject.target, "bold"), f", {subject.kind}, ")
    yield from folded(title.append_text(said(knowledge(subject))), width, 0, 2)
    yield from folded(said(summary(subject), sign.style), width, 2, 4)
    for fact in subject.facts:
        yield from folded(said(fact, "dim"), width, 2, 4)
    for each in subject.findings:
        yield Text()
        yield from _finding(each, width)
    yield from _not_run(subject, width)
    for name in subject.stale:
        told = f"expected failure {name} did not come: the rule passes, and the expectation can go"
        yield from folded(said(told, "yellow"), width, 2, 4)


def _finding(found: Finding, width: int) -> Iterator[Text]:
    sign = SEVERITIES[found.severity or "error"]
    title = Text.assemble((f"{sign.sign} {found.severity} ", sign.style), (f"{found.rule} {found.name}", "bold"))
    yield from folded(title, width, 2, 4)
    yield from folded(said(found.message), width, 4)
    for label, told in details(found):
        yield from folded(Text.assemble((label.ljust(_COLUMN), "dim"), said(told)), width, 4, 4 + _COLUMN)
    if found.repro:
        yield Text("    reproduce", style="dim")
        for line in found.repro.splitlines():
            yield said(f"        {line}", "dim")


def _not_run(subject: SubjectReport, width: int) -> Iterator[Text]:
    groups = by_reason(subject.not_run)
    if not groups:
        return
    yield Text()
    yield from folded(said(f"{counted(len(subject.not_run), 'rule')} gave no verdict", "dim"), width, 2, 4)
    for codes, became, reason in groups:
        yield from folded(said(f"{codes}: {became}" + (f", {reason}" if reason else ""), "dim"), width, 4, 6)
