"""The ordinary call: value and gradients."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from torchstone.check.actions import action
from torchstone.check.held import Held, seeded, subject_code
from torchstone.check.probe import Answer


def laid_out(tensor: Tensor, layout: str) -> Tensor:
    """The same numbers in another layout."""
    return LAYOUTS[layout](tensor)


def _transposed(tensor: Tensor) -> Tensor:
    return tensor.transpose(0, -1).contiguous().transpose(0, -1)


def _strided(tensor: Tensor) -> Tensor:
    """Every second number of a larger tensor."""
    if tensor.dim() == 0:
        return tensor
    wide = tensor.new_zeros((*tensor.shape[:-1], 2 * tensor.shape[-1]))
    wide[..., ::2] = tensor
    return wide[..., ::2]


def _expanded(tensor: Tensor) -> Tensor:
    """One number, seen from everywhere: all strides 0. The tensor has to hold that number alone."""
    return tensor.reshape(-1)[:1].clone().reshape([1] * tensor.dim()).expand(tensor.shape)


def _channels_last(tensor: Tensor) -> Tensor:
    return tensor.contiguous(memory_format=torch.channels_last)


def _offset(tensor: Tensor) -> Tensor:
    """The tail of a larger storage."""
    return torch.cat([tensor.new_zeros(3), tensor.reshape(-1)])[3:].reshape(tensor.shape)


LAYOUTS: Mapping[str, Callable[[Tensor], Tensor]] = {
    "contiguous": torch.Tensor.contiguous,
    "transposed": _transposed,
    "strided": _strided,
    "expanded": _expanded,
    "channels_last": _channels_last,
    "offset": _offset,
}
MODES = {"grad": torch.enable_grad, "no_grad": torch.no_grad, "inference": torch.inference_mode}


def prepared(held: Held, options: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The inputs of a call: copies in their layouts, leaves of a new graph where a gradient is wanted."""
    layouts, wrt = options.get("layouts", {}), options.get("wrt", ())
    names = [entry.name for entry in held.spec.inputs if entry.name in tensors]
    made = {name: laid_out(tensors[name].clone(), layouts.get(name, "contiguous")) for name in names}
    return {name: tensor.detach().requires_grad_(name in wrt) for name, tensor in made.items()}


def configured(held: Held, options: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Any:
    """The subject, built with the overrides of the options and of the tensors."""
    given = {
        name.removeprefix("build."): tensor.clone() for name, tensor in tensors.items() if name.startswith("build.")
    }
    return held.build({**options.get("build", {}), **given})


def result_of(held: Held, built: Any, inputs: Mapping[str, Tensor]) -> Tensor:
    """The result of a call, which has to be a tensor."""
    value = held.call(built, inputs)
    with subject_code("forward"):
        if not isinstance(value, Tensor):
            raise TypeError(f"expected a tensor as the result, got {type(value).__name__}")
    return value


def told(name: str, tensor: Tensor) -> dict[str, Any]:
    """What a dense copy of a tensor does not tell."""
    return {
        name: {
            "shape": list(tensor.shape),
            "dtype": str(tensor.dtype).removeprefix("torch."),
            "stride": list(tensor.stride()) if tensor.layout is torch.strided else [],
            "device": str(tensor.device),
            "requires_grad": tensor.requires_grad,
        }
    }


@action
def call(held: Held, options: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Answer:
    """The value and the gradients with respect to `wrt`, and to learnable parameters where `parameters` says so.

    Options: `build` (overrides; those that are tensors are named "build.NAME"), `wrt`, `parameters`, `layouts` (by
    input, and "cotangent"), `seed`, `mode`. The tensor "cotangent" is the gradient that flows in; ones if there is
    none. Answer: "value", "grad.NAME", "grad.param.NAME"; the fact "missing" lists what has no gradient, and
    "taken" says of what several results the value is the first.
    """
    built = configured(held, options, tensors)
    inputs = prepared(held, options, tensors)
    with seeded(options.get("seed", 0)), MODES[options.get("mode", "grad")]():
        value = result_of(held, built, inputs)
        facts: dict[str, Any] = {**told("value", value), "taken": held.taken}
        found = {"value": value.detach()}
        wanted = {f"grad.{name}": inputs[name] for name in options.get("wrt", ()) if name in inputs}
        if options.get("parameters") and isinstance(built, torch.nn.Module):
            wanted |= {f"grad.param.{name}": each for name, each in built.named_parameters() if each.requires_grad}
        if not wanted or options.get("mode", "grad") != "grad":
            return Answer(facts, _dense(found))
        gradients = gradients_of(value, list(wanted.values()), cotangent_of(value, options, tensors))
    for name, gradient in zip(wanted, gradients, strict=True):
        if gradient is not None:
            facts |= told(name, gradient)
            found[name] = gradient.detach()
    facts["missing"] = [name for name in wanted if name not in found]
    return Answer(facts, _dense(found))


def gradients_of(value: Tensor, wanted: list[Tensor], cotangent: Tensor, **how: Any) -> tuple[Tensor | None, ...]:
    """The gradients of a result; None for what it does not depend on."""
    if not value.requires_grad:
        return (None,) * len(wanted)
    with subject_code("backward"):
        return torch.autograd.grad(value, wanted, cotangent, allow_unused=True, **how)


def cotangent_of(value: Tensor, options: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Tensor:
    """What flows into the backward: the tensor "cotangent" in its layout, or ones."""
    if "cotangent" not in tensors:
        return torch.ones_like(value)
    given = tensors["cotangent"].to(value.dtype)
    return laid_out(given.expand(value.shape).clone(), options.get("layouts", {}).get("cotangent", "contiguous"))


def _dense(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {
        name: tensor.to_dense() if tensor.layout is not torch.strided else tensor for name, tensor in tensors.items()
    }
