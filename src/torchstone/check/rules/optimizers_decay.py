"""Weight decay: what it acts on, how strongly, and on whom."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from torchstone.check.asking import Refused
from torchstone.check.optimizers.diagnose import cause
from torchstone.check.optimizers.evidence import shown
from torchstone.check.optimizers.plan import Plan
from torchstone.check.optimizers.script import stepping
from torchstone.check.optimizers.subject import OptimizerSubject
from torchstone.check.result import Finding, Severity
from torchstone.check.rule import NotApplicable, rule
from torchstone.definitions import UpdateRule

Paths = Mapping[str, NDArray[np.float64]]
Runner = Callable[[Plan], Paths]

_DECAY, _RATE = 0.1, 0.05
_SAME = 1e-3  # two shares of a parameter that are equal, up to what float32 on the way makes of a difference
_STEPS = 4
# How a decay that is added to the gradient may be off: factors of weight_decay * p.
_SLIPS: Mapping[str, Callable[[float], float]] = {
    "it is of the wrong sign": lambda lr: -1.0,
    "it is doubled: the derivative of weight_decay * p**2": lambda lr: 2.0,
    "it is multiplied by the learning rate before it is added": lambda lr: lr,
    "it is halved": lambda lr: 0.5,
}


@dataclass(frozen=True)
class Decay:
    """What weight decay does to a parameter: nothing, or which of the two known things, or neither.

    `share` is what a step takes off the parameter itself; NaN where it is not the same for all its numbers.
    """

    acts: bool
    coupled: bool = False
    share: float = float("nan")

    @property
    def decoupled(self) -> bool:
        """Whether each step takes the same share off the parameter, whatever the gradient."""
        return self.acts and self.share == self.share

    @property
    def known(self) -> bool:
        """Whether it is one of the two."""
        return not self.acts or self.coupled or self.decoupled


@dataclass(frozen=True)
class _Case:
    """Settings under which decay is looked at."""

    plan: Plan
    lr: float
    told: str


@rule("O206", "weight-decay", kinds=("optimizer",))
def weight_decay(subject: OptimizerSubject) -> Iterator[Finding]:
    """Weight decay acts as declared: on the gradient or on the parameter, once, and on every parameter that is stepped.

    Why: decay that is added to the gradient (L2) is divided by Adam's root, and large gradients are hardly decayed.
        Loshchilov and Hutter (2019) took it out of the gradient, and many an "AdamW" has it in there still. Others
        forget the learning rate, or decay parameters that have no gradient, frozen ones among them.
    How: 4 steps with a decay of 0.1, and without. Decay is coupled where the same path results without it from
        gradients to which 0.1 * p is added; it is decoupled where each step differs by one share of the parameter.
        Which it has to be, and how large the share is, the definition's own path tells. With zero gradients the share
        is looked at again. Then a parameter has no gradient, at all or for a while: decay must leave it alone.
    False alarms: where its name says more than the definition's, such as AdamP, its own way is a warning. An optimizer
        that has no definition may decay as it likes, as long as it treats all numbers alike, and
        shrinks them. To leave out biases on purpose is the caller's to say, with a group of its own.
    Instead: coupled: `grad = grad + weight_decay * p`, before any average. Decoupled: `p.mul_(1 - lr * weight_decay)`,
        once, within the loop over the parameters that have a gradient.
    """
    if not subject.takes("weight_decay"):
        raise NotApplicable("it has no weight decay")
    if subject.trait("stochastic"):
        raise NotApplicable("it draws random numbers")
    case = _case(subject)
    subject.must(case.plan.with_(hyper={"weight_decay": _DECAY}))
    found = list(_acting(subject, case))
    if not found and subject.takes("decoupled_weight_decay"):
        other = not bool(subject.hyper["decoupled_weight_decay"])
        found = list(_acting(subject, _case(subject, {"decoupled_weight_decay": other})))
    yield from found
    yield from _without_gradient(subject, case)


def _case(subject: OptimizerSubject, hyper: Mapping[str, Any] | None = None) -> _Case:
    chosen = {"lr": _RATE, "momentum": 0.9, "maximize": False}
    hyper = {**{name: value for name, value in chosen.items() if subject.takes(name)}, **(hyper or {})}
    told = ", ".join(f"{key}={value}" for key, value in subject.build({"weight_decay": _DECAY, **hyper}).items())
    lr = _RATE if subject.takes("lr") else float(subject.hyper.get("lr", float("nan")))
    shapes = {"a": (2, 2), "b": (2, 1) if len(subject.shapes["b"]) > 1 else (3,)}
    return _Case(subject.settled(subject.ordinary(_STEPS, shapes=shapes).with_(hyper=hyper)), lr, told)


def _of_subject(subject: OptimizerSubject) -> Runner:
    return lambda plan: {name: subject.must(plan).tensors[name].double().numpy() for name in plan.start}


def _of_definition(subject: OptimizerSubject, form: UpdateRule | None = None) -> Runner:
    return lambda plan: {name: path.parameters for name, path in subject.expected(plan, definition=form).items()}


@dataclass(frozen=True)
class Trace:
    """Where a plan leads with weight decay, and without."""

    run: Runner
    plan: Plan
    decayed: Paths
    without: Paths

    @classmethod
    def of(cls, run: Runner, plan: Plan) -> "Trace":
        """The trace of a plan."""
        decayed, without = (run(plan.with_(hyper={"weight_decay": value})) for value in (_DECAY, 0.0))
        return cls(run, plan, decayed, without)

    def before(self, name: str) -> NDArray[np.float64]:
        """The parameter before each step, with decay."""
        return np.concatenate([self.plan.start[name].numpy()[None], self.decayed[name][:-1]])

    def coupled(self, factor: float = 1.0) -> dict[str, bool]:
        """Whether a parameter goes as without decay, where the factor times weight_decay * p is in the gradient."""
        gradients = {
            name: each + factor * _DECAY * torch.from_numpy(self.before(name))
            for name, each in self.plan.gradients.items()
        }
        paths = self.run(self.plan.with_(hyper={"weight_decay": 0.0}, gradients=gradients))
        return {name: _equal(self.decayed[name], path, self.plan.start[name].numpy()) for name, path in paths.items()}

    def decays(self) -> dict[str, Decay]:
        """What decay does to each parameter."""
        coupled = self.coupled()
        return {
            name: Decay(True, coupled[name], self._share(name))
            if not np.array_equal(path, self.without[name])
            else Decay(acts=False)
            for name, path in self.decayed.items()
        }

    def _share(self, name: str) -> float:
        """What each step takes off the parameter, before or after the rest of the step; NaN where it varies."""
        before, start = self.before(name), self.plan.start[name].numpy()[None]
        bare = before + np.diff(np.concatenate([start, self.without[name]]), axis=0)
        for base in (before, bare):
            share = (bare - self.decayed[name]) / base
            if np.isfinite(share).all() and np.ptp(share) <= _SAME * np.abs(share).max():
                return float(np.median(share))
        return float("nan")


def _equal(one: NDArray[np.float64], other: NDArray[np.float64], start: NDArray[np.float64]) -> bool:
    return bool(np.abs(one - other).max() <= 1e-5 * np.abs(other - start).max() + 1e-15)


def _acting(subject: OptimizerSubject, case: _Case) -> Iterator[Finding]:
    """What is wrong with the decay of parameters that have a gradient."""
    trace = Trace.of(_of_subject(subject), case.plan)
    if all(np.array_equal(path[-1], case.plan.start[name].numpy()) for name, path in trace.without.items()):
        return  # it has not begun to move
    found = trace.decays()
    idle = [name for name, each in found.items() if not each.acts]
    if subject.definition is None:
        yield from _inconsistent(subject, case, trace, found)
        return
    right = _closest(subject, case, found)
    for name, expected in right.items():
        text = _difference(subject, case, found[name], expected, name, idle)
        if text and found[name].acts and _chooses(subject):
            return
        if text:
            slip = _slip(trace, case, name) if expected.coupled else ""
            reason = slip or cause(subject, case.plan.with_(hyper={"weight_decay": _DECAY}))
            yield _finding(subject, case, text, name, reason=reason, severity=_sure(subject))
            return
    if not any(each.coupled for each in right.values()) and not _chooses(subject):
        yield from _at_rest(subject, case)


def _closest(subject: OptimizerSubject, case: _Case, found: Mapping[str, Decay]) -> dict[str, Decay]:
    """What the definition's decay does: that of another published form, where the subject does that."""
    rule = subject.definition
    assert rule is not None
    forms = [rule, *(rule.variant(name) for name in rule.accepted if any(_in_decay(rule, name)))]
    each = [Trace.of(_of_definition(subject, form), case.plan).decays() for form in forms]
    return next((right for right in each if _same(found, right)), each[0])


