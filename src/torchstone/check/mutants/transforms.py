"""Subjects for the rules on transforms: wrong ones and clean ones."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from torchstone.check.mutants import clean, mutant


@clean("T101", "T102", "T103", "T104", "T105")
class SmoothAbsolute(nn.Module):
    """Plain tensor operations go through all of them."""

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        if prediction.shape != target.shape:
            raise ValueError(f"expected equal shapes, got {list(prediction.shape)} and {list(target.shape)}")
        return (torch.sqrt((prediction - target).square() + 1) - 1).mean()


@clean("T101", "T103", "T105")
class Gaussian(Function):
    """An autograd.Function in the style that transforms understand."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return torch.exp(-x * x)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        ctx.save_for_backward(inputs[0])

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        (x,) = ctx.saved_tensors
        return -2 * x * torch.exp(-x * x) * g


@mutant("T101", "T102")
class SquareInTheOldStyle(Function):
    """`forward` takes ctx: no transform of torch.func goes through."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        (x,) = ctx.saved_tensors
        return 2 * x * g


@mutant("T101", also=("T103", "T105", "N104"), definition="leaky_relu")
def leaky_relu_by_masks(x: Tensor, negative_slope: float = 0.01) -> Tensor:
    """It writes the two branches through a mask and its opposite."""
    positive = x > 0
    result = torch.empty_like(x)
    result[positive] = x[positive]
    result[~positive] = x[~positive] * negative_slope
    return result


@mutant("T101", also=("A103",))
class CentredByItsOwnRule(Function):
    """Its vmap rule takes the mean over the whole batch."""

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return x - x.mean()

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        pass

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, g: Tensor) -> Any:
        return g - g.mean()

    @staticmethod
    def vmap(info: Any, in_dims: Any, x: Tensor) -> Any:
        return CentredByItsOwnRule.apply(x), in_dims[0]


@mutant("T102", also=("D107",))
class CubeWithAWrongTangent(Function):
    """Its forward mode forgets a factor."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return x**3

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        ctx.save_for_backward(inputs[0])
        ctx.save_for_forward(inputs[0])

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        (x,) = ctx.saved_tensors
        return 3 * x**2 * g

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor) -> Any:
        (x,) = ctx.saved_tensors
        return x**2 * tangent


@mutant("T103")
class SwishThatIsAnotherWhenCompiled(nn.Module):
    """A short-cut for compilers that is not quite the same function."""

    def forward(self, x: Tensor) -> Tensor:
        if torch.compiler.is_compiling():
            return x * torch.clamp(x / 6 + 0.5, 0, 1)
        return x * torch.sigmoid(x)


@mutant("T104")
def softmax_row_by_row(x: Tensor) -> Tensor:
    """A loop over the batch is unrolled, for each size anew."""
    return torch.stack([torch.exp(row - row.logsumexp(-1, keepdim=True)) for row in x])


@mutant("T105", definition="softplus")
def softplus_with_zeros_on_the_cpu(x: Tensor) -> Tensor:
    """Its zeros are not where the input is."""
    return torch.logaddexp(x, torch.zeros(x.shape, dtype=x.dtype))
