"""What the rules on an optimizer's state ask: to go on from a checkpoint, from a copy, and what a state dict holds."""

import copy
import io
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from torchstone.check.actions import action
from torchstone.check.actions.optimizers import bench_of, gradients_at
from torchstone.check.held import SubjectError, seeded, subject_code
from torchstone.check.optimizers.bench import Bench
from torchstone.check.optimizers.memory import alike, lost, memory, odd
from torchstone.check.probe import Answer

Options = Mapping[str, Any]
Tensors = Mapping[str, Tensor]


def _walked(
    bench: Bench,
    options: Options,
    tensors: Tensors,
    first: int,
    last: int | None = None,
    before: Callable[[Bench], Any] = lambda bench: None,
) -> Tensors:
    """The steps from one to another, random numbers beginning at a seed; the parameters after each."""
    steps = max(len(each) for name, each in tensors.items() if name.startswith("gradient."))
    path: dict[str, list[Tensor]] = {name: [] for name in options["names"]}
    with seeded(options.get("seed", 0) + first):
        for step in range(first, steps if last is None else last):
            before(bench)
            bench.step(gradients_at(step, options, tensors), closure=options.get("closure", False))
            for name, value in bench.values().items():
                path[name].append(value)
    return {name: torch.stack(values) for name, values in path.items() if values}


def _state_of(bench: Bench) -> Any:
    with subject_code("state_dict"):
        return bench.optimizer.state_dict()


def _named(prefix: str, path: Tensors) -> dict[str, Tensor]:
    return {f"{prefix}.{name}": value for name, value in path.items()}


def _saved(state: Any, facts: dict[str, Any]) -> Any:
    """A state dict as it comes back from a file; what goes wrong on the way is noted in the facts."""
    file = io.BytesIO()
    try:
        torch.save(state, file)
    except Exception as error:
        facts["save"] = str(SubjectError(error, "save"))
        return copy.deepcopy(state)
    file.seek(0)
    try:
        return torch.load(file, weights_only=True)
    except Exception as error:
        facts["weights_only"] = str(SubjectError(error, "load")).partition(". ")[0]
        return copy.deepcopy(state)


@action
def resumed(held: Any, options: Options, tensors: Tensors) -> Answer:
    """A run, and the same run with another optimizer that goes on from a checkpoint.

    Tensors and options as of `run`; and "at", the step before which the checkpoint is written; "other", arguments of
    the optimizer that loads it, where they differ; "without", keys that are left out of the checkpoint's groups.
    Facts: "save" and "weights_only", what `torch.save` and `torch.load` raise; "lost", what the optimizer that has
    loaded holds otherwise than the one that was saved; "cast", {what: [dtype before, after]}. Tensors: from that step
    on, "whole.NAME" of the run that nothing interrupted, "resumed.NAME" of the other.
    """
    at, build = options["at"], options.get("build", {})
    facts: dict[str, Any] = {"save": "", "weights_only": ""}
    whole = bench_of(held, options, tensors)
    _walked(whole, options, tensors, 0, at)
    went = _walked(whole, options, tensors, at)
    bench = bench_of(held, options, tensors)
    _walked(bench, options, tensors, 0, at)
    state = _saved(_state_of(bench), facts)
    for group in state.get("param_groups", ()) if isinstance(state, dict) else ():
        for key in options.get("without", ()):
            group.pop(key, None)
    fresh = bench.loaded(state, {**build, **options.get("other", {})})
    facts["lost"] = lost(memory(bench), memory(fresh))
    facts["cast"] = {name: pair[:2] for name, pair in _cast(bench, fresh).items()}
    return Answer(facts, {**_named("whole", went), **_named("resumed", _walked(fresh, options, tensors, at))})


@action
def checkpoints(held: Any, options: Options, tensors: Tensors) -> Answer:
    """What writing and loading a state dict does besides.

    Facts: "odd", what it holds besides tensors, numbers and text, [[where, type], ...]; "written" and "stepped", the
    keys of a dict that loading it, and the loader's steps, change; "own", whether `load_state_dict` is the
    subject's own; "dtypes", {what: [before, after, numbers]} of the state where loading changes them. Tensors:
    "plain.NAME", and "asked.NAME" where `state_dict()` is called before each step.
    """
    at = options["at"]
    bench = bench_of(held, options, tensors)
    plain = _walked(bench, options, tensors, 0, at)
    asked = _walked(bench_of(held, options, tensors), options, tensors, 0, at, _state_of)
    state = _state_of(bench)
    facts: dict[str, Any] = {"odd": [list(each) for each in odd(state)], "own": _own(bench.optimizer)}
    with subject_code("copying its state dict"):  # where tensors have a graph it cannot be
        source = copy.deepcopy(state)
    fresh = bench.loaded(source, options.get("build"))
    facts["written"] = _changed(state, source)
    facts["dtypes"] = _cast(bench, fresh)
    held_now = copy.deepcopy(source)
    _walked(fresh, options, tensors, at)
    facts["stepped"] = _changed(held_now, source)
    return Answer(facts, {**_named("plain", plain), **_named("asked", asked)})


def _cast(bench: Bench, fresh: Bench) -> dict[str, list[Any]]:
    """The entries of the state whose dtype another has after loading: {key: [before, after, how many numbers]}."""
    before, after = bench.state(), fresh.state()
    return {
        f'state["{name.partition(".")[2]}"]': [_dtype(value), _dtype(after[name]), value.numel()]
        for name, value in before.items()
        if isinstance(value, Tensor) and isinstance(after.get(name), Tensor) and after[name].dtype != value.dtype
    }


def _own(optimizer: Any) -> bool:
    method = getattr(type(optimizer), "load_state_dict", None)
    return method is not torch.optim.Optimizer.load_state_dict


def _dtype(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


def _changed(before: Any, after: Any) -> list[str]:
    """The entries of a state dict whose values are not what they were, each key once."""
    return list(dict.fromkeys(_differing(before, after, "all of it")))


def _differing(before: Any, after: Any, key: str) -> Iterator[str]:
    if isinstance(before, dict) and isinstance(after, dict):
        yield from (str(each) for each in before.keys() ^ after.keys())
        for each in before.keys() & after.keys():
            yield from _differing(before[each], after[each], each if isinstance(each, str) else key)
    elif isinstance(before, (list, tuple)) and isinstance(after, (list, tuple)) and len(before) == len(after):
        for one, other in zip(before, after, strict=True):
            yield from _differing(one, other, key)
    elif not alike(before, after):
        yield key


@action
def copied(held: Any, options: Options, tensors: Tensors) -> Answer:
    """A run, and copies that go on in the middle of it; then the run that was copied, too.

    Options as of `run`, "at", and "how": "copy" or "pickle". Facts: "lost". Tensors: "whole.NAME", "copy.NAME", and
    "after.NAME" of the one that was copied, which goes on after its copy has taken other steps.
    """
    at = options["at"]
    whole = bench_of(held, options, tensors)
    _walked(whole, options, tensors, 0, at)
    went = _walked(whole, options, tensors, at)
    bench = bench_of(held, options, tensors)
    _walked(bench, options, tensors, 0, at)
    duplicate = bench.resumed(options["how"])
    facts = {"lost": lost(memory(bench), memory(duplicate))}
    path = _walked(duplicate, options, tensors, at)
    after = _walked(bench, options, tensors, at)
    return Answer(facts, {**_named("whole", went), **_named("copy", path), **_named("after", after)})
