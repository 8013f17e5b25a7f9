"""What rules on state ask of a subject: copies, state dicts, and what it keeps on itself."""

import copy
import io
import types
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any

import torch
from torch import Tensor

from torchstone.check.actions import action
from torchstone.check.actions.call import prepared, result_of
from torchstone.check.actions.general import backwards, inside, owner, same
from torchstone.check.held import Held, SubjectError, seeded, subject_code
from torchstone.check.pickled import importable, pickled
from torchstone.check.probe import Answer


def made(held: Held, options: Mapping[str, Any], seed: int = 0) -> Any:
    """An instance; what it draws at random begins at a seed."""
    return held.build(options.get("build"), seed)


def is_object(held: Held, built: Any) -> bool:
    """Whether the subject is an object, which can hold something: no function."""
    functions = (types.FunctionType, torch.jit.ScriptFunction)
    return held.form not in ("function", "autograd.Function") and not isinstance(built, functions)


def _saved(thing: Any) -> Any:
    if not importable(type(thing)):
        return pickled(thing)  # torch.save cannot be told what stands for what
    file = io.BytesIO()
    torch.save(thing, file)
    file.seek(0)
    return torch.load(file, weights_only=False)


COPIES: Mapping[str, Callable[[Any], Any]] = {
    "copy.deepcopy": copy.deepcopy,
    "a round trip through pickle": pickled,
    "a round trip through torch.save": _saved,
}


