"""What rules on numerics ask of a subject: the same numbers in batches of other sizes, and under autocast."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from torchstone.check.actions import action
from torchstone.check.actions.call import configured, gradients_of, prepared, result_of, told
from torchstone.check.held import Held, seeded, subject_code
from torchstone.check.probe import Answer


@action
def lengths(held: Held, options: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Answer:
    """The results for each number (or row) of an input, alone and many times over.

    The input `wrt[0]` is a list of numbers or of rows along its first dimension. Answer: "alone", and for each of the
    `lengths` "times.N": the results side by side, of each number N times; "strided" the same from a sliced tensor.
    """
    name = options["wrt"][0]
    built = configured(held, options, tensors)

    def results(times: int, strided: bool = False) -> Tensor:
        found = []
        for each in tensors[name]:
            many = each.expand(times, *each.shape).contiguous()
            if strided:
                many = torch.stack([many, torch.zeros_like(many)], dim=1).reshape(-1, *each.shape)[::2]
            with seeded(0):
                found.append(result_of(held, built, {name: many}).detach())
        return torch.stack(found)

    with torch.no_grad():
        answers = {f"times.{times}": results(times) for times in options["lengths"]}
        return Answer({}, {"alone": results(1), "strided": results(9, strided=True), **answers})


@action
def autocast(held: Held, options: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Answer:
    """Value and gradients under autocast to bfloat16 on the CPU: as `call`."""
    built = configured(held, options, tensors)
    inputs = prepared(held, options, tensors)
    with seeded(0), torch.autocast("cpu", torch.bfloat16):
        value = result_of(held, built, inputs)
    found = {"value": value.detach()}
    with subject_code("backward"):
        gradients = gradients_of(value, [inputs[name] for name in options["wrt"]], torch.ones_like(value))
    for name, gradient in zip(options["wrt"], gradients, strict=True):
        if gradient is not None:
            found[f"grad.{name}"] = gradient.detach()
    return Answer(told("value", value), found)
