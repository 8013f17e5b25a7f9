"""An optimizer's construction: what it takes as parameters, which values it refuses, and settings of a group's own."""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import sympy as sp
import torch
from torch import Tensor

from torchstone.check.optimizers.evidence import Departure, apart, shown
from torchstone.check.optimizers.plan import Plan
from torchstone.check.optimizers.scenarios import is_switch, other_value
from torchstone.check.optimizers.script import stepping
from torchstone.check.optimizers.subject import OptimizerSubject
from torchstone.check.optimizers.vocabulary import own_name, split
from torchstone.check.probe import Answer
from torchstone.check.result import Finding, Severity
from torchstone.check.rule import NotApplicable, rule

_SAME = 1e-9  # of the way so far


@rule("O101", "constructor", kinds=("optimizer",))
def constructor(subject: OptimizerSubject) -> Iterator[Finding]:
    """It takes parameters in every form that PyTorch's optimizers take, a generator above all.

    Why: `model.parameters()` is a generator: it can be read once. An optimizer that looks at its parameters in the
        constructor, or keeps the generator itself, has none left when `step` comes, and trains nothing in silence.
    How: it is built over a generator, and over a group that holds one, and has to go where it goes with a list. What
        derives from `torch.optim.Optimizer` is given named parameters, one parameter twice, a bare tensor and nothing
        as well: it has to work, to warn, or to refuse.
    False alarms: none known. A refusal of named parameters, of a bare tensor, of nothing, or of one parameter twice
        is no finding. One of a generator that says so is a warning, since `model.parameters()` fails there.
    Instead: `self.parameters = list(parameters)` before anything else looks at them; or let
        `super().__init__(params, defaults)` do it.
    """
    plan = subject.ordinary(2)
    listed = subject.must(plan)
    ways = _WAYS if subject.description.is_module else ("generator",)
    for how in ways:
        tried = plan.with_(options={"handed": how})
        answer = subject.ask("handed_over", tried.tensors, subject.options(tried))
        if not answer.ok:
            if how in _GENERATORS:
                yield _refused(answer.error, answer.during, how, subject, plan)
            continue
        found = apart(plan, answer.tensors, listed.tensors, _SAME)
        if found is None or (how not in _GENERATORS and answer.facts["warned"]):
            continue
        last = _stops(plan, answer.tensors)
        still = last < plan.steps
        does = f"it {_STILL.get(last, f'moves no parameter after step {last}')}" if still else found.place
        yield Finding(
            f"given {_GIVEN[how]}, {does}",
            shown(subject, plan),
            found.expected,
            found.got,
            cause=_CONSUMED if how in _GENERATORS and still else "",
            repro=_script(subject, found.plan, found.name, how) if how in _GENERATORS else "",
            severity=None if how in (*_GENERATORS, "named") else "warning",
        )


_GENERATORS = ("generator", "group of a generator")
_WAYS = (*_GENERATORS, "named", "twice", "bare")
_GIVEN = {
    "generator": "a generator of parameters, as model.parameters() is",
    "group of a generator": 'a group whose "params" is a generator',
    "named": "named parameters",
    "twice": "one parameter twice",
    "bare": "a tensor in the place of a list",
}
_CONSUMED = "the generator is read before `step` reads it, and a generator can be read once"


def _stops(plan: Plan, path: Mapping[str, Tensor]) -> int:
    """The last step (from 1) at which a parameter moved; 0 where none did."""
    whole = [torch.cat([plan.start[name][None], path[name]]).reshape(plan.steps + 1, -1) for name in plan.start]
    moved = [step for step in range(1, plan.steps + 1) if any(bool((t[step] != t[step - 1]).any()) for t in whole)]
    return max(moved, default=0)


_STILL = {0: "moves no parameter", 1: "takes one step, and moves no parameter afterwards"}


def _refused(error: str, during: str, how: str, subject: OptimizerSubject, plan: Plan) -> Finding:
    """A generator that was read too early looks like an empty list; another refusal is a decision."""
    empty = during != "build" or "empty" in error
    return Finding(
        f"given {_GIVEN[how]}, {'its step' if during == 'step' else 'it'} raises {error}",
        shown(subject, plan),
        cause=_CONSUMED if empty else "",
        repro=_script(subject, plan, next(iter(plan.start)), how),
        severity="error" if empty else "warning",
    )


