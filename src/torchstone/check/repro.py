"""A script of a few lines that shows a finding with torch alone."""

from torchstone.check.evidence import Mismatch
from torchstone.check.subject import Subject


def script(subject: Subject, mismatch: Mismatch) -> str:
    """The script."""
    return ""
