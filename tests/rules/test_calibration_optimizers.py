"""The rules against what is known: PyTorch's optimizers deviate just where a table says so, and ours nowhere."""

from pathlib import Path

import pytest
import tomllib
import torch

from torchstone import assignment, optimizers
from torchstone.check.api import check
from torchstone.check.rule import find

TABLE = tomllib.loads(Path(__file__).with_name("calibration_optimizers.toml").read_text())
ALL = TABLE["*"]  # what all of them inherit
SEVERITIES = ("note", "warning", "error")
SLOW = ["O507"]  # compiles: see the last test

CLASSES = [name for name in torch.optim.__all__ if isinstance(getattr(torch.optim, name), type) and name != "Optimizer"]
OPTIONS = [
    "Adadelta(weight_decay=0.1, maximize=True)",
    "Adafactor(lr=0.1, weight_decay=0.1, d=2.0)",
    "Adagrad(lr_decay=0.1, initial_accumulator_value=0.5)",
    "Adam(weight_decay=0.1, amsgrad=True)",
    "Adam(foreach=True)",
    "Adam(fused=True)",
    "Adam(weight_decay=0.1, decoupled_weight_decay=True)",
    "AdamW(amsgrad=True, maximize=True)",
    "Adamax(weight_decay=0.1)",
    "LBFGS(lr=0.5, history_size=3)",
    "Muon(nesterov=False, weight_decay=0.0)",
    "NAdam(weight_decay=0.1, decoupled_weight_decay=True)",
    "RAdam(weight_decay=0.1, decoupled_weight_decay=True)",
    "RMSprop(centered=True, momentum=0.9, weight_decay=0.1)",
    "Rprop(etas=(0.4, 1.3))",
    "SGD(momentum=0.9)",
    "SGD(momentum=0.9, nesterov=True, weight_decay=0.1)",
    "SGD(momentum=0.9, dampening=0.5)",
    "SGD(lr=0.1, maximize=True, foreach=True)",
]


def found(thing, **settings):
    """The rules that found something, each with the worst severity."""
    report = check(thing, **settings)
    assert not report.faults
    severities = {}
    for finding in report.findings:
        severities.setdefault(finding.rule, []).append(finding.severity)
    return {rule: max(each, key=SEVERITIES.index) for rule, each in severities.items()}


def expected(text, tier):
    """What the table says of a class with arguments: its own lines, or those of the class."""
    known = {**ALL, **TABLE.get(text, TABLE.get(text.partition("(")[0], {}))}
    return {rule: line.partition(":")[0] for rule, line in known.items() if find(rule).tier in ("fast", tier)}


@pytest.mark.parametrize("text", CLASSES)
def test_pytorch_deviates_where_the_table_says_so_and_nowhere_else(text):
    assert found(getattr(torch.optim, text), tier="full", ignore=SLOW) == expected(text, "full")


@pytest.mark.parametrize("text", OPTIONS)
def test_options_change_nothing_about_that(text):
    name, _, rest = text.partition("(")
    assert found(getattr(torch.optim, name), kwargs=eval(f"dict({rest}")) == expected(text, "fast")


def test_the_table_speaks_of_what_is_tried_and_gives_reasons():
    assert set(TABLE) - {"*"} <= {*CLASSES, *OPTIONS}
    for lines in TABLE.values():
        for rule, line in lines.items():
            severity, _, reason = line.partition(": ")
            assert reason
            assert severity in ("note", "warning") or rule == "O302", "what PyTorch does on purpose is no error"


OURS = [
    *(getattr(optimizers, name) for name in optimizers.__all__),
    *(getattr(assignment, name) for name in assignment.__all__ if name.endswith("Optimizer")),
]


@pytest.mark.parametrize("optimizer", OURS, ids=lambda each: f"{each.__module__.split('.')[1]}.{each.__name__}")
def test_ours_gives_no_finding_at_all(optimizer):
    report = check(optimizer, tier="full", ignore=SLOW)
    assert not report.faults
    assert [f"{each.rule} {each.message}" for each in report.findings] == []
    assert report.subjects[0].knowledge == "definition"


@pytest.mark.parametrize("optimizer", [torch.optim.Adam, torch.optim.SGD, optimizers.Adam, assignment.SGDOptimizer])
def test_compiling_changes_nothing(optimizer):
    assert found(optimizer, select=SLOW) == {}
