"""What the options of an optimizer do: each does something, and `maximize` and a learning rate do what they say."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import torch

from torchstone.check.optimizers.evidence import SINGLE, Departure, apart, finding
from torchstone.check.optimizers.plan import Plan
from torchstone.check.optimizers.script import versus
from torchstone.check.optimizers.subject import OptimizerSubject
from torchstone.check.probe import Answer
from torchstone.check.result import Finding
from torchstone.check.rule import NotApplicable, rule
from torchstone.check.words import words

# Words of arguments that choose how something is computed, or what is told of it, but not what comes out.
_MEANS = frozenset(
    (
        *("foreach", "fused", "capturable", "differentiable", "triton", "compile", "jit", "cuda", "device", "dtype"),
        *("debug", "verbose", "log", "fsdp", "distributed", "ddp", "memory", "kahan", "rounding", "precision", "fp"),
        *("bf", "offload", "master", "release", "chunk", "block", "threads", "safe", "check", "seed", "bits", "name"),
    )
)
# Names that mean the same to everybody: of others, nobody can say that they have to act whatever else is set.
_SURE = frozenset(
    (
        *("lr", "learning_rate", "momentum", "dampening", "weight_decay", "nesterov", "maximize", "amsgrad"),
        *("betas", "beta1", "beta2", "eps", "epsilon", "centered", "bias_correction"),
    )
)
# Words of arguments that say when something begins, or how often it is done.
_TIMES = frozenset(
    ("step", "steps", "warmup", "interval", "freq", "frequency", "every", "period", "start", "k", "after")
)
# What other options need in order to act.
_COMPANIONS: Mapping[str, Any] = {"momentum": 0.9, "weight_decay": 0.1}
_LONG = 50
_FEW = 3  # other values, where the first plan has seen them all


@rule("O203", "dead-hyperparameter", kinds=("optimizer",))
def dead_hyperparameter(subject: OptimizerSubject) -> Iterator[Finding]:
    """Each hyper-parameter that its constructor takes changes where the parameters go.

    Why: who tunes an option that does nothing tunes noise. A weight decay that is taken and never used, betas that are
        written into the code, a Nesterov switch that nobody reads: training goes on, and nobody is told.
    How: each number and each switch of the constructor is moved off its value, to several others: with gradients from
        1e-12 to 1e6, together with momentum and weight decay, with each switch turned, with whole numbers (a warm-up,
        an interval) at 2, with gradients that shrink and a learning rate that changes, and over 50 steps with
        gradients that keep their sign. It is dead where every path is the same to the last bit.
    False alarms: an option that acts only with another one that is no number, in half types, on large tensors, or
        beyond 50 steps: where its name is not one that everybody uses, it is a warning. Options that choose how
        something is computed (`foreach`, `fused`, `capturable`, ...) are left alone.
    Instead: use the option in `step`, or don't take it.
    """
    options = list(_options(subject))
    if not options:
        raise NotApplicable("its constructor takes no number and no switch")
    plans = [subject.wide(6), *_together(subject, options)]
    as_it_stands = cache(lambda number: _went(subject, plans[number]))
    for name, value in options:
        tried = _idle(subject, name, value, plans, as_it_stands)
        if tried and _matters(subject, name, plans, tried):
            yield _dead(subject, name, value, tried)


def _idle(
    subject: OptimizerSubject, name: str, value: Any, plans: Sequence[Plan], as_it_stands: Callable[[int], Answer]
) -> list[Any]:
    """The other values of an option that were tried, where none of them changes anything in any plan."""
    tried: list[Any] = []
    for number, plan in enumerate(plans):
        if subject.build({name: 0}).keys() & subject.build(plan.hyper).keys() or not as_it_stands(number).ok:
            continue
        for other in _others(value)[: None if number == 0 else _FEW]:
            answer = _went(subject, plan.with_(hyper={name: other}))
            if not answer.ok:
                continue
            if _differ(as_it_stands(number), answer, known=_is_known(subject, name)):
                return []
            tried.append(other)
    return list(dict.fromkeys(tried))


def _went(subject: OptimizerSubject, plan: Plan) -> Answer:
    """Where a plan leads; what it leaves in the gradients, for some keep their momentum there; a closure's way down."""
    answer = subject.run(plan.with_(options={"left": True}))
    if not answer.ok or not subject.spec.usage.get("closure"):
        return answer
    down = descent(subject, plan.hyper, 5)
    return replace(answer, tensors={**answer.tensors, **{f"down {name}": each for name, each in down.tensors.items()}})


