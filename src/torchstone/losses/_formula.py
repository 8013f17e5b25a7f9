"""How a function of several tensors and its hand-derived gradients become one differentiable PyTorch operation.

A *formula* is a class with static methods in plain tensor operations, and the names of the arguments that have a
gradient:

    arguments = ("x", "t")       the first arguments of `value`, in order
    value(x, t, *others)         f
    by_x(g, x, t, *others)       g * df/dx: the vector-Jacobian product
    along_x(d, x, t, *others)    df/dx * d: the Jacobian-vector product, where it is another one

and so for t. Each treats all leading dimensions alike. A product is differentiated in its turn, by its operations or by
being another formula; only `value` may overwrite its temporaries, though never multiply one by g in place: g may be a
batch where x is none (`torch.autograd.grad(..., is_grads_batched=True)`). All tensors come in the working precision.
This module is the seam where a fused kernel can take a formula's place.
"""

from collections.abc import Iterable
from typing import Any

from torch import Tensor
from torch.autograd import Function

from torchstone._elementwise import batched, forward_primals, pick, quick

SLOTS = 4  # as many tensors as the longest formula takes


def differentiable(formula: type, *tensors: Tensor | None) -> Tensor:
    """formula.value(*tensors), differentiable by its own products. A last argument may be None."""
    return pick(_Value, _ValueForward).apply(formula, *tensors, *[None] * (SLOTS - len(tensors)))


def _product(formula: Any, kind: str, argument: str) -> Any:
    return getattr(formula, f"{kind}_{argument}", None) or getattr(formula, f"by_{argument}")


def _given(tensors: Iterable[Tensor | None]) -> list[Tensor]:
    return [t for t in tensors if t is not None]


@quick
class _Value(Function):
    """f(x, t, ...)."""

    # torch.compile (2.13) counts the parameters of `forward` and stumbles over *tensors.
    @staticmethod
    def forward(formula: Any, a: Tensor, b: Tensor | None, c: Tensor | None, d: Tensor | None) -> Tensor:
        return formula.value(*_given((a, b, c, d)))

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.formula, *tensors = inputs
        ctx.save_for_backward(*_given(tensors))
        ctx.save_for_forward(*_given(tensors))

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, ...]:
        formula, needed, tensors = ctx.formula, ctx.needs_input_grad[1:], ctx.saved_tensors
        gradients = [
            _product(formula, "by", argument)(g, *tensors) if need else None
            for argument, need in zip(formula.arguments, needed, strict=False)
        ]
        return None, *gradients, *[None] * (SLOTS - len(gradients))

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], formula: type, *tensors: Tensor | None) -> Any:
        given = _given(tensors)
        return differentiable(formula, *batched(info, in_dims[1 : 1 + len(given)], tuple(given))), 0


class _ValueForward(_Value):
    @staticmethod
    def jvp(ctx: Any, _formula: None, *tangents: Tensor | None) -> Tensor:
        with forward_primals(ctx) as tensors:
            pushed = [
                _product(ctx.formula, "along", argument)(d, *tensors)
                for argument, d in zip(ctx.formula.arguments, tangents, strict=False)
                if d is not None
            ]
            return sum(pushed[1:], start=pushed[0])
