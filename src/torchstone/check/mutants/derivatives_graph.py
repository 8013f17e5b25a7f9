"""Subjects for the rules on second derivatives, special points, and what a backward keeps: wrong and clean ones."""

import random
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from torchstone.check.mutants import clean, mutant
from torchstone.check.mutants.derivatives import NO_VMAP, SavesBoth, SavesItsInput


@mutant("D106", also=NO_VMAP)
class BackwardWithoutGraph(SavesItsInput):
    """Its backward works on detached numbers: a second derivative is silently none."""

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        (x,) = ctx.saved_tensors
        with torch.no_grad():
            return g * (1 - 2 * x * x) * torch.exp(-x * x)


@mutant("D106", also=NO_VMAP)
class KeepsItsSlope(Function):
    """Its forward works out the slope already, where no graph is recorded."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        bell = torch.exp(-x * x)
        ctx.save_for_backward((1 - 2 * x * x) * bell)
        return x * bell

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        (slope,) = ctx.saved_tensors
        return g * slope


@mutant("D107", also=NO_VMAP)
class ForgetsTheChainInJvp(Function):
    """x exp(-x^2), with a jvp that forgets a factor."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        ctx.save_for_forward(x)
        return x * torch.exp(-x * x)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        (x,) = ctx.saved_tensors
        return g * (1 - 2 * x * x) * torch.exp(-x * x)

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor) -> Any:
        (x,) = ctx.saved_tensors
        return tangent * (1 - x * x) * torch.exp(-x * x)


@mutant("D108", definition="sigmoid", also=("A105", "N103", "A108"))
def sigmoid_that_overflows(x: Tensor) -> Tensor:
    """Right as a value, and NaN as a gradient where exp(-x) overflows."""
    return 1 / (1 + torch.exp(-x))


@mutant("D108", definition="relu", also=("A107", "A108", "N103", "N104"))
def relu_from_a_quotient(x: Tensor) -> Tensor:
    """0/0 at 0, hidden from the value by `where`."""
    return torch.where(x > 0, x * x / x.abs(), torch.zeros_like(x))


@mutant("D108", kind="loss", inputs="first float[N,d]; second float[N,d]")
def distance(first: Tensor, second: Tensor) -> Tensor:
    """The mean distance: the root at 0 where the vectors are equal."""
    return (first - second).pow(2).sum(1).sqrt().mean()


@mutant("D108", kind="loss", inputs="first float[N,d]; second float[N,d]", definition="none")
def angle(first: Tensor, second: Tensor) -> Tensor:
    """The cosine of a vector of zeros is 0/0, as a value already."""
    return 1 - ((first * second).sum(1) / (first.norm(dim=1) * second.norm(dim=1))).mean()


@mutant("D109", also=NO_VMAP)
class KeepsItsInputOnCtx(Function):
    """An attribute of ctx: what is written to x later goes into the gradient."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.x = x
        return x * torch.exp(-x * x)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        x = ctx.x
        return g * (1 - 2 * x * x) * torch.exp(-x * x)


@mutant("D109", definition="tanh", also=NO_VMAP)
class KeepsItsResultOnCtx(Function):
    """A cycle: the result holds its graph, and that holds the result."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.y = torch.tanh(x)
        return ctx.y

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        return g * (1 - ctx.y * ctx.y)


@mutant("D110", definition="mse", also=("D106", "D111", "L104", *NO_VMAP))
class WritesToWhatItSaved(SavesBoth):
    """Its backward scales the saved difference in place."""

    @staticmethod
    def forward(ctx: Any, prediction: Tensor, target: Tensor) -> Tensor:
        ctx.error = prediction - target
        return ctx.error.pow(2).mean()

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        slope = ctx.error.mul_(2 * g / ctx.error.numel())
        return slope, -slope


class _MasksWithTheLast(Function):
    """Its mask is looked up where the last forward left it."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, owner: Any) -> Tensor:
        owner.mask = x > 0
        ctx.owner = owner
        return torch.where(x > 0, x, 0.25 * x)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        return torch.where(ctx.owner.mask, g, 0.25 * g), None


@mutant("D110", also=("S104", *NO_VMAP))
class LeakyReLUWithTheLastMask(nn.Module):
    """A network that uses it twice gets the second call's gradient for both."""

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = _MasksWithTheLast.apply(x, self)
        return result


@mutant("D110", also=NO_VMAP)
class KeepsItsMaskOnTheClass(Function):
    """The same, for all calls of the process."""

    mask: Any = None

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        KeepsItsMaskOnTheClass.mask = x > 0
        return torch.where(x > 0, x, 0.25 * x)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        return torch.where(KeepsItsMaskOnTheClass.mask, g, 0.25 * g)


@mutant("D111", also=("T101", "T103"))
class DrawsFromPython(nn.Module):
    """A random frequency that is no random number of torch's: a checkpoint does not restore it."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.sin(x * random.uniform(0.5, 1.5))


@clean("D106", "D109", "D110", "D111", ignore=NO_VMAP)
class Bump(SavesItsInput):
    """x exp(-x^2), twice differentiable."""

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        (x,) = ctx.saved_tensors
        return g * (1 - 2 * x * x) * torch.exp(-x * x)


@clean("D107", "D106")
def bump(x: Tensor) -> Tensor:
    """The same, left to autograd."""
    return x * torch.exp(-x * x)


@clean("D110", ignore=NO_VMAP)
class BumpOnce(SavesItsInput):
    """The same, with a second derivative that is refused."""

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, g: Tensor) -> Any:
        (x,) = ctx.saved_tensors
        return g * (1 - 2 * x * x) * torch.exp(-x * x)


@clean("D108", definition="sigmoid")
def sigmoid_by_softplus(x: Tensor) -> Tensor:
    """No exponential of a large number, in value and in gradient."""
    return torch.exp(-nn.functional.softplus(-x))
