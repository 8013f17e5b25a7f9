"""ReLU, LeakyReLU, ELU and Softplus: x on the right, and little of it on the left."""

import math

import torch
from torch import Tensor

from torchstone._checks import number
from torchstone._elementwise import elementwise
from torchstone.activations._base import Activation
from torchstone.activations.sigmoids import Sigmoid


def _right(x: Tensor) -> Tensor:
    """1 where x > 0, 0 where x <= 0, NaN where x is NaN."""
    return x.clamp(0, 1).ceil_()


class ReLU(Activation):
    """The rectified linear unit.

        f(x) = max(x, 0)        f'(x) = 1 where x > 0, else 0        f''(x) = 0

    Args:
        inplace: writes the answer into x and returns x. The backward needs a copy of x, so this saves no memory.

    Shape: any; the answer has the same. Dtypes: float64, float32, bfloat16, float16; half types are computed in
    float32 and rounded once.

    Raises:
        TypeError: x is not a floating-point tensor.

    Convention: f'(0) = 0, as in PyTorch; any number in [0, 1] would be a subgradient. Where x is NaN, so is the
    gradient (PyTorch: g).

    >>> import torch
    >>> x = torch.tensor([-1.0, 0.0, 2.0], requires_grad=True)
    >>> ReLU()(x)
    tensor([0., 0., 2.], grad_fn=...)
    >>> torch.autograd.grad(ReLU()(x).sum(), x)
    (tensor([0., 0., 1.]),)

    Source: V. Nair, G. Hinton, "Rectified Linear Units Improve Restricted Boltzmann Machines" (ICML 2010).
    """

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    @staticmethod
    def value(x: Tensor) -> Tensor:
        """f(x) = max(x, 0)."""
        return x.clamp(min=0)

    @staticmethod
    def gradient(g: Tensor, x: Tensor) -> Tensor:
        """f'(x) = 1 where x > 0, else 0."""
        # g is held within +-room, which is infinite on the right and 0 on the left. To multiply g by 1 or 0 would
        # make NaN of an infinite g; torch.where is far slower on a CPU, since it branches on every element.
        room = _right(x).sub_(0.5).mul_(math.inf).clamp_(min=0)
        return g.clamp(max=room).clamp_(min=room.neg_())

    @staticmethod
    def curvature(g: Tensor, x: Tensor) -> Tensor:
        """f''(x) = 0."""
        return torch.zeros_like(g)


class LeakyReLU(Activation):
    """The rectified linear unit with a slope s on the left, so that no unit goes dead.

        f(x) = max(x, 0) + s min(x, 0)        f'(x) = 1 where x > 0, else s        f''(x) = 0

    Args:
        negative_slope: s, any finite number.
        inplace: writes the answer into x and returns x. The backward needs a copy of x, so this saves no memory.

    Shape: any; the answer has the same. Dtypes: float64, float32, bfloat16, float16; half types are computed in
    float32 and rounded once.

    Raises:
        TypeError: x is not a floating-point tensor, or negative_slope is not a number.
        ValueError: negative_slope is not finite.

    Convention: f'(0) = s, as in PyTorch. Where x is NaN, so is the gradient (PyTorch: s g).

    >>> import torch
    >>> x = torch.tensor([-1.0, 0.0, 2.0], requires_grad=True)
    >>> LeakyReLU(0.1)(x)
    tensor([-0.1000,  0.0000,  2.0000], grad_fn=...)
    >>> torch.autograd.grad(LeakyReLU(0.1)(x).sum(), x)
    (tensor([0.1000, 0.1000, 1.0000]),)

    Source: A. Maas, A. Hannun, A. Ng, "Rectifier Nonlinearities Improve Neural Network Acoustic Models" (2013).
    """

    options = ("negative_slope",)

    def __init__(self, negative_slope: float = 0.01, inplace: bool = False) -> None:
        super().__init__()
        self.negative_slope = number("negative_slope", negative_slope)
        self.inplace = inplace

    @staticmethod
    def value(x: Tensor, negative_slope: float) -> Tensor:
        """f(x) = max(x, 0) + s min(x, 0)."""
        right = x.clamp(min=0)
        # 0 times -inf would be NaN.
        return right if negative_slope == 0 else right.add_(x.clamp(max=0), alpha=negative_slope)

    @staticmethod
    def gradient(g: Tensor, x: Tensor, negative_slope: float) -> Tensor:
        """f'(x) = 1 where x > 0, else s."""
        right = _right(x)
        return g * right.add_(1 - right, alpha=negative_slope)

    @staticmethod
    def curvature(g: Tensor, x: Tensor, negative_slope: float) -> Tensor:
        """f''(x) = 0."""
        return torch.zeros_like(g)


