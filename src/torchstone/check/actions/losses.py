"""What rules on losses ask of a subject."""

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from torchstone.check.actions import action
from torchstone.check.actions.call import call, configured, prepared, result_of, told
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


@action
def call_filled(held: Held, options: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Answer:
    """As `call`, where memory that nobody has written holds NaN: what is read from there shows, every time."""
    with _filled():
        return call(held, options, tensors)


@contextmanager
def _filled() -> Iterator[None]:
    """PyTorch fills new memory under deterministic algorithms, unless told otherwise."""
    before = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    switches: Any = torch.utils.deterministic
    fills = switches.fill_uninitialized_memory
    torch.use_deterministic_algorithms(True, warn_only=True)
    switches.fill_uninitialized_memory = True
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before[0], warn_only=before[1])
        switches.fill_uninitialized_memory = fills