def _matters(subject: OptimizerSubject, name: str, plans: Sequence[Plan], tried: Sequence[Any]) -> bool:
    """Whether the definition goes another way under another value: a step size's bound may never be met."""
    known = {spelled: own for own, spelled in subject.names.items()}.get(name)
    rule = subject.definition
    if rule is None or known not in {entry.name for entry in rule.hyper}:
        return True
    for plan in plans[:2]:
        right = subject.expected(plan)
        for other in tried[:3]:
            moved = subject.expected(plan.with_(hyper={known: other}))
            if any(not np.array_equal(right[each].parameters, moved[each].parameters) for each in right):
                return True
    return False


def _options(subject: OptimizerSubject) -> Iterator[tuple[str, Any]]:
    """The constructor's numbers and switches, with their values: those of a pair one by one, as "betas[0]"."""
    for name in subject.description.constructor:
        value = subject.settings.get(name)
        if _MEANS & set(words(name)):
            continue
        if isinstance(value, (list, tuple)):
            yield from (
                (f"{name}[{place}]", part) for place, part in enumerate(value) if isinstance(part, (int, float))
            )
        elif isinstance(value, (bool, int, float)):
            yield name, value


def _is_known(subject: OptimizerSubject, name: str) -> bool:
    return name in subject.names.values()


def _together(subject: OptimizerSubject, options: Sequence[tuple[str, Any]]) -> Iterator[Plan]:
    """Plans in which options act that need another: momentum, decay, each switch, gradients that shrink, time."""
    own = {spelled: name for name, spelled in subject.names.items()}
    companions = {name: value for name, value in _COMPANIONS.items() if subject.takes(name)}
    plan = subject.ordinary(10)
    shrinking = torch.tensor([1.0, 30.0, *(30.0 * 0.3**step for step in range(8))], dtype=torch.float64)
    gradients = {name: each * shrinking.reshape(-1, *[1] * (each.dim() - 1)) for name, each in plan.gradients.items()}
    rate = float(subject.hyper.get("lr") or 0.01)
    changes = {4: {"lr": 3 * rate}, 7: {"lr": 0.3 * rate}} if subject.takes("lr") else {}
    plan = plan.with_(hyper=companions, changes=changes, gradients=gradients)
    yield plan
    for name, value in options:
        if isinstance(value, bool):
            yield plan.with_(hyper={own.get(name, name): not value})
    if subject.takes("weight_decay") and subject.hyper.get("weight_decay"):
        yield subject.ordinary(4).with_(hyper={"weight_decay": 0.0})
    soon = {name: 2 for name, value in options if type(value) is int and value > 2 and _TIMES & set(words(name))}
    if soon:
        yield plan.with_(hyper=soon)
    large = {"a": (8, 8), "b": (8, 8) if subject.spec.usage.get("dims") else (5,)}  # some take small ones for vectors
    yield subject.ordinary(_FEW, shapes=large)
    one_way = subject.ordinary(_LONG)
    yield one_way.with_(hyper=companions, gradients={**one_way.gradients, "b": one_way.gradients["b"].abs()})


def _others(value: Any) -> tuple[Any, ...]:
    """Values other than this one, of the same kind."""
    if isinstance(value, bool):
        return (not value,)
    if isinstance(value, int):
        tries: tuple[Any, ...] = (2 * value + 3, 1, 2, value + 1)
    elif value == 0:
        tries = (0.1, 0.5, 1.0, 1e-3)
    elif abs(value) < 1e-4:
        tries = (1e-2, value * 1e3, 1.0)
    elif abs(value) < 1:
        tries = (value / 2, 0.999, 0.9, 0.1)
    else:
        tries = (value / 2, 0.01, value * 4, 1.02)
    return tuple(each for each in dict.fromkeys(tries) if each != value and each != float("inf"))


