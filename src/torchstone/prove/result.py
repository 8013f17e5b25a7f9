"""What `prove` found: data only."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

Outcome = Literal["proven", "agrees", "refuted", "unknown", "unread"]

# From the best to the worst: a chain is as good as its worst step.
OUTCOMES: tuple[Outcome, ...] = ("proven", "agrees", "unknown", "unread", "refuted")


FOLLOWS = "follows from line"  # how such a step's method begins


@dataclass(frozen=True)
class Counterexample:
    """Exact numbers, as text, at which the two sides of a step differ."""

    point: dict[str, str]
    left: str
    right: str


@dataclass(frozen=True)
class Step:
    """One step of a chain: A = B, a definition, or what could not be read."""

    line: int  # of the file, or of the notebook's cell; counted from 1
    cell: int | None  # of the notebook, counted from 1; None in a Markdown file
    source: str  # the LaTeX
    read_as: str  # how it was read; empty where it was not
    verdict: Outcome
    method: str
    counterexample: Counterexample | None = None
    suggestion: str | None = None

    @property
    def is_given(self) -> bool:
        """Whether there was nothing to judge: a definition, or what is taken for granted."""
        return self.verdict == "proven" and self.method.startswith(("definition", "given"))

    @property
    def follows_from_refuted(self) -> bool:
        """Whether it is right only as a step from a line that is refuted."""
        return self.verdict == "proven" and self.method.startswith(FOLLOWS)

    @classmethod
    def of(cls, content: dict[str, Any]) -> "Step":
        """The step that `dataclasses.asdict` made into plain data."""
        counter = content["counterexample"]
        return cls(**{**content, "counterexample": Counterexample(**counter) if counter else None})


@dataclass(frozen=True)
class Chain:
    """Steps that belong together: between two headings or sentences."""

    title: str
    line: int
    cell: int | None
    steps: tuple[Step, ...]
    goal: str | None = None
    reaches_goal: bool | None = None  # None: no goal was set

    @property
    def verdict(self) -> Outcome:
        """The verdict of its worst step."""
        return max((step.verdict for step in self.steps), key=OUTCOMES.index, default="proven")


@dataclass(frozen=True)
class Proof:
    """Everything that was found in one file. Shows itself as a card in a notebook."""

    path: str
    chains: tuple[Chain, ...]
    notes: tuple[str, ...] = field(default=())  # about the file: "no display math in it"

    def __iter__(self) -> Iterator[Step]:
        return (step for chain in self.chains for step in chain.steps)

    @property
    def ok(self) -> bool:
        """Nothing refuted, nothing unread, and every goal reached."""
        wrong = any(step.verdict in ("refuted", "unread") for step in self)
        return not wrong and all(chain.reaches_goal is not False for chain in self.chains)

    def __str__(self) -> str:
        from torchstone.report.proof import text

        return text(self)

    def _repr_html_(self) -> str:
        from torchstone.report.proof import notebook

        return notebook(self)

    def to_html(self) -> str:
        """One self-contained page."""
        from torchstone.report.proof import html

        return html(self)

    def to_json(self) -> str:
        """The data, as the command writes it."""
        from torchstone.report.proof import json

        return json(self)
