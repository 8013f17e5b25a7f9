"""Subjects for the rules on activations: wrong ones and clean ones."""

import torch
from torch import Tensor, nn

from torchstone.check.mutants import clean, mutant

# Values.


@mutant("A101", also=("D101", "D108"), definition="gelu_tanh")
class GeluTanhLostDigit(nn.Module):
    """0.44715 for 0.044715."""

    def forward(self, x: Tensor) -> Tensor:
        return 0.5 * x * (1 + torch.tanh(0.7978845608028654 * (x + 0.44715 * x**3)))


@mutant("A101", also=("D101", "D108"), definition="softplus")
def softplus_saturates(x: Tensor) -> Tensor:
    """A clamp against overflow that cuts off what is large."""
    return torch.log1p(torch.exp(x.clamp(max=20)))


@mutant("A101", definition="selu", also=("D101",))
class ShortSelu(nn.Module):
    """Constants of four digits."""

    def forward(self, x: Tensor) -> Tensor:
        return 1.05 * torch.where(x > 0, x, 1.673 * torch.expm1(x.clamp(max=0)))


@mutant("A102", also=("L102",), like="torch.special.erf", kind="activation")
def error_function(x: Tensor) -> Tensor:
    """An approximation that is good to two digits."""
    return torch.tanh(1.2 * x)


@clean("A102", like="torch.special.erf", kind="activation")
def exact_error_function(x: Tensor) -> Tensor:
    """One minus what is left."""
    return 1 - torch.erfc(x)


@clean("A101", "A105", "A106", "A108", "N101", "N102", "N103")
def tanh(x: Tensor) -> Tensor:
    """The library's."""
    return torch.tanh(x)


# Range, identities, places.


@mutant("A105", also=("A106", "A108", "D101", "D102", "D108"), definition="sigmoid")
def sigmoid_in_steps(x: Tensor) -> Tensor:
    """A polynomial for large x that leaves [0, 1]."""
    return torch.where(x.abs() > 200, torch.sign(x) * (1 + 1e-3) * 0.5 + 0.5, torch.sigmoid(x))


@mutant("A106", "N103", also=("D101", "D108", "A105"), definition="softmax")
class PlainSoftmax(nn.Module):
    """The textbook's softmax: the largest number is not subtracted."""

    def forward(self, x: Tensor) -> Tensor:
        e = torch.exp(x)
        return e / e.sum(-1, keepdim=True)


@clean("A103", "A105", "A106", "A108")
class Softmax(nn.Module):
    """The stable one."""

    def forward(self, x: Tensor) -> Tensor:
        e = torch.exp(x - x.amax(-1, keepdim=True))
        return e / e.sum(-1, keepdim=True)


@mutant("A107", also=("D101", "D108"), definition="relu")
def relu_by_maximum(x: Tensor) -> Tensor:
    """Autograd shares the slope at a tie."""
    return torch.maximum(x, torch.zeros_like(x))


@mutant("A107", also=("A108", "D101", "D102", "D108"), definition="leaky_relu")
def leaky_relu_by_division(x: Tensor) -> Tensor:
    """0/0 at 0, put right in the value alone."""
    leaky = torch.where(x > 0, x, 0.01 * x)
    return torch.where(x == 0, x * 0.0, leaky * (x / x))


@mutant("A107", definition="hardshrink", also=("A108", "N104"))
def hardshrink_with_its_edge(x: Tensor, lambd: float = 0.5) -> Tensor:
    """It keeps what is exactly at the edge."""
    return torch.where(x.abs() >= lambd, x, 0.0 * x)


@clean("A107", "A109")
class ReLU(nn.Module):
    """With its switch."""

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def forward(self, x: Tensor) -> Tensor:
        return x.relu_() if self.inplace else x.relu()


@mutant("A108", also=("D108", "N107"), definition="silu")
def silu_by_product(x: Tensor) -> Tensor:
    """Zero times infinity at minus infinity."""
    return x * torch.sigmoid(x)


# Shapes.


@mutant("A103", definition="softmax")
class SoftmaxOverDimensionOne(nn.Module):
    """The last dimension of (N, C), and another one of (B, N, C)."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.softmax(x, dim=1)


@mutant("A103", also=("A101", "A105", "A106", "D101", "D103", "T101"), definition="softmax")
class SoftmaxOverBatch(nn.Module):
    """The wrong dimension."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.softmax(x, dim=0)


@mutant("A103", also=("D101", "D108"), definition="softmax")
class SoftmaxGlobalMax(nn.Module):
    """One maximum for the whole batch: rows far below it vanish."""

    def forward(self, x: Tensor) -> Tensor:
        e = torch.exp(x - x.max())
        return e / e.sum(-1, keepdim=True)


@mutant("A104", also=("G003", "A108", "D104", "D105", "T101"), definition="relu")
def relu_squeezes(x: Tensor) -> Tensor:
    """A batch of one loses its dimension."""
    return torch.where(x > 0, x, 0 * x).squeeze()


@mutant("A104", also=("N107", "D105", "T101", "T103", "T105"), definition="identity")
def identity_reads_storage(x: Tensor) -> Tensor:
    """Takes the memory as it lies, whatever the strides say."""
    return 1 * x.as_strided(x.shape, torch.empty(x.shape).stride())


@clean("A103", "A104")
def elu(x: Tensor) -> Tensor:
    """Two branches, each safe."""
    return torch.where(x > 0, x, torch.expm1(torch.clamp(x, max=0)))
