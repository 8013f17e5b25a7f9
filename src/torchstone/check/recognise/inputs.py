"""The tensors that a subject is called with: from its definition, or from the names of its parameters."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import sympy as sp

from torchstone.check import sequences
from torchstone.check.entries import Dim, Entry, Role, read_inputs
from torchstone.check.recognise.values import is_setting
from torchstone.check.spec import Description, Kind
from torchstone.check.words import means_target, words
from torchstone.definitions import Function, Input

_ROW: tuple[Dim, ...] = ("N", "C")
# What ordinary inputs are, where a definition's domain allows more than anybody gives it.
_ORDINARY: Mapping[str, Mapping[str, str]] = {
    "kl_div": {"x": "log-simplex", "t": "simplex"},
    "kl_div_log_target": {"x": "log-simplex", "t": "log-simplex"},
    "nll": {"x": "log-simplex"},
    "cross_entropy_probabilities": {"t": "simplex"},
    "multi_label_soft_margin": {"t": "{0,1}"},
    "hinge_embedding": {"x": "(0,inf)"},
}
# Losses of sequences: what their definition is about is not in any one tensor.
SEQUENCES: Mapping[str, str] = {
    "ctc": "log_probs float[4,N,C] in log-simplex; targets int64[N,2] in [1,C); "
    "input_lengths int64[N] in {4}; target_lengths int64[N] in {2}",
}


def tensors_of(description: Description, definition: Function | None, least: int = 0) -> tuple[str, ...]:
    """The names of the parameters of a call that take tensors: the required ones, and optional ones up to `least`."""
    names = [name for name in description.call_required if not is_setting(name, definition)]
    optional = [
        name
        for name, default in description.call.items()
        if name not in description.call_required and default is None and not is_setting(name, definition)
    ]
    chosen = {*names, *optional[: max(0, least - len(names))]}
    return tuple(name for name in description.call if name in chosen)


def wanted(definition: Function) -> tuple[Input, ...]:
    """The definition's inputs that come as tensors: all but the parameters that have a default."""
    return tuple(entry for entry in definition.inputs if entry.role != "parameter" or entry.default is None)


# In which numbers may come, the freest first.
SHAPES: tuple[tuple[Dim, ...], ...] = (("...",), ("N",), ("N", 1), ("N", "C"), ("N", "C", 4, 4))


def of_definition(description: Description, definition: Function, dim: int, classes: int | None) -> tuple[Entry, ...]:
    """The inputs that a definition has, by the subject's names and in the subject's order."""
    needed = wanted(definition)
    names = list(tensors_of(description, definition, len(needed)))
    names += [entry.name for entry in needed[len(names) :]]
    entries = []
    for name, entry in zip(names, _in_order(names, needed), strict=False):
        if entry is None:
            entries.append(guess(name, definition.kind))
        else:
            entries.append(_entry(name, entry, definition, dim, classes))
    return _by_keyword(entries, description)


def _by_keyword(entries: Sequence[Entry], description: Description) -> tuple[Entry, ...]:
    return tuple(replace(entry, keyword=entry.name in description.call_keyword) for entry in entries)


def _in_order(names: Sequence[str], needed: Sequence[Input]) -> list[Input | None]:
    """Which input each name stands for: targets go to names that mean a target, variances to those that say so."""
    if len(needed) == 1 or len(names) < len(needed):
        return [*needed, *[None] * (len(names) - len(needed))]
    left = list(needed)
    found: list[Input | None] = [None] * len(names)

    def give(role: Any, fits: Any) -> None:
        for place, name in enumerate(names):
            candidates = [entry for entry in left if role(entry)]
            if found[place] is None and candidates and fits(name):
                found[place] = candidates[0]
                left.remove(candidates[0])

    same = {entry.name for entry in needed if len(entry.name) > 1}
    for place, name in enumerate(names):
        for entry in list(left):
            if entry.name in same and entry.name in name.lower():
                found[place] = entry
                left.remove(entry)
                break
    give(lambda entry: entry.role == "target", means_target)
    give(lambda entry: entry.role == "parameter", lambda name: bool({"var", "variance", "sigma"} & set(words(name))))
    give(lambda entry: True, lambda name: True)
    return found


def _entry(name: str, entry: Input, definition: Function, dim: int, classes: int | None) -> Entry:
    role: Any = "other" if entry.role == "parameter" else entry.role
    within = _ORDINARY.get(definition.name, {}).get(entry.name) or _set(entry)
    row = _row(definition, dim, classes)
    upper = classes or "C"
    if entry.encoding == "class index":
        dims = tuple(each for place, each in enumerate(row) if place != dim % len(row))
        return Entry(name, "int64", dims, f"[0,{upper})", role, entry.name)
    if entry.encoding == "class indices":
        return Entry(name, "int64", row, "places", role, entry.name)
    if entry.is_vector or "simplex" in within:
        return Entry(name, "float", row, within, role, entry.name)
    numbers: tuple[Dim, ...] = ("N", classes) if classes else ("...",)  # one parameter for each channel
    return Entry(name, "float", ("N",) if definition.is_vector else numbers, within, role, entry.name)


