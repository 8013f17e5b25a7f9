"""Subjects for the first general rules: what does not run, and what leaves its traces on inputs, results and itself."""

import time
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import Function

from torchstone.check.mutants import clean, mutant


@clean("G001", "G002", "G003", "G004", "G005", "G006", definition="softplus")
class StableSoftplus(nn.Module):
    """The logarithm of two exponentials, which does not overflow."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.logaddexp(x, torch.zeros_like(x))


@clean("G001", "G002", "G003", "G004", "G005", "G006", "G007", definition="mse")
class CarefulSquaredError(nn.Module):
    """It refuses what it does not know when it is made."""

    def __init__(self, reduction: str = "mean") -> None:
        super().__init__()
        if reduction not in ("none", "mean", "sum"):
            raise ValueError(f"reduction: expected none, mean or sum, got {reduction!r}")
        self.reduction = reduction

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        if prediction.shape != target.shape:
            raise ValueError(f"expected equal shapes, got {list(prediction.shape)} and {list(target.shape)}")
        loss = (prediction - target).square()
        if self.reduction == "none":
            return loss
        return loss.mean() if self.reduction == "mean" else loss.sum()


@mutant("G001")
def squared_error_as_a_number(prediction: Tensor, target: Tensor) -> Any:
    """It returns a number of Python."""
    return (prediction - target).pow(2).mean().item()


@mutant("G001")
class LossWithoutReturn(nn.Module):
    """It computes, and returns nothing."""

    def forward(self, prediction: Tensor, target: Tensor) -> None:
        loss = (prediction - target).abs().mean()  # noqa: F841 (the bug)


@mutant("G001")
def weighted_in_double(x: Tensor) -> Tensor:
    """A matrix in float64 meets inputs in float32."""
    return x @ torch.eye(x.shape[-1], dtype=torch.float64)


@mutant("G001")
def accuracy_for_a_loss(prediction: Tensor, target: Tensor) -> Tensor:
    """It counts: a whole number, which no gradient flows through."""
    return ((prediction > 0) != (target > 0)).sum()


@mutant("G002", definition="relu")
def relu_in_place(x: Tensor) -> Tensor:
    """It writes into its input."""
    x[x < 0] = 0
    return x


@mutant("G002")
def centred_squared_error(prediction: Tensor, target: Tensor) -> Tensor:
    """It shifts the caller's target."""
    target -= target.mean()
    return (prediction - prediction.mean() - target).pow(2).mean()


@mutant("G002", definition="relu")
class ReLUThatMasksTheGradientInPlace(Function):
    """It writes zeros into the gradient that other branches need, too."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        (x,) = ctx.saved_tensors
        g[x <= 0] = 0
        return g


@mutant("G002")
def absolute_error_of_clamped(prediction: Tensor, target: Tensor) -> Tensor:
    """`.data` hides from the version counter that the prediction is clamped."""
    prediction.data.clamp_(-1, 1)
    return (prediction - target).abs().mean()


@mutant("G003", definition="relu")
def relu_with_a_shortcut(x: Tensor) -> Tensor:
    """What is positive already is returned as it came."""
    return x if bool((x > 0).all()) else x.clamp(min=0)


@mutant("G003", "G006", also=("D101", "S103", "S104"), definition="relu")
class ReLUInABuffer(nn.Module):
    """Each call overwrites the last one's result."""

    def __init__(self) -> None:
        super().__init__()
        self.out: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        if self.out is None or self.out.shape != x.shape or self.out.dtype != x.dtype:
            self.out = torch.empty_like(x, requires_grad=False)
        self.out.copy_(x.detach().clamp(min=0))
        return self.out


@mutant("G004", also=("S103", "S104"))
class ScaledByTheFirstBatch(nn.Module):
    """The first batch it sees decides for all others."""

    def __init__(self) -> None:
        super().__init__()
        self.scale: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        if self.scale is None:
            self.scale = x.detach().abs().max()
        return torch.tanh(x / self.scale)


@mutant("G004", also=("S104",), definition="relu")
class ReLUWithTheFirstMask(nn.Module):
    """Its mask is made anew for another shape, and not for other numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.mask: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        if self.mask is None or self.mask.shape != x.shape:
            self.mask = x > 0
        return torch.where(self.mask, x, torch.zeros_like(x))


@mutant("G004", definition="rrelu")
class RReLUThatNeverRests(nn.Module):
    """It draws its slopes in evaluation mode, too."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.where(x > 0, x, torch.empty_like(x).uniform_(1 / 8, 1 / 3) * x)


@mutant("G004", also=("D102", "D111", "T103"))
class SquaredErrorByItsAverage(nn.Module):
    """It divides by a running average, which moves in evaluation mode as well."""

    average: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("average", torch.ones(()))

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        if prediction.shape != target.shape:
            raise ValueError(f"expected equal shapes, got {list(prediction.shape)} and {list(target.shape)}")
        loss = (prediction - target).square().mean()
        self.average.mul_(0.9).add_(0.1 * loss.detach())
        return loss / self.average


_seen: list[float] = []


@mutant("G004")
def squared_error_of_all_so_far(prediction: Tensor, target: Tensor) -> Tensor:
    """Its average is over everything that it ever saw."""
    loss = (prediction - target).pow(2).mean()
    _seen.append(float(loss.detach()))
    return loss + (sum(_seen) / len(_seen) - _seen[-1])


@mutant("G004", definition="mse")
def jittered_squared_error(prediction: Tensor, target: Tensor) -> Tensor:
    """It adds noise that the function does not have."""
    noise = 1e-3 * torch.randn_like(prediction)
    return (prediction + noise - target).pow(2).mean()


@mutant("G004")
def seeded_by_the_clock(x: Tensor) -> Tensor:
    """Its noise cannot be repeated."""
    random = torch.Generator().manual_seed(time.perf_counter_ns() % 2**31)
    return x * torch.rand(x.shape, generator=random, dtype=torch.float64).to(x.dtype)
