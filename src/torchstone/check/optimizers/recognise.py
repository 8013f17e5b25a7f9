"""From an optimizer's description and a request to a subject: its definition, its hyper-parameters, its usage."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from sympy.logic.boolalg import BooleanAtom

from torchstone.check.asking import Refused
from torchstone.check.home import Home
from torchstone.check.like import Like, like
from torchstone.check.optimizers.evidence import leaves
from torchstone.check.optimizers.names import LOOSE, is_neutral, meant
from torchstone.check.optimizers.plan import Plan, ordinary
from torchstone.check.optimizers.scenarios import scenarios
from torchstone.check.optimizers.subject import OptimizerPeer, OptimizerSubject
from torchstone.check.optimizers.traits import USAGE_OF
from torchstone.check.optimizers.vocabulary import AMBIGUOUS, SPELLINGS, own_name, value_of
from torchstone.check.probe import Probe
from torchstone.check.spec import Description, Spec
from torchstone.definitions import UpdateRule

if TYPE_CHECKING:
    from torchstone.check.recognise.claims import Request

HomeMaker = Callable[[Spec], Home]

# How an optimizer may have to be driven, the usual way first.
USAGES: tuple[Mapping[str, Any], ...] = ({}, {"closure": True}, {"dims": 2}, {"sparse": True})

# What is given where a constructor insists, and no definition says what.
_ORDINARY: Mapping[str, Any] = {
    "lr": 0.01,
    "momentum": 0.9,
    "weight_decay": 0.0,
    "beta1": 0.9,
    "beta2": 0.999,
    "eps": 1e-8,
}
_OTHERS: Mapping[str, Any] = {"betas": [0.9, 0.999], "k": 5, "la_steps": 5, "la_alpha": 0.5, "total_steps": 100}

_EASY = 12  # steps that tell one definition from another


@dataclass(frozen=True)
class _Claim:
    """A definition that it may be held against.

    "firm": whatever comes of it; "loose": where an easy run agrees with it or with a deviation of it, for its name says
    more than that; "hint": where it agrees throughout, for its docstring alone says so.
    """

    definition: UpdateRule
    why: str = ""
    strength: Literal["firm", "loose", "hint"] = "firm"
    implied: Mapping[str, Any] = field(default_factory=dict)


def understand(
    description: Description, home: HomeMaker, request: "Request", *, target: str, declared: Mapping[str, Any]
) -> OptimizerSubject:
    """The subject of an optimizer's description.

    Raises `ValueError` for a request that means nothing for an optimizer.
    """
    _validate(request)
    claims = tuple(_claims(description, request))
    kwargs, facts = _arguments(description, request, claims[0].definition if claims else None)
    told = {usage: True for trait, usage in USAGE_OF.items() if declared.get(trait)}
    spec, seen = _running(Spec(target, "optimizer", (), kwargs, usage=told), description, home)
    description = seen or description
    made = [_made(spec, description, home, claim, request, declared) for claim in claims]
    chosen = _chosen(claims, made)
    if chosen is None:
        subject = _made(spec, description, home, None, request, declared)
        if claims and claims[0].strength != "hint":
            facts = (
                f"its name says {claims[0].definition.name}, but it goes another way: not held against it",
                *facts,
            )
    else:
        subject = _with_its_decay(made[chosen])
        facts = (*([claims[chosen].why] if claims[chosen].why else []), *facts)
    subject.facts = facts
    subject.peer = _peer(subject, request)
    return subject


def _validate(request: "Request") -> None:
    for name, given in (("inputs", request.inputs), ("formula", request.formula)):
        if given:
            raise ValueError(f"{name}: expected none for an optimizer, which is given parameters and gradients")
    if request.like is not None and not request.like.description.is_optimizer:
        raise ValueError(f"like: expected an optimizer, as the subject is one, got {request.like.text}")
    if request.kind not in (None, "optimizer"):
        raise ValueError(f"kind: expected optimizer, for the subject has a step, got {request.kind!r}")
    if request.definition is not None and not isinstance(request.definition, (UpdateRule, str)):
        raise ValueError(f"definition: expected that of an optimizer, got {request.definition.name}")


# Which definition.


def _claims(description: Description, request: "Request") -> Iterator[_Claim]:
    asked = request.definition
    if isinstance(asked, str):  # "none"
        return
    if asked is not None:
        assert isinstance(asked, UpdateRule)
        yield _Claim(asked)
        return
    if request.like is not None:
        yield from _of_like(request.like)
        return
    for source, text, weak in _sources(description):
        found = meant(text)
        for each in found:
            why = f"recognised as {each.definition.name} from {source}"
            yield _Claim(each.definition, why, weak or ("loose" if each.loose else "firm"), each.implied)
        if found:
            return


def _sources(description: Description) -> Iterator[tuple[str, str, Literal["", "loose", "hint"]]]:
    """What tells of an optimizer what it is, and how much that counts where the text alone does not tell."""
    yield f"the name {description.name}", description.name, ""
    if description.makes:
        yield f"what it makes, a {description.makes}", description.makes, ""
    first = description.doc.partition("\n")[0]
    if first:
        yield f"the docstring, {first!r}", first, "loose" if is_neutral(description.name) else "hint"


def _of_like(other: Like) -> Iterator[_Claim]:
    why = f"held against {{}}, for it is like {other.text}"
    from torchstone import definitions

    known = [
        each
        for each in definitions.every("optimizer")
        if isinstance(each, UpdateRule) and each.counterpart.partition("(")[0] == other.dotted
    ]
    for each in (*[one.definition for one in meant(other.description.name)], *known):
        if each in known or other.is_trusted:
            yield _Claim(each, why.format(each.name))
            return


# How it is built, and driven.


def _arguments(
    description: Description, request: "Request", definition: UpdateRule | None
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """What it is built with: as told, as its counterpart is, or what it cannot do without."""
    given = dict(request.kwargs)
    known = description.constructor
    if request.like is not None:
        for name, value in request.like.told.items():
            own = own_name(name, known) or (name if name in known else "")
            if own and "[" not in own:
                given.setdefault(own, value)
    facts, missing = [], []
    for name in description.constructor_required:
        if name in given:
            continue
        value = _value_for(name, definition)
        if value is None:
            missing.append(name)
        else:
            given[name] = value
            facts.append(f"{name} = {value}: chosen here; give another with kwargs")
    if missing:
        facts.append(f"it requires {', '.join(missing)}: give it with kwargs")
    return given, tuple(facts)


def _value_for(name: str, definition: UpdateRule | None) -> Any:
    """A value for an argument that has to be given."""
    for entry in definition.hyper if definition is not None else ():
        if own_name(entry.name, {name: None}, argument=entry.argument) == name:
            return _number(entry.default)
    for canonical in SPELLINGS:
        if canonical in _ORDINARY and own_name(canonical, {name: None}) == name:
            return _ORDINARY[canonical]
    return _OTHERS.get(name)


def _number(value: Any) -> Any:
    return bool(value) if isinstance(value, BooleanAtom) else float(value)


def _running(spec: Spec, description: Description, home: HomeMaker) -> tuple[Spec, Description | None]:
    """The spec under which an ordinary run succeeds, and how it looks when it is built so."""
    for usage in (spec.usage,) if spec.usage else USAGES:
        tried = replace(spec, usage=usage)
        where = home(tried)
        shapes = {"a": (2, 3), "b": (4, 2)} if usage.get("dims") else None
        plan = ordinary(2, shapes) if shapes else ordinary(2)
        answer = where.ask(Probe("run", {"names": list(plan.start)}, plan.tensors))
        if answer.ok:
            seen = where.ask(Probe("seen"))
            return tried, Description.from_json(seen.facts["description"]) if seen.ok else description
    return spec, None


def _made(
    spec: Spec,
    description: Description,
    home: HomeMaker,
    claim: _Claim | None,
    request: "Request",
    declared: Mapping[str, Any],
) -> OptimizerSubject:
    settings = {**description.constructor, **spec.kwargs, **description.attributes}
    definition = claim.definition if claim is not None else None
    names, hyper = spelled(definition, settings, {**description.constructor, **description.attributes})
    if claim is not None:
        hyper |= {name: value for name, value in claim.implied.items() if name in hyper and name not in names}
    return OptimizerSubject(
        spec,
        description,
        home(spec),
        definition,
        names,
        hyper,
        settings,
        declared=declared,
        firm=_is_firm(claim, request),
        from_scratch=request.from_scratch,
    )


def _is_firm(claim: _Claim | None, request: "Request") -> bool:
    asked = request.definition is not None or request.like is not None
    return asked or (claim is not None and claim.strength == "firm" and claim.definition.name not in LOOSE)


def spelled(
    definition: UpdateRule | None, settings: Mapping[str, Any], known: Mapping[str, Any]
) -> tuple[dict[str, str], dict[str, Any]]:
    """How hyper-parameters are spelled by who has these settings, and their values: the definition's for the others."""
    names: dict[str, str] = {}
    hyper: dict[str, Any] = {}
    entries = (
        [(entry.name, entry.argument, _number(entry.default)) for entry in definition.hyper]
        if definition is not None
        else [(name, "", None) for name in SPELLINGS]
    )
    if definition is None:
        known = {name: value for name, value in known.items() if name not in AMBIGUOUS}
    for name, argument, default in entries:
        own = own_name(name, known, tuple(names.values()), argument)
        value = value_of(own, settings) if own else None
        if isinstance(value, bool) and isinstance(default, float):
            own, value = "", None  # a switch of that name is something else
        if own:
            names[name] = own
        if isinstance(value, (bool, int, float)):
            hyper[name] = value
        elif default is not None:
            hyper[name] = default
    return names, hyper


