"""A comparison as tables in a terminal."""

import io
from collections.abc import Sequence

from rich.console import Console, Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from torchstone.compare.result import Accuracy, Comparison, Cost, Row
from torchstone.report import numbers

_TITLES = {"loss": "Losses", "activation": "Activations", "optimizer": "Optimizers"}
_WIDTH = 100
_NARROW = 96  # columns: below it, what can be read elsewhere is left out


def render(comparison: Comparison, console: Console) -> None:
    """Print the tables, the problems and a summary."""
    for kind, title in _TITLES.items():
        rows = [row for row in comparison.rows if row.kind == kind]
        if rows:
            table = _optimizers if kind == "optimizer" else _functions
            console.print(table(title, rows, console.width < _NARROW))
            console.print()
    console.print(_ends(comparison), highlight=False)


def text(comparison: Comparison) -> str:
    """The same as text, 100 columns wide and without colour."""
    stream = io.StringIO()
    render(comparison, Console(file=stream, width=_WIDTH, color_system=None))
    return "\n".join(line.rstrip() for line in stream.getvalue().splitlines())


def _table(title: str) -> Table:
    return Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False, padding=(0, 2, 0, 0))


def _functions(title: str, rows: Sequence[Row], narrow: bool) -> Table:
    table, ours = _table(title), _ours(rows)
    table.add_column("", min_width=17)
    _numbers(table, f"value\n{ours}", "\ntorch", f"gradient\n{ours}", "\ntorch")
    if not narrow:
        table.add_column("\nworst input", no_wrap=True, overflow="ellipsis", max_width=22)
    _numbers(table, "time", "memory")
    table.add_column("", no_wrap=True)
    for row in rows:
        where = [] if narrow else [_worst_input(row)]
        errors = [*_accuracy(row.value), *_accuracy(row.gradient)]
        table.add_row(Text(row.name), *errors, *where, _largest(row.speed), _largest(row.memory), _mark(row))
    return table


def _optimizers(title: str, rows: Sequence[Row], narrow: bool) -> Table:
    table, ours = _table(title), _ours(rows)
    table.add_column("", min_width=15)
    _numbers(table, f"off exact\n{ours}", "\ntorch", f"off torch\n{ours}", f"state\n{ours}", "\ntorch")
    if not narrow:
        _numbers(table, f"digits\n{ours}", "loss\ntorch")
    _numbers(table, "time", "memory")
    table.add_column("", no_wrap=True)
    for row in rows:
        path, digits = row.trajectory, next((run for run in row.training if run.task == "digits"), None)
        cells = [numbers.NOTHING] * 5
        if path:
            cells = [numbers.distance(each) for each in (path.to_oracle, path.torch_to_oracle, path.to_torch)]
            cells += [numbers.memory(each) for each in (path.state_bytes, path.torch_state_bytes)]
        if not narrow:
            cells += (
                [numbers.plain(each) for each in (digits.final, digits.torch_final)]
                if digits
                else [numbers.NOTHING] * 2
            )
        table.add_row(Text(row.name), *cells, _largest(row.speed), _largest(row.memory), _mark(row))
    return table


def _numbers(table: Table, *heads: str) -> None:
    """Columns of numbers."""
    for head in heads:
        table.add_column(head, justify="right", no_wrap=True)


def _ours(rows: Sequence[Row]) -> str:
    """What the subjects are called beside PyTorch's."""
    return "ours" if all(row.subject.startswith("torchstone.") for row in rows) else "its"


def _accuracy(found: Accuracy | None) -> tuple[str, str]:
    if found is None:
        return numbers.NOTHING, numbers.NOTHING
    pairs = ((found.max_ulp, found.not_finite), (found.torch_max_ulp, found.torch_not_finite))
    ours, theirs = (numbers.ulp(value) + "*" * bool(holes) for value, holes in pairs)
    return ours, theirs


def _worst_input(row: Row) -> str:
    """Where the larger of the two errors was met."""
    found = [each for each in (row.value, row.gradient) if each is not None and each.worst_input is not None]
    if not found:
        return numbers.NOTHING
    worst = max(found, key=lambda each: each.max_ulp)
    if isinstance(worst.worst_input, dict) and "input" in worst.worst_input:
        return str(worst.worst_input["input"])
    return numbers.point(worst.worst_input)


def _largest(costs: Sequence[Cost]) -> str:
    """The ratio at the largest size."""
    return numbers.ratio(max(costs, key=lambda cost: cost.size).ratio) if costs else numbers.NOTHING


def _mark(row: Row) -> Text:
    return Text("ok", style="green") if row.ok else Text("OFF", style="bold red")


def _ends(comparison: Comparison) -> Group:
    """The problems, what the columns mean, and the outcome in one line."""
    parts: list[Padding | Text] = []
    for row in comparison.rows:
        if row.problems or row.notes:
            parts.append(Text(f"{row.name} ({row.subject})", style="bold"))
            parts += [Padding(Text(problem), (0, 0, 0, 2)) for problem in row.problems]
            parts += [Padding(Text(f"note: {note}"), (0, 0, 0, 2)) for note in row.notes]
    if parts:
        parts.append(Text(""))
    parts += [Text(line, style="dim") for line in _legend(comparison.rows)]
    good, count = sum(row.ok for row in comparison.rows), len(comparison.rows)
    took = f"in {numbers.seconds(comparison.seconds)}" if comparison.seconds else ""
    summary = f"{good} of {count} within policy, beside torch {comparison.torch} {took}".rstrip() + "."
    parts.append(Text(summary, style="bold green" if comparison.ok else "bold red"))
    return Group(*parts)


def _legend(rows: Sequence[Row]) -> list[str]:
    lines = []
    measured = [each for row in rows for each in (row.value, row.gradient) if each is not None]
    if measured:
        lines.append("value, gradient: the largest error in any format, in units in the last place (ulp).")
    if any(each.not_finite or each.torch_not_finite for each in measured):
        lines.append("*: besides, NaN or infinite where a number is right, or a number where NaN or an infinity is.")
    if any(row.trajectory for row in rows):
        lines.append("off: the largest relative distance of a parameter from the exact path or from PyTorch's.")
    sizes = {max(cost.size for cost in costs) for row in rows for costs in (row.speed, row.memory) if costs}
    if len(sizes) == 1:
        lines.append(f"time, memory: as a multiple of PyTorch's, at {sizes.pop():,} elements.")
    return lines
