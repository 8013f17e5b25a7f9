"""SiLU and GELU: x times a gate that opens from 0 to 1."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from torchstone._checks import read_for_free
from torchstone._elementwise import elementwise
from torchstone.activations._base import Activation
from torchstone.activations.sigmoids import Sigmoid, Tanh

# At +-FAR every gate here is 0 or 1 to the last digit of float64. Held within it, no infinity meets a 0.
FAR = 1000.0
# Left of here erfc(-x / √2) is subnormal and has lost digits, which x Φ(x), a larger number, still has.
EDGE = {torch.float32: -12.8, torch.float64: -37.4}


class SiLU(Activation):
    """The sigmoid linear unit, also called swish: x through a sigmoid gate σ.

        f(x) = x σ(x)        f'(x) = σ(x) (1 + x σ(-x))        f''(x) = σ(x) σ(-x) (2 - x tanh(x / 2))

    Args:
        inplace: writes the answer into x and returns x. The backward needs a copy of x, so this saves no memory.

    Shape: any; the answer has the same. Dtypes: float64, float32, bfloat16, float16; half types are computed in
    float32 and rounded once.

    Raises:
        TypeError: x is not a floating-point tensor.

    PyTorch gives NaN at -inf, where the limit is -0, and a gradient of NaN at both infinities, where the limits are
    0 and 1. In float32 it gives -0 at x = -90, where the truth is the normal number -7.4e-38.

    >>> import torch
    >>> SiLU()(torch.tensor([-torch.inf, -90.0, 1.0, torch.inf]))
    tensor([-0.0000e+00, -7.3746e-38,  7.3106e-01,         inf])

    Source: S. Elfwing, E. Uchibe, K. Doya, "Sigmoid-Weighted Linear Units for Neural Network Function Approximation
    in Reinforcement Learning", Neural Networks 107 (2018).
    """

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    @staticmethod
    def value(x: Tensor) -> Tensor:
        """f(x) = x σ(x)."""
        return _gate(x, x)

    @staticmethod
    def gradient(g: Tensor, x: Tensor) -> Tensor:
        """f'(x) = σ(x) (1 + x σ(-x))."""
        x = x.clamp(-FAR, FAR)
        return _gate_gradient(g, x, x)

    @staticmethod
    def curvature(g: Tensor, x: Tensor) -> Tensor:
        """f''(x) = σ(x) σ(-x) (2 - x tanh(x / 2))."""
        x = x.clamp(-FAR, FAR)
        return g * elementwise(Sigmoid, x) * elementwise(Sigmoid, -x) * (2 - x * elementwise(Tanh, x / 2))


class GELU(Activation):
    """The Gaussian error linear unit: x times Φ(x), the probability that a standard normal variable is below x.

        f(x) = x Φ(x)                       f'(x) = Φ(x) + x φ(x)        f''(x) = (2 - x²) φ(x)
        Φ(x) = erfc(-x / √2) / 2            φ(x) = e^(-x² / 2) / √(2π)

    With `approximate="tanh"`, a sigmoid gate σ takes the place of Φ:

        f(x) = x/2 (1 + tanh(v/2)) = x σ(v)        v = 2 √(2/π) (x + 0.044715 x³)
        f'(x) = σ(v) (1 + x v' σ(-v))              f''(x) = σ(v) σ(-v) (2 v' + x v'' - x v'² tanh(v/2))

    Args:
        approximate: "none" for the exact function, "tanh" for the approximation.

    Shape: any; the answer has the same. Dtypes: float64, float32, bfloat16, float16; half types are computed in
    float32 and rounded once.

    Raises:
        TypeError: x is not a floating-point tensor.
        ValueError: approximate is neither "none" nor "tanh".

    PyTorch takes 1 + erf or 1 + tanh, which cancel on the left: in float32 it gives -0 at x = -6, where the truth is
    -5.9e-9. At -inf it gives NaN, where the limit is -0 (at inf, it depends on the length of x), and its gradient is
    NaN at both infinities. With "tanh", its float32 gradient is NaN from |x| = 1.9e19 on.

    >>> import torch
    >>> GELU()(torch.tensor([-torch.inf, -6.0, 1.0, torch.inf]))
    tensor([-0.0000e+00, -5.9195e-09,  8.4134e-01,         inf])

    Source: D. Hendrycks, K. Gimpel, "Gaussian Error Linear Units (GELUs)", arXiv:1606.08415 (2016), section 2.
    """

    options = ("approximate",)

    def __init__(self, approximate: str = "none") -> None:
        super().__init__()
        if approximate not in ("none", "tanh"):
            raise ValueError(f"approximate: expected 'none' or 'tanh', got {approximate!r}")
        self.approximate = approximate

    def _compute(self, x: Tensor) -> Tensor:
        return elementwise(GELU if self.approximate == "none" else _TanhGELU, x)

    @staticmethod
    def value(x: Tensor) -> Tensor:
        """f(x) = x/2 erfc(-x / √2)."""
        y = x.clamp(min=-FAR).mul_(0.5).mul_(x.mul(-math.sqrt(0.5)).erfc_())
        return _with_left_tail(y, x, lambda x, mills: x * mills)

    @staticmethod
    def gradient(g: Tensor, x: Tensor) -> Tensor:
        """f'(x) = erfc(-x / √2) / 2 + x e^(-x² / 2) / √(2π)."""
        x = x.clamp(-FAR, FAR)
        bump = x.square().mul_(-0.5).exp_().mul_(x).mul_(1 / math.sqrt(2 * math.pi))
        slope = x.mul(-math.sqrt(0.5)).erfc_().mul_(0.5).add_(bump)
        return g * _with_left_tail(slope, x, lambda x, mills: x + mills)

    @staticmethod
    def curvature(g: Tensor, x: Tensor) -> Tensor:
        """f''(x) = (2 - x²) e^(-x² / 2) / √(2π)."""
        x = x.clamp(-FAR, FAR)
        return g * (2 - x * x) * torch.exp(-x * x / 2) / math.sqrt(2 * math.pi)


