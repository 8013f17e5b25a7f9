"""What the rules on options and extremes of losses say, and that PyTorch's own losses pass."""

import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from torchstone.check.api import check

ROWS = "logits float[N,C]; target int64[N] in [0,C)"


def findings(thing, code, **settings):
    """The findings of one rule."""
    report = check(thing, select=[code], tier="full", **settings)
    assert not report.faults, report.faults
    return [finding for finding in report.findings if finding.rule == code]


# L111


class Weighted(nn.Module):
    def __init__(self, weight: Tensor | None = None, ignore_index: int = -100, label_smoothing: float = 0.0) -> None:
        super().__init__()
        self.weight, self.ignore_index, self.smoothing = weight, ignore_index, label_smoothing

    def forward(self, logits, target):
        return F.cross_entropy(
            logits, target, self.weight, ignore_index=self.ignore_index, label_smoothing=self.smoothing
        )


class Unweighted(Weighted):
    def forward(self, logits, target):
        return F.cross_entropy(logits, target, ignore_index=self.ignore_index, label_smoothing=self.smoothing)


class LeakingIgnored(Weighted):
    """The ignored rows cost nothing, and still have a gradient."""

    def forward(self, logits, target):
        loss = super().forward(logits, target)
        return loss + 1e-3 * (logits - logits.detach()).sum()


@pytest.mark.parametrize("settings", [{"definition": "cross_entropy"}, {"kind": "loss", "inputs": ROWS}])
def test_options_are_followed(settings):
    assert not findings(Weighted, "L111", **settings)
    assert "changes nothing" in findings(Unweighted, "L111", **settings)[0].message


WEIGHT = [1.0, 2.0, 0.5]
AS_PYTORCH = "torch.nn.CrossEntropyLoss(weight=[1.0, 2.0, 0.5])"


class OverRows(nn.Module):
    """The weighted mean divides by the number of rows. The weight is an attribute, or a buffer."""

    def __init__(self, weight: Tensor | None = None, buffered: bool = False) -> None:
        super().__init__()
        if buffered:
            self.register_buffer("weight", weight)
        else:
            self.weight = weight

    def costs(self, logits, target):
        weight = logits.new_ones(3) if self.weight is None else self.weight.to(logits.dtype)
        return F.cross_entropy(logits, target, reduction="none") * weight[target], weight[target]

    def forward(self, logits, target):
        return self.costs(logits, target)[0].mean()


class OverWeights(OverRows):
    def forward(self, logits, target):
        costs, weights = self.costs(logits, target)
        return costs.sum() / weights.sum()


class Fixed(OverWeights):
    def __init__(self) -> None:
        super().__init__(torch.tensor(WEIGHT), buffered=True)


def weighted(logits, target, weight):
    return F.cross_entropy(logits, target, weight)


def weighted_over_rows(logits, target, weight):
    return (F.cross_entropy(logits, target, reduction="none") * weight[target]).mean()


GIVEN = {"inputs": ROWS + "; weight float[C] in (0,inf)", "definition": "cross_entropy"}
TOLD = [
    {"kwargs": {"weight": WEIGHT}, "like": AS_PYTORCH},
    {"kwargs": {"weight": WEIGHT, "buffered": True}, "definition": "cross_entropy"},
    {"like": AS_PYTORCH},
]


@pytest.mark.parametrize(
    ("loss", "settings"),
    [
        *[(OverRows, settings) for settings in TOLD],
        (OverRows(torch.tensor(WEIGHT)), {"like": AS_PYTORCH}),
        (weighted_over_rows, GIVEN),
    ],
)
def test_a_weighted_mean_over_the_rows_is_found_with_its_cause(loss, settings):
    (found,) = findings(loss, "L101", **settings)
    assert found.cause == "the mean is over the rows, not over the summed weights of their classes"


