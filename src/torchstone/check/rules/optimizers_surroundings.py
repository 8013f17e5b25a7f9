"""An optimizer and what is around it: schedulers, hooks, the compiler, and everything that is not its own."""

import math
from collections.abc import Iterator
from typing import Any

from torchstone.check.asking import granted
from torchstone.check.optimizers.evidence import apart, shown
from torchstone.check.optimizers.script import stepping
from torchstone.check.optimizers.subject import OptimizerSubject
from torchstone.check.optimizers.vocabulary import own_name
from torchstone.check.result import Finding
from torchstone.check.rule import NotApplicable, rule

_SAME = 1e-9  # of the way so far
_COMPILED = 1e-3  # compiled, PyTorch's own compute bias corrections in float32: 1 - 0.999 keeps three digits


@rule("O503", "schedulers", kinds=("optimizer",), severity="warning")
def schedulers(subject: OptimizerSubject) -> Iterator[Finding]:
    """Every scheduler of PyTorch works with it, those that cycle the momentum among them.

    Why: a schedule belongs to most recipes. `OneCycleLR` looks for `momentum` or `betas` among the defaults; an
        optimizer that calls them `beta1` and `beta2` cannot be trained with it.
    How: ten steps under each scheduler of `torch.optim.lr_scheduler`. None may raise, and the learning rates in the
        group have to be those that a plain SGD gets. Where an optimizer has no momentum at all, only the schedules
        that leave it alone are tried.
    False alarms: an optimizer that changes its own learning rates is not held to them. Schedulers refuse what does not
        derive from `torch.optim.Optimizer`; nor is it looked at here.
    Instead: `defaults = {"lr": lr, "betas": betas, ...}` in `super().__init__(params, defaults)`.
    """
    if not subject.description.is_module:
        raise NotApplicable("schedulers take torch.optim.Optimizer alone")
    plan = subject.ordinary(3)
    answer = granted(subject.ask("scheduled", plan.tensors, subject.options(plan)))
    if not answer.facts["rate"]:
        yield Finding('its groups hold no "lr": no scheduler of PyTorch finds the learning rate')
        return
    own = answer.facts["own"]
    if any(math.isnan(rate) for rate in own):
        raise NotApplicable("its learning rate is None: it finds one itself")
    wrong: dict[str, list[str]] = {}
    steady = len(set(own)) == 1
    for name, told in answer.facts["schedulers"].items():
        if told["error"]:
            if "momentum" in told["error"] and name in _CYCLING and not _momentum(subject):
                continue
            wrong.setdefault(f"raises {told['error']}", []).append(name)
        elif steady and any(abs(x - y) > 1e-6 * y for x, y in zip(told["rates"], told["expected"], strict=True)):
            wrong.setdefault("does not get its learning rates into the group", []).append(name)
    for what, names in wrong.items():
        cycling = set(names) <= set(_CYCLING)
        yield Finding(
            f"{_listed(names)} {what}",
            cause=f"its momentum is called {_momentum(subject)}" if cycling and "momentum" in what else "",
            repro=stepping(subject, plan.only("a").first(1), ["", _SCRIPTS[names[0]]]) if names[0] in _SCRIPTS else "",
        )


_CYCLING = ("CyclicLR", "OneCycleLR")
_SCRIPTS = {
    "CyclicLR": "torch.optim.lr_scheduler.CyclicLR(optimizer, 0.001, 0.01)  # expected no exception",
    "LambdaLR": "torch.optim.lr_scheduler.LambdaLR(optimizer, lambda epoch: 0.9**epoch)  # expected no exception",
}


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"each of {', '.join(names)}"


def _momentum(subject: OptimizerSubject) -> str:
    """What it calls its momentum; "" where it has none."""
    known = {**subject.description.constructor, **subject.description.attributes}
    found = (own_name(name, known) for name in ("beta1", "momentum"))
    return next((each for each in found if each and each in _MOMENTA), "")


# A plain "beta" or "mu" may be anything.
_MOMENTA = ("betas[0]", "beta1", "beta_1", "b1", "beta[0]", "momentum", "momentum_factor", "mom")


