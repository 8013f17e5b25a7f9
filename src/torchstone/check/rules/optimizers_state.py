"""Rules on what an optimizer remembers: checkpoints, state dicts, copies."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from torchstone.check.optimizers.evidence import shown
from torchstone.check.optimizers.plan import Plan
from torchstone.check.optimizers.script import construction, literal
from torchstone.check.optimizers.subject import OptimizerSubject
from torchstone.check.probe import Answer, Probe
from torchstone.check.repro import imported
from torchstone.check.result import Finding
from torchstone.check.rule import NotApplicable, rule

_AT = 4  # steps before the checkpoint
_STEPS = 9
_LONG = 60
_OUTSIDE = ("self.", "p.")  # attributes of the optimizer, and of a parameter: in no state dict by themselves
_TINY = 1e-6  # of the way so far: what a state kept in float32 changes
# What PyTorch added to its optimizers over the years: checkpoints of before have none of these.
_ADDED = ("maximize", "foreach", "capturable", "differentiable", "fused", "amsgrad")
# How something is computed, and not what.
FLAGS = ("foreach", "fused", "capturable", "differentiable")
# What keeps a state that is off by default.
_KEEPING: Mapping[str, Any] = {"momentum": 0.9, "amsgrad": True, "centered": True, "weight_decay": 0.1}


# The first step (from 1) after which two runs differ, the parameter, both numbers, the distance over the way so far.
Apart = tuple[int, str, float, float, float]


def _asked(subject: OptimizerSubject, action: str, plan: Plan, **options: Any) -> Answer:
    return subject.ask(action, plan.tensors, {**subject.options(plan), "at": _AT, **options})


def _apart(answer: Answer, one: str, other: str, names: Sequence[str]) -> Apart | None:
    """Where two runs of an answer part, if they do."""
    worst: Apart | None = None
    for name in names:
        first, second = (answer.tensors[f"{each}.{name}"].double() for each in (one, other))
        if first.shape != second.shape or not first.numel():
            continue
        first, second = first.reshape(len(first), -1), second.reshape(len(second), -1)
        wrong = (first != second) & ~(first.isnan() & second.isnan())
        if not bool(wrong.any()):
            continue
        step = int(wrong.any(1).int().argmax())
        off = (first - second).abs().nan_to_num(torch.inf)
        way = (first - first[:1]).abs().amax().item() + (first[1:] - first[:-1]).abs().amax(0).sum().item()
        place = int(off[step].argmax())
        relative = float(off.max() / way) if way else torch.inf
        found = (step + 1, name, float(first[step, place]), float(second[step, place]), relative)
        if worst is None or found[0] < worst[0]:
            worst = found
    return worst


def _ordinal(step: int) -> str:
    return "the first step" if step == 1 else f"step {step}"


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
        answer = _asked(subject, "resumed", plan, **options)
        if not answer.ok:
            yield _stopped(subject, answer, text)
            return
        if not told and (answer.facts["save"] or answer.facts["weights_only"]):
            told = True
            yield _unsaved(answer)
        apart = _apart(answer, "whole", "resumed", list(plan.start))
        if apart is None and _names(answer, *_OUTSIDE):
            longer = subject.ordinary(_LONG).with_(hyper=plan.hyper)
            again = _asked(subject, "resumed", longer, **options)
            apart = _apart(again, "whole", "resumed", list(plan.start)) if again.ok else None
        if apart is not None:
            yield _departed(subject, plan, answer, apart, text, options)
            return
    yield from _older(subject)


def _interruptions(subject: OptimizerSubject) -> Iterator[tuple[str, Plan, dict[str, Any]]]:
    """What is interrupted, and when: the plainest first."""
    plan = _calming(subject.ordinary(_STEPS))
    yield "", plan, {}
    groups = {"groups": [[name] for name in plan.start]} if subject.has("param_groups") else {}
    late = {next(iter(plan.start)): list(range(_AT))}
    split = ", in two groups" if groups else ""
    yield f" where the first parameter has had no gradient yet{split}", plan.with_(missing=late), groups
    busy = _busy(subject, plan)
    if busy.hyper:
        told = ", ".join(f"{name}={value!r}" for name, value in subject.build(busy.hyper).items())
        yield f" with {told}", busy, {}
    yield " before the first step", plan, {"at": 0}


def _calming(plan: Plan) -> Plan:
    """The plan with larger gradients before the checkpoint: what remembers the largest shows."""
    scale = torch.ones(plan.steps, dtype=torch.float64)
    scale[:_AT] = 32.0
    return plan.with_(
        gradients={name: each * scale.reshape(-1, *[1] * (each.dim() - 1)) for name, each in plan.gradients.items()}
    )


def _busy(subject: OptimizerSubject, plan: Plan) -> Plan:
    """The plan with all on that keeps a state, where the subject takes that."""
    keeping = {name: value for name, value in _KEEPING.items() if subject.takes(name) and name in subject.hyper}
    busy = plan.with_(hyper=keeping)
    return busy if keeping and subject.run(busy.first(2)).ok else plan


def _names(answer: Answer, *prefixes: str) -> list[str]:
    """What a checkpoint loses, each thing once, with its values where they are short."""
    found: dict[str, str] = {}
    for each in answer.facts.get("lost", ()):
        name = each["name"].partition(" of ")[0]
        if each["name"].startswith(prefixes or ""):
            short = each["had"] != each["has"] and len(each["had"]) < 12 and len(each["has"]) < 12
            found.setdefault(name, f"{name} ({each['had']} then, {each['has']} after loading)" if short else name)
    return list(found.values())


def _listed(names: Sequence[str]) -> str:
    first = [*names[:4], *(["others"] if len(names) > 4 else [])]
    return " and ".join([", ".join(first[:-1]), first[-1]] if len(first) > 1 else first)


def _departed(
    subject: OptimizerSubject,
    plan: Plan,
    answer: Answer,
    apart: Apart,
    text: str,
    options: Mapping[str, Any],
) -> Finding:
    step, _, expected, got, relative = apart
    where = text or f" after step {options.get('at', _AT)}"
    cause, random = _cause(answer)
    cast = [f"{key} is {before}, and {after} after loading" for key, (before, after) in answer.facts["cast"].items()]
    rounded = relative <= _TINY
    return Finding(
        f"from a checkpoint{where}, a parameter is {got:.17g} after {_ordinal(step)}; in the run that was not "
        f"interrupted it is {expected:.17g}"
        if rounded
        else f"from a checkpoint{where}, a parameter is {got:.9g} after {_ordinal(step)}; in the run that was not "
        f"interrupted it is {expected:.9g}",
        shown(subject, plan) if plan.steps <= _STEPS else {},
        expected,
        got,
        cause=_listed(cast) if rounded and cast else cause,
        repro="" if text else _script(subject, plan, _AT),
        severity="note" if rounded and cast else "warning" if rounded or random else None,
    )


def _cause(answer: Answer) -> tuple[str, bool]:
    """What a checkpoint loses, as a sentence; and whether that is a stream of random numbers, and nothing else."""
    mine, kept = _names(answer, *_OUTSIDE), [name for name in _names(answer) if not name.startswith(_OUTSIDE)]
    random = all(each["had"] == "Generator" for each in answer.facts["lost"] if each["name"].startswith(_OUTSIDE))
    if mine:
        return f"{_listed(mine)}: kept on an object, and not in the state dict", random
    return f"{_listed(kept)}: not restored by load_state_dict" if kept else "", False


def _script(subject: OptimizerSubject, plan: Plan, at: int, how: str = "load") -> str:
    """The same with one small parameter and one gradient, where that shows it."""
    shape = [1] * len(subject.shapes["a"]) if subject.spec.usage.get("dims") else [1]
    value = torch.ones(shape, dtype=torch.float64)
    small = Plan({"a": value}, {"a": (value / 2).expand(_STEPS, *shape).contiguous()}, plan.hyper)
    answer = _asked(subject, "resumed", small, at=at)
    apart = _apart(answer, "whole", "resumed", ["a"]) if answer.ok else None
    if apart is None or subject.spec.usage:
        return ""
    built = construction(subject, small)
    made = imported(subject.spec.target, built, "optimizer")
    return "\n".join(
        [
            "import torch",
            *made[:-1],
            "",
            f"a = torch.nn.Parameter({literal(value)})",
            made[-1],
            f"for _ in range({at}):",
            f"    a.grad = {literal(value / 2)}",
            "    optimizer.step()",
            "b = torch.nn.Parameter(a.detach().clone())",
            f"fresh = {built.replace('[a]', '[b]')}",
            "fresh.load_state_dict(optimizer.state_dict())",
            f"for _ in range({apart[0]}):",
            *(f"    {name}.grad = {literal(value / 2)}" for name in "ab"),
            "    optimizer.step()",
            "    fresh.step()",
            "print((a - b).item())  # expected 0",
        ]
    )


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
    plan = subject.ordinary(_STEPS)
    if _asked(subject, "resumed", plan, without=known).ok:
        return
    for name in known:
        answer = _asked(subject, "resumed", plan, without=[name])
        options = {**subject.options(plan), "at": _AT, "without": [name]}
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
    plan = subject.ordinary(_STEPS)
    subject.must(plan.first(1))
    same = _asked(subject, "resumed", plan)
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
                    f"the optimizer that loads a checkpoint of {name}={_chosen(subject)[name]!r} is at {apart[3]:.9g} "
                    f"after {_ordinal(apart[0])}, and not at {apart[2]:.9g}",
                    expected=apart[2],
                    got=apart[3],
                )
            break


def _kept_outside(subject: OptimizerSubject, plan: Plan, same: Answer) -> Iterator[Finding]:
    mine = _names(same, *_OUTSIDE)
    if not mine:
        return
    longer = _asked(subject, "resumed", subject.ordinary(_LONG))
    apart = _apart(longer, "whole", "resumed", list(plan.start)) if longer.ok else None
    if apart is not None and apart[-1] > _TINY:
        yield Finding(
            f"{_listed(mine)} changes as it steps, and is not in the state dict",
            expected=apart[2],
            got=apart[3],
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
        return [[each * 0.9 for each in value]]
    if isinstance(value, int) and value:
        return [value + 1, value * 2]
    if isinstance(value, (int, float)):
        return [value * 0.9, value * 1.1] if value else [0.1, 1]
    return []


def _goes_on(
    subject: OptimizerSubject, plan: Plan, same: Answer, other: Mapping[str, Any]
) -> tuple[bool, Apart | None]:
    """Whether the optimizer runs that is built otherwise and loads the same, and where it goes elsewhere."""
    answer = _asked(subject, "resumed", plan, other=dict(other))
    if not answer.ok:
        return False, None
    both = Answer({}, {**_prefixed(same, "same"), **_prefixed(answer, "other")})
    return True, _apart(both, "same", "other", list(plan.start))


def _prefixed(answer: Answer, prefix: str) -> dict[str, Tensor]:
    return {
        f"{prefix}.{name.partition('.')[2]}": value
        for name, value in answer.tensors.items()
        if name.startswith("resumed.")
    }


@rule("O403", "dict-hygiene", kinds=("optimizer",), severity="note")
def dict_hygiene(subject: OptimizerSubject) -> Iterator[Finding]:
    """A state dict is a record: asking for it changes nothing, and what loads it leaves it as it was.

    Why: a checkpoint in memory (of the best epoch, of a fold of cross-validation) that later steps write into is
        another one when it is needed.
    How: `state_dict()` is called before each step, and the run has to be the same as without. A dict is loaded by a
        fresh optimizer, which then takes steps: the dict must not change. It has to hold tensors, numbers and text
        alone. Under bfloat16 parameters, the state has to have the dtype after loading that it had before.
    False alarms: PyTorch's own base class gives a loader the dict's tensors, and casts every state to its parameter's
        dtype; where a subject inherits that, it is a note, but for a float32 state that is lost so: a warning.
    Instead: `copy.deepcopy(optimizer.state_dict())` where it is to be kept. In a `load_state_dict` of its own, clone.
    """
    subject.needs("state_dict", "load_state_dict")
    subject.must(subject.ordinary(1))
    plan = _busy(subject, subject.ordinary(8))
    answer = _asked(subject, "checkpoints", plan)
    if not answer.ok:
        raise NotApplicable("no state dict of it loads: see O401")
    facts = answer.facts
    apart = _apart(answer, "plain", "asked", list(plan.start))
    if apart is not None:
        yield Finding(
            f"asking for the state dict changes the run: with state_dict() before each step a parameter is "
            f"{apart[3]:.9g} after {_ordinal(apart[0])}, without it {apart[2]:.9g}",
            expected=apart[2],
            got=apart[3],
            severity="error",
        )
    if facts["written"]:
        yield Finding(f"loading a state dict changes it: {_listed(facts['written'])}", severity="warning")
    if facts["stepped"]:
        inherited = "" if facts["own"] else " (so does PyTorch's own base class)"
        yield Finding(
            f"steps after loading write into the dict that was loaded ({_listed(facts['stepped'])}): two optimizers "
            f"that load it share their state{inherited}",
            severity="warning" if facts["own"] else "note",
        )
    if facts["odd"]:
        place, kind = facts["odd"][0]
        yield Finding(f"the state dict holds more than tensors, numbers and text: {place} is {kind}")
    yield from _cast(subject)


def _cast(subject: OptimizerSubject) -> Iterator[Finding]:
    """What loading makes of a state whose dtype is not its parameter's."""
    answer = _asked(subject, "checkpoints", subject.ordinary(8, torch.bfloat16))
    cast = answer.facts.get("dtypes", {}) if answer.ok else {}
    for key, (before, after, count) in cast.items():
        lost = before in ("float32", "float64") and after in ("bfloat16", "float16") and count > 1
        yield Finding(
            f"under bfloat16 parameters, {key} is {before}, and {after} after loading: a resumed run goes on "
            "with rounded state" + ("" if answer.facts["own"] else " (PyTorch's base class casts it)"),
            expected=before,
            got=after,
            severity="warning" if lost else "note",
        )
        return


