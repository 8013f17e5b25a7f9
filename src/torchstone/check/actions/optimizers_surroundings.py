"""What the rules of an optimizer's surroundings ask: schedulers, hooks, the compiler, and everything that isn't its."""

import logging
import math
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache, partial
from typing import Any

import torch
from torch import Tensor
from torch.optim import lr_scheduler
from torch.optim import optimizer as hooks

from torchstone.check.actions import action
from torchstone.check.actions.optimizers import bench_of, gradients_at
from torchstone.check.actions.optimizers_training import Path, add, kept_tensors, stacked, steps_of
from torchstone.check.actions.transforms import fresh_compiler
from torchstone.check.held import SubjectError, seeded, subject_code
from torchstone.check.optimizers.bench import Bench
from torchstone.check.optimizers.build import HeldOptimizer
from torchstone.check.probe import Answer
from torchstone.check.settings import GENERATORS, Watch, generators, restored

SCHEDULERS: Mapping[str, Callable[[Any], Any]] = {
    "LambdaLR": lambda it: lr_scheduler.LambdaLR(it, lambda epoch: 0.9**epoch),
    "MultiplicativeLR": lambda it: lr_scheduler.MultiplicativeLR(it, lambda epoch: 0.9),
    "StepLR": lambda it: lr_scheduler.StepLR(it, 3),
    "MultiStepLR": lambda it: lr_scheduler.MultiStepLR(it, [2, 5]),
    "ConstantLR": lambda it: lr_scheduler.ConstantLR(it, total_iters=3),
    "LinearLR": lambda it: lr_scheduler.LinearLR(it, total_iters=5),
    "ExponentialLR": lambda it: lr_scheduler.ExponentialLR(it, 0.9),
    "PolynomialLR": lambda it: lr_scheduler.PolynomialLR(it, 12),
    "CosineAnnealingLR": lambda it: lr_scheduler.CosineAnnealingLR(it, 8),
    "CosineAnnealingWarmRestarts": lambda it: lr_scheduler.CosineAnnealingWarmRestarts(it, 4),
    "ReduceLROnPlateau": lambda it: lr_scheduler.ReduceLROnPlateau(it, patience=1),
    "CyclicLR": lambda it: lr_scheduler.CyclicLR(it, 0.001, 0.01, 3),
    "OneCycleLR": lambda it: lr_scheduler.OneCycleLR(it, 0.01, 12),
    "CyclicLR(cycle_momentum=False)": lambda it: lr_scheduler.CyclicLR(it, 0.001, 0.01, 3, cycle_momentum=False),
    "OneCycleLR(cycle_momentum=False)": lambda it: lr_scheduler.OneCycleLR(it, 0.01, 12, cycle_momentum=False),
    "SequentialLR": lambda it: lr_scheduler.SequentialLR(
        it, [lr_scheduler.ConstantLR(it, total_iters=3), lr_scheduler.ExponentialLR(it, 0.9)], [3]
    ),
    "ChainedScheduler": lambda it: lr_scheduler.ChainedScheduler(
        [lr_scheduler.ConstantLR(it, total_iters=3), lr_scheduler.ExponentialLR(it, 0.9)]
    ),
}


@action
def scheduled(held: HeldOptimizer, options: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Answer:
    """Ten steps of each scheduler, with a first one of the optimizer.

    Facts: "rate", whether there is a learning rate to be scheduled; "schedulers": {name: {"error": what was raised,
    "rates": the learning rates, "expected": those of a plain optimizer under the same scheduler}}; "own", the learning
    rates without any.
    """
    found = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        bare = bench_of(held, options, tensors)
        if "lr" not in next(iter(bare.settings()), {}):
            return Answer({"rate": False})
        own = _rates(bare, options, tensors, None)
        for name, make in SCHEDULERS.items():
            bench = bench_of(held, options, tensors)
            told: dict[str, Any] = {"error": "", "rates": [], "expected": _expected_rates(name, own[0])}
            try:
                told["rates"] = _rates(bench, options, tensors, make)
            except SubjectError as error:
                told["error"] = str(error)
            found[name] = told
    return Answer({"rate": True, "schedulers": found, "own": own})


@cache
def _expected_rates(name: str, lr: float) -> list[float]:
    plain = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=lr, momentum=0.9)
    return _advanced(SCHEDULERS[name](plain), plain)


def _rates(
    bench: Bench, options: Mapping[str, Any], tensors: Mapping[str, Tensor], make: Callable[[Any], Any] | None
) -> list[float]:
    with subject_code("the scheduler"):
        scheduler = make(bench.optimizer) if make is not None else None
    first = _rate(bench.optimizer)
    bench.step(gradients_at(0, options, tensors))
    with subject_code("the scheduler"):
        rates = _advanced(scheduler, bench.optimizer)
    return [first, *rates[1:]]


def _rate(optimizer: Any) -> float:
    """The learning rate of the first group; NaN where it is None: the optimizer finds one itself."""
    rate = optimizer.param_groups[0]["lr"]
    return math.nan if rate is None else float(rate)


