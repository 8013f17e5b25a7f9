"""Subjects for the rules on losses: wrong ones, as people write them."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from torchstone.check.mutants import mutant


def same(prediction: Tensor, target: Tensor) -> None:
    """Raises where the shapes differ."""
    if prediction.shape != target.shape:
        raise ValueError(f"target: expected shape {list(prediction.shape)}, got {list(target.shape)}")


def rows_of_classes(logits: Tensor, target: Tensor) -> None:
    """Raises where these are no logits (N, C) and labels (N,)."""
    if logits.dim() != 2 or target.dim() != 1:
        raise ValueError(f"expected logits (N, C) and labels (N,), got {list(logits.shape)} and {list(target.shape)}")


def reduced(loss: Tensor, reduction: str) -> Tensor:
    """The loss, as it is asked for."""
    return {"none": loss, "mean": loss.mean(), "sum": loss.sum()}[reduction]


# The value.


@mutant("L101", definition="mse")
class SquaredErrorHalved(nn.Module):
    """The textbook's 1/2, in code that is said to be the mean squared error."""

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        same(prediction, target)
        return 0.5 * ((prediction - target) ** 2).mean()


@mutant("L101", also=("N105",), definition="mse")
class SquaredErrorOverBatch(nn.Module):
    """The sum over the number of rows."""

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        same(prediction, target)
        return ((prediction - target) ** 2).sum() / prediction.shape[0]


@mutant("L101", also=("G007",), definition="huber")
class HuberWithoutConstant(nn.Module):
    """The linear branch starts where the square ends, or should."""

    def __init__(self, delta: float = 1.0) -> None:
        super().__init__()
        self.delta = delta

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        same(prediction, target)
        residual = (prediction - target).abs()
        return torch.where(residual < self.delta, 0.5 * residual**2, self.delta * residual).mean()


@mutant("L101", also=("N105",), definition="cross_entropy")
def cross_entropy_of_softmax(logits: Tensor, target: Tensor) -> Tensor:
    """A softmax before a loss that takes logits."""
    return F.cross_entropy(torch.softmax(logits, dim=1), target)


@mutant("L101", also=("G007",), definition="smooth_l1")
def smooth_l1_at_the_wrong_place(prediction: Tensor, target: Tensor, beta: float = 1.0) -> Tensor:
    """The branches are exchanged at beta."""
    same(prediction, target)
    residual = (prediction - target).abs()
    return torch.where(residual > beta, residual**2 / (2 * beta), residual - beta / 2).mean()


@mutant("L102", like="torch.nn.PairwiseDistance()", kind="loss", inputs="first float[N,d]; second float[N,d]")
def distance_without_root(first: Tensor, second: Tensor) -> Tensor:
    """The square of what it is said to replace."""
    same(first, second)
    return (first - second + 1e-6).square().sum(dim=1)


# Reductions.


@mutant("L103", also=("N105",), inputs="prediction float[N,C]; target float[N,C]", kind="loss")
class LogisticDistance(nn.Module):
    """A loss of nobody's catalogue, whose mean divides by the rows."""

    def __init__(self, reduction: str = "mean") -> None:
        super().__init__()
        self.reduction = reduction

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        same(prediction, target)
        loss = torch.log1p((prediction - target).square())
        if self.reduction == "mean":
            return loss.sum() / len(loss)
        return reduced(loss, self.reduction)


@mutant("L103", also=("G007",), inputs="prediction float[N,C]; target float[N,C]", kind="loss")
class ReducedTooEarly(nn.Module):
    """'none' gives what 'mean' gives."""

    def __init__(self, reduction: str = "mean") -> None:
        super().__init__()
        self.reduction = reduction

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        same(prediction, target)
        loss = torch.log1p((prediction - target).square()).mean()
        return loss.sum() if self.reduction == "sum" else loss


class _MeanWithoutDivision(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, prediction: Tensor, target: Tensor) -> Tensor:
        ctx.save_for_backward(prediction, target)
        return (prediction - target).square().log1p().mean()

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        prediction, target = ctx.saved_tensors
        residual = prediction - target
        return grad * 2 * residual / (1 + residual**2), None


