"""Styles of losses and activations in other people's packages: what is right in them is no finding."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from torchstone.check import check

LOGITS = "x float[N,C]; target int64[N] in [0,C)"
PAIRED = "x float[N,C]; target float[N,C] in {0,1}"
ROWS = "x float[N,C]"


def severities(thing, *codes, **settings):
    """The severities of the findings of some rules, worst first."""
    return [each.severity or "error" for each in check(thing, select=codes, **settings).subjects[0].findings]


def messages(thing, code, **settings):
    return [each.message for each in check(thing, select=[code], **settings).subjects[0].findings]


class SparseMax(nn.Module):
    """A projection to the simplex: what lies outside its support changes nothing."""

    def forward(self, x):
        ordered = x.sort(dim=-1, descending=True).values
        places = torch.arange(1, x.shape[-1] + 1, dtype=x.dtype)
        over = (ordered.cumsum(-1) - 1) / places
        count = (ordered > over).sum(-1, keepdim=True)
        return (x - over.gather(-1, count - 1)).clamp(min=0)


def test_sparse_row_is_no_elementwise_function():
    assert severities(SparseMax(), "A103", "N107", inputs=ROWS, kind="activation") == []


class RootNormed(torch.autograd.Function):
    """Softmax with a backward whose parts cancel where a row has one number only."""

    @staticmethod
    def forward(ctx, x):
        p = x.softmax(-1)
        ctx.save_for_backward(p)
        return p

    @staticmethod
    def backward(ctx, g):
        (p,) = ctx.saved_tensors
        r = p.sqrt()
        d = g * r
        return (d - (d * r).sum(-1, keepdim=True) / (r * r).sum(-1, keepdim=True) * r) * r


def test_rounding_is_no_nonlinearity():
    assert severities(RootNormed, "D103", inputs=ROWS, kind="activation") == []


def hard_mish(x):
    return 0.5 * x * (x + 2).clamp(min=0, max=2)


def test_formula_whose_pieces_meet_smoothly():
    assert severities(hard_mish, "A107", "D101", formula="x*Min(2, Max(0, x+2))/2") == []


class ClassMean(nn.modules.loss._Loss):
    """A child of PyTorch's `_Loss` that offers no reduction."""

    def __init__(self, margin=1.0):
        super().__init__()
        self.margin = margin

    def forward(self, x, target):
        return (x.sigmoid() * (1 - target)).sum() / (self.margin + target.sum())


def test_inherited_reduction_is_none_of_its_own():
    assert severities(ClassMean(), "L103", "G007", inputs=PAIRED) == []
    assert severities(ClassMean, "L103", "G007", inputs=PAIRED) == []


class TwoLosses(nn.Module):
    """The sum of a mean of overlaps and of a cross-entropy: its mean is no fixed part of its sum."""

    def __init__(self, reduction="mean"):
        super().__init__()
        self.reduction = reduction

    def forward(self, x, target):
        p = x.softmax(-1)[:, 1:]
        overlap = 1 - 2 * (p * target[:, 1:]).sum(0) / (p + target[:, 1:]).sum(0)
        entropy = -(target * x.log_softmax(-1)).sum(-1)
        if self.reduction == "none":
            raise ValueError("reduction: expected mean or sum")
        if self.reduction == "sum":
            return overlap.sum() + entropy.sum()
        return overlap.mean() + entropy.mean()


def test_sum_of_two_losses():
    simplex = "x float[N,C]; target float[N,C] in simplex"
    assert severities(TwoLosses(), "L103", inputs=simplex) == []


class Rounded(nn.Module):
    """It computes in float32 whatever it is given."""

    def forward(self, x, target):
        x, target = x.float(), target.float()
        p = torch.sigmoid(x)
        return (F.binary_cross_entropy_with_logits(x, target, reduction="none") * (p - target) ** 2).mean()


def test_float32_throughout_is_a_warning_once():
    assert severities(Rounded(), "D1", "N106", "T101", inputs=PAIRED) == ["warning"]
    assert "float32 for float64" in messages(Rounded(), "N106", inputs=PAIRED)[0]


class Halved(Rounded):
    """The same, and a wrong derivative: the factor counts as constant."""

    def forward(self, x, target):
        x, target = x.float(), target.float()
        p = torch.sigmoid(x)
        return (F.binary_cross_entropy_with_logits(x, target, reduction="none") * (p.detach() - target) ** 2).mean()


def test_float32_hides_no_wrong_gradient():
    assert severities(Halved(), "D102", inputs=PAIRED) == ["warning"]


class FixedPoint(torch.autograd.Function):
    """The solution of y = cos(x + y / 4) after a few steps, with the derivative of the solution."""

    @staticmethod
    def forward(ctx, x):
        y = torch.zeros_like(x)
        for _ in range(6):
            y = torch.cos(x + y / 4)
        ctx.save_for_backward(x, y)
        return y

    @staticmethod
    def backward(ctx, g):
        x, y = ctx.saved_tensors
        slope = -torch.sin(x + y / 4)
        return g * slope / (1 - slope / 4)


class WrongPoint(FixedPoint):
    """The same with a wrong sign."""

    @staticmethod
    def backward(ctx, g):
        return -FixedPoint.backward(ctx, g)


def test_an_approximate_backward_is_a_warning():
    assert severities(FixedPoint, "D102", kind="activation") == ["warning"]
    assert severities(WrongPoint, "D102", kind="activation") == ["error"]


def by_class(x, target):
    """Logits with a column of class indices, or with labels of their own shape."""
    if target.shape != x.shape:
        target = F.one_hot(target.long().view(-1), x.shape[-1]).to(x.dtype)
    return F.binary_cross_entropy_with_logits(x, target)


