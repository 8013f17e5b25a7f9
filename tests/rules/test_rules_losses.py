"""What the rules on losses say, to whom, and how severely, beyond what their mutants show."""

import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from torchstone.check.api import check

PAIRS = "prediction float[N,d]; target float[N,d]"


def findings(thing, code, **settings):
    """The findings of one rule."""
    report = check(thing, select=[code], tier="full", **settings)
    assert not report.faults, report.faults
    return [finding for finding in report.findings if finding.rule == code]


def outcome(thing, code, **settings):
    report = check(thing, select=[code], tier="full", **settings)
    return next(result for result in report.subjects[0].results if result.code == code)


class Reducible(nn.Module):
    """A loss whose elements come from `element`."""

    def __init__(self, reduction: str = "mean") -> None:
        super().__init__()
        self.reduction = reduction

    def element(self, prediction, target):
        return (prediction - target).square()

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        loss = self.element(prediction, target)
        return {"none": loss, "mean": loss.mean(), "sum": loss.sum()}[self.reduction]


# L101


def halved(prediction, target):
    return ((prediction - target) ** 2).mean() / 2


def summed(prediction, target):
    return ((prediction - target) ** 2).sum()


def in_bits(prediction, target):
    return -(target * prediction.log2() + (1 - target) * (1 - prediction).log2()).mean()


def squared_at_zero(prediction, target):
    """Wrong only where the residual is exactly 0."""
    residual = (prediction - target).abs()
    return torch.where(residual == 0, torch.ones_like(residual), residual).mean()


def transposed(prediction, target):
    return (prediction - target).abs().mean(dim=0)


@pytest.mark.parametrize(
    ("loss", "definition", "said"),
    [
        (halved, "mse", "expected"),
        (summed, "mse", "expected"),
        (in_bits, "bce", "expected"),
        (squared_at_zero, "l1", "is 1, expected 0"),
        (transposed, "l1", "shape"),
    ],
)
def test_a_wrong_value_is_an_error(loss, definition, said):
    (found,) = findings(loss, "L101", definition=definition)
    assert found.severity == "error"
    assert said in found.message


def with_a_guard(prediction, target):
    """A constant of 1e-12 is no matter of logic."""
    return -(target * (prediction + 1e-12).log() + (1 - target) * (1 - prediction + 1e-12).log()).mean()


def through_float32(prediction, target):
    return (prediction.float() - target.float()).square().mean()


@pytest.mark.parametrize(("loss", "definition"), [(with_a_guard, "bce"), (through_float32, "mse")])
def test_rounding_and_guards_are_no_matter_of_logic(loss, definition):
    assert not findings(loss, "L101", definition=definition)


WING = (
    "Piecewise((w*log(1 + Abs(pred - target)/eps), Abs(pred - target) < w), "
    "(Abs(pred - target) - w + w*log(1 + w/eps), True))"
)


class Wing(nn.Module):
    def __init__(self, w: float = 10.0, eps: float = 2.0) -> None:
        super().__init__()
        self.w, self.eps = w, eps

    def constant(self):
        return self.w - self.w * math.log(1 + self.w / self.eps)

    def forward(self, pred, target):
        residual = (pred - target).abs()
        return torch.where(
            residual < self.w, self.w * (1 + residual / self.eps).log(), residual - self.constant()
        ).mean()


class WingWithAnotherConstant(Wing):
    def constant(self):
        return self.w - self.w * math.log(self.w / self.eps)


class Beyond(nn.Module):
    """0 as long as a square and what belongs to it are small."""

    def __init__(self, a: float = 17.0) -> None:
        super().__init__()
        self.a = a

    def outside(self, residual):
        return residual.square()

    def forward(self, pred, target):
        residual = pred - target
        return torch.where(residual * residual + residual > self.a, self.outside(residual), 0.0 * residual).mean()


class BeyondOnOneSide(Beyond):
    def outside(self, residual):
        return torch.where(residual > 0, residual.square(), residual.abs())


