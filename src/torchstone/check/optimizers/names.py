"""From an optimizer's name to the definitions that it may mean."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from torchstone import definitions
from torchstone.check.recognise.names import NEUTRAL
from torchstone.check.words import plain, words
from torchstone.definitions import UpdateRule

# Words that say what is computed, in the name of an optimizer.
_TELLING = ("stable", "stably", "safe", "simple")
_NEUTRAL = (NEUTRAL - {*_TELLING}) | frozenset(
    (
        *(
            "optimizer",
            "optimizers",
            "optimiser",
            "optim",
            "opt",
            "optimization",
            "optimisation",
            "algorithm",
            "solver",
        ),
        *("foreach", "fused", "capturable", "multi", "single", "tensor", "for", "params", "parameters", "style"),
        *("fp", "float", "bf", "bfloat", "state", "master", "mixed", "precision", "and"),
        *("update", "updates", "rule", "method", "descent", "of", "on", "v", "based"),
    )
)
_FILLING = ("with", "and", "descent")

# Words that set a hyper-parameter where the subject has no argument for it.
_IMPLIED: Mapping[str, Mapping[str, Any]] = {
    "nesterov": {"nesterov": True, "momentum": 0.9},
    "nag": {"nesterov": True, "momentum": 0.9},
    "amsgrad": {"amsgrad": True},
    "centered": {"centered": True},
    "centred": {"centered": True},
    "momentum": {},
}
# Words that are written as two.
_JOINED = (("ams", "grad"), ("heavy", "ball"))
# Spellings that no definition lists; digits left out.
_SPELLINGS = {
    "sgd": (
        *("sgdmomentum", "momentumsgd", "sgdnesterov", "nesterovsgd", "nesterov", "nag", "nesterovmomentum"),
        *("nesterovacceleratedgradient", "nesterovaccelerated", "sgdm", "sgdmomentumnesterov", "nesterovgradient"),
    ),
    "momentum": ("heavyball", "momentumgradient", "gradientmomentum", "gdmomentum", "sgdmomentum", "momentumsgd"),
    "gradient_descent": ("gradient", "gd", "batchgradient", "vanillagradient"),
    "adam": (
        *("amsgrad", "adaml", "adamamsgrad", "amsgradadam", "adaptivemomentestimation"),
        *("adamweightdecay", "adamwd"),  # either is said of both
    ),
    "adamw": (
        *("decoupledadam", "adamdecoupled", "adamdecoupledweightdecay", "adamweightdecay", "adamwd"),
        *("amsgradw", "adamwamsgrad"),
    ),
    "nadam": ("nesterovadam", "adamnesterov"),
    "radam": ("rectifiedadam",),
    "signsgd": ("signum", "signdescent", "signsgdmomentum"),
    "lion": ("evolvedsignmomentum",),
    "rprop": ("resilientpropagation", "resilientbackpropagation", "resilientbackprop"),
    "rmsprop": ("rootmeansquarepropagation", "rmspropmomentum", "rmspropcentered"),
    "asgd": ("averagedsgd", "averagedstochasticgradient"),
}


# Names that people give to several rules, all of them right: what goes its own way under one of them may be another.
LOOSE = ("lamb", "adafactor", "muon", "lbfgs", "asgd", "signsgd")


def is_neutral(name: str) -> bool:
    """Whether a name says nothing of what is computed."""
    return all(word in _NEUTRAL or word.isdigit() for word in words(name))


@dataclass(frozen=True)
class Meant:
    """A definition that a name may mean, what the name sets, and whether words were left over."""

    definition: UpdateRule
    implied: Mapping[str, Any] = field(default_factory=dict)
    loose: bool = False


def meant(name: str) -> tuple[Meant, ...]:
    """The definitions that an optimizer's name may mean, the likeliest first.

    >>> [each.definition.name for each in meant("MyAdamW")], meant("AdamWithWarmup")[0].loose
    (['adamw'], True)
    """
    said = _said(name)
    for kept in (_without(said, _NEUTRAL - {"sgd"}), _without(said, frozenset(_FILLING)), said):
        for length in range(len(kept), 0, -1):
            for first in range(len(kept) - length + 1):
                found = _keys().get("".join(kept[first : first + length]), ())
                if found:
                    rest = [word for word in kept[:first] + kept[first + length :] if word not in _NEUTRAL]
                    implied = {key: value for word in said for key, value in _IMPLIED.get(word, {}).items()}
                    loose = any(word not in _IMPLIED for word in rest)
                    return tuple(Meant(each, implied, loose) for each in found)
    return ()


def _said(name: str) -> list[str]:
    """The words of a name, without its digits."""
    said = [word for word in words(name) if not word.isdigit()]
    for pair in _JOINED:
        for place in range(len(said) - 1):
            if tuple(said[place : place + 2]) == pair:
                said[place : place + 2] = ["".join(pair)]
    return said


def _without(said: list[str], unwanted: frozenset[str]) -> list[str]:
    return [word for word in said if word not in unwanted]


@cache
def _keys() -> Mapping[str, tuple[UpdateRule, ...]]:
    found: dict[str, list[UpdateRule]] = {}
    for entry in definitions.every("optimizer"):
        if isinstance(entry, UpdateRule):
            spelled = (entry.name, *entry.aliases, *_SPELLINGS.get(entry.name, ()))
            for key in {plain(each) for each in spelled} | {_short(each) for each in spelled}:
                found.setdefault(key, []).append(entry)
    return {key: tuple(dict.fromkeys(entries)) for key, entries in found.items() if key}


def _short(name: str) -> str:
    return "".join(word for word in words(name) if word not in _FILLING)
