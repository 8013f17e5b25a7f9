"""What rules on activations ask of a subject: its own backward, its parameters, its in-place form."""

import inspect
import re
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from torchstone.check.actions import action
from torchstone.check.actions.call import configured, gradients_of, prepared, result_of
from torchstone.check.held import Held, SubjectError, seeded, subject_code
from torchstone.check.probe import Answer

_GRADIENT = re.compile(r"(grad|upstream|d_?out|dout|dy|d_?y|dz|delta|dl|dvalues|cotangent|g$|gy$|out_grad)", re.I)
_OUTPUT = re.compile(r"(y|out|output|outputs|result|a|activated|activation)$", re.I)
_OWNERS = ("self", "this", "cls", "ctx")


@action
def explicit_backward(held: Held, options: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Answer:
    """What the subject's own `backward` returns after a forward, for each gradient that flows in.

    The tensors "cotangent.0", "cotangent.1", ... are those gradients. Answer: "own.0", ... and, of autograd through the
    forward, "autograd.0", ...; the facts "how" (the call, in words), "returned" (the type of what is no tensor),
    "raised", and "takes": whether the gradient that flows in is asked for.
    """
    x = next(name for name in options["wrt"] if name in tensors)
    seeds = [tensors[name] for name in sorted(tensors) if name.startswith("cotangent.")]
    found: dict[str, Tensor] = {}
    facts: dict[str, Any] = {"how": "", "returned": "", "takes": True, "raised": ""}
    for number, seed in enumerate(seeds):
        built = configured(held, options, tensors)
        owner = getattr(built, "__self__", built)  # of a plain object, `forward` is what was built
        inputs = prepared(held, options, tensors)
        with seeded(0):
            value = result_of(held, built, inputs)
        (reference,) = gradients_of(value, [inputs[x]], seed.to(value.dtype).expand(value.shape))
        given = {name: tensor.detach() for name, tensor in inputs.items()}
        method, named, facts["how"], facts["takes"] = _planned(owner, given, value.detach(), seed)
        try:
            with subject_code("backward"):
                returned = method(*named)
        except Exception as error:
            cause = error.__cause__ or error
            facts["raised"] = f"{type(cause).__name__}: {cause!s:.200}"
            break
        first = returned[0] if isinstance(returned, (tuple, list)) and returned else returned
        if not isinstance(first, Tensor):
            facts["returned"] = type(first).__name__
            break
        found[f"own.{number}"] = first.detach()
        if reference is not None:
            found[f"autograd.{number}"] = reference.detach()
    return Answer(facts, found)


def _planned(
    owner: Any, inputs: Mapping[str, Tensor], value: Tensor, seed: Tensor
) -> tuple[Callable[..., Any], list[Tensor], str, bool]:
    """How to call it: the function, its arguments, the call in words, and whether it takes what flows in.

    A parameter is known by its name; one that is not takes what is left, the inputs first.
    """
    cls = type(owner)
    static = inspect.getattr_static(cls, "backward")
    function = static.__func__ if isinstance(static, (staticmethod, classmethod)) else static
    own_way = not inspect.isfunction(function)  # a descriptor of its author's: what it gives is bound already
    function = getattr(owner, "backward") if own_way else function  # noqa: B009
    entries = [
        entry
        for entry in inspect.signature(function).parameters.values()
        if entry.kind in (entry.POSITIONAL_ONLY, entry.POSITIONAL_OR_KEYWORD)
    ]
    takes_self = bool(entries) and entries[0].name in _OWNERS and not isinstance(static, staticmethod)
    bound = own_way or takes_self
    names = [entry.name for entry in entries if entry.default is entry.empty or _GRADIENT.match(entry.name)]
    names = names[1:] if takes_self else names
    known: dict[str, Tensor] = {}
    left = list(inputs)
    for name in names:
        if _GRADIENT.match(name):
            known[name] = seed
        elif name in inputs:
            known[name] = inputs[name]
            left.remove(name)
        elif _OUTPUT.match(name) and len(names) > len(inputs):
            known[name] = value
    takes = any(_GRADIENT.match(name) for name in names)
    for name in names:
        if name in known:
            continue
        # One parameter of an unknown name is the gradient that flows in: what autograd passes.
        if not takes and (len(names) == 1 or not left):
            known[name], takes = seed, True
        else:
            known[name] = inputs[left.pop(0)] if left else value
    style = "" if bound else f"{cls.__name__}." if not isinstance(static, staticmethod) else "a staticmethod, "
    words = f"{style}backward({', '.join(names)})" + (", called on the class" if style.endswith(".") else "")
    method = getattr(owner, "backward") if bound or isinstance(static, staticmethod) else getattr(cls, "backward")  # noqa: B009
    return method, [known[name] for name in names], words, takes


@action
def parameters(held: Held, options: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Answer:
    """The gradient of each learnable parameter beside what small steps of it give, and where the result moves.

    "cotangent" flows in. Answer: "grad.NAME" (what autograd gives; none where it gives none), "steps.NAME" (central
    differences), "moved.NAME" (for each number of the parameter, where the result depends on it).
    """
    built = configured(held, options, tensors)
    inputs = prepared(held, {"wrt": ()}, tensors)
    with seeded(0):
        value = result_of(held, built, inputs)
    named = {name: each for name, each in built.named_parameters() if each.requires_grad}
    seed = tensors["cotangent"].to(value.dtype).expand(value.shape)
    found: dict[str, Tensor] = {}
    gradients = gradients_of(value, list(named.values()), seed)
    for (name, parameter), gradient in zip(named.items(), gradients, strict=True):
        if gradient is not None:
            found[f"grad.{name}"] = gradient.detach()
        steps, moved = [], []
        for place in range(min(parameter.numel(), _MOST_STEPS)):
            ends = [_stepped(held, built, inputs, parameter, place, way * _STEP) for way in (1, -1)]
            slope = (ends[0] - ends[1]) / (2 * _STEP)
            steps.append((slope * seed).sum())
            moved.append(slope != 0)
        found[f"steps.{name}"], found[f"moved.{name}"] = torch.stack(steps), torch.stack(moved)
    return Answer({"names": list(named)}, found)


_STEP, _MOST_STEPS = 2.0**-20, 8


def _stepped(
    held: Held, built: Any, inputs: Mapping[str, Tensor], parameter: Tensor, place: int, step: float
) -> Tensor:
    """The result where one number of a parameter is a little larger."""
    with torch.no_grad():
        kept = parameter.clone()
        parameter.view(-1)[place] += step
        try:
            with seeded(0):
                return result_of(held, built, {name: tensor.clone() for name, tensor in inputs.items()}).clone()
        finally:
            parameter.copy_(kept)


@action
def in_place(held: Held, options: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Answer:
    """The result with and without the switch `inplace`, what became of the input, and what a leaf meets.

    Answer: "plain", "value", "input" (after the call); facts "same" (whether the result is the input's memory),
    "counted" (whether the input's version went up), "leaf" (the exception that a leaf which wants a gradient gave).
    """
    name = options["wrt"][0]
    with seeded(0):
        plain = result_of(held, held.build({"inplace": False}), prepared(held, {}, tensors))
    built = held.build({"inplace": True})
    inputs = prepared(held, {}, tensors)
    before = inputs[name]._version
    with seeded(0):
        value = result_of(held, built, inputs)
    facts: dict[str, Any] = {
        "same": value.data_ptr() == inputs[name].data_ptr(),
        "counted": inputs[name]._version > before,
        "leaf": "",
        "gradient": False,
    }
    found = {"plain": plain.detach(), "value": value.detach(), "input": inputs[name].detach().clone()}
    leaf = prepared(held, {"wrt": [name]}, tensors)
    try:
        changed = held.call(held.build({"inplace": True}), leaf)
    except SubjectError as error:
        facts["leaf"] = str(error)
        return Answer(facts, found)
    found["leaf"] = leaf[name].detach()
    facts["gradient"] = bool(changed.requires_grad)
    return Answer(facts, found)