@rule("O504", "hooks", kinds=("optimizer",), severity="warning")
def hooks(subject: OptimizerSubject) -> Iterator[Finding]:
    """Hooks on steps and on state dicts are called, before and after what they are about.

    Why: profilers, parameter averages and sharded training hang on these hooks. A wrapper that does not call
        `super().__init__()`, or has its own `state_dict`, never calls them.
    How: hooks before and after a step, the global ones among them, and those of `state_dict` and `load_state_dict` are
        registered; two steps are taken, a state dict is taken and loaded. The first hook has to come before the
        parameters move, the last one after.
    False alarms: a subclass of one of PyTorch's own optimizers calls the hooks of a step twice, for PyTorch hooks both
        classes: that passes. What has no hooks at all is not looked at.
    Instead: derive from `torch.optim.Optimizer`, call `super().__init__(params, defaults)`, and leave `step` a method.
    """
    subject.needs("register_step_pre_hook", "state_dict", "load_state_dict")
    plan = subject.ordinary(2)
    answer = granted(subject.ask("hooked", plan.tensors, subject.options(plan)))
    raised = answer.facts["raised"]
    if raised:
        name, error = next(iter(raised.items()))
        yield Finding(f"register_{name}_hook raises {error}")
        return
    for events in answer.facts["steps"]:
        names = [name for name, _ in events]
        missing = [name for name in ("pre", "post", "global pre", "global post") if name not in names]
        if missing:
            yield Finding(f"a step does not call its hooks: {', '.join(missing)}")
            return
        moved = [name for name, moved in events[:2] if name.endswith("pre") and moved]
        early = [name for name, moved in events[-2:] if name.endswith("post") and not moved]
        if moved or early:
            yield Finding(
                f"the hook {(moved + early)[0]!r} comes {'after' if moved else 'before'} the parameters have moved"
            )
            return
    known = ("state_dict_pre", "state_dict_post", "load_state_dict_pre", "load_state_dict_post")
    silent = [name for name in known if name not in answer.facts["dicts"]]
    if silent:
        yield Finding(f"these hooks are never called: {', '.join(f'register_{name}_hook' for name in silent)}")


@rule("O507", "compile-step", kinds=("optimizer",), tier="full", severity="warning")
def compile_step(subject: OptimizerSubject) -> Iterator[Finding]:
    """A compiled step goes where the step goes.

    Why: `torch.compile(optimizer.step)` fuses the whole update. What Python computed once while it was traced, such
        as a bias correction, must not be frozen in it.
    How: `torch.compile` with the backend "eager", which traces and compiles nothing: four steps, with a learning rate
        that changes, against the same steps without.
    False alarms: what raises there is a note. Optimizers that require a closure are not looked at.
    Instead: keep what changes from step to step in tensors, or in the optimizer's state.
    """
    if subject.spec.usage.get("closure") or subject.spec.usage.get("sparse"):
        raise NotApplicable("it needs a closure, or sparse gradients")
    lower = {2: {"lr": 0.5 * float(subject.hyper.get("lr") or 0.01)}} if subject.takes("lr") else {}
    plan = subject.ordinary(4).only("a").with_(changes=lower)
    plain = subject.must(plan)
    answer = subject.ask("compiled_steps", plan.tensors, subject.options(plan))
    if not answer.ok:
        yield Finding(f"under torch.compile its step raises {answer.error}", severity="note")
        return
    found = apart(plan, answer.tensors, plain.tensors, _COMPILED)
    if found is not None:
        yield Finding(f"a compiled step goes elsewhere: {found.place}", shown(subject, plan), found.expected, found.got)


