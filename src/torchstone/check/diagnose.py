"""What a wrong answer is instead: the likely cause, where it is recognised."""

from torchstone.check.evidence import Mismatch
from torchstone.check.subject import Subject


def cause(subject: Subject, mismatch: Mismatch) -> str:
    """A clause that says what the subject computes instead, or nothing."""
    return ""