def _differ(one: Answer, other: Answer, known: bool) -> bool:
    """Whether two runs differ in a parameter; of an option that nobody knows, in anything that is remembered."""
    names = [name for name in one.tensors if not (known and name.startswith("state."))]
    return any(
        name not in other.tensors or not torch.equal(one.tensors[name].nan_to_num(), other.tensors[name].nan_to_num())
        for name in names
    )


def _dead(subject: OptimizerSubject, name: str, value: Any, tried: Sequence[Any]) -> Finding:
    told = " and ".join(f"{each:g}" if isinstance(each, float) else str(each) for each in tried[:3])
    sure = name.partition("[")[0] in _SURE or (subject.definition and subject.firm and _is_known(subject, name))
    return Finding(
        f"{name} does nothing: with {told} in the place of {value} every parameter is the same to the last bit",
        {"argument": name, "its value": value, "others": list(tried)},
        repro=versus(subject, _small(subject, 3), [(1, {}), (1, {name: tried[0]})]),
        severity=None if sure else "warning",
    )


def _small(subject: OptimizerSubject, steps: int) -> Plan:
    """A plan that a script can hold: one parameter of two numbers."""
    return subject.ordinary(steps, shapes={"x": (1, 2) if len(subject.shapes["b"]) > 1 else (2,)})


# Without these, the bottom is where the loss is least.
_STRAIGHT: Mapping[str, Any] = {"weight_decay": 0.0, "maximize": False}
# Learning rates to try after the subject's own; with each, some steps, and more where they lead down.
_RATES = (0.1, 1.0, 0.3, 0.01, 0.03)
_SHORT, _LONGEST = 40, 1500
_PROMISING, _NEAR, _HALF = 0.1, 1e-3, 0.5  # of the first loss


@rule("O204", "descends", kinds=("optimizer",), severity="warning")
def descends(subject: OptimizerSubject) -> Iterator[Finding]:
    """It gets to the bottom of a bowl.

    Why: the least that is asked of an optimizer. Wrong ones pass it, too, so a pass says little; one that fails has a
        sign wrong, or runs away.
    How: a convex quadratic with curvatures from 0.5 to 2, from a distance of about 1. The loss has to come down to a
        thousandth within 1500 steps: as it stands, or with the best of five learning rates from 0.01 to 1. Optimizers
        that need a closure get one that computes the gradients anew. Weight decay and `maximize` are switched off, for
        they lead elsewhere. What comes half of the way, or more, is a note.
    False alarms: an optimizer made for another problem, or for far more steps. One that draws random numbers is not
        concerned: it stays about as far from the bottom as its noise is large.
    Instead: look at the sign of the step first, then at its size.
    """
    if subject.trait("stochastic"):
        raise NotApplicable("it draws random numbers")
    off = {name: value for name, value in _STRAIGHT.items() if subject.takes(name) and subject.hyper.get(name)}
    tries: list[Mapping[str, Any]] = [off, *({**off, "lr": rate} for rate in _RATES if subject.takes("lr"))]
    depths: list[tuple[float, Mapping[str, Any]]] = []
    refused = ""
    for hyper in tries:
        answer = descent(subject, hyper, _SHORT)
        if answer.ok:
            if answer.facts["slow"]:
                raise NotApplicable("its steps take too long")
            depths.append((_depth(answer), hyper))
            if depths[-1][0] < _PROMISING and _depth(descent(subject, hyper, _LONGEST)) <= _NEAR:
                return
        refused = refused or answer.error
    if not depths:
        raise NotApplicable(f"the subject raises {refused}")
    _, best = min(depths, key=lambda each: each[0])
    answer = descent(subject, best, _LONGEST)
    if not answer.ok or answer.facts["slow"] or _depth(answer) <= _NEAR:
        return
    first, *_, last = answer.facts["losses"]
    told = ", whatever the learning rate" if len(tries) > 1 else ""
    yield Finding(
        f"the loss of a convex quadratic goes from {first:.3g} to {last:.3g} in {len(answer.facts['losses']) - 1} steps"
        f"{told}",
        {"curvatures": "0.5 to 2", "learning rate": best.get("lr", "as it stands")},
        expected=f"at most {_NEAR * first:.2g}",
        got=last,
        severity="note" if _depth(answer) < _HALF else None,
    )


