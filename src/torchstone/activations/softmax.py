"""Softmax and LogSoftmax: each output depends on every logit along a dimension."""

from typing import Any, ClassVar

from torch import Tensor
from torch.autograd import Function

from torchstone._elementwise import forward_primals, pick, quick, widen
from torchstone.activations._base import Activation


class _AlongDim(Activation):
    """A function along one dimension. `tangent` is its Jacobian times dx, `gradient` g times its Jacobian."""

    options: ClassVar[tuple[str, ...]] = ("dim",)

    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        if dim is not None and (isinstance(dim, bool) or not isinstance(dim, int)):
            raise TypeError(f"dim: expected an int or None, got {dim!r}")
        self.dim = dim

    def _compute(self, x: Tensor) -> Tensor:
        dim = _from_the_end(self.dim, x.ndim)
        if x.ndim == 0:
            return self._compute(x[None])[0]
        return along(type(self), x, dim) if x.numel() else x.clone()

    @staticmethod
    def value(x: Tensor, dim: int) -> Tensor:
        raise NotImplementedError

    @staticmethod
    def gradient(g: Tensor, x: Tensor, dim: int) -> Tensor:
        raise NotImplementedError

    @staticmethod
    def tangent(dx: Tensor, x: Tensor, dim: int) -> Tensor:
        raise NotImplementedError


class Softmax(_AlongDim):
    """Logits to probabilities, which add up to 1 along a dimension.

        y_i = e^x_i / Σ_k e^x_k        Σ_i g_i ∂y_i/∂x_j = y_j (g_j - Σ_k g_k y_k)

    Args:
        dim: the dimension. None only for x with at most one.

    Shape: any; the answer has the same. Dtypes: float64, float32, bfloat16, float16; half types are computed in
    float32 and rounded once.

    Raises:
        TypeError: x is not a floating-point tensor, or dim is not an int.
        ValueError: dim is None and x has several dimensions. (PyTorch guesses one, with a warning.)
        IndexError: x has no such dimension.

    Conventions: a logit of -inf gets probability 0 and gradient 0, so it can mask; logits that are all -inf give NaN.
    A logit of +inf gets probability 1; several share it. (PyTorch: NaN.)

    PyTorch's gradient cancels where one probability rounds to 1: for x = (30, 0, 0) and g = (1, 0, 0), it is 0 at
    the first entry, where the truth is 1.9e-13.

    >>> import torch
    >>> Softmax(dim=1)(torch.tensor([[1.0, 2.0, -torch.inf], [0.0, 1000.0, torch.inf]]))
    tensor([[0.2689, 0.7311, 0.0000],
            [0.0000, 0.0000, 1.0000]])

    Source: J. S. Bridle, "Probabilistic Interpretation of Feedforward Classification Network Outputs" (1990).
    """

    @staticmethod
    def value(x: Tensor, dim: int) -> Tensor:
        """y(x) = e^z / Σ e^z, where z = x - max x."""
        e = _below_top(x, x.amax(dim, keepdim=True)).exp_()
        return e.div_(e.sum(dim, keepdim=True))

    @staticmethod
    def gradient(g: Tensor, x: Tensor, dim: int) -> Tensor:
        """G times the Jacobian: y (g - the mean of g under y)."""
        y = along(Softmax, x, dim)
        return y * _less_mean(g, x, y, dim)

    @staticmethod
    def tangent(dx: Tensor, x: Tensor, dim: int) -> Tensor:
        """The Jacobian times dx: the same, since it is symmetric."""
        return Softmax.gradient(dx, x, dim)


