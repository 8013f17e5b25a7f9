"""What a definition is: the mathematics of one function or update rule, as data.

Nothing here computes with floating point, and nothing here knows PyTorch. The oracle, the derivations, the checker
and the reports all read the same records.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from typing import Literal

import sympy as sp

from torchstone.definitions.calculus import differentiate
from torchstone.definitions.tensors import SIZES, is_elementwise

Kind = Literal["activation", "loss", "optimizer"]
Role = Literal["prediction", "target", "parameter"]
# How people's code takes what the mathematics writes as numbers or as a vector.
Encoding = Literal[
    "numbers",  # as it stands
    "class index",  # a vector with a single 1 is given as the place of the 1
    "class indices",  # a vector of zeros and ones is given as the places of the ones, padded with -1
    "labels in sequence",  # the table of all alignments with some labels is given as the labels
]


@dataclass(frozen=True)
class Input:
    """One argument of a function: a number, or for a vector an indexed symbol x[0], x[1], ..."""

    symbol: sp.Symbol | sp.IndexedBase
    role: Role
    domain: sp.Set = sp.S.Reals  # of each component
    default: sp.Expr | None = None  # of a parameter; a vector parameter's default holds for each component
    encoding: Encoding = "numbers"
    argument: str = ""  # the constructor's argument, where it isn't the symbol's name

    @cached_property  # printing a symbol takes longer than evaluating a function at a point
    def name(self) -> str:
        """The symbol, as text."""
        return str(self.symbol)

    @cached_property
    def takes_labels(self) -> bool:
        """Whether a whole number given for it is a label: 0 or 1 where a target is a probability or a choice."""
        return self.role == "target" and self.domain != sp.S.Reals

    @property
    def is_vector(self) -> bool:
        """Whether the argument is a vector along the class dimension."""
        return isinstance(self.symbol, sp.IndexedBase)


@dataclass(frozen=True)
class Kink:
    """Where a function has no derivative, and what stands in for it.

    The kink lies where `locus` is zero. Any slope in `accepted` lies between those of the two sides; `chosen` is the
    one that torchstone (and PyTorch) takes, with respect to the prediction; in a loss of rows, with respect to the
    locus. All may hold parameters. Where the function jumps, the note says so.
    """

    locus: sp.Expr
    accepted: sp.Interval
    chosen: sp.Expr
    note: str = ""


@dataclass(frozen=True)
class Limit:
    """What a function approaches where the prediction goes to `toward`: a line or a constant, and its slope.

    The approach is exponential (or exact), and far out no floating-point number tells the function from its asymptote;
    where it is not, only infinity itself is there.
    """

    toward: sp.Expr
    asymptote: sp.Expr
    slope: sp.Expr
    exponential: bool = True


@dataclass(frozen=True)
class Convention:
    """A point on which people disagree, the choice made here, and who chooses otherwise."""

    point: str
    choice: str
    others: str = ""
    accepted: sp.Expr | None = None  # the expression under the other choice, where that is as right as ours


# A function's value at the inputs as they were, and a number that is free: in an identity's expressions.
VALUE, FREE = sp.Symbol("F", real=True), sp.Symbol("s", real=True)


@dataclass(frozen=True)
class Identity:
    """A relation that holds throughout: where the inputs become `inputs`, the function becomes `value`.

    The expressions are in the inputs' own symbols, `VALUE` and `FREE` (any real number, or one in `domain`).
    Odd: x becomes -x, and F becomes -F. Shift-invariant: x[j] becomes x[j] + s, and F stays.
    """

    name: str
    inputs: Mapping[str, sp.Expr]
    value: sp.Expr
    domain: sp.Set = sp.S.Reals


@dataclass(frozen=True)
class Variant:
    """A commonly met deviation, by name: used to say what a wrong implementation computes instead."""

    name: str
    expression: sp.Expr
    note: str = ""


@dataclass(frozen=True)
class Reference:
    """Where the definition comes from."""

    text: str
    where: str = ""


@dataclass(frozen=True, kw_only=True, eq=False)
class Function:
    """A loss of one element (or one row of classes), or an activation of one element (or one row).

    `expression` is the plain mathematics. No form is chosen for its numerical merits: the oracle needs none.
    """

    name: str
    title: str
    kind: Kind
    expression: sp.Expr
    inputs: tuple[Input, ...]
    counterpart: str  # PyTorch's own, as a dotted name; "" where there is none
    index: sp.Symbol | None = None  # of the output's component, where the output is a vector
    width: sp.Expr | None = None  # how many components the output has, of C, where they aren't as many
    axis: int = -1  # the dimension that rows lie along, where PyTorch's own is not told one
    # Where a component at `masked_at` drops out of every sum: what the output's (or in a loss its term) is there.
    masked: sp.Expr | None = None
    masked_at: sp.Expr = -sp.oo
    random: bool = False  # in training: what is defined is the function that evaluation uses
    kinks: tuple[Kink, ...] = ()
    limits: tuple[Limit, ...] = ()
    range: sp.Set = sp.S.Reals  # holds every value; may hold parameters
    identities: tuple[Identity, ...] = ()
    monotone: Literal["increasing", "decreasing"] | None = None  # not strictly, with the parameters' defaults
    minimum_at_target: bool = False  # a loss is least, with gradient 0, where the prediction equals the target
    mean_denominator: sp.Expr = sp.S.One  # a loss's mean is the sum of its elements over the sum of these
    gradient_overrides: Mapping[str, sp.Expr] = field(default_factory=dict)  # input: a derivative by convention
    conventions: tuple[Convention, ...] = ()
    variants: tuple[Variant, ...] = ()
    forms: tuple[Variant, ...] = ()  # the same function as people also write it: floating point tells them apart
    references: tuple[Reference, ...] = ()
    aliases: tuple[str, ...] = ()
    derivable: bool = True  # whether `torchstone.derive` can write down how its gradient comes about

    @cached_property
    def by_name(self) -> Mapping[str, Input]:
        """The inputs, by name."""
        return {entry.name: entry for entry in self.inputs}

    @property
    def prediction(self) -> Input:
        """The input that is differentiated by default."""
        return next(entry for entry in self.inputs if entry.role == "prediction")

    @property
    def parameters(self) -> tuple[Input, ...]:
        """The inputs with a default value."""
        return tuple(entry for entry in self.inputs if entry.role == "parameter")

    @property
    def is_vector(self) -> bool:
        """Whether the prediction is a row of classes."""
        return self.prediction.is_vector

    def derivative(self, wrt: str | None = None, order: int = 1) -> sp.Expr:
        """The derivative with respect to an input (the prediction unless named); of a vector, to its component k.

        At a kink it is that of the branch that holds there; `gradient` puts the chosen slope there.

        >>> from torchstone import definitions
        >>> definitions.get("sigmoid").derivative()
        exp(-x)/(1 + exp(-x))**2
        """
        return _derivative(self, wrt or self.prediction.name, order)

    def gradient(self, wrt: str | None = None) -> sp.Expr:
        """The derivative, with the chosen slope at each kink: what an implementation's backward should give."""
        name = wrt or self.prediction.name
        slope, variable = self.derivative(name), self.by_name[name].symbol
        for kink in self.kinks:
            inner = differentiate(kink.locus, variable) / differentiate(kink.locus, self.prediction.symbol)
            slope = sp.Piecewise((kink.chosen * inner, sp.Eq(kink.locus, 0)), (slope, True))
        return slope