def _depth(answer: Answer) -> float:
    """The lowest loss, as a part of the first."""
    losses = answer.facts.get("losses", [1.0])
    return float(min(each for each in losses if not math.isnan(each)) / losses[0])


def descent(subject: OptimizerSubject, hyper: Mapping[str, Any], steps: int) -> Answer:
    """Steps down a bowl, until a thousandth of the loss is left: see `actions.optimizers_options.descend`."""
    plan = subject.ordinary(1).with_(hyper=hyper)
    tensors = {}
    for name, start in plan.start.items():
        tensors[f"start.{name}"] = start
        tensors[f"centre.{name}"] = start + torch.where(plan.gradients[name][0] < 0, -0.8, 0.6)
        tensors[f"curvature.{name}"] = torch.linspace(0.5, 2.0, start.numel(), dtype=start.dtype).reshape(start.shape)
    first = sum(
        float((tensors[f"curvature.{name}"] * (tensors[f"centre.{name}"] - start).square()).sum()) / 2
        for name, start in plan.start.items()
    )
    options = {**subject.options(plan), "steps": steps, "goal": _NEAR * first}
    return subject.ask("descend", tensors, options)


@rule("O205", "maximize", kinds=("optimizer",))
def maximize(subject: OptimizerSubject) -> Iterator[Finding]:
    """To maximize with a gradient is to minimize with its negative.

    Why: `maximize=True` is turned on where a reward is to grow. If weight decay is negated along with the gradient, it
        makes the weights grow; if the switch is forgotten in one branch, the reward falls.
    How: 6 steps with `maximize=True`, and 6 with the negated gradients and `maximize=False`, all else equal: as it
        stands, and with momentum and weight decay. The parameters have to be the same.
    False alarms: none known. An optimizer without the switch is not concerned.
    Instead: negate the gradient before anything else is done with it, weight decay included: `grad = -p.grad`.
    """
    if not (subject.takes("maximize") and (subject.definition or "maximize" in subject.description.constructor)):
        raise NotApplicable("it has no maximize")
    companions = {name: value for name, value in _COMPANIONS.items() if subject.takes(name)}
    plan = subject.ordinary(6)
    subject.must(plan.with_(hyper={"maximize": True}))
    for hyper in ({}, companions):
        found = _apart_from_negated(subject, plan.with_(hyper=hyper))
        if found is not None:
            told = ", ".join(f"{name}={value}" for name, value in subject.build(hyper).items())
            yield _not_negated(subject, found, told)
            return


def _apart_from_negated(subject: OptimizerSubject, plan: Plan) -> Departure | None:
    rising = plan.with_(hyper={"maximize": True})
    falling = plan.with_(hyper={"maximize": False}, gradients={name: -each for name, each in plan.gradients.items()})
    return apart(rising, subject.must(rising).tensors, subject.must(falling).tensors, SINGLE)


def _not_negated(subject: OptimizerSubject, found: Departure, told: str) -> Finding:
    same = subject.must(found.plan.with_(hyper={"maximize": False})).tensors
    ignored = apart(found.plan, subject.must(found.plan).tensors, same, SINGLE) is None
    what = "maximize changes nothing" if ignored else "to maximize is not to minimize with the negated gradient"
    return finding(
        subject,
        found,
        lambda small: f"{what}{f' (with {told})' if told else ''}: {small.sentence}",
        lambda plan: _apart_from_negated(subject, plan.with_(hyper={"maximize": False})),
    )
