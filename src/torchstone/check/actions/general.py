"""What the first general rules ask of a subject: does it run, and does a call leave all as it was."""

import io
import warnings
from collections.abc import Callable, Mapping
from contextlib import redirect_stderr, redirect_stdout, suppress
from typing import Any

import torch
from torch import Tensor

from torchstone.check.actions import action
from torchstone.check.actions.call import MODES, gradients_of, prepared, result_of, told
from torchstone.check.held import Held, SubjectError, seeded, subject_code
from torchstone.check.probe import Answer


def inside(inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Inputs as a network hands them on: results of earlier steps, which may be written into."""
    return {name: tensor.clone() if tensor.requires_grad else tensor for name, tensor in inputs.items()}


def backwards(value: Tensor, leaves: Mapping[str, Tensor], cotangent: Tensor | None = None) -> dict[str, Tensor]:
    """The gradients that a result sends back to those inputs that want one."""
    wanted = {name: tensor for name, tensor in leaves.items() if tensor.requires_grad}
    if not wanted:
        return {}
    given = torch.ones_like(value) if cotangent is None else cotangent
    found = gradients_of(value, list(wanted.values()), given)
    return {name: each for name, each in zip(wanted, found, strict=True) if each is not None}


def owner(built: Any) -> Any:
    """The object of a bound `forward`, or what is called itself."""
    return getattr(built, "__self__", built)


def others(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors whose names begin so, by the rest of their names."""
    return {name.removeprefix(prefix): each for name, each in tensors.items() if name.startswith(prefix)}


@action
def watched(held: Held, options: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Answer:
    """One call and its backward, with what is said meanwhile.

    Facts: "returned" (a type's name), "printed", "warned", and those of "value" where it is a tensor.
    """
    said = io.StringIO()
    facts: dict[str, Any] = {}
    found: dict[str, Tensor] = {}
    with redirect_stdout(said), redirect_stderr(said), warnings.catch_warnings(record=True) as caught, seeded(0):
        warnings.simplefilter("always")
        leaves = prepared(held, options, tensors)
        value = held.call(held.build(options.get("build")), inside(leaves))
        facts["returned"] = type(value).__name__
        if isinstance(value, Tensor):
            facts |= told("value", value)
            found["value"] = value.detach()
            if value.is_floating_point():
                backwards(value, leaves)
    facts["printed"] = said.getvalue().strip()[:200]
    facts["warned"] = [f"{each.category.__name__}: {' '.join(str(each.message).split())[:200]}" for each in caught]
    return Answer(facts, found)


@action
def traces(held: Held, options: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Answer:
    """What a call and its backward change about the tensors that they are given.

    The fact "changes" lists them: "name" ("cotangent" for the gradient that flows in), "during", "what" ("value",
    "version", "requires_grad", "layout" or "grad"), and the first number that changed as "before" and "after".
    """
    plain = prepared(held, {**options, "wrt": ()}, tensors)
    before = _seen(plain)
    with seeded(0):
        result_of(held, held.build(options.get("build")), plain)
        changes = _changes(before, plain, "forward")
        leaves = prepared(held, options, tensors)
        inputs = inside(leaves)
        before = _seen(inputs)
        value = result_of(held, held.build(options.get("build")), inputs)
        changes += _changes(before, inputs, "forward")
        changes += [
            {"name": name, "during": "forward", "what": "grad"}
            for name, leaf in leaves.items()
            if leaf.grad is not None
        ]
        if not changes and value.is_floating_point():
            # Each cotangent a tensor of its own, as a network's later layers make it.
            given = {"cotangent": torch.linspace(-1.5, 2.0, max(value.numel(), 1), dtype=value.dtype)}
            given["cotangent"] = given["cotangent"][: value.numel()].reshape(value.shape).clone()
            around = {**inputs, **given}
            before = _seen(around)
            backwards(value, leaves, given["cotangent"])
            changes += _changes(before, around, "backward")
    return Answer({"changes": changes})


Seen = Mapping[str, tuple[Tensor, int, bool, tuple[Any, Any]]]


def _seen(tensors: Mapping[str, Tensor]) -> Seen:
    return {
        name: (each.detach().clone(), each._version, each.requires_grad, (tuple(each.shape), each.stride()))
        for name, each in tensors.items()
    }


def _changes(before: Seen, tensors: Mapping[str, Tensor], during: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for name, (values, version, wants, layout) in before.items():
        now = tensors[name]
        told: dict[str, Any] = {"name": name, "during": during}
        if (tuple(now.shape), now.stride()) != layout:
            found.append({**told, "what": "layout", "before": list(layout[0]), "after": list(now.shape)})
        elif not same(now.detach(), values):
            found.append({**told, "what": "value", **_first_change(values, now.detach())})
        elif now._version != version:
            found.append({**told, "what": "version"})
        elif now.requires_grad != wants:
            found.append({**told, "what": "requires_grad", "before": wants, "after": now.requires_grad})
    return found


def same(first: Tensor, second: Tensor) -> bool:
    """Whether two tensors hold the same numbers, NaN at the same places."""
    return torch.equal(first.nan_to_num(), second.nan_to_num()) and torch.equal(first.isnan(), second.isnan())


def _first_change(before: Tensor, after: Tensor) -> dict[str, Any]:
    place = ((before != after) & ~(before.isnan() & after.isnan())).reshape(-1).int().argmax()
    return {"before": before.reshape(-1)[place].item(), "after": after.reshape(-1)[place].item()}


@action
def memory(held: Held, options: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Answer:
    """Whose memory a result lies in, and whether it is overwritten later.

    Tensors "other.NAME" are the inputs of the second call. Facts: "shares" (inputs whose memory the result is in),
    "passes" (those that it equals), "overwritten" ("during", "before", "after") or nothing.
    """
    ours = {name: each for name, each in tensors.items() if not name.startswith("other.")}
    facts: dict[str, Any] = {}
    for mode in ("no_grad", "grad"):
        built: Any = held.build(options.get("build"))
        leaves = prepared(held, options if mode == "grad" else {**options, "wrt": ()}, ours)
        inputs = inside(leaves)
        with seeded(0), MODES[mode]():
            value = result_of(held, built, inputs)
            kept = value.detach().clone()
            facts["shares"] = [name for name, each in inputs.items() if _share(value, each)]
            facts["passes"] = [name for name, each in inputs.items() if torch.equal(kept, each.detach().to(kept.dtype))]
            facts["overwritten"] = _overwritten(value, kept, _later(held, built, value, leaves, tensors))
        if facts["overwritten"]:
            break
    return Answer(facts)


def _later(
    held: Held, built: Any, value: Tensor, leaves: Mapping[str, Tensor], tensors: Mapping[str, Tensor]
) -> dict[str, Callable[[], Any]]:
    """What may happen to a result after it was returned."""
    return {
        "a backward pass": lambda: backwards(value, leaves),
        "a call of its own backward": lambda: owner(built).backward(torch.full_like(value, 0.5)),
        "a second call": lambda: held.call(built, prepared(held, {}, others(tensors, "other."))),
    }


def _overwritten(value: Tensor, kept: Tensor, later: Mapping[str, Callable[[], Any]]) -> dict[str, Any] | None:
    for during, act in later.items():
        with suppress(SubjectError), subject_code("backward"):
            act()
        if not same(value.detach(), kept):
            return {"during": during, **_first_change(kept, value.detach())}
    return None


def _share(first: Tensor, second: Tensor) -> bool:
    if not first.numel() or not second.numel() or first.layout is not torch.strided:
        return False
    return first.untyped_storage().data_ptr() == second.untyped_storage().data_ptr()


@action
def repeats(held: Held, options: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Answer:
    """The same call several times, with equal seeds: at first, again, after one with other inputs, and as a second.

    The option "eval" puts a module in evaluation mode. Tensors "other.NAME" are those other inputs, and "alike.NAME"
    some of the same shapes. Answer: "first.value", "first.grad.NAME", "again.value", ... The fact "buffers" lists the
    buffers that a call changed.
    """

    def make() -> Any:
        built = held.build(options.get("build"))
        return built.eval() if options.get("eval") and isinstance(built, torch.nn.Module) else built

    def once(built: Any, given: Mapping[str, Tensor]) -> dict[str, Tensor]:
        with seeded(0):
            leaves = prepared(held, options, given)
            value = result_of(held, built, inside(leaves))
            gradients = backwards(value, leaves) if value.is_floating_point() else {}
        return {"value": value.detach(), **{f"grad.{name}": each for name, each in gradients.items()}}

    def disturbed(built: Any, by: str = "other.") -> Any:
        with suppress(SubjectError):  # it may work on one size alone
            once(built, others(tensors, by))
        return built

    ours = {name: each for name, each in tensors.items() if not name.startswith(("other.", "alike."))}
    built = make()
    before = _buffers(built)
    found = {"first": once(built, ours), "again": once(built, ours)}
    found["after"] = once(disturbed(built), ours)
    found["second"] = once(disturbed(make()), ours)
    found["alike"] = once(disturbed(make(), "alike."), ours)
    after = _buffers(built)
    changed = [name for name, each in after.items() if not torch.equal(each, before.get(name, each.new_zeros(0)))]
    return Answer(
        {"buffers": changed, "eval": not getattr(built, "training", True)},
        {f"{stage}.{name}": each.clone() for stage, got in found.items() for name, each in got.items()},
    )


def _buffers(built: Any) -> dict[str, Tensor]:
    if not isinstance(built, torch.nn.Module):
        return {}
    return {name: each.detach().clone() for name, each in built.named_buffers()}
