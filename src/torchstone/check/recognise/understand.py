"""From a description and a request to a subject: of several claims, the first that fits is taken."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch

from torchstone.check.entries import Entry
from torchstone.check.home import Home
from torchstone.check.like import Like, like
from torchstone.check.optimizers.subject import OptimizerSubject
from torchstone.check.points import readings
from torchstone.check.probe import Probe
from torchstone.check.recognise import inputs, names
from torchstone.check.recognise.claims import Claim, Request, claims
from torchstone.check.recognise.values import is_setting, required, same_name, seen, values
from torchstone.check.spec import Description, Kind, Spec
from torchstone.check.subject import Peer, Subject
from torchstone.check.words import means_target
from torchstone.definitions import Function

HomeMaker = Callable[[Spec], Home]


@dataclass(frozen=True)
class _Candidate:
    """One way to understand a subject."""

    subject: Subject
    claim: Claim | None


def understand(
    description: Description,
    home: HomeMaker,
    request: Request | None = None,
    *,
    target: str = "",
    declared: Mapping[str, Any] | None = None,
) -> Subject | OptimizerSubject:
    """The subject of a description: what it is held against, and how it is called.

    `home` makes a home for it under a spec; it may be asked for several, to try them. Raises `ValueError` for a request
    that the description does not fit.
    """
    wish = request or Request()
    if description.is_optimizer:
        from torchstone.check.optimizers.recognise import understand as optimizer  # which reads names as this does

        return optimizer(description, home, wish, target=target or description.name, declared=dict(declared or {}))
    if wish.like is not None and wish.like.description.is_optimizer:
        raise ValueError(f"like: expected a loss or an activation, got {wish.like.text}, which is an optimizer")
    if wish.kind == "optimizer":
        raise ValueError(f"kind: expected a loss or an activation, for {description.name} has no step, got optimizer")
    maker = _Maker(description, home, wish, target or description.name, dict(declared or {}))
    return maker.subject()


class _Maker:
    def __init__(
        self, description: Description, home: HomeMaker, request: Request, target: str, declared: Mapping[str, Any]
    ) -> None:
        self.description, self.home, self.request, self.target = description, home, request, target
        self.declared = declared

    def subject(self) -> Subject:
        """The way to understand it that fits."""
        claimed = tuple(claim for claim in claims(self.description, self.request) if self._has_shapes_of(claim))
        candidates = [each for claim in claimed for each in self._under(claim)]
        if not claimed or any(claim.loose for claim in claimed):
            candidates += self._unknown()
        chosen = _chosen(candidates)
        subject = chosen.subject
        facts = list(subject.facts)
        if chosen.claim is not None and chosen.claim.why:
            facts.insert(0, chosen.claim.why)
        elif chosen.claim is None and claimed:
            facts.insert(
                0, f"its name says {claimed[0].definition.name}, but ordinary values differ: not held against it"
            )
        subject.facts = tuple(facts)
        subject.peer = self._peer(subject, chosen.claim)
        subject.dim_told = self._is_dim_told(subject)
        return subject

    def _has_shapes_of(self, claim: Claim) -> bool:
        """Whether the inputs, where its user gave them, are all there, and of one shape for a function of numbers.

        A definition that was asked for is taken as it was asked for.
        """
        given = self.request
        if not given.inputs or given.definition or given.formula or given.like:
            return True
        entries = inputs.read(given.inputs, self.description, claim.definition)
        if claim.definition.name not in inputs.SEQUENCES and len(entries) < len(inputs.wanted(claim.definition)):
            return False
        shapes = {entry.dims for entry in entries if entry.symbol and entry.role != "other"}
        return claim.definition.is_vector or len(shapes) == 1

    # Ways to understand it.

    def _under(self, claim: Claim) -> Iterator[_Candidate]:
        """The subject held against a definition."""
        definition = claim.definition
        if definition.name in inputs.SEQUENCES:
            yield self._sequence(claim)
            return
        told = {} if self.request.like is None else _parameters_told(self.request.like, definition)
        kwargs, facts = self._arguments(definition, told)
        own = values(self.description, definition, kwargs)
        parameters = {**own.parameters, **told}
        dim = self._dim(definition, kwargs)
        long = [len(value) for value in parameters.values() if isinstance(value, list)]
        classes = long[0] if long else None
        entries = (
            inputs.read(self.request.inputs, self.description, definition)
            if self.request.inputs
            else inputs.of_definition(self.description, definition, dim, classes)
        )
        entries = self._running(entries, kwargs, definition, parameters, dim)
        versions = [entries]
        if not self.request.inputs and (hard := inputs.hard_labels(entries)):
            versions.append(hard)
        for each in versions:
            made = self._made(definition.kind, each, kwargs, (*facts, *own.facts), definition, parameters, dim)
            yield _Candidate(made, claim)

    def _running(
        self,
        entries: tuple[Entry, ...],
        kwargs: Mapping[str, Any],
        definition: Function,
        parameters: Mapping[str, Any],
        dim: int,
    ) -> tuple[Entry, ...]:
        """The inputs in a shape that the subject takes: numbers may come in any, and some take one alone."""
        if self.request.inputs or any(entry.dims != ("...",) for entry in entries):
            return entries
        for dims in inputs.SHAPES:
            shaped = tuple(replace(entry, dims=dims) for entry in entries)
            made = self._made(definition.kind, shaped, kwargs, (), definition, parameters, dim)
            if _ordinary(made) is not None:
                return shaped
        return entries

    def _sequence(self, claim: Claim) -> _Candidate:
        """The subject held against a definition of sequences, and called as PyTorch's own is."""
        kwargs, facts = self._arguments(None, {})
        own = values(self.description, claim.definition, kwargs)
        entries = (
            inputs.with_symbols(inputs.read(self.request.inputs, self.description, None))
            if self.request.inputs
            else inputs.of_sequence(self.description, claim.definition)
        )
        made = self._made("loss", entries, kwargs, (*facts, *own.facts), claim.definition, own.parameters, -1)
        return _Candidate(made, claim)

    def _unknown(self) -> Iterator[_Candidate]:
        """The subject held against nothing, or a counterpart alone."""
        kwargs, facts = self._arguments(None, {})
        kind = self.request.kind or self._kind()
        versions = (
            iter([inputs.read(self.request.inputs, self.description, None)])
            if self.request.inputs
            else inputs.guesses(self.description, kind)
        )
        for each in versions:
            yield _Candidate(self._made(kind, each, kwargs, facts, None, {}, self._dim(None, kwargs)), None)

    def _made(
        self,
        kind: Kind,
        entries: Any,
        kwargs: Mapping[str, Any],
        facts: tuple[str, ...],
        definition: Function | None,
        parameters: Mapping[str, Any],
        dim: int,
    ) -> Subject:
        evaluation = definition is not None and definition.random
        spec = Spec(self.target, kind, tuple(entries), kwargs, evaluation)
        asked = {} if self.request.like is None else self.request.like.told
        own = {**self.description.constructor, **self.description.attributes, **self.description.call}
        reduced = {"reduction": asked["reduction"]} if "reduction" in asked and "reduction" not in own else {}
        ignored = seen(self.description, kwargs).get("ignore_index")
        return Subject(
            spec,
            self.description,
            self.home(spec),
            definition,
            parameters,
            dim=dim,
            ignore_index=ignored if isinstance(ignored, int) and not isinstance(ignored, bool) else None,
            declared={**reduced, **self.declared},
            from_scratch=self.request.from_scratch,
            facts=facts,
        )

    def _kind(self) -> Kind:
        """Loss or activation: as the name says, or the inputs."""
        called = inputs.tensors_of(self.description, None)
        said = names.kind_of(self.description.name)
        if said is not None and not (said == "activation" and any(map(means_target, called[1:]))):
            return said
        if len(called) > 1:
            return "activation" if "gate" in called else "loss"
        first = self.description.doc.partition("\n")[0].lower()
        return "loss" if "loss" in first and "activation" not in first else "activation"

    def _arguments(
        self, definition: Function | None, told: Mapping[str, Any]
    ) -> tuple[dict[str, Any], tuple[str, ...]]:
        """What the subject is built or called with: as told, as its counterpart is, or what it cannot do without."""
        seen_ = self.description
        given = dict(self.request.kwargs)
        takes = {**seen_.call, **seen_.constructor} if seen_.form != "instance" else {}
        like = self.request.like
        for name, value in (like.told if like is not None else {}).items():
            own = same_name(name, takes, definition)
            if own and own not in given:
                given[own] = value
        needed = [name for name in seen_.constructor_required if name not in given] if seen_.form == "class" else []
        rows = definition is not None and definition.is_vector and definition.kind == "activation"
        needed += [name for name in ("dim", "axis") if rows and takes.get(name, 0) is None and name not in given]
        tensors = {entry.name for entry in self.request.inputs}
        needed += [
            name for name in seen_.call_required if name not in {*given, *tensors} and is_setting(name, definition)
        ]
        found, missing = required(tuple(needed), definition, told)
        facts = [f"{name} = {value}: chosen here; give another with kwargs" for name, value in found.items()]
        if missing:
            facts.append(f"it requires {', '.join(missing)}: give it with kwargs")
        return {**given, **found}, tuple(facts)

    def _dim(self, definition: Function | None, kwargs: Mapping[str, Any]) -> int:
        """The dimension of the classes."""
        like = self.request.like
        told = {} if like is None else {**like.description.attributes, **like.told}
        own = seen(self.description, kwargs)
        for value in (told.get("dim"), own.get("dim"), own.get("axis")):
            if isinstance(value, int) and not isinstance(value, bool):
                return value
        if definition is None:
            return -1
        named = inputs.dim_of_classes(self.request.inputs)
        if named is not None:
            return named
        by_class = definition.counterpart in ("torch.nn.CrossEntropyLoss", "torch.nn.NLLLoss")
        return 1 if by_class else definition.axis

    def _is_dim_told(self, subject: Subject) -> bool:
        """Whether the user, or an argument of the subject's own, says which dimension is meant in every shape."""
        own = seen(self.description, subject.spec.kwargs)
        named = any(isinstance(own.get(name), int) for name in ("dim", "axis"))
        like = self.request.like
        asked = self.request.definition is not None or (like is not None and isinstance(like.told.get("dim"), int))
        return not self.request.inputs and (asked or named)

    # The counterpart.

    def _peer(self, subject: Subject, claim: Claim | None) -> Peer | None:
        """What the user says that it is like, or PyTorch's own that the definition names."""
        other = self.request.like or (_counterpart(claim.definition) if claim is not None else None)
        if other is None:
            return None
        definition = subject.definition
        called = inputs.tensors_of(other.description, definition, len(subject.inputs))
        if definition is not None:
            entries = inputs.of_definition(other.description, definition, subject.dim, None)
        else:
            entries = _alike(subject, called)
        own = _configured(subject, other)
        kwargs = {**own, **other.told} if self.request.like else {**other.told, **own}
        if other.description.form == "instance":  # it has them; PoissonNLLLoss calls an input and a switch log_input
            kwargs = {name: value for name, value in kwargs.items() if name not in called}
        spec = Spec(other.text, subject.spec.kind, entries, kwargs, subject.spec.evaluation)
        shown = ", ".join(f"{name}={value!r}" for name, value in kwargs.items())
        text = f"{other.dotted}({shown})" if kwargs and other.description.form == "class" else other.text
        return Peer(other.home(spec), spec, text, _named_alike(subject, spec))


