"""What functions take: how their arguments look, and ordinary ones at random.

Only NumPy is needed here: the child process that runs other people's code makes its inputs with it, too.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Sampler = Callable[[Generator, tuple[int, ...]], Floats]


@dataclass(frozen=True)
class Domain:
    """The arguments of a function: one number, a prediction and a target, or rows of classes with a target."""

    prediction: Sampler
    target: Sampler | None = None
    row: bool = False
    labels: bool = False  # the target of a row is one class: one-hot in mathematics, its index in PyTorch

    def sample(self, random: Generator, count: int, classes: int) -> dict[str, Floats]:
        """Ordinary arguments: `count` numbers, or `count` rows of `classes` numbers."""
        shape = (count, classes) if self.row else (count,)
        drawn = {"prediction": self.prediction(random, shape)}
        return drawn if self.target is None else {**drawn, "target": self.target(random, shape)}


def _normal(random: Generator, shape: tuple[int, ...]) -> Floats:
    return random.normal(0.0, 3.0, shape)


def _probability(random: Generator, shape: tuple[int, ...]) -> Floats:
    return random.uniform(0.02, 0.98, shape)


def _mostly_labels(random: Generator, shape: tuple[int, ...]) -> Floats:
    return random.choice([0.0, 1.0, 0.25], shape)


def one_hot(classes: NDArray[np.integer], width: int) -> Floats:
    """A row for each class, 1 there and 0 elsewhere."""
    return np.eye(width)[classes]


def _one_class(random: Generator, shape: tuple[int, ...]) -> Floats:
    return one_hot(random.integers(0, shape[1], shape[0]), shape[1])


def _shares(random: Generator, shape: tuple[int, ...]) -> Floats:
    return random.dirichlet(np.ones(shape[1]), shape[0])


def _log_shares(random: Generator, shape: tuple[int, ...]) -> Floats:
    return np.log(_shares(random, shape) + 1e-3)


DOMAINS = {
    "number": Domain(_normal),
    "residual": Domain(_normal, _normal),
    "probability": Domain(_probability, _mostly_labels),
    "logit": Domain(_normal, _mostly_labels),
    "row": Domain(_normal, row=True),
    "row and class": Domain(_normal, _one_class, row=True, labels=True),
    "row and shares": Domain(_normal, _shares, row=True),
    "log row and class": Domain(_log_shares, _one_class, row=True, labels=True),
}
