"""Subjects for the rules on numerics: wrong ones and clean ones."""

from typing import Any

import torch
from torch import Tensor, nn

from torchstone.check.mutants import clean, mutant


@mutant("N101", also=("A101", "A108", "N102", "D101", "D108"), definition="gelu_tanh")
def gelu_tanh_short(x: Tensor) -> Tensor:
    """A constant of eight digits: float32's."""
    return 0.5 * x * (1 + torch.tanh(0.7978845608028 * (x + 0.04471500001 * x**3)))


@mutant("N102", "N103", also=("A108", "A105", "D101", "D102", "D108", "N101"), definition="tanh")
class TextbookTanh(nn.Module):
    """Loses its digits near 0, and is infinity over infinity from 89 on."""

    def forward(self, x: Tensor) -> Tensor:
        return (torch.exp(x) - torch.exp(-x)) / (torch.exp(x) + torch.exp(-x))


@mutant("N102", "N103", also=("A108", "N101", "D101", "D108"), definition="log_sigmoid")
def log_of_sigmoid(x: Tensor) -> Tensor:
    """The logarithm of 0, and of almost 1."""
    return torch.log(torch.sigmoid(x))


@mutant("N104", definition="relu")
def relu_by_where(x: Tensor) -> Tensor:
    """NaN is not greater than 0."""
    return torch.where(x > 0, x, torch.zeros_like(x))


def _same_shape(prediction: Tensor, target: Tensor) -> None:
    if prediction.shape != target.shape:
        raise ValueError(f"target: expected shape {tuple(prediction.shape)}, got {tuple(target.shape)}")


@mutant("N104", definition="mse", also=("D101", "L113", "S104"))
def mse_without_nan(prediction: Tensor, target: Tensor) -> Tensor:
    """What went wrong counts as a perfect fit."""
    _same_shape(prediction, target)
    return torch.nan_to_num((prediction - target) ** 2).mean()


@clean("N104", "N106", "N107", "N108")
def leaky_relu(x: Tensor) -> Tensor:
    """NaN falls into the branch that keeps x."""
    return torch.where(x > 0, x, 0.01 * x)


@clean("N104", "N105", "N106", "N108")
def l1(prediction: Tensor, target: Tensor) -> Tensor:
    """As it stands in the book."""
    _same_shape(prediction, target)
    return (prediction - target).abs().mean()


@mutant("N105", definition="mse", tier="full", also=("L105", "L106", "D101", "T101"))
def mse_by_running_sum(prediction: Tensor, target: Tensor) -> Tensor:
    """The sum is kept in the half type, and divided last."""
    _same_shape(prediction, target)
    squares = ((prediction - target) ** 2).reshape(-1)
    total = torch.cumsum(squares, 0)[-1]
    return total / squares.numel()


@mutant("N106", definition="sigmoid", also=("A101", "D101", "D102", "D104", "T101", "T102", "T103"))
def sigmoid_in_float32(x: Tensor) -> Tensor:
    """Whatever comes in, float32 goes out."""
    return torch.sigmoid(x.float())


@mutant("N107", definition="gelu", also=("A108", "N102", "D108"))
class LibraryGelu(nn.Module):
    """NaN for two infinities, and inf for one: PyTorch's own."""

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.gelu(x)


class _Halves(torch.autograd.Function):
    """Multiplies by a matrix in forward, and by the matrix as it was in backward."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(weight)
        return (x.unsqueeze(-1) @ weight).squeeze(-1)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, None]:
        (weight,) = ctx.saved_tensors
        if g.dtype != weight.dtype:
            raise RuntimeError(f"expected {weight.dtype}, got {g.dtype}")
        return g * weight.reshape(()), None


@mutant("N108", definition="identity", tier="full", also=("D106", "D107", "T101", "T102", "T103"))
def identity_by_matrix(x: Tensor) -> Tensor:
    """Under autocast forward's product is in bfloat16, and backward's gradient with it."""
    result: Tensor = _Halves.apply(x, torch.ones(1, 1, dtype=x.dtype))
    return result