@pytest.mark.parametrize(
    ("loss", "settings"),
    [
        *[(OverWeights, settings) for settings in TOLD],
        (OverWeights(torch.tensor(WEIGHT)), {"like": AS_PYTORCH}),
        (Fixed, {"definition": "cross_entropy"}),
        (weighted, GIVEN),
        (nn.CrossEntropyLoss(torch.tensor([*WEIGHT, 3.0, 0.25])), {}),
        (nn.NLLLoss(torch.tensor(WEIGHT)), {}),
        (nn.BCEWithLogitsLoss(pos_weight=torch.tensor(WEIGHT)), {}),
        (nn.BCEWithLogitsLoss(pos_weight=torch.tensor([*WEIGHT, 3.0, 0.25])), {}),
    ],
)
def test_weights_are_no_finding(loss, settings):
    report = check(loss, select=["L"], **settings)
    assert not report.faults, report.faults
    assert not [found.message for found in report.findings if found.severity != "note"]


class OverflowingWithWeights(OverRows):
    def costs(self, logits, target):
        picked = torch.softmax(logits, 1).gather(1, target.unsqueeze(1)).squeeze(1)
        return -picked.log() * self.weight[target], self.weight[target]

    def forward(self, logits, target):
        costs, weights = self.costs(logits, target)
        return costs.sum() / weights.sum()


def test_an_overflow_is_found_for_as_many_classes_as_there_are_weights():
    loss = OverflowingWithWeights(torch.tensor([*WEIGHT, 3.0, 0.25]))
    assert findings(loss, "L113", definition="cross_entropy")


def test_a_gradient_of_an_ignored_row_is_found():
    found = findings(LeakingIgnored, "L111", kind="loss", inputs=ROWS)
    assert any("the gradient of a row ignored" in each.message for each in found)


@pytest.mark.parametrize(
    "loss",
    [nn.CrossEntropyLoss, nn.BCELoss, nn.BCEWithLogitsLoss, nn.HuberLoss, nn.SmoothL1Loss, nn.GaussianNLLLoss],
)
def test_pytorch_follows_its_options(loss):
    assert not findings(loss, "L111")


IN_TIME = "logits float[N,C,T]; target int64[N,T] in [0,C)"


class Sequences(nn.Module):
    """Each sequence's own mean, then their mean: those with few labels that count weigh too much."""

    def __init__(self, ignore_index: int = -100) -> None:
        super().__init__()
        self.ignore_index = ignore_index

    def mean(self, costs, counts):
        axes = tuple(range(1, costs.dim()))
        return (costs.sum(axes) / counts.sum(axes)).mean() if axes else costs.sum() / counts.sum()

    def forward(self, logits, target):
        costs = F.cross_entropy(logits, target, ignore_index=self.ignore_index, reduction="none")
        return self.mean(costs, target != self.ignore_index)


class AllThatCount(Sequences):
    def mean(self, costs, counts):
        return costs.sum() / counts.sum()


def of_sequences(logits, target):
    """The index is written in the code."""
    return Sequences()(logits, target)


@pytest.mark.parametrize("settings", [{}, {"inputs": IN_TIME}])
@pytest.mark.parametrize("loss", [Sequences, of_sequences])
def test_the_mean_of_the_sequences_means_is_found(loss, settings):
    (found,) = findings(loss, "L111", definition="cross_entropy", **settings)
    assert found.severity == "error"
    assert found.cause == "it is the mean of the sequences' own means"


@pytest.mark.parametrize("settings", [{}, {"inputs": IN_TIME}])
@pytest.mark.parametrize("loss", [AllThatCount, nn.CrossEntropyLoss, nn.NLLLoss])
def test_the_mean_over_all_that_counts_is_right(loss, settings):
    name = "cross_entropy" if loss is AllThatCount else None
    assert not findings(loss, "L111", definition=name, **(settings if loss is not nn.NLLLoss else {}))


# L109


class _Squared(torch.autograd.Function):
    @staticmethod
    def forward(ctx, prediction, target):
        ctx.save_for_backward(prediction, target)
        return (prediction - target).square().mean()

    @staticmethod
    def backward(ctx, grad):
        prediction, target = ctx.saved_tensors
        slope = 2 * grad * (prediction - target) / prediction.numel()
        return slope, slope


