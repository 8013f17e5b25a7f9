"""The losses of a residual r = input - target: L1, mean squared error, Huber and smooth L1.

Each is a formula of r (see `torchstone._elementwise`): its value, its gradient g * f'(r), its curvature g * f''(r).
"""

from typing import Any

import torch
from torch import Tensor

from torchstone._checks import number
from torchstone._elementwise import elementwise
from torchstone.losses._base import Loss
from torchstone.losses._checks import floats, one_shape


class _Residual(Loss):
    """A loss whose terms are f(input - target). Its class is the formula."""

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """The loss of the input, in its dtype."""
        (x, t), dtype = floats(input=input, target=target)
        one_shape(input=input, target=target)
        return self.reduce(self.terms(x - t), input.numel()).to(dtype)

    def terms(self, r: Tensor) -> Tensor:
        """f(r) for every residual."""
        return elementwise(type(self), r)

    @staticmethod
    def value(r: Tensor, *constants: Any) -> Tensor:
        raise NotImplementedError

    @staticmethod
    def gradient(g: Tensor, r: Tensor, *constants: Any) -> Tensor:
        raise NotImplementedError

    @staticmethod
    def curvature(g: Tensor, r: Tensor, *constants: Any) -> Tensor:
        raise NotImplementedError


class L1Loss(_Residual):
    """Absolute error.

        f(r) = |r|        f'(r) = sign(r)        f''(r) = 0        r = input - target

    Args:
        reduction: `none` keeps every term, `sum` adds them, `mean` divides their sum by their number.

    Shapes: input and target of one shape, any; the answer is a scalar, or that shape for `none`.
    Dtypes: float64, float32, bfloat16, float16; half types are computed in float32 and rounded once.

    Raises:
        ValueError: shapes or devices differ (nothing is broadcast), or an unknown reduction.
        TypeError: a dtype is not floating, or the two differ.

    Conventions: f'(0) = 0, as in PyTorch. The mean of nothing is NaN.
    A NaN residual has a NaN gradient; PyTorch's is 0.

    >>> L1Loss()(torch.tensor([1.0, 2.0]), torch.tensor([0.0, 4.0]))
    tensor(1.5000)
    """

    def __init__(self, *, reduction: str = "mean") -> None:
        super().__init__(reduction)

    @staticmethod
    def value(r: Tensor) -> Tensor:
        """f(r) = |r|."""
        return r.abs()

    @staticmethod
    def gradient(g: Tensor, r: Tensor) -> Tensor:
        """f'(r) = sign(r)."""
        # sign(r), but torch.sign(NaN) is 0. Twice, so that the smallest subnormal number reaches 1 as well.
        huge = torch.finfo(r.dtype).max
        return g * r.mul(huge).mul_(huge).clamp_(-1, 1)

    @staticmethod
    def curvature(g: Tensor, r: Tensor) -> Tensor:
        """f''(r) = 0."""
        return torch.zeros_like(r)


class MSELoss(_Residual):
    """Squared error.

        f(r) = r²        f'(r) = 2 r        f''(r) = 2        r = input - target

    Args:
        reduction: `none` keeps every term, `sum` adds them, `mean` divides their sum by their number.

    Shapes: input and target of one shape, any; the answer is a scalar, or that shape for `none`.
    Dtypes: float64, float32, bfloat16, float16; half types are computed in float32 and rounded once.

    Raises:
        ValueError: shapes or devices differ (nothing is broadcast), or an unknown reduction.
        TypeError: a dtype is not floating, or the two differ.

    Conventions: no factor 1/2, as in PyTorch. The mean divides by the number of elements, not of samples.
    The mean of nothing is NaN.

    >>> MSELoss()(torch.tensor([1.0, 2.0]), torch.tensor([0.0, 4.0]))
    tensor(2.5000)
    """

    def __init__(self, *, reduction: str = "mean") -> None:
        super().__init__(reduction)

    @staticmethod
    def value(r: Tensor) -> Tensor:
        """f(r) = r²."""
        return r * r

    @staticmethod
    def gradient(g: Tensor, r: Tensor) -> Tensor:
        """f'(r) = 2 r."""
        return (g * r).mul_(2)  # 2 r alone may overflow

    @staticmethod
    def curvature(g: Tensor, r: Tensor) -> Tensor:
        """f''(r) = 2."""
        return 2 * g


