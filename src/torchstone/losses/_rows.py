"""The formulas of a row of logits z or log-probabilities x, for the losses over classes.

They stand on e = exp(z - m) with the largest logit m, on Σ e = 1 + E, and on softmax p = e / (1 + E).
"""

import torch
from torch import Tensor

from torchstone.losses._formula import differentiable


class Picked:
    """-x_y for each row."""

    arguments = ("x",)

    @staticmethod
    def value(x: Tensor, y: Tensor) -> Tensor:
        return -x.gather(-1, y.unsqueeze(-1)).squeeze(-1)

    @staticmethod
    def by_x(g: Tensor, x: Tensor, y: Tensor) -> Tensor:
        return torch.zeros_like(x).scatter(-1, y.unsqueeze(-1), -g.unsqueeze(-1))

    @staticmethod
    def along_x(d: Tensor, x: Tensor, y: Tensor) -> Tensor:
        return differentiable(Picked, d, y)


class Index:
    """lse(z) - z_y for each row.

    With m the largest logit, d = m - z_y and R = Σ_{c≠y} exp(z_c - m), this is d + log(R + exp(-d)): for a right answer
    (d = 0) log1p(R), where R keeps all its digits, and for a wrong one at least log 2, where none are lost.
    """

    arguments = ("z",)

    @staticmethod
    def value(z: Tensor, y: Tensor, ignored: Tensor | None = None) -> Tensor:
        others, gap = _without(z, y.unsqueeze(-1))
        return (gap + torch.log1p(others.sum(-1, keepdim=True) + torch.expm1(-gap))).squeeze(-1)

    @staticmethod
    def by_z(g: Tensor, z: Tensor, y: Tensor, ignored: Tensor | None = None) -> Tensor:
        return differentiable(IndexSlope, g, z, y, ignored)

    @staticmethod
    def along_z(d: Tensor, z: Tensor, y: Tensor, ignored: Tensor | None = None) -> Tensor:
        return (d * differentiable(IndexSlope, _ones(z), z, y, ignored)).sum(-1)


class IndexSlope:
    """g (p_c - [c = y]) for each row, where p_y - 1 is minus the sum of the others.

    Its derivative by z is g (diag(p) - p pᵀ).
    """

    arguments = ("g", "z")

    @staticmethod
    def value(g: Tensor, z: Tensor, y: Tensor, ignored: Tensor | None = None) -> Tensor:
        y = y.unsqueeze(-1)
        others, gap = _without(quiet(z, ignored), y)
        rest = others.sum(-1, keepdim=True)
        scale = g.unsqueeze(-1) / (rest + torch.exp(-gap))
        return others.scatter_(-1, y, -rest) * scale

    @staticmethod
    def by_g(c: Tensor, g: Tensor, z: Tensor, y: Tensor, ignored: Tensor | None = None) -> Tensor:
        return (c * differentiable(IndexSlope, _ones(z), z, y, ignored)).sum(-1)

    @staticmethod
    def along_g(d: Tensor, g: Tensor, z: Tensor, y: Tensor, ignored: Tensor | None = None) -> Tensor:
        return differentiable(IndexSlope, d, z, y, ignored)

    @staticmethod
    def by_z(c: Tensor, g: Tensor, z: Tensor, y: Tensor, ignored: Tensor | None = None) -> Tensor:
        p = _softmax(quiet(z, ignored))
        return g.unsqueeze(-1) * p * (c - (p * c).sum(-1, keepdim=True))


class Mixture:
    """Σ_c a_c (lse(z) - z_c) for each row."""

    arguments = ("z", "a")

    @staticmethod
    def value(z: Tensor, a: Tensor) -> Tensor:
        top = _top(z)
        under = (z - _finite(top)).clamp_(max=0)
        # A class of no weight may have the logit -inf: 0 * inf is 0 here. A NaN of z shows in the other term.
        gaps = (a * under).nan_to_num_(nan=0.0, posinf=torch.inf, neginf=-torch.inf).sum(-1)
        gaps = torch.where((top.squeeze(-1) == torch.inf) & (gaps < 0), -torch.inf, gaps)
        return a.sum(-1) * torch.log1p(_rest(under.exp_())).squeeze(-1) - gaps

    @staticmethod
    def by_z(g: Tensor, z: Tensor, a: Tensor) -> Tensor:
        return differentiable(MixtureSlope, g, z, a)

    @staticmethod
    def along_z(d: Tensor, z: Tensor, a: Tensor) -> Tensor:
        return (d * differentiable(MixtureSlope, _ones(z), z, a)).sum(-1)

    @staticmethod
    def by_a(g: Tensor, z: Tensor, a: Tensor) -> Tensor:
        under = _under(z)
        return g.unsqueeze(-1) * (torch.log1p(_rest(torch.exp(under))) - under)

    @staticmethod
    def along_a(d: Tensor, z: Tensor, a: Tensor) -> Tensor:
        return differentiable(Mixture, z, d)


