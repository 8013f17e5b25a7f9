"""What a subject does to its surroundings, what its surroundings do to it, and whom it calls."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode, resolve_name
from torch.utils._python_dispatch import TorchDispatchMode

from torchstone.check.actions import action
from torchstone.check.actions.call import MODES, prepared, result_of
from torchstone.check.actions.general import backwards, inside
from torchstone.check.actions.state import held_tensors
from torchstone.check.held import Held, SubjectError, parameters, seeded
from torchstone.check.probe import Answer
from torchstone.check.settings import GENERATORS, Watch, generators, restored

SCRIPTED = (torch.jit.ScriptFunction, torch.jit.ScriptModule)


@action
def surroundings(held: Held, options: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Answer:
    """What a subject leaves changed in the process: global settings and random numbers.

    Facts: "changed" lists settings ("name", "during", "before", "after"); "drawn" the generators that a call moved on,
    "seeded" those that it, or the construction, set to a state of its own.
    """
    with restored():  # what is imported on the way may change settings once
        _whole(held, options, tensors, [])
    changed: list[dict[str, Any]] = []
    rounds: list[list[dict[str, Any]]] = []
    for seed in (1, 2):
        with restored(), seeded(seed):
            changed = []
            rounds.append(_whole(held, options, tensors, changed))
    # Not moved on from where it was, but set: two beginnings come to one end.
    first, second = rounds
    steps = [(name, step) for name in GENERATORS for step in (1, 2) if _moved(first, step, name)]
    ours = {name for name, step in steps if first[step][name] == second[step][name]}
    drawn = {name for name in GENERATORS if _moved(first, 2, name)} - ours
    return Answer({"changed": changed, "drawn": sorted(drawn), "seeded": sorted(ours)})


def _moved(states: list[dict[str, Any]], step: int, name: str) -> bool:
    return bool(states[step][name] != states[step - 1][name])


def _whole(
    held: Held, options: Mapping[str, Any], tensors: Mapping[str, Tensor], changed: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Build, call, differentiate; note what is other than before. The generators' states before, between and after."""
    watch = Watch(changed)
    states = [generators()]
    built = held.build(options.get("build"), seed=None)
    watch.compare("construction")
    states.append(generators())
    leaves = prepared(held, options, tensors)
    value = result_of(held, built, inside(leaves))
    watch.compare("forward pass")
    if value.is_floating_point() and value.requires_grad:
        backwards(value, leaves)
    watch.compare("backward pass")
    return [*states, generators()]


@action
def modes(held: Held, options: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Answer:
    """The value in each gradient mode. Tensors: "grad", "no_grad", "inference", and "plain" without a gradient wanted.

    Facts: "graph" by the same names (whether the result has one), "raised" where a mode was refused, "learnable".
    """
    found: dict[str, Tensor] = {}
    wants: dict[str, bool] = {}
    raised: dict[str, str] = {}
    learnable = False
    for name in ("grad", "plain", "no_grad", "inference"):
        asked = {**options, "wrt": ()} if name == "plain" else options
        built: Any = held.build(options.get("build"))
        if isinstance(built, torch.nn.Module):
            kept = [*built.parameters(), *(each for _, each in held_tensors(built))]
            learnable = any(each.requires_grad for each in kept)
        try:
            inputs = inside(prepared(held, asked, tensors))
            with seeded(0), MODES.get(name, torch.enable_grad)():
                value = result_of(held, built, inputs)
        except SubjectError as error:
            if name == "grad":
                raise
            raised[name] = str(error)
            continue
        # What an identity passes on, and TorchScript, which knows no gradient mode, are excused.
        excused = isinstance(built, SCRIPTED) or any(value is each for each in inputs.values())
        wants[name] = value.grad_fn is not None and not (excused and name != "grad")
        found[name] = value.detach().clone()
    return Answer({"graph": wants, "raised": raised, "learnable": learnable}, found)


@action
def refuses(held: Held, options: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Answer:
    """What happens to one hyper-parameter's value (`name`, `value`): facts "when" and "error".

    "when" is "construction", "call" or "never"; "unknown" where it cannot be set in the ordinary way.
    """
    overrides = {options["name"]: options["value"]}
    try:
        built = _constructed(held, overrides)
    except SubjectError as error:
        unfit = isinstance(error.original, TypeError) and ("argument" in str(error) or "takes no" in str(error))
        return Answer({"when": "unknown" if unfit else "construction", "error": str(error)})
    try:
        with seeded(0):
            value = result_of(held, built, inside(prepared(held, options, tensors)))
    except SubjectError as error:
        # A function has no construction: its call is where it can speak up.
        return Answer({"when": "construction" if held.form == "function" else "call", "error": str(error)})
    return Answer({"when": "never", "error": ""}, {"value": value.detach().clone()})


def _constructed(held: Held, overrides: Mapping[str, Any]) -> Any:
    if held.form != "instance":
        return held.build(overrides)
    # Its constructor is where a value is looked at; an attribute that is set passes by it.
    names, _ = parameters(type(held.thing))
    known = {name: getattr(held.thing, name) for name in names if hasattr(held.thing, name)}
    return Held(type(held.thing), held.spec).build({**known, **overrides})


class _Functions(TorchFunctionMode):
    def __init__(self, names: set[str]) -> None:
        super().__init__()
        self.names = names

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = resolve_name(func)
        if name:
            self.names.add(name)
        return func(*args, **(kwargs or {}))


class _Operations(TorchDispatchMode):
    def __init__(self, names: set[str]) -> None:
        super().__init__()
        self.names = names

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.names.add(func.name().partition(".")[0].removeprefix("aten::"))
        return func(*args, **(kwargs or {}))


@action
def called(held: Held, options: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Answer:
    """What a call uses: facts "functions" (of torch, by name), "operations" and "home", its module."""
    functions: set[str] = set()
    operations: set[str] = set()
    built = held.build(options.get("build"))
    inputs = prepared(held, options, tensors)
    with seeded(0), _Functions(functions), _Operations(operations):
        result_of(held, built, inputs)
    home = held.thing if held.form in ("function", "autograd.Function", "class") else type(built)
    return Answer(
        {"functions": sorted(functions), "operations": sorted(operations), "home": getattr(home, "__module__", "")}
    )