@rule("O508", "isolation", kinds=("optimizer",), after=("G001",))
def isolation(subject: OptimizerSubject) -> Iterator[Finding]:
    """It changes its parameters and its own state, and nothing else; and what it keeps does not grow.

    Why: a `torch.manual_seed(0)` in a step makes every dropout repeat itself; state on the class makes two optimizers
        disturb each other (a GAN has two); a list that takes up every gradient fills the memory.
    How: global settings, random numbers, memory beside the parameters, a parameter that it was not given and its
        gradient are compared before and after construction and steps; two optimizers of the same kind take turns, and
        each has to go as if it were alone; the tensors that it keeps are counted as 30 steps go by, and where they
        become more, with its whole numbers small, and as 300 go by.
    False alarms: random numbers may be drawn by what depends on them. Others that are drawn are a warning where no
        definition is known, or where an argument may have turned off what needs them. A history of a bounded length,
        as of L-BFGS, may grow up to its bound.
    Instead: state on `self.state[p]`, made in `__init__` or at the first step; a `torch.Generator` of one's own.
    """
    plan = subject.ordinary(6)
    subject.must(plan)
    yield from _global_state(subject)
    other = {"lr": 3.0 * float(subject.hyper.get("lr") or 0.01)} if subject.takes("lr") else {}
    options = {**subject.options(plan), "other": subject.build(other)}
    answer = subject.ask("together", plan.tensors, options)
    if answer.ok:
        alone = {name: answer.tensors[f"alone.{name}"] for name in plan.start}
        found = apart(plan, answer.tensors, alone, _SAME)
        if found is not None:
            yield Finding(
                f"another optimizer of the same kind, over other parameters, changes where it goes: {found.place}",
                shown(subject, plan),
                found.expected,
                found.got,
                cause="state on the class, in a default argument or in a global is shared between the two",
            )
            return
    yield from _growing(subject)


def _global_state(subject: OptimizerSubject) -> Iterator[Finding]:
    plan = subject.ordinary(3)
    answer = subject.ask("isolated", plan.tensors, subject.options(plan))
    if not answer.ok:
        return
    facts = answer.facts
    for change in facts["changed"]:
        yield Finding(
            f"its {change['during']} changes {change['name']}: {change['before']} before, {change['after']} after"
            if change["name"] != "the warning filters"
            else f"its {change['during']} changes the warning filters of the whole process",
            expected=change["before"],
            got=change["after"],
        )
    for name in facts["seeded"]:
        yield Finding(f"it seeds {name} random numbers: all that are drawn afterwards repeat themselves")
    if facts["drawn"] and not subject.trait("stochastic"):
        yield Finding(
            f"a step draws from {' and '.join(facts['drawn'])} random numbers, and goes where it goes without them",
            severity=None if subject.definition is not None and not _may_be_off(subject) else "warning",
        )
    for what in facts["outside"]:
        yield Finding(what)


def _may_be_off(subject: OptimizerSubject) -> bool:
    """Whether an argument that the definition does not know is 0: the size of a noise, perhaps."""
    known = {spelled.partition("[")[0] for spelled in subject.names.values()}
    return any(
        name in subject.description.constructor and name not in known and not value
        for name, value in subject.settings.items()
        if isinstance(value, (int, float))
    )


def _growing(subject: OptimizerSubject) -> Iterator[Finding]:
    """Whether the tensors that it keeps become more and more: first as it stands, then with each bound small, or past.

    What is bounded by an argument stops with a small one; what is bounded by a constant stops some time.
    """
    known = subject.description.constructor
    small = {name: 5 for name, value in subject.settings.items() if name in known and type(value) is int and value > 5}
    short, long = (10, 20, 30), (260, 280, 300)
    seen: list[Any] = []
    for counted, build in ((short, {}), *([(short, small)] if small else []), (long, small)):
        plan = subject.ordinary(3).only("a").with_(hyper=build)
        options = {**subject.options(plan), "at": counted, "steps": counted[-1]}
        answer = subject.ask("growth", plan.tensors, options)
        if not answer.ok:
            return
        early, middle, late = (count["numbers"] for _, count in answer.facts["counts"])
        if not late > middle > early:
            return
        seen.append(answer.facts)
    (_, before), (_, after) = seen[0]["counts"][1:]
    named = f" (in {', '.join(seen[0]['where'][:3])})" if seen[0]["where"] else ""
    yield Finding(
        f"what it keeps grows with every step: {before['tensors']} tensors after {short[1]} steps, "
        f"{after['tensors']} after {short[2]}{named}",
        expected=before["tensors"],
        got=after["tensors"],
    )