def broadcasting(x, target):
    return (F.softplus(x) - x * target).mean()


def test_column_of_indices_is_not_broadcast():
    assert severities(by_class, "L104", inputs=PAIRED) == []
    assert severities(broadcasting, "L104", inputs=PAIRED) == ["note"]


def counted_in_float32(x, target):
    weight = target.float() if target.dtype == torch.int64 else target
    return ((x - target) ** 2 * (1 + weight / 3)).sum() / (weight / 3 + 1).sum()


def wrapping(x, target):
    return ((x - (-target)) ** 2).mean()


def test_rounding_of_whole_targets():
    assert severities(counted_in_float32, "L108", inputs=PAIRED) == []
    assert severities(wrapping, "L108", inputs=PAIRED) != []


def flat_focal(x, target, gamma=2.0, reduction="mean"):
    """It flattens what it is given, and leaves it so."""
    x, target = x.reshape(-1), target.reshape(-1)
    loss = F.binary_cross_entropy_with_logits(x, target, reduction="none")
    loss = (1 - torch.exp(-loss)) ** gamma * loss
    return loss.mean() if reduction == "mean" else loss.sum() if reduction == "sum" else loss


def column_focal(x, target, gamma=2.0, reduction="mean"):
    loss = flat_focal(x, target, gamma, reduction)
    return loss[:, None] if loss.dim() else loss


FOCAL = "t*(1-sigmoid(x))**gamma*log(1+exp(-x)) + (1-t)*sigmoid(x)**gamma*log(1+exp(x))"


def test_flat_result_is_a_warning():
    assert severities(flat_focal, "L101", "L111", inputs=PAIRED, formula=FOCAL) == ["warning"]
    assert severities(column_focal, "L101", inputs=PAIRED, formula=FOCAL) == ["error"]


class Weighed(nn.Module):
    """Labels weigh by how rare they are in the batch."""

    def __init__(self, reduction="mean"):
        super().__init__()
        self.reduction = reduction

    def forward(self, x, target):
        share = 1 - target.mean()
        loss = -(share * target * F.logsigmoid(x) + (1 - share) * (1 - target) * F.logsigmoid(-x))
        return loss.mean() if self.reduction == "mean" else loss.sum() if self.reduction == "sum" else loss


class Mixed(Weighed):
    """The factor of a sample follows from the whole batch's loss."""

    def forward(self, x, target):
        loss = F.binary_cross_entropy_with_logits(x, target, reduction="none")
        loss = (1 - torch.exp(-loss.mean())) ** 2 * loss
        return loss.mean() if self.reduction == "mean" else loss.sum() if self.reduction == "sum" else loss


class ClassFirst(Weighed):
    """Unreduced, its classes come first."""

    def forward(self, x, target):
        loss = torch.stack([(x[:, place] - target[:, place]) ** 2 for place in range(x.shape[1])])
        return loss.mean() if self.reduction == "mean" else loss.sum() if self.reduction == "sum" else loss


@pytest.mark.parametrize(("thing", "expected"), [(Weighed, []), (Mixed, ["error"]), (ClassFirst, [])])
def test_what_couples_the_samples(thing, expected):
    assert severities(thing(), "L105", inputs=PAIRED) == expected


class Ignoring(nn.Module):
    """Ignored rows cost nothing, and count in the mean."""

    def __init__(self, ignore_index=-100):
        super().__init__()
        self.ignore_index = ignore_index

    def forward(self, x, target):
        mask = target != self.ignore_index
        loss = -x.softmax(-1).gather(1, torch.where(mask, target, 0)[:, None])[:, 0] * mask
        return loss.mean()


class IgnoringAll(Ignoring):
    """The index is looked for among zeros and ones."""

    def forward(self, x, target):
        labels = F.one_hot(target, x.shape[-1])
        kept = labels != self.ignore_index
        p, labels = x.softmax(-1)[kept], labels[kept]
        return 1 - 2 * (p * labels).sum() / (p + labels).sum()


def test_ignored_rows():
    assert severities(Ignoring, "L111", inputs=LOGITS) == ["warning"]
    assert severities(IgnoringAll, "L111", inputs=LOGITS) == ["error"]
    assert "no row has a gradient" in messages(IgnoringAll, "L111", inputs=LOGITS)[0]


class TripletMarginLoss(nn.Module):
    """Of embeddings and their classes: the triplets are found in the batch."""

    def forward(self, embeddings, labels):
        distances = torch.cdist(embeddings, embeddings)
        same = labels[:, None] == labels
        worst = distances.masked_fill(~same, 0).amax(1) - distances.masked_fill(same, 1e3).amin(1)
        return F.softplus(worst).mean()


class FocalLoss(nn.Module):
    """Of class maps, by PyTorch's own arrangement."""

    def forward(self, pred, target):
        chosen = pred.log_softmax(1).gather(1, target[:, None])
        return -((1 - chosen.exp()) ** 2 * chosen).mean()


def test_a_name_is_claimed_only_where_the_inputs_fit():
    report = check(TripletMarginLoss, select=["L101"], inputs="embeddings float[N,d]; labels int64[N] in [0,2)")
    assert report.subjects[0].knowledge == "nothing"


def test_classes_lie_where_their_letter_is():
    report = check(FocalLoss, select=["L101", "D101"], inputs="pred float[N,C,4,4]; target int64[N,4,4] in [0,C)")
    assert report.subjects[0].knowledge == "definition"
    assert report.subjects[0].findings == ()