@pytest.mark.parametrize(
    ("right", "wrong", "formula"),
    [
        (Wing, WingWithAnotherConstant, WING),
        (Beyond, BeyondOnOneSide, "Piecewise(((pred-target)**2, (pred-target)**2 + (pred-target) > a), (0, True))"),
    ],
)
def test_each_piece_of_a_formula_is_looked_at(right, wrong, formula):
    assert not findings(right, "L101", formula=formula)
    assert findings(wrong, "L101", formula=formula)


def test_what_jumps_is_not_looked_at_where_rounding_decides():
    formula = "Piecewise((1, Abs(pred - target) < w), (0, True))"
    within = lambda pred, target, w=0.3: ((pred - target).abs() < w).to(pred).mean()  # noqa: E731
    assert not findings(within, "L101", formula=formula, kind="loss")


def divergence(log_q, p):
    return torch.special.xlogy(p, p).sub(p * log_q).sum() / len(p)


def test_the_mean_over_the_rows_of_distributions_is_noted():
    inputs = "log_q float[N,C] in log-simplex; p float[N,C] in simplex"
    (found,) = findings(divergence, "L101", definition="kl_div", inputs=inputs)
    assert found.severity == "note"
    assert "batchmean" in found.message


# L102


def distance(first, second):
    return (first - second + 1e-6).square().sum(dim=1).sqrt()


def manhattan(first, second):
    return (first - second).abs().sum(dim=1)


def test_without_a_definition_the_counterpart_is_the_measure():
    settings = {"like": "torch.nn.PairwiseDistance()", "kind": "loss", "inputs": "first float[N,d]; second float[N,d]"}
    assert outcome(distance, "L102", **settings).outcome == "passed"
    (found,) = findings(manhattan, "L102", **settings)
    assert "torch.nn.PairwiseDistance" in found.message


def test_a_wrong_value_is_said_once():
    report = check(halved, definition="mse", select=["L101", "L102"])
    assert [found.rule for found in report.findings] == ["L101"]


# L103


class MeanOverRows(Reducible):
    def forward(self, prediction, target):
        loss = self.element(prediction, target)
        return loss.sum() / len(loss) if self.reduction == "mean" else super().forward(prediction, target)


class KeepsDimension(Reducible):
    def forward(self, prediction, target):
        return super().forward(prediction, target).reshape(-1)


def test_a_mean_over_the_rows_is_named():
    (found,) = findings(MeanOverRows, "L103", kind="loss", inputs=PAIRS)
    assert "divided by the 4 rows, not by the 20 elements" in found.message


def test_a_single_number_in_a_row_is_a_number():
    assert not findings(KeepsDimension, "L103", kind="loss", inputs="prediction float[N]; target float[N]")


def test_without_a_choice_there_is_no_algebra():
    assert outcome(halved, "L103", kind="loss", inputs=PAIRS).outcome == "not applicable"


# L104


def absolute(prediction, target):
    return (prediction - target).abs().mean()


def refusing(prediction, target):
    if prediction.shape != target.shape:
        raise ValueError("shapes differ")
    return absolute(prediction, target)


@pytest.mark.parametrize(
    ("loss", "severity"), [(absolute, "warning"), (nn.L1Loss, "note"), (nn.PoissonNLLLoss, "warning")]
)
def test_broadcasting_is_a_warning_and_with_a_warning_a_note(loss, severity):
    name = {"absolute": "l1"}.get(loss.__name__)
    assert [found.severity for found in findings(loss, "L104", definition=name)] == [severity]


@pytest.mark.parametrize(
    ("loss", "name", "said"),
    [
        (absolute, "l1", "(torch.nn.L1Loss broadcasts them, too, with a warning)"),
        (lambda x, t: (x.exp() - t * x).mean(), "poisson_nll", "broadcasts them, too, in silence)"),
        (lambda x, t: (F.softplus(x) - t * x).mean(), "bce_with_logits", "expected an error"),
    ],
)
def test_what_pytorch_broadcasts_too_is_told(loss, name, said):
    (found,) = findings(loss, "L104", definition=name)
    assert found.message.endswith(said)


