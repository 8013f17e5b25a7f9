"""The names and signatures of a well-known university assignment, as thin layers over torchstone's own.

Four losses `forward(y_pred, y_true)`, four activations, each with an explicit `backward(grad_output)`, and four
optimizers that take `parameters` and a `learning_rate`.

>>> import torch
>>> criterion = L1Loss()
>>> criterion(torch.tensor([1.0, 2.0, 3.0, 4.0]), torch.tensor([1.5, 2.5, 3.0, 4.5]))
tensor(0.3750)
>>> criterion.backward()
tensor([-0.2500, -0.2500,  0.0000, -0.2500])
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any
from weakref import ReferenceType, ref

import torch
from torch import Tensor, nn

from torchstone import activations, losses, optimizers

__all__ = [
    "AdamOptimizer",
    "BCELoss",
    "CELoss",
    "GradientDescentOptimizer",
    "L1Loss",
    "L2Loss",
    "MomentumOptimizer",
    "ReLU",
    "SGDOptimizer",
    "Sigmoid",
    "Softmax",
    "Tanh",
]


class _OnClassToo:
    """A method that, called on the class, means the instance whose forward ran last: `ReLU.backward(grad_output)`."""

    def __init__(self, method: Callable[..., Any]) -> None:
        self.method = method
        self.__doc__ = method.__doc__

    def __get__(self, instance: "_Explicit | None", owner: "type[_Explicit]") -> Callable[..., Any]:
        found = instance if instance is not None else owner._latest()
        if found is None:
            raise RuntimeError(f"backward: expected a forward of {owner.__name__} before it, got none")
        return self.method.__get__(found)


class _Explicit(nn.Module):
    """A module that remembers the input of its last forward, for a `backward` that is called by hand.

    Autograd needs none of this: `loss.backward()` finds the hand-written derivative by itself.
    """

    _function: Callable[..., Tensor]
    _arguments: tuple[Any, ...] | None = None
    _latest: Callable[[], "ReferenceType[_Explicit] | _Explicit | None"] = staticmethod(lambda: None)

    def _call(self, *arguments: Any) -> Tensor:
        result = self._function(*arguments)
        self._arguments = tuple(each.detach() if isinstance(each, Tensor) else each for each in arguments)
        if not torch.compiler.is_compiling():  # a graph cannot hold a weak reference
            type(self)._latest = ref(self)
        return result

    def _backward(self, grad_output: Tensor | None) -> Tensor:
        if self._arguments is None:
            raise RuntimeError(f"backward: expected a forward of {type(self).__name__} before it, got none")
        prediction, *rest = self._arguments
        with torch.enable_grad():
            prediction = prediction.detach().requires_grad_()
            result = self._function(prediction, *rest)
        if grad_output is None:
            grad_output = torch.ones_like(result)
        if grad_output.shape != result.shape:
            expected, got = tuple(result.shape), tuple(grad_output.shape)
            raise ValueError(f"grad_output: expected the output's shape {expected}, got {got}")
        (gradient,) = torch.autograd.grad(result, prediction, grad_output.detach())
        return gradient


class _Loss(_Explicit):
    """A mean over the batch, of predictions and the truth."""

    def forward(self, y_pred: Tensor, y_true: Tensor) -> Tensor:
        """The loss, a scalar."""
        return self._call(y_pred, y_true)

    def backward(self, grad_output: Tensor | None = None) -> Tensor:
        """The gradient with respect to the prediction of the last forward, times `grad_output` (1 unless given)."""
        return self._backward(grad_output)


class L1Loss(_Loss):
    """Mean absolute error, `torchstone.losses.L1Loss`."""

    _function = losses.L1Loss()


class L2Loss(_Loss):
    """Mean squared error, without a factor 1/2: `torchstone.losses.MSELoss`.

    >>> L2Loss()(torch.tensor([1.0, 2.0, 3.0, 4.0]), torch.tensor([1.5, 2.5, 3.0, 4.5])).item()
    0.1875
    """

    _function = losses.MSELoss()


class BCELoss(_Loss):
    """Binary cross-entropy of probabilities: `torchstone.losses.BCELoss`.

    Nothing is clamped, so a right and certain prediction costs exactly 0 and a wrong one keeps its gradient.

    >>> BCELoss()(torch.tensor([0.1, 0.7, 0.05, 0.15]), torch.tensor([0.0, 1.0, 0.0, 0.0])).item()
    0.16896192729473114
    """

    _function = losses.BCELoss()


class CELoss(_Explicit):
    """Cross-entropy of logits (N, C) and class indices (N): `torchstone.losses.CrossEntropyLoss`."""

    _function = losses.CrossEntropyLoss()

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        """The loss, a scalar."""
        return self._call(logits, targets)

    def backward(self, grad_output: Tensor | None = None) -> Tensor:
        """The gradient with respect to the logits of the last forward, times `grad_output` (1 unless given)."""
        return self._backward(grad_output)


class _Activation(_Explicit):
    def forward(self, x: Tensor) -> Tensor:
        """f(x), elementwise."""
        return self._call(x)

    @_OnClassToo
    def backward(self, grad_output: Tensor) -> Tensor:
        """The gradient with respect to the input of the last forward: the vector-Jacobian product with `grad_output`.

        On the class, as in `ReLU.backward(grad_output)`, it means the instance whose forward ran last.
        """
        return self._backward(grad_output)


class ReLU(_Activation):
    """max(0, x), `torchstone.activations.ReLU`.

    >>> relu = ReLU()
    >>> relu(torch.tensor([-1.0, 0.0, 1.0, 2.0]))
    tensor([0., 0., 1., 2.])
    >>> relu.backward(torch.tensor([5.0, 5.0, 5.0, -3.0]))
    tensor([ 0.,  0.,  5., -3.])
    """

    _function = activations.ReLU()


class Sigmoid(_Activation):
    """1 / (1 + exp(-x)), `torchstone.activations.Sigmoid`."""

    _function = activations.Sigmoid()


class Tanh(_Activation):
    """(exp(x) - exp(-x)) / (exp(x) + exp(-x)), `torchstone.activations.Tanh`: no overflow at large x."""

    _function = activations.Tanh()


class Softmax(_Activation):
    """exp(x_i) / sum_j exp(x_j) along `dim`, `torchstone.activations.Softmax`.

    >>> softmax = Softmax()
    >>> softmax(torch.tensor([[4.0, 3.0, 5.0]]))
    tensor([[0.2447, 0.0900, 0.6652]])
    >>> softmax.backward(torch.tensor([[1.0, 0.0, 0.0]]))
    tensor([[ 0.1848, -0.0220, -0.1628]])
    """

    @staticmethod
    def _function(x: Tensor, dim: int) -> Tensor:
        return activations.Softmax(dim)(x)

    def forward(self, x: Tensor, dim: int = 1) -> Tensor:
        """The softmax of x along `dim`."""
        return self._call(x, dim)


_NAMES = {"lr": "learning_rate", "params": "parameters"}


@contextmanager
def _in_our_words() -> Iterator[None]:
    """Complain about an argument by the name that the assignment gives it."""
    try:
        yield
    except (TypeError, ValueError) as error:
        name, colon, rest = str(error).partition(":")
        raise type(error)(f"{_NAMES.get(name, name)}{colon}{rest}") from None


class _Optimizer(torch.optim.Optimizer):
    """What the four share: the assignment's attributes, and gradients that are cleared to zero."""

    @property
    def parameters(self) -> list[Tensor]:
        """The parameters of all groups."""
        return [parameter for group in self.param_groups for parameter in group["params"]]

    @property
    def learning_rate(self) -> float:
        """The learning rate of the first group; setting it sets that of every group."""
        return self.param_groups[0]["lr"]

    @learning_rate.setter
    def learning_rate(self, value: float) -> None:
        for group in self.param_groups:
            group["lr"] = value

    def zero_grad(self, set_to_none: bool = False) -> None:
        """Set every gradient to zero. `torch.optim` sets them to None, unless told otherwise."""
        super().zero_grad(set_to_none)