class LogSoftmax(_AlongDim):
    """Logits to logarithms of probabilities.

        f_i = x_i - log Σ_k e^x_k        Σ_i g_i ∂f_i/∂x_j = g_j - y_j Σ_k g_k        y = e^f

    Args:
        dim: the dimension. None only for x with at most one.

    Shape: any; the answer has the same. Dtypes: float64, float32, bfloat16, float16; half types are computed in
    float32 and rounded once.

    Raises:
        TypeError: x is not a floating-point tensor, or dim is not an int.
        ValueError: dim is None and x has several dimensions. (PyTorch guesses one, with a warning.)
        IndexError: x has no such dimension.

    Conventions: a logit of -inf gives -inf; logits that are all -inf give NaN. A logit of +inf gives 0 and the others
    -inf; several +inf share the probability. (PyTorch: NaN.)

    PyTorch loses the largest entry and its gradient where its probability rounds to 1: for x = (30, 0) and
    g = (1, 0), both are 0, where the truth is -9.4e-14 and 9.4e-14.

    >>> import torch
    >>> LogSoftmax(dim=0)(torch.tensor([30.0, 0.0]))
    tensor([-9.3576e-14, -3.0000e+01])

    Source: P. Blanchard, D. J. Higham, N. J. Higham, "Accurately Computing the Log-Sum-Exp and Softmax Functions",
    IMA Journal of Numerical Analysis 41 (2021).
    """

    @staticmethod
    def value(x: Tensor, dim: int) -> Tensor:
        """f(x) = z - log Σ e^z, where z = x - max x."""
        top, at = x.max(dim, keepdim=True)
        z = _below_top(x, top)
        # e^z is 1 at the top. Left to log1p, it swallows none of the others.
        others = z.exp().scatter_(dim, at, 0).sum(dim, keepdim=True)
        return z.sub_(others.log1p_())

    @staticmethod
    def gradient(g: Tensor, x: Tensor, dim: int) -> Tensor:
        """G times the Jacobian: g - y Σ g."""
        y, at = along(Softmax, x, dim), x.argmax(dim, keepdim=True)
        g_top, g_others = g.gather(dim, at), g.scatter(dim, at, 0).sum(dim, keepdim=True)
        y_top, y_others = y.gather(dim, at), y.scatter(dim, at, 0).sum(dim, keepdim=True)
        # At the top y may round to 1, and g - y Σ g to 0: there, 1 - y is the sum of the other y.
        return (g - y * (g_top + g_others)).scatter(dim, at, g_top * y_others - y_top * g_others)

    @staticmethod
    def tangent(dx: Tensor, x: Tensor, dim: int) -> Tensor:
        """The Jacobian times dx: dx - the mean of dx under y."""
        return _less_mean(dx, x, along(Softmax, x, dim), dim)


def _from_the_end(dim: int | None, ndim: int) -> int:
    """The dimension as a negative number, so that a batch dimension in front (vmap) leaves it alone."""
    if dim is None:
        if ndim > 1:
            raise ValueError(f"dim: expected an int for x with {ndim} dimensions, got None")
        return -1
    size = max(ndim, 1)  # as in PyTorch, 0 and -1 are good for a 0-d tensor
    if not -size <= dim < size:
        raise IndexError(f"dim: expected {-size} to {size - 1} for x with {ndim} dimensions, got {dim}")
    return dim if dim < 0 else dim - size


def _below_top(x: Tensor, top: Tensor) -> Tensor:
    """Return x - top, and 0 where both are +inf."""
    return (x - top).masked_fill_(x.isposinf(), 0)


def _less_mean(t: Tensor, x: Tensor, y: Tensor, dim: int) -> Tensor:
    """Return t - its mean under y = softmax(x)."""
    # A shift of t changes nothing. With 0 at the top, the mean keeps its digits where y rounds to 1 there.
    t = t - t.gather(dim, x.argmax(dim, keepdim=True))
    for _ in range(2):  # what rounding left of the mean goes the second time
        t = t - (y * t).sum(dim, keepdim=True)
    return t


def along(formula: type[_AlongDim], x: Tensor, dim: int) -> Tensor:
    """The formula along a dimension, differentiable to every order, under vmap, forward mode and `torch.compile`."""
    return pick(_Along, _AlongForward).apply(formula, x, dim)


@quick
class _Along(Function):
    @staticmethod
    def forward(formula: type[_AlongDim], x: Tensor, dim: int) -> Tensor:
        return formula.value(widen(x), dim).to(x.dtype)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.formula, x, ctx.dim = inputs
        ctx.save_for_backward(x)
        ctx.save_for_forward(x)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, ...]:
        (x,) = ctx.saved_tensors
        # Made of differentiable pieces, so that autograd finds the higher orders.
        return None, ctx.formula.gradient(widen(g), widen(x), ctx.dim).to(x.dtype), None

    @staticmethod
    def vmap(info: Any, in_dims: tuple[Any, ...], formula: type[_AlongDim], x: Tensor, dim: int) -> tuple[Tensor, int]:
        return along(formula, x.movedim(in_dims[1], 0), dim), 0


class _AlongForward(_Along):
    @staticmethod
    def jvp(ctx: Any, _formula: None, dx: Tensor, _dim: None) -> Tensor:
        with forward_primals(ctx) as (x,):
            return ctx.formula.tangent(widen(dx), widen(x), ctx.dim).to(x.dtype)
