"""What the rules of optimizers ask first: steps with given gradients, and where the parameters went."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from torchstone.check.actions import action
from torchstone.check.held import seeded
from torchstone.check.optimizers.bench import Bench
from torchstone.check.optimizers.build import HeldOptimizer, describe
from torchstone.check.probe import Answer

_NUMBERS = (bool, int, float)


def bench_of(held: HeldOptimizer, options: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Bench:
    """The optimizer over the parameters that a probe names: options "names", "build", "groups", "handed", "layouts"."""
    start = {name: tensors[f"start.{name}"] for name in options["names"]}
    return Bench(
        held, start, options.get("build"), options.get("groups"), options.get("handed", "list"), options.get("layouts")
    )


def gradients_at(step: int, options: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> dict[str, Tensor | None]:
    """The gradients of a step: a parameter has none at its steps in the option "missing"."""
    missing = options.get("missing", {})
    return {
        name: None if step in missing.get(name, ()) else tensors[f"gradient.{name}"][step]
        for name in options["names"]
        if f"gradient.{name}" in tensors
    }


@action
def run(held: HeldOptimizer, options: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Answer:
    """Steps with given gradients. The tensors of the answer are the parameters after each step, by their names.

    Tensors: "start.NAME", and "gradient.NAME" of shape (steps, *shape).
    Options: "names", the parameters in order; "build", arguments; "groups", "handed" and "layouts", see `Bench`;
    "missing", {name: steps without a gradient}; "changes", [[step, group or None, {setting: value}], ...], made before
    a step; "additions", [[step, group], ...]; "kept", whether `.grad` stays one tensor; "closure", whether one is
    passed; "resume", {"at", "how", "build"}: before that step, another optimizer takes over; "seed"; "left", whether
    the answer tells what is left in `.grad` at the end, as "left.NAME"; "clear", whether `zero_grad` is called between
    steps.
    Facts: "returned", the types that `step` returned; "calls", of the closure; "state", the plain numbers of the state
    at the end (its tensors are "state.NAME.KEY"); "settings", those of each group; "built", before the first step.
    """
    steps = max((len(each) for name, each in tensors.items() if name.startswith("gradient.")), default=0)
    bench = bench_of(held, options, tensors)
    path: dict[str, list[Tensor]] = {name: [] for name in options["names"]}
    returned, built = [], [_several(settings) for settings in bench.settings()]
    with seeded(options.get("seed", 0)):
        for step in range(steps):
            bench = _prepared(bench, step, options)
            if options.get("clear", False) and step:
                bench.clear()
            gradients = gradients_at(step, options, tensors)
            result = bench.step(gradients, closure=options.get("closure", False), kept=options.get("kept", False))
            returned.append(type(result).__name__)
            for name, value in bench.values().items():
                path[name].append(value)
    state = bench.state()
    return Answer(
        {
            "returned": returned,
            "calls": len(bench.calls),
            "state": _numbers(state),
            "settings": [_numbers(settings) for settings in bench.settings()],
            "built": built,
        },
        {
            **{name: torch.stack(values) for name, values in path.items() if values},
            **{f"state.{key}": _plain(value) for key, value in state.items() if isinstance(value, Tensor)},
            **(bench.left() if options.get("left") else {}),
        },
    )


def _numbers(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if isinstance(value, _NUMBERS)}


def _several(values: Mapping[str, Any]) -> dict[str, Any]:
    """Numbers, and lists of numbers."""
    lists = {key: list(value) for key, value in values.items() if isinstance(value, (tuple, list))}
    return {
        **_numbers(values),
        **{key: each for key, each in lists.items() if all(isinstance(n, _NUMBERS) for n in each)},
    }


def _plain(tensor: Tensor) -> Tensor:
    """A dense tensor of real numbers."""
    dense = tensor.detach() if tensor.layout == torch.strided else tensor.detach().to_dense()
    return torch.view_as_real(dense) if dense.is_complex() else dense


def _prepared(bench: Bench, step: int, options: Mapping[str, Any]) -> Bench:
    """The bench before a step, with what is to happen then."""
    resume = options.get("resume")
    if resume and resume["at"] == step:
        bench = bench.resumed(resume["how"], resume.get("build"))
    for at, group in options.get("additions", ()):
        if at == step:
            bench.add(group)
    for at, group, settings in options.get("changes", ()):
        if at == step:
            bench.put(settings, group)
    return bench


@action
def seen(held: HeldOptimizer, options: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Answer:
    """How the optimizer looks when it is built as its spec says: the fact "description"."""
    return Answer({"description": describe(held.thing, held.spec.kwargs).to_json()})