def _named_alike(subject: Subject, spec: Spec) -> dict[str, str]:
    """What the counterpart calls the subject's inputs: those of one meaning, else those at one place."""
    by_symbol = {entry.symbol: entry.name for entry in spec.inputs if entry.symbol}
    return {
        entry.name: by_symbol.get(entry.symbol, other.name)
        for entry, other in zip(subject.inputs, spec.inputs, strict=False)
    }


def _alike(subject: Subject, called: tuple[str, ...]) -> tuple[Any, ...]:
    """The subject's inputs, in a counterpart's names: predictions and targets change places where they have to."""
    entries = list(subject.inputs)
    called = called or tuple(entry.name for entry in entries)
    swapped = len(entries) == 2 and len(called) >= 2
    if swapped and entries[0].role == "target" and not means_target(called[0]):
        entries = entries[::-1]
    return tuple(
        replace(entry, name=name, symbol=entry.symbol or entry.name)
        for entry, name in zip(entries, called, strict=False)
    )


def _parameters_told(like: Like, definition: Function) -> dict[str, Any]:
    """The definition's parameters that a counterpart's user gave."""
    bare = replace(like.description, attributes={}, constructor={}, call={})
    return dict(values(bare, definition, like.told).parameters)


def _counterpart(definition: Function) -> Like | None:
    """PyTorch's own, as the definition names it."""
    if not definition.counterpart:
        return None
    try:
        return like(definition.counterpart)
    except ValueError:  # not in this version of PyTorch
        return None