def _row(definition: Function, dim: int, classes: int | None) -> tuple[Dim, ...]:
    """The dimensions of a tensor of rows along `dim`."""
    length: Dim = "2*C" if definition.width is not None else classes or "C"
    if dim in (0, 1, -1, -2):
        return (length, "N") if dim in (0, -2) else ("N", length)
    small: tuple[Dim, ...] = (2, 3, 2, 2)
    rest = ("N", *small[: (dim if dim > 0 else -dim) - 1])
    place = dim if dim > 0 else len(rest) + 1 + dim
    return (*rest[:place], length, *rest[place:])


def _set(entry: Input) -> str:
    """A domain in the language of entries."""
    domain = entry.domain
    if isinstance(domain, sp.FiniteSet):
        return "{" + ",".join(str(each) for each in sorted(domain)) + "}"
    if not isinstance(domain, sp.Interval) or domain == sp.S.Reals:
        return ""
    ends = ["inf" if end == sp.oo else "-inf" if end == -sp.oo else f"{float(end):g}" for end in domain.args[:2]]
    left = "(" if domain.left_open or ends[0] == "-inf" else "["
    right = ")" if domain.right_open or ends[1] == "inf" else "]"
    return f"{left}{ends[0]},{ends[1]}{right}"


def of_sequence(description: Description, definition: Function) -> tuple[Entry, ...]:
    """The inputs of a loss of sequences, by the subject's names."""
    entries = read_inputs(SEQUENCES[definition.name])
    named = tensors_of(description, None, len(entries))
    names = named if len(named) > 1 else tuple(entry.name for entry in entries)
    meant = tuple(replace(entry, name=name) for entry, name in zip(entries, names, strict=False))
    return with_symbols(meant)


def with_symbols(entries: tuple[Entry, ...]) -> tuple[Entry, ...]:
    """The inputs of a loss of sequences, with what each is, by its place."""
    roles: tuple[Role, ...] = ("prediction", "target", "other", "other")
    return tuple(
        replace(entry, symbol=symbol, role=role)
        for entry, symbol, role in zip(entries, ("x", "t", sequences.FRAMES, sequences.LABELS), roles, strict=False)
    )


def hard_labels(entries: tuple[Entry, ...]) -> tuple[Entry, ...] | None:
    """The same inputs with labels 0 and 1, where the targets may lie between them."""
    if not any(entry.role == "target" and entry.within == "[0,1]" for entry in entries):
        return None
    return tuple(
        replace(entry, within="{0,1}") if entry.role == "target" and entry.within == "[0,1]" else entry
        for entry in entries
    )


def read(entries: tuple[Entry, ...], description: Description, definition: Function | None) -> tuple[Entry, ...]:
    """Inputs as their user wrote them, with the definition's symbols and with what is passed by name."""
    integers = [not entry.is_floating for entry in entries]
    if not any(entry.role == "target" for entry in entries) and any(integers) and len(entries) > 1:
        entries = tuple(
            replace(entry, role="target") if is_integer else entry
            for entry, is_integer in zip(entries, integers, strict=True)
        )
    if not any(entry.is_floating and entry.role == "prediction" for entry in entries):
        entries = tuple(replace(entry, role="prediction") if entry.is_floating else entry for entry in entries)
    if definition is not None:
        names = [entry.name for entry in entries]
        also = tuple(each for each in definition.parameters if {each.name, each.argument} & set(names))
        found = _in_order(names, tuple(dict.fromkeys((*wanted(definition), *also))))
        entries = tuple(
            entry
            if meant is None
            else replace(entry, symbol=meant.name, role="other" if meant.role == "parameter" else meant.role)
            for entry, meant in zip(entries, found, strict=False)
        )
    return _by_keyword(entries, description)


def dim_of_classes(entries: Sequence[Entry]) -> int | None:
    """The dimension of the classes, where whole numbers below a letter's size say so: (N, C, 4, 4) and [0,C)."""
    letters = {match[1] for entry in entries if (match := re.fullmatch(r"\[0,([A-Za-z])\)", entry.within))}
    found = [entry.dims.index(letter) for entry in entries if entry.is_floating for letter in letters & {*entry.dims}]
    return found[0] if found else None


# What a parameter's name says of what it takes: shapes and sets for pairs are tried one after another.
_GUESSES: tuple[tuple[str, str, tuple[Dim, ...], str], ...] = (
    (r"(anchors?|positives?|negatives?|anc|pos|neg)(_.*)?", "float", ("N", "d"), ""),
    (
        r"(.*_)?(embeddings?|emb|features?|feats?|z|z_?[ij])(_?[12ab])?|(input|output|out|x|f|h)_?[12ab]|[uv]",
        "float",
        ("N", "d"),
        "",
    ),
    (r"(.*_)?(log_?probs?|logp|log_?prob.*)", "float", _ROW, "log-simplex"),
    (r"(.*_)?masks?", "float", ("...",), "{0,1}"),
    (r"(.*_)?(weights?)", "float", ("...",), "(0,inf)"),
    (r"(.*_)?(variance|var|sigma2?)", "float", ("...",), "(0,inf)"),
    (r"(.*_)?(lengths?|lens?)", "int64", ("N",), "[1,4)"),
)


