"""Where value and gradient are compared: batches of exact inputs, in every format."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from torchstone.compare.catalogue import FunctionEntry
from torchstone.compare.domains import DOMAINS, one_hot
from torchstone.oracle import FORMATS
from torchstone.oracle.formats import Format
from torchstone.oracle.points import grid, inside, rounded

Floats = NDArray[np.float64]
_SEED = 20260102  # fixed: the points are the same for everybody, every time
_MEAN_OF = 64  # a power of two, so that the mean of exact numbers is exact, too
_PLOTTED, _PLOTTED_ROWS = 1601, 161


@dataclass(frozen=True, eq=False)
class Batch:
    """Inputs that are exact in a format: arrays named "prediction" and "target", of numbers (N,) or of rows (N, C)."""

    form: str
    inputs: Mapping[str, Floats]
    reduction: str = "none"
    cotangent: Floats | None = None  # what flows into the backward of an activation of rows

    @property
    def size(self) -> int:
        """The number of elements or rows."""
        return len(self.inputs["prediction"])


def batches(entry: FunctionEntry) -> list[Batch]:
    """All points of a function, format by format."""
    found = []
    for form in FORMATS.values():
        random = np.random.default_rng(_SEED)
        found += POINTS[entry.domain](form, random, entry)
        if entry.kind == "loss":
            drawn = DOMAINS[entry.domain].sample(random, _MEAN_OF, classes=3)
            found.append(_batch(form, drawn["prediction"], drawn["target"], reduction="mean"))
    return found


def plotted(entry: FunctionEntry) -> Batch:
    """The points of the plot, in float32 and in ascending order: of a row, its first logit varies and two are 0."""
    low, high = entry.shown
    if not DOMAINS[entry.domain].row:
        line = np.linspace(low, high, _PLOTTED)
        return _batch(FORMATS["float32"], line, np.full_like(line, entry.target[0]) if entry.target else None)
    line = np.linspace(low, high, _PLOTTED_ROWS)
    rows = np.stack([line, np.zeros_like(line), np.zeros_like(line)], axis=1)
    if not entry.target:
        return _batch(FORMATS["float32"], rows, cotangent=np.tile([1.0, 0.0, 0.0], (len(rows), 1)))
    return _batch(FORMATS["float32"], rows, np.tile(entry.target, (len(rows), 1)))


def _batch(
    form: Format,
    prediction: Floats,
    target: Floats | None = None,
    reduction: str = "none",
    cotangent: Floats | None = None,
) -> Batch:
    given = {"prediction": prediction} if target is None else {"prediction": prediction, "target": target}
    return Batch(form.name, {name: rounded(array, form) for name, array in given.items()}, reduction, cotangent)


def _numbers(form: Format, random: Generator, entry: FunctionEntry) -> list[Batch]:
    return [_batch(form, grid(form, (*entry.special, *entry.shown)))]


def _spread(form: Format, random: Generator, special: tuple[float, ...] = ()) -> Floats:
    """Numbers of every size, both signs: a smaller grid than the one for functions of a single number."""
    exponents = random.uniform(form.least_exponent - form.digits, form.greatest_exponent, 120)
    sizes = [random.uniform(0, width, 60) for width in (1.5, 10.0, 120.0)]
    sizes += [np.ldexp(random.uniform(1, 2, 120), np.floor(exponents).astype(int)), 10.0 ** random.uniform(-8, 4, 60)]
    sizes += [np.array([0.0, form.smallest, 2.0**form.least_exponent, form.largest, 1e4, 1e20])]
    steps = np.arange(-3, 4)
    near = [centre + steps * form.spacing(centre) for centre in (1.0, *special)]
    both = np.concatenate(sizes)
    return rounded(np.concatenate([both, -both, *near]), form)


def _pairs(form: Format, columns: Mapping[float, Floats]) -> list[Batch]:
    """Each target with its own predictions."""
    targets = np.concatenate([np.full_like(predictions, target) for target, predictions in columns.items()])
    return [_batch(form, np.concatenate(list(columns.values())), targets)]


_NOT_NUMBERS = [np.inf, -np.inf, np.nan]


def _residuals(form: Format, random: Generator, entry: FunctionEntry) -> list[Batch]:
    """Residuals of every size around several targets, zero among them, and the largest numbers against each other."""
    columns = {}
    for target in (0.0, 1.0, -2.5, 100.25, -form.largest):
        residuals = _spread(form, random, entry.special)
        with np.errstate(over="ignore"):
            columns[target] = np.concatenate([target + residuals, _NOT_NUMBERS])
    return _pairs(form, columns)


def _probabilities(form: Format, random: Generator, entry: FunctionEntry) -> list[Batch]:
    """Probabilities up to both ends, and their nearest neighbours; targets certain and uncertain."""
    small = 10.0 ** random.uniform(np.log10(form.smallest), 0, 150)
    ends = np.array([0.0, form.smallest, 3.7e-44, 3.8e-44, 2.0**form.least_exponent, 0.5])
    below_one = 1 - np.arange(5) * 2.0**-form.digits
    chances = np.concatenate([random.uniform(0, 1, 200), small, 1 - small, ends, below_one])
    exact = inside(rounded(chances, form), 0, 1)
    return _pairs(form, dict.fromkeys((0.0, 1.0, 0.5, float(rounded([0.3], form)[0])), exact))


def _logits(form: Format, random: Generator, entry: FunctionEntry) -> list[Batch]:
    logits = np.concatenate([_spread(form, random, (-88.75, 88.75)), _NOT_NUMBERS])
    return _pairs(form, dict.fromkeys((0.0, 1.0, 0.5, float(rounded([0.3], form)[0])), logits))


def _characters(random: Generator, classes: int) -> Floats:
    """Rows of several kinds: of every scale, tied, nearly tied, far from zero, certain, masked."""
    normal = random.normal(0, 1, (14, classes))
    rows = [normal[0], normal[1], 10 * normal[2], 100 * normal[3], 1e4 * normal[4], 1e3 + normal[5]]
    rows += [0.75 + 1e-6 * normal[6], np.full(classes, 0.75), np.where(np.arange(classes) < 2, 3.5, normal[7])]
    sure = np.arange(classes) == classes // 2
    rows += [normal[8] + lead * sure for lead in (8, 30, 200)]
    rows += [np.where(sure, -np.inf, normal[12]), np.where(sure, normal[13], -np.inf)]
    return np.stack(rows)


def _sets_of_rows(random: Generator) -> list[Floats]:
    # Rows of ten cost the oracle thirty times as much as rows of three, so there are few.
    return [*(_characters(random, classes) for classes in (2, 3, 5)), random.normal(0, [[1], [5], [50]], (3, 10))]


def _rows(form: Format, random: Generator, entry: FunctionEntry) -> list[Batch]:
    found = []
    for rows in _sets_of_rows(random):
        quarters = random.choice([-7, -5, -3, -1, 1, 2, 3, 6], rows.shape) / 4  # exact in every format
        # Nothing flows back into a component that is masked.
        found.append(_batch(form, rows, cotangent=np.where(np.isinf(rows), 0.0, quarters)))
    return found


def _with_targets(form: Format, rows: Floats, *targets: Floats) -> Batch:
    return _batch(form, np.tile(rows, (len(targets), 1)), np.concatenate(targets))


def _rows_and_classes(form: Format, random: Generator, entry: FunctionEntry) -> list[Batch]:
    """Each row with the class it favours, and with the one it favours least: right, and wrong."""
    return [
        _with_targets(form, rows, *(one_hot(pick(rows, axis=1), rows.shape[1]) for pick in (np.argmax, np.argmin)))
        for rows in _sets_of_rows(random)
    ]


def _rows_and_shares(form: Format, random: Generator, entry: FunctionEntry) -> list[Batch]:
    """Each row with random shares, and with all of it on the class it favours."""
    return [
        _with_targets(
            form,
            rows,
            random.dirichlet(np.ones(rows.shape[1]), len(rows)),
            one_hot(np.argmax(rows, axis=1), rows.shape[1]),
        )
        for rows in _sets_of_rows(random)
    ]


def _log_rows_and_classes(form: Format, random: Generator, entry: FunctionEntry) -> list[Batch]:
    """The rows as logarithms of probabilities, up to rounding."""
    found = []
    for rows in _sets_of_rows(random):
        highest = rows.max(axis=1, keepdims=True)
        logs = np.minimum(rows - highest - np.log(np.exp(rows - highest).sum(axis=1, keepdims=True)), 0)
        classes = random.integers(0, rows.shape[1], len(rows))
        found.append(_with_targets(form, logs, one_hot(classes, rows.shape[1])))
    return found


POINTS: Mapping[str, Callable[[Format, Generator, FunctionEntry], list[Batch]]] = {
    "number": _numbers,
    "residual": _residuals,
    "probability": _probabilities,
    "logit": _logits,
    "row": _rows,
    "row and class": _rows_and_classes,
    "row and shares": _rows_and_shares,
    "log row and class": _log_rows_and_classes,
}