def _configured(subject: Subject, other: Like) -> dict[str, Any]:
    """The counterpart's arguments that follow from the subject's own numbers."""
    if other.description.form != "class":
        return {}
    takes, found = other.description.constructor, {}
    for entry in subject.definition.parameters if subject.definition else ():
        name = entry.argument or entry.name
        value = subject.parameters.get(entry.name)
        if name in takes and value is not None and value != takes[name]:
            found[name] = bool(value) if isinstance(takes[name], bool) else value
    if subject.ignore_index is not None and takes.get("ignore_index") not in (None, subject.ignore_index):
        found["ignore_index"] = subject.ignore_index
    if "dim" in takes:
        found["dim"] = subject.dim
    reduction = seen(subject.description, subject.spec.kwargs).get("reduction")
    if reduction in ("none", "sum", "batchmean") and "reduction" in takes:
        found["reduction"] = reduction
    return found


# Trying.


def _chosen(candidates: list[_Candidate]) -> _Candidate:
    """The first candidate that agrees with its definition; else the first that runs; else the first."""
    if len(candidates) == 1:
        return candidates[0]
    running: list[_Candidate] = []
    for each in candidates:
        value = _ordinary(each.subject)
        if value is None:
            continue
        firm = any(other.claim and not other.claim.loose for other in running)
        if each.claim is None and not firm and bool(torch.isfinite(value).all()):
            return each
        if each.claim is not None and _agrees(each, value):
            return each
        running.append(each)
    ran, any_ = (
        [each for each in some if each.claim is None or not each.claim.loose] for some in (running, candidates)
    )
    return (ran or any_ or candidates)[0]


