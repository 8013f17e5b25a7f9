"""`torchstone.check`: subjects in this process."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from torchstone import definitions
from torchstone.check import engine, held, recognise
from torchstone.check.describe import describe
from torchstone.check.entries import read_inputs
from torchstone.check.home import Local
from torchstone.check.result import Report
from torchstone.check.rule import Tier
from torchstone.check.spec import Spec
from torchstone.check.subject import Subject
from torchstone.check.traits import ATTRIBUTE


def check(
    thing: Any,
    like: Any = None,
    definition: Any = None,
    inputs: str | None = None,
    kind: str | None = None,
    expect: Mapping[str, str] | None = None,
    tier: Tier = "fast",
    select: Sequence[str] | None = None,
    ignore: Sequence[str] | None = None,
) -> Report:
    """Hold an implementation against the mathematics. See `torchstone.check`."""
    selection = engine.Selection(tier, tuple(select or ()), tuple(ignore or ()), dict(expect or {}))
    description = describe(thing, {})
    found: Any = definitions.get(definition) if isinstance(definition, str) else definition
    if found is None:
        found = recognise.definition_of(description.name)
    chosen: Any = kind or (found.kind if found else "loss" if len(description.call_required) > 1 else "activation")
    entries = read_inputs(inputs) if inputs else recognise.inputs_of(description, found, chosen)
    spec = Spec(description.name, chosen, entries)
    subject = Subject(
        spec,
        description,
        Local(held.Held(thing, spec)),
        found,
        recognise.parameters_of(description, found, {}),
        declared=dict(getattr(thing, ATTRIBUTE, {})),
    )
    results = engine.examine(subject, selection)
    return Report((engine.reported(subject, results, selection.expect),), torch.__version__)
