"""The report as a web page that needs nothing but itself, and as a card for notebooks."""

from torchstone.check.result import Report


def html(report: Report) -> str:
    """One self-contained page."""
    return ""
