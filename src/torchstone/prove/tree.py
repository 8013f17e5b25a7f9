"""What a formula's LaTeX says, before anything is known about its symbols: f(x) may still be a call or a product."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Node:
    """A piece of a formula. `at` is where it begins: an offset into the formula's source."""

    at: int


@dataclass(frozen=True)
class Number(Node):
    """An unsigned number, as it was written: 2, 0.5."""

    text: str


@dataclass(frozen=True)
class Name(Node):
    r"""One symbol or named function.

    `name` is plain: x, sigma, softmax, y_hat (for `\hat{y}`), theta_bar, infinity, partial. `style` tells what it
    was: "letter" (x, \sigma), "bold" (\mathbf{z}, \boldsymbol, \vec), "word" (\text{softmax}, \operatorname{ReLU},
    \mathrm{softmax}), "function" (a command with a fixed meaning: \log, \tanh, \exp, \max), "upright" (\mathrm{d},
    \mathrm{e}: one letter), "blackboard" (\mathbb{E}),
    "calligraphic" (\mathcal{L}). Three dots are the name dots; n! is the function factorial with its brackets.
    """

    name: str
    style: str = "letter"


@dataclass(frozen=True)
class Scripted(Node):
    """A base with what hangs on it: z_1, x^2, f', w_i^{(t)}, (1 + e^{-x})', sin^2. Absent scripts are None."""

    base: Node
    subscript: Node | None = None
    superscript: Node | None = None
    primes: int = 0


@dataclass(frozen=True)
class Group(Node):
    """A bracketed expression, or several parted by commas. Braces that are invisible in print leave no Group.

    A part may be a Statement: P(y = 1), [i = j]. One part is Given in p(y | x). The bracket "" holds a list without
    brackets: x_{i,j}, the lower limit i = 1, i != k, and two conditions of one row of cases.
    """

    bracket: str  # "(", "[", "{" (printed braces), "|" (an absolute value), "||", "" (none)
    parts: tuple[Node, ...]


@dataclass(frozen=True)
class Given(Node):
    """What stands in the brackets of p(y | x), E[y | x]: the only part of their Group."""

    parts: tuple[Node, ...]
    conditions: tuple[Node, ...]


@dataclass(frozen=True)
class Fraction(Node):
    r"""\frac: also of the derivatives, d/dx and dy/dx."""

    top: Node
    bottom: Node


@dataclass(frozen=True)
class Root(Node):
    r"""\sqrt[degree]{body}."""

    body: Node
    degree: Node | None = None


@dataclass(frozen=True)
class Big(Node):
    r"""A sign that takes what follows it: \sum, \prod, \int, \lim, and \max_i, \min_i with a subscript."""

    kind: str
    lower: Node | None = None  # a Statement for i=1, i \neq k, x \to 0; an expression otherwise
    upper: Node | None = None


@dataclass(frozen=True)
class Cases(Node):
    r"""\begin{cases}: rows of a value and its condition (None: otherwise)."""

    rows: tuple[tuple[Node, Node | None], ...]


@dataclass(frozen=True)
class Evaluated(Node):
    r"""An expression at a place: f |_{x=0}."""

    body: Node
    where: Node  # a Statement


@dataclass(frozen=True)
class Row(Node):
    r"""Things side by side with nothing between them: 2x, f(x), \log x, \sum_i p_i. Read further by meaning."""

    items: tuple[Node, ...]


@dataclass(frozen=True)
class Product(Node):
    r"""Factors with a sign between them, from left to right: signs[n] stands before factors[n + 1].

    The signs are "*" (\cdot, \times, *) and "/" (/, :, \div). A Row after "/" is a call, f(x) or \log x: anything
    else that a slash could divide in two ways is refused.
    """

    factors: tuple[Node, ...]
    signs: tuple[str, ...]


@dataclass(frozen=True)
class Sum(Node):
    """Terms with their signs, "+" or "-", the first one's too."""

    terms: tuple[tuple[str, Node], ...]


@dataclass(frozen=True)
class Statement(Node):
    r"""Sides with a relation between each two: relations[n] stands between sides[n] and sides[n + 1].

    Relations: "=" (also :=, \coloneqq, \equiv, \triangleq, \overset{..}{=}: `defines` is True for those that define;
    `demands` where the last is to be met, \overset{!}{=}),
    "!=", "<", "<=", ">", ">=", "~" (\approx), "in" (\in), "to" (\to). The first side is None where the formula begins
    with the relation; a lone expression has one side and no relation.
    """

    sides: tuple[Node | None, ...]
    relations: tuple[str, ...]
    defines: bool = False
    demands: bool = False
    conditions: tuple[Statement, ...] = ()  # "for x > 0", ", x > 0" after the statement
    tag: str = ""


@dataclass(frozen=True)
class Interval(Node):
    """(0, 1), [0, oo), and the set of listed numbers {0, 1}, after "in"; i = 1, ..., K is i in {1, dots, K}."""

    opening: str
    ends: tuple[Node, ...]
    closing: str


class LatexError(ValueError):
    """What could not be read: a plain sentence, and the offset into the formula where the trouble is."""

    def __init__(self, message: str, at: int = 0) -> None:
        super().__init__(message)
        self.at = at
