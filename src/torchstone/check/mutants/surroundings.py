"""Subjects for the rules on a subject's surroundings: wrong ones and clean ones."""

import warnings
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 (as everybody writes it)
from torch import Tensor, nn

from torchstone.check.mutants import clean, mutant


@mutant("G005")
def ramp_from_a_seed(x: Tensor) -> Tensor:
    """It seeds the generator of the whole process for a number of its own."""
    torch.manual_seed(0)
    return x * torch.rand(1, dtype=torch.float64).item()


@mutant("G005", definition="tanh")
def tanh_in_double(x: Tensor) -> Tensor:
    """It changes the default dtype and does not put it back."""
    torch.set_default_dtype(torch.float64)
    return torch.tanh(x)


@mutant("G005", also=("L104",), definition="mse")
def quiet_squared_error(prediction: Tensor, target: Tensor) -> Tensor:
    """It silences the warnings of the whole process."""
    warnings.filterwarnings("ignore")
    return (prediction - target).pow(2).mean()


@mutant("G005", definition="relu", also=("G004",))
def relu_that_ends_gradients(x: Tensor) -> Tensor:
    """It leaves the gradient mode off."""
    result = torch.nn.functional.relu(x)
    torch.set_grad_enabled(False)
    return result


@mutant("G006", also=("A104", "D101"), definition="sigmoid")
def sigmoid_through_numbers(x: Tensor) -> Tensor:
    """`torch.tensor` cuts the graph."""
    return torch.tensor((1 / (1 + torch.exp(-x))).tolist(), dtype=x.dtype)


@mutant("G006", definition="tanh")
def detached_tanh(x: Tensor) -> Tensor:
    """Cuts the result off from its input."""
    return x.tanh().detach()


@mutant("G006", definition="softplus")
class SoftplusWithAGraph(nn.Module):
    """It builds a graph where none is wanted."""

    def forward(self, x: Tensor) -> Tensor:
        with torch.enable_grad():
            return torch.logaddexp(x, torch.zeros_like(x))


@mutant("G007", also=("L104",), definition="mse")
class SquaredErrorWithAnyReduction(nn.Module):
    """What it does not know means "none"."""

    def __init__(self, reduction: str = "mean") -> None:
        super().__init__()
        self.reduction = reduction

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        loss = (prediction - target).pow(2)
        if self.reduction == "mean":
            return loss.mean()
        return loss.sum() if self.reduction == "sum" else loss


@mutant("G007", also=("L104",), definition="mae")
class AbsoluteErrorWithAnAssert(nn.Module):
    """An assert is no validation: it can be switched off."""

    def __init__(self, reduction: str = "mean") -> None:
        super().__init__()
        assert reduction in ("none", "mean", "sum")
        self.reduction = reduction

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        loss: Any = (prediction - target).abs()
        return loss if self.reduction == "none" else getattr(loss, self.reduction)()


@mutant("G008", also=("L105",), like="torch.nn.CrossEntropyLoss()")
def cross_entropy_in_parts(logits: Tensor, target: Tensor) -> Tensor:
    """It calls the two functions that a cross-entropy is made of."""
    return F.nll_loss(F.log_softmax(logits, -1), target)


@clean("G008", like="torch.nn.CrossEntropyLoss()")
def cross_entropy_from_scratch(logits: Tensor, target: Tensor) -> Tensor:
    """The mathematics, in PyTorch's arithmetic."""
    if target.dim() != 1 or logits.shape[:1] != target.shape:
        raise ValueError(f"expected (N, C) and (N,), got {list(logits.shape)} and {list(target.shape)}")
    return (torch.logsumexp(logits, -1) - logits.gather(-1, target[:, None])[:, 0]).mean()
