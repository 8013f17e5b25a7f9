"""What an optimizer holds on to: its settings, its state, its attributes. Runs where the subject lives."""

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor

from torchstone.check.optimizers.bench import Bench

_DEEPEST = 3  # an optimizer within an optimizer within an optimizer
_PLAIN = (bool, int, float, str, type(None))
# What PyTorch's own base class keeps.
_OF_THE_BASE = (
    *("param_groups", "state", "defaults"),
    *("_zero_grad_profile_name", "_warned_capturable_if_run_uncaptured", "_hook_for_profile"),
)


def memory(bench: Bench) -> dict[str, Any]:
    """What the optimizer holds, by names that mean something to its author: `state["step"] of a`, `self.t`, `p.t`."""
    found: dict[str, Any] = {}
    for name, value in bench.state().items():
        owner, _, key = name.partition(".")
        found[f'state["{key}"] of {owner}'] = value
    for number, settings in enumerate(bench.settings()):
        place = f" of group {number}" if number else ""
        found |= {f'group["{key}"]{place}': value for key, value in settings.items()}
    for name, parameter in bench.parameters.items():
        found |= {f"p.{key} of {name}": value for key, value in vars(parameter).items()}
    return {**found, **attributes(bench.optimizer)}


def attributes(thing: Any, place: str = "self", depth: int = 0) -> dict[str, Any]:
    """The attributes that are an optimizer's own, by "self.name"; those of an optimizer that it wraps, too."""
    found: dict[str, Any] = {}
    for name, value in getattr(thing, "__dict__", {}).items():
        if name in _OF_THE_BASE or name.startswith("_optimizer_") or name.startswith("__"):
            continue
        if callable(getattr(value, "step", None)) and depth < _DEEPEST:
            found |= attributes(value, f"{place}.{name}", depth + 1)
        else:
            found[f"{place}.{name}"] = value
    return found


def alike(one: Any, other: Any, depth: int = 0) -> bool:
    """Whether two values are the same, number by number: the keys of dicts don't matter, for they may be parameters."""
    for kinds, equal in _EQUALITIES:
        if isinstance(one, kinds) and isinstance(other, kinds):
            return equal(one, other, depth)
    if type(one) is not type(other) or depth > _DEEPEST:
        return type(one) is type(other)
    return alike(getattr(one, "__dict__", {}), getattr(other, "__dict__", {}), depth + 1)


def _tensors(one: Tensor, other: Tensor, depth: int) -> bool:
    one, other = (each.detach().to_dense() if each.layout != torch.strided else each.detach() for each in (one, other))
    return one.shape == other.shape and bool(((one == other) | (one.isnan() & other.isnan())).all())


def _sequences(one: Any, other: Any, depth: int) -> bool:
    if len(one) != len(other):
        return False
    return depth > _DEEPEST or all(alike(a, b, depth + 1) for a, b in zip(one, other, strict=True))


_EQUALITIES: tuple[tuple[Any, Callable[[Any, Any, int], bool]], ...] = (
    (Tensor, _tensors),
    (torch.Generator, lambda one, other, depth: torch.equal(one.get_state(), other.get_state())),
    (Mapping, lambda one, other, depth: _sequences(list(one.values()), list(other.values()), depth)),
    ((list, tuple, set, frozenset, deque), _sequences),
    (_PLAIN, lambda one, other, depth: bool(one == other) or str(one) == str(other) == "nan"),
)


def lost(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What is not the same after as before: {"name", "had", "has"}, the last two as text, where they are short."""
    return [
        {"name": name, "had": shown(value), "has": shown(after[name]) if name in after else "nothing"}
        for name, value in before.items()
        if name not in after or not alike(value, after[name])
    ]


def shown(value: Any) -> str:
    """A value as text: a number, or what sort of thing it is."""
    if isinstance(value, Tensor) and value.numel() == 1:
        value = value.item()
    if isinstance(value, _PLAIN):
        return f"{value!r:.40}"
    if isinstance(value, Tensor):
        return "a tensor"
    count = len(value) if isinstance(value, (list, tuple, dict, set)) else None
    return type(value).__name__ if count is None else f"a {type(value).__name__} of {count}"


def odd(value: Any, place: str = "", depth: int = 0) -> Iterable[tuple[str, str]]:
    """What a state dict holds besides tensors, numbers and text: where, and its type."""
    if isinstance(value, (Tensor, *_PLAIN)):
        return
    if depth < 8 and type(value) in (list, tuple):
        for number, each in enumerate(value):
            yield from odd(each, f"{place}[{number}]", depth + 1)
    elif depth < 8 and isinstance(value, dict):
        for key, each in value.items():
            if isinstance(key, (str, int)):
                yield from odd(each, f"{place}[{key!r}]", depth + 1)
            else:
                yield place, f"a key of type {type(key).__name__}"
    else:
        yield place, type(value).__name__
