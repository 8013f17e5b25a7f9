"""Adam and AdamW."""

import math
from typing import Any, ClassVar

import torch
from torch import Tensor

from torchstone.optimizers._base import Base, Parameters
from torchstone.optimizers._options import HINT, LEARNING_RATE, Number, Options, Pair, Switch
from torchstone.optimizers._state import State, step_count


def adam(
    param: Tensor,
    grad: Tensor,
    state: State,
    *,
    lr: float | Tensor,
    betas: tuple[float, float],
    eps: float,
    weight_decay: float,
    amsgrad: bool,
    maximize: bool,
    decoupled_weight_decay: bool,
    capturable: bool,
    differentiable: bool,
) -> None:
    """One step of Adam on one parameter, in place; the gradient stays as it is."""
    begin(state, param, amsgrad, capturable)
    beta1, beta2 = betas
    m, v, t = state["exp_avg"], state["exp_avg_sq"], count(state, capturable or differentiable)
    if param.is_complex():
        param, grad, m, v = map(as_real, (param, grad, m, v))

    if maximize:
        grad = -grad
    if weight_decay != 0 and decoupled_weight_decay:
        param.mul_(1 - lr * weight_decay)  # p = p - lr wd p
    elif weight_decay != 0:
        grad = grad.add(param, alpha=weight_decay)  # g = g + wd p

    m.lerp_(grad, 1 - beta1)  # m = beta1 m + (1 - beta1) g
    v.mul_(beta2).addcmul_(grad, grad, value=1 - beta2)  # v = beta2 v + (1 - beta2) g^2
    if amsgrad:
        v = as_real(state["max_exp_avg_sq"]).clamp_(min=v)  # w = max(w, v), in place of v

    root = (v.sqrt() / correction(beta2, t) ** 0.5).add_(eps)  # sqrt(v / (1 - beta2^t)) + eps
    rate = lr / correction(beta1, t)
    if isinstance(rate, Tensor):  # a kernel takes a number along, a tensor must be multiplied first
        m, rate = rate * m, 1.0
    param.addcdiv_(m, root, value=-rate)  # p = p - lr m / (1 - beta1^t) / root


def correction(beta: float, t: Any) -> Any:
    """1 - beta^t, to the last digits also where beta is so near 1 that the difference would cancel."""
    exponent = t * (math.log(beta) if beta else -math.inf)
    return -(torch.expm1(exponent) if isinstance(exponent, Tensor) else math.expm1(exponent))


def begin(state: State, param: Tensor, amsgrad: bool, capturable: bool) -> None:
    """The state before the first step: nothing but zeros."""
    if not state:
        state["step"] = step_count(0, param, on_device=capturable)
        state["exp_avg"] = torch.zeros_like(param)
        state["exp_avg_sq"] = torch.zeros_like(param)
    if amsgrad and "max_exp_avg_sq" not in state:
        state["max_exp_avg_sq"] = torch.zeros_like(param)


def count(state: State, live: bool) -> Any:
    """The number of this step: a tensor where a number would be frozen in a graph."""
    state["step"] += 1
    return state["step"].double() if live or torch.compiler.is_compiling() else state["step"].item()


def as_real(x: Tensor) -> Tensor:
    """A complex tensor as the real one of its two parts, in the same memory."""
    return torch.view_as_real(x.resolve_conj()) if x.is_complex() else x


def _capturing() -> bool:
    compiling = torch.compiler.is_compiling()
    return not compiling and torch.cuda.is_available() and torch.cuda.is_current_stream_capturing()