class ELU(Activation):
    """The exponential linear unit: the identity on the right, falling to -alpha on the left.

        f(x) = x                  f'(x) = 1              f''(x) = 0              where x > 0
        f(x) = alpha (e^x - 1)    f'(x) = alpha e^x      f''(x) = alpha e^x      else

    Args:
        alpha: any finite number; with 1, f' is continuous.
        inplace: writes the answer into x and returns x. The backward needs a copy of x, so this saves no memory.

    Shape: any; the answer has the same. Dtypes: float64, float32, bfloat16, float16; half types are computed in
    float32 and rounded once.

    Raises:
        TypeError: x is not a floating-point tensor, or alpha is not a number.
        ValueError: alpha is not finite.

    Convention: at 0 both derivatives are the left side's, alpha. (PyTorch: f'(0) = alpha and f''(0) = 0.) Where x is
    NaN, so is the gradient (PyTorch: g).

    >>> import torch
    >>> x = torch.tensor([-1.0, 0.0, 2.0], requires_grad=True)
    >>> ELU(2.0)(x)
    tensor([-1.2642,  0.0000,  2.0000], grad_fn=...)
    >>> torch.autograd.grad(ELU(2.0)(x).sum(), x)
    (tensor([0.7358, 2.0000, 1.0000]),)

    Source: D.-A. Clevert, T. Unterthiner, S. Hochreiter, "Fast and Accurate Deep Network Learning by Exponential
    Linear Units" (ICLR 2016), section 3.
    """

    options = ("alpha",)

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__()
        self.alpha = number("alpha", alpha)
        self.inplace = inplace

    @staticmethod
    def value(x: Tensor, alpha: float) -> Tensor:
        """f(x) = alpha (e^min(x, 0) - 1) + max(x, 0)."""
        return x.clamp(max=0).expm1_().mul_(alpha).add_(x.clamp(min=0))

    @staticmethod
    def gradient(g: Tensor, x: Tensor, alpha: float) -> Tensor:
        """f'(x) = 1 where x > 0, else alpha e^x."""
        right = _right(x)
        return g * x.clamp(max=0).exp_().mul_(alpha).mul_(1 - right).add_(right)

    @staticmethod
    def curvature(g: Tensor, x: Tensor, alpha: float) -> Tensor:
        """f''(x) = 0 where x > 0, else alpha e^x."""
        return g * alpha * x.clamp(max=0).exp() * (x <= 0)


class Softplus(Activation):
    """A smooth rectifier, the integral of the sigmoid σ.

        f(x) = log(1 + e^(beta x)) / beta        f'(x) = σ(beta x)        f''(x) = beta σ(beta x) σ(-beta x)

    Args:
        beta: sharpness, a finite number above 0. As it grows, f comes nearer to ReLU.
        threshold: None for the formula above everywhere. A number t for PyTorch's switch: f(x) = x, with slope 1,
            where beta x > t.

    Shape: any; the answer has the same. Dtypes: float64, float32, bfloat16, float16; half types are computed in
    float32 and rounded once.

    Raises:
        TypeError: x is not a floating-point tensor, or beta or threshold is not a number.
        ValueError: beta or threshold is not finite, or beta <= 0.

    Convention: PyTorch's default is threshold=20. In float64 that is wrong by up to 2.1e-9, half a million units in
    the last place. The formula used here needs no switch, so the default is None.

    >>> import torch
    >>> Softplus()(torch.tensor([-20.0, 0.0, 20.0], dtype=torch.float64))
    tensor([2.0612e-09, 6.9315e-01, 2.0000e+01], dtype=torch.float64)

    Source: C. Dugas et al., "Incorporating Second-Order Functional Knowledge for Better Option Pricing" (NIPS 2000).
    """

    options = ("beta", "threshold")

    def __init__(self, beta: float = 1.0, threshold: float | None = None) -> None:
        super().__init__()
        self.beta = number("beta", beta, 0, above=True)
        self.threshold = None if threshold is None else number("threshold", threshold)

    @staticmethod
    def value(x: Tensor, beta: float, threshold: float | None) -> Tensor:
        """f(x) = log(1 + e^-beta|x|) / beta + max(x, 0)."""
        y = x.abs().mul_(-beta).exp_().log1p_().div_(beta).add_(x.clamp(min=0))
        return y if threshold is None else torch.where(beta * x > threshold, x, y)

    @staticmethod
    def gradient(g: Tensor, x: Tensor, beta: float, threshold: float | None) -> Tensor:
        """f'(x) = σ(beta x)."""
        dx = g * Sigmoid.value(beta * x)
        return dx if threshold is None else torch.where(beta * x > threshold, g, dx)

    @staticmethod
    def curvature(g: Tensor, x: Tensor, beta: float, threshold: float | None) -> Tensor:
        """f''(x) = beta σ(beta x) σ(-beta x)."""
        bent = g * beta * elementwise(Sigmoid, beta * x) * elementwise(Sigmoid, -beta * x)
        return bent if threshold is None else bent * (beta * x <= threshold)
