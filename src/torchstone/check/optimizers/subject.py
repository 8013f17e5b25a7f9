"""An optimizer as rules see it: something to put through plans, and what is known about it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import torch

from torchstone.check.asking import Asking, Trait, alive, granted
from torchstone.check.home import Home
from torchstone.check.optimizers import plan as plans
from torchstone.check.optimizers.plan import Plan
from torchstone.check.optimizers.traits import TRAITS
from torchstone.check.optimizers.vocabulary import arguments
from torchstone.check.probe import Answer, Probe
from torchstone.check.rule import Need, NotApplicable
from torchstone.check.spec import Description, Spec
from torchstone.definitions import UpdateRule
from torchstone.oracle import Path, trajectory


@dataclass(frozen=True)
class OptimizerPeer:
    """The counterpart: what the subject is like, and what it calls the hyper-parameters."""

    home: Home
    spec: Spec
    text: str  # as the user wrote it, or as it was recognised: "torch.optim.SGD(momentum=0.9)"
    names: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass
class OptimizerSubject(Asking):
    """An optimizer under check.

    `names` says how it spells the hyper-parameters that it has, by the definitions' names ("beta1": "betas[0]");
    `hyper` are their values as it stands, and of those that it has not, what they amount to (the definition's
    defaults); `settings` are the numbers and switches that it shows, in its own names.
    """

    spec: Spec
    description: Description
    home: Home
    definition: UpdateRule | None = None
    names: Mapping[str, str] = field(default_factory=dict)
    hyper: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    peer: OptimizerPeer | None = None
    declared: Mapping[str, Any] = field(default_factory=dict)
    firm: bool = True  # whether the definition was asked for, or its name means that one and nothing else
    from_scratch: bool = False
    patient: bool = False  # in the slow tier: a rule may take seconds
    facts: tuple[str, ...] = ()  # how it was understood
    _probed: dict[str, Any] = field(default_factory=dict)
    known_traits: ClassVar[Mapping[str, Trait]] = TRAITS

    kind: ClassVar[str] = "optimizer"

    @property
    def knowledge(self) -> Need:
        """What the subject is held against."""
        return "definition" if self.definition else "counterpart" if self.peer else "nothing"

    @property
    def told(self) -> tuple[str, ...]:
        """How it was understood, as sentences of a report."""
        set_to = ", ".join(f"{name} = {value}" for name, value in self.hyper.items())
        usage = {
            "closure": "step is given a closure",
            "sparse": "gradients are sparse",
            "dims": "parameters are matrices",
        }
        used = [usage[name] for name, value in self.spec.usage.items() if value]
        return (*self.facts, *used, *([f"hyper-parameters: {set_to}"] if set_to else []), *self.traits_told)

    def has(self, method: str) -> bool:
        """Whether it has one of the parts that PyTorch's optimizers have: "param_groups", "state_dict", "train", ..."""
        return method in self.description.methods

    def needs(self, *methods: str) -> None:
        """Raises `NotApplicable` where it lacks one of these parts."""
        for method in methods:
            if not self.has(method):
                raise NotApplicable(f"it has no {method}")

    def settled(self, plan: Plan) -> Plan:
        """A plan with the arguments under which the definition holds, of those that the subject takes."""
        given = {} if self.definition is None else self.definition.settings
        taken = {name: value for name, value in given.items() if name in self.description.constructor}
        return plan.with_(options={"build": {**self.spec.kwargs, **taken}}) if taken else plan

    # Plans.

    @cached_property
    def shapes(self) -> Mapping[str, tuple[int, ...]]:
        """Shapes of two different parameters that it takes."""
        if self.spec.usage.get("dims") == 2 or (self.definition is not None and self.definition.dimensions == 2):
            return {"a": (2, 3), "b": (4, 2)}
        return plans.SHAPES

    def ordinary(self, steps: int = plans.STEPS, dtype: torch.dtype = torch.float64, **more: Any) -> Plan:
        """A plan of moderate numbers."""
        return plans.ordinary(steps, more.pop("shapes", self.shapes), dtype, **more)

    def wide(self, steps: int = plans.STEPS, dtype: torch.dtype = torch.float64, **more: Any) -> Plan:
        """A plan with gradients from 1e-12 to 1e6."""
        return plans.wide(steps, more.pop("shapes", self.shapes), dtype, **more)

    def run(self, plan: Plan) -> Answer:
        """What becomes of the parameters: see `actions.optimizers.run`. The subject may have raised."""
        return alive(self.home.ask(Probe("run", self.options(plan), plan.tensors)))

    def must(self, plan: Plan) -> Answer:
        """As `run`. Raises `Refused` where the subject raised."""
        return granted(self.run(plan))

    def run_peer(self, plan: Plan) -> Answer:
        """What becomes of the parameters with the counterpart, under the subject's hyper-parameters."""
        assert self.peer is not None
        own = {name: value for name, value in self.hyper.items() if name in self.peer.names}
        asked = plan.with_(hyper={**own, **plan.hyper})
        options = _options(asked, self.peer.names, self.peer.settings)
        answer = self.peer.home.ask(Probe("run", options, plan.tensors))
        if answer.failure == "ended":
            raise NotApplicable(f"the counterpart {answer.error}")
        return alive(answer)

    def options(self, plan: Plan) -> dict[str, Any]:
        """The options of an action for a plan, in the subject's own spellings."""
        return _options(plan, self.names, self.settings)

    def build(self, hyper: Mapping[str, Any]) -> dict[str, Any]:
        """Hyper-parameters, by the definitions' names or the subject's, as its own arguments."""
        return _spelled(hyper, self.names, self.settings)

    def takes(self, name: str) -> bool:
        """Whether a hyper-parameter, by its definition's name, can be chosen: by an argument or a setting."""
        return name in self.names

    # Knowing.

    def expected(
        self,
        plan: Plan,
        *,
        definition: UpdateRule | None = None,
        counts: Mapping[str, Sequence[int]] | None = None,
        hyper: Mapping[str, Any] | None = None,
    ) -> dict[str, Path]:
        """The oracle's trajectory of each parameter.

        `definition` is another one in the place of the subject's: a variant. `counts` are step counts other than each
        parameter's own 1, 2, 3, ..., with one for every step. `hyper` goes over the subject's own.
        """
        rule = definition or self.definition
        assert rule is not None
        known = {entry.name for entry in rule.hyper}
        base = {name: value for name, value in {**self.hyper, **(hyper or {}), **plan.hyper}.items() if name in known}
        per_step = []
        for step in range(plan.steps):
            base = {**base, **{key: value for key, value in plan.changes.get(step, {}).items() if key in known}}
            per_step.append(base)
        found = {}
        for name, start in plan.start.items():
            slopes = plan.gradients[name].to(torch.float64).numpy().copy()
            slopes[list(plan.missing.get(name, ()))] = np.nan
            found[name] = trajectory(
                rule, start.to(torch.float64).numpy(), slopes, per_step, None if counts is None else counts[name]
            )
        return found


def _options(plan: Plan, names: Mapping[str, str], settings: Mapping[str, Any]) -> dict[str, Any]:
    changes = [[step, None, _spelled(values, names, settings)] for step, values in plan.changes.items()]
    return {
        "names": list(plan.start),
        "missing": {name: list(steps) for name, steps in plan.missing.items()},
        "changes": changes,
        **plan.options,
        "build": {**plan.options.get("build", {}), **_spelled(plan.hyper, names, settings)},
    }


def _spelled(values: Mapping[str, Any], names: Mapping[str, str], settings: Mapping[str, Any]) -> dict[str, Any]:
    """Values by the definitions' names as arguments of an optimizer that spells them its own way."""
    return arguments({names.get(name, name): value for name, value in values.items()}, settings)
