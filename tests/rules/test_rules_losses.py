"""What the rules on losses say, to whom, and how severely, beyond what their mutants show."""

import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from torchstone.check.api import check

ROWS = "logits float[N,C]; target int64[N] in [0,C)"
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


def divergence(log_q, p):
    return torch.special.xlogy(p, p).sub(p * log_q).sum() / len(p)


def test_the_mean_over_the_rows_of_distributions_is_noted():
    inputs = "log_q float[N,C] in log-simplex; p float[N,C] in simplex"
    (found,) = findings(divergence, "L101", definition="kl_div", inputs=inputs)
    assert found.severity == "note"
    assert "batchmean" in found.message


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


@pytest.mark.parametrize("loss", [refusing, nn.BCEWithLogitsLoss])
def test_a_refusal_is_right(loss):
    name = "l1" if loss is refusing else None
    assert not findings(loss, "L104", definition=name)


# L105, L106: what belongs together is left alone.


def dice(prediction, target):
    return 1 - 2 * (prediction * target).sum() / (prediction.sum() + target.sum())


def contrastive(first, second):
    similar = F.normalize(first, dim=1) @ F.normalize(second, dim=1).T
    return F.cross_entropy(similar, torch.arange(len(first)))


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
        (hardest, "embeddings float[N,d]; labels int64[N] in [0,2)"),
        (variation, PAIRS),
        (masked, "prediction float[N,d]; target float[N,d]; mask float[N,d] in {0,1}"),
    ],
)
def test_samples_that_belong_together_are_no_finding(code, loss, inputs):
    assert not findings(loss, code, kind="loss", inputs=inputs)


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


def test_a_gradient_of_an_ignored_row_is_found():
    found = findings(LeakingIgnored, "L111", kind="loss", inputs=ROWS)
    assert any("the gradient of a row ignored" in each.message for each in found)


@pytest.mark.parametrize(
    "loss",
    [nn.CrossEntropyLoss, nn.BCELoss, nn.BCEWithLogitsLoss, nn.HuberLoss, nn.SmoothL1Loss, nn.GaussianNLLLoss],
)
def test_pytorch_follows_its_options(loss):
    assert not findings(loss, "L111")


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
    found = findings(nn.SoftMarginLoss(), "L113")
    assert [each.severity for each in found] == ["error"]
    assert "is inf, expected 200" in found[0].message
