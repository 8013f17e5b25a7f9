"""Subjects for the rules on derivatives: wrong ones and clean ones."""

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

from torchstone.check.mutants import clean, mutant


@mutant("D101", definition="sigmoid")
class SigmoidWithoutTheFactor(Function):
    """Its backward forgets the factor 1 - y."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        y = torch.sigmoid(x)
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        (y,) = ctx.saved_tensors
        return g * y


@mutant("D101", definition="softmax")
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


@mutant("D101", definition="mse")
class MeanSquareWithTheGradientOfTheSum(Function):
    """Its backward forgets to divide by the count."""

    @staticmethod
    def forward(ctx: Any, prediction: Tensor, target: Tensor) -> Tensor:
        ctx.save_for_backward(prediction, target)
        return (prediction - target).pow(2).mean()

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        prediction, target = ctx.saved_tensors
        slope = 2 * (prediction - target) * g
        return slope, -slope


@mutant("D101", definition="tanh", also=("G006",))
def detached_tanh(x: Tensor) -> Tensor:
    """Cuts the result off from its input."""
    return x.tanh().detach()


@clean("D101", definition="sigmoid")
class Sigmoid(Function):
    """The slope from the saved result."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        y = torch.sigmoid(x)
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        (y,) = ctx.saved_tensors
        return g * y * (1 - y)
