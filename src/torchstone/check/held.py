"""A subject in the process that it lives in: built anew for each probe, and called the same way whatever it is.

Whatever the subject's own code raises becomes a `SubjectError`; anything else that is raised is a fault of ours.
"""

import copy
import functools
import inspect
import random
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor

from torchstone.check.spec import Form, Spec


class SubjectError(Exception):
    """The subject's code raised; `during` says at what."""

    def __init__(self, original: BaseException, during: str) -> None:
        text = " ".join(str(original).split())
        super().__init__(f"{type(original).__name__}: {text[:300]}" if text else type(original).__name__)
        self.original, self.during = original, during


@contextmanager
def subject_code(during: str) -> Iterator[None]:
    """What runs in here is the subject's: what it raises is its failure."""
    try:
        yield
    except SubjectError:
        raise
    except (Exception, SystemExit, RecursionError) as error:
        raise SubjectError(error, during) from error


def form_of(thing: Any) -> Form:
    """What sort of thing a subject is.

    A function without required parameters that returns something callable is a factory, and so is a partial class.
    """
    if isinstance(thing, type):
        return "autograd.Function" if issubclass(thing, torch.autograd.Function) else "class"
    partial = isinstance(thing, functools.partial)
    if isinstance(thing, torch.nn.Module) or not (inspect.isroutine(thing) or partial):
        return "instance"
    if partial and isinstance(thing.func, type):
        return "factory"
    names, more = parameters(thing)
    if required(thing) or (more and not names):
        return "function"
    return "factory" if not names or _makes_callable(thing) else "function"


def _makes_callable(thing: Any) -> bool:
    try:
        return callable(thing())
    except Exception:
        return False


def unwrapped(thing: Any) -> Any:
    """The autograd.Function whose `apply` this is, or the thing itself."""
    owner = getattr(thing, "__self__", None)
    applied = isinstance(owner, type) and issubclass(owner, torch.autograd.Function)
    return owner if applied and thing.__name__ == "apply" else thing


def parameters(function: Any) -> tuple[dict[str, inspect.Parameter], bool]:
    """The named parameters of a callable, and whether it takes any others."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return {}, True
    named = {
        name: entry
        for name, entry in signature.parameters.items()
        if entry.kind not in (entry.VAR_POSITIONAL, entry.VAR_KEYWORD)
    }
    return named, len(named) < len(signature.parameters)


def required(function: Any) -> tuple[str, ...]:
    """The names of the parameters that have to be given: those that default to PyTorch's `required`, too."""
    nothing = (
        inspect.Parameter.empty,
        getattr(sys.modules.get("torch.optim.optimizer"), "required", inspect.Parameter.empty),
    )
    return tuple(
        name for name, entry in parameters(function)[0].items() if any(entry.default is each for each in nothing)
    )


class Held:
    """A subject, ready to be built and called."""

    def __init__(self, thing: Any, spec: Spec) -> None:
        self.thing, self.spec = unwrapped(thing), spec
        self.form = form_of(self.thing)
        self.taken = ""

    def build(self, overrides: Mapping[str, Any] | None = None, seed: int | None = 0) -> Callable[..., Any]:
        """Something to call: a new instance with the constructor's arguments, or the function with its own.

        An override is passed where the subject takes it by that name, or set as an attribute of an instance. A list
        of numbers stands for a tensor. Random numbers of the construction start at the seed.
        """
        chosen = {name: live(value) for name, value in {**self.spec.kwargs, **(overrides or {})}.items()}
        with seeded(seed) if seed is not None else nullcontext(), subject_code("build"):
            built = BUILDERS[self.form](self.thing, chosen)
        if self.spec.evaluation and isinstance(built, torch.nn.Module):
            built.eval()
        return built

    def call(self, built: Callable[..., Any], tensors: Mapping[str, Tensor]) -> Any:
        """The subject's result for inputs by their names. A module's parameters take the inputs' floating dtype.

        Of several results, the first tensor is taken, or that under "loss"; `taken` says of what.
        """
        if built is not self.thing:
            take_dtype(built, tensors)
        positional = [tensors[entry.name] for entry in self.spec.inputs if not entry.keyword and entry.name in tensors]
        named = {
            entry.name: tensors[entry.name] for entry in self.spec.inputs if entry.keyword and entry.name in tensors
        }
        with subject_code("forward"):
            result = built(*positional, **named)
        self.taken = f"a {type(result).__name__} of {len(result)}" if isinstance(result, (tuple, list, dict)) else ""
        return _first(result) if self.taken else result


def _first(result: Any) -> Any:
    parts = [result.get("loss"), *result.values()] if isinstance(result, dict) else list(result)
    return next((part for part in parts if isinstance(part, Tensor)), result)


def live(value: Any) -> Any:
    """What a value in a specification stands for: a list of numbers is a tensor."""
    numbers = isinstance(value, list) and value and all(type(each) in (int, float) for each in value)
    return torch.tensor(value) if numbers else value