# The component of a vector input that a derivative is taken with respect to.
COMPONENT = sp.Symbol("k", integer=True, nonnegative=True)


def _derivative(function: Function, wrt: str, order: int) -> sp.Expr:
    entry = function.by_name[wrt]
    variable = entry.symbol[COMPONENT] if entry.is_vector else entry.symbol
    expression = function.expression
    for done in range(order):
        overridden = function.gradient_overrides.get(wrt) if done == 0 else None
        expression = overridden if overridden is not None else differentiate(expression, variable)
    return expression


@dataclass(frozen=True)
class State:
    """A number that an update rule remembers for each parameter, and what it starts from.

    `initial` may hold hyper-parameters, those at the first step that has a gradient, and the parameter before it.
    """

    symbol: sp.Symbol
    initial: sp.Expr = sp.S.Zero
    key: str = ""  # its name in PyTorch's state dict


@dataclass(frozen=True)
class Hyper:
    """A hyper-parameter: a number in `domain`, or a switch (domain: sympy.S.BooleanAtom's two values)."""

    symbol: sp.Symbol
    default: sp.Basic
    domain: sp.Set
    argument: str = ""  # the constructor's argument, where it isn't the symbol's name; "betas[0]" for a part of one

    @property
    def name(self) -> str:
        """The symbol, as text."""
        return str(self.symbol)


