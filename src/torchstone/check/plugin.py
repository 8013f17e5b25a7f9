"""`pytest --torchstone TARGET`: one case for each subject and rule. Nothing heavy loads without the option."""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from torchstone.check.testing import RuleCase

_TIERS = ("fast", "full", "slow")
_OPEN = pytest.StashKey[ExitStack]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Three options."""
    group = parser.getgroup("torchstone", "losses, activations and optimizers, held against the mathematics")
    group.addoption(
        "--torchstone",
        action="append",
        default=[],
        metavar="TARGET",
        help="check FILE.py, NOTEBOOK.ipynb or PACKAGE.MODULE, with or without :NAME; can be repeated",
    )
    group.addoption("--torchstone-tier", choices=_TIERS, default=_TIERS[0], help="how much is tried")
    group.addoption("--torchstone-expect", metavar="FILE.toml", help='failures that are known: D106 = "the reason"')


@pytest.hookimpl(tryfirst=True)  # before -k and -m choose
def pytest_collection_modifyitems(session: pytest.Session, config: pytest.Config, items: list[pytest.Item]) -> None:
    """Add the cases of each target."""
    for target in config.getoption("--torchstone"):
        report = config.hook.pytest_make_collect_report(collector=Checked.from_parent(session, name=target))
        config.hook.pytest_collectreport(report=report)
        items.extend(report.result)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """End the processes that the subjects live in."""
    session.config.stash.get(_OPEN, ExitStack()).close()


class Checked(pytest.Collector):
    """A target with its subjects."""

    def collect(self) -> Iterator[pytest.Item]:
        """One item for each subject and rule."""
        from torchstone.check.session import opened
        from torchstone.check.testing import cases_of

        option = self.config.getoption
        stack = self.config.stash.setdefault(_OPEN, ExitStack())
        try:
            found = stack.enter_context(
                opened(self.name, tier=option("--torchstone-tier"), expect=option("--torchstone-expect"))
            )
        except ValueError as error:
            raise self.CollectError(f"--torchstone: {error}") from None
        for case in found.cases:
            for each in cases_of(case):
                yield RuleItem.from_parent(self, name=str(each), case=each)


class RuleItem(pytest.Item):
    """One subject and one rule."""

    def __init__(self, *, case: "RuleCase", **how: Any) -> None:
        super().__init__(**how)
        self._case = case

    def runtest(self) -> None:
        """Ask what became of the rule; the first to ask has the subject examined."""
        self._case()

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """The finding alone: there is no code of the user's to show."""
        from torchstone.check.testing import Violation

        return str(excinfo.value) if isinstance(excinfo.value, Violation) else super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[str, int | None, str]:
        """Where it is said to be."""
        return self._case.case.target.rpartition(":")[0], self._case.case.line, f"[torchstone] {self.name}"