def _in_decay(rule: UpdateRule, variant: str) -> Iterator[bool]:
    """For each line of a variant, whether weight decay is in it, or in the line that it replaces."""
    own = dict(rule.equations)
    for left, right in rule.variants[variant]:
        yield any(str(symbol) == "weight_decay" for line in (right, own[left]) for symbol in line.free_symbols)


def _same(found: Mapping[str, Decay], right: Mapping[str, Decay]) -> bool:
    return all(
        found[name].coupled == each.coupled and (each.coupled or abs(found[name].share - each.share) <= _SAME)
        for name, each in right.items()
    )


def _sure(subject: OptimizerSubject) -> Severity | None:
    """The rule's own severity, unless the subject's name says more than the definition's."""
    return None if subject.firm else "warning"


def _chooses(subject: OptimizerSubject) -> bool:
    """Whether its author has a switch of his own for how it decays, which the definition does not know."""
    own = subject.names.get("decoupled_weight_decay")
    return any("decoupl" in name and name != own for name in subject.description.constructor)


def _at_rest(subject: OptimizerSubject, case: _Case) -> Iterator[Finding]:
    """Whether the share is the same where the gradient is zero."""
    still = case.plan.with_(gradients={name: torch.zeros_like(each) for name, each in case.plan.gradients.items()})
    right = Trace.of(_of_definition(subject), still).decays()
    found = Trace.of(_of_subject(subject), still).decays()
    for name, each in right.items():
        if each.decoupled and not abs(found[name].share - each.share) <= _SAME * abs(each.share):
            text = f"where the gradient is zero, a step takes {_told(found[name])} off, expected {each.share:.6g} of it"
            yield _finding(subject, case, text, name, still, severity=_sure(subject))
            return