def _ordinary(subject: Subject, seed: int = 1) -> torch.Tensor | None:
    """Its result for ordinary inputs, if it runs on them."""
    answer = subject.home.ask(Probe("call", {}, _sample(subject, seed)))
    return answer.tensors.get("value") if answer.ok else None


def _sample(subject: Subject, seed: int) -> dict[str, torch.Tensor]:
    return subject.sample(seed=seed, N=3)


def _agrees(candidate: _Candidate, value: torch.Tensor) -> bool:
    """Whether an ordinary result is the definition's; of a loose claim, or a deviation that is nobody's formula."""
    subject, claim = candidate.subject, candidate.claim
    assert claim is not None
    functions = list(readings(claim.definition))
    if claim.loose:
        right = names.LOOSE.get(claim.definition.name, ())
        functions += [
            replace(claim.definition, name=f"{claim.definition.name}: {each.name}", expression=each.expression)
            for each in claim.definition.variants
            if each.name not in right
        ]
    return any(
        _is_value_of(subject, function, value, 1)
        and (not claim.loose or all(_is_value_of(subject, function, _ordinary(subject, seed), seed) for seed in (2, 3)))
        for function in functions
    )


def _is_value_of(subject: Subject, function: Function, value: torch.Tensor | None, seed: int) -> bool:
    if value is None or not bool(torch.isfinite(value).any()):
        return False
    reductions = ("none",) if subject.kind == "activation" or value.numel() > 1 else ("mean", "sum", "batchmean")
    for reduction in reductions:
        truth = subject.expected(_sample(subject, seed), reduction=reduction, definition=function).value.high
        if truth.shape == tuple(value.shape) and torch.allclose(
            value.to(torch.float64), torch.as_tensor(truth), rtol=1e-5, atol=1e-8, equal_nan=True
        ):
            return True
    return False
