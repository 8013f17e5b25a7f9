"""What a subject can be asked, where it lives. Each action measures; what is right or wrong is a rule's to say.

An action is a function (held, options, tensors) -> Answer; `held` is a Held, or a HeldOptimizer. It lets the subject's
code run within `subject_code`, so that what the subject raises is told from a fault of ours. Modules here import torch,
and nothing of the definitions.
"""

import traceback
from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor

from torchstone.check.held import SubjectError
from torchstone.check.probe import Answer, Probe
from torchstone.check.settings import restored

Action = Callable[[Any, Mapping[str, Any], Mapping[str, Tensor]], Answer]
ACTIONS: dict[str, Action] = {}

# Where the actions are. The names are those of the rules' modules that ask them.
_MODULES = (
    "call",
    "general",
    "surroundings",
    "losses",
    "activations",
    "derivatives",
    "numerics",
    "transforms",
    "state",
    "optimizers",
    "optimizers_construction",
    "optimizers_options",
    "optimizers_tensors",
    "optimizers_state",
    "optimizers_training",
    "optimizers_surroundings",
)


def action(function: Action) -> Action:
    """Make a function an action, by its name. Raises `ValueError` for a name that another has."""
    if function.__name__ in ACTIONS:
        raise ValueError(f"action: expected a name of its own, got {function.__name__!r} of {function.__module__}")
    ACTIONS[function.__name__] = function
    return function


def load() -> None:
    """Import every action."""
    from importlib import import_module

    for name in _MODULES:
        import_module(f"{__name__}.{name}")


def perform(held: Any, probe: Probe) -> Answer:
    """Do what is asked. A failure is an answer, too."""
    if not ACTIONS:
        load()
    try:
        with restored():
            return ACTIONS[probe.action](held, probe.options, probe.tensors)
    except SubjectError as error:
        return Answer(failure="raised", error=str(error), during=error.during)
    except Exception:
        return Answer(failure="fault", error=traceback.format_exc(limit=-4), during=probe.action)
