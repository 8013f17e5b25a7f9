"""How an elementwise function and its hand-derived derivatives become one differentiable PyTorch operation.

A *formula* is a class with three static methods, each in plain tensor operations:

    value(x, *constants)         f(x)
    gradient(g, x, *constants)   g * f'(x): the vector-Jacobian product
    curvature(g, x, *constants)  g * f''(x)

The Jacobian of an elementwise function is diagonal, so `gradient` serves reverse mode and forward mode alike.
Each one sees its input in the working precision (float32 for the half types), and the answer is rounded once.
This module is the seam where a fused kernel can take a formula's place.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from inspect import signature
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.forward_ad import _set_fwd_grad_enabled, unpack_dual

HALF_TYPES = (torch.bfloat16, torch.float16)


class Formula(Protocol):
    """An elementwise function with its first two derivatives."""

    @staticmethod
    def value(x: Tensor, *constants: Any) -> Tensor:
        """f(x)."""
        ...

    @staticmethod
    def gradient(g: Tensor, x: Tensor, *constants: Any) -> Tensor:
        """g * f'(x)."""
        ...

    @staticmethod
    def curvature(g: Tensor, x: Tensor, *constants: Any) -> Tensor:
        """g * f''(x)."""
        ...


def widen(x: Tensor) -> Tensor:
    """X in the precision that formulas work in: float32 for the half types, otherwise its own."""
    return x.float() if x.dtype in HALF_TYPES else x


def elementwise(formula: type[Formula], x: Tensor, *constants: Any) -> Tensor:
    """f(x), differentiable to every order, under vmap, forward mode and `torch.compile`."""
    return pick(_Value, _ValueForward).apply(formula, constants, x)


def quick(function: type[Function]) -> type[Function]:
    """The Function with its signature at hand: `apply` asks for it at each call, and to work it out takes a while."""
    function.forward.__signature__ = signature(function.forward)  # type: ignore[attr-defined]
    return function


def pick(plain: type[Function], forward_mode: type[Function]) -> type[Function]:
    """The Function with forward mode, and the one without it where forward mode is in the way."""
    # torch.compile refuses any Function with a jvp of its own (graph break gb0144).
    return plain if torch.compiler.is_compiling() else forward_mode


def _gradient(formula: type[Formula], constants: tuple[Any, ...], x: Tensor, g: Tensor) -> Tensor:
    return pick(_Gradient, _GradientForward).apply(formula, constants, x, g)


def _curvature(formula: type[Formula], constants: tuple[Any, ...], x: Tensor, g: Tensor) -> Tensor:
    # From the third order on, PyTorch differentiates the formula's own operations.
    return formula.curvature(widen(g), widen(x), *constants).to(x.dtype)


def batched(info: Any, in_dims: tuple[int | None, ...], tensors: tuple[Tensor, ...]) -> list[Tensor]:
    """The tensors with their batch dimension in front; one that has none is repeated along it."""
    # generate_vmap_rule=True would do, but its jvp fails where one of two inputs has no tangent (torch 2.13).
    return [
        t.expand(info.batch_size, *t.shape) if dim is None else t.movedim(dim, 0)
        for t, dim in zip(tensors, in_dims, strict=True)
    ]


@contextmanager
def forward_primals(ctx: Any) -> Iterator[list[Any]]:
    """What a `jvp` saved, with forward mode on again, so that the jvp can itself be differentiated in forward mode.

    PyTorch (2.13) runs a jvp with forward mode off, and jacfwd(jacfwd(f)) silently loses what its operations add.
    """
    with _set_fwd_grad_enabled(True):
        yield [t if t is None else unpack_dual(t).primal for t in ctx.saved_tensors]


@quick
class _Value(Function):
    """f(x)."""

    @staticmethod
    def forward(formula: type[Formula], constants: tuple[Any, ...], x: Tensor) -> Tensor:
        return formula.value(widen(x), *constants).to(x.dtype)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.formula, ctx.constants, x = inputs
        ctx.save_for_backward(x)
        ctx.save_for_forward(x)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, ...]:
        (x,) = ctx.saved_tensors
        return None, None, _gradient(ctx.formula, ctx.constants, x, g)

    @staticmethod
    def vmap(info: Any, in_dims: Any, formula: type[Formula], constants: tuple[Any, ...], x: Tensor) -> Any:
        return elementwise(formula, *batched(info, in_dims[2:], (x,)), *constants), 0


class _ValueForward(_Value):
    @staticmethod
    def jvp(ctx: Any, _formula: None, _constants: None, dx: Tensor) -> Tensor:
        with forward_primals(ctx) as (x,):
            return _gradient(ctx.formula, ctx.constants, x, dx)


@quick
class _Gradient(Function):
    """g * f'(x): linear in g, and in x its derivative is g * f''(x)."""

    @staticmethod
    def forward(formula: type[Formula], constants: tuple[Any, ...], x: Tensor, g: Tensor) -> Tensor:
        return formula.gradient(widen(g), widen(x), *constants).to(x.dtype)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.formula, ctx.constants, x, g = inputs
        ctx.save_for_backward(x, g)
        ctx.save_for_forward(x, g)

    @staticmethod
    def backward(ctx: Any, gg: Tensor) -> tuple[Tensor | None, ...]:
        x, g = ctx.saved_tensors
        _, _, needs_x, needs_g = ctx.needs_input_grad
        return (
            None,
            None,
            _curvature(ctx.formula, ctx.constants, x, g * gg) if needs_x else None,
            _gradient(ctx.formula, ctx.constants, x, gg) if needs_g else None,
        )

    @staticmethod
    def vmap(info: Any, in_dims: Any, formula: type[Formula], constants: tuple[Any, ...], *xg: Tensor) -> Any:
        return _gradient(formula, constants, *batched(info, in_dims[2:], xg)), 0


class _GradientForward(_Gradient):
    @staticmethod
    def jvp(ctx: Any, _formula: None, _constants: None, dx: Tensor | None, dg: Tensor | None) -> Tensor:
        with forward_primals(ctx) as (x, g):
            pushed = [] if dx is None else [_curvature(ctx.formula, ctx.constants, x, g * dx)]
            if dg is not None:
                pushed.append(_gradient(ctx.formula, ctx.constants, x, dg))
            return sum(pushed[1:], start=pushed[0])
