r"""Derivations that somebody wrote, checked line by line.

>>> import torchstone
>>> print(torchstone.prove(text=r"$$ \sigma(x) = \frac{1}{1 + e^{-x}} = \frac{e^x}{e^x + 1} $$").ok)
True
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from torchstone.prove.result import Chain, Counterexample, Proof, Step

if TYPE_CHECKING:
    from torchstone.prove.run import Event

__all__ = ["Chain", "Counterexample", "Proof", "Step", "prove"]


def prove(
    path: str | Path = "",
    *,
    text: str | None = None,
    goals: str | Mapping[str, str] | None = None,
    time_limit: float = 10.0,
    on_event: "Callable[[Event], None] | None" = None,
) -> Proof:
    r"""Check the derivations of a Markdown file or a notebook, line by line.

    Its display math is read in order: $$...$$, \[...\], align environments. Each step is proven, agrees (at random
    points only), refuted (with the smallest exact counterexample found), unknown, or unread.

    Args:
        path: The file.
        text: What is read in the file's place: Markdown, or a notebook's JSON.
        goals: What is to be shown, in SymPy's syntax: `"y*(1-y)"`; or one for each heading.
        time_limit: Seconds for one step; what takes longer is unknown.
        on_event: Called with each step of the progress.

    Returns:
        The chains and their steps; shown as a card in a notebook, with `.to_html()` and `.to_json()`.

    Raises:
        ValueError: for a file that can't be read, or holds no display math, and for a goal that is no expression.
    """
    from torchstone.prove.run import prove as run

    return run(path, text=text, goals=goals, time_limit=time_limit, on_event=on_event)
