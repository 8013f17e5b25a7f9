"""A subject in the process that it lives in: built anew for each probe, and called the same way whatever it is.

Whatever the subject's own code raises becomes a `SubjectError`; anything else that is raised is a fault of ours.
"""

import copy
import functools
import inspect
import random
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from torchstone.check.spec import Description, Form, Spec


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

    A function without required parameters that returns something callable is a factory.
    """
    if isinstance(thing, type):
        return "autograd.Function" if issubclass(thing, torch.autograd.Function) else "class"
    if isinstance(thing, torch.nn.Module) or not (inspect.isroutine(thing) or _is_partial(thing)):
        return "instance"
    names, _ = parameters(thing)
    return "factory" if not required(thing) and (not names or _makes_callable(thing)) else "function"


def _is_partial(thing: Any) -> bool:
    return isinstance(thing, functools.partial)


def _makes_callable(thing: Any) -> bool:
    if _is_partial(thing) and isinstance(thing.func, type):
        return True
    try:
        return callable(thing())
    except Exception:
        return False


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
    """The names of the parameters that have to be given."""
    return tuple(name for name, entry in parameters(function)[0].items() if entry.default is entry.empty)


class Held:
    """A subject, ready to be built and called."""

    def __init__(self, thing: Any, spec: Spec) -> None:
        self.thing, self.spec, self.form = thing, spec, form_of(thing)

    def build(self, overrides: Mapping[str, Any] | None = None) -> Callable[..., Any]:
        """Something to call: a new instance with the constructor's arguments, or the function with its own.

        An override is passed where the subject takes it by that name, or set as an attribute of an instance.
        """
        chosen = {**self.spec.kwargs, **(overrides or {})}
        with subject_code("build"):
            return BUILDERS[self.form](self.thing, chosen)

    def call(self, built: Callable[..., Any], tensors: Mapping[str, Tensor]) -> Any:
        """The subject's result for inputs by their names. A module's parameters take the inputs' floating dtype."""
        if isinstance(built, torch.nn.Module) and built is not self.thing:
            _take_dtype(built, tensors)
        positional = [tensors[entry.name] for entry in self.spec.inputs if not entry.keyword and entry.name in tensors]
        named = {
            entry.name: tensors[entry.name] for entry in self.spec.inputs if entry.keyword and entry.name in tensors
        }
        with subject_code("forward"):
            return built(*positional, **named)


def _take_dtype(module: torch.nn.Module, tensors: Mapping[str, Tensor]) -> None:
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
    return functools.partial(built, **named) if named else built


def _of_instance(thing: Any, chosen: Mapping[str, Any]) -> Any:
    try:
        built = copy.deepcopy(thing)
    except Exception:
        built = thing  # S101 says so
    return _with(_callable(built), chosen)


def _of_function(thing: Any, chosen: Mapping[str, Any]) -> Any:
    return lambda *tensors, **named: thing(*tensors, **{**chosen, **named})


def _of_autograd(thing: Any, chosen: Mapping[str, Any]) -> Any:
    order = [name for name in required_of_forward(thing) if name in chosen]
    return lambda *tensors: thing.apply(*tensors, *(chosen[name] for name in order))


def required_of_forward(function: Any) -> tuple[str, ...]:
    """The parameters of an autograd.Function's forward, without ctx."""
    names = tuple(parameters(function.forward)[0])
    return names if function.setup_context is not torch.autograd.Function.setup_context else names[1:]


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
    torch.manual_seed(seed)
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


_PLAIN = (bool, int, float, str, type(None))


def _plain(value: Any) -> Any:
    if isinstance(value, _PLAIN):
        return value
    if isinstance(value, Tensor) and value.numel() <= 16:
        return value.detach().tolist()
    if isinstance(value, (list, tuple)) and all(isinstance(each, _PLAIN) for each in value):
        return list(value)
    return None


def describe(thing: Any, kwargs: Mapping[str, Any]) -> Description:
    """What can be seen of a subject from outside."""
    form = form_of(thing)
    name = getattr(thing, "__name__", type(thing).__name__)
    built, problem = None, ""
    try:
        with subject_code("build"):
            built = BUILDERS[form](thing, kwargs)
    except SubjectError as error:
        problem = str(error)
    owner = thing if isinstance(thing, type) else type(built)
    maker = {"class": thing, "factory": thing, "instance": type(thing)}.get(form)
    named = parameters(maker)[0] if maker is not None and not _inherits_init(maker) else {}
    forward = _forward(thing, built, form)
    call = {} if forward is None else dict(parameters(forward)[0])
    if form == "autograd.Function":
        call = {key: parameters(thing.forward)[0][key] for key in required_of_forward(thing)}
    instance = built if form in ("class", "instance", "factory") and not inspect.isroutine(built) else None
    own = inspect.getattr_static(owner, "backward", None) if instance is not None else None
    module = instance if isinstance(instance, torch.nn.Module) else None
    return Description(
        name=name if isinstance(name, str) else type(thing).__name__,
        form=form,
        constructor=_defaults(named),
        constructor_required=_required(named),
        call=_defaults(call),
        call_required=_required(call),
        attributes={key: found for key, value in _attributes(instance) if (found := _plain(value)) is not None},
        parameters={} if module is None else {key: tuple(value.shape) for key, value in module.named_parameters()},
        buffers=() if module is None else tuple(key for key, _ in module.named_buffers()),
        has_backward=callable(own) or isinstance(own, staticmethod),
        backward_takes=tuple(parameters(getattr(owner, "backward"))[0]) if own is not None else (),  # noqa: B009
        doc=inspect.getdoc(thing) or "",
        is_module=module is not None,
        problem=problem,
    )


def _inherits_init(maker: Any) -> bool:
    return isinstance(maker, type) and maker.__init__ in (torch.nn.Module.__init__, object.__init__)  # type: ignore[misc]


def _forward(thing: Any, built: Any, form: Form) -> Any:
    if form == "function":
        return thing
    if form == "autograd.Function":
        return thing.forward
    if built is None:
        return getattr(thing, "forward", None) or getattr(thing, "__call__", None) if isinstance(thing, type) else None  # noqa: B004
    return built.forward if isinstance(built, torch.nn.Module) else built


def _attributes(instance: Any) -> list[tuple[str, Any]]:
    if instance is None or not hasattr(instance, "__dict__"):
        return []
    owned = dict(vars(instance))
    if isinstance(instance, torch.nn.Module):
        owned = {key: value for key, value in owned.items() if not key.startswith("_") and key != "training"}
        owned |= {
            key: value for key, value in [*instance.named_parameters(), *instance.named_buffers()] if "." not in key
        }
    return [(key, value) for key, value in owned.items() if not key.startswith("_")]


def _defaults(named: Mapping[str, inspect.Parameter]) -> dict[str, Any]:
    return {
        key: None if entry.default is entry.empty else _plain(entry.default)
        for key, entry in named.items()
        if key != "self"
    }


def _required(named: Mapping[str, inspect.Parameter]) -> tuple[str, ...]:
    return tuple(key for key, entry in named.items() if entry.default is entry.empty and key != "self")