def _script(subject: OptimizerSubject, plan: Plan, name: str, how: str) -> str:
    names = ", ".join(plan.start)
    given = f"(each for each in [{names}])"
    handed = given if how == "generator" else f'[{{"params": {given}}}]'
    lines = [f"print({name})  # expected to have moved"]
    return stepping(subject, plan.first(2), lines, handed=handed)


@rule("O102", "hyper-range", kinds=("optimizer",), severity="warning", after=("G001",))
def hyper_range(subject: OptimizerSubject) -> Iterator[Finding]:
    """Hyper-parameters that make no sense are refused when the optimizer is made; a learning rate of 0 is not.

    Why: a negative learning rate climbs, a beta of 1.5 explodes, a NaN ruins every parameter in the first step: hours
        later, and far from the line that is wrong.
    How: it is built with values outside the domains that the definition gives its hyper-parameters; where no definition
        is known, with a negative or infinitely large learning rate, betas outside [0, 1), a negative eps or weight
        decay. A NaN (`lr < 0` lets it pass), and what PyTorch's counterpart accepts as well, is a note, and so is
        everything for a plain class, which owes nobody a check. A learning rate of 0 has to be legal, for a warm-up
        begins there.
    False alarms: hyper-parameters that mean something else than their names say: `--definition none`. A refusal that
        comes only with the first step is a note, as is an `assert`, which `python -O` drops.
    Instead: `if not 0.0 <= lr < math.inf: raise ValueError(f"lr: expected a number >= 0, got {lr}")`: written so, a NaN
        is refused, too.
    """
    plan = subject.ordinary(1)
    chosen = _chosen(subject)
    found: dict[str, dict[str, list[str]]] = {outcome: {} for outcome in _OUTCOMES}
    for name, value in _nonsense(subject, chosen):
        outcome = _outcome(subject, plan, name, chosen[name], value)
        found[outcome].setdefault(chosen[name], []).append(repr(value))
    if not any(found.values()):
        raise NotApplicable("it takes no hyper-parameter that could be wrong")
    for outcome, told in _OUTCOMES.items():
        if told and found[outcome]:
            values = ", ".join(f"{spelled}={' or '.join(each)}" for spelled, each in found[outcome].items())
            also = subject.peer.text if subject.peer is not None else ""
            warns = outcome == "accepted" and subject.description.is_module
            yield Finding(f"{told.format(also)}: {values}", severity="warning" if warns else "note")
    if "lr" in chosen:
        still = subject.run(plan.with_(hyper={chosen["lr"]: 0.0}))
        if not still.ok:
            told = f"{chosen['lr']}=0.0 is refused ({still.error}): no warm-up can begin at 0"
            yield Finding(told, severity="note")
        later = subject.run(plan.with_(changes={0: {"lr": 0.0}}))
        if later.during == "step":
            yield Finding(f"a learning rate that a scheduler sets to 0 makes the step raise {later.error}")


_OUTCOMES = {
    "accepted": "accepted in silence",
    "nan": "a NaN is accepted in silence",
    "known": "accepted in silence, as by {}",
    "late": "refused only at the first step",
    "asserted": "refused by an assert, which `python -O` drops",
    "refused": "",
}


def _outcome(subject: OptimizerSubject, plan: Plan, name: str, spelled: str, value: float) -> str:
    """What becomes of a value that makes no sense: a key of `_OUTCOMES`."""
    answer = subject.run(plan.with_(hyper={spelled: value}))
    if answer.ok:
        takes = subject.peer is not None and name in subject.peer.names
        if takes and subject.run_peer(plan.with_(hyper={name: value})).ok:
            return "known"
        return "nan" if math.isnan(value) and subject.description.is_module else "accepted"
    if answer.error_type == "AssertionError":
        return "asserted"
    return "refused" if answer.during == "build" else "late"


# Where no definition says what is legal.
_USUAL: Mapping[str, tuple[float, ...]] = {
    "lr": (-1.0, math.nan),
    "momentum": (-1.0,),
    "weight_decay": (-1.0,),
    **dict.fromkeys(("beta1", "beta2", "beta3"), (-0.5, 1.5)),
    "eps": (-1.0,),
}
_TRIES = (-1.0, 1.5, math.nan)


