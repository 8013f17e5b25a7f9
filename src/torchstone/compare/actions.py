"""What a subject can be asked to do. The same code serves this process and the child that runs other people's."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from torchstone.compare import paths, training
from torchstone.compare.catalogue import Entry, FunctionEntry, OptimizerEntry
from torchstone.compare.cost import Work, paired_times, peak_bytes
from torchstone.compare.domains import DOMAINS
from torchstone.compare.subject import FunctionSubject, UnsupportedError, build_optimizer
from torchstone.compare.task import Reply, Task, sentence

CLASSES = 100  # of a row, where time and memory are measured
_PARAMETERS = 4  # of an optimizer, there


@dataclass(frozen=True)
class Bench:
    """A subject with PyTorch's own beside it."""

    entry: Entry
    subject: Any
    like: Any
    is_like: bool = False  # the subject is PyTorch's own

    @property
    def arguments(self) -> dict[str, Any]:
        """What the subject is built with."""
        return {**self.entry.arguments, **(self.entry.like_arguments if self.is_like else {})}

    def function(self) -> FunctionSubject:
        """The subject as a function."""
        return FunctionSubject(self.subject, self.arguments, self.entry.kind == "loss")

    def peer(self) -> "Bench":
        """PyTorch's own in the subject's place."""
        return Bench(self.entry, self.like, self.like, is_like=True)

    def both(self) -> tuple["Bench", "Bench"]:
        """The subject and PyTorch's own."""
        return self, self.peer()


def perform(bench: Bench, task: Task) -> Reply:
    """Do the task. A failure of the subject is an answer, too."""
    try:
        return ACTIONS[task.action](bench, task.options, task.tensors)
    except UnsupportedError as error:
        return Reply({"unsupported": str(error)})
    except (Exception, SystemExit) as error:
        return Reply(error=sentence(error))


