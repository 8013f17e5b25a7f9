"""Subjects for the rules on the values of derivatives: wrong ones and clean ones."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import Function

from torchstone.check.mutants import clean, mutant

NO_VMAP = ("T101", "T102")  # a forward that takes ctx, as most people write it, has no rule for vmap


class SavesItsResult(Function):
    """A sigmoid with its result on ctx."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        y = torch.sigmoid(x)
        ctx.save_for_backward(y)
        return y


class SavesItsInput(Function):
    """x exp(-x^2) with its input on ctx."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x * torch.exp(-x * x)


class SavesBoth(Function):
    """A mean squared error with prediction and target on ctx."""

    @staticmethod
    def forward(ctx: Any, prediction: Tensor, target: Tensor) -> Tensor:
        ctx.save_for_backward(prediction, target)
        return (prediction - target).pow(2).mean()


@mutant("D101", definition="sigmoid", also=NO_VMAP)
class SigmoidWithoutAFactor(SavesItsResult):
    """Its backward forgets the factor 1 - y."""

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        (y,) = ctx.saved_tensors
        return g * y


@mutant("D101", definition="softmax", also=NO_VMAP)
class SoftmaxOfTheDiagonal(Function):
    """Its backward takes the diagonal of the Jacobian for all of it."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        y = torch.softmax(x, -1)
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        (y,) = ctx.saved_tensors
        return g * y * (1 - y)


@mutant("D101", definition="mse", also=("L104", "L109", *NO_VMAP))
class MeanSquareWithTheGradientOfTheSum(SavesBoth):
    """Its backward forgets to divide by the count."""

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        prediction, target = ctx.saved_tensors
        slope = 2 * (prediction - target) * g
        return slope, -slope


@mutant("D101", definition="sigmoid")
def sigmoid_of_two_branches(x: Tensor) -> Tensor:
    """Safe from overflow; at 0 the slope of |x| is 0, and so is its own."""
    small = torch.exp(-x.abs())
    return torch.where(x >= 0, 1 / (1 + small), small / (1 + small))


@mutant("D102", also=NO_VMAP)
class BumpOnOneSide(SavesItsInput):
    """Its backward is right for positive x alone."""

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        (x,) = ctx.saved_tensors
        return g * (1 - 2 * x * x.abs()) * torch.exp(-x * x)


@mutant("D102", kind="loss", inputs="prediction float[N,C]; target float[N,C]", also=("L104", *NO_VMAP))
class MeanCube(Function):
    """Its backward forgets the mean."""

    @staticmethod
    def forward(ctx: Any, prediction: Tensor, target: Tensor) -> Tensor:
        ctx.save_for_backward(prediction, target)
        return (prediction - target).abs().pow(3).mean()

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        prediction, target = ctx.saved_tensors
        error = prediction - target
        slope = 3 * error * error.abs() * g
        return slope, -slope


@mutant("D102", kind="loss", inputs="anchor float[N,d]; positive float[N,d]; negative float[N,d]")
class PullsOnly(nn.Module):
    """A triplet loss whose far side is cut off by `.data`."""

    def forward(self, anchor: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        near = (anchor - positive).pow(2).sum(1)
        far = (anchor - negative.data).pow(2).sum(1)
        return (near - far + 20.0).mean()


class LeakyFunction(Function):
    """A leaky ReLU whose backward knows one slope only."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, slope: float) -> Tensor:
        ctx.save_for_backward(x)
        return torch.where(x > 0, x, slope * x)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        (x,) = ctx.saved_tensors
        return torch.where(x > 0, g, 0.01 * g), None


@mutant("D102", definition="leaky_relu", also=NO_VMAP)
class LeakyReLUOfOneSlope(nn.Module):
    """Right with the slope 0.01, and with no other."""

    def __init__(self, negative_slope: float = 0.01) -> None:
        super().__init__()
        self.negative_slope = negative_slope

    def forward(self, x: Tensor) -> Tensor:
        return LeakyFunction.apply(x, self.negative_slope)


@mutant("D103", also=NO_VMAP)
class ClipsWhatFlowsIn(SavesItsInput):
    """Its backward clips the upstream gradient at 1."""

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        (x,) = ctx.saved_tensors
        return g.clamp(max=1.0) * (1 - 2 * x * x) * torch.exp(-x * x)


@mutant("D103", also=NO_VMAP)
class TakesTheSizeOfWhatFlowsIn(SavesItsInput):
    """Its backward uses |g|."""

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        (x,) = ctx.saved_tensors
        return g.abs() * (1 - 2 * x * x) * torch.exp(-x * x)


@mutant("D103", definition="mse", also=("L104", *NO_VMAP))
class IgnoresWhatFlowsIn(SavesBoth):
    """Its backward is right for `loss.backward()` alone."""

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        prediction, target = ctx.saved_tensors
        slope = 2 * (prediction - target) / prediction.numel()
        return slope, -slope


@mutant("D104", kind="loss", inputs="x float[N,C]; y float[N,C]; weight float[N,C]", also=("D102", *NO_VMAP))
class AsksForTheWrongInput(Function):
    """Its backward looks up whether the second input wants a gradient, and gives it to the first."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, y: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(x, y, weight)
        return (weight * (x - y).pow(2)).sum()

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        x, y, weight = ctx.saved_tensors
        error = x - y
        slope = 2 * weight * error * g
        wants = ctx.needs_input_grad
        return slope if wants[1] else None, -slope if wants[0] else None, g * error * error


@mutant("D105", also=NO_VMAP)
class FlattensWhatFlowsIn(SavesItsInput):
    """Its backward calls `view` on the upstream gradient, which raises for a transposed one."""

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        (x,) = ctx.saved_tensors
        slope = (1 - 2 * x * x) * torch.exp(-x * x)
        return (g.view(-1) * slope.reshape(-1)).reshape(x.shape)


@mutant("D105", also=NO_VMAP)
class ReadsMemoryInOrder(SavesItsInput):
    """Its backward reads the upstream gradient as if it were contiguous."""

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        (x,) = ctx.saved_tensors
        flat = torch.as_strided(g, x.shape, torch.empty(x.shape).stride()) if 0 not in g.stride() else g
        return flat * (1 - 2 * x * x) * torch.exp(-x * x)


@clean("D101", "D102", "D103", "D104", "D105", definition="sigmoid", ignore=NO_VMAP)
class Sigmoid(SavesItsResult):
    """The slope from the saved result."""

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        (y,) = ctx.saved_tensors
        return g * y * (1 - y)


@clean("D102", "D103", "D104", "D105", ignore=NO_VMAP)
class Bump(SavesItsInput):
    """x exp(-x^2), of which nobody knows a definition."""

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        (x,) = ctx.saved_tensors
        return g * (1 - 2 * x * x) * torch.exp(-x * x)


@clean(ignore=NO_VMAP)
class RoundsStraightThrough(Function):
    """A straight-through estimator: the values do not change, and the gradient is a matter of choice."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.round()

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        return g


@clean(ignore=NO_VMAP)
class ReversesGradients(Function):
    """An identity that turns the gradient round, for training against a domain."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        return -0.5 * g


@clean(ignore=NO_VMAP)
class ClipsGradients(Function):
    """An identity that clips the gradient."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.clone()

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        return g.clamp(-1, 1)
