"""Rules on what is changed while an optimizer lives: its settings, by schedulers, and its parameters."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch

from torchstone.check.optimizers.apart import ACCIDENTS, alone, parting, small
from torchstone.check.optimizers.evidence import shown
from torchstone.check.optimizers.plan import Plan
from torchstone.check.optimizers.scenarios import is_switch, other_value
from torchstone.check.optimizers.script import setting, stepping
from torchstone.check.optimizers.subject import OptimizerSubject
from torchstone.check.optimizers.vocabulary import split
from torchstone.check.probe import Answer
from torchstone.check.result import Finding
from torchstone.check.rule import rule

_AT = 3  # the step, from 0, before which something is changed
_STEPS = 6
_LONG = 30
# Values of hyper-parameters that no definition knows: off their defaults, and within any sensible range.
_OTHER = {"eps": 0.1, "beta1": 0.5, "beta2": 0.5, "beta3": 0.5, "momentum": 0.5, "weight_decay": 0.1}


@rule("O304", "groups-live", kinds=("optimizer",))
def groups_live(subject: OptimizerSubject) -> Iterator[Finding]:
    """What is changed in the groups of a living optimizer acts on the next step, and parameters can be added to it.

    Why: a scheduler writes `group["lr"]`. Where the learning rate was copied at construction, or a step size is
        computed once, every schedule does nothing. Fine-tuning adds groups in mid-run.
    How: two runs that differ in one setting from step 4 on: they have to part at step 4. Each hyper-parameter is
        tried, in the groups, or as an attribute where there are none. Then a parameter is added before step 4: the old
        one goes on as if nothing had happened, the new one begins as in a fresh optimizer.
    False alarms: what acts at construction only by its rule (Rprop's learning rate is the first step size), or one
        step late (ASGD), gets a warning, and so does what keeps a schedule of its own and writes the learning rate
        itself. Where no update rule is known, so do settings other than the learning rate, and how an added parameter
        begins: wrappers such as Lookahead have a count for all.
    Instead: read every hyper-parameter from `group` in `step`, each time.
    """
    yield from _settings(subject)
    if subject.has("add_param_group") and subject.has("param_groups"):
        yield from _added(subject)


@dataclass(frozen=True)
class _Trial:
    """A setting that was changed in mid-run, and when that showed: the step from 0, None for never."""

    name: str
    plan: Plan
    shows: int | None
    by_rule: int | None  # by the definition
    known: bool  # whether there is a definition
    rewritten: bool  # the optimizer writes this setting itself

    @property
    def late(self) -> bool:
        """Whether it shows later than it should, or not at all."""
        should = self.by_rule if self.known else _AT
        return should is not None and (self.shows is None or self.shows > should)


def _settings(subject: OptimizerSubject) -> Iterator[Finding]:
    plan = small(subject, _STEPS, "a")
    base = subject.must(plan)
    trials = [trial for name in subject.names for trial in _trials(subject, name, plan, base)]
    dead = [each for each in trials if each.late and each.shows is None]
    slow = [each for each in trials if each.late and each.shows is not None]
    for each in dead[:1]:
        others = [_spelled(subject, one.name) for one in dead[1:]]
        also = f", nor has one of {', '.join(others)}" if others else ""
        yield _finding(subject, each, f"has no effect{also}")
    for each in slow[:1]:
        assert each.shows is not None
        late = each.shows - _AT
        yield _finding(subject, each, f"acts {late} step{'s' if late > 1 else ''} late")
    for each in trials:
        if each.name == "lr" and each.known and not each.late:
            acts = "has no effect" if each.shows is None else "acts one step late"
            yield _finding(subject, each, f"{acts}, as its rule has it: schedulers don't know that")


def _finding(subject: OptimizerSubject, trial: _Trial, what: str) -> Finding:
    value = trial.plan.changes[_AT][trial.name]
    line = setting(subject, {trial.name: value})[0].partition(".")[2]
    certain = trial.late and not trial.rewritten and (trial.known or (trial.name == "lr" and trial.shows is None))
    cut = trial.plan.first(_AT + 1)
    schedule = ": a scheduler changes nothing" if trial.name == "lr" and trial.shows is None and trial.late else ""
    return Finding(
        f"a change of {_spelled(subject, trial.name)} before step {_AT + 1} {what}{schedule}",
        shown(subject, cut),
        cause="it writes that setting itself, by a schedule of its own"
        if trial.rewritten
        else "it is copied, or used once, at construction"
        if trial.late and trial.shows is None
        else "",
        repro=stepping(subject, cut, [f"print(a.tolist())  # the same without `{line}`"]),
        severity="error" if certain else "warning",
    )


def _spelled(subject: OptimizerSubject, name: str) -> str:
    spelled = subject.names[name]
    base, place = split(spelled)
    index = "" if place is None else f"[{place}]"
    return f'group["{base}"]{index}' if subject.has("param_groups") else f"{base}{index}"


def _trials(subject: OptimizerSubject, name: str, plan: Plan, base: Answer) -> Iterator[_Trial]:
    """The trial of one setting; none where it acts, can't be changed, or does nothing anyhow.

    A learning rate has to act at once; others may need a step more to show.
    """
    value = _value(subject, name)
    if value is None or split(subject.names[name])[0] not in subject.description.attributes:
        return
    changing = plan.with_(changes={_AT: {name: value}})
    changed = subject.run(changing)
    if not changed.ok:
        return
    shows = _parts(plan, changed.tensors, base.tensors)
    if shows == _AT or (shows is not None and (name != "lr" or _rests(base, shows))):
        return
    if shows is None and _shows_later(subject, name, value):
        return
    built = subject.run(plan.with_(hyper={name: value}))
    if not built.ok or _parts(plan, built.tensors, base.tensors) is None:
        return
    try:
        known, by_rule = _by_rule(subject, name, plan, changing)
    except ValueError:  # the rule is for matrices only
        known, by_rule = False, None
    yield _Trial(name, changing, shows, by_rule, known, _rewritten(subject, name, value, changed))


def _shows_later(subject: OptimizerSubject, name: str, value: Any) -> bool:
    """Whether it shows in the end: first steps may be so short that nothing shows, or nothing may move at all."""
    plan = small(subject, _LONG, "a")
    base, changed = subject.run(plan), subject.run(plan.with_(changes={_AT: {name: value}}))
    if not (base.ok and changed.ok):
        return False
    return _rests(base, _LONG) or _parts(plan, changed.tensors, base.tensors) is not None


def _rests(base: Answer, shows: int) -> bool:
    """Whether nothing moves from the change on, whatever is set, until it shows."""
    return bool((base.tensors["a"][_AT - 1 : shows] == base.tensors["a"][_AT - 1]).all())


def _by_rule(subject: OptimizerSubject, name: str, plan: Plan, changing: Plan) -> tuple[bool, int | None]:
    """Whether the update rule knows a setting, and when a change of it shows by that rule."""
    if subject.definition is None or name not in {entry.name for entry in subject.definition.hyper}:
        return False, None
    one, other = (subject.expected(each)["a"].parameters for each in (plan, changing))
    return True, _parts(plan, {"a": torch.from_numpy(other)}, {"a": torch.from_numpy(one)})


def _parts(plan: Plan, one: Any, other: Any) -> int | None:
    found = parting(plan, one, other, 1e-7)
    return None if found is None else found.step


def _value(subject: OptimizerSubject, name: str) -> Any:
    """Another value for a hyper-parameter."""
    now = subject.hyper.get(name)
    if now is None:
        return None
    entries = {entry.name: entry for entry in subject.definition.hyper} if subject.definition is not None else {}
    if name == "lr":
        return float(now) * 0.25 if now else None
    if isinstance(now, bool) or (name in entries and is_switch(entries[name])):
        return not now
    if name in _OTHER:
        return _OTHER[name] if now != _OTHER[name] else _OTHER[name] / 2
    if name in entries:
        value = other_value(entries[name])
        return value if value != now else float(entries[name].default)
    return float(now) * 0.5 or 0.1


def _rewritten(subject: OptimizerSubject, name: str, value: Any, answer: Answer) -> bool:
    base, place = split(subject.names[name])
    groups = answer.facts["settings"]
    if place is not None or not groups or base not in groups[0]:
        return False
    return bool(groups[0][base] != value)


# Groups that are added.


def _added(subject: OptimizerSubject) -> Iterator[Finding]:
    plan = small(subject, _AT + 3, "a", "b").with_(missing={"b": list(range(_AT))})
    if not {split(subject.names.get(name, name))[0] for name in plan.hyper} <= set(subject.description.constructor):
        plan = replace(plan, hyper={})  # set in the groups there are: one that is added has the defaults
    both = plan.with_(options={"groups": [["a"], ["b"]]})
    adding = plan.with_(options={"groups": [["a"]], "additions": [[_AT, ["b"]]]})
    answer, from_the_start = subject.run(adding), subject.run(both)
    if not answer.ok:
        # A function may have put settings into the groups that an added one lacks.
        certain = subject.knowledge != "nothing" and subject.description.form != "factory"
        if answer.during in ("add_param_group", "step") and answer.error_type in ACCIDENTS:
            yield Finding(
                f"where a group is added before step {_AT + 1}, it raises {answer.error}",
                shown(subject, plan.first(_AT + 1)),
                severity="error" if certain and from_the_start.ok else "warning",
            )
        return
    fresh = subject.run(alone(plan, "b"))
    moves = fresh.ok and not torch.equal(fresh.tensors["b"][-1], plan.start["b"])
    if moves and torch.equal(answer.tensors["b"][-1], plan.start["b"]):
        yield Finding(
            f"a parameter of a group that is added before step {_AT + 1} never moves",
            shown(subject, plan),
            repro=_script(subject, plan),
            severity="error" if from_the_start.ok else "warning",
        )
        return
    yield from _compared(subject, plan, answer, from_the_start)


def _compared(subject: OptimizerSubject, plan: Plan, answer: Answer, from_the_start: Answer) -> Iterator[Finding]:
    """The old parameter as if nothing had been added, the new one as one without a gradient so far, or a fresh one."""
    if subject.trait("stochastic"):
        return
    if from_the_start.ok and parting(plan, answer.tensors, from_the_start.tensors) is None:
        return
    if subject.trait("couples_params"):
        return
    steps = {"a": list(range(plan.steps)), "b": list(range(_AT, plan.steps))}
    for name, told in (("a", "an old parameter"), ("b", "the new parameter")):
        fresh = subject.run(alone(plan, name))
        if not fresh.ok:
            return
        got = {name: answer.tensors[name][steps[name]]}
        found = parting(alone(plan, name), got, fresh.tensors)
        same = from_the_start.ok and parting(plan.only(name), answer.tensors, from_the_start.tensors) is None
        if found is None or same:
            continue
        yield Finding(
            f"where a group is added before step {_AT + 1}, {told} moves by {found.moved:.3g} at step "
            f"{steps[name][found.step] + 1}, otherwise by {found.should:.3g}",
            shown(subject, plan),
            found.expected,
            found.got,
            repro=_script(subject, plan),
            severity="error" if name == "a" or subject.knowledge != "nothing" else "warning",
        )
        return


def _script(subject: OptimizerSubject, plan: Plan) -> str:
    before = plan.only("a").first(_AT)
    rest = [
        f"b = torch.nn.Parameter(torch.ones({tuple(plan.start['b'].shape)}, dtype=torch.float64))",
        "optimizer.add_param_group({'params': [b]})",
        "a.grad, b.grad = torch.ones_like(a), torch.ones_like(b)",
        "optimizer.step()",
        "print(a.tolist(), b.tolist())",
    ]
    return stepping(subject, before, rest)