def _with_its_decay(subject: OptimizerSubject) -> OptimizerSubject:
    """The subject without weight decay, where it has no such argument and does not decay by default."""
    if subject.definition is None or subject.takes("weight_decay") or not subject.hyper.get("weight_decay"):
        return subject
    without = replace(subject, hyper={**subject.hyper, "weight_decay": 0.0})
    plain = subject.definition.precision > 0 or not agrees(subject, (subject.definition,))
    return without if plain and agrees(without, (subject.definition,)) else subject


# Which claim holds.


def _chosen(claims: tuple[_Claim, ...], made: list[OptimizerSubject]) -> int | None:
    """The first claim with which an easy run agrees; else the first that is firm."""
    if len(claims) == 1 and claims[0].strength == "firm":
        return 0
    # Adam and AdamW are one without weight decay.
    for telling in ({"weight_decay": 0.1}, {}) if len(claims) > 1 else ({},):
        for number, (claim, subject) in enumerate(zip(claims, made, strict=True)):
            if agrees(subject, (claim.definition,), telling) and (claim.strength != "hint" or _follows(subject)):
                return number
    for number, (claim, subject) in enumerate(zip(claims, made, strict=True)):
        if claim.strength == "loose" and agrees(subject, _wrong_variants(claim.definition)):
            return number
    return next((number for number, claim in enumerate(claims) if claim.strength == "firm"), None)