def guess(name: str, kind: Kind) -> Entry:
    """An input, from its name alone."""
    for pattern, dtype, dims, within in _GUESSES:
        if re.fullmatch(pattern, name, re.IGNORECASE):
            return Entry(name, dtype, dims, within, "other" if "mask" in name or "weight" in name else "prediction")
    return Entry(name, role="target" if kind == "loss" and means_target(name) else "prediction")


def guesses(description: Description, kind: Kind) -> Iterator[tuple[Entry, ...]]:
    """Inputs that a subject without a definition may take, the likeliest first."""
    names = tensors_of(description, None) or tuple(description.call)[:1] or ("x",)
    if description.call_open and len(names) < 2 and kind == "loss":
        names = ("input", "target")
    for each in _versions(tuple(guess(name, kind) for name in names), kind):
        yield _by_keyword(each, description)


def _versions(plainly: tuple[Entry, ...], kind: Kind) -> Iterator[tuple[Entry, ...]]:
    names = tuple(entry.name for entry in plainly)
    if kind != "loss" or len(names) < 2:
        yield from _activations(plainly)
        return
    if names == ("a", "p", "n"):
        plainly = tuple(replace(entry, dims=("N", "d")) for entry in plainly)
    targets = [place for place, entry in enumerate(plainly) if entry.role == "target"]
    embedded = [place for place, entry in enumerate(plainly) if entry.dims == ("N", "d")]
    if len(embedded) == len(plainly):
        yield plainly
        return
    if len(embedded) > 1:
        last = targets[0] if targets else len(plainly) - 1
        for within in ("{0,1}", "{-1,1}", ""):
            label = Entry(names[last], "float", ("N",), within, "target")
            yield (*plainly[:last], label, *plainly[last + 1 :])
    targets = targets or [1]
    predictions = [place for place in range(len(plainly)) if place not in targets]
    for prediction, target in _pairs(names[predictions[0]] if predictions else "", names[targets[0]]):
        entries = list(plainly)
        for place in predictions:
            free = entries[place].dims == ("...",)
            if free and entries[place].role == "prediction":
                entries[place] = replace(prediction, name=names[place])
            elif free:
                entries[place] = replace(entries[place], dims=prediction.dims)
        for place in targets:
            entries[place] = replace(target, name=names[place])
        yield tuple(entries)


def _activations(plainly: tuple[Entry, ...]) -> Iterator[tuple[Entry, ...]]:
    yield plainly
    if all(entry.dims == ("...",) for entry in plainly):
        for dims in (_ROW, ("N", "2*C"), ("N", "C", 4, 4)):
            yield tuple(replace(entry, dims=dims) for entry in plainly)


def _pairs(prediction: str, target: str) -> list[tuple[Entry, Entry]]:
    """What a prediction and a target of these names may be."""
    said, meant = set(words(prediction)), set(words(target))
    number = (Entry("x"), Entry("t", role="target"))
    binary = (Entry("x", within="[0,1]"), Entry("t", within="{0,1}", role="target"))
    signed = (Entry("x"), Entry("t", within="{-1,1}", role="target"))
    scored = (Entry("x"), Entry("t", within="{0,1}", role="target"))
    index = (Entry("x", "float", _ROW), Entry("t", "int64", ("N",), "[0,C)", "target"))
    shares = (Entry("x", "float", _ROW, "simplex"), Entry("t", "float", _ROW, "simplex", "target"))
    logs = (Entry("x", "float", _ROW, "log-simplex"), Entry("t", "int64", ("N",), "[0,C)", "target"))
    embedded = (Entry("x", "float", ("N", "d")), Entry("t", "int64", ("N",), "[0,C)", "target"))
    image = (Entry("x", "float", ("N", "C", 4, 4), "[0,1]"), Entry("t", "float", ("N", "C", 4, 4), "{0,1}", "target"))
    every = [number, binary, scored, index, shares, logs, signed, image]
    first = (
        [logs]
        if said & {"logp", "logprobs"} or {"log", "probs"} <= said or {"log", "prob"} <= said
        else [embedded]
        if said & {"embedding", "embeddings", "features", "feats", "feature"}
        else [shares, binary]
        if (prediction, target) == ("p", "q")
        else [binary, shares]
        if said & {"prob", "probs", "probability", "probabilities", "p"}
        else [index, scored]
        if said & {"logit", "logits"} and meant & {"label", "labels", "class", "classes", "idx", "index", "y"}
        else [scored, index]
        if said & {"logit", "logits"}
        else [binary]
        if meant & {"mask", "masks"}
        else [index, number]
        if meant & {"label", "labels", "class", "classes", "idx"}
        else []
    )
    return [*first, *(pair for pair in every if pair not in first)]
