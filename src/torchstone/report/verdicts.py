"""How a step's verdict is shown: its sign, its colour, its numbers. Used by derivations and by proofs."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple


class Mark(NamedTuple):
    """A verdict's sign, its style in a terminal and its class in a page."""

    sign: str
    style: str
    tone: str


GIVEN = Mark("·", "dim", "given")
# From the best to the worst. "given" and "follows" are kinds of proven steps: nothing was judged, or only the step from
# a line that is refuted.
MARKS = {
    "proven": Mark("✓", "green", "good"),
    "given": GIVEN,
    "follows": Mark("↳", "yellow", "fair"),
    "agrees": Mark("~", "yellow", "fair"),
    "unknown": Mark("?", "yellow", "fair"),
    "unread": Mark("!", "magenta", "fair"),
    "refuted": Mark("✗", "bold red", "bad"),
}


def counted(outcomes: Iterable[str]) -> str:
    """How many steps there are of which kind.

    >>> counted(["proven", "refuted", "proven"]), counted(["proven"]), counted([])
    ('3 steps: 2 proven, 1 refuted', '1 step: proven', 'no steps')
    """
    counts = Counter(outcomes)
    total = counts.total()
    if not total:
        return "no steps"
    if len(counts) == 1:
        return f"{total} step{'s: all' if total > 1 else ':'} {next(iter(counts))}"
    listed = ", ".join(f"{counts[outcome]} {outcome}" for outcome in MARKS if counts[outcome])
    return f"{total} steps: {listed}"


def counterexample(point: Mapping[str, str], left: str, right: str) -> str:
    """Where two sides differ, and what they are there.

    >>> counterexample({"x": "1", "y": "1/2"}, "0.2689", "0.7310")
    'at x = 1, y = 1/2: left 0.2689, right 0.7310'
    """
    where = ", ".join(f"{name} = {value}" for name, value in point.items())
    return f"{f'at {where}: ' if where else ''}left {left}, right {right}"


def clean(text: object) -> str:
    r"""Text that can be shown: what could steer a terminal or turn the direction of writing is replaced.

    >>> clean("a\x1b[31mb\tc\r\nd")
    'a�[31mb    c\nd'
    """
    return _STEERING.sub("�", str(text).replace("\r\n", "\n").replace("\t", "    "))


_STEERING = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\ud800-\udfff\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