@pytest.mark.parametrize(
    ("inputs", "severity"), [(PAIRS, "note"), ("prediction float[...]; target float[...]", "warning")]
)
def test_one_number_for_each_row_may_be_meant(inputs, severity):
    (found,) = findings(lambda prediction, target: (prediction * target).abs().mean(), "L104",
                        kind="loss", inputs=inputs)  # fmt: skip
    assert found.severity == severity


def squeezing(prediction, target):
    """The dimension of 1 is dropped on purpose."""
    return absolute(prediction.reshape(-1), target.reshape(-1))


@pytest.mark.parametrize("loss", [refusing, squeezing, nn.BCEWithLogitsLoss])
def test_a_refusal_is_right_and_so_is_a_pairing(loss):
    name = None if loss is nn.BCEWithLogitsLoss else "l1"
    assert not findings(loss, "L104", definition=name)


# L105, L106: what belongs together is left alone.


def dice(prediction, target):
    return 1 - 2 * (prediction * target).sum() / (prediction.sum() + target.sum())


def contrastive(first, second):
    similar = F.normalize(first, dim=1) @ F.normalize(second, dim=1).T
    return F.cross_entropy(similar, torch.arange(len(first)))


def contrastive_for_each(first, second):
    similar = F.normalize(first, dim=1) @ F.normalize(second, dim=1).T
    return similar.logsumexp(1) - similar.diagonal()


def hardest(embeddings, labels):
    distance = torch.cdist(embeddings, embeddings)
    same = labels[:, None] == labels
    return F.relu(distance.masked_fill(~same, 0).amax(1) - distance.masked_fill(same, 1e9).amin(1) + 0.3).mean()


def variation(prediction, target):
    residual = prediction - target
    return residual.square().mean() + (residual[1:] - residual[:-1]).abs().mean()


def masked(prediction, target, mask):
    return ((prediction - target).square() * mask).sum() / mask.sum()


@pytest.mark.parametrize("code", ["L105", "L106"])
@pytest.mark.parametrize(
    ("loss", "inputs"),
    [
        (dice, "prediction float[N,d] in [0,1]; target float[N,d] in {0,1}"),
        (contrastive, "first float[N,d]; second float[N,d]"),
        (contrastive_for_each, "first float[N,d]; second float[N,d]"),
        (hardest, "embeddings float[N,d]; labels int64[N] in [0,2)"),
        (variation, PAIRS),
        (masked, "prediction float[N,d]; target float[N,d]; mask float[N,d] in {0,1}"),
    ],
)
def test_samples_that_belong_together_are_no_finding(code, loss, inputs):
    assert not findings(loss, code, kind="loss", inputs=inputs)


def masked_rows(prediction, target, mask):
    return ((prediction - target).square().mean(1) * mask).sum() / mask.sum()


def focal(logits, target, weight=None):
    each = F.cross_entropy(logits, target, reduction="none")
    cost = (1 - torch.exp(-each)).square() * each
    return cost.mean() if weight is None else (cost * weight[target]).sum() / weight[target].sum()


def focal_with_weights(logits, target):
    return focal(logits, target, torch.tensor([0.5, 1.0, 2.0], dtype=logits.dtype))


def balanced(logits, target):
    """Each class weighs the same, however many there are."""
    weight = 1 / F.one_hot(target, logits.shape[1]).sum(0).clamp(min=1)
    return focal(logits, target, weight.to(logits.dtype))


@pytest.mark.parametrize(
    ("loss", "inputs"),
    [
        (masked_rows, "prediction float[N,d]; target float[N,d]; mask float[N] in {0,1}"),
        *[(loss, "logits float[N,C]; target int64[N] in [0,C)") for loss in (focal, focal_with_weights, balanced)],
    ],
)
def test_a_mean_over_what_counts_is_no_finding(loss, inputs):
    assert not findings(loss, "L105", definition="none", kind="loss", inputs=inputs)


