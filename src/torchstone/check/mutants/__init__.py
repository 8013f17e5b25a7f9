"""Wrong subjects, each the proof that a rule can fail; and clean ones, each the proof that it can pass.

A mutant is written the way people write the bug. It has to fire its rules, and may fire no others but those named.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, TypeVar

T = TypeVar("T")
_MODULES = (
    *("general", "surroundings", "losses", "losses_clean", "activations", "activations_modules"),
    *("derivatives", "derivatives_graph", "numerics", "transforms", "state", "optimizers_trajectory"),
    *("optimizers_options",),
    *("optimizers_parameters", "optimizers_tensors", "optimizers_state"),
    *("optimizers_construction", "optimizers_training", "optimizers_surroundings"),
)


@dataclass(frozen=True)
class Mutant:
    """A subject with what is known to be wrong with it: nothing, for a clean one.

    `fires` are the rules that must find something, `also` those that may; `settings` are arguments of `check`.
    """

    thing: Any
    fires: tuple[str, ...]
    also: tuple[str, ...]
    settings: Mapping[str, Any]
    clean_for: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The subject's name."""
        return str(self.thing.__name__)


_ALL: list[Mutant] = []


def mutant(*fires: str, also: tuple[str, ...] = (), **settings: Any) -> Callable[[T], T]:
    """Register a class or function as a wrong subject that these rules must find."""

    def register(thing: T) -> T:
        _ALL.append(Mutant(thing, fires, also, settings))
        return thing

    return register


def clean(*rules: str, **settings: Any) -> Callable[[T], T]:
    """Register a class or function as a right subject: these rules run and pass, and no rule finds an error."""

    def register(thing: T) -> T:
        _ALL.append(Mutant(thing, (), (), settings, rules))
        return thing

    return register


def mutants() -> tuple[Mutant, ...]:
    """Every subject that was registered."""
    for name in _MODULES:
        import_module(f"{__name__}.{name}")
    return tuple(_ALL)
