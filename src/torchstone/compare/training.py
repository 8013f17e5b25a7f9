"""Training runs: the same start and the same batches for every subject, so that only the subject can differ.

Three tasks for an optimizer: scikit-learn's digits with a small network, a convex quadratic, and Rosenbrock's valley.
A loss or an activation takes its place in the same network.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

TITLES = {
    "digits": "A network of 64, 32 and 10 units on scikit-learn's digits",
    "quadratic": "A convex quadratic in 20 dimensions, curvature 1 to 100",
    "rosenbrock": "Rosenbrock's valley from (-1.2, 1)",
}
_STEPS = {"digits": 150, "quadratic": 100, "rosenbrock": 400}
_FUNCTION_STEPS = 60
_BATCH = 128
_HIDDEN = 32

Loss = Callable[[Tensor, Tensor, Tensor], Tensor]  # of logits, class indices and one-hot rows


@cache
def _digits() -> tuple[Tensor, Tensor]:
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    return torch.from_numpy(images / 16).float(), torch.from_numpy(labels).long()


def _batches(steps: int) -> Iterator[Tensor]:
    random = np.random.default_rng(20260104)
    for _ in range(steps):
        yield torch.from_numpy(random.choice(len(_digits()[0]), _BATCH, replace=False))


def _network() -> list[Tensor]:
    """Weights and biases of two layers, always the same."""
    random = np.random.default_rng(20260105)
    layers = [(_HIDDEN, 64), (_HIDDEN,), (10, _HIDDEN), (10,)]
    start = [random.normal(0, shape[-1] ** -0.5, shape) * (len(shape) > 1) for shape in layers]
    return [torch.nn.Parameter(torch.from_numpy(array).float()) for array in start]


def _logits(network: list[Tensor], images: Tensor, activation: Callable[[Tensor], Tensor]) -> Tensor:
    first, first_bias, second, second_bias = network
    return functional.linear(activation(functional.linear(images, first, first_bias)), second, second_bias)


def optimize(task: str, build: Callable[[list[Tensor]], Any]) -> dict[str, Any]:
    """The loss at each step of an optimizer that `build` makes from the parameters, and the path in a plane."""
    parameters, losses = _OBJECTIVES[task]()
    optimizer = build(parameters)
    curve, path = [], []
    for objective in losses:
        path.append([float(value) for value in parameters[0].detach().flatten()[:2]])
        for parameter in parameters:
            parameter.grad = None
        loss = objective()
        loss.backward()
        optimizer.step()
        curve.append(loss.item())
    with torch.no_grad():
        final = _whole(task, parameters)
    return {"losses": curve, "final": final, "path": path if task == "rosenbrock" else []}


def _digits_task() -> tuple[list[Tensor], list[Callable[[], Tensor]]]:
    images, labels = _digits()
    network = _network()

    def objective(batch: Tensor) -> Callable[[], Tensor]:
        return lambda: functional.cross_entropy(_logits(network, images[batch], torch.tanh), labels[batch])

    return network, [objective(batch) for batch in _batches(_STEPS["digits"])]


def _quadratic(x: Tensor) -> Tensor:
    return (torch.logspace(0, 2, 20, dtype=x.dtype) * x**2).sum() / 2


def _rosenbrock(x: Tensor) -> Tensor:
    return (1 - x[0]) ** 2 + 100 * (x[1] - x[0] ** 2) ** 2


def _quadratic_task() -> tuple[list[Tensor], list[Callable[[], Tensor]]]:
    x: Tensor = torch.nn.Parameter(torch.ones(20, dtype=torch.float64))
    return [x], [lambda: _quadratic(x)] * _STEPS["quadratic"]


def _rosenbrock_task() -> tuple[list[Tensor], list[Callable[[], Tensor]]]:
    x: Tensor = torch.nn.Parameter(torch.tensor([-1.2, 1.0], dtype=torch.float64))
    return [x], [lambda: _rosenbrock(x)] * _STEPS["rosenbrock"]


_OBJECTIVES = {"digits": _digits_task, "quadratic": _quadratic_task, "rosenbrock": _rosenbrock_task}


def _whole(task: str, parameters: list[Tensor]) -> float:
    """The objective at the end; of the digits, over all of them."""
    if task == "digits":
        images, labels = _digits()
        return functional.cross_entropy(_logits(parameters, images, torch.tanh), labels).item()
    return {"quadratic": _quadratic, "rosenbrock": _rosenbrock}[task](parameters[0]).item()


def _of(prepare: Callable[[Tensor], Tensor], target: int) -> Callable[[Any], Loss]:
    """A loss of prepared logits, and of the class index (0), the one-hot row (1) or that row softened (2)."""

    def place(function: Any) -> Loss:
        def loss(logits: Tensor, labels: Tensor, one_hot: Tensor) -> Tensor:
            targets = (labels, one_hot, one_hot * 0.9 + 0.01)
            value: Tensor = function(prepare(logits), targets[target])
            return value.mean() if value.dim() else value

        return loss

    return place


def _same(logits: Tensor) -> Tensor:
    return logits


def _log_softmax(logits: Tensor) -> Tensor:
    return functional.log_softmax(logits, dim=-1)


# Where a function stands in the network, and how the loss comes out of the logits then.
PLACES: Mapping[str, Callable[[Any], Loss]] = {
    "number": _of(_same, 1),
    "probability": _of(torch.sigmoid, 1),
    "row": _of(_same, 0),
    "shares": _of(_same, 2),
    "log row": _of(_log_softmax, 0),
    "hidden": lambda function: lambda logits, labels, one_hot: functional.cross_entropy(logits, labels),
    "softmax": lambda function: lambda logits, labels, one_hot: functional.mse_loss(function(logits), one_hot),
    "log softmax": lambda function: lambda logits, labels, one_hot: functional.nll_loss(function(logits), labels),
}


def learn(place: str, function: Any) -> dict[str, Any]:
    """The loss at each step of the network on the digits, with the function at its place; Adam moves the weights."""
    images, labels = _digits()
    one_hot = functional.one_hot(labels, 10).float()
    network, loss_of = _network(), PLACES[place](function)
    activation = function if place == "hidden" else torch.tanh
    optimizer = torch.optim.Adam(network, lr=0.01)

    def loss_on(rows: Any) -> Tensor:
        return loss_of(_logits(network, images[rows], activation), labels[rows], one_hot[rows])

    curve = []
    for batch in _batches(_FUNCTION_STEPS):
        optimizer.zero_grad()
        loss = loss_on(batch)
        loss.backward()
        optimizer.step()
        curve.append(loss.item())
    with torch.no_grad():
        return {"losses": curve, "final": loss_on(slice(None)).item(), "path": []}