def _difference(
    subject: OptimizerSubject, case: _Case, found: Decay, expected: Decay, name: str, idle: list[str]
) -> str:
    """What a decay does that it should not, as a sentence; "" where it is right."""
    assert subject.definition is not None
    if not expected.acts or not expected.known:
        return ""
    if not found.acts:
        spared = f"a parameter {_of_dimensions(case, name)} is not decayed, the other one is"
        return spared if len(idle) < len(case.plan.start) else "weight decay changes nothing"
    title = subject.definition.name
    return _not_coupled(found, title) if expected.coupled else _not_decoupled(found, expected, title, case.lr)


def _of_dimensions(case: _Case, name: str) -> str:
    count = case.plan.start[name].dim()
    return f"of {count} dimension{'s' if count != 1 else ''}"


def _not_coupled(found: Decay, title: str) -> str:
    if found.coupled:
        return ""
    if found.decoupled:
        return f"a step takes {_told(found)} off; {title} adds the decay to the gradient"
    return f"weight decay is not what {title} adds to the gradient: weight_decay * p"


def _not_decoupled(found: Decay, expected: Decay, title: str, lr: float) -> str:
    share = f"{expected.share:.6g} of the parameter"
    if abs(expected.share - lr * _DECAY) < _SAME * abs(expected.share):
        share += " (lr * weight_decay)"
    if found.coupled and not found.decoupled:
        return f"weight decay is added to the gradient (L2); {title} takes {share} off at each step"
    if found.decoupled and abs(found.share - expected.share) <= _SAME * abs(expected.share):
        return ""
    return f"a step takes {_told(found)} off, {title} takes {share}"