@mutant("L103", also=("D102", "D106", "T101", "T102"), inputs="prediction float[N,C]; target float[N,C]", kind="loss")
class GradientOfTheSum(nn.Module):
    """The mean's gradient forgets the division."""

    def __init__(self, reduction: str = "mean") -> None:
        super().__init__()
        self.reduction = reduction

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        same(prediction, target)
        if self.reduction == "mean":
            result: Tensor = _MeanWithoutDivision.apply(prediction, target)
            return result
        return reduced((prediction - target).square().log1p(), self.reduction)


# Shapes, orders, types.


@mutant("L104", definition="l1")
def absolute_error_of_any_shapes(prediction: Tensor, target: Tensor) -> Tensor:
    """(N, 1) and (N,) make (N, N)."""
    return (prediction - target).abs().mean()


@mutant("L105", also=("L108", "G004", "S103", "S104"), definition="cross_entropy")
class RemembersItsFirstBatch(nn.Module):
    """The rows are counted once."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: Tensor | None = None

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        rows_of_classes(logits, target)
        if self.rows is None:
            self.rows = torch.arange(len(logits))
        return -torch.log_softmax(logits, dim=1)[self.rows, target].mean()


@mutant("L105", "L108", definition="cross_entropy")
def cross_entropy_by_indexing(logits: Tensor, target: Tensor) -> Tensor:
    """Right for (N, C) and labels in range; of (N, C, d) it takes what it finds."""
    return -torch.log_softmax(logits, dim=1)[torch.arange(len(logits)), target].mean()


@mutant(
    "L105", also=("L104", "N105"), kind="loss", inputs="logits float[N,C]; target int64[N] in [0,C)", definition="none"
)
def focal_of_the_batch(logits: Tensor, target: Tensor, gamma: float = 2.0) -> Tensor:
    """The focal factor is that of the mean cross-entropy."""
    rows_of_classes(logits, target)
    mean = F.cross_entropy(logits, target)
    result: Tensor = (1 - torch.exp(-mean)) ** gamma * mean
    return result


@mutant("L105", also=("L106",), kind="loss", inputs="prediction float[N,d]; target float[N,d]")
def residuals_from_their_mean(prediction: Tensor, target: Tensor) -> Tensor:
    """Unreduced, and yet the company counts."""
    same(prediction, target)
    residual = prediction - target
    return (residual - residual.mean(dim=0)).square()


@mutant("L106", also=("L105",), inputs="prediction float[N]; target float[N]", kind="loss")
class SortedApart(nn.Module):
    """The targets are sorted, and the predictions are not; unreduced."""

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        same(prediction, target)
        return (prediction - target.sort().values).square()


@mutant("L107", definition="mse")
def mean_of_row_means(prediction: Tensor, target: Tensor) -> Tensor:
    """With no rows, nobody knows how many columns there are."""
    same(prediction, target)
    return (prediction - target).square().reshape(len(prediction), -1).mean(dim=1).mean()


# Gradients of targets, minima.


class _HandWritten(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, prediction: Tensor, target: Tensor) -> Tensor:
        ctx.save_for_backward(prediction, target)
        return (prediction - target).square().mean()

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor]:
        prediction, target = ctx.saved_tensors
        slope = grad * 2 * (prediction - target) / prediction.numel()
        return slope, slope


@mutant("L109", definition="mse", also=("D102", "D106", "D107", "T101", "T102"))
def same_gradient_for_both(prediction: Tensor, target: Tensor) -> Tensor:
    """The target's gradient has the prediction's sign."""
    same(prediction, target)
    result: Tensor = _HandWritten.apply(prediction, target)
    return result


@mutant("L110", definition="mse")
def squared_error_of_a_shifted_residual(prediction: Tensor, target: Tensor) -> Tensor:
    """A constant against a division by zero that nobody makes."""
    same(prediction, target)
    return (prediction - target + 1e-8).square().mean()


# Options.


@mutant("L111", also=("G007",), definition="cross_entropy")
class SmoothingNeverUsed(nn.Module):
    """label_smoothing is stored."""

    def __init__(self, label_smoothing: float = 0.0) -> None:
        super().__init__()
        self.label_smoothing = label_smoothing

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        rows_of_classes(logits, target)
        return (torch.logsumexp(logits, 1) - logits.gather(1, target.unsqueeze(1)).squeeze(1)).mean()


@mutant("L111", definition="cross_entropy")
class WeightedOverRows(nn.Module):
    """The weighted mean divides by the number of rows."""

    weight: Tensor | None

    def __init__(self, weight: Tensor | None = None) -> None:
        super().__init__()
        self.register_buffer("weight", weight)

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        rows_of_classes(logits, target)
        loss = torch.logsumexp(logits, 1) - logits.gather(1, target.unsqueeze(1)).squeeze(1)
        return (loss if self.weight is None else loss * self.weight[target]).mean()


@mutant("L111", also=("N105",), inputs="logits float[N,C]; target int64[N] in [0,C)", kind="loss")
class IgnoredRowsInTheMean(nn.Module):
    """The ignored rows cost nothing, but count."""

    def __init__(self, ignore_index: int = -100) -> None:
        super().__init__()
        self.ignore_index = ignore_index

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        rows_of_classes(logits, target)
        kept = target != self.ignore_index
        safe = torch.where(kept, target, 0)
        loss = torch.logsumexp(logits, 1) - logits.gather(1, safe.unsqueeze(1)).squeeze(1)
        return (loss * kept).sum() / len(loss)


@mutant("L111", definition="cross_entropy")
class MeanOfSequenceMeans(nn.Module):
    """Each sequence is divided by its own count, whatever the others have."""

    def __init__(self, ignore_index: int = -100) -> None:
        super().__init__()
        self.ignore_index = ignore_index

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        costs = F.cross_entropy(logits, target, ignore_index=self.ignore_index, reduction="none")
        counts = target != self.ignore_index
        if target.dim() == 1:
            return costs.sum() / counts.sum()
        return (costs.flatten(1).sum(1) / counts.flatten(1).sum(1)).mean()


@mutant("L111", also=("G007",), definition="bce_with_logits")
def positive_weight_for_both(logits: Tensor, target: Tensor, pos_weight: Tensor | None = None) -> Tensor:
    """pos_weight multiplies both terms."""
    same(logits, target)
    loss = F.softplus(logits) - logits * target
    return (loss if pos_weight is None else loss * pos_weight).mean()


# Identities, extremes.


@mutant("L112", "L113", also=("N101", "N103", "D101", "D108"), definition="cross_entropy")
def cross_entropy_of_clamped_logits(logits: Tensor, target: Tensor) -> Tensor:
    """Logits are clamped against an overflow that log-softmax does not have."""
    rows_of_classes(logits, target)
    kept = torch.log_softmax(logits.clamp(-30, 30), dim=1)
    return -kept.gather(1, target.unsqueeze(1)).mean()


@mutant("L113", also=("D101", "D108", "N101", "N103"), definition="bce")
def bce_of_clamped_probabilities(prediction: Tensor, target: Tensor) -> Tensor:
    """A certain mistake costs 16, and has no gradient."""
    same(prediction, target)
    kept = prediction.clamp(1e-7, 1 - 1e-7)
    return -(target * kept.log() + (1 - target) * (1 - kept).log()).mean()


@mutant("L113", also=("D101", "D108"), definition="bce")
def bce_of_bounded_logarithms(prediction: Tensor, target: Tensor) -> Tensor:
    """The value is right at 0 and 1, and the gradient is 0 times infinity."""
    same(prediction, target)
    positive = target * prediction.log().clamp(min=-100)
    return -(positive + (1 - target) * (1 - prediction).log().clamp(min=-100)).mean()


@mutant("L113", also=("D101", "D108", "N101", "N103"), definition="cross_entropy")
def cross_entropy_of_logged_softmax(logits: Tensor, target: Tensor) -> Tensor:
    """The logarithm of a probability that has underflowed."""
    rows_of_classes(logits, target)
    return -torch.softmax(logits, dim=1).gather(1, target.unsqueeze(1)).log().mean()


@mutant("L113", also=("D101", "D108", "N101", "N103"), definition="bce_with_logits")
def bce_of_a_sigmoid(logits: Tensor, target: Tensor) -> Tensor:
    """The sigmoid rounds to 1, and its complement to 0."""
    same(logits, target)
    p = torch.sigmoid(logits)
    return -(target * p.log() + (1 - target) * (1 - p).log()).mean()
