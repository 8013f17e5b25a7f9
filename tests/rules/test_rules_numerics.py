"""The rules on numerics: what counts as lost, type by type. The mutants show that each can fire."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import torchstone.activations
from torchstone.check.api import check


def found(thing, definition, *codes, **settings):
    """(rule, severity, message) of what the rules find."""
    report = check(thing, definition=definition, select=["G001", *codes], tier="full", **settings)
    assert not report.faults, report.faults
    return [(each.rule, each.severity, each.message) for each in report.findings if each.rule.startswith(codes)]


def fired(thing, definition, *codes, **settings):
    return sorted({(rule, severity) for rule, severity, _ in found(thing, definition, *codes, **settings)})


def textbook_tanh(x):
    return (torch.exp(x) - torch.exp(-x)) / (torch.exp(x) + torch.exp(-x))


@pytest.mark.parametrize(
    ("function", "definition", "expected"),
    [
        (torch.tanh, "tanh", []),
        (textbook_tanh, "tanh", [("N102", "warning"), ("N103", "error")]),
        (lambda x: 1 / (1 + torch.exp(-x)), "sigmoid", []),
        (lambda x: torch.exp(x) / (1 + torch.exp(x)), "sigmoid", [("N103", "error")]),
        (lambda x: (1 + torch.tanh(x / 2)) / 2, "sigmoid", [("N102", "warning")]),
        (
            lambda x: torch.log(1 + torch.exp(x)),
            "softplus",
            [("N101", "warning"), ("N102", "warning"), ("N103", "error")],
        ),
        (lambda x: torch.logaddexp(x, torch.zeros_like(x)), "softplus", []),
        (lambda x: torch.where(x > 20, x, torch.log1p(x.clamp(max=20).exp())), "softplus", [("N103", "warning")]),
        (lambda x: x / 2 * (1 + torch.erf(x / math.sqrt(2))), "gelu", [("N102", "warning")]),
        (lambda x: x / 2 * torch.erfc(-x / math.sqrt(2)), "gelu", []),
        (lambda x: x / (1 + torch.exp(-x)), "silu", []),
        (lambda x: torch.where(x > 0, x, torch.exp(x) - 1), "elu", [("N102", "warning")]),
        (lambda x: F.softmax(x, -1), "softmax", []),
        (lambda x: F.softmax(x, -1).log(), "log_softmax", [("N103", "error")]),
        (lambda x: x - x.logsumexp(-1, keepdim=True), "log_softmax", []),
    ],
)
def test_digits_and_overflow(function, definition, expected):
    assert fired(function, definition, "N101", "N102", "N103", kind="activation") == expected


def of_marked(prediction, target):
    """Samples whose target is marked are no part of it."""
    counted = torch.arange(len(target)) < 2
    return (prediction - target).square()[counted].mean()


def of_nothing_that_is_nan(prediction, target):
    return torch.nanmean((prediction - target).square())


def of_one_side(prediction, target):
    """A hinge: most samples are satisfied."""
    return (1 - prediction * target.sign()).clamp(min=0).mean()


@pytest.mark.parametrize(
    ("loss", "expected"), [(of_marked, []), (of_nothing_that_is_nan, [("N104", "error")]), (of_one_side, [])]
)
def test_a_nan_in_a_sample_that_does_not_count_need_not_show(loss, expected):
    inputs = "prediction float[N]; target float[N]"
    assert fired(loss, "none", "N104", kind="loss", inputs=inputs) == expected


OURS = [cls for cls in vars(torchstone.activations).values() if isinstance(cls, type)]


@pytest.mark.parametrize("cls", OURS, ids=lambda cls: cls.__name__)
def test_our_own_are_without_a_finding(cls):
    subject = cls(dim=-1) if cls.__name__.endswith("Softmax") else cls()
    assert found(subject, None, "A", "N") == []


def test_where_an_overflow_begins_is_said():
    ((_, _, message),) = found(textbook_tanh, "tanh", "N103", kind="activation")
    assert "in float32 is nan, expected 1" in message
    place = float(message.split("x = ")[1].split(" in")[0])
    assert 88.7 < place < 101


def test_a_rounded_constant_is_one_finding():
    def selu(x):
        return 1.0507 * torch.where(x > 0, x, 1.67326 * torch.expm1(x))

    assert fired(selu, "selu", "A101", "A107", "N101", "N102", kind="activation") == [("A101", "warning")]


def test_units_in_the_last_place_are_counted_in_each_type():
    def sigmoid(x):
        return torch.sigmoid(x) * (1 + 12 * torch.finfo(x.dtype).eps)

    messages = [message for _, _, message in found(sigmoid, "sigmoid", "N101", kind="activation")]
    assert [message.split()[1] for message in messages] == ["float32", "float64", "bfloat16", "float16"]


# N104.


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (torch.relu, []),
        (lambda x: x.clamp(min=0), []),
        (lambda x: torch.where(x <= 0, 0.0, x), []),
        (lambda x: torch.where(x > 0, x, 0.0), [("N104", "warning")]),
        (lambda x: torch.nan_to_num(torch.relu(x)), [("N104", "warning")]),
    ],
)
def test_nan_in_an_activation(function, expected):
    assert fired(function, "relu", "N104", kind="activation") == expected


def test_nan_in_a_loss_is_an_error():
    def masked(prediction, target):
        off = (prediction - target).abs()
        return off[off > 0].mean()

    assert fired(masked, "l1", "N104", kind="loss") == [("N104", "error")]
    assert fired(lambda p, t: (p - t).abs().mean(), "l1", "N104", kind="loss") == []


# N105 to N108.


def test_a_sum_in_a_half_type_is_found_by_its_mean():
    def running(prediction, target):
        return torch.cumsum((prediction - target).abs().reshape(-1), 0)[-1] / prediction.numel()

    assert fired(running, "l1", "N105", kind="loss") == [("N105", "warning")]
    assert fired(lambda p, t: (p - t).abs().mean(), "l1", "N105", kind="loss") == []
    assert fired(lambda p, t: (p - t).abs().sum(), "none", "N105", kind="loss") == []


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda x: torch.sigmoid(x.float()).to(x.dtype if x.is_floating_point() else torch.float32), []),
        (lambda x: torch.sigmoid(x.float()), [("N106", "error")]),
        (lambda x: torch.sigmoid(x.double()), [("N106", "error")]),
        (lambda x: torch.sigmoid(x * torch.tensor([1.0], dtype=torch.float64)), [("N106", "error")]),
        (lambda x: torch.sigmoid(x * torch.tensor(1.0, dtype=torch.float64)), []),
        (lambda x: torch.sigmoid(x if x.dtype == torch.float64 else x.float()), [("N106", "warning")]),
    ],
)
def test_types(function, expected):
    assert fired(function, "sigmoid", "N106", kind="activation") == expected


def test_a_loss_in_float32_for_half_types_is_a_note():
    def mse(prediction, target):
        wide = torch.promote_types(prediction.dtype, torch.float32)
        return ((prediction - target).to(wide) ** 2).mean()

    assert fired(mse, "mse", "N106", kind="loss") == [("N106", "note")]


def test_whole_numbers_that_stay_whole_are_a_note():
    def sigmoid(x):
        result = torch.empty_like(x)
        result.copy_(torch.sigmoid(x))
        return result

    assert fired(sigmoid, "sigmoid", "N106", kind="activation") == [("N106", "note")]


def test_a_result_that_depends_on_its_neighbours_in_memory():
    ((_, severity, message),) = found(nn.GELU, "gelu", "N107")
    assert severity == "warning"
    assert "inf alone and nan 3 times" in message
    assert fired(lambda x: torch.tanh(x[:8]) if len(x) > 20 else torch.tanh(x), "none", "N107", kind="activation") == []


def test_autocast():
    class Doubled(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return (x.unsqueeze(-1) @ torch.full((1, 1), 2.0, dtype=x.dtype)).squeeze(-1)

        @staticmethod
        def backward(ctx, g):
            if g.dtype != torch.float32:
                raise RuntimeError("expected float32")
            return 2 * g

    assert fired(Doubled, "none", "N108", kind="activation") == [("N108", "warning")]
    assert fired(torch.tanh, "tanh", "N108", kind="activation") == []


def test_the_slow_tier_looks_at_every_value_of_a_half_type():
    def relu(x):
        return torch.relu(x) + torch.where(x == 13.1875, 1.0, 0.0).to(x.dtype)

    settings = {"definition": "relu", "kind": "activation", "select": ["N101"]}
    assert not check(relu, **settings).findings
    assert [finding.message.split()[1] for finding in check(relu, tier="slow", **settings).findings] == [
        "bfloat16",
        "float16",
    ]