class GradientDescentOptimizer(_Optimizer, optimizers.GradientDescent):
    """p = p - learning_rate g, `torchstone.optimizers.GradientDescent`.

    >>> p = torch.nn.Parameter(torch.tensor([1.0]))
    >>> optimizer = GradientDescentOptimizer([p], learning_rate=0.25)
    >>> (p**2).sum().backward()
    >>> optimizer.step()
    >>> p.data
    tensor([0.5000])
    """

    def __init__(self, parameters: Iterable[Any], learning_rate: float) -> None:
        with _in_our_words():
            optimizers.GradientDescent.__init__(self, parameters, lr=learning_rate)


class SGDOptimizer(_Optimizer, optimizers.SGD):
    """p = p - learning_rate g, with the gradient of a mini-batch: `torchstone.optimizers.SGD`."""

    def __init__(self, parameters: Iterable[Any], learning_rate: float) -> None:
        with _in_our_words():
            optimizers.SGD.__init__(self, parameters, lr=learning_rate)


class MomentumOptimizer(_Optimizer, optimizers.Momentum):
    """b = momentum b + g, p = p - learning_rate b: `torchstone.optimizers.Momentum`."""

    def __init__(self, parameters: Iterable[Any], learning_rate: float, momentum: float = 0.9) -> None:
        with _in_our_words():
            optimizers.Momentum.__init__(self, parameters, lr=learning_rate, momentum=momentum)


class AdamOptimizer(_Optimizer, optimizers.Adam):
    """Adam with bias correction and eps outside the root: `torchstone.optimizers.Adam`."""

    def __init__(
        self,
        parameters: Iterable[Any],
        learning_rate: float = 0.001,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
    ) -> None:
        with _in_our_words():
            optimizers.Adam.__init__(self, parameters, lr=learning_rate, betas=betas, eps=eps)
