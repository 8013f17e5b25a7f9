"""Rules on checkpoints: an optimizer that loads one goes on as the one that wrote it."""

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from torchstone.check.optimizers.evidence import shown
from torchstone.check.optimizers.plan import Plan
from torchstone.check.optimizers.resumption import (
    AT,
    LOADING,
    STEPS,
    Apart,
    asked,
    forgotten,
    listed,
    occupied,
    ordinal,
    parted,
    script,
)
from torchstone.check.optimizers.subject import OptimizerSubject
from torchstone.check.probe import Answer, Probe
from torchstone.check.result import Finding
from torchstone.check.rule import NotApplicable, rule

_LONG = 60
_OUTSIDE = ("self.", "p.")  # attributes of the optimizer, and of a parameter: in no state dict by themselves
_TINY = 1e-6  # of the way so far: what a state kept in float32 changes
# What PyTorch added to its optimizers over the years: checkpoints of before have none of these.
_ADDED = ("maximize", "foreach", "capturable", "differentiable", "fused", "amsgrad")
# How something is computed, and not what.
FLAGS = ("foreach", "fused", "capturable", "differentiable")


@rule("O401", "resume", kinds=("optimizer",))
def resume(subject: OptimizerSubject) -> Iterator[Finding]:
    """A fresh optimizer that loads the state dict goes on as if nothing had been interrupted.

    Why: every long training is interrupted. What the state dict forgets makes a jump in the loss that nobody can
        explain, once, days later: a step count that starts again corrects the bias again, and takes ten times the step.
    How: after four steps the state dict is written with `torch.save`, read with `weights_only=True` and loaded by a new
        optimizer over copies of the parameters. Both go on with equal gradients, and after each of five more steps
        their parameters have to be equal bit by bit. So, too, in two groups where a parameter has had no gradient yet,
        with momentum and the like switched on, and from a checkpoint of before the first step.
    False alarms: none known. What keeps its state in float32 under float64 parameters gets a warning, and so does a
        dict that only loads with `weights_only=False`. Random numbers begin at the same seed in both runs.
    Instead: everything that a step reads and writes in `self.state[p]` or in the group: as tensors, or plain numbers.
    """
    subject.needs("state_dict", "load_state_dict")
    subject.must(subject.ordinary(1))
    told = False
    for text, plan, options in _interruptions(subject):
        if not subject.run(plan.with_(options={"groups": options["groups"]} if "groups" in options else {})).ok:
            continue  # of settings that it refuses, nothing can be said
        answer = asked(subject, "resumed", plan, **options)
        if not answer.ok:
            yield _stopped(subject, answer, text)
            return
        if not told and (answer.facts["save"] or answer.facts["weights_only"]):
            told = True
            yield _unsaved(answer)
        apart = parted(answer, "whole", "resumed", list(plan.start))
        if apart is None and forgotten(answer, *_OUTSIDE):
            longer = subject.ordinary(_LONG).with_(hyper=plan.hyper)
            again = asked(subject, "resumed", longer, **options)
            apart = parted(again, "whole", "resumed", list(plan.start)) if again.ok else None
        if apart is not None:
            yield _departed(subject, plan, answer, apart, text, options)
            return
    yield from _older(subject)


def _interruptions(subject: OptimizerSubject) -> Iterator[tuple[str, Plan, dict[str, Any]]]:
    """What is interrupted, and when: the plainest first."""
    plan = _calming(subject.ordinary(STEPS))
    yield "", plan, {}
    groups = {"groups": [[name] for name in plan.start]} if subject.has("param_groups") else {}
    late = {next(iter(plan.start)): list(range(AT))}
    split = ", in two groups" if groups else ""
    yield f" where the first parameter has had no gradient yet{split}", plan.with_(missing=late), groups
    busy = occupied(subject, plan)
    if busy.hyper:
        told = ", ".join(f"{name}={value!r}" for name, value in subject.build(busy.hyper).items())
        yield f" with {told}", busy, {}
    yield " before the first step", plan, {"at": 0}


