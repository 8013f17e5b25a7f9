"""What a subject is, from its names: its kind, its definition, its counterpart, its inputs."""

from collections.abc import Mapping
from typing import Any

from torchstone import definitions
from torchstone.check.entries import Entry, means_target
from torchstone.check.spec import Description
from torchstone.definitions import Function


def definition_of(name: str) -> Function | None:
    """The definition that a name such as `MySigmoid` or `CELoss` means, if any."""
    import re

    plain = re.sub(
        r"^(my|custom|manual|our)_?|_?(function|func|fn|activation|layer|module|impl|manual|custom)$",
        "",
        name,
        flags=re.IGNORECASE,
    )
    try:
        found = definitions.get(plain)
    except KeyError:
        return None
    return found if isinstance(found, Function) else None


def inputs_of(description: Description, definition: Function | None, kind: str) -> tuple[Entry, ...]:
    """The inputs: the definition's, by the names that the subject's call has for them."""
    names = list(description.call_required or description.call)
    if definition is None:
        return tuple(
            Entry(name, role="target" if means_target(name) and kind == "loss" else "prediction") for name in names
        )
    wanted = [entry for entry in definition.inputs if entry.role != "parameter"]
    if kind == "loss" and len(names) >= 2 and means_target(names[0]) and not means_target(names[1]):
        wanted = [wanted[1], wanted[0], *wanted[2:]]
    names += [entry.name for entry in wanted[len(names) :]]
    return tuple(_entry(name, entry, definition) for name, entry in zip(names, wanted, strict=False))


def _entry(name: str, entry: definitions.Input, definition: Function) -> Entry:
    role: Any = entry.role
    if entry.encoding == "class index" or (entry.role == "target" and definition.name in ("cross_entropy", "nll")):
        return Entry(name, "int64", ("N",), "[0,C)", role, entry.name)
    dims: tuple[str | int, ...] = ("N", "C") if definition.is_vector else ("...",)
    return Entry(name, "float", dims, "", role, entry.name)


def parameters_of(description: Description, definition: Function | None, kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """The definition's parameters as the subject has them."""
    known = {**description.constructor, **description.call, **description.attributes, **kwargs}
    entries = () if definition is None else definition.parameters
    return {e.name: known[e.name] for e in entries if isinstance(known.get(e.name), (int, float, list))}