class _Honest(_Squared):
    @staticmethod
    def backward(ctx, grad):
        return _Squared.backward(ctx, grad)[0], None


class _Zeros(_Squared):
    @staticmethod
    def backward(ctx, grad):
        slope = _Squared.backward(ctx, grad)[0]
        return slope, torch.zeros_like(slope)


@pytest.mark.parametrize(("loss", "severities"), [(_Squared, ["warning"]), (_Zeros, ["warning"]), (_Honest, [])])
def test_the_target_s_gradient_is_looked_at_at_once(loss, severities):
    report = check(loss, definition="mse")
    assert [found.severity for found in report.findings if found.rule == "L109"] == severities


# L113


class Guarded(nn.Module):
    """The constant can be chosen: its author knows of it."""

    def __init__(self, eps: float = 1e-6) -> None:
        super().__init__()
        self.eps = eps

    def forward(self, prediction, target):
        kept = prediction.clamp(self.eps, 1 - self.eps)
        return -(target * kept.log() + (1 - target) * (1 - kept).log()).mean()


def clamped(prediction, target):
    kept = torch.clamp(prediction, min=1e-8, max=0.9999999)
    return -torch.mean(target * torch.log(kept) + (1 - target) * torch.log(1 - kept))


def shifted(prediction, target):
    return -(target * (prediction + 1e-10).log() + (1 - target) * (1 - prediction + 1e-10).log()).mean()


def plain(prediction, target):
    return -(torch.special.xlogy(target, prediction) + torch.special.xlog1py(1 - target, -prediction)).mean()


def test_both_clamping_constants_are_named():
    messages = " ".join(found.message for found in findings(clamped, "L113", definition="bce"))
    assert "clamped 1e-08 from the end" in messages
    assert "clamped 1e-07 from the end" in messages
    assert "18.42068, expected 100 or inf" in messages


def test_a_constant_that_is_added_is_named():
    messages = [found.message for found in findings(shifted, "L113", definition="bce")]
    assert any("1e-10 guards the logarithm" in message for message in messages)


def test_a_constant_that_can_be_chosen_is_a_warning():
    found = findings(Guarded, "L113", definition="bce")
    assert {each.severity for each in found} == {"warning"}


def test_a_value_may_be_infinite_where_the_logarithm_is_but_no_gradient_not_a_number():
    messages = [found.message for found in findings(plain, "L113", definition="bce")]
    assert not any("the loss" in message for message in messages)


OF_PROBABILITIES = {
    "formula": "-(target*log(prediction) + (1 - target)*log(1 - prediction))",
    "inputs": "prediction float[N,d] in [0,1]; target float[N,d] in {0,1}",
}
OF_LOGITS = {
    "formula": "log(1 + exp(logits)) - target*logits",
    "inputs": "logits float[N,d]; target float[N,d] in {0,1}",
}


def of_a_clamped_sigmoid(logits, target):
    return clamped(torch.sigmoid(logits), target)


@pytest.mark.parametrize(
    ("loss", "settings", "said"),
    [
        (clamped, OF_PROBABILITIES, ("clamped 1e-08 from the end", "clamped 1e-07 from the end")),
        (shifted, OF_PROBABILITIES, ("1e-10 guards the logarithm",) * 2),
        (of_a_clamped_sigmoid, OF_LOGITS, ("clamped 1e-08 from the end", "clamped 1.192093e-07 from the end")),
    ],
)
def test_the_constants_are_named_where_a_formula_says_nothing_at_the_ends(loss, settings, said):
    messages = sorted(found.message for found in findings(loss, "L113", **settings))
    assert len(messages) == 2
    assert all(any(each in message for message in messages) for each in said)


