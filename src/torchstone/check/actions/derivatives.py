"""What rules on derivatives ask of a subject: its gradients beside differences of its own values."""

import gc
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any

import torch
from torch import Tensor

from torchstone.check.actions import action
from torchstone.check.actions.call import MODES, configured, cotangent_of, gradients_of, prepared, result_of
from torchstone.check.held import Held, SubjectError, seeded, subject_code
from torchstone.check.probe import Answer

STEP = 2.0**-17  # of a difference, in float64
Inputs = Mapping[str, Tensor]
_MOST_NODES = 2000
_MOST_ELEMENTS = 32  # of an input that are moved one by one


def _evaluator(held: Held, options: Mapping[str, Any], tensors: Inputs) -> Callable[[Inputs], Tensor]:
    """The subject as a function of its inputs: built once more and seeded alike for each call."""

    def evaluate(inputs: Inputs) -> Tensor:
        with seeded(options.get("seed", 0)), MODES["grad"]():
            return result_of(held, configured(held, options, tensors), prepared(held, options, inputs)).detach()

    return evaluate


@action
def differences(held: Held, options: Mapping[str, Any], tensors: Inputs) -> Answer:
    """What the values do along some directions: from the left, from the right, and about the middle at half the step.

    The directions are the tensors "along.NUMBER.NAME" for each number below the option `directions`; where that is
    missing, each of the first elements of each input of `wrt` is moved alone. The option `step` is another step.
    Answer: "left.NAME", "right.NAME",
    "half.NAME", of shape (directions, elements of the result), the NAME being "along" where directions were given;
    "value"; the fact "own_backward": a backward that was written by hand has a part in the result.
    """
    with seeded(options.get("seed", 0)), MODES["grad"]():
        value = result_of(held, configured(held, options, tensors), prepared(held, options, tensors))
    evaluate, middle, step = _evaluator(held, options, tensors), value.detach(), options.get("step", STEP)
    found = {"value": middle}
    for label, directions in _directions(options, tensors).items():
        rows = []
        for along in directions:
            ends = [
                evaluate({**tensors, **{name: tensors[name] + shift * u for name, u in along.items()}}).reshape(-1)
                for shift in (-step, -step / 2, step / 2, step)
            ]
            here = middle.reshape(-1)
            rows.append(torch.stack([here - ends[0], ends[3] - here, ends[2] - ends[1]]) / step)
        for side, part in zip(("left", "right", "half"), torch.stack(rows, 1), strict=True):
            found[f"{side}.{label}"] = part
    return Answer({"own_backward": has_own_backward(value)}, found)


def _directions(options: Mapping[str, Any], tensors: Inputs) -> dict[str, list[dict[str, Tensor]]]:
    names = list(options["wrt"])
    if "directions" in options:
        numbers = range(options["directions"])
        return {"along": [{name: tensors[f"along.{number}.{name}"] for name in names} for number in numbers]}
    return {name: [{name: u} for u in _elements(tensors[name])] for name in names}


def _elements(tensor: Tensor) -> list[Tensor]:
    """Each of the first elements alone, as long as the element where that is more than 1."""
    size = min(tensor.numel(), _MOST_ELEMENTS)
    sides = torch.diag(tensor.detach().reshape(-1)[:size].abs().clamp(min=1.0))
    whole = torch.zeros(size, tensor.numel(), dtype=tensor.dtype)
    whole[:, :size] = sides
    return [row.reshape(tensor.shape) for row in whole]


def has_own_backward(value: Tensor) -> bool:
    """Whether a backward that was written in Python has a part in a result."""
    return any(isinstance(node, torch._C._FunctionBase) for node in _nodes(value.grad_fn))


def _nodes(start: Any) -> Iterator[Any]:
    seen: set[Any] = set()
    waiting = [start]
    while waiting and len(seen) < _MOST_NODES:
        node = waiting.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        yield node
        waiting += [next_node for next_node, _ in node.next_functions]