def _chosen(subject: OptimizerSubject) -> dict[str, str]:
    """What the constructor takes, by the definition's names, with the constructor's spellings."""
    known = subject.description.constructor
    entries = subject.definition.hyper if subject.definition is not None else ()
    asked = {entry.name: entry.argument for entry in entries}
    found: dict[str, str] = {}
    for name in subject.names:
        own = own_name(name, known, tuple(found.values()), asked.get(name, ""))
        if own:
            found[name] = own
    return found


def _nonsense(subject: OptimizerSubject, names: Iterable[str]) -> Iterator[tuple[str, float]]:
    rule_ = subject.definition
    for name in names:
        entry = next((each for each in rule_.hyper if each.name == name), None) if rule_ is not None else None
        if entry is None:
            yield from ((name, value) for value in (_USUAL.get(name, ()) if rule_ is None else ()))
        elif not is_switch(entry):
            yield from ((name, value) for value in _TRIES if _outside(entry.domain, value))


@cache
def _outside(domain: sp.Set, value: float) -> bool:
    return math.isnan(value) or sp.Float(value) not in domain


@rule("O103", "group-override", kinds=("optimizer",))
def group_override(subject: OptimizerSubject) -> Iterator[Finding]:
    """Every setting can be given for one parameter group alone, acts there, and nowhere else.

    Why: no weight decay for biases, a smaller learning rate for a pretrained part: who asks for it and is ignored
        trains another network than the one in the paper.
    How: two groups, the second one with a setting of its own, each setting in turn. The second has to go as when the
        whole optimizer is built with that value, the first as when it is built without. What acts only together with
        others (Nesterov's momentum) is tried with them.
    False alarms: what is an option of the constructor alone, and not among the groups' settings, is a warning at most;
        what only the state begins with (Adagrad's accumulator) is a note. Where the constructor makes other settings of
        it, a group cannot follow: a warning. What couples its parameters on purpose is not looked at.
    Instead: `group["lr"]`, `group["betas"]` inside of the loop over `self.param_groups`; never `self.lr` or
        `self.defaults["lr"]`.
    """
    subject.needs("param_groups")
    if subject.trait("couples_params"):
        raise NotApplicable("it couples its parameters, on purpose")
    plan = subject.ordinary(8).with_(options={"groups": [["a"], ["b"]]})
    subject.must(plan)
    held = subject.ask("grouped", plan.tensors, subject.options(plan)).facts["settings"]
    here = {name for name, spelled in subject.names.items() if split(spelled)[0] in held}
    values = _moved(subject)
    at_once = {name: value for name, value in values.items() if name in here and not isinstance(value, bool)}
    at_once.pop("dampening", None)  # not with Nesterov's
    trial = _trial(subject, plan, {}, at_once)
    settled = at_once if trial is not None and trial.found is None else {}
    for name, value in values.items():
        if name in settled or name not in {*here, *_EXPECTED}:
            continue
        trial = _trial(subject, plan, _companions(subject, name, values), {name: value})
        if trial is None or trial.found is None:
            continue
        found, steps = trial.found, trial.found.step + 1
        key = split(subject.names[name])[0]
        yield Finding(
            f"{trial.sentence}: {found.place}",
            {**shown(subject, trial.plan.first(steps)), "groups": [["a"], {"names": ["b"], **trial.own}]},
            found.expected,
            found.got,
            cause=f"{' and '.join(trial.derived)} is made of it at construction, and not for a group"
            if trial.derived
            else ""
            if name in here
            else f"{key} is no setting of its groups",
            repro=_two_groups(subject, trial),
            severity="warning" if trial.derived else _weight(subject, name, name in here),
        )
        return


_EXPECTED = ("lr", "momentum", "weight_decay", "beta1", "beta2", "eps")
_FACTORS = {"lr": 3.0, "beta1": 0.5, "beta2": 0.5, "momentum": 0.5, "alpha": 0.5, "rho": 0.5}
_INSTEAD = {"weight_decay": 0.1, "eps": 1e-2, "momentum": 0.5}


