"""Binary cross-entropy, of a probability and of a logit."""

import torch
from torch import Tensor

from torchstone._elementwise import elementwise
from torchstone.losses._base import Loss, weigh
from torchstone.losses._checks import broadcasts, floats, one_shape, probabilities, weights
from torchstone.losses._formula import differentiable

FLOOR = -100.0  # of a logarithm, as in PyTorch
CEILING = 1e12  # stands for an infinite derivative, as in PyTorch


class BCELoss(Loss):
    """Binary cross-entropy of a probability p and a target t in [0, 1].

        f = -w (t log p + (1 - t) log(1 - p))
        df/dp = w (p - t) / (p (1 - p))
        df/dt = w (log(1 - p) - log p)

    Args:
        weight: w, constants that broadcast to the input.
        reduction: `none` keeps every term, `sum` adds them, `mean` divides their sum by their number (not by Σ w).

    Shapes: input and target of one shape, any; the answer is a scalar, or that shape for `none`.
    Dtypes: float64, float32, bfloat16, float16; half types are computed in float32 and rounded once.

    Raises:
        ValueError: input or target outside [0, 1]; shapes or devices differ; weight does not broadcast, is not finite
            or requires a gradient; an unknown reduction.
        TypeError: a dtype is not floating, or they differ.

    Conventions: natural logarithms, not below -100 in the value and in df/dt, as in PyTorch: the loss is at most 100 w.
    This floor does not stop df/dp, which stays true: -1e30 at p = 1e-30, t = 1, where PyTorch has -1e12. At p = 0 or 1
    it is (p - t) 1e12 where the true one is infinite, and the limit (1 or -1) where p = t; PyTorch has 0 there.
    The mean of nothing is NaN.

    >>> BCELoss()(torch.tensor([0.5, 0.25]), torch.tensor([1.0, 0.0]))
    tensor(0.4904)
    """

    weight: Tensor | None

    def __init__(self, weight: Tensor | None = None, *, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.register_buffer("weight", weights("weight", weight))

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """The loss of the input, in its dtype."""
        (p, t, w), dtype = floats(input=input, target=target, weight=self.weight)
        one_shape(input=input, target=target)
        broadcasts("weight", self.weight, input.shape)
        probabilities("input", input)
        probabilities("target", target)
        return self.reduce(weigh(w, differentiable(_Binary, p, t)), p.numel()).to(dtype)


class _Binary:
    """-(t log p + (1 - t) log(1 - p))."""

    arguments = ("p", "t")

    @staticmethod
    def value(p: Tensor, t: Tensor) -> Tensor:
        log_p, log_q = p.log().clamp_(min=FLOOR), p.neg().log1p_().clamp_(min=FLOOR)
        return log_q.mul_(t - 1).sub_(log_p.mul_(t))

    @staticmethod
    def by_p(g: Tensor, p: Tensor, t: Tensor) -> Tensor:
        return differentiable(_BinarySlope, g, p, t)

    @staticmethod
    def by_t(g: Tensor, p: Tensor, t: Tensor) -> Tensor:
        return g * elementwise(_LogOdds, p)


class _BinarySlope:
    """g (p - t) / (p (1 - p)): by t it is bent by -1 / (p (1 - p)), by p by t / p² + (1 - t) / (1 - p)²."""

    arguments = ("g", "p", "t")

    @staticmethod
    def value(g: Tensor, p: Tensor, t: Tensor) -> Tensor:
        spread, certain = _spread(p)
        return g * torch.where(certain & (p == t), 1 - 2 * p, (p - t).div_(spread))

    @staticmethod
    def by_g(c: Tensor, g: Tensor, p: Tensor, t: Tensor) -> Tensor:
        return differentiable(_BinarySlope, c, p, t)

    @staticmethod
    def by_p(c: Tensor, g: Tensor, p: Tensor, t: Tensor) -> Tensor:
        q, s = 1 - p, 1 - t
        return c * g * (torch.where(t == 0, 0, t / p / p) + torch.where(s == 0, 0, s / q / q))

    @staticmethod
    def by_t(c: Tensor, g: Tensor, p: Tensor, t: Tensor) -> Tensor:
        return -c * g / _spread(p)[0]


class _LogOdds:
    """log(1 - p) - log p, neither logarithm below the floor."""

    @staticmethod
    def value(p: Tensor) -> Tensor:
        return torch.log1p(-p).clamp(min=FLOOR) - torch.log(p).clamp(min=FLOOR)

    @staticmethod
    def gradient(g: Tensor, p: Tensor) -> Tensor:
        return -g / _spread(p)[0]

    @staticmethod
    def curvature(g: Tensor, p: Tensor) -> Tensor:
        return g * (1 - 2 * p) / _spread(p)[0] ** 2


def _spread(p: Tensor) -> tuple[Tensor, Tensor]:
    """The variance p (1 - p), with a small number in place of 0, and where that is."""
    spread = p * (1 - p)
    certain = spread == 0
    return torch.where(certain, 1 / CEILING, spread), certain


class BCEWithLogitsLoss(Loss):
    """Binary cross-entropy of σ(x), from the logit x itself.

        f = w (ρ t softplus(-x) + (1 - t) softplus(x))        softplus(x) = log(1 + eˣ) = max(x, 0) + log(1 + e⁻|ˣ|)
        df/dx = w ((1 - t) σ(x) - ρ t σ(-x))                  σ(x) = 1 / (1 + e⁻ˣ)
        df/dt = w (ρ softplus(-x) - softplus(x))

    Args:
        weight: w, constants that broadcast to the input.
        reduction: `none` keeps every term, `sum` adds them, `mean` divides their sum by their number (not by Σ w).
        pos_weight: ρ, the weight of positive targets; broadcasts to the input.

    Shapes: input and target of one shape, any; the answer is a scalar, or that shape for `none`.
    Dtypes: float64, float32, bfloat16, float16; half types are computed in float32 and rounded once.

    Raises:
        ValueError: target outside [0, 1]; shapes or devices differ; weight or pos_weight does not broadcast, is not
            finite or requires a gradient; an unknown reduction.
        TypeError: a dtype is not floating, or they differ.

    Conventions: natural logarithms. The loss of an infinite logit is the limit: 0 on the right side, where PyTorch has
    NaN, and inf on the wrong one. A confident right answer keeps its loss and the size of its gradient, both 4.2e-18 at
    |x| = 40; PyTorch rounds the loss to 0 for t = 0 and the gradient to 0 for t = 1. The mean of nothing is NaN.

    >>> BCEWithLogitsLoss()(torch.tensor([0.0, -1e4]), torch.tensor([1.0, 0.0]))
    tensor(0.3466)
    """

    weight: Tensor | None
    pos_weight: Tensor | None

    def __init__(
        self, weight: Tensor | None = None, *, reduction: str = "mean", pos_weight: Tensor | None = None
    ) -> None:
        super().__init__(reduction)
        self.register_buffer("weight", weights("weight", weight))
        self.register_buffer("pos_weight", weights("pos_weight", pos_weight))

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """The loss of the input, in its dtype."""
        (x, t, w, rho), dtype = floats(input=input, target=target, weight=self.weight, pos_weight=self.pos_weight)
        one_shape(input=input, target=target)
        broadcasts("weight", self.weight, input.shape)
        broadcasts("pos_weight", self.pos_weight, input.shape)
        probabilities("target", target)
        terms = differentiable(_Logistic, x, t, None if rho is None else rho.expand(x.shape))
        return self.reduce(weigh(w, terms), x.numel()).to(dtype)


class _Logistic:
    """ρ t softplus(-x) + (1 - t) softplus(x)."""

    arguments = ("x", "t")

    @staticmethod
    def value(x: Tensor, t: Tensor, rho: Tensor | None = None) -> Tensor:
        tail = x.abs().neg_().exp_().log1p_()
        negative, positive = 1 - t, t if rho is None else rho * t
        if rho is not None:  # without it the weights of the tail are 1 - t + t
            tail.mul_(negative + positive)
        ramps = x.clamp(min=0).mul_(negative).add_(x.neg().clamp_(min=0).mul_(positive))
        # 0 * inf is 0 here. A NaN of x shows in the tail.
        return tail.add_(ramps.nan_to_num_(nan=0.0, posinf=torch.inf, neginf=-torch.inf))

    @staticmethod
    def by_x(g: Tensor, x: Tensor, t: Tensor, rho: Tensor | None = None) -> Tensor:
        return differentiable(_LogisticSlope, g, x, t, rho)

    @staticmethod
    def by_t(g: Tensor, x: Tensor, t: Tensor, rho: Tensor | None = None) -> Tensor:
        return -g * x if rho is None else differentiable(_LogisticTilt, g, x, rho)


class _LogisticSlope:
    """The slope g ((1 - t) σ(x) - ρ t σ(-x)), with σ'(x) = σ(x) σ(-x)."""

    arguments = ("g", "x", "t")

    @staticmethod
    def value(g: Tensor, x: Tensor, t: Tensor, rho: Tensor | None = None) -> Tensor:
        tail, sign = x.abs().neg_().exp_(), x.sign()
        up = torch.maximum(tail, sign)  # 1 on the right and eˣ on the left: (1 + tail) σ(x)
        down = sign.neg_().clamp_(min=tail)
        up.mul_(1 - t).sub_(down.mul_(t if rho is None else rho * t))
        return g * up.div_(tail.add_(1))

    @staticmethod
    def by_g(c: Tensor, g: Tensor, x: Tensor, t: Tensor, rho: Tensor | None = None) -> Tensor:
        return differentiable(_LogisticSlope, c, x, t, rho)

    @staticmethod
    def by_x(c: Tensor, g: Tensor, x: Tensor, t: Tensor, rho: Tensor | None = None) -> Tensor:
        tail = torch.exp(-x.abs())
        whole = 1 + tail
        return c * g * (1 - t + (t if rho is None else rho * t)) * (tail / whole / whole)

    @staticmethod
    def by_t(c: Tensor, g: Tensor, x: Tensor, t: Tensor, rho: Tensor | None = None) -> Tensor:
        return -c * g if rho is None else _twist(c * g, x, rho)


class _LogisticTilt:
    """g (ρ softplus(-x) - softplus(x)), ordered so that nothing cancels where ρ is 1."""

    arguments = ("g", "x")

    @staticmethod
    def value(g: Tensor, x: Tensor, rho: Tensor) -> Tensor:
        ramps = rho * x.neg().clamp_(min=0) - x.clamp(min=0)
        return g * (ramps + (rho - 1) * x.abs().neg_().exp_().log1p_())

    @staticmethod
    def by_g(c: Tensor, g: Tensor, x: Tensor, rho: Tensor) -> Tensor:
        return differentiable(_LogisticTilt, c, x, rho)

    @staticmethod
    def by_x(c: Tensor, g: Tensor, x: Tensor, rho: Tensor) -> Tensor:
        return _twist(c * g, x, rho)


def _twist(h: Tensor, x: Tensor, rho: Tensor) -> Tensor:
    """-h (σ(x) + ρ σ(-x)): what the slope gains from t = 0 to t = 1."""
    at_1 = differentiable(_LogisticSlope, h, x, torch.ones_like(x), rho)
    return at_1 - differentiable(_LogisticSlope, h, x, torch.zeros_like(x), rho)