def _calming(plan: Plan) -> Plan:
    """The plan with larger gradients before the checkpoint: what remembers the largest shows."""
    scale = torch.ones(plan.steps, dtype=torch.float64)
    scale[:AT] = 32.0
    return plan.with_(
        gradients={name: each * scale.reshape(-1, *[1] * (each.dim() - 1)) for name, each in plan.gradients.items()}
    )


def _departed(
    subject: OptimizerSubject,
    plan: Plan,
    answer: Answer,
    apart: Apart,
    text: str,
    options: Mapping[str, Any],
) -> Finding:
    expected, got, when = apart.expected, apart.got, ordinal(apart.step)
    where = text or f" after step {options.get('at', AT)}"
    cause, random = _cause(answer)
    cast = [f"{key} is {before}, and {after} after loading" for key, (before, after) in answer.facts["cast"].items()]
    rounded = apart.relative <= _TINY
    return Finding(
        f"from a checkpoint{where}, a parameter is {got:.17g} after {when}; in the run that was not "
        f"interrupted it is {expected:.17g}"
        if rounded
        else f"from a checkpoint{where}, a parameter is {got:.9g} after {when}; in the run that was not "
        f"interrupted it is {expected:.9g}",
        shown(subject, plan) if plan.steps <= STEPS else {},
        expected,
        got,
        cause=listed(cast) if rounded and cast else cause,
        repro="" if text else _script(subject, plan),
        severity="note" if rounded and cast else "warning" if rounded or random else None,
    )


def _cause(answer: Answer) -> tuple[str, bool]:
    """What a checkpoint loses, as a sentence; and whether that is a stream of random numbers, and nothing else."""
    mine, kept = forgotten(answer, *_OUTSIDE), [name for name in forgotten(answer) if not name.startswith(_OUTSIDE)]
    random = all(each["had"] == "Generator" for each in answer.facts["lost"] if each["name"].startswith(_OUTSIDE))
    if mine:
        return f"{listed(mine)}: kept on an object, and not in the state dict", random
    return f"{listed(kept)}: not restored by load_state_dict" if kept else "", False


def _script(subject: OptimizerSubject, plan: Plan, **options: Any) -> str:
    return script(subject, plan, LOADING, "resumed", ("whole", "resumed"), **options)


def _stopped(subject: OptimizerSubject, answer: Answer, text: str) -> Finding:
    doing = {
        "state_dict": "state_dict() raises",
        "load_state_dict": "its own state dict does not load into a fresh optimizer:",
        "build": "the optimizer that is to load it cannot be built:",
    }
    said = doing.get(answer.during, "an optimizer that has loaded the state dict cannot go on: it raises")
    missing = answer.error_type == "NotImplementedError"
    return Finding(f"from a checkpoint{text}: {said} {answer.error}", severity="note" if missing else None)


def _unsaved(answer: Answer) -> Finding:
    if answer.facts["save"]:
        return Finding(f"its state dict cannot be saved: {answer.facts['save']}")
    return Finding(
        f"its state dict is not read back with weights_only=True, torch.load's default: {answer.facts['weights_only']}",
        severity="warning",
    )


def _older(subject: OptimizerSubject) -> Iterator[Finding]:
    """Whether checkpoints load that were written before there was some option, where PyTorch's own does load them."""
    known = [name for name in _ADDED if name in subject.settings]
    if subject.peer is None or not known or not (subject.has("param_groups") and subject.description.is_module):
        return
    plan = subject.ordinary(STEPS)
    if asked(subject, "resumed", plan, without=known).ok:
        return
    for name in known:
        answer = asked(subject, "resumed", plan, without=[name])
        options = {**subject.options(plan), "at": AT, "without": [name]}
        if not answer.ok and subject.peer.home.ask(Probe("resumed", options, plan.tensors)).ok:
            yield Finding(
                f"a checkpoint whose groups have no {name!r}, written before there was one, does not load: "
                f"{answer.error}; PyTorch's own takes the default",
                severity="note",
            )
            return