@dataclass(frozen=True)
class _Trial:
    """The second group with settings of its own: where its parameter departs from the right way, and the other."""

    plan: Plan
    own: Mapping[str, Any]
    second: Departure | None
    first: Departure | None
    ignored: bool
    derived: tuple[str, ...] = ()  # other settings that the constructor makes of the one

    @property
    def found(self) -> Departure | None:
        return self.second or self.first

    @property
    def sentence(self) -> str:
        given = ", ".join(f"{key}={each!r}" for key, each in self.own.items())
        if self.second is None:
            return f"a group's own {given} acts on the other group"
        return f"a group's own {given} {'is ignored' if self.ignored else 'does not act as for the whole optimizer'}"


def _trial(
    subject: OptimizerSubject, plan: Plan, companions: Mapping[str, Any], values: Mapping[str, Any]
) -> _Trial | None:
    """None where the values are refused, or change nothing for the whole optimizer either."""
    base = plan.with_(hyper=companions)
    own = subject.build(values)
    asked = (base, base.with_(hyper=values), base.with_(options={"groups": [["a"], {"names": ["b"], **own}]}))
    without, whole, got = (subject.run(each) for each in asked)
    if not (without.ok and whole.ok and got.ok) or apart(base, whole.tensors, without.tensors, _SAME) is None:
        return None
    there = whole.facts["built"][0] if whole.facts["built"] else {}
    if any(key in there and there[key] != each for key, each in own.items()):
        return None  # what the groups call so is another setting: that of an optimizer inside
    first, second = base.only("a"), base.only("b")
    return _Trial(
        base,
        own,
        apart(second, got.tensors, whole.tensors, _SAME),
        apart(first, got.tensors, without.tensors, _SAME),
        apart(second, got.tensors, without.tensors, _SAME) is None,
        _derived(without, whole, own),
    )


def _derived(without: Answer, whole: Answer, own: Mapping[str, Any]) -> tuple[str, ...]:
    """The settings of groups, other than those that were given, in which two optimizers begin to differ."""
    before, after = (each.facts["built"][0] if each.facts["built"] else {} for each in (without, whole))
    return tuple(key for key in before if key not in own and after.get(key) != before[key])


def _companions(subject: OptimizerSubject, name: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """What the whole optimizer has to have for a setting to act."""
    needed = {"momentum": values["momentum"]} if name in ("nesterov", "dampening") and "momentum" in values else {}
    if name == "dampening" and subject.takes("nesterov"):
        needed["nesterov"] = False
    return needed


def _moved(subject: OptimizerSubject) -> dict[str, Any]:
    """A valid value other than it has, for each hyper-parameter that it takes."""
    found: dict[str, Any] = {}
    if subject.definition is not None:
        for entry in subject.definition.hyper:
            if not subject.takes(entry.name):
                continue
            now = subject.hyper[entry.name]
            if is_switch(entry):
                found[entry.name] = not now
            else:
                value = other_value(entry)
                found[entry.name] = value if value != now else value / 2
        return found
    for name in subject.names:
        now = subject.hyper.get(name)
        if isinstance(now, bool):
            found[name] = not now
        elif isinstance(now, float) and now and name in _FACTORS:
            found[name] = float(f"{now * _FACTORS[name]:.6g}")
        elif name in _INSTEAD:
            found[name] = _INSTEAD[name]
    return found


def _weight(subject: OptimizerSubject, name: str, here: bool) -> Severity | None:
    """A note on what the state only begins with; a warning on what no group holds, but for a learning rate."""
    rule_ = subject.definition
    used = {str(symbol) for _, line in rule_.equations for symbol in line.free_symbols} if rule_ is not None else {name}
    if name not in used:
        return "note"
    return None if here or name == "lr" else "warning"


def _two_groups(subject: OptimizerSubject, trial: _Trial) -> str:
    found = trial.found
    assert found is not None
    at = "".join(f"[{each}]" for each in found.where)
    second = ", ".join(['"params": [b]', *(f"{key!r}: {value!r}" for key, value in trial.own.items())])
    lines = [f"print({found.name}{at}.item())  # expected {found.expected!r}"]
    return stepping(subject, trial.plan.first(found.step + 1), lines, handed=f'[{{"params": [a]}}, {{{second}}}]')
