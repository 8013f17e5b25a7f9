"""What every subject can do, whatever its kind: it is asked, through its home, and its traits are found once."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, NamedTuple

from torch import Tensor

from torchstone.check.home import Home
from torchstone.check.probe import Answer, Probe
from torchstone.check.rule import NotApplicable


class Ended(Exception):  # noqa: N818 (an outcome: the engine makes a finding of it)
    """The subject's process ended, by a crash or at its time limit."""


class Refused(NotApplicable):
    """The subject raised where a rule cannot go on without an answer. A loud refusal is no violation by itself."""


class Fault(Exception):  # noqa: N818
    """Our own code failed while it asked a subject."""


class Trait(NamedTuple):
    """What a trait means, and how it is found where nobody declared it."""

    meaning: str
    find: Callable[[Any], Any]


class Asking:
    """The part of a subject that asks and remembers. Its dataclass has these fields."""

    home: Home
    declared: Mapping[str, Any]
    _probed: dict[str, Any]
    known_traits: ClassVar[Mapping[str, Trait]]

    def ask(
        self, action: str, tensors: Mapping[str, Tensor] | None = None, options: Mapping[str, Any] | None = None
    ) -> Answer:
        """The answer to a probe; the subject may have raised. Raises `Ended` where its process did not survive."""
        return alive(self.home.ask(Probe(action, options or {}, tensors or {})))

    def trait(self, name: str) -> Any:
        """A trait: as declared, as the definition has it, or as probed (once)."""
        if name in self.declared:
            return self.declared[name]
        if name not in self._probed:
            self._probed[name] = self.known_traits[name].find(self)
        return self._probed[name]

    @property
    def traits_found(self) -> Mapping[str, tuple[Any, str]]:
        """The traits that were asked for so far, with who says so: "declared" or "probed"."""
        found = {name: (value, "probed") for name, value in self._probed.items()}
        return {**found, **{name: (value, "declared") for name, value in self.declared.items()}}

    @property
    def traits_told(self) -> tuple[str, ...]:
        """Those that say something, as sentences of a report."""
        return tuple(
            f"{name}: {value} ({who})"
            for name, (value, who) in self.traits_found.items()
            if value not in (False, "", None)
        )


def alive(answer: Answer) -> Answer:
    """The answer, of a subject that lives. Raises `Ended` or `Fault` where there is none."""
    if answer.failure == "ended":
        raise Ended(answer.error)
    if answer.failure == "fault":
        raise Fault(answer.error)
    return answer


def granted(answer: Answer) -> Answer:
    """The answer, where the subject gave one. Raises `Refused` where it raised."""
    if not answer.ok:
        raise Refused(f"the subject raises {answer.error}")
    return answer
