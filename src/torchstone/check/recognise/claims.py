"""Which definitions a subject may be held against, and who says so."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import sympy as sp

from torchstone import definitions
from torchstone.check.entries import Entry
from torchstone.check.like import Like, read_dotted
from torchstone.check.recognise import formula, names
from torchstone.check.recognise.inputs import tensors_of
from torchstone.check.recognise.values import seen, values
from torchstone.check.spec import Description, Kind
from torchstone.definitions import Definition, Function, UpdateRule

NOTHING = "none"  # as a definition: hold it against none


@dataclass(frozen=True)
class Request:
    """What its user says of a subject. All of it may be left out."""

    like: Like | None = None
    definition: Definition | str | None = None
    inputs: tuple[Entry, ...] = ()
    kind: Kind | None = None
    formula: str = ""
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    from_scratch: bool = False


@dataclass(frozen=True)
class Claim:
    """A definition that a subject may be held against: why, and whether only where the subject agrees with it."""

    definition: Function
    why: str = ""
    loose: bool = False


def claims(description: Description, request: Request) -> tuple[Claim, ...]:
    """The definitions that may be meant, the likeliest first. Raises `ValueError` for a request that cannot be met."""
    if request.definition == NOTHING:
        return ()
    if isinstance(request.definition, Function):
        return (Claim(request.definition),)
    if isinstance(request.definition, UpdateRule):
        raise ValueError(f"definition: expected that of a loss or an activation, got {request.definition.name}")
    if request.formula:
        made = formula.definition_of(request.formula, description, request.kind, request.kwargs)
        return (Claim(made, "held against the formula"),)
    found = list(_of_like(request.like)) if request.like is not None else []
    if not found:
        found = list(_of_name(description, request.kwargs))
    return tuple(claim for claim in found if request.kind in (None, claim.definition.kind))


def by_name(name: str) -> Definition:
    """The definition of that name. Raises `ValueError` where it is none."""
    try:
        return definitions.get(name)
    except KeyError as error:
        raise ValueError(f"definition: {str(error.args[0]).removeprefix('name: ')}") from None


def _of_like(like: Like) -> Iterator[Claim]:
    """The definitions whose counterpart is this one, with these arguments."""
    _, found = _of_counterpart(like.dotted, seen(like.description, like.told))
    if not found and like.is_trusted:
        meant = names.definition_of(like.description.name, len(tensors_of(like.description, None)))
        found = [meant] if meant is not None else []
    for entry in found:
        yield Claim(entry, f"held against {entry.name}, for it is like {like.text}")


def _of_counterpart(dotted: str, told: Mapping[str, Any]) -> tuple[int, list[Function]]:
    """The definitions of one of PyTorch's own under these arguments, and how many of these choose among them."""
    ranked: list[tuple[int, Function]] = []
    for entry in definitions.every():
        if isinstance(entry, Function) and entry.counterpart:
            name, _, arguments = read_dotted(entry.counterpart)
            free = {each.argument or each.name for each in entry.parameters} | {"dim"}
            fixed = {name: value for name, value in arguments.items() if name not in free}
            if name == dotted and all(told.get(name) == value for name, value in fixed.items()):
                ranked.append((len(fixed), entry))
    most = max((count for count, _ in ranked), default=0)
    return most, [entry for count, entry in ranked if count == most]


def _of_name(description: Description, kwargs: Mapping[str, Any]) -> Iterator[Claim]:
    count = len(tensors_of(description, None))
    name, source = description.name, "the name"
    if names.is_neutral(name):
        name, source = _first_sentence(description.doc), "the docstring"
    found = names.definition_of(name, count)
    if found is None and (rest := names.without_smoothing(name)):
        found = names.definition_of(rest, count)
        smoothed = found is not None and "label_smoothing" in values(description, found, kwargs).parameters
        found = found if smoothed else None
    if found is None or (count > 1 and found.kind == "activation"):
        return
    loose = found.name in names.LOOSE and not names.is_exact(name, found)
    shown = description.name if source == "the name" else f"{name!r}"
    for meaning in _meanings(found, description, kwargs):
        for each in (meaning, *(_formulas(meaning) if loose else ())):
            yield Claim(each, f"recognised as {each.name} from {source} {shown}", loose)


def _formulas(definition: Function) -> Iterator[Function]:
    """The other formulas that go by the same name, and are as right."""
    for variant in definition.variants:
        if variant.name in names.LOOSE.get(definition.name, ()):
            # Of such a formula only the values are known: its kinks accept any slope, and its limits are not told.
            kinks = tuple(replace(kink, accepted=sp.Interval(-sp.oo, sp.oo)) for kink in definition.kinks)
            yield replace(
                definition,
                name=f"{definition.name}, {variant.name}",
                expression=variant.expression,
                kinks=kinks,
                limits=(),
                identities=(),
                gradient_overrides={},
                variants=(),
            )


def _first_sentence(doc: str) -> str:
    sentence = doc.partition("\n")[0].partition(".")[0]
    return sentence if len(sentence.split()) <= 6 else ""


def _meanings(found: Function, description: Description, kwargs: Mapping[str, Any]) -> list[Function]:
    """The definition, and others that go by the same name; those first that the subject's other names speak for."""
    if found.counterpart:  # a switch such as log_target=True says which one is meant
        dotted, _, _ = read_dotted(found.counterpart)
        switches, switched = _of_counterpart(dotted, seen(description, kwargs))
        if switches:
            return switched
    first = next(iter(description.call), "").lower()
    also = [by_name(name) for name in names.ALSO.get(found.name, ())]
    others = [entry for entry in also if isinstance(entry, Function)]
    meanings = {
        "bce": (others if "logit" in first else [found] if first[:4] in ("p", "prob") else [found, *others]),
        # Of probabilities, the cross-entropy is no loss that is defined here.
        "cross_entropy": [] if "prob" in first else [found, *others],
        "silu": [*others, found],
    }
    if found.name == "silu" and "beta" not in values(description, others[0], kwargs).parameters:
        return [found]
    if names.is_exact(description.name, found) and found.name not in names.FREE and "logit" not in first:
        return [found]
    return meanings.get(found.name, [found, *others])
