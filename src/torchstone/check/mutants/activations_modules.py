"""Subjects for the rules on what a module has beside its forward: wrong ones and clean ones."""

import torch
from torch import Tensor, nn

from torchstone.check.mutants import clean, mutant


@mutant("A109", also=("D109", "G002"), definition="relu", tier="full")
class HiddenInplace(nn.Module):
    """Writes through .data."""

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def forward(self, x: Tensor) -> Tensor:
        if not self.inplace:
            return torch.relu(x)
        x.data.clamp_(min=0)
        return x


@mutant("A110", also=("S103", "D101"), definition="prelu")
class FrozenPrelu(nn.Module):
    """`.item()` cuts the parameter off."""

    def __init__(self, init: float = 0.25) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(init))

    def forward(self, x: Tensor) -> Tensor:
        return torch.where(x > 0, x, self.weight.item() * x)


@clean("A110")
class Prelu(nn.Module):
    """The parameter learns."""

    def __init__(self, init: float = 0.25) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(init))

    def forward(self, x: Tensor) -> Tensor:
        return torch.where(x > 0, x, self.weight * x)


@mutant("A111", definition="relu")
class ReluOwnBackward(nn.Module):
    """Called on the class; never looks at the input, and clips what flows in."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(x)

    def backward(grad_output: Tensor) -> Tensor:  # type: ignore[misc]  # noqa: N805
        grad_input = grad_output.clone()
        grad_input[grad_input >= 1] = 1
        return grad_input


@mutant("A111", definition="sigmoid")
class SigmoidForgetsUpstream(nn.Module):
    """Right for ones alone."""

    def forward(self, x: Tensor) -> Tensor:
        self.y = torch.sigmoid(x)
        return self.y

    def backward(self, x: Tensor, grad_output: Tensor) -> Tensor:
        return torch.sigmoid(x) * (1 - torch.sigmoid(x)) + 0 * grad_output


@clean("A111", ignore=["S104"])
class Sigmoid(nn.Module):
    """As it is taught: what the backward needs is kept."""

    def forward(self, x: Tensor) -> Tensor:
        y = torch.sigmoid(x)
        self.y = y.detach()
        return y

    def backward(self, grad_output: Tensor) -> Tensor:
        return grad_output * self.y * (1 - self.y)
