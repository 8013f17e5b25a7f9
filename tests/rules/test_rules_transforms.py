"""The rules on transforms: how bad each finding is, and what right code in unusual style they leave alone."""

import pytest
import torch
from torch import nn

from torchstone.check.api import check
from torchstone.check.rule import find

X = {"kind": "activation", "inputs": "x float[N,C]"}
CLASSES = {"kind": "loss", "inputs": "logits float[N,C]; target int64[N] in [0,C)"}


def found(thing, code, **settings):
    """What a rule found: severities and messages; or the outcome where it found nothing."""
    (subject,) = check(thing, select=[*find(code).after, code], **settings).subjects
    (result,) = [each for each in subject.results if each.code == code]
    assert result.outcome != "fault", result.reason
    return [(finding.severity, finding.message) for finding in result.findings] or result.outcome


def by_its_sign(x):
    return x * 2 if bool(x.sum() > 0) else x


def checks_its_classes(logits, target):
    if int(target.max()) >= logits.shape[-1]:
        raise IndexError("target: out of range")
    return (logits.logsumexp(-1) - logits.gather(-1, target[:, None])[:, 0]).mean()


def noisy(x):
    return x + torch.rand_like(x)


class WithoutVmap(torch.autograd.Function):
    """In the new style, but for one line."""

    @staticmethod
    def forward(x):
        return x * x

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(inputs[0])

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return 2 * x * g


class Once(torch.autograd.Function):
    """A second derivative is refused: nothing to compare."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x):
        return x * x

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(inputs[0])

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return 2 * x * g


def with_a_tensor_on_the_cpu(x):
    return x * torch.ones(x.shape[-1])


@pytest.mark.parametrize(
    ("thing", "code", "settings", "severity", "words"),
    [
        (by_its_sign, "T101", X, "note", "data-dependent control flow"),
        (checks_its_classes, "T101", CLASSES, "note", "vmap"),
        (WithoutVmap, "T101", X, "warning", "generate_vmap_rule = True"),
        (WithoutVmap, "T102", X, "note", "generate_vmap_rule = True"),
        (by_its_sign, "T103", X, "note", "the graph breaks"),
        (by_its_sign, "T105", X, "note", "reads the numbers"),
        (nn.MultiMarginLoss(), "T105", CLASSES, "note", "NotImplementedError"),
        (with_a_tensor_on_the_cpu, "T105", X, "warning", "on the meta device it raises"),
    ],
)
def test_severity(thing, code, settings, severity, words):
    ((got, message),) = found(thing, code, **settings)
    assert got == severity
    assert words in message


@pytest.mark.parametrize(
    ("thing", "code", "settings", "expected"),
    [
        (nn.GELU(), "T101", X, "passed"),
        (noisy, "T101", X, "not applicable"),
        (nn.ReLU(inplace=True), "T101", X, "not applicable"),
        (nn.CrossEntropyLoss(), "T101", CLASSES, "passed"),
        (nn.CrossEntropyLoss(), "T102", CLASSES, "passed"),
        (nn.CrossEntropyLoss(weight=torch.tensor([1.0, 2.0, 3.0])), "T103", CLASSES, "passed"),
        (nn.PReLU(), "T104", X, "passed"),
        (by_its_sign, "T104", X, "not applicable"),
        (nn.CrossEntropyLoss(weight=torch.tensor([1.0, 2.0, 3.0])), "T105", CLASSES, "passed"),
    ],
)
def test_right_code(thing, code, settings, expected):
    assert found(thing, code, **settings) == expected


def test_a_refused_second_derivative_is_no_finding_of_its_own():
    told = found(Once, "T102", **X)
    assert told == "passed" or [severity for severity, _ in told] == ["note"]
