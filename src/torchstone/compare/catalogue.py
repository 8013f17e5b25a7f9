"""What is compared, as a table: one line per definition that torchstone implements."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

_HOMES = {"loss": "torchstone.losses", "activation": "torchstone.activations", "optimizer": "torchstone.optimizers"}


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One comparison: a definition, torchstone's class for it, and how both classes are built."""

    definition: str
    kind: str
    cls: str  # torchstone's class
    label: str = ""  # what tells two rows of one class apart
    arguments: Mapping[str, Any] = field(default_factory=dict)  # of the constructor
    like_arguments: Mapping[str, Any] = field(default_factory=dict)  # of PyTorch's only

    @property
    def name(self) -> str:
        """The row's name."""
        return f"{self.cls} ({self.label})" if self.label else self.cls

    @property
    def ours(self) -> str:
        """Where torchstone's class is."""
        return f"{_HOMES[self.kind]}:{self.cls}"


@dataclass(frozen=True, kw_only=True)
class FunctionEntry(Entry):
    """A loss or an activation."""

    domain: str = "number"  # a key of DOMAINS
    special: tuple[float, ...] = ()  # where something changes: the neighbouring numbers are tried, too
    shown: tuple[float, float] = (-8.0, 8.0)  # the range that is plotted
    target: tuple[float, ...] = ()  # held fixed in the plot
    learns: str = "hidden"  # its place in the network that is trained: a key of training.PLACES


@dataclass(frozen=True)
class Setting:
    """One set of an optimizer's options, in PyTorch's words, and what happens on the way."""

    options: Mapping[str, Any] = field(default_factory=dict)
    schedule: bool = False  # the learning rate halves halfway
    gaps: bool = False  # one of the two parameters has no gradient in every third step, the first among them

    def __str__(self) -> str:
        words = [f"{name}={value}" for name, value in self.options.items()]
        words += ["the learning rate halved halfway"] * self.schedule + ["some gradients missing"] * self.gaps
        return ", ".join(words) or "defaults"


@dataclass(frozen=True, kw_only=True)
class OptimizerEntry(Entry):
    """An optimizer."""

    settings: tuple[Setting, ...]
    rates: Mapping[str, float]  # the learning rate in each training run


def _loss(definition: str, cls: str, **options: Any) -> FunctionEntry:
    return FunctionEntry(definition=definition, kind="loss", cls=cls, **options)


def _activation(definition: str, cls: str, **options: Any) -> FunctionEntry:
    return FunctionEntry(definition=definition, kind="activation", cls=cls, **options)


_ROW = {"domain": "row", "arguments": {"dim": -1}, "shown": (-10.0, 10.0)}

LOSSES = (
    _loss("l1", "L1Loss", domain="residual", shown=(-3, 3), target=(0,), learns="number"),
    _loss("mse", "MSELoss", domain="residual", shown=(-3, 3), target=(0,), learns="number"),
    _loss("bce", "BCELoss", domain="probability", shown=(0, 1), target=(1,), learns="probability"),
    _loss("bce_with_logits", "BCEWithLogitsLoss", domain="logit", shown=(-12, 12), target=(1,), learns="number"),
    _loss("cross_entropy", "CrossEntropyLoss", domain="row and class", shown=(-10, 10), target=(1, 0, 0), learns="row"),
    _loss(
        "cross_entropy_probabilities",
        "CrossEntropyLoss",
        label="probabilities",
        domain="row and shares",
        shown=(-10, 10),
        target=(0.75, 0.25, 0),
        learns="shares",
    ),
    _loss("nll", "NLLLoss", domain="log row and class", shown=(-10, 0), target=(1, 0, 0), learns="log row"),
    _loss("huber", "HuberLoss", domain="residual", special=(-1, 1), shown=(-3, 3), target=(0,), learns="number"),
    _loss("smooth_l1", "SmoothL1Loss", domain="residual", special=(-1, 1), shown=(-3, 3), target=(0,), learns="number"),
)

ACTIVATIONS = (
    _activation("relu", "ReLU", shown=(-4, 4)),
    _activation("leaky_relu", "LeakyReLU", shown=(-4, 4)),
    _activation("elu", "ELU", special=(-17.5, -37.5), shown=(-6, 4)),
    _activation("sigmoid", "Sigmoid", special=(-88.75, 88.75), shown=(-12, 12)),
    _activation("log_sigmoid", "LogSigmoid", special=(-88.75, 88.75), shown=(-12, 12)),
    _activation("tanh", "Tanh", special=(0.625, -0.625), shown=(-6, 6)),
    _activation("softplus", "Softplus", special=(20, -20), shown=(-12, 24)),
    _activation("silu", "SiLU", special=(-88.75, 88.75), shown=(-12, 6)),
    _activation("gelu", "GELU", special=(-5.5, -13.25), shown=(-12, 6)),
    _activation("gelu_tanh", "GELU", label="tanh", arguments={"approximate": "tanh"}, shown=(-12, 6)),
    _activation("softmax", "Softmax", learns="softmax", **_ROW),
    _activation("log_softmax", "LogSoftmax", learns="log softmax", **_ROW),
)

