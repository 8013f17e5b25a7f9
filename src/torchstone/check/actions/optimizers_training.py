"""What the rules of training ask: closures, graphs that are left behind, scaled gradients, and two modes."""

import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from torchstone.check.actions import action
from torchstone.check.actions.optimizers import bench_of, gradients_at
from torchstone.check.held import SubjectError, seeded, subject_code
from torchstone.check.optimizers.bench import Bench
from torchstone.check.optimizers.build import HeldOptimizer
from torchstone.check.probe import Answer

Path = dict[str, list[Tensor]]


def steps_of(tensors: Mapping[str, Tensor]) -> int:
    """How many steps the gradients are for."""
    return max((len(each) for name, each in tensors.items() if name.startswith("gradient.")), default=0)


def add(path: Path, bench: Bench) -> None:
    """Write down where the parameters are."""
    for name, value in bench.values().items():
        path.setdefault(name, []).append(value)


def stacked(path: Path, prefix: str = "") -> dict[str, Tensor]:
    """A path as an answer holds it."""
    return {prefix + name: torch.stack(values) for name, values in path.items()}


@action
def closures(held: HeldOptimizer, options: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Answer:
    """Steps with a closure that computes a loss and its gradients; before each, the parameters hold other gradients.

    Facts: "takes", whether `step` takes a closure at all; for each step, "calls" (whether gradients were enabled at
    each call of the closure), "losses" (its values) and "returned" (a number, None, or the name of another type).
    Tensors: the path.
    """
    bench = bench_of(held, options, tensors)
    if not _takes_closure(bench):
        return Answer({"takes": False})
    facts: dict[str, list[Any]] = {"calls": [], "losses": [], "returned": []}
    path: Path = {}
    with seeded(0):
        for step in range(steps_of(tensors)):
            gradients = gradients_at(step, options, tensors)
            before = options.get("before", -3.0)
            bench.give({name: None if each is None else before * each for name, each in gradients.items()})
            calls: list[bool] = []
            losses: list[float] = []

            def closure(
                gradients: Mapping[str, Tensor | None] = gradients,
                calls: list[bool] = calls,
                losses: list[float] = losses,
            ) -> Tensor:
                calls.append(torch.is_grad_enabled())
                loss = _loss(bench, gradients)
                losses.append(loss.item())
                return loss

            try:
                with subject_code("step"):
                    returned = bench.optimizer.step(closure)
            finally:
                facts["calls"].append(calls)
                facts["losses"].append(losses)
            facts["returned"].append(_number(returned))
            add(path, bench)
    return Answer({"takes": True, **facts}, stacked(path))


_CLOSURES = ("closure", "closure_fn", "loss_closure", "loss_fn", "loss_func", "func", "fn", "f")


def _takes_closure(bench: Bench) -> bool:
    """Whether the first argument of `step` is a closure: what is called so, or passed on whatever it is."""
    try:
        entries = list(inspect.signature(bench.optimizer.step).parameters.values())
    except (TypeError, ValueError):
        return True
    known = entries and (entries[0].name in _CLOSURES or entries[0].kind is inspect.Parameter.VAR_POSITIONAL)
    return bool(known) or bool(bench.held.spec.usage.get("closure"))


def _loss(bench: Bench, gradients: Mapping[str, Tensor | None]) -> Tensor:
    """A loss of these gradients. Where no graph is recorded they are given, so that what comes next can be seen."""
    parts = [(bench.parameters[name] * each).sum() for name, each in gradients.items() if each is not None]
    loss = torch.stack(parts).sum()
    sparse = bench.held.spec.usage.get("sparse", False)
    if not loss.requires_grad or sparse:
        bench.give(gradients)
        return loss
    for parameter in bench.parameters.values():
        parameter.grad = None
    loss.backward()
    return loss


def _number(returned: Any) -> Any:
    if isinstance(returned, Tensor) and returned.numel() == 1:
        return float(returned.detach())
    if returned is None or (isinstance(returned, (int, float)) and not isinstance(returned, bool)):
        return returned
    return type(returned).__name__


@action
def graphs(held: HeldOptimizer, options: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Answer:
    """What has a graph after steps with plain gradients.

    Facts: "parameters", those that have become a result of something, or want no gradient any more: {name: what};
    "kept", tensors that the optimizer keeps with a graph: {path: [nodes after half of the steps, after all]}.
    """
    bench = bench_of(held, options, tensors)
    steps = steps_of(tensors)
    halfway: dict[str, int] = {}
    with seeded(0):
        for step in range(steps):
            bench.step(gradients_at(step, options, tensors))
            if step == steps // 2:
                halfway = _graphs_in(bench)
    wrong = {}
    for name, each in bench.parameters.items():
        if each.grad_fn is not None:
            wrong[name] = "has a graph"
        elif not each.requires_grad:
            wrong[name] = "wants no gradient any more"
    return Answer(
        {"parameters": wrong, "kept": {path: [halfway.get(path, 0), now] for path, now in _graphs_in(bench).items()}}
    )


def _graphs_in(bench: Bench) -> dict[str, int]:
    own = {id(each) for each in bench.parameters.values()}
    return {
        path: _nodes(each)
        for path, each in kept_tensors(bench.optimizer)
        if each.grad_fn is not None and id(each) not in own
    }


def _nodes(tensor: Tensor, most: int = 2000) -> int:
    """The size of a tensor's graph."""
    seen: set[Any] = set()
    waiting = [tensor.grad_fn]
    while waiting and len(seen) < most:
        node = waiting.pop()
        if node is not None and node not in seen:
            seen.add(node)
            waiting += [after for after, _ in node.next_functions]
    return len(seen)


def kept_tensors(thing: Any, path: str = "", depth: int = 6) -> Iterator[tuple[str, Tensor]]:
    """The tensors that an optimizer keeps in its attributes, by their paths."""
    seen: set[int] = set()

    def within(value: Any, path: str, depth: int) -> Iterator[tuple[str, Tensor]]:
        if isinstance(value, Tensor):
            yield path, value
            return
        if not depth or id(value) in seen or isinstance(value, (str, bytes, type)) or callable(value):
            return
        seen.add(id(value))
        if isinstance(value, Mapping):
            for number, (key, each) in enumerate(value.items()):
                label = repr(key) if isinstance(key, (str, int)) else str(number)
                yield from within(each, f"{path}[{label}]", depth - 1)
        elif isinstance(value, (list, tuple, set, frozenset)) or type(value).__name__ == "deque":
            for number, each in enumerate(value):
                yield from within(each, f"{path}[{number}]", depth - 1)
        elif hasattr(value, "__dict__") and not isinstance(value, torch.nn.Module):
            for name, each in vars(value).items():
                yield from within(each, f"{path}.{name}".removeprefix("."), depth - 1)

    yield from within(thing, path, depth)


@action
def scaled(held: HeldOptimizer, options: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Answer:
    """Steps as a training loop wraps them, by the option "how": a key of `WRAPPED`, at each step.

    Tensors: the path, and "plain.NAME" that of plain steps with the gradients that the wrapping comes to.
    """
    wrapped, plain = bench_of(held, options, tensors), bench_of(held, options, tensors)
    path: Path = {}
    straight: Path = {}
    step_of = WRAPPED[options["how"]]()
    with seeded(0):
        for step in range(steps_of(tensors)):
            given = gradients_at(step, options, tensors)
            asked = step_of(wrapped, {name: each for name, each in given.items() if each is not None}, step)
            add(path, wrapped)
            if asked is not None:
                with seeded(step + 1):
                    plain.step(asked)
            add(straight, plain)
    return Answer({}, {**stacked(path), **stacked(straight, "plain.")})


Step = Callable[[Bench, Mapping[str, Tensor], int], Mapping[str, Tensor] | None]
OVERFLOW = 2  # the step at which a scaled gradient is infinite


def _step(bench: Bench, step: int) -> None:
    with seeded(step + 1), subject_code("step"):
        bench.optimizer.step()


def _scaler() -> Step:
    """Gradients of a loss that a GradScaler multiplies; one of them overflows, and its step is passed over."""
    scaler = torch.amp.GradScaler("cpu", init_scale=4.0)

    def advance(bench: Bench, gradients: Mapping[str, Tensor], step: int) -> Mapping[str, Tensor] | None:
        factor = float(scaler.scale(torch.ones(())))
        given = {name: each * factor for name, each in gradients.items()}
        if step == OVERFLOW:
            next(iter(given.values())).reshape(-1)[0] = torch.inf
        bench.give(given)
        with seeded(step + 1), subject_code("step"):
            scaler.step(bench.optimizer)
        scaler.update()
        return None if step == OVERFLOW else gradients

    return advance


def _clipping() -> Step:
    """Gradients that are clipped in place between backward and step."""

    def advance(bench: Bench, gradients: Mapping[str, Tensor], step: int) -> Mapping[str, Tensor]:
        bench.give(gradients)
        torch.nn.utils.clip_grad_norm_(list(bench.parameters.values()), 0.5)
        clipped = {name: each.grad.clone() for name, each in bench.parameters.items() if each.grad is not None}
        _step(bench, step)
        return clipped

    return advance


def _accumulating() -> Step:
    """Gradients that two backward passes add up, with a `zero_grad` of the optimizer's before them."""

    def advance(bench: Bench, gradients: Mapping[str, Tensor], step: int) -> Mapping[str, Tensor]:
        if callable(getattr(bench.optimizer, "zero_grad", None)):
            with subject_code("zero_grad"):
                bench.optimizer.zero_grad()
        else:
            bench.give(dict.fromkeys(bench.parameters))
        with subject_code("backward"):  # through parameters as the last step left them
            for _ in range(2):
                for name, each in gradients.items():
                    (bench.parameters[name] * (each / 2)).sum().backward()
        _step(bench, step)
        return gradients

    return advance


WRAPPED: Mapping[str, Callable[[], Step]] = {"scaler": _scaler, "clipping": _clipping, "accumulating": _accumulating}


@action
def train_and_eval(held: HeldOptimizer, options: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Answer:
    """Steps with visits to the evaluation mode, one of them before the first step.

    Tensors: "NAME" the path with `eval()` and `train()` after each step, "evaluated.NAME" where `eval()` put the
    parameters, "again.NAME" where a second `eval()` did, "resumed.NAME" the path where a state dict is taken in
    evaluation mode half-way and another optimizer goes on with it. Facts: "stepped", what a step in evaluation mode
    raised; "resumed", what going on with that state dict raised.
    """
    path: Path = {}
    evaluated: Path = {}
    again: Path = {}
    steps = steps_of(tensors)
    bench = bench_of(held, options, tensors)
    _switch(bench, "eval")
    _switch(bench, "train")
    with seeded(0):
        for step in range(steps):
            bench.step(gradients_at(step, options, tensors))
            for kept in (evaluated, again):
                _switch(bench, "eval")
                add(kept, bench)
            _switch(bench, "train")
            _switch(bench, "train")
            add(path, bench)
    facts = {"stepped": "", "resumed": ""}
    _switch(bench, "eval")
    try:
        bench.step(gradients_at(0, options, tensors))
    except SubjectError as error:
        facts["stepped"] = str(error)
    found = {**stacked(path), **stacked(evaluated, "evaluated."), **stacked(again, "again.")}
    if hasattr(bench.optimizer, "state_dict"):
        try:
            found |= stacked(_resumed_from_eval(held, options, tensors), "resumed.")
        except SubjectError as error:
            facts["resumed"] = str(error)
    return Answer(facts, found)


def _switch(bench: Bench, mode: str) -> None:
    with subject_code(mode):
        getattr(bench.optimizer, mode)()


def _resumed_from_eval(held: HeldOptimizer, options: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Path:
    path: Path = {}
    steps = steps_of(tensors)
    bench = bench_of(held, options, tensors)
    with seeded(0):
        for step in range(steps):
            if step == steps // 2:
                _switch(bench, "eval")
                bench = bench.resumed("save", mode="eval")  # that it says the mode itself is more than can be asked
                _switch(bench, "train")
            bench.step(gradients_at(step, options, tensors))
            add(path, bench)
    return path