class Adam(Base):
    """Adam: steps of a size that the gradient's own history sets; with AMSGrad and weight decay.

    For a parameter p with gradient g at its step t, all elementwise, from m = v = w = 0:

        g = -g                                      with maximize
        g = g + weight_decay p                      with decoupled_weight_decay instead: p = p - lr weight_decay p
        m = beta1 m + (1 - beta1) g
        v = beta2 v + (1 - beta2) g^2
        w = max(w, v)                               with amsgrad, and w takes the place of v below
        p = p - lr m' / (sqrt(v') + eps)            m' = m / (1 - beta1^t), v' = v / (1 - beta2^t)

    The state is `step` (t), `exp_avg` (m), `exp_avg_sq` (v), `max_exp_avg_sq` (w). State dicts load from and into
    `torch.optim.Adam` and `AdamW`. Every parameter counts its own steps, from its first gradient on.

    Args:
        params: tensors, (name, tensor) pairs, or dicts with "params" and options of their own. Real or complex (a
            complex one as its two real parts), each computed in its own dtype; see below for half types.
        lr: learning rate, >= 0: a number or a tensor of one element.
        betas: (beta1, beta2), each in [0, 1): how much of m and of v is kept.
        eps: >= 0, keeps the divisor from zero. With 0, an element whose gradients were all zero becomes NaN (0 / 0).
        weight_decay: >= 0.
        amsgrad: divide by the root of the largest v so far.
        maximize: ascend.
        capturable: keep `step` on the parameter's device and everything in tensors, for a CUDA graph.
        differentiable: let autograd record the step, for parameters that are not leaves.
        foreach, fused: hints that choose a kernel in PyTorch. Kept in the groups; there is one computation here.
        decoupled_weight_decay: shrink p itself, as `AdamW` does.

    Raises:
        TypeError: an option or a parameter of the wrong type.
        ValueError: an option out of range, no parameters, one twice; in `step`, a gradient that is sparse or on
            another device. Nothing has changed then.
        RuntimeError: `step` is captured in a CUDA graph without capturable=True, where t would stand still.

    Conventions:
        - eps stands outside the root and after the correction, as in Algorithm 1. Keras divides by sqrt(v) + eps
          before the correction (the paper's "epsilon hat"): there eps counts 1 / sqrt(1 - beta2^t) times as much.
          Others put it inside the root.
        - AMSGrad takes the maximum of the uncorrected v and corrects it afterwards, as PyTorch and Keras do. optax
          takes the maximum of the corrected one; the paper corrects nothing.
        - weight_decay is added to the gradient, so that m and v contain it. See `AdamW` for the other way.

    Half precision: bfloat16 and float16 parameters are computed in float32, with float32 state, and rounded once a
    step. PyTorch 2.13 keeps the state in half precision. In float16 the square of 1e-3 times 0.001, and eps itself,
    are zero: its first step with that gradient sends a parameter from 1 to -inf. In bfloat16 v * 0.999 rounds back
    to v: after 1000 gradients of 1 and 1000 of 0.01 its v still is 0.5 instead of 0.2326.

    Precision: 1 - beta^t is computed in float64, without cancellation for beta near 1, also under `torch.compile`.

    Sources: D. Kingma and J. Ba, "Adam: A Method for Stochastic Optimization", ICLR 2015, Algorithm 1;
    S. Reddi, S. Kale and S. Kumar, "On the Convergence of Adam and Beyond", ICLR 2018, Algorithm 2.

        >>> import torch
        >>> p = torch.nn.Parameter(torch.tensor([1.0, -2.0]))
        >>> optimizer = Adam([p], lr=0.1)
        >>> for _ in range(2):
        ...     optimizer.zero_grad()
        ...     p.square().sum().backward()
        ...     optimizer.step()
        >>> p.detach()
        tensor([ 0.8004, -1.8002])
    """

    options: ClassVar[Options] = {
        "lr": LEARNING_RATE,
        "betas": Pair(Number(0, 1)),
        "eps": Number(0),
        "weight_decay": Number(0),
        "amsgrad": Switch(),
        "maximize": Switch(),
        "foreach": HINT,
        "capturable": Switch(),
        "differentiable": Switch(),
        "fused": HINT,
        "decoupled_weight_decay": Switch(),
    }
    rule = adam

    def __init__(
        self,
        params: Parameters,
        lr: float | Tensor = 1e-3,
        betas: tuple[float | Tensor, float | Tensor] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        decoupled_weight_decay: bool = False,
    ) -> None:
        super().__init__(
            params,
            lr=lr,
            betas=betas,
            eps=eps,
            weight_decay=weight_decay,
            amsgrad=amsgrad,
            foreach=foreach,
            maximize=maximize,
            capturable=capturable,
            differentiable=differentiable,
            fused=fused,
            decoupled_weight_decay=decoupled_weight_decay,
        )

    def _read(self, group: dict[str, Any]) -> dict[str, Any]:
        if not group["capturable"] and _capturing():
            raise RuntimeError("capturable: expected True where a CUDA graph captures the step, got False")
        return super()._read(group)


class AdamW(Adam):
    """Adam with decoupled weight decay: the parameter itself shrinks, and neither m nor v sees it.

        p = p - lr weight_decay p - lr m' / (sqrt(v') + eps)

    `Adam` with decoupled_weight_decay=True, weight_decay 0.01 and otherwise the same options, state, conventions and
    errors. State dicts load from and into `torch.optim.AdamW`.

    Conventions: the decay is multiplied by lr, as in PyTorch and optax. In the paper (Algorithm 2, line 12) it is
    multiplied by the schedule's factor alone: there, another lr leaves the decay as it is.

    Source: I. Loshchilov and F. Hutter, "Decoupled Weight Decay Regularization", ICLR 2019, Algorithm 2.

        >>> import torch
        >>> p = torch.nn.Parameter(torch.tensor([1.0, -2.0]))
        >>> p.grad = torch.zeros(2)
        >>> AdamW([p], lr=0.1, weight_decay=0.5).step()
        >>> p.detach()
        tensor([ 0.9500, -1.9000])
    """

    def __init__(
        self,
        params: Parameters,
        lr: float | Tensor = 1e-3,
        betas: tuple[float | Tensor, float | Tensor] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        super().__init__(
            params,
            lr,
            betas,
            eps,
            weight_decay,
            amsgrad,
            foreach=foreach,
            maximize=maximize,
            capturable=capturable,
            differentiable=differentiable,
            fused=fused,
            decoupled_weight_decay=True,
        )

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        for group in self.param_groups:
            group["decoupled_weight_decay"] = True  # also where Adam wrote the state dict, as in PyTorch