@action
def copies(held: Held, options: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Answer:
    """Copies of a fresh instance and of one that was called, and the same call of each.

    Facts: "object", "raised" (by the way of copying, fresh instances), "raised_used", "shared" (parameters whose memory
    a copy shares). Tensors: "original", and "copy.WAY".
    """
    built = made(held, options)
    if not is_object(held, built):
        return Answer({"object": False})

    def value(thing: Any) -> Tensor:
        with seeded(0):
            return result_of(held, thing, inside(prepared(held, options, tensors))).detach()

    facts: dict[str, Any] = {"object": True, "raised": {}, "raised_used": {}, "shared": []}
    found: dict[str, Tensor] = {}
    for way, duplicate in COPIES.items():
        if isinstance(built, torch.jit.ScriptModule) and duplicate is not copy.deepcopy:
            continue  # it is saved in a way of its own
        thing: Any = made(held, options)
        try:
            with subject_code("copy"):
                other = duplicate(owner(thing))
        except SubjectError as error:
            facts["raised"][way] = str(error)
            continue
        if isinstance(other, torch.nn.Module):
            storages = {each.data_ptr() for each in owner(thing).parameters() if each.numel()}
            facts["shared"] += [
                name for name, each in other.named_parameters() if each.numel() and each.data_ptr() in storages
            ]
        found[f"copy.{way}"] = value(other if callable(other) else other.forward)
        with suppress(SubjectError):
            value(thing)
            try:
                with subject_code("copy"):
                    duplicate(owner(thing))
            except SubjectError as error:
                facts["raised_used"][way] = str(error)
    found["original"] = value(built)
    return Answer(facts, found)


@action
def state_dicts(held: Held, options: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Answer:
    """The state dict of an instance whose parameters moved, loaded strictly into a fresh one.

    Facts: "module", "keys" before and after a call, "weights_only" and "strict" (what was raised, or ""). Tensors:
    "original" and "restored", the values of the same call.
    """
    built = made(held, options)
    if not isinstance(built, torch.nn.Module):
        return Answer({"module": False})
    with torch.no_grad():
        for each in built.parameters():
            each.mul_(1.25).add_(0.0625)

    def value(thing: Any) -> Tensor:
        with seeded(0):
            return result_of(held, thing, inside(prepared(held, options, tensors))).detach().clone()

    keys = [list(built.state_dict())]
    value(built)
    facts: dict[str, Any] = {"module": True, "weights_only": "", "strict": ""}
    with subject_code("state_dict"):
        state = built.state_dict()
    keys.append(list(state))
    file = io.BytesIO()
    try:
        with subject_code("state_dict"):
            torch.save(state, file)
            file.seek(0)
            state = torch.load(file, weights_only=True)
    except SubjectError as error:
        facts["weights_only"] = str(error)
        state = copy.deepcopy(state)
    fresh: Any = made(held, options, seed=1)
    fresh.to(next((each.dtype for each in tensors.values() if each.is_floating_point()), torch.float64))
    try:
        with subject_code("load_state_dict"):
            fresh.load_state_dict(state, strict=True)
    except SubjectError as error:
        return Answer({**facts, "keys": keys, "strict": str(error)})
    return Answer({**facts, "keys": keys}, {"original": value(built), "restored": value(fresh)})


def held_tensors(thing: Any) -> Iterator[tuple[str, Tensor]]:
    """The tensors that an object keeps, by their paths, but for registered parameters and buffers."""
    modules = dict(thing.named_modules()) if isinstance(thing, torch.nn.Module) else {"": thing}
    registered = ("_parameters", "_buffers", "_modules")
    for path, each in modules.items():
        for name, value in getattr(each, "__dict__", {}).items():
            if not (isinstance(each, torch.nn.Module) and name in registered):
                yield from _within(f"{path}.{name}".removeprefix("."), value, 3)


def _within(path: str, value: Any, depth: int) -> Iterator[tuple[str, Tensor]]:
    if isinstance(value, Tensor):
        yield path, value
    elif isinstance(value, torch.nn.Module):
        for name, parameter in value.named_parameters():
            yield f"{path}.{name}", parameter
    elif depth and isinstance(value, (list, tuple)):
        for place, each in enumerate(value[:100]):
            yield from _within(f"{path}[{place}]", each, depth - 1)
    elif depth and isinstance(value, dict):
        for key, each in list(value.items())[:100]:
            yield from _within(f"{path}[{key!r}]", each, depth - 1)


@action
def unregistered(held: Held, options: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Answer:
    """The tensors of a fresh module that its `.to()` leaves behind, and whether a call on another device still runs.

    Facts: "module", "left" ("name", "shape", "parameter", "learnable": a leaf that wants a gradient), "elsewhere" (what
    a call raises where module and inputs are on the meta device), "dtypes" (those of the parameters where the
    constructor was asked for float64).
    """
    built = made(held, options)
    if not isinstance(built, torch.nn.Module):
        return Answer({"module": False})
    with subject_code("to"):
        built.to("meta")
    left = [
        {
            "name": name,
            "shape": list(each.shape),
            "parameter": isinstance(each, torch.nn.Parameter),
            "learnable": each.is_leaf and each.requires_grad,
        }
        for name, each in held_tensors(built)
        if each.device.type != "meta"
    ]
    elsewhere = ""
    if left:
        try:
            moved = {name: each.to("meta") for name, each in prepared(held, options, tensors).items()}
            result_of(held, built, moved)
        except SubjectError as error:
            elsewhere = str(error)
    asked: dict[str, str] = {}
    if options.get("takes_dtype"):
        with suppress(SubjectError):
            typed: Any = held.build({**(options.get("build") or {}), "dtype": torch.float64})
            asked = {name: str(each.dtype) for name, each in typed.named_parameters() if each.is_floating_point()}
    return Answer({"module": True, "left": left, "elsewhere": elsewhere, "dtypes": asked})


@action
def keeps(held: Held, options: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Answer:
    """What calls leave on the object, and its values in training and in evaluation mode.

    Facts: "object", "graph" (attributes that hold a tensor with a graph), "tensors" (those that hold another), "grown"
    (containers that grew with each call), "buffers" (whether calls change them). Tensors: "train", "eval".
    """
    built = made(held, options)
    if not is_object(held, built):
        return Answer({"object": False})
    thing = owner(built)
    before = {name for name, _ in held_tensors(thing)}
    registered = _registered(thing)
    found: dict[str, Tensor] = {}
    lengths: list[dict[str, int]] = []
    for _ in range(3):
        with seeded(0):
            leaves = prepared(held, options, tensors)
            value = result_of(held, built, inside(leaves))
            found.setdefault("train", value.detach().clone())
            backwards(value, leaves)
        lengths.append(_lengths(thing))
    after = {name: each for name, each in held_tensors(thing) if name not in before}
    kept = {name.partition("[")[0]: each for name, each in after.items() if each.grad_fn is not None}
    others = {name.partition("[")[0] for name, each in after.items() if each.grad_fn is None} - set(kept)
    now = _registered(thing)
    facts = {
        "object": True,
        "graph": sorted(kept),
        "tensors": sorted(others),
        "grown": [
            name for name, length in lengths[2].items() if length > lengths[1].get(name, 0) > lengths[0].get(name, 0)
        ],
        "buffers": [name for name, each in now.items() if name not in registered or not same(each, registered[name])],
    }
    if isinstance(thing, torch.nn.Module):
        quiet: Any = made(held, options)
        quiet.eval()
        with seeded(0):
            found["eval"] = result_of(held, quiet, inside(prepared(held, options, tensors))).detach().clone()
    return Answer(facts, found)


def _registered(thing: Any) -> dict[str, Tensor]:
    if not isinstance(thing, torch.nn.Module):
        return {}
    return {name: each.detach().to(torch.float64).clone() for name, each in thing.named_buffers()}


def _lengths(thing: Any) -> dict[str, int]:
    owned = {} if not hasattr(thing, "__dict__") else dict(vars(thing))
    private = isinstance(thing, torch.nn.Module)
    return {
        name: len(value)
        for name, value in owned.items()
        if isinstance(value, (list, dict, set)) and not (private and name in torch.nn.Module().__dict__)
    }
