"""One pytest case for each subject and rule."""

import inspect
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from torchstone.check.result import Finding, RuleResult, SubjectReport
from torchstone.check.rule import find

if TYPE_CHECKING:
    from torchstone.check.examine import Case

_SMOKE = "G001"  # what everything else waits for


class TorchstoneWarning(UserWarning):
    """A finding that makes no subject wrong: a warning of a rule, or an expected failure that did not come."""


class Violation(AssertionError):  # noqa: N818
    """A subject breaks a rule."""


def parametrize(subjects: Sequence[Any], **settings: Any) -> Callable[[Callable[..., Any]], Any]:
    """Decorate a test: it runs once for each subject and rule, with something to call in its one parameter.

        @torchstone.parametrize([MyLoss(), my_relu], expect={"D106": "no second order is needed"})
        def test_my_components(check):
            check()

    A subject is examined once, when its first case is called. An error fails the case, with the finding; a warning is
    a `TorchstoneWarning`; a rule that does not concern the subject, or is blocked by another, skips its case; an
    expected failure is an xfail. The ids begin like `MyLoss-D103-linear-in-grad`, so that `-k D103` chooses a rule.

    Args:
        subjects: What `torchstone.check` takes: classes, instances, functions, factories.
        settings: Those of `torchstone.check`, the same for all subjects.

    Raises:
        TypeError: where the test does not have one parameter.
        ValueError: as `torchstone.check`.
    """

    def decorate(test: Callable[..., Any]) -> Any:
        import pytest

        names = [name for name in inspect.signature(test).parameters if name != "self"]
        if not names:
            raise TypeError(f"parametrize: expected a test with a parameter, got {test.__name__}()")
        cases = [each for thing in subjects for each in cases_of(_case(thing, **settings))]
        return pytest.mark.parametrize(names[0], cases, ids=str)(test)

    return decorate


def _case(thing: Any, **settings: Any) -> "Case":
    from torchstone.check.examine import case_here

    return case_here(thing, **settings)


@dataclass(frozen=True, repr=False)
class RuleCase:
    """One subject and one rule. A call tells pytest what became of it."""

    case: "Case"
    code: str

    def __repr__(self) -> str:
        return f"{self.case.target.rpartition(':')[2]}-{self.code}-{find(self.code).name}"

    def __call__(self) -> None:
        """Pass, fail, skip or xfail, as the rule did."""
        __tracebackhide__ = True
        tell(self.case.examined(), self.code)


def cases_of(case: "Case") -> Iterator[RuleCase]:
    """One for each rule that runs. Where there is nothing to run, one that says so."""
    if case.subject is None:
        yield RuleCase(case, _SMOKE)
    else:
        reasons = case.selection.reasons(case.subject.kind)
        yield from (RuleCase(case, rule.code) for rule, passed_over in reasons.items() if not passed_over)


def tell(report: SubjectReport, code: str) -> None:
    """What became of a rule, in pytest's words."""
    __tracebackhide__ = True
    import pytest

    if report.not_implemented:
        if code != _SMOKE:
            pytest.skip(f"blocked: by {_SMOKE}, for it is not implemented")
        raise Violation(f"{report.target} is not implemented: {report.not_implemented}")
    result = next(each for each in report.results if each.code == code)
    if {code, result.name} & set(report.stale):
        told = f"{report.target}: the expected failure {code} did not come; the expectation can go"
        warnings.warn(TorchstoneWarning(told), stacklevel=2)
    if result.outcome == "fault":
        raise RuntimeError(f"a fault of torchstone's own, in {code} {result.name}:\n{result.reason}")
    if result.outcome == "expected":
        pytest.xfail(result.reason)
    if result.outcome == "failed":
        _fail(report, result)
    elif result.outcome != "passed":
        pytest.skip(f"{result.outcome}: {result.reason}")


def _fail(report: SubjectReport, result: RuleResult) -> None:
    __tracebackhide__ = True
    from torchstone.report.check.terminal import finding

    wrong = [each for each in result.findings if each.severity == "error"]
    for each in result.findings:
        if each.severity == "warning":
            warnings.warn(TorchstoneWarning(_line(report, each)), stacklevel=2)
    if wrong:
        raise Violation("\n\n".join([f"{report.target}, {report.kind}", *map(finding, wrong)]))


def _line(report: SubjectReport, found: Finding) -> str:
    return f"{report.target}: {found.rule} {found.name}: {found.message}"