@rule("O404", "copy", kinds=("optimizer",), severity="warning")
def copied(subject: OptimizerSubject) -> Iterator[Finding]:
    """A copy of parameters and optimizer goes on as the original does, and leaves that alone.

    Why: line searches, population-based training, look-aheads and averaged models copy both, and step the copy.
    How: after four steps `copy.deepcopy((parameters, optimizer))`, and the same through pickle; the copy goes on with
        the gradients that the original gets in a run that nothing interrupted, and has to be where that is, bit by bit.
        Then the original goes on, and has to be there, too: what it shares with its copy shows.
    False alarms: PyTorch's base class copies `state`, `param_groups` and `defaults` alone, and so attributes of a
        subclass are missing in its copies, unless it has a `__getstate__`. What cannot be pickled is a note.
    Instead: state by parameter, not by `id(parameter)`, which is another one in the copy; no lambda as an attribute.
    """
    subject.must(subject.ordinary(1))
    plan = _busy(subject, subject.ordinary(_STEPS))
    for how, text in (("copy", "copy.deepcopy"), ("pickle", "a round trip through pickle")):
        answer = _asked(subject, "copied", plan, how=how)
        if not answer.ok:
            raised = "raises" if answer.during == how else "gives an optimizer that cannot step: it raises"
            yield Finding(f"{text} {raised} {answer.error}", severity="note" if how == "pickle" else None)
            return
        for run, said in (
            ("copy", f"after {text} the copy"),
            ("after", f"after {text} and steps of the copy, the original"),
        ):
            apart = _apart(answer, "whole", run, list(plan.start))
            if apart is not None:
                lost = _names(answer)
                yield Finding(
                    f"{said} is at {apart[3]:.9g} after {_ordinal(apart[0])}; without a copy it is at {apart[2]:.9g}",
                    expected=apart[2],
                    got=apart[3],
                    cause=f"not the same in the copy: {_listed(lost)}" if lost else "",
                )
                return
