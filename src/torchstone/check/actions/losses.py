"""What rules on losses ask of a subject."""

import warnings
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from torchstone.check.actions import action
from torchstone.check.actions.call import configured, prepared, result_of, told
from torchstone.check.held import Held, seeded
from torchstone.check.probe import Answer


@action
def call_heard(held: Held, options: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Answer:
    """The value, with the texts of the warnings that the subject gave: the fact "warnings"."""
    built = configured(held, options, tensors)
    with seeded(0), warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        value = result_of(held, built, prepared(held, options, tensors))
    return Answer({**told("value", value), "warnings": [str(each.message)[:300] for each in heard]}, {"value": value})


@action
def call_after(held: Held, options: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Answer:
    """The value of a call after another one, on one and the same object: first with the tensors "first.NAME"."""
    built = configured(held, options, tensors)
    first = {name.removeprefix("first."): each for name, each in tensors.items() if name.startswith("first.")}
    with seeded(0):
        result_of(held, built, prepared(held, options, first))
        value = result_of(held, built, prepared(held, options, tensors))
    return Answer(told("value", value), {"value": value.detach()})