@action
def second_order(held: Held, options: Mapping[str, Any], tensors: Inputs) -> Answer:
    """The gradient of <gradient, u> by autograd, beside differences of the gradient along u.

    The tensors "along.NAME" are u, and "cotangent" what flows in. Answer: "analytic.NAME", "left.NAME", "right.NAME"
    for each input of `wrt`; "slope", <gradient, u>, and "rise", the difference of <cotangent, value> along u; the
    facts "refused" (what a second backward raises) and "attached" (the gradient depends on the inputs).
    """
    names = list(options["wrt"])
    along = {name: tensors[f"along.{name}"] for name in names}

    def first(shift: float, create_graph: bool = False) -> tuple[Tensor, list[Tensor | None], list[Tensor]]:
        moved = {**tensors, **{name: tensors[name] + shift * along[name] for name in names}}
        with seeded(options.get("seed", 0)), MODES["grad"]():
            inputs = prepared(held, options, moved)
            value = result_of(held, configured(held, options, tensors), inputs)
            # A gradient that flows in with a graph of its own lets `once_differentiable` refuse.
            flowing = cotangent_of(value, options, tensors).requires_grad_(create_graph)
            wanted = [inputs[name] for name in names]
            gradients = gradients_of(value, wanted, flowing, create_graph=create_graph)
        return (value.detach() * flowing.detach()).sum(), list(gradients), wanted

    facts: dict[str, Any] = {"refused": "", "attached": False}
    found: dict[str, Tensor] = {}
    sides = {"left": first(-STEP), "middle": first(0.0), "right": first(STEP)}
    middle = sides["middle"]
    for name, before, here, after in zip(names, sides["left"][1], middle[1], sides["right"][1], strict=True):
        if before is not None and here is not None and after is not None:
            found |= {f"left.{name}": (here - before) / STEP, f"right.{name}": (after - here) / STEP}
            found[f"gradient.{name}"] = here
    found["rise"] = (sides["right"][0] - sides["left"][0]) / (2 * STEP)
    found["slope"] = _inner(middle[1], along)
    try:
        _, gradients, wanted = first(0.0, create_graph=True)
        slope = _inner(gradients, along)
        if slope.requires_grad:
            with subject_code("second backward"):
                slope.backward()  # unlike `grad`, it runs into what `once_differentiable` put there
    except SubjectError as error:
        facts["refused"] = str(error)
        return Answer(facts, found)
    facts["attached"] = any(leaf.grad is not None for leaf in wanted)
    found |= {f"analytic.{name}": leaf.grad for name, leaf in zip(names, wanted, strict=True) if leaf.grad is not None}
    return Answer(facts, {name: tensor.detach().to_dense() for name, tensor in found.items()})


def _inner(gradients: list[Tensor | None], along: Inputs) -> Tensor:
    parts = [(each * u).sum() for each, u in zip(gradients, along.values(), strict=True) if each is not None]
    return torch.stack(parts).sum() if parts else torch.zeros(())


@action
def forward_mode(held: Held, options: Mapping[str, Any], tensors: Inputs) -> Answer:
    """The derivative along the tensors "along.NAME": "tangent" by dual numbers, "left" and "right" by differences."""
    names = list(options["wrt"])
    along = {name: tensors[f"along.{name}"] for name in names}
    evaluate = _evaluator(held, options, tensors)
    left, middle, right = (
        evaluate({**tensors, **{name: tensors[name] + shift * along[name] for name in names}})
        for shift in (-STEP, 0.0, STEP)
    )
    with seeded(options.get("seed", 0)), torch.autograd.forward_ad.dual_level():
        plain = prepared(held, {**options, "wrt": ()}, tensors)
        duals = {**plain, **{name: torch.autograd.forward_ad.make_dual(plain[name], along[name]) for name in names}}
        value = result_of(held, configured(held, options, tensors), duals)
        with subject_code("forward mode"):
            tangent = torch.autograd.forward_ad.unpack_dual(value).tangent
        found = {"value": middle, "left": (middle - left) / STEP, "right": (right - middle) / STEP}
        if tangent is not None:
            found["tangent"] = tangent.detach()
    return Answer({}, found)


@action
def tampered(held: Held, options: Mapping[str, Any], tensors: Inputs) -> Answer:
    """The gradients where an input (`what`: its name) or the result ("value") is written to before the backward.

    Answer: "grad.NAME" and, with nothing written, "before.NAME". The fact "refused" is what the backward raises.
    """
    names, facts = list(options["wrt"]), {"refused": ""}
    found: dict[str, Tensor] = {}
    for prefix, write in (("before", False), ("grad", True)):
        with seeded(options.get("seed", 0)), MODES["grad"]():
            leaves = prepared(held, options, tensors)
            inputs = {name: tensor.clone() for name, tensor in leaves.items()}
            value = result_of(held, configured(held, options, tensors), inputs)
            flowing = cotangent_of(value, options, tensors)
            if write:
                with torch.no_grad():
                    {**inputs, "value": value}[options["what"]].add_(1.0)
            try:
                gradients = gradients_of(value, [leaves[name] for name in names], flowing)
            except SubjectError as error:
                if not write:
                    raise
                facts["refused"] = str(error)
                break
        found |= {
            f"{prefix}.{name}": each.detach() for name, each in zip(names, gradients, strict=True) if each is not None
        }
    return Answer(facts, found)


