"""What the rules of construction ask: parameters handed over in other ways, and settings of a group's own."""

import warnings
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from torch import Tensor

from torchstone.check.actions import action
from torchstone.check.actions.optimizers import bench_of, run
from torchstone.check.optimizers.build import HeldOptimizer
from torchstone.check.probe import Answer


@action
def handed_over(held: HeldOptimizer, options: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Answer:
    """As `run`, and the fact "warned": the warnings on the way, as text."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        answer = run(held, options, tensors)
    return replace(answer, facts={**answer.facts, "warned": [str(each.message) for each in caught]})


@action
def grouped(held: HeldOptimizer, options: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Answer:
    """The names of the settings that a parameter group holds: the fact "settings"."""
    return Answer({"settings": sorted(next(iter(bench_of(held, options, tensors).settings()), {}))})