_AS_THEY_COME = (Setting(), Setting(schedule=True), Setting(gaps=True), Setting({"maximize": True}))
_ADAM = (
    *_AS_THEY_COME,
    Setting({"betas": (0.5, 0.75)}),
    Setting({"betas": (0.0, 0.0)}),
    Setting({"eps": 1e-3}),
    Setting({"eps": 0.0}),
    Setting({"weight_decay": 0.1}),
    Setting({"weight_decay": 0.0}),
    Setting({"amsgrad": True}),
    Setting({"amsgrad": True, "weight_decay": 0.1, "maximize": True, "betas": (0.8, 0.9)}, schedule=True, gaps=True),
)
_ADAM_RATES = {"digits": 0.01, "quadratic": 0.1, "rosenbrock": 0.1}
_PLAIN_RATES = {"digits": 0.5, "quadratic": 0.015, "rosenbrock": 0.0015}


def _optimizer(definition: str, cls: str, **options: Any) -> OptimizerEntry:
    return OptimizerEntry(definition=definition, kind="optimizer", cls=cls, **options)


OPTIMIZERS = (
    _optimizer("gradient_descent", "GradientDescent", settings=_AS_THEY_COME, rates=_PLAIN_RATES),
    _optimizer(
        "sgd",
        "SGD",
        settings=(
            *_AS_THEY_COME,
            Setting({"momentum": 0.9}),
            Setting({"momentum": 0.9, "nesterov": True}),
            Setting({"momentum": 0.9, "dampening": 0.5}),
            Setting({"weight_decay": 0.1}),
            Setting({"momentum": 0.9, "nesterov": True, "weight_decay": 0.1, "maximize": True}, schedule=True),
            Setting({"momentum": 0.5, "dampening": 0.25, "weight_decay": 0.1}, schedule=True, gaps=True),
        ),
        rates=_PLAIN_RATES,
    ),
    _optimizer(
        "momentum",
        "Momentum",
        like_arguments={"momentum": 0.9},
        settings=(
            *_AS_THEY_COME,
            Setting({"momentum": 0.5}),
            Setting({"momentum": 0.0}),
            Setting({"momentum": 0.99, "maximize": True}, schedule=True, gaps=True),
        ),
        rates={"digits": 0.1, "quadratic": 0.01, "rosenbrock": 0.001},
    ),
    _optimizer("adam", "Adam", settings=_ADAM, rates=_ADAM_RATES),
    _optimizer("adamw", "AdamW", settings=_ADAM, rates=_ADAM_RATES),
)

ENTRIES: Mapping[str, Entry] = {entry.definition: entry for entry in (*LOSSES, *ACTIVATIONS, *OPTIMIZERS)}


def select(names: Iterable[str]) -> tuple[Entry, ...]:
    """The entries of that name, in any spelling and each once; all of them for none.

    Raises `ValueError` with the names that come near, where there is none.
    """
    from torchstone import definitions

    try:
        chosen = dict.fromkeys(definitions.get(name).name for name in names)
    except KeyError as error:
        raise ValueError(error.args[0]) from None
    for name in chosen:
        if name not in ENTRIES:
            raise ValueError(f"name: expected a definition that torchstone implements, got {name!r}")
    return tuple(ENTRIES[name] for name in chosen) or tuple(ENTRIES.values())


_BEFORE = re.compile(r"^(my|our|custom|simple|naive|manual|student|torch)+(?=.)")
_AFTER = re.compile(r"(?<=.)(optimi[sz]er|loss|activation|function|layer|module|fn|criterion|custom|manual)+$")


def infer(cls: str) -> Entry:
    """The entry that a class's name speaks of: `MySigmoid`, `CELoss`, `AdamOptimizer`.

    Raises `ValueError` where it speaks of none.
    """
    from torchstone import definitions

    plain = re.sub(r"[^a-z0-9]", "", cls.rpartition(".")[2].lower())
    bare = _BEFORE.sub("", plain)
    for candidate in (plain, bare, _AFTER.sub("", plain), _AFTER.sub("", bare)):
        try:
            return ENTRIES[definitions.get(candidate).name]
        except KeyError:
            continue
    raise ValueError(
        f"against: expected a name that tells what it is to be, got {cls!r}; "
        "say it in front: torchstone compare NAME --against ..."
    )