def _advanced(scheduler: Any, optimizer: Any) -> list[float]:
    """The learning rate of the first group at each of ten steps."""
    rates = []
    for _ in range(10):
        rates.append(_rate(optimizer))
        if isinstance(scheduler, lr_scheduler.ReduceLROnPlateau):
            scheduler.step(1.0)
        elif scheduler is not None:
            scheduler.step()
    return rates


@action
def hooked(held: HeldOptimizer, options: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Answer:
    """Two steps, and a state dict that is taken and loaded, with every hook.

    Facts: "steps", for each step the hooks in order, [name, whether the parameters had moved]; "dicts", the hooks of
    state dicts that fired; "raised", what a registration raised: {name: error}.
    """
    bench = bench_of(held, options, tensors)
    raised: dict[str, str] = {}
    events: list[list[Any]] = []
    fired: list[str] = []
    before = bench.values()

    def stepping(name: str) -> Callable[..., None]:
        def hook(*_: Any) -> None:
            now = bench.values()
            events.append([name, any(not torch.equal(now[each], before[each]) for each in now)])

        return hook

    def noting(name: str) -> Callable[..., None]:
        return lambda *_: fired.append(name)

    steps = []
    taken = [
        hooks.register_optimizer_step_pre_hook(stepping("global pre")),
        hooks.register_optimizer_step_post_hook(stepping("global post")),
    ]
    try:
        for name, hook in {
            **{f"step_{when}": stepping(when) for when in ("pre", "post")},
            **{name: noting(name) for name in DICT_HOOKS},
        }.items():
            try:
                with subject_code("registration"):
                    getattr(bench.optimizer, f"register_{name}_hook")(hook)
            except SubjectError as error:
                raised[name] = str(error)
        for step in range(2):
            before = bench.values()
            events.clear()
            bench.step(gradients_at(step, options, tensors))
            steps.append(list(events))
    finally:
        for each in taken:
            each.remove()
    if not raised:
        with subject_code("state_dict"):
            bench.optimizer.load_state_dict(bench.optimizer.state_dict())
    return Answer({"steps": steps, "dicts": fired, "raised": raised})


DICT_HOOKS = ("state_dict_pre", "state_dict_post", "load_state_dict_pre", "load_state_dict_post")


@action
def compiled_steps(held: HeldOptimizer, options: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Answer:
    """The path with `torch.compile(optimizer.step)`; a learning rate changes on the way where "changes" says so."""
    bench = bench_of(held, options, tensors)
    path: Path = {}
    with fresh_compiler(), _quiet(), seeded(0):
        compiled = torch.compile(bench.optimizer.step, backend="eager")
        for step in range(steps_of(tensors)):
            for at, group, settings in options.get("changes", ()):
                if at == step:
                    bench.put(settings, group)
            bench.give(gradients_at(step, options, tensors))
            with subject_code("step"):
                compiled()
            add(path, bench)
    return Answer({}, stacked(path))


@contextmanager
def _quiet() -> Iterator[None]:
    """Neither warnings nor the compiler's notes on graphs that break."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


@action
def isolated(held: HeldOptimizer, options: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Answer:
    """What is other than before, after construction and steps, of what is not the optimizer's.

    Facts: "changed" lists global settings ("name", "during", "before", "after"); "drawn" the generators that a step
    moved on, "seeded" those that it, or the construction, set to a state of its own; "outside" what happened to memory
    next to the parameters, or to parameters that were not handed over.
    """
    with restored():  # what is imported on the way may change settings once
        _round(held, options, tensors, [])
    changed: list[dict[str, Any]] = []
    rounds = []
    for seed in (1, 2):
        with restored(), seeded(seed):
            changed = []
            rounds.append(_round(held, options, tensors, changed))
    first, second = rounds
    places = [(name, at) for name in GENERATORS for at in (1, 2) if first[at][name] != first[at - 1][name]]
    ours = {name for name, at in places if first[at][name] == second[at][name]}
    drawn = {name for name, at in places if at == 2} - ours
    return Answer(
        {
            "changed": changed,
            "drawn": sorted(drawn),
            "seeded": sorted(ours),
            "outside": _outside(held, options, tensors),
        }
    )


def _round(
    held: HeldOptimizer, options: Mapping[str, Any], tensors: Mapping[str, Tensor], changed: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Build and step; the generators' states before, between and after."""
    bench = bench_of(held, options, tensors)
    watch = Watch(changed)
    states = [generators()]
    bench.optimizer = held.build(list(bench.parameters.values()), options.get("build"), seed=None)
    watch.compare("construction")
    states.append(generators())
    for step in range(min(steps_of(tensors), 3)):
        bench.step(gradients_at(step, options, tensors))
    watch.compare("step")
    return [*states, generators()]


def _outside(held: HeldOptimizer, options: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> list[str]:
    """Steps of an optimizer whose parameters lie in a larger piece of memory, beside parameters that aren't its."""
    bench = bench_of(held, options, tensors)
    wide = {}
    for name, start in bench.values().items():
        wide[name] = torch.full((start.numel() + 8,), 7.0, dtype=start.dtype)
        bench.parameters[name] = torch.nn.Parameter(wide[name][4:-4].view(start.shape).copy_(start))
    bench.optimizer = held.build(list(bench.parameters.values()), options.get("build"))
    other = torch.nn.Parameter(torch.full((2, 3), 7.0))
    other.grad = torch.ones(2, 3)
    for step in range(min(steps_of(tensors), 3)):
        bench.step(gradients_at(step, options, tensors))
    if callable(getattr(bench.optimizer, "zero_grad", None)):
        with subject_code("zero_grad"):
            bench.optimizer.zero_grad()
    found = []
    if any(bool((memory[part] != 7.0).any()) for memory in wide.values() for part in (slice(4), slice(-4, None))):
        found.append("memory beside its parameters is written to")
    if bool((other.detach() != 7.0).any()):
        found.append("a parameter that it was not given moves")
    if other.grad is None or bool((other.grad != 1.0).any()):
        found.append("the gradient of a parameter that it was not given is changed")
    return found


@action
def growth(held: HeldOptimizer, options: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Answer:
    """How much an optimizer keeps as it goes on: option "steps", "at" the steps (from 1) at which it is counted.

    Facts: "counts", a list of [step, {"tensors": ..., "numbers": ...}]; "where", the attribute whose
    tensors have become more between the last two counts.
    """
    bench = bench_of(held, options, tensors)
    counts: list[Any] = []
    places: list[dict[str, int]] = []
    with seeded(0):
        for step in range(options["steps"]):
            bench.step(gradients_at(step % steps_of(tensors), options, tensors))
            if step + 1 in options["at"]:
                kept = list(kept_tensors(bench.optimizer)) + list(_kept_elsewhere(bench.optimizer))
                counts.append([step + 1, {"tensors": len(kept), "numbers": sum(each.numel() for _, each in kept)}])
                places.append(_by_attribute(path for path, _ in kept))
    where = [name for name, count in places[-1].items() if count > places[-2].get(name, 0)]
    return Answer({"counts": counts, "where": where})


def _by_attribute(paths: Iterable[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for path in paths:
        name = path.partition("[")[0]
        found[name] = found.get(name, 0) + 1
    return found


def _kept_elsewhere(built: Any) -> Iterator[tuple[str, Tensor]]:
    """Tensors in containers of its classes and of their modules, where those are not PyTorch's own."""
    for owner in type(built).__mro__:
        if owner is object or owner.__module__.partition(".")[0] == "torch":
            continue
        for name, value in list(vars(owner).items()):
            if isinstance(value, (list, dict, set)):
                yield from kept_tensors(value, f"{owner.__name__}.{name}")
        module = sys.modules.get(owner.__module__)
        for name, value in list(vars(module).items()) if module is not None else ():
            if isinstance(value, (list, dict, set)) and not name.startswith("__"):
                yield from kept_tensors(value, name, 3)


@action
def together(held: HeldOptimizer, options: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Answer:
    """The path while another optimizer of the same kind takes steps in between, over parameters of its own.

    Options: "other", arguments of that one. Tensors: the path, and "alone.NAME" that of one alone.
    """
    bench = bench_of(held, options, tensors)
    other_options = {**options, "build": {**options.get("build", {}), **options.get("other", {})}}
    other = bench_of(held, other_options, {name: each * -2.0 for name, each in tensors.items()})
    path: Path = {}
    for step in range(steps_of(tensors)):
        gradients = gradients_at(step, options, tensors)
        other.step({name: None if each is None else each * 5.0 for name, each in gradients.items()})
        with seeded(step):
            bench.step(gradients)
        add(path, bench)
    alone = bench_of(held, options, tensors)
    straight: Path = {}
    for step in range(steps_of(tensors)):
        with seeded(step):
            alone.step(gradients_at(step, options, tensors))
        add(straight, alone)
    return Answer({}, {**stacked(path), **stacked(straight, "alone.")})


@action
def delegations(held: HeldOptimizer, options: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Answer:
    """Which of PyTorch's own optimizers a construction and a step run: facts "functions", and "home", its module."""
    functions: set[str] = set()

    def watch(frame: Any, event: str, argument: Any) -> None:
        module = frame.f_globals.get("__name__", "")
        if event == "call" and module.startswith("torch.optim.") and module.rpartition(".")[2] not in _COMMON:
            functions.add(f"{module}.{frame.f_code.co_name}")

    watched = sys.getprofile()
    sys.setprofile(watch)
    try:
        bench = bench_of(held, options, tensors)
        bench.step(gradients_at(0, options, tensors))
    finally:
        sys.setprofile(watched)
    inside = held.thing.func if isinstance(held.thing, partial) else held.thing
    home = inside if held.form in ("class", "factory") else type(inside)
    return Answer({"functions": sorted(functions), "home": getattr(home, "__module__", "") or ""})


_COMMON = ("optimizer", "lr_scheduler", "swa_utils")