def _follows(subject: OptimizerSubject) -> bool:
    """Whether a subject goes where its definition goes, in all that O201 tries."""
    for _, plan in scenarios(subject):
        try:
            if leaves(subject, plan, precision=1e-5) is not None:
                return False
        except Refused:
            continue
    return True


def _wrong_variants(definition: UpdateRule) -> tuple[UpdateRule, ...]:
    return tuple(definition.variant(name) for name in definition.variants if name not in definition.accepted)


def easy(subject: OptimizerSubject, hyper: Mapping[str, Any] = MappingProxyType({})) -> Plan:
    """A run that any form of a definition passes: one parameter, ordinary numbers, nothing changed but `hyper`."""
    plan = subject.ordinary(_EASY).only("a").with_(hyper={k: v for k, v in hyper.items() if subject.takes(k)})
    step = {} if abs(float(subject.hyper.get("lr", 1.0))) > 1e-12 or not subject.takes("lr") else {"lr": 0.01}
    return subject.settled(plan.with_(hyper=step))


def agrees(
    subject: OptimizerSubject, rules: tuple[UpdateRule, ...], hyper: Mapping[str, Any] = MappingProxyType({})
) -> bool:
    """Whether an easy run goes where one of the rules does."""
    plan = easy(subject, hyper)
    answer = subject.run(plan)
    if not answer.ok or not bool(answer.tensors["a"].isfinite().all()):
        return False
    start, path = plan.start["a"].numpy(), answer.tensors["a"].double().numpy()
    for rule in rules:
        right = subject.expected(plan, definition=rule)["a"].parameters
        moved = np.abs(right - start).max()
        if right.shape == path.shape and np.abs(path - right).max() <= max(1e-5, 10 * rule.precision) * moved + 1e-13:
            return True
    return False


# The counterpart.


def _peer(subject: OptimizerSubject, request: "Request") -> OptimizerPeer | None:
    """What the user says that it is like, or PyTorch's own that the definition names."""
    other = request.like
    extra: Mapping[str, Any] = {}
    if other is None:
        if subject.definition is None or not subject.definition.counterpart:
            return None
        extra = subject.definition.settings
        try:
            other = like(subject.definition.counterpart)
        except ValueError:  # not in this version of PyTorch
            return None
    seen = other.description
    settings = {**seen.constructor, **other.told, **seen.attributes}
    names, _ = spelled(subject.definition, settings, {**seen.constructor, **seen.attributes})
    needed, _ = _arguments(seen, replace(request, like=None, kwargs=dict(other.told)), subject.definition)
    spec = Spec(other.text, "optimizer", (), {**extra, **needed}, usage=subject.spec.usage)
    return OptimizerPeer(other.home(spec), spec, other.text, names, settings)