def _values(bench: Bench, options: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Reply:
    """The value and gradient at given points, and the gradient by the subject's own `backward`, if it has one."""
    function = bench.function()
    x, target, reduction = tensors["prediction"], tensors.get("target"), options["reduction"]
    if target is None:
        found = _at(function, x, None, reduction, tensors.get("cotangent"))
        return _with_explicit(function, found, tensors.get("cotangent"))
    if reduction != "none" or not function.reduces_always(x, target):
        return Reply(tensors=_at(function, x, target, reduction, None))
    single = [_at(function, x[n : n + 1], target[n : n + 1], "mean", None) for n in range(len(x))]
    together = {
        name: torch.cat([answer[name].reshape(-1, *x.shape[1:] * (name != "value")) for answer in single])
        for name in single[0]
        if all(name in answer for answer in single)
    }
    return Reply({"one_by_one": True}, together)


def _at(
    function: FunctionSubject, prediction: Tensor, target: Tensor | None, reduction: str, cotangent: Tensor | None
) -> dict[str, Tensor]:
    x = prediction.clone().requires_grad_()
    value = function(x, target, reduction)
    if target is None:
        expected = x.shape
    elif reduction == "none":
        expected = x.shape[:1]
    else:
        expected, value = torch.Size(), value.mean() if value.numel() > 1 else value.reshape(())
    if value.shape != expected:
        raise ValueError(f"expected a result of shape {tuple(expected)}, got {tuple(value.shape)}")
    found = {"value": value.detach()}
    seed = torch.ones_like(value) if cotangent is None else cotangent.to(value.dtype)
    if value.requires_grad:
        (gradient,) = torch.autograd.grad(value, x, seed, allow_unused=True)
        found |= {} if gradient is None else {"gradient": gradient}
    return found


def _with_explicit(function: FunctionSubject, found: dict[str, Tensor], cotangent: Tensor | None) -> Reply:
    """What was found, with the gradient by the subject's own `backward(grad_output)` for the last forward."""
    explicit = function.explicit_backward()
    if explicit is None:
        return Reply(tensors=found)
    value = found["value"]
    try:
        by_hand = explicit(torch.ones_like(value) if cotangent is None else cotangent.clone())
        if not isinstance(by_hand, Tensor) or by_hand.shape != value.shape:
            raise ValueError(f"expected a tensor of shape {tuple(value.shape)}, got {by_hand!r:.60}")
    except Exception as error:
        return Reply({"backward": sentence(error)}, found)
    return Reply(tensors={**found, "backward": by_hand.detach()})


def _trajectory(bench: Bench, options: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Reply:
    chosen = {**options, "options": {**bench.arguments, **options["options"]}}
    return Reply(tensors={"path": paths.run(bench.subject, chosen, tensors)})


def _state(bench: Bench, options: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Reply:
    settings = {"lr": paths.RATE, **bench.arguments}
    return Reply({"bytes": paths.state_bytes(bench.subject, settings, options["elements"])})


def _speed(bench: Bench, options: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Reply:
    mine, peer = (_work(each, options["size"]) for each in bench.both())
    ratio, ours, theirs = paired_times(mine, peer)
    return Reply({"ratio": ratio, "ours": ours, "torch": theirs})


def _memory(bench: Bench, options: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Reply:
    ours, theirs = (_peak(each, options["size"]) for each in bench.both())
    return Reply({"ratio": ours / theirs, "ours": ours, "torch": theirs})


def _work(bench: Bench, size: int) -> Work:
    """Forward and backward of a function in float32, or an optimizer's step."""
    if isinstance(bench.entry, FunctionEntry):
        return _forward_and_backward(bench, bench.entry, size)
    parameters = _parameters(size)
    optimizer = build_optimizer(bench.subject, parameters, {"lr": 1e-3, **bench.arguments})
    step: Work = optimizer.step
    return step


def _peak(bench: Bench, size: int) -> int:
    """The peak of a function's forward and backward; of an optimizer with its parameters and gradients, in a step."""
    if isinstance(bench.entry, FunctionEntry):
        return peak_bytes(_forward_and_backward(bench, bench.entry, size))
    parameters = _parameters(size)

    def first_steps() -> None:
        optimizer = build_optimizer(bench.subject, parameters, {"lr": 1e-3, **bench.arguments})
        optimizer.step()
        optimizer.step()

    return peak_bytes(first_steps) + 2 * sum(parameter.nbytes for parameter in parameters)


def _parameters(size: int) -> list[Tensor]:
    parameters: list[Tensor] = [torch.nn.Parameter(torch.ones(max(1, size // _PARAMETERS))) for _ in range(_PARAMETERS)]
    for parameter in parameters:
        parameter.grad = torch.full_like(parameter, 1e-3)
    return parameters


def _forward_and_backward(bench: Bench, entry: FunctionEntry, size: int) -> Work:
    domain, function = DOMAINS[entry.domain], bench.function()
    drawn = domain.sample(np.random.default_rng(size), max(1, size // CLASSES) if domain.row else size, CLASSES)
    tensors = as_tensors(entry, drawn, torch.float32)
    x, target = tensors["prediction"].requires_grad_(), tensors.get("target")
    seed = torch.ones_like(function(x, target).detach())

    def work() -> Tensor:
        return torch.autograd.grad(function(x, target), x, seed)[0]

    return work


def _training(bench: Bench, options: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Reply:
    if isinstance(bench.entry, OptimizerEntry):
        rate = bench.entry.rates[options["task"]]

        def build(parameters: list[Tensor]) -> Any:
            return build_optimizer(bench.subject, parameters, {"lr": rate, **bench.arguments})

        return Reply(training.optimize(options["task"], build))
    assert isinstance(bench.entry, FunctionEntry)
    return Reply(training.learn(bench.entry.learns, bench.function()))


def as_tensors(entry: FunctionEntry, arrays: Mapping[str, Any], dtype: torch.dtype) -> dict[str, Tensor]:
    """Arguments as PyTorch takes them: in the dtype, and a class as its index."""
    tensors = {name: torch.from_numpy(np.array(array)).to(dtype) for name, array in arrays.items()}
    if DOMAINS[entry.domain].labels:
        tensors["target"] = torch.from_numpy(np.array(arrays["target"])).argmax(1)
    return tensors


ACTIONS: Mapping[str, Callable[[Bench, Mapping[str, Any], Mapping[str, Tensor]], Reply]] = {
    "values": _values,
    "trajectory": _trajectory,
    "state": _state,
    "speed": _speed,
    "memory": _memory,
    "training": _training,
}
