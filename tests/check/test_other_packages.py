"""Rules that other packages register, and whose fault it is when they fail."""

from importlib.metadata import EntryPoint
from types import ModuleType

import pytest
import torch

import torchstone
from torchstone.check import rule as registry
from torchstone.report.check.terminal import text

DOC = """It is acme's.

Why: a test.
How: it looks.
False alarms: none.
Instead: nothing.
"""


@pytest.fixture
def package(monkeypatch):
    """Install a package whose module `acme_rules` runs the given function; nothing of it stays."""
    monkeypatch.setattr(registry, "_REGISTRY", dict(registry._REGISTRY))

    def install(load):
        class Entry(EntryPoint):
            dist = None

            def load(self):
                return load()

        entry = Entry("acme", "acme_rules", registry.ENTRY_POINT)
        monkeypatch.setattr(registry, "entry_points", lambda group: [entry] if group == registry.ENTRY_POINT else [])
        registry._load.cache_clear()
        registry.rules()

    yield install
    registry._load.cache_clear()


def checker(body):
    """A rule's function, as if it stood in acme's module."""
    module = ModuleType("acme_rules")
    exec(
        f"from torchstone.check.result import Finding\n\ndef check(subject):\n    {body}\n    yield from ()\n",
        vars(module),
    )
    module.check.__doc__ = DOC
    return module.check


def registered(body="pass", code="ACME101", name="acme", **how):
    return lambda: torchstone.rule(code, name, **how)(checker(body))


def outcome(report, code="ACME101"):
    return next(result for result in report.subjects[0].results if result.code == code)


def test_a_rule_of_another_package_runs(package):
    package(registered("yield Finding('acme does not like it')", severity="warning"))
    report = torchstone.check(torch.nn.ReLU, select=["ACME101"])
    assert [finding.message for finding in report.findings] == ["acme does not like it"]
    assert registry.find("acme").source == "acme_rules"


def test_its_faults_are_its_own(package):
    package(registered("1 / 0"))
    report = torchstone.check(torch.nn.ReLU, select=["ACME101"])
    assert outcome(report).outcome == "fault"
    assert "ACME101: a fault of the package acme_rules, Traceback" in " ".join(text(report).split())


def fails():
    registered()()
    raise ImportError("no acme here")


@pytest.mark.parametrize(
    ("load", "remark"),
    [
        (fails, "the rules of acme_rules do not load: ImportError: no acme here"),
        (registered(code="acme"), "expected a code like X101: letters and three digits, got 'acme'"),
        (registered(code="G001"), "expected a code that is not taken, got 'G001'"),
        (registered(tier="quick"), "expected a tier of fast, full, slow, got 'quick'"),
        (registered(kinds=("layer",)), "expected kinds of subjects, got"),
    ],
)
def test_a_package_that_does_not_load_is_named_and_stops_nothing(package, load, remark):
    package(load)
    report = torchstone.check(torch.nn.ReLU, select=["G001"])
    assert report.ok
    assert len(report.remarks) == 1
    assert "the rules of acme_rules do not load: " in report.remarks[0]
    assert remark in report.remarks[0]
    assert "ACME101" not in {each.code for each in registry.rules()}
