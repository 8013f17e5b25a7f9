"""Where a subject lives: in this process, or in a child (`sandbox.py`)."""

import io
from contextlib import redirect_stderr, redirect_stdout
from typing import Any, Protocol

from torchstone.check.actions import perform
from torchstone.check.held import Held
from torchstone.check.optimizers.build import HeldOptimizer
from torchstone.check.probe import Answer, Probe
from torchstone.check.spec import Spec


def hold(thing: Any, spec: Spec) -> Held | HeldOptimizer:
    """A subject, ready to be built where it lives."""
    return HeldOptimizer(thing, spec) if spec.kind == "optimizer" else Held(thing, spec)


class Home(Protocol):
    """Something that passes probes to a subject."""

    def ask(self, probe: Probe) -> Answer:
        """The subject's answer."""

    def close(self) -> None:
        """Give back what it holds. It can be asked again."""


class Local:
    """A subject in this process: its code runs with no limits. What it prints, hundreds of times, is not shown."""

    def __init__(self, held: Held | HeldOptimizer) -> None:
        self._held = held

    def ask(self, probe: Probe) -> Answer:
        """The subject's answer."""
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            return perform(self._held, probe)

    def close(self) -> None:
        """Nothing is held."""
