"""A comparison as a web page that needs nothing but itself, and as a table for notebooks."""

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from torchstone.compare.result import Accuracy, Comparison, Cost, Row
from torchstone.report import numbers
from torchstone.report.pages import environment

if TYPE_CHECKING:
    from torchstone.report.plots import Picture

GROUPS = {"loss": "Losses", "activation": "Activations", "optimizer": "Optimizers"}

_PLOTTED_FORMAT = "float32"


@dataclass(frozen=True)
class Entry:
    """A row with the name of its place in the page, and its pictures."""

    row: Row
    anchor: str
    pictures: "tuple[Picture, ...]" = ()


def page(comparison: Comparison) -> str:
    """One self-contained page: no network, no script; light and dark; it prints.

    >>> from torchstone.compare.result import Comparison
    >>> page(Comparison(rows=(), torch="2.13.0")).splitlines()[0]
    '<!doctype html>'
    """
    entries = [Entry(row, anchor, tuple(_pictures(row, anchor))) for row, anchor in _anchored(comparison.rows)]
    return _render("page.html", comparison, entries, overview=tuple(_overview(comparison.rows)))


def table(comparison: Comparison) -> str:
    """The summary alone, as a fragment for notebooks: it looks right on light and on dark ground."""
    return _render("notebook.html", comparison, [Entry(row, "") for row in comparison.rows])


def verdict(comparison: Comparison) -> str:
    """The outcome in one sentence.

    >>> verdict(Comparison(rows=(), torch="2.13.0"))
    'Nothing was compared.'
    """
    wrong, count = sum(not row.ok for row in comparison.rows), len(comparison.rows)
    if not count:
        return "Nothing was compared."
    if count == 1:
        return f"{comparison.rows[0].name} is {'out of' if wrong else 'within'} policy."
    if not wrong:
        return f"All {count} are within policy."
    return f"{wrong} of {count} {'is' if wrong == 1 else 'are'} out of policy."


def contents(comparison: Comparison) -> str:
    """What was compared with what, in one sentence."""
    rows = comparison.rows
    if len(rows) == 1:
        return f"{rows[0].subject} beside {rows[0].like}, both held against the mathematics."
    counts = Counter(row.kind for row in rows)
    parts = [
        f"{counts[kind]} {title.lower() if counts[kind] > 1 else kind}"
        for kind, title in GROUPS.items()
        if counts[kind]
    ]
    listed = " and ".join(filter(None, [", ".join(parts[:-1]), *parts[-1:]]))
    homes = [row.subject.rpartition(":")[0] for row in rows]
    sources = sorted({"torchstone" if home.startswith("torchstone.") else home for home in homes})
    return f"{listed} of {', '.join(sources)} beside PyTorch's, both held against the mathematics." if rows else ""


def _render(template: str, comparison: Comparison, entries: Sequence[Entry], **more: object) -> str:
    pages = environment()
    pages.filters.update(
        {
            name: getattr(numbers, name)
            for name in ("ulp", "ratio", "distance", "size", "memory", "seconds", "plain", "point")
        }
    )
    pages.globals.update(verdict=verdict, contents=contents, shared_sizes=_shared_sizes)
    groups = [(kind, title, [entry for entry in entries if entry.row.kind == kind]) for kind, title in GROUPS.items()]
    shown = [group for group in groups if group[2]]
    return pages.get_template(template).render(comparison=comparison, groups=shown, **more)


def _anchored(rows: Sequence[Row]) -> Iterator[tuple[Row, str]]:
    """Each row with a name for links that no other row has."""
    taken: Counter[str] = Counter()
    for row in rows:
        slug = f"{row.kind}-{re.sub(r'[^a-z0-9]+', '-', row.name.lower()).strip('-')}"
        taken[slug] += 1
        yield row, f"{slug}.{taken[slug]}" if taken[slug] > 1 else slug


def _shared_sizes(costs: Sequence[Sequence[Cost]]) -> tuple[int, ...]:
    """The sizes at which time or memory was measured, where they are the same in every row that has any."""
    measured = {tuple(cost.size for cost in row) for row in costs if row}
    return measured.pop() if len(measured) == 1 else ()


def _pictures(row: Row, anchor: str) -> "Iterator[Picture]":
    from torchstone.report import plots

    if row.curve:
        yield plots.function(row.curve, f"{anchor}-function", row.name)
        yield plots.errors(
            row.curve,
            (_budget(row.value), _budget(row.gradient)),
            f"{anchor}-errors",
            row.name,
            tall=bool(row.training),
        )
    for n, training in enumerate(row.training):
        if len(training.losses) or len(training.torch_losses):
            yield plots.losses(training, f"{anchor}-losses-{n}", row.name)
        if training.path:
            yield plots.path(training, f"{anchor}-path-{n}", row.name)


def _budget(accuracy: Accuracy | None) -> float:
    """The budget in the format that is plotted."""
    if accuracy is None:
        return math.nan
    return next((each.budget for each in accuracy.dtypes if each.dtype == _PLOTTED_FORMAT), accuracy.budget)


def _overview(rows: Sequence[Row]) -> "Iterator[Picture]":
    """The pictures of all rows together, where there are several."""
    from torchstone.report import plots

    measured = [row for row in rows if row.value and row.gradient]
    if len(measured) > 1:
        yield plots.at_a_glance(measured, "glance")
    runs = [(row.name, training) for row in rows for training in row.training if training.path]
    if len(runs) > 1:
        yield plots.paths(runs, "all-paths")
