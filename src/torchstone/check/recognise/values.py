"""The numbers and switches of a subject: the definition's parameters as it has them, and the arguments it requires."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sympy as sp

from torchstone.check.spec import Description
from torchstone.check.words import plain
from torchstone.definitions import Function, Input

# What people call a definition's parameter.
_SYNONYMS: Mapping[str, tuple[str, ...]] = {
    "negative_slope": ("slope", "leak", "leakiness", "leakage", "neg_slope", "leaky_slope", "alpha", "a", "k"),
    "alpha": ("a",),
    "beta": ("b", "sharpness", "delta", "threshold"),
    "delta": ("d", "beta", "threshold", "threshold_delta"),
    "gamma": ("g", "focusing", "focus"),
    "lambd": ("lambda_", "lam", "lmbda", "lamda", "threshold", "lmbd", "tau"),
    "label_smoothing": ("smoothing", "label_smooth", "smooth", "ls", "smoothing_factor", "smooth_eps"),
    "margin": ("m", "margin_value"),
    "quantile": ("q", "tau", "alpha"),
    "eps": ("epsilon", "e"),
    "weight": ("weights", "class_weight", "class_weights"),
    "pos_weight": ("positive_weight", "pos_weights"),
    "min_val": ("min_value", "low", "lower", "minimum", "min", "a"),
    "max_val": ("max_value", "high", "upper", "maximum", "max", "b"),
}
# For arguments that are required, where nothing else tells.
_USUAL: Mapping[str, Any] = {
    **{"dim": -1, "axis": -1, "reduction": "mean", "inplace": False, "in_place": False, "training": False},
    **{"eps": 1e-8, "epsilon": 1e-8, "alpha": 0.5, "beta": 1.0, "gamma": 2.0, "delta": 1.0, "margin": 1.0},
    **{"temperature": 0.5, "temp": 0.5, "tau": 0.5, "slope": 0.1, "negative_slope": 0.1, "smoothing": 0.1},
    **{"label_smoothing": 0.1, "threshold": 0.5, "lambd": 0.5, "num_classes": 3, "n_classes": 3, "classes": 3},
    **{"ignore_index": -100, "smooth": 1.0, "scale": 2.0, "size_average": True, "keepdim": False, "num_class": 3},
    **{"nclasses": 3, "num_parameters": 1, "init": 0.25, "k": 1.0, "sigma": 1.0, "lam": 0.5, "lmbda": 0.5},
}
_NUMERICAL = ("eps", "epsilon", "tiny", "momentum", "smooth", "tol", "clip", "clip_value", "eta")


@dataclass(frozen=True)
class Values:
    """The definition's parameters, by its names, and what there is to say about them."""

    parameters: Mapping[str, Any]
    facts: tuple[str, ...] = ()


def is_setting(name: str, definition: Function | None) -> bool:
    """Whether a parameter of a call is a number or a switch, not a tensor."""
    inputs = () if definition is None else definition.inputs
    if any(entry.name == name and entry.default is None for entry in inputs):
        return False
    return name in _USUAL or any(name in _names(entry) for entry in inputs if entry.default is not None)


def _names(entry: Input) -> tuple[str, ...]:
    return tuple(each for each in (entry.name, entry.argument, *_SYNONYMS.get(entry.name, ())) if each)


def default(entry: Input) -> Any:
    """A parameter's default, as a number."""
    if entry.default is None:
        return None
    number = float(entry.default)
    return int(number) if entry.domain == sp.FiniteSet(0, 1) else number


def required(
    names: tuple[str, ...], definition: Function | None, parameters: Mapping[str, Any]
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Values for arguments that have to be given, and those for which there is none."""
    found: dict[str, Any] = {}
    for name in names:
        entry = _meant(name, definition)
        if entry is not None:
            value = parameters.get(entry.name, default(entry))
            found[name] = [value] * (3 if entry.is_vector else 1) if name.startswith("weight") else value
        elif name in _USUAL:
            found[name] = _USUAL[name]
    return found, tuple(name for name in names if name not in found)


def _meant(name: str, definition: Function | None) -> Input | None:
    """The definition's parameter that a name stands for."""
    entries = () if definition is None else definition.parameters
    ranked = sorted(entries, key=lambda entry: _names(entry).index(name) if name in _names(entry) else 99)
    return ranked[0] if ranked and name in _names(ranked[0]) else None


def seen(description: Description, kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Everything that the subject says by name: defaults, arguments given, attributes."""
    return {**description.call, **description.constructor, **kwargs, **description.attributes}


def values(description: Description, definition: Function, kwargs: Mapping[str, Any]) -> Values:
    """The definition's parameters as the subject has them: by their names, by what people call them, or the only one.

    What the subject says nothing of has its default.
    """
    known = {name: _number(value) for name, value in seen(description, kwargs).items()}
    known = {name: value for name, value in known.items() if value is not None}
    found: dict[str, Any] = {}
    taken: set[str] = set()
    for rank in range(1 + max((len(_names(entry)) for entry in definition.parameters), default=0)):
        for entry in definition.parameters:
            names = _names(entry)
            name = names[rank] if rank < len(names) else ""
            if entry.name not in found and name in known and name not in taken and _fits(entry, known[name]):
                found[entry.name] = _fitting(entry, known[name])
                taken.add(name)
    found, facts = _last(definition, found, known, taken)
    return Values(found, facts)


def _last(
    definition: Function, found: dict[str, Any], known: Mapping[str, Any], taken: set[str]
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The one parameter that is left is the one number that is left."""
    missing = [
        entry
        for entry in definition.parameters
        if entry.name not in (*found, "weight", "pos_weight", "eps", "label_smoothing")
        and entry.default is not None
        and entry.domain != sp.FiniteSet(0, 1)
    ]
    left = [
        name
        for name, value in known.items()
        if isinstance(value, float) and name not in taken and name not in _NUMERICAL
    ]
    if len(missing) != 1 or len(left) != 1:
        return found, ()
    return {**found, missing[0].name: known[left[0]]}, (f"{left[0]} is taken for the definition's {missing[0].name}",)


def _number(value: Any) -> Any:
    """A number, or a list of numbers; one number of a list of one, and of equal ones."""
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, (int, float)):
        return value
    if hasattr(value, "tolist") and callable(value.tolist):
        return _number(value.tolist())
    if isinstance(value, (list, tuple)) and value and all(isinstance(each, (int, float)) for each in value):
        return value[0] if len(value) == 1 else list(value)
    return None


def _fits(entry: Input, value: Any) -> bool:
    return (
        entry.is_vector or not isinstance(value, list) or len(set(value)) == 1 or entry.name in ("weight", "pos_weight")
    )


def _fitting(entry: Input, value: Any) -> Any:
    same = isinstance(value, list) and not entry.is_vector and len(set(value)) == 1
    return value[0] if same else value


def same_name(name: str, among: Mapping[str, Any], definition: Function | None) -> str:
    """What a subject calls an argument of its counterpart; "" where it has none of that meaning."""
    if name in among:
        return name
    alike = {"dim": ("axis",), "axis": ("dim",), "reduction": ("reduce", "mode")}.get(name, ())
    entry = _meant(name, definition)
    names = (*alike, *(_names(entry) if entry is not None else ()))
    return next((each for each in names if each in among), next((e for e in among if plain(e) == plain(name)), ""))
