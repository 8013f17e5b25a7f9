"""What a step does to the tensors that it is given: where parameters and gradients lie, and what is left of them."""

import inspect
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from torchstone.check.actions import action
from torchstone.check.actions.optimizers import bench_of, gradients_at
from torchstone.check.held import SubjectError, seeded, subject_code
from torchstone.check.optimizers.bench import Bench
from torchstone.check.optimizers.build import HeldOptimizer, groups_of
from torchstone.check.probe import Answer


@action
def stepped_in_place(held: HeldOptimizer, options: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Answer:
    """How parameters are after steps, while a view of each is held. Options and tensors as of `run`.

    Facts: "calls", of the closure in a step; "parameters", by name: "moved"; "view", whether the view went along;
    "held", whether the optimizer's groups hold the same object (None where there are no groups); "leaf"; "requires";
    "version", by how much the version went up.
    """
    bench = bench_of(held, options, tensors)
    views = {name: parameter.detach() for name, parameter in bench.parameters.items()}
    start, versions = bench.values(), {name: each._version for name, each in bench.parameters.items()}
    steps = max(len(each) for name, each in tensors.items() if name.startswith("gradient."))
    with seeded(0):
        for step in range(steps):
            bench.step(gradients_at(step, options, tensors))
    held_there = [id(each) for group in groups_of(bench.optimizer) for each in group["params"]]
    found = {}
    for name, parameter in bench.parameters.items():
        now = parameter.detach()
        found[name] = {
            "moved": not torch.equal(now, start[name]),
            "view": now.shape == start[name].shape and torch.equal(now, views[name]),
            "held": id(parameter) in held_there if held_there else None,
            "leaf": parameter.is_leaf,
            "requires": parameter.requires_grad,
            "version": parameter._version - versions[name],
        }
    return Answer({"parameters": found, "calls": len(bench.calls) / steps})


@action
def gradients_after(held: HeldOptimizer, options: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Answer:
    """What became of `.grad` in steps. Options and tensors as of `run`.

    Facts: "changed", the first gradient that was not what it had been: {"name", "step", "where", "before", "after"
    (None where there is none any more), "parameter", the number that moved by it}, or None; "shared", the entries of
    the state that lie in a gradient's memory.
    """
    bench = bench_of(held, options, tensors)
    steps = max(len(each) for name, each in tensors.items() if name.startswith("gradient."))
    changed, shared = None, set[str]()
    with seeded(0):
        for step in range(steps):
            gradients = gradients_at(step, options, tensors)
            values = bench.values()
            bench.step(gradients)
            for name, given in gradients.items():
                if changed is None and given is not None:
                    changed = _change(bench.parameters[name].grad, given, values[name])
                    changed = changed and {"name": name, "step": step, **changed}
            shared |= _shared(bench)
    return Answer({"changed": changed, "shared": sorted(shared)})


def _change(now: Tensor | None, given: Tensor, parameter: Tensor) -> dict[str, Any] | None:
    """The worst change of a gradient."""
    if now is None:
        return {"where": [], "before": float(given.reshape(-1)[0]), "after": None, "parameter": 0.0}
    dense = now.detach().to_dense() if now.layout != torch.strided else now.detach()
    if dense.shape != given.shape or torch.equal(dense, given):
        return None
    place = int((dense - given).abs().nan_to_num(torch.inf).argmax())
    before, after, number = (float(each.reshape(-1)[place]) for each in (given, dense, parameter))
    where = [int(each) for each in torch.unravel_index(torch.tensor(place), given.shape)]
    return {"where": where, "before": before, "after": after, "parameter": number}


def _shared(bench: Bench) -> set[str]:
    """The keys of the state that lie in a gradient's memory."""
    places = {
        each.grad.untyped_storage().data_ptr()
        for each in bench.parameters.values()
        if each.grad is not None and each.grad.layout == torch.strided
    }
    return {
        key.partition(".")[2]
        for key, value in bench.state().items()
        if isinstance(value, Tensor)
        and value.layout == torch.strided
        and value.untyped_storage().data_ptr() in places
        and value.numel()
    }


@action
def cleared(held: HeldOptimizer, options: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Answer:
    """What `zero_grad` leaves of gradients: as it is called by default, and with `set_to_none` both ways.

    Facts: "fresh", what it raises before there is any gradient, or ""; "left", by the arguments of the call ("",
    "set_to_none=True", ...), the largest gradient that is left.
    """
    bench = bench_of(held, options, tensors)
    gradients = gradients_at(0, options, tensors)
    calls: list[dict[str, bool]] = [{}]
    if "set_to_none" in inspect.signature(bench.optimizer.zero_grad).parameters:
        calls += [{"set_to_none": True}, {"set_to_none": False}]
    fresh, left = "", {}
    try:
        _clear(bench, {})
    except SubjectError as error:
        fresh = str(error)
    for arguments in calls:
        bench.step(gradients)
        _clear(bench, arguments)
        now = [each.grad for each in bench.parameters.values() if each.grad is not None]
        told = ", ".join(f"{name}={value}" for name, value in arguments.items())
        left[told] = max((float(each.detach().to_dense().abs().max()) for each in now), default=0.0)
    return Answer({"fresh": fresh, "left": left})


def _clear(bench: Bench, arguments: Mapping[str, bool]) -> None:
    with subject_code("zero_grad"):
        bench.optimizer.zero_grad(**arguments)
