"""Losses where they are hard: saturated, infinite, masked, ignored, empty; and what holds for every row."""

import math

import mpmath
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, tensor

from torchstone.losses import (
    BCELoss,
    BCEWithLogitsLoss,
    CrossEntropyLoss,
    HuberLoss,
    L1Loss,
    MSELoss,
    NLLLoss,
    SmoothL1Loss,
)

INF, NAN = math.inf, math.nan
EVERY = {"reduction": "none"}
DTYPES = pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)


def value_and_slope(loss: torch.nn.Module, input: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    x = input.detach().clone().requires_grad_()
    y = loss(x, target)
    y.sum().backward()
    return y.detach(), x.grad


def assert_equal(got: Tensor, expected: object, rtol: float = 0.0) -> None:
    torch.testing.assert_close(got, torch.as_tensor(expected, dtype=got.dtype), rtol=rtol, atol=0, equal_nan=True)


@pytest.mark.parametrize(
    ("loss", "r", "value", "slope"),
    [
        (L1Loss(**EVERY), 1e20, 1e20, 1.0),
        (L1Loss(**EVERY), -INF, INF, -1.0),
        (L1Loss(**EVERY), 0.0, 0.0, 0.0),
        (L1Loss(**EVERY), -1e-45, 1e-45, -1.0),
        (L1Loss(**EVERY), NAN, NAN, NAN),
        (MSELoss(**EVERY), -1e19, 1e38, -2e19),
        (MSELoss(**EVERY), NAN, NAN, NAN),
        (HuberLoss(**EVERY), 1e20, 1e20, 1.0),
        (HuberLoss(delta=0.5, **EVERY), -INF, INF, -0.5),
        (HuberLoss(delta=2.0, **EVERY), 2.0, 2.0, 2.0),
        (HuberLoss(**EVERY), NAN, NAN, NAN),
        (SmoothL1Loss(beta=0.5, **EVERY), -1e20, 1e20, -1.0),
        (SmoothL1Loss(beta=2.0, **EVERY), 2.0, 1.0, 1.0),
        (SmoothL1Loss(beta=0.0, **EVERY), 0.0, 0.0, 0.0),
        (SmoothL1Loss(beta=1e-50, **EVERY), 0.0, 0.0, 0.0),
        (SmoothL1Loss(beta=1e30, **EVERY), 1e20, 5e9, 1e-10),
        (SmoothL1Loss(**EVERY), NAN, NAN, NAN),
    ],
)
def test_residuals(loss, r, value, slope):
    got = value_and_slope(loss, tensor([r]), tensor([0.0]))
    assert_equal(got[0], [value], rtol=2e-7)
    assert_equal(got[1], [slope], rtol=2e-7)


@pytest.mark.parametrize(
    ("p", "t", "value", "slope"),
    [
        (0.0, 0.0, 0.0, 1.0),
        (1.0, 1.0, 0.0, -1.0),
        (0.0, 1.0, 100.0, -1e12),
        (1.0, 0.0, 100.0, 1e12),
        (1e-30, 1.0, 69.07755279, -1e30),
        (1e-30, 0.0, 1e-30, 1.0),
        (1e-40, 1e-40, 9.3103404e-39, 0.0),
        (0.25, 0.25, 0.56233514, 0.0),
    ],
)
def test_probabilities_near_their_ends(p, t, value, slope):
    got = value_and_slope(BCELoss(**EVERY), tensor([p]), tensor([t]))
    assert_equal(got[0], [value], rtol=1e-5)
    assert_equal(got[1], [slope], rtol=1e-5)


@pytest.mark.parametrize("options", [{}, {"pos_weight": tensor(1.0)}, {"weight": tensor(1.0)}], ids=str)
@pytest.mark.parametrize(
    ("x", "t", "value", "slope"),
    [
        (1e4, 1.0, 0.0, 0.0),
        (-1e4, 1.0, 1e4, -1.0),
        (1e4, 0.0, 1e4, 1.0),
        (1e4, 0.25, 7.5e3, 0.75),
        (40.0, 1.0, math.exp(-40), -math.exp(-40)),
        (-40.0, 0.0, math.exp(-40), math.exp(-40)),
        (0.0, 0.5, math.log(2), 0.0),
        (3e38, 0.0, 3e38, 1.0),
        (INF, 1.0, 0.0, 0.0),
        (-INF, 0.0, 0.0, 0.0),
        (INF, 0.0, INF, 1.0),
        (-INF, 0.5, INF, -0.5),
        (NAN, 1.0, NAN, NAN),
    ],
)
def test_binary_logits(x, t, value, slope, options):
    got = value_and_slope(BCEWithLogitsLoss(**options, **EVERY), tensor([x]), tensor([t]))
    assert_equal(got[0], [value], rtol=2e-7)
    assert_equal(got[1], [slope], rtol=2e-7)


def test_second_derivative_of_a_logit_at_zero():
    # Built from |x|, whose derivative at 0 PyTorch takes as 0: the logits of a new network are all there.
    x = torch.zeros((), dtype=torch.float64)
    f = BCEWithLogitsLoss()
    assert torch.func.hessian(f)(x, x + 0.5) == 0.25
    mixed = torch.func.jacrev(torch.func.jacrev(BCEWithLogitsLoss(pos_weight=tensor(3.0, dtype=x.dtype)), 1), 0)
    assert mixed(x, x + 0.5) == -2.0


SMALL = 2.0611536203e-09  # log(1 + e^-20)


@pytest.mark.parametrize("given_as", ["index", "one-hot"])
@pytest.mark.parametrize(
    ("z", "y", "value", "slope"),
    [
        ([20.0, 0.0], 0, SMALL, [-SMALL, SMALL]),
        ([0.0, 20.0], 0, 20.0, [-1.0, 1.0]),
        ([1e4, -1e4], 0, 0.0, [0.0, 0.0]),
        ([1e4, -1e4], 1, 2e4, [1.0, -1.0]),
        ([1e4, 1e4], 1, math.log(2), [0.5, -0.5]),
        ([-INF, 0.0, 0.0], 1, math.log(2), [0.0, -0.5, 0.5]),
        ([-INF, 0.0, 0.0], 0, INF, [-1.0, 0.5, 0.5]),
        ([INF, 0.0], 0, 0.0, [0.0, 0.0]),
        ([INF, 0.0], 1, INF, [1.0, -1.0]),
        ([NAN, 0.0], 1, NAN, [NAN, NAN]),
        ([-INF, -INF], 1, NAN, [NAN, NAN]),
        ([5.0], 0, 0.0, [0.0]),
    ],
)
def test_class_logits(z, y, value, slope, given_as):
    target = tensor([y])
    if given_as == "one-hot":
        target = torch.nn.functional.one_hot(target, len(z)).float()
    got = value_and_slope(CrossEntropyLoss(**EVERY), tensor([z]), target)
    assert_equal(got[0], [value], rtol=1e-6)
    assert_equal(got[1], [slope], rtol=1e-6)


def test_a_bad_row_stays_alone():
    z = tensor([[0.0, 1.0], [-INF, 0.0], [NAN, 0.0], [2.0, 0.0]])
    value, slope = value_and_slope(CrossEntropyLoss(**EVERY), z, tensor([0, 0, 0, 0]))
    clean = value_and_slope(CrossEntropyLoss(**EVERY), z[[0, 3]], tensor([0, 0]))
    assert_equal(value[[0, 3]], clean[0])
    assert_equal(slope[[0, 3]], clean[1])


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("weight", [None, tensor([0.0, 2.0, 1.0])], ids=["plain", "weighted"])
@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
@pytest.mark.parametrize("anything", [NAN, INF, -INF, 3e38])
def test_ignored_rows_may_hold_anything(anything, reduction, weight, smoothing):
    loss = CrossEntropyLoss(weight, reduction=reduction, label_smoothing=smoothing)
    z = tensor([[1.0, 2.0, 3.0], [anything, anything, 0.0], [0.0, 5.0, 1.0]])
    value, slope = value_and_slope(loss, z, tensor([1, -100, 2]))
    alone, alone_slope = value_and_slope(loss, z[[0, 2]], tensor([1, 2]))
    assert_equal(value[[0, 2]] if reduction == "none" else value, alone)
    assert_equal(slope[[0, 2]], alone_slope)
    assert_equal(slope[1], torch.zeros(3))
    if reduction == "none":
        assert value[1] == 0


@pytest.mark.parametrize("target", [tensor([1, 1]), tensor([[0.5, 0.5], [0.0, 1.0]])], ids=["index", "probabilities"])
def test_a_class_without_weight_may_be_impossible(target):
    z = tensor([[-INF, 0.0], [-INF, 1.0]])
    value, slope = value_and_slope(CrossEntropyLoss(tensor([0.0, 1.0]), **EVERY), z, target)
    assert_equal(value, [0.0, 0.0])
    assert_equal(slope, torch.zeros(2, 2))
    assert_equal(value_and_slope(NLLLoss(tensor([0.0, 1.0]), **EVERY), z, tensor([0, 1]))[0], [0.0, -1.0])


def test_smoothing_asks_for_every_class():
    value, _ = value_and_slope(CrossEntropyLoss(label_smoothing=0.1), tensor([[0.0, -INF]]), tensor([0]))
    assert value == INF


NOTHING = [
    (L1Loss, torch.zeros(0, 3), torch.zeros(0, 3)),
    (MSELoss, torch.zeros(0), torch.zeros(0)),
    (HuberLoss, torch.zeros(0, 3), torch.zeros(0, 3)),
    (SmoothL1Loss, torch.zeros(2, 0), torch.zeros(2, 0)),
    (BCELoss, torch.zeros(0, 3), torch.zeros(0, 3)),
    (BCEWithLogitsLoss, torch.zeros(0, 3), torch.zeros(0, 3)),
    (CrossEntropyLoss, torch.zeros(0, 3), torch.zeros(0, dtype=torch.long)),
    (CrossEntropyLoss, torch.zeros(0, 3), torch.zeros(0, 3)),
    (CrossEntropyLoss, torch.ones(2, 3), tensor([-100, -100])),
    (NLLLoss, torch.ones(2, 3), tensor([-100, -100])),
]


@pytest.mark.parametrize(("name", "x", "t"), NOTHING)
def test_nothing(name, x, t):
    value, slope = value_and_slope(name(reduction="mean"), x, t)
    assert value.isnan()
    assert_equal(slope, torch.zeros_like(x))
    value, slope = value_and_slope(name(reduction="sum"), x, t)
    assert value == 0
    assert_equal(slope, torch.zeros_like(x))
    assert name(reduction="none")(x, t).sum() == 0


@pytest.mark.parametrize("loss", [CrossEntropyLoss, NLLLoss])
def test_no_weight_at_all_is_a_mean_of_nothing(loss):
    value, slope = value_and_slope(loss(torch.zeros(3)), torch.ones(2, 3), tensor([0, 2]))
    assert value.isnan()
    assert_equal(slope, torch.zeros(2, 3))


@DTYPES
@pytest.mark.parametrize("n", [1, 3, 1000])
def test_a_mean_overflows_only_where_it_must(dtype, n):
    large = torch.finfo(dtype).max
    x = torch.full((n,), large, dtype=dtype)
    value, slope = value_and_slope(L1Loss(), x, torch.zeros_like(x))
    assert_equal(value, large, rtol=4 * torch.finfo(dtype).eps)
    assert_equal(slope, torch.full_like(x, 1 / n))
    assert L1Loss(reduction="sum")(torch.cat([x, x]), torch.zeros(2 * n, dtype=dtype)) == INF


@DTYPES
def test_a_mean_of_the_smallest_keeps_them(dtype):
    x = torch.full((64,), torch.finfo(dtype).tiny / 2**10, dtype=dtype)
    assert_equal(L1Loss()(x, torch.zeros_like(x)), x[0])


@DTYPES
def test_a_weighted_mean_overflows_only_where_it_must(dtype):
    z = torch.tensor([[0.0, torch.finfo(dtype).max]] * 4, dtype=dtype)
    value, slope = value_and_slope(CrossEntropyLoss(torch.ones(2, dtype=dtype)), z, tensor([0, 0, 0, 0]))
    assert_equal(value, torch.finfo(dtype).max)
    assert_equal(slope, [[-0.25, 0.25]] * 4)


def test_the_gradient_of_a_mean_does_not_overflow_on_the_way():
    x = torch.full((4,), 3e38)
    assert_equal(value_and_slope(MSELoss(), x, torch.zeros(4))[1], torch.full((4,), 1.5e38))


def ulps(got: Tensor, true: list, allowance: list) -> float:
    """The largest error, in units in the last place of the true number and what the input's rounding puts on it."""
    eps = torch.finfo(got.dtype).eps
    pairs = zip(got.flatten().tolist(), true, allowance, strict=True)
    return max(
        float(abs(g - v) / (mpmath.mpf(2) ** mpmath.floor(mpmath.log(abs(v) + a, 2)) * eps)) for g, v, a in pairs
    )


@DTYPES
def test_cross_entropy_is_accurate_to_two_ulp(dtype):
    """Confident, right and wrong, against 60 digits."""
    torch.manual_seed(1)
    z = torch.randn(40, 5, dtype=dtype) * 2
    z[torch.arange(40), torch.arange(40) % 5] += torch.linspace(0, 80, 40, dtype=dtype)
    y = torch.arange(40) % 5
    y[::3] = 2
    value, slope = value_and_slope(CrossEntropyLoss(**EVERY), z, y)
    with mpmath.workdps(60):
        true, true_slope, slack, slope_slack = [], [], [], []
        for row, k in zip(z.tolist(), y.tolist(), strict=True):
            e = [mpmath.exp(c) for c in row]
            p = [c / sum(e) for c in e]
            rest = sum(c for i, c in enumerate(p) if i != k)
            slopes = [-rest if i == k else c for i, c in enumerate(p)]
            true.append(mpmath.log(sum(e)) - row[k])
            true_slope += slopes
            slack.append(sum(abs(c * s) for c, s in zip(row, slopes, strict=True)))
            slope_slack += [sum(abs(row[j] * p[i] * ((i == j) - p[j])) for j in range(5)) for i in range(5)]
        assert ulps(value, true, slack) <= 2
        assert ulps(slope, true_slope, slope_slack) <= 2


@DTYPES
def test_binary_cross_entropy_is_accurate_to_two_ulp(dtype):
    x = torch.linspace(-80, 80, 161, dtype=dtype)
    t = (torch.arange(161) % 2).to(dtype)
    value, slope = value_and_slope(BCEWithLogitsLoss(**EVERY), x, t)
    with mpmath.workdps(60):
        pairs = list(zip(x.tolist(), t.tolist(), strict=True))
        signed = [-v if k else v for v, k in pairs]
        true = [mpmath.log1p(mpmath.exp(s)) for s in signed]
        p = [1 / (1 + mpmath.exp(-s)) for s in signed]
        true_slope = [-q if k else q for q, (_, k) in zip(p, pairs, strict=True)]
        assert ulps(value, true, [abs(s * q) for s, q in zip(signed, p, strict=True)]) <= 2
        assert ulps(slope, true_slope, [abs(s * q * (1 - q)) for s, q in zip(signed, p, strict=True)]) <= 2


logits = st.lists(st.floats(-50, 50), min_size=2, max_size=6)


@given(logits, st.floats(-100, 100), st.data())
def test_shifting_all_logits_changes_nothing(row, shift, data):
    y = tensor(data.draw(st.integers(0, len(row) - 1)))
    z = tensor(row, dtype=torch.float64)
    torch.testing.assert_close(CrossEntropyLoss()(z + shift, y), CrossEntropyLoss()(z, y), rtol=1e-12, atol=1e-12)


@given(logits, st.data())
def test_an_index_is_a_one_hot_probability(row, data):
    y = tensor([data.draw(st.integers(0, len(row) - 1))])
    z = tensor([row], dtype=torch.float64)
    weight = torch.linspace(0.5, 2, len(row), dtype=torch.float64)
    smoothing = data.draw(st.sampled_from([0.0, 0.2]))
    loss = CrossEntropyLoss(weight, reduction="sum", label_smoothing=smoothing)
    one_hot = torch.nn.functional.one_hot(y, len(row)).double()
    for a, b in zip(value_and_slope(loss, z, y), value_and_slope(loss, z, one_hot), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-13, atol=1e-300)


@given(logits, st.data())
def test_the_slopes_of_a_row_cancel(row, data):
    y = data.draw(st.integers(0, len(row) - 1))
    _, slope = value_and_slope(CrossEntropyLoss(), tensor(row), tensor(y))
    others = torch.cat([slope[:y], slope[y + 1 :]])
    assert slope[y] <= 0 <= others.min()
    torch.testing.assert_close(-slope[y], others.sum(), rtol=1e-6, atol=0)


@given(logits, st.permutations(range(6)), st.data())
def test_classes_have_no_order(row, order, data):
    order = [i for i in order if i < len(row)]
    y = data.draw(st.integers(0, len(row) - 1))
    z = tensor(row, dtype=torch.float64)
    value, slope = value_and_slope(CrossEntropyLoss(), z, tensor(y))
    moved, moved_slope = value_and_slope(CrossEntropyLoss(), z[order], tensor(order.index(y)))
    torch.testing.assert_close(moved, value, rtol=1e-13, atol=0)
    torch.testing.assert_close(moved_slope, slope[order], rtol=1e-13, atol=0)


@given(st.floats(-30, 30), st.floats(0, 1))
def test_a_logit_and_its_probability_agree(x, t):
    x, t = tensor(x, dtype=torch.float64), tensor(t, dtype=torch.float64)
    of_p = BCELoss()(1 / (1 + torch.exp(-x)), t)
    torch.testing.assert_close(BCEWithLogitsLoss()(x, t), of_p, rtol=1e-3, atol=1e-15)


@given(st.floats(-1e3, 1e3), st.floats(1e-3, 1e3))
def test_huber_is_delta_times_smooth_l1(r, delta):
    r, zero = tensor(r, dtype=torch.float64), tensor(0.0, dtype=torch.float64)
    torch.testing.assert_close(
        HuberLoss(delta=delta)(r, zero), delta * SmoothL1Loss(beta=delta)(r, zero), rtol=1e-14, atol=0
    )