@rule("O402", "hidden-state", kinds=("optimizer",), severity="warning")
def hidden_state(subject: OptimizerSubject) -> Iterator[Finding]:
    """The state dict holds all that the next step depends on: state, and hyper-parameters.

    Why: who resumes a training builds the optimizer anew, often with other arguments than the first time, and trusts
        that the checkpoint's count. What is kept on the object, and in no state dict, is silently another then.
    How: the run of O401, and what the two optimizers hold is compared where their ways part. Then the optimizer that
        loads the state dict is built with other hyper-parameters, all of them and one by one: where it goes must not
        depend on them.
    False alarms: what is meant to be chosen anew each time is declared: `@torchstone.traits(ctor_only={"k"})`.
    Instead: hyper-parameters in the groups (`super().__init__(params, dict(lr=lr))`), state in `self.state[p]`; a class
        of its own lists them in `state_dict()`.
    """
    subject.needs("state_dict", "load_state_dict")
    plan = subject.ordinary(STEPS)
    subject.must(plan.first(1))
    same = asked(subject, "resumed", plan)
    if not same.ok:
        raise NotApplicable("no state dict of it loads: see O401")
    yield from _kept_outside(subject, plan, same)
    others = {name: _moved(name, value) for name, value in _chosen(subject).items()}
    together = {name: values[0] for name, values in others.items()}
    if not together or _goes_on(subject, plan, same, together) == (True, None):
        return
    for name, values in others.items():
        for value in values:
            ran, apart = _goes_on(subject, plan, same, {name: value})
            if not ran:
                continue
            if apart is not None:
                yield Finding(
                    f"{name} is taken from the constructor, whatever the state dict says: built with {name}={value!r}, "
                    f"the optimizer that loads a checkpoint of {name}={_chosen(subject)[name]!r} is at {apart.got:.9g} "
                    f"after {ordinal(apart.step)}, and not at {apart.expected:.9g}",
                    expected=apart.expected,
                    got=apart.got,
                    repro=_script(subject, plan, other={name: value}),
                )
            break


def _kept_outside(subject: OptimizerSubject, plan: Plan, same: Answer) -> Iterator[Finding]:
    mine = forgotten(same, *_OUTSIDE)
    if not mine:
        return
    longer = asked(subject, "resumed", subject.ordinary(_LONG))
    apart = parted(longer, "whole", "resumed", list(plan.start)) if longer.ok else None
    if apart is not None and apart.relative > _TINY:
        yield Finding(
            f"{listed(mine)} changes as it steps, and is not in the state dict",
            expected=apart.expected,
            got=apart.got,
            repro=_script(subject, plan),
        )


def _chosen(subject: OptimizerSubject) -> dict[str, Any]:
    """The numbers and switches that its constructor takes, with their values."""
    exempt = {*FLAGS, *(subject.trait("ctor_only") or ())}
    given = {**subject.description.constructor, **subject.spec.kwargs}
    return {name: value for name, value in given.items() if name not in exempt and _moved(name, value)}


def _moved(name: str, value: Any) -> list[Any]:
    """Other values for an argument, the likeliest to be allowed first."""
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, (list, tuple)) and all(isinstance(each, float) for each in value):
        return [[float(f"{each * 0.9:.3g}") for each in value]]
    if isinstance(value, int) and value:
        return [value + 1, value * 2]
    if isinstance(value, (int, float)):
        return [float(f"{value * 0.9:.3g}"), float(f"{value * 1.1:.3g}")] if value else [0.1, 1]
    return []


def _goes_on(
    subject: OptimizerSubject, plan: Plan, same: Answer, other: Mapping[str, Any]
) -> tuple[bool, Apart | None]:
    """Whether the optimizer runs that is built otherwise and loads the same, and where it goes elsewhere."""
    answer = asked(subject, "resumed", plan, other=dict(other))
    if not answer.ok:
        return False, None
    both = Answer({}, {**_prefixed(same, "same"), **_prefixed(answer, "other")})
    return True, parted(both, "same", "other", list(plan.start))


def _prefixed(answer: Answer, prefix: str) -> dict[str, Tensor]:
    return {
        f"{prefix}.{name.partition('.')[2]}": value
        for name, value in answer.tensors.items()
        if name.startswith("resumed.")
    }
