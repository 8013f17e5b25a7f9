"""The rules against what is known: PyTorch's own deviates just where a table says so, and ours nowhere."""

from pathlib import Path

import pytest
import torch
from torch.nn.modules import activation, loss

from torchstone import activations, assignment, losses
from torchstone.check.api import check
from torchstone.check.expectations import expectations

DEVIATIONS = expectations(Path(__file__).with_name("calibration.toml"))

LAYERS = {
    "AdaptiveLogSoftmaxWithLoss": "a layer whose answer is a pair",
    "MultiheadAttention": "a layer with three inputs, no activation",
    "NLLLoss2d": "an old name of NLLLoss",
}
# What these take to be built, and, where nothing tells it, what they are called with.
ARGUMENTS = {
    "LinearCrossEntropyLoss": "5, 3",
    "Threshold": "0.5, 0.25",
    **dict.fromkeys(("LogSoftmax", "Softmax", "Softmin"), "dim=-1"),
}
INPUTS = {
    "LinearCrossEntropyLoss": "input float[N,5]; target int64[N] in [0,3)",
}
# An empty batch gives what happens to be in memory, now and then the right number.
UNINITIALISED = {"MultiMarginLoss": "L107", "MultiLabelMarginLoss": "L107"}

BUILT_IN = [
    f"{name}({ARGUMENTS.get(name, '')})"
    for module in (loss, activation)
    for name in module.__all__
    if name not in LAYERS
]
OPTIONS = [
    "BCEWithLogitsLoss(reduction='sum')",
    "CELU(alpha=0.5)",
    "CrossEntropyLoss(reduction='none')",
    "CrossEntropyLoss(weight=torch.tensor([0.5, 2.0, 1.0]))",
    "CrossEntropyLoss(label_smoothing=0.1, ignore_index=1)",
    "ELU(alpha=2.0)",
    "GELU(approximate='tanh')",
    "GLU(dim=1)",
    "HuberLoss(delta=2.0)",
    "KLDivLoss(reduction='batchmean', log_target=True)",
    "Hardtanh(-2.0, 3.0)",
    "LeakyReLU(0.2)",
    "MSELoss(reduction='sum')",
    "NLLLoss(weight=torch.tensor([0.5, 2.0, 1.0]))",
    "PReLU(3)",
    "PoissonNLLLoss(log_input=False, full=True)",
    "ReLU(inplace=True)",
    "SmoothL1Loss(beta=0.25)",
    "Softmax(dim=0)",
    "Softplus(beta=2.0, threshold=10.0)",
    "TripletMarginLoss(p=1.0, swap=True)",
    "functional.gelu",
    "functional.relu",
    "functional.mse_loss",
    "functional.cross_entropy",
    "sigmoid",
    "tanh",
]


def built(text):
    """The object that the text stands for."""
    return eval(text, {**vars(torch), **vars(torch.nn), "torch": torch})


def name_of(text):
    return text.partition("(")[0]


def shown(report):
    return [f"{each.rule} {each.message}" for each in report.findings if each.severity != "note"]


@pytest.mark.parametrize("like", [False, True], ids=["by its name", "like itself"])
@pytest.mark.parametrize("text", [*BUILT_IN, *OPTIONS])
def test_pytorch_deviates_where_the_table_says_so_and_nowhere_else(text, like):
    thing, name = built(text), name_of(text)
    known = DEVIATIONS.get(text, DEVIATIONS.get(name, {}))
    ignored = [UNINITIALISED[name]] if name in UNINITIALISED else []
    report = check(thing, like=thing if like else None, inputs=INPUTS.get(name), expect=known, ignore=ignored)
    assert not report.faults
    assert shown(report) == []
    found = {each.code for each in report.not_run if each.outcome == "expected"}
    assert found == set(known), "the table has an entry that no longer occurs"


def test_the_table_speaks_of_what_is_tried():
    assert set(DEVIATIONS) <= {name_of(text) for text in BUILT_IN} | set(OPTIONS)


OURS = [
    getattr(module, name)
    for module in (losses, activations, assignment)
    for name in module.__all__
    if not name.endswith("Optimizer")
]


@pytest.mark.parametrize("component", OURS, ids=lambda each: f"{each.__module__.split('.')[1]}.{each.__name__}")
def test_ours_gives_no_finding_at_all(component):
    report = check(component)
    assert not report.faults
    assert [f"{each.rule} {each.message}" for each in report.findings] == []
    assert report.subjects[0].knowledge == "definition"
