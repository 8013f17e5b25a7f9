"""Formulas and remarks side by side in a terminal."""

import io
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from torchstone.report.verdicts import clean

WIDTH = 100
_GAP = 3


def said(text: str, style: str = "") -> Text:
    """Text as it is, without markup, and without what could steer the terminal."""
    return Text(clean(text), style=style)


def captured(lines: Iterable[Text]) -> str:
    """Lines as text, without colour."""
    stream = io.StringIO()
    show(lines, Console(file=stream, width=WIDTH, color_system=None))
    return "\n".join(line.rstrip() for line in stream.getvalue().splitlines())


def show(lines: Iterable[Text], console: Console) -> None:
    """Print lines that are as long as they may be."""
    for line in lines:
        console.print(line, highlight=False, soft_wrap=True)


def folded(text: Text, width: int, first: int = 0, rest: int | None = None) -> list[Text]:
    """A text over as many lines as it takes: the first one indented by `first`, the others by `rest`."""
    rest = first if rest is None else rest
    lines = text.wrap(_RULER, max(width - max(first, rest), 12), justify="left")
    for number, line in enumerate(lines):
        line.rstrip()
        line.pad_left(rest if number else first)
    return list(lines)


class Row(NamedTuple):
    """A formula with what stands before it and what is remarked on it."""

    label: Text
    formula: Text
    remark: Text


def beside(rows: Sequence[Row], width: int, indent: int, room: int) -> list[list[Text]]:
    """Formulas at the left, each with its remark at the right: the lines of each row.

    `room` is what remarks need at least. A formula that leaves less has its remark on the next line.
    """
    sizes = [indent + cell_len(row.label.plain) + cell_len(row.formula.plain) for row in rows]
    column = _GAP + max((size for size in sizes if size <= width - room - _GAP), default=indent)
    laid_out = []
    for row, size in zip(rows, sizes, strict=True):
        start = indent + cell_len(row.label.plain)
        formula = folded(row.formula, width, start)
        formula[0] = Text(" " * indent).append_text(row.label).append_text(formula[0][start:])
        remarks = folded(row.remark, width, column) if row.remark.plain else []
        if remarks and size + _GAP <= column:
            formula[-1].pad_right(column - size)
            formula[-1].append_text(remarks.pop(0)[column:])
        laid_out.append(formula + remarks)
    return laid_out


_RULER = Console(file=io.StringIO(), width=WIDTH, color_system=None)
