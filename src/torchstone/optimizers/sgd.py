"""Gradient descent, with and without momentum."""

from typing import Any, ClassVar

from torch import Tensor

from torchstone.optimizers._base import Base, Parameters
from torchstone.optimizers._options import HINT, LEARNING_RATE, Number, Options, Switch
from torchstone.optimizers._state import State


def sgd(
    param: Tensor,
    grad: Tensor,
    state: State,
    *,
    lr: float | Tensor,
    momentum: float,
    dampening: float,
    weight_decay: float,
    nesterov: bool,
    maximize: bool,
) -> None:
    """One step of SGD on one parameter, in place; the gradient stays as it is."""
    if maximize:
        grad = -grad
    if weight_decay != 0:
        grad = grad.add(param, alpha=weight_decay)  # g = g + wd p

    if momentum != 0:
        velocity = state.get("momentum_buffer")
        if velocity is None:
            velocity = state["momentum_buffer"] = grad.clone()  # b = g
        else:
            velocity.mul_(momentum).add_(grad, alpha=1 - dampening)  # b = mu b + (1 - tau) g
        grad = grad.add(velocity, alpha=momentum) if nesterov else velocity  # g + mu b, or b

    if isinstance(lr, Tensor):  # a kernel takes a number along, a tensor must be multiplied first
        grad, lr = lr * grad, 1.0
    param.add_(grad, alpha=-lr)  # p = p - lr g


class SGD(Base):
    """Stochastic gradient descent, with momentum, dampening, Nesterov's look-ahead and weight decay.

    For a parameter p with gradient g at its step t, all elementwise:

        g = -g                          with maximize
        g = g + weight_decay p
        b = g                           at t = 1, and afterwards
        b = momentum b + (1 - dampening) g
        d = b                           without momentum: d = g;  with nesterov: d = g + momentum b
        p = p - lr d

    The buffer b is kept as `momentum_buffer`, only with momentum. State dicts load from and into `torch.optim.SGD`.

    Args:
        params: tensors, (name, tensor) pairs, or dicts with "params" and options of their own. Real or complex,
            each computed in its own dtype; bfloat16 and float16 are computed in float32, with float32 buffers, and
            rounded once a step.
        lr: learning rate, >= 0: a number or a tensor of one element.
        momentum: how much of b is kept, >= 0.
        dampening: how much of the gradient is kept out of b.
        weight_decay: >= 0, added to the gradient.
        nesterov: look ahead; needs momentum > 0 and dampening = 0.
        maximize: ascend.
        foreach, fused: hints that choose a kernel in PyTorch. Kept in the groups; there is one computation here.
        differentiable: let autograd record the step, for parameters that are not leaves.

    Raises:
        TypeError: an option or a parameter of the wrong type.
        ValueError: an option out of range, no parameters, one twice; in `step`, a gradient that is sparse or on
            another device. Nothing has changed then.

    Conventions:
        - The first buffer is g itself, not (1 - dampening) g: as in PyTorch. A buffer that starts at zero is dampened
          from the first step.
        - lr stands outside b, as in PyTorch: a new rate acts on all of b at once. Sutskever et al. (eq. 1) and Keras
          keep b = momentum b - lr g and p = p + b, where earlier gradients keep the rate of their day. With a
          constant lr both are the same.
        - Nesterov's gradient is taken at p itself, and d looks ahead (as in PyTorch and Keras). Sutskever et al.
          (eq. 3) take it at p + momentum b; their p is this one, shifted by momentum b.
        - weight_decay goes through the momentum (L2 regularization). Decoupled decay would shrink p instead.

    Sources: H. Robbins and S. Monro, "A Stochastic Approximation Method", Ann. Math. Statist. 22 (1951), eq. (6);
    B. Polyak, "Some Methods of Speeding up the Convergence of Iteration Methods" (1964); Y. Nesterov, "A Method of
    Solving a Convex Programming Problem with Convergence Rate O(1/k^2)" (1983); I. Sutskever, J. Martens, G. Dahl and
    G. Hinton, "On the Importance of Initialization and Momentum in Deep Learning", ICML 2013, eqs. (1) to (4).

        >>> import torch
        >>> p = torch.nn.Parameter(torch.tensor([1.0, -2.0]))
        >>> optimizer = SGD([p], lr=0.1, momentum=0.9)
        >>> for _ in range(2):
        ...     optimizer.zero_grad()
        ...     p.square().sum().backward()
        ...     optimizer.step()
        >>> p.detach()
        tensor([ 0.4600, -0.9200])
    """

    options: ClassVar[Options] = {
        "lr": LEARNING_RATE,
        "momentum": Number(0),
        "dampening": Number(),
        "weight_decay": Number(0),
        "nesterov": Switch(),
        "maximize": Switch(),
        "foreach": HINT,
        "differentiable": Switch(),
        "fused": HINT,
    }
    rule = sgd

    def __init__(
        self,
        params: Parameters,
        lr: float | Tensor = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float | Tensor = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        super().__init__(
            params,
            lr=lr,
            momentum=momentum,
            dampening=dampening,
            weight_decay=weight_decay,
            nesterov=nesterov,
            maximize=maximize,
            foreach=foreach,
            differentiable=differentiable,
            fused=fused,
        )

    def _check(self, group: dict[str, Any]) -> None:
        super()._check(group)
        momentum, dampening = group["momentum"], group["dampening"]
        if group["nesterov"] and not (momentum > 0 and dampening == 0):
            got = f"got momentum {momentum!r} and dampening {dampening!r}"
            raise ValueError(f"nesterov: expected with momentum > 0 and dampening 0, {got}")


class GradientDescent(SGD):
    """Gradient descent: `SGD` with a learning rate alone.

        p = p - lr g

    Args:
        params: as in `SGD`.
        lr: learning rate, >= 0: a number or a tensor of one element.
        maximize: ascend.

    Raises TypeError and ValueError as `SGD` does.

    Source: A. Cauchy, "Méthode générale pour la résolution des systèmes d'équations simultanées" (1847).

        >>> import torch
        >>> p = torch.nn.Parameter(torch.tensor([1.0, -2.0]))
        >>> p.square().sum().backward()
        >>> GradientDescent([p], lr=0.1).step()
        >>> p.detach()
        tensor([ 0.8000, -1.6000])
    """

    def __init__(self, params: Parameters, lr: float | Tensor = 1e-3, *, maximize: bool = False) -> None:
        super().__init__(params, lr, maximize=maximize)


class Momentum(SGD):
    """Gradient descent with momentum, Polyak's heavy ball: `SGD` with a learning rate and momentum.

        b = momentum b + g              from b = 0
        p = p - lr b

    Args:
        params: as in `SGD`.
        lr: learning rate, >= 0: a number or a tensor of one element.
        momentum: how much of b is kept, >= 0.
        maximize: ascend.

    Raises TypeError and ValueError as `SGD` does.

    Conventions: lr stands outside b, and the gradient enters b whole. With b = momentum b + (1 - momentum) g, an
    average, the same lr moves p (1 - momentum) times as far.

    Source: B. Polyak, "Some Methods of Speeding up the Convergence of Iteration Methods" (1964).

        >>> import torch
        >>> p = torch.nn.Parameter(torch.tensor([1.0, -2.0]))
        >>> p.square().sum().backward()
        >>> Momentum([p], lr=0.1).step()
        >>> p.detach()
        tensor([ 0.8000, -1.6000])
    """

    def __init__(
        self, params: Parameters, lr: float | Tensor = 1e-3, momentum: float = 0.9, *, maximize: bool = False
    ) -> None:
        super().__init__(params, lr, momentum, maximize=maximize)
