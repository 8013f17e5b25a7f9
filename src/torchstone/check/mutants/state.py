"""Subjects for the rules on state: wrong ones and clean ones."""

import copy
from typing import Any

import torch
from torch import Tensor, nn

from torchstone.check.mutants import clean, mutant


@clean("S101", "S102", "S103", "S104", inputs="x float[N,4]")
class WeightedColumns(nn.Module):
    """A parameter and a buffer, both registered."""

    weight: Tensor
    scale: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.rand(4) + 0.5)
        self.register_buffer("scale", torch.tensor([0.5, 1.0, 1.5, 2.0]))

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(x) * self.weight * self.scale


@clean("S101", "S102", "S103", "S104")
class MeanOfSquares(nn.Module):
    """A loss that holds nothing."""

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        if prediction.shape != target.shape:
            raise ValueError(f"expected equal shapes, got {list(prediction.shape)} and {list(target.shape)}")
        return (prediction - target).square().mean()


@mutant("S101")
class TanhByALambda(nn.Module):
    """A lambda cannot be pickled."""

    def __init__(self) -> None:
        super().__init__()
        self.squash = lambda x: torch.tanh(x)  # noqa: PLW0108 (as people do)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.squash(x)
        return result


@mutant("S101")
class SlopeThatCopiesForget(nn.Module):
    """Its own copying starts from the default."""

    def __init__(self, slope: float = 0.1) -> None:
        super().__init__()
        self.slope = slope
        self.warm = True

    def __deepcopy__(self, memo: dict[int, Any]) -> "SlopeThatCopiesForget":
        return SlopeThatCopiesForget(0.0)

    def forward(self, x: Tensor) -> Tensor:
        return torch.where(x > 0, x, self.slope * x)


@mutant("S101")
class CopiesThatShare(nn.Module):
    """Its copies train the original's parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.slope = nn.Parameter(torch.tensor(0.25))

    def __deepcopy__(self, memo: dict[int, Any]) -> "CopiesThatShare":
        other = CopiesThatShare()
        other.slope = copy.copy(self.slope)
        return other

    def forward(self, x: Tensor) -> Tensor:
        return torch.where(x > 0, x, self.slope * x)


@mutant("S102", "S103", also=("N106",), inputs="x float[N,4]")
class RandomCentresNobodySaves(nn.Module):
    """The centres it drew are neither parameters nor buffers."""

    def __init__(self) -> None:
        super().__init__()
        self.centres = torch.rand(4) + 0.5

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(x * self.centres)


@mutant("S102", also=("D102",))
class ScaleRegisteredLate(nn.Module):
    """A buffer that there is only after a call."""

    scale: Tensor

    def forward(self, x: Tensor) -> Tensor:
        if not hasattr(self, "scale"):
            self.register_buffer("scale", x.new_full((), 0.5))
        return torch.tanh(x) * self.scale


@mutant("S103", also=("N106",), inputs="prediction float[N,4]; target float[N,4]")
class WeightOnTheCPU(nn.Module):
    """A plain tensor: `.to("cuda")` does not take it along."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.ones(4)

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        if prediction.shape != target.shape:
            raise ValueError(f"expected equal shapes, got {list(prediction.shape)} and {list(target.shape)}")
        return (self.weight * (prediction - target).square()).mean()


@mutant("S103", also=("A110", "N106"))
class SlopesInAList(nn.Module):
    """No optimizer finds parameters in a list."""

    def __init__(self) -> None:
        super().__init__()
        self.slopes = [nn.Parameter(torch.tensor(0.25)), nn.Parameter(torch.tensor(0.5))]

    def forward(self, x: Tensor) -> Tensor:
        return torch.where(x > 0, x, self.slopes[0] * self.slopes[1] * x)


@mutant("S103", also=("A104", "N106", "A108"))
class LearntByNobody(nn.Module):
    """A slope that wants a gradient, and is no parameter."""

    def __init__(self) -> None:
        super().__init__()
        self.slope = torch.ones(1, requires_grad=True)

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(self.slope * x)


@mutant("S104", also=("T104",))
class RemembersItsLosses(nn.Module):
    """A list of losses, each with the graph behind it."""

    def __init__(self) -> None:
        super().__init__()
        self.history: list[Tensor] = []

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        if prediction.shape != target.shape:
            raise ValueError(f"expected equal shapes, got {list(prediction.shape)} and {list(target.shape)}")
        loss = (prediction - target).square().mean()
        self.history.append(loss)
        return loss


@mutant("S104")
class HalvedInEvaluation(nn.Module):
    """Its training curve lies twice as high as that of its validation."""

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        if prediction.shape != target.shape:
            raise ValueError(f"expected equal shapes, got {list(prediction.shape)} and {list(target.shape)}")
        loss = (prediction - target).square().mean()
        return loss if self.training else loss / 2