def take_dtype(module: Any, tensors: Mapping[str, Tensor]) -> None:
    """Give the parameters and buffers of what is a module the inputs' floating dtype."""
    if not isinstance(module, torch.nn.Module):
        return
    dtype = next((tensor.dtype for tensor in tensors.values() if tensor.is_floating_point()), None)
    kept = (*module.parameters(), *module.buffers())
    if dtype is not None and any(each.is_floating_point() and each.dtype != dtype for each in kept):
        module.to(dtype)


def _of_class(thing: Any, chosen: Mapping[str, Any]) -> Any:
    names, more = parameters(thing)
    passed = {name: value for name, value in chosen.items() if name in names or more}
    built = _callable(thing(**passed))
    left = {name: value for name, value in chosen.items() if name not in passed}
    return _with(built, left) if left else built


def _callable(built: Any) -> Any:
    return built if callable(built) else built.forward


def _with(built: Any, left: Mapping[str, Any]) -> Any:
    """Something to call with what its constructor does not take: arguments of the call, or attributes."""
    called = parameters(built.forward if isinstance(built, torch.nn.Module) else built)[0]
    for name, value in left.items():
        if name not in called:
            if not hasattr(built, name):
                raise TypeError(f"{type(built).__name__} takes no {name!r}, and has no attribute of that name")
            setattr(built, name, value)
    named = {name: value for name, value in left.items() if name in called}
    return _arranged(built, list(called.values()), named) if named else built


def _of_instance(thing: Any, chosen: Mapping[str, Any]) -> Any:
    try:
        built = copy.deepcopy(thing)
    except Exception:
        built = thing  # S101 says so
    return _with(_callable(built), chosen)


def _of_function(thing: Any, chosen: Mapping[str, Any]) -> Any:
    return _arranged(thing, list(parameters(thing)[0].values()), chosen)


def _arranged(function: Any, entries: list[inspect.Parameter], chosen: Mapping[str, Any]) -> Callable[..., Any]:
    """A call with what was chosen at its names' places, and tensors at the others, in order."""
    places = [entry.name for entry in entries if entry.kind is not entry.KEYWORD_ONLY]

    def call(*tensors: Tensor, **named: Any) -> Any:
        waiting, given = {**_in_dtype(chosen, tensors), **named}, list(tensors)
        arguments = []
        for name in places:
            if not given:
                break
            arguments.append(waiting.pop(name) if name in waiting else given.pop(0))
        return function(*arguments, *given, **waiting)

    return call


def _in_dtype(chosen: Mapping[str, Any], tensors: tuple[Tensor, ...]) -> dict[str, Any]:
    """The values that are floating tensors in the inputs' floating dtype."""
    dtype = next((each.dtype for each in tensors if each.is_floating_point()), torch.get_default_dtype())
    return {
        name: value.to(dtype) if isinstance(value, Tensor) and value.is_floating_point() else value
        for name, value in chosen.items()
    }


def _of_autograd(thing: Any, chosen: Mapping[str, Any]) -> Any:
    entries = forward_parameters(thing)

    def call(*tensors: Tensor, **named: Any) -> Any:
        waiting, given = {**_in_dtype(chosen, tensors), **named}, list(tensors)
        arguments = []
        for entry in entries:
            if not given and not waiting:
                break
            if entry.name in waiting:
                arguments.append(waiting.pop(entry.name))
            elif given:
                arguments.append(given.pop(0))
            else:
                arguments.append(entry.default)
        return thing.apply(*arguments, *given)

    return call


def forward_parameters(function: Any) -> tuple[inspect.Parameter, ...]:
    """The parameters of an autograd.Function's forward, without ctx."""
    entries = tuple(parameters(function.forward)[0].values())
    return entries if function.setup_context is not torch.autograd.Function.setup_context else entries[1:]


def _of_factory(thing: Any, chosen: Mapping[str, Any]) -> Any:
    names, more = parameters(thing)
    passed = {name: value for name, value in chosen.items() if name in names or (more and names)}
    built = thing(**passed)
    left = {name: value for name, value in chosen.items() if name not in passed}
    return _with(_callable(built), left)


BUILDERS: Mapping[Form, Callable[[Any, Mapping[str, Any]], Any]] = {
    "class": _of_class,
    "instance": _of_instance,
    "function": _of_function,
    "autograd.Function": _of_autograd,
    "factory": _of_factory,
}


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """The global random numbers begin at a seed in here, and go on outside as if nothing had been."""
    state, python = torch.get_rng_state(), random.getstate()
    numpy = sys.modules.get("numpy")  # only where the subject brought it along
    other = numpy.random.get_state() if numpy is not None else None
    torch.default_generator.manual_seed(seed)  # torch.manual_seed takes 30 times as long
    random.seed(seed)
    if numpy is not None:
        numpy.random.seed(seed)
    try:
        yield
    finally:
        torch.set_rng_state(state)
        random.setstate(python)
        if numpy is not None:
            numpy.random.set_state(other)
