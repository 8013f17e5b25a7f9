"""Hold anybody's implementation against the mathematics, and say what is wrong with it."""

from torchstone.check.api import check
from torchstone.check.result import Finding, Report, RuleResult, SubjectReport

__all__ = ["Finding", "Report", "RuleResult", "SubjectReport", "check"]