class MixtureSlope:
    """g (p_j Σ_c a_c - a_j) for each row.

    With e = exp(z - max z) = p (1 + E) and f = a / max a, where Σ e = 1 + E and Σ f = 1 + F, this is
    g max a (e_j - f_j + F e_j - E f_j) / (1 + E): where p_j or a_j is nearly all of its sum, no digits are lost.
    """

    arguments = ("g", "z", "a")

    @staticmethod
    def value(g: Tensor, z: Tensor, a: Tensor) -> Tensor:
        largest = a.amax(-1, keepdim=True)
        largest = largest.where(largest != 0, 1)
        e, f = (z - _finite(_top(z))).clamp_(max=0).exp_(), a / largest
        rest = _rest(e)
        slope = (e - f).addcmul_(e, _rest(f)).addcmul_(f, rest, value=-1)
        return slope * (g.unsqueeze(-1) * largest / (1 + rest))

    @staticmethod
    def by_g(c: Tensor, g: Tensor, z: Tensor, a: Tensor) -> Tensor:
        return (c * differentiable(MixtureSlope, _ones(z), z, a)).sum(-1)

    @staticmethod
    def along_g(d: Tensor, g: Tensor, z: Tensor, a: Tensor) -> Tensor:
        return differentiable(MixtureSlope, d, z, a)

    @staticmethod
    def by_z(c: Tensor, g: Tensor, z: Tensor, a: Tensor) -> Tensor:
        p = _softmax(z)
        return (g * a.sum(-1)).unsqueeze(-1) * p * (c - (p * c).sum(-1, keepdim=True))

    @staticmethod
    def by_a(c: Tensor, g: Tensor, z: Tensor, a: Tensor) -> Tensor:
        return g.unsqueeze(-1) * ((_softmax(z) * c).sum(-1, keepdim=True) - c)

    @staticmethod
    def along_a(d: Tensor, g: Tensor, z: Tensor, a: Tensor) -> Tensor:
        return g.unsqueeze(-1) * (_softmax(z) * d.sum(-1, keepdim=True) - d)


def _top(z: Tensor) -> Tensor:
    """The largest logit, as a constant: nothing here changes with a shift."""
    return z.detach().amax(-1, keepdim=True)


def _finite(top: Tensor) -> Tensor:
    """Taken from a logit of inf it leaves inf, which is then held at 0; inf - inf would leave NaN."""
    return top.clamp(max=torch.finfo(top.dtype).max)


def _under(z: Tensor) -> Tensor:
    """Minus the distance of each logit from the largest."""
    return (z - _finite(_top(z))).clamp(max=0)


def _softmax(z: Tensor) -> Tensor:
    e = torch.exp(_under(z))
    return e / e.sum(-1, keepdim=True)


def _without(z: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """exp(z_c - m) with 0 at y, and m - z_y, for the largest logit m."""
    top = _top(z)
    others = (z - _finite(top)).clamp_(max=0).exp_().scatter_(-1, y, 0)
    # inf - inf is 0: y itself is at the top. A NaN of z shows in the others.
    return others, (top - z.gather(-1, y)).nan_to_num_(nan=0.0, posinf=torch.inf)


def _rest(e: Tensor) -> Tensor:
    """Σ e - 1, where the largest is 1: whole ones are counted apart, so that they do not swallow the small."""
    part, whole = e.frac().sum(-1, keepdim=True), e.sum(-1, keepdim=True)
    return part + ((whole - part).round() - 1)


def _ones(z: Tensor) -> Tensor:
    """1 for each row."""
    return z.new_ones(z.shape[:-1])


def quiet(z: Tensor, ignored: Tensor | None) -> Tensor:
    """The logits with 0 in ignored rows, which may hold anything; the gradient that reaches them is 0."""
    return z if ignored is None else z.masked_fill(ignored.unsqueeze(-1), 0)