Lines = tuple[tuple[sp.Symbol, sp.Expr], ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class UpdateRule:
    """An optimizer's recurrence for one parameter.

    `equations` is read from top to bottom, like the pseudo-code in a paper: each line gives its left side a value,
    and the lines after it see that value. `parameter`, `gradient` and `step` (1, 2, ...) are given. No symbol is on
    two left sides, so that a variant replaces exactly one line by its left side. Raises `ValueError` where one is, or
    where a line uses what no line before it gives.
    """

    name: str
    title: str
    equations: Lines
    state: tuple[State, ...]
    hyper: tuple[Hyper, ...]
    counterpart: str
    parameter: sp.Symbol
    gradient: sp.Symbol
    step: sp.Symbol
    settings: Mapping[str, object] = field(default_factory=dict)  # the counterpart's arguments that make it this rule
    joint: bool = False  # whether it takes all parameters together, as one tensor
    # How near to the rule's step (relative to the norm of the tensor's) an implementation can be held: 0 where only its
    # dtype sets a limit, more where it is published with an iteration in fewer bits.
    dimensions: int = 0  # the least number that a parameter has to have: 2 for a rule of matrices
    precision: float = 0
    conventions: tuple[Convention, ...] = ()
    variants: Mapping[str, Lines] = field(default_factory=dict)
    accepted: tuple[str, ...] = ()  # the names of variants that are as right: published forms
    references: tuple[Reference, ...] = ()
    aliases: tuple[str, ...] = ()
    derivable: bool = True
    kind: Kind = "optimizer"

    def __post_init__(self) -> None:
        """Refuse lines that cannot be read from top to bottom, and variants of what is not there."""
        lefts = [left for left, _ in self.equations]
        twice = [left for number, left in enumerate(lefts) if left in lefts[:number]]
        _refuse(self, "one line for each left side, got two for", twice)
        forms = {left: [right] for left, right in self.equations}
        for name, lines in self.variants.items():
            _refuse(self, f"left sides of its own in {name!r}, got", [left for left, _ in lines if left not in forms])
            for left, right in lines:
                forms[left].append(right)
        unheard = [name for name in self.accepted if name not in self.variants]
        _refuse(self, "accepted variants among its own, got", unheard)
        known = {self.parameter, self.gradient, self.step, *SIZES}
        known |= {entry.symbol for entry in self.state} | {entry.symbol for entry in self.hyper}
        for left, rights in forms.items():
            unknown = set[sp.Basic]().union(*(right.free_symbols for right in rights)) - known
            _refuse(self, f"known symbols in a line of {left}, got", sorted(unknown, key=str))
            known.add(left)

    @cached_property
    def elementwise(self) -> bool:
        """Whether each element of a parameter goes its own way, whatever the others do."""
        return not self.joint and all(is_elementwise(right) for _, right in self.equations)

    def variant(self, name: str) -> "UpdateRule":
        """The rule with the named variant's lines in place of its own with the same left side."""
        return _variant(self, name)


def _refuse(rule: UpdateRule, expected: str, wrong: Sequence[object]) -> None:
    if wrong:
        raise ValueError(f"{rule.name}: expected {expected} {', '.join(dict.fromkeys(map(str, wrong)))}")


@cache  # so that a variant is compiled once
def _variant(rule: UpdateRule, name: str) -> UpdateRule:
    changed = dict(rule.variants[name])
    equations = tuple((left, changed.get(left, right)) for left, right in rule.equations)
    return replace(rule, name=f"{rule.name} ({name})", equations=equations, variants={}, accepted=())


Definition = Function | UpdateRule