def _with_left_tail(y: Tensor, x: Tensor, factor: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """Y, but left of the edge factor(x, Φ(x) / φ(x)) φ(x)."""
    edge, seen = EDGE[x.dtype], read_for_free(x)
    if seen is None:
        return torch.where(x < edge, _left_tail(x.clamp(-FAR, edge), factor), y)
    left = seen < edge
    if left.any():  # a handful as a rule, so the others cost nothing
        y[left] = _left_tail(x[left].clamp(min=-FAR), factor)
    return y


def _left_tail(x: Tensor, factor: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """factor(x, Φ(x) / φ(x)) φ(x), where φ / Φ at -s is Laplace's continued fraction s + 1/(s + 2/(s + 3/...))."""
    s = -x
    fraction = s
    for k in (5, 4, 3, 2, 1):
        fraction = s + k / fraction
    root = s.square().mul_(-0.25).exp_()  # of e^(-x² / 2), which alone would be subnormal too
    return factor(x, 1 / fraction).mul_(1 / math.sqrt(2 * math.pi)).mul_(root).mul_(root)


class _TanhGELU:
    """f(x) = x σ(v), where v = A x + B x³."""

    A = 2 * math.sqrt(2 / math.pi)
    B = 0.044715 * A

    @staticmethod
    def value(x: Tensor) -> Tensor:
        """f(x) = x σ(v)."""
        return _gate(x, x.square().mul_(_TanhGELU.B).add_(_TanhGELU.A).mul_(x))

    @staticmethod
    def gradient(g: Tensor, x: Tensor) -> Tensor:
        """f'(x) = σ(v) (1 + x v' σ(-v))."""
        x = x.clamp(-FAR, FAR)
        bxx = x.square().mul_(_TanhGELU.B)
        return _gate_gradient(g, (bxx + _TanhGELU.A).mul_(x), bxx.mul_(3).add_(_TanhGELU.A).mul_(x))

    @staticmethod
    def curvature(g: Tensor, x: Tensor) -> Tensor:
        """f''(x) = σ(v) σ(-v) (2 v' + x v'' - x v'² tanh(v/2))."""
        x = x.clamp(-FAR, FAR)
        bxx = _TanhGELU.B * x * x
        v, dv = x * (_TanhGELU.A + bxx), _TanhGELU.A + 3 * bxx
        bell = elementwise(Sigmoid, v) * elementwise(Sigmoid, -v)
        return g * bell * (2 * dv + 6 * bxx - x * dv * dv * elementwise(Tanh, v / 2))


# x σ(v) is still a normal number where σ(v) is subnormal and has lost digits. So σ(v) comes here in two factors that
# never get so small, σ(max(v, -SPLIT)) and e^min(v + SPLIT, 0): below -SPLIT, σ(v) is e^v to the last digit of float64.
SPLIT = 40.0


def _gate(x: Tensor, v: Tensor) -> Tensor:
    """Return x σ(v)."""
    return x.clamp(min=-FAR).div_(_exp_minus(v).add_(1)).mul_(_tail(v))


def _gate_gradient(g: Tensor, v: Tensor, xdv: Tensor) -> Tensor:
    """Return g σ(v) (1 + x v' σ(-v))."""
    w = _exp_minus(v)
    w1 = w + 1  # σ(v) = 1 / (1 + w) and σ(-v) = w / (1 + w)
    return g * w.div_(w1).mul_(xdv).add_(1).div_(w1).mul_(_tail(v))


def _exp_minus(v: Tensor) -> Tensor:
    return v.clamp(min=-SPLIT).neg_().exp_()


def _tail(v: Tensor) -> Tensor:
    return v.add(SPLIT).clamp_(max=0).exp_()
