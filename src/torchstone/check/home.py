"""Where a subject lives: in this process, or in a child (`sandbox.py`)."""

from typing import Protocol

from torchstone.check.actions import perform
from torchstone.check.held import Held
from torchstone.check.probe import Answer, Probe


class Home(Protocol):
    """Something that passes probes to a subject."""

    def ask(self, probe: Probe) -> Answer:
        """The subject's answer."""


class Local:
    """A subject in this process: its code runs with no limits, as it does in its author's own program."""

    def __init__(self, held: Held) -> None:
        self._held = held

    def ask(self, probe: Probe) -> Answer:
        """The subject's answer."""
        return perform(self._held, probe)