class HuberLoss(_Residual):
    """Squared error for small residuals, absolute error for large ones.

        f(r) = r² / 2            where |r| <= δ        f'(r) = r            f''(r) = 1
        f(r) = δ (|r| - δ / 2)   elsewhere             f'(r) = δ sign(r)    f''(r) = 0

    which is c (|r| - c / 2) with c = min(|r|, δ), and f'(r) = r held to [-δ, δ].

    Args:
        reduction: `none` keeps every term, `sum` adds them, `mean` divides their sum by their number.
        delta: δ > 0, where the parabola becomes a line.

    Shapes: input and target of one shape, any; the answer is a scalar, or that shape for `none`.
    Dtypes: float64, float32, bfloat16, float16; half types are computed in float32 and rounded once.

    Raises:
        ValueError: shapes or devices differ (nothing is broadcast), δ <= 0 or not finite, an unknown reduction.
        TypeError: a dtype is not floating, or the two differ; δ is no number.

    Conventions: f is δ times `SmoothL1Loss(beta=δ)`. f''(±δ) = 1. The mean of nothing is NaN.

    >>> HuberLoss(delta=1.0)(torch.tensor([0.5, 3.0]), torch.zeros(2))
    tensor(1.3125)

    Source: P. J. Huber, Robust Estimation of a Location Parameter, Annals of Mathematical Statistics 35 (1964).
    """

    def __init__(self, reduction: str = "mean", delta: float = 1.0) -> None:
        super().__init__(reduction)
        self.delta = number("delta", delta, 0, above=True)

    def terms(self, r: Tensor) -> Tensor:
        """The formula takes δ."""
        return elementwise(type(self), r, self.delta)

    @staticmethod
    def value(r: Tensor, delta: float) -> Tensor:
        """f(r) = c (|r| - c / 2), where c = min(|r|, δ)."""
        size = r.abs()
        inner = size.clamp(max=delta)
        return size.sub_(inner, alpha=0.5).mul_(inner)

    @staticmethod
    def gradient(g: Tensor, r: Tensor, delta: float) -> Tensor:
        """f'(r) = r, held to [-δ, δ]."""
        return g * r.clamp(-delta, delta)

    @staticmethod
    def curvature(g: Tensor, r: Tensor, delta: float) -> Tensor:
        """f''(r) = 1 where |r| <= δ, else 0."""
        return g * (r.abs() <= delta)


class SmoothL1Loss(_Residual):
    """Absolute error with its corner rounded off.

        f(r) = r² / (2 β)   where |r| < β        f'(r) = r / β      f''(r) = 1 / β
        f(r) = |r| - β / 2  elsewhere            f'(r) = sign(r)    f''(r) = 0

    which is (c / β) (|r| - c / 2) with c = min(|r|, β), and f'(r) = r / β held to [-1, 1].

    Args:
        reduction: `none` keeps every term, `sum` adds them, `mean` divides their sum by their number.
        beta: β >= 0, where the parabola becomes a line; 0 is `L1Loss`.

    Shapes: input and target of one shape, any; the answer is a scalar, or that shape for `none`.
    Dtypes: float64, float32, bfloat16, float16; half types are computed in float32 and rounded once.

    Raises:
        ValueError: shapes or devices differ (nothing is broadcast), β < 0 or not finite, an unknown reduction.
        TypeError: a dtype is not floating, or the two differ; β is no number.

    Conventions: f is `HuberLoss(delta=β)` divided by β: its slope ends at 1, Huber's at δ. f''(±β) = 0.
    The mean of nothing is NaN.

    >>> SmoothL1Loss(beta=2.0)(torch.tensor([1.0, 3.0]), torch.zeros(2))
    tensor(1.1250)

    Source: R. Girshick, Fast R-CNN, ICCV 2015, equation 3 (there β = 1).
    """

    def __init__(self, *, reduction: str = "mean", beta: float = 1.0) -> None:
        super().__init__(reduction)
        self.beta = number("beta", beta, 0)

    def terms(self, r: Tensor) -> Tensor:
        """The formula takes β."""
        # A β that the dtype cannot hold is 0, and r / β has no meaning.
        if self.beta < torch.finfo(r.dtype).tiny:
            return elementwise(L1Loss, r)
        return elementwise(type(self), r, self.beta)

    @staticmethod
    def value(r: Tensor, beta: float) -> Tensor:
        """f(r) = (c / β) (|r| - c / 2), where c = min(|r|, β)."""
        size = r.abs()
        inner = size.clamp(max=beta)
        return size.sub_(inner, alpha=0.5).mul_(inner.div_(beta))

    @staticmethod
    def gradient(g: Tensor, r: Tensor, beta: float) -> Tensor:
        """f'(r) = r / β, held to [-1, 1]."""
        return g * r.div(beta).clamp_(-1, 1)

    @staticmethod
    def curvature(g: Tensor, r: Tensor, beta: float) -> Tensor:
        """f''(r) = 1 / β where |r| < β, else 0."""
        return g * (r.abs() < beta) / beta