@action
def leaked(held: Held, options: Mapping[str, Any], tensors: Inputs) -> Answer:
    """Whether the result outlives its last use until the garbage collector comes: it is held by its own graph."""
    with seeded(options.get("seed", 0)), MODES["grad"]():
        built = configured(held, options, tensors)
        value = result_of(held, built, prepared(held, options, tensors))
        alive, own = weakref.ref(value), has_own_backward(value)
        del value
    lingers = alive() is not None
    if lingers:
        gc.collect()
    return Answer({"cycle": lingers and alive() is None, "own_backward": own})


@action
def repeated(held: Held, options: Mapping[str, Any], tensors: Inputs) -> Answer:
    """Gradients asked for again, of the same graph and of a new one, and added up in `.grad`.

    Answer, by input: "first.NAME", "again.NAME" (the same graph), "fresh.NAME" (the same object called anew), and
    "added.NAME" (what a backward leaves in a `.grad` that held ones, less these); "value.first" and "value.fresh".
    Tensors "other.NAME" are the inputs of another call, made between a forward and its backward: "between.NAME". The
    fact "refused" is what the second backward raises, and "disturbed" what one with a call in between does.
    """
    names = list(options["wrt"])
    built = configured(held, options, tensors)
    found: dict[str, Tensor] = {}

    def keep(label: str, gradients: tuple[Tensor | None, ...]) -> None:
        found.update(
            {f"{label}.{n}": g.detach().clone() for n, g in zip(names, gradients, strict=True) if g is not None}
        )

    facts = {"refused": "", "disturbed": ""}
    other = {name.removeprefix("other."): each for name, each in tensors.items() if name.startswith("other.")}
    with MODES["grad"]():
        for label in ("first", "fresh", "added"):
            with seeded(options.get("seed", 0)):
                inputs = prepared(held, options, tensors)
                value = result_of(held, built, inputs)
                found[f"value.{label}"] = value.detach()
                wanted, flowing = [inputs[name] for name in names], cotangent_of(value, options, tensors)
                if label == "added":
                    for leaf in wanted:
                        leaf.grad = torch.ones_like(leaf)
                    with subject_code("backward"):
                        value.backward(flowing)
                    keep(label, tuple(leaf.grad - 1 for leaf in wanted if leaf.grad is not None))
                    continue
                again = flowing.clone()
                keep(label, gradients_of(value, wanted, flowing, retain_graph=label == "first"))
                if label == "first":
                    try:
                        keep("again", gradients_of(value, wanted, again))
                    except SubjectError as error:
                        facts["refused"] = str(error)
        if other:
            with seeded(options.get("seed", 0)):
                inputs = prepared(held, options, tensors)
                value = result_of(held, built, inputs)
                with suppress(SubjectError):
                    result_of(held, built, prepared(held, options, other))
            try:
                keep("between", gradients_of(value, [inputs[name] for name in names], flowing))
            except SubjectError as error:
                facts["disturbed"] = str(error)
    return Answer(facts, found)


@action
def checkpointed(held: Held, options: Mapping[str, Any], tensors: Inputs) -> Answer:
    """The gradients through `torch.utils.checkpoint`: "grad.NAME", beside "plain.NAME" without."""
    from torch.utils.checkpoint import checkpoint, set_checkpoint_early_stop

    names = list(options["wrt"])
    found: dict[str, Tensor] = {}
    for label in ("plain", "grad"):
        built = configured(held, options, tensors)
        with seeded(options.get("seed", 0)), MODES["grad"]():
            inputs = prepared(held, options, tensors)
            order = list(inputs)

            def run(*given: Tensor, built: Any = built, order: list[str] = order) -> Tensor:
                return result_of(held, built, dict(zip(order, given, strict=True)))

            # An early stop is an exception that passes through the subject: it would be taken for the subject's own.
            with set_checkpoint_early_stop(False), subject_code("checkpoint"):
                arguments = list(inputs.values())
                value = run(*arguments) if label == "plain" else checkpoint(run, *arguments, use_reentrant=False)
            flowing = cotangent_of(value, options, tensors)
            gradients = gradients_of(value, [inputs[name] for name in names], flowing)
        found |= {f"{label}.{n}": g.detach() for n, g in zip(names, gradients, strict=True) if g is not None}
    return Answer({}, found)