class Balanced(nn.Module):
    """A weight of 1/4 makes little of a clamped logarithm."""

    def __init__(self, alpha: float = 0.25) -> None:
        super().__init__()
        self.alpha = alpha

    def forward(self, logits, target):
        kept = torch.sigmoid(logits).double().clamp(1e-8, 1 - 1e-8)
        costs = -(self.alpha * target * kept.log() + (1 - self.alpha) * (1 - target) * (1 - kept).log())
        return costs.mean().to(logits.dtype)


def test_a_weight_is_no_part_of_the_constant():
    formula = "alpha*target*log(1 + exp(-logits)) + (1 - alpha)*(1 - target)*log(1 + exp(logits))"
    messages = [found.message for found in findings(Balanced, "L113", formula=formula, inputs=OF_LOGITS["inputs"])]
    assert len(messages) == 2
    assert all("clamped 1e-08 from the end" in message for message in messages)


def by_softplus(logits, target):
    return (F.softplus(logits) - target * logits).mean()


@pytest.mark.parametrize(("loss", "settings"), [(plain, OF_PROBABILITIES), (by_softplus, OF_LOGITS)])
def test_a_formula_without_constants_is_right(loss, settings):
    assert not findings(loss, "L113", **settings)


def test_a_probability_next_to_1_is_told_from_it():
    assert any("prediction = 1 - 8.9e-16" in each.message for each in findings(clamped, "L113", **OF_PROBABILITIES))


def softmax_then_log(logits, target):
    return -torch.log(torch.softmax(logits, 1)).gather(1, target.unsqueeze(1)).mean()


def by_one_hot(logits, target):
    """Right, but for a masked logit: 0 times -inf."""
    return -(F.one_hot(target, logits.shape[1]) * torch.log_softmax(logits, 1)).sum(1).mean()


def root_of_squares(prediction, target):
    return ((prediction - target) ** 2 + 1e-6).sqrt().mean()


@pytest.mark.parametrize(
    ("loss", "definition", "severity"),
    [
        (softmax_then_log, "cross_entropy", "error"),
        (by_one_hot, "cross_entropy", "warning"),
        (root_of_squares, "charbonnier", "warning"),
    ],
)
def test_how_severe_an_overflow_is(loss, definition, severity):
    assert {found.severity for found in findings(loss, "L113", definition=definition)} == {severity}


def log_cosh(prediction, target):
    return torch.log(torch.cosh(prediction - target)).mean()


def log_cosh_by_softplus(prediction, target):
    residual = prediction - target
    return (residual + F.softplus(-2 * residual) - math.log(2)).mean()


def test_outliers_of_a_few_hundred_are_no_rarity():
    assert findings(log_cosh, "L113", definition="log_cosh")[0].severity == "error"
    assert not findings(log_cosh_by_softplus, "L113", definition="log_cosh")


# PyTorch's own.

LOSSES = [
    nn.L1Loss, nn.MSELoss, nn.HuberLoss, nn.SmoothL1Loss, nn.BCELoss, nn.BCEWithLogitsLoss, nn.CrossEntropyLoss,
    nn.NLLLoss, nn.KLDivLoss, nn.PoissonNLLLoss, nn.GaussianNLLLoss, nn.MarginRankingLoss, nn.HingeEmbeddingLoss,
    nn.CosineEmbeddingLoss, nn.MultiMarginLoss, nn.MultiLabelSoftMarginLoss,
]  # fmt: skip


@pytest.mark.parametrize("loss", LOSSES, ids=lambda each: each.__name__)
def test_pytorch_has_no_error(loss):
    report = check(loss(), select=["L"])
    assert not report.faults
    assert not [found.message for found in report.errors]


def test_pytorchs_soft_margin_overflows():
    """log(1 + exp(-t x)), as it stands: infinite beyond 88.7 in float32."""
    (found,) = [each for each in check(nn.SoftMarginLoss()).findings if each.rule == "L113"]
    assert "is inf, expected 200" in found.message
    # What PyTorch does itself is nobody's error.
    assert found.severity == "warning"
    assert found.message.endswith("; torch.nn.SoftMarginLoss gives the same")
