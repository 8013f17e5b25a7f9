"""How a subject is to be understood: what it is, how it is built and called. Plain data, known on both sides."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from torchstone.check.entries import Entry

Kind = Literal["loss", "activation", "optimizer"]
Form = Literal["class", "instance", "function", "autograd.Function", "factory"]


@dataclass(frozen=True)
class Spec:
    """How a subject is built and called.

    `kwargs` go to the constructor (of a class) or to the call (of a function). `inputs` are in the order of the call.
    """

    target: str
    kind: Kind
    inputs: tuple[Entry, ...]
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    evaluation: bool = False  # a module is switched to `eval()`: what it does in training is random
    usage: Mapping[str, Any] = field(default_factory=dict)  # of an optimizer: how it has to be driven (see `bench`)

    def to_json(self) -> dict[str, Any]:
        """As JSON can hold it."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Spec":
        """What `to_json` wrote."""
        inputs = tuple(Entry(**{**entry, "dims": tuple(entry["dims"])}) for entry in data["inputs"])
        return cls(data["target"], data["kind"], inputs, dict(data["kwargs"]), data["evaluation"], data["usage"])


_TUPLES = ("constructor_required", "call_required", "call_keyword", "buffers", "methods")


@dataclass(frozen=True)
class Description:
    """What can be seen of a subject from outside, before anything is known about it: see `describe.describe`.

    `constructor` and `call` are the names of the parameters, mapped to their defaults where those are plain data
    (None else), `required` those without a default. `attributes` are plain numbers, text and switches on an instance
    that was built with defaults; `doc` is what its author says.
    """

    name: str
    form: Form
    constructor: Mapping[str, Any] = field(default_factory=dict)
    constructor_required: tuple[str, ...] = ()
    constructor_open: bool = False  # takes more than is named
    call: Mapping[str, Any] = field(default_factory=dict)
    call_required: tuple[str, ...] = ()
    call_keyword: tuple[str, ...] = ()  # those that have to be passed by name
    call_open: bool = False  # takes more than is named
    attributes: Mapping[str, Any] = field(default_factory=dict)
    parameters: Mapping[str, tuple[int, ...]] = field(default_factory=dict)  # learnable ones, with their shapes
    buffers: tuple[str, ...] = ()
    has_backward: bool = False  # a `backward` of its own that autograd never calls
    doc: str = ""
    is_module: bool = False  # of PyTorch's own kind: a Module, or an Optimizer
    is_optimizer: bool = False
    makes: str = ""  # of a factory of optimizers: the class of what it makes
    methods: tuple[str, ...] = ()  # of an optimizer: those that it has of those that PyTorch's have
    problem: str = ""  # why it could not be built
    stub: str = ""  # why there is nothing to check: the body of its call is empty

    def to_json(self) -> dict[str, Any]:
        """As JSON can hold it."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Description":
        """What `to_json` wrote."""
        lists = {key: tuple(data[key]) for key in _TUPLES}
        shapes = {name: tuple(shape) for name, shape in data["parameters"].items()}
        return cls(**{**data, **lists, "parameters": shapes})
