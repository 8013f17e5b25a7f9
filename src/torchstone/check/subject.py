"""A subject as rules see it: something to ask, and what is known about it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar

import torch
from torch import Tensor

from torchstone.check import entries, traits
from torchstone.check.asking import Asking, Ended, Fault, Refused, Trait, alive, granted
from torchstone.check.expected import Expected, expected
from torchstone.check.home import Home
from torchstone.check.probe import Answer, Probe
from torchstone.check.rule import Need, NotApplicable
from torchstone.check.spec import Description, Spec
from torchstone.definitions import Function

__all__ = ["Ended", "Fault", "Peer", "Refused", "Subject", "granted"]


@dataclass(frozen=True)
class Peer:
    """The counterpart: what the subject is like, and how it is called."""

    home: Home
    spec: Spec
    text: str  # as the user wrote it, or as it was recognised: "torch.nn.Softmax(dim=-1)"
    names: Mapping[str, str] = field(default_factory=dict)  # the subject's inputs, in the counterpart's names


@dataclass
class Subject(Asking):
    """An implementation under check.

    `parameters` are the definition's, by its names: numbers, or lists for a vector. `dim` is the dimension of the
    classes for what works on rows. `declared` are traits that the author vouches for.
    """

    spec: Spec
    description: Description
    home: Home
    definition: Function | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    peer: Peer | None = None
    dim: int = -1
    dim_told: bool = False  # by its user or its own arguments, not only by what its name says
    ignore_index: int | None = None
    declared: Mapping[str, Any] = field(default_factory=dict)
    from_scratch: bool = False
    patient: bool = False  # in the slow tier: a rule may take seconds
    facts: tuple[str, ...] = ()  # how it was understood
    _probed: dict[str, Any] = field(default_factory=dict)
    known_traits: ClassVar[Mapping[str, Trait]] = traits.TRAITS

    @property
    def kind(self) -> str:
        """Loss or activation."""
        return self.spec.kind

    @property
    def knowledge(self) -> Need:
        """What the subject is held against."""
        return "definition" if self.definition else "counterpart" if self.peer else "nothing"

    @property
    def inputs(self) -> tuple[entries.Entry, ...]:
        """What it is called with, in order."""
        return self.spec.inputs

    @property
    def predictions(self) -> tuple[str, ...]:
        """The names of the inputs that a gradient is wanted for: floating ones that are no targets."""
        return tuple(entry.name for entry in self.inputs if entry.is_floating and entry.role == "prediction")

    @property
    def x(self) -> str:
        """The name of the first prediction."""
        return self.predictions[0]

    @property
    def target(self) -> entries.Entry | None:
        """The first target, if there is one."""
        return next((entry for entry in self.inputs if entry.role == "target"), None)

    def entry(self, name: str) -> entries.Entry:
        """The input of that name."""
        return next(entry for entry in self.inputs if entry.name == name)

    # Asking.

    def call(self, tensors: Mapping[str, Tensor], **options: Any) -> Answer:
        """Value and gradients: see `actions.call.call`. The subject may have raised."""
        return self.ask("call", tensors, options)

    def must(self, tensors: Mapping[str, Tensor], **options: Any) -> Answer:
        """As `call`. Raises `Refused` where the subject raised."""
        return granted(self.call(tensors, **options))

    def ask_peer(self, tensors: Mapping[str, Tensor], action: str = "call", **options: Any) -> Answer:
        """What the counterpart answers to the subject's inputs: as `call` (or another action), in its own names."""
        assert self.peer is not None
        names = self.peer.names
        given = {names.get(name, name): tensor for name, tensor in tensors.items()}
        asked = {**options, "wrt": [names.get(name, name) for name in options.get("wrt", ())]}
        answer = self.peer.home.ask(Probe(action, asked, given))
        if answer.failure == "ended":
            raise NotApplicable(f"the counterpart {answer.error}")
        alive(answer)
        back = {f"grad.{theirs}": f"grad.{ours}" for ours, theirs in names.items()}
        return Answer(
            answer.facts,
            {back.get(name, name): tensor for name, tensor in answer.tensors.items()},
            answer.failure,
            answer.error,
            answer.during,
        )

    # Knowing.

    def sample(
        self, dtype: torch.dtype = torch.float64, *, seed: int = 0, extra: Sequence[int] = (), **sizes: int
    ) -> dict[str, Tensor]:
        """Ordinary inputs; `extra` is what "..." stands for."""
        return entries.draw(self.inputs, dtype, seed=seed, sizes=sizes, extra=extra or (3, self.width or 4))

    @cached_property
    def width(self) -> int:
        """The length of a parameter that is a vector: class weights, positive weights; 0 where there is none."""
        return max((len(value) for value in self.parameters.values() if isinstance(value, list)), default=0)

    def expected(
        self,
        tensors: Mapping[str, Tensor],
        *,
        wrt: Sequence[str] = (),
        cotangent: Tensor | None = None,
        reduction: str | None = None,
        definition: Function | None = None,
    ) -> Expected:
        """The oracle's truth for the subject's inputs, reduced as the subject reduces (or as asked).

        `definition` is another one in the place of the subject's: a variant.
        """
        function = definition or self.definition
        assert function is not None
        return expected(
            function,
            self.parameters,
            self.inputs,
            tensors,
            wrt=wrt or self.predictions,
            dim=self.dim,
            cotangent=cotangent,
            reduction=reduction or ("none" if self.kind == "activation" else self.trait("reduction")),
            ignore_index=self.ignore_index,
        )

    @property
    def told(self) -> tuple[str, ...]:
        """How it was understood, as sentences of a report."""
        called = "; ".join(map(str, self.inputs))
        set_to = ", ".join(f"{name} = {value}" for name, value in self.parameters.items())
        told = (f"called with {called}", *([f"parameters: {set_to}"] if set_to else []))
        return (*self.facts, *told, *self.traits_told)

    @cached_property
    def has_reduction(self) -> bool:
        """Whether the subject lets its reduction be chosen, PyTorch's way.

        An attribute says nothing where the constructor takes none of its name: every child of PyTorch's `_Loss` has it.
        """
        seen = self.description
        known = {**seen.constructor, **seen.call, **(seen.attributes if seen.constructor_open else {})}
        return self.kind == "loss" and "reduction" in known

    def reduced(self, reduction: str) -> dict[str, Any]:
        """The overrides that make the subject reduce so, where `has_reduction`."""
        return {"reduction": reduction}