def focal_of_the_mean(logits, target):
    mean = F.cross_entropy(logits, target)
    return (1 - torch.exp(-mean)) ** 2 * mean


def centred(prediction, target):
    residual = prediction - target
    return (residual - residual.mean(0)).square()


@pytest.mark.parametrize(
    ("loss", "inputs", "severity", "said"),
    [
        (focal_of_the_mean, "logits float[N,C]; target int64[N] in [0,C)", "warning", "not from each sample"),
        (centred, PAIRS, "error", "in a batch of 4, and 0 alone"),
    ],
)
def test_without_a_definition_company_counts_where_each_prediction_has_a_target(loss, inputs, severity, said):
    (found,) = findings(loss, "L105", definition="none", kind="loss", inputs=inputs)
    assert found.severity == severity
    assert said in found.message


def indexed(logits, target):
    return -torch.log_softmax(logits, 1)[torch.arange(len(logits)), target].mean()


def test_shapes_that_a_loss_was_not_made_for_are_a_warning():
    (found,) = findings(indexed, "L105", definition="cross_entropy")
    assert found.severity == "warning"
    assert "(4, 3, 4)" in found.message


@pytest.mark.parametrize("loss", [nn.CrossEntropyLoss, nn.NLLLoss])
def test_more_dimensions_taken_rightly_are_right(loss):
    assert outcome(loss, "L105").outcome == "passed"


class Centred(nn.Module):
    """A state on purpose: a buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("centre", torch.zeros(()))

    def forward(self, prediction, target):
        residual = prediction - target - self.centre
        self.centre = residual.detach().mean()
        return residual.square().mean()


def test_a_buffer_is_a_memory_on_purpose():
    found = findings(Centred, "L105", kind="loss", inputs=PAIRS)
    assert not [each for each in found if "one object" in each.message]


# L107


@pytest.mark.parametrize("loss", [nn.MSELoss, nn.CrossEntropyLoss, nn.BCEWithLogitsLoss])
def test_the_mean_of_nothing_may_be_nan(loss):
    assert outcome(loss, "L107").outcome == "passed"


def test_an_exception_on_an_empty_batch_is_noted():
    (found,) = findings(lambda prediction, target: (prediction - target).abs().max() + 0 * target.sum(), "L107",
                        kind="loss", inputs="prediction float[N]; target float[N]")  # fmt: skip
    assert found.severity == "note"


@pytest.mark.parametrize("loss", [nn.MultiMarginLoss, nn.MultiLabelMarginLoss])
def test_memory_that_nobody_has_written_shows_every_time(loss):
    for _ in range(3):
        (found,) = findings(loss, "L107")
        assert found.severity == "warning"
        assert found.message.startswith("the sum over an empty batch is nan, expected 0")


def test_the_determinism_of_others_is_left_alone():
    before = torch.are_deterministic_algorithms_enabled()
    findings(nn.MSELoss, "L107")
    assert torch.are_deterministic_algorithms_enabled() == before


def offset_sum(prediction, target):
    return (prediction - target).abs().sum() + 1e-3


def test_a_loss_of_nothing_that_is_not_0_is_a_warning():
    (found,) = findings(offset_sum, "L107", kind="loss", inputs=PAIRS)
    assert found.severity == "warning"


# L108


def halves_of_labels(prediction, target):
    """Integer division, where labels are integers."""
    share = target // 2 if not target.is_floating_point() else target / 2
    return (prediction - share).square().mean()


def test_integer_targets_give_the_same_loss():
    (found,) = findings(halves_of_labels, "L108", kind="loss", inputs=PAIRS)
    assert found.severity == "error"
    assert "int64" in found.message


@pytest.mark.parametrize("loss", [nn.CrossEntropyLoss, nn.BCEWithLogitsLoss, nn.MSELoss, nn.MarginRankingLoss])
def test_pytorch_takes_targets_as_declared(loss):
    assert not findings(loss, "L108")
