"""The plans on which an optimizer is held against its update rule."""

from collections.abc import Iterator, Mapping
from typing import Any

import sympy as sp
import torch
from sympy.logic.boolalg import BooleanAtom

from torchstone.check.optimizers.plan import Plan
from torchstone.check.optimizers.subject import OptimizerSubject
from torchstone.definitions import UpdateRule
from torchstone.definitions.core import Hyper

_RATES = {0: 0.03, 4: 0.004, 9: 0.05}  # learning rates, from these steps on
_LONG = 20
# Hyper-parameters off their defaults, where halving would not show much; or too much, in an iteration that diverges.
_MOVED: Mapping[str, float] = {
    **{"lr": 0.03, "eps": 1e-5, "weight_decay": 0.1, "momentum": 0.7, "dampening": 0.3},
    **{"a1": 3.4, "a3": -4.7, "a5": 2.0},
}


def scenarios(subject: OptimizerSubject) -> Iterator[tuple[str, Plan]]:
    """Plans, the plainest first, each with what is special about it ("with nesterov=True")."""
    rule = subject.definition
    alone = ["a"] if rule is not None and rule.joint else list(subject.shapes)  # what couples parameters has one path
    for text, plan in _scenarios(subject):
        yield text, subject.settled(plan.only(*alone))


def _scenarios(subject: OptimizerSubject) -> Iterator[tuple[str, Plan]]:
    rule = subject.definition
    assert rule is not None
    yield "", subject.wide()
    yield "", subject.ordinary()
    zeros = {name: torch.zeros_like(each) for name, each in subject.ordinary().start.items()}  # as biases begin
    yield "with parameters that begin at zero", subject.ordinary().with_(start=zeros)
    moved = {entry.name: other_value(entry) for entry in numbers(rule) if subject.takes(entry.name)}
    for name, value in moved.items():
        if name != "lr":
            yield _with(subject, {name: value}), subject.wide().with_(hyper={name: value})
    if {"momentum", "dampening"} <= set(moved):
        both = {name: moved[name] for name in ("momentum", "dampening")}
        yield _with(subject, both), subject.wide().with_(hyper=both)
    if "lr" in moved:
        yield "with a learning rate that changes", changing(subject, subject.wide())
    gaps = {"b": [0, 3, 4, 7]}
    yield "with steps at which a parameter has no gradient", subject.wide().with_(missing=gaps)
    together = {name: value for name, value in moved.items() if name != "dampening"}
    for entry in switches(rule):
        if subject.takes(entry.name):
            value = not bool(subject.hyper[entry.name])
            yield (
                _with(subject, {entry.name: value}),
                subject.ordinary().with_(hyper={**_companions(together), entry.name: value}),
            )
            yield (
                _with(subject, {**together, entry.name: value}),
                changing(
                    subject, subject.wide(_LONG, seed=3).with_(hyper={**together, entry.name: value}, missing=gaps)
                ),
            )
    yield _with(subject, together), subject.wide(_LONG, seed=2).with_(hyper=together)


def changing(subject: OptimizerSubject, plan: Plan) -> Plan:
    """A plan with learning rates that change between steps, where the subject has one that can."""
    if not subject.takes("lr"):
        return plan
    first, *later = _RATES.items()
    return plan.with_(hyper={"lr": first[1]}, changes={step: {"lr": rate} for step, rate in later})


def numbers(rule: UpdateRule) -> list[Hyper]:
    """The hyper-parameters that are numbers."""
    return [entry for entry in rule.hyper if not is_switch(entry)]


def switches(rule: UpdateRule) -> list[Hyper]:
    """The hyper-parameters that are on or off."""
    return [entry for entry in rule.hyper if is_switch(entry)]


def is_switch(entry: Hyper) -> bool:
    """Whether a hyper-parameter is on or off."""
    return isinstance(entry.default, BooleanAtom)


def other_value(entry: Hyper) -> float:
    """A valid value other than the default."""
    if entry.name in _MOVED and _MOVED[entry.name] in entry.domain:
        return _MOVED[entry.name]
    default = float(entry.default)
    scaled = [float(f"{default * factor:.3g}") for factor in (0.8, 2.0, 0.5)]
    tries = (*scaled, 0.3, 0.1, 1.0, 2.0, 10.0)
    return next(value for value in tries if value != default and sp.Float(value) in entry.domain)


def _companions(moved: Mapping[str, float]) -> dict[str, float]:
    """What a switch may need to show: momentum, and decay."""
    return {name: value for name, value in moved.items() if name in ("momentum", "weight_decay")}


def _with(subject: OptimizerSubject, hyper: Mapping[str, Any]) -> str:
    told = ", ".join(f"{name}={value!r}" for name, value in subject.build(hyper).items())
    return f"with {told}" if told else ""
