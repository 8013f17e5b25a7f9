"""What a comparison found, as data: the reports show it and decide nothing."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any

SCHEMA = 1


@dataclass(frozen=True)
class Accuracy:
    """How far value or gradient is from the mathematics, in one format or (the worst) in all.

    Distances are in units in the last place by the condition-aware policy, over the points where the answer is finite;
    `not_finite` counts those infinitely far off: NaN or infinite where the truth is representable, or a number where
    the truth is NaN or infinite.
    """

    max_ulp: float
    torch_max_ulp: float
    worst_input: Any  # a number, or the arguments by name
    torch_worst_input: Any
    not_finite: int
    torch_not_finite: int
    points: int
    dtype: str  # the format that the worst one was met in
    budget: float
    dtypes: "tuple[Accuracy, ...]" = ()  # one entry per format; empty in such an entry

    @property
    def ok(self) -> bool:
        """Finite where the truth is, and within the budget in every format."""
        each = self.dtypes or (self,)
        return all(entry.not_finite == 0 and entry.max_ulp <= entry.budget for entry in each)


@dataclass(frozen=True)
class Cost:
    """Time or memory at one size, as a ratio to PyTorch's: 1 is as much, below 1 is less."""

    size: int  # elements (of the input, or of all parameters)
    ratio: float
    ours: float  # seconds, or bytes
    torch: float


@dataclass(frozen=True)
class Trajectory:
    """How far an optimizer's parameters are from the exact recurrence and from PyTorch's, relative to their size."""

    steps: int
    to_oracle: float
    torch_to_oracle: float
    to_torch: float
    worst_option: str  # the options under which `to_oracle` was met
    budget: float
    options: int  # how many sets of options were run
    state_bytes: int  # for one million float32 parameters, after a step
    torch_state_bytes: int

    @property
    def ok(self) -> bool:
        """Within the budget."""
        return self.to_oracle <= self.budget


@dataclass(frozen=True)
class Training:
    """One training run beside PyTorch's, from the same start on the same batches."""

    task: str  # "digits", "quadratic", "rosenbrock"
    title: str
    losses: tuple[float, ...]
    torch_losses: tuple[float, ...]
    final: float
    torch_final: float
    path: tuple[tuple[float, float], ...] = ()  # the points visited, where there are two parameters
    torch_path: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True)
class Curve:
    """What is plotted of a function: value, derivative and their errors over the input range, and PyTorch's errors.

    Errors are the worst of the points in each bin, in ulp of float32; `nan` where a bin has none.
    """

    variable: str
    x: tuple[float, ...]
    value: tuple[float, ...]
    gradient: tuple[float, ...]
    error_x: tuple[float, ...]
    value_error: tuple[float, ...]
    torch_value_error: tuple[float, ...]
    gradient_error: tuple[float, ...]
    torch_gradient_error: tuple[float, ...]
    note: str = ""  # what is held fixed, such as "target 0"


@dataclass(frozen=True)
class Row:
    """One function or optimizer beside PyTorch's."""

    name: str  # the class, as a reader knows it: "CrossEntropyLoss"
    title: str
    kind: str  # loss, activation, optimizer
    like: str  # PyTorch's, dotted
    definition: str
    subject: str  # what was compared: "torchstone.losses:L1Loss", or what --against named
    value: Accuracy | None = None
    gradient: Accuracy | None = None
    speed: tuple[Cost, ...] = ()
    memory: tuple[Cost, ...] = ()
    trajectory: Trajectory | None = None
    training: tuple[Training, ...] = ()
    curve: Curve | None = None
    problems: tuple[str, ...] = ()  # one sentence each: what is out of policy
    notes: tuple[str, ...] = ()  # one sentence each: what a reader should know, without being wrong

    @property
    def ok(self) -> bool:
        """Whether everything is within policy."""
        return not self.problems


@dataclass(frozen=True, repr=False)
class Comparison:
    """All rows, and where they were measured. It shows itself as tables, in a notebook and elsewhere."""

    rows: tuple[Row, ...]
    torch: str
    seconds: float = 0.0
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether every row is within policy."""
        return all(row.ok for row in self.rows)

    def to_dict(self) -> dict[str, Any]:
        """The comparison as plain data, the way `--json` writes it."""
        return {"schema": SCHEMA, **_plain(self), "ok": self.ok}

    def to_json(self) -> str:
        """The comparison as JSON. Numbers that JSON cannot write are the strings "nan", "inf" and "-inf"."""
        return json.dumps(self.to_dict(), indent=2, allow_nan=False) + "\n"

    def to_html(self) -> str:
        """One self-contained page, with pictures."""
        from torchstone.report.html import page

        return page(self)

    def save(self, path: str | Path) -> None:
        """Write the page to a file ending in .html, the data to one ending in .json."""
        from torchstone.report.files import write_text

        file = Path(path)
        if file.suffix not in (".html", ".json"):
            raise ValueError(f"path: expected a name that ends in .html or .json, got {file.name!r}")
        write_text(file, self.to_html() if file.suffix == ".html" else self.to_json())

    def _repr_html_(self) -> str:
        from torchstone.report.html import table

        return table(self)

    def __repr__(self) -> str:
        from torchstone.report.terminal import text

        return text(self)


def _plain(value: Any) -> Any:
    """Dataclasses as dictionaries (with `ok`, where there is one), numbers that JSON can hold."""
    if is_dataclass(value):
        entries = {entry.name: _plain(getattr(value, entry.name)) for entry in fields(value)}
        return {**entries, "ok": value.ok} if isinstance(value, Row | Accuracy | Trajectory) else entries
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(each) for each in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value