def _told(found: Decay) -> str:
    if not found.acts:
        return "nothing"
    return f"{found.share:.6g} of the parameter" if found.decoupled else "no fixed part of the parameter"


def _slip(trace: Trace, case: _Case, name: str) -> str:
    """What is wrong with a decay that is added to the gradient, where that is known."""
    return next((text for text, factor in _SLIPS.items() if trace.coupled(factor(case.lr))[name]), "")


def _inconsistent(
    subject: OptimizerSubject, case: _Case, trace: Trace, found: Mapping[str, Decay]
) -> Iterator[Finding]:
    """What no weight decay does, whatever the update rule."""
    acting = [name for name, each in found.items() if each.acts]
    idle = [name for name in found if name not in acting]
    turned = {} if all(found[name].known for name in acting) else trace.coupled(-1.0)
    for name in acting:
        if turned.get(name) or found[name].share < 0:
            yield _finding(subject, case, "weight decay makes parameters larger: its sign is wrong", name)
            return
    others = [name for name in subject.description.constructor if "decay" in name or "1d" in name]
    if acting and idle and all(found[name].known for name in acting) and len(others) < 2:  # else they may be told apart
        one, other = (_of_dimensions(case, group[0]) for group in (idle, acting))
        text = f"a parameter {one} is not decayed, one {other} is, and nothing tells the user"
        yield _finding(subject, case, text, idle[0], severity="warning")
    twice = [name for name in acting if abs(found[name].share / (case.lr**2 * _DECAY) - 1) < _SAME]
    if twice:
        text = f"a step takes {_told(found[twice[0]])} off: the learning rate is multiplied in twice"
        yield _finding(subject, case, text, twice[0], severity="warning")


def _without_gradient(subject: OptimizerSubject, case: _Case) -> Iterator[Finding]:
    """Whether decay moves a parameter that has no gradient, where nothing else does."""
    for missing, text in (
        (list(range(_STEPS)), "a parameter that never has a gradient"),
        ([2, 3], "a parameter that has no gradient at a step"),
    ):
        plan = case.plan.with_(missing={"b": missing})
        try:
            decayed, without = (
                _of_subject(subject)(plan.with_(hyper={"weight_decay": value}))["b"] for value in (_DECAY, 0.0)
            )
        except Refused:
            return
        start = plan.start["b"].numpy()[None]
        moved, moved_anyway = (
            np.abs(np.diff(np.concatenate([start, path]), axis=0))[missing] for path in (decayed, without)
        )
        if moved.max() > 0 and moved_anyway.max() == 0:
            step = missing[int(np.argmax(moved.reshape(len(missing), -1).max(1) > 0))]
            path = np.concatenate([start, decayed])
            old, new = path[step].flat[0], path[step + 1].flat[0]
            yield _finding(
                subject, case, f"{text} is decayed: from {old:.6g} to {new:.6g} at step {step + 1}", "b", plan
            )
            return


def _finding(
    subject: OptimizerSubject,
    case: _Case,
    text: str,
    name: str,
    plan: Plan | None = None,
    *,
    reason: str = "",
    severity: Severity | None = None,
) -> Finding:
    shrunk = (plan or case.plan).with_(hyper={"weight_decay": _DECAY})
    alone = shrunk.only(name).first(2)
    return Finding(
        f"{text} ({case.told})",
        shown(subject, alone),
        cause=reason,
        repro=stepping(subject, alone, [f"print({name})"]),
        severity=severity,
    )
