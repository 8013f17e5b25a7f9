"""What can be seen of a subject from outside. Whatever the subject's own code raises is a fact, and no fault."""

import dis
import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import torch
from torch import Tensor

from torchstone.check.held import (
    BUILDERS,
    SubjectError,
    form_of,
    forward_parameters,
    live,
    parameters,
    subject_code,
    unwrapped,
)
from torchstone.check.optimizers import build
from torchstone.check.spec import Description, Form

T = TypeVar("T")
_PLAIN = (bool, int, float, str, type(None))
# What code is made of that computes nothing.
_IDLE = ("RESUME", "NOP", "POP_TOP", "LOAD_CONST", "LOAD_SMALL", "LOAD_FAST", "STORE_FAST", "RETURN", "COPY")


def describe(thing: Any, kwargs: Mapping[str, Any]) -> Description:
    """A subject's description, built with the constructor's arguments `kwargs`."""
    if build.is_optimizer(thing):
        return build.describe(thing, kwargs)
    thing = unwrapped(thing)
    form = form_of(thing)
    built, problem = _built(thing, form, kwargs)
    whole = built.__self__ if inspect.ismethod(built) else built  # called through its forward
    owner: Any = thing if isinstance(thing, type) else type(whole)
    maker = {"class": thing, "factory": thing, "instance": type(thing)}.get(form)
    named, more = parameters(maker) if maker is not None and not _inherits_init(maker) else ({}, False)
    forward = _forward(thing, built, form)
    call = {} if forward is None else parameters(forward)[0]
    if form == "autograd.Function":
        call = {entry.name: entry for entry in forward_parameters(thing)}
    instance = whole if form in ("class", "instance", "factory") and not inspect.isroutine(whole) else None
    own = inspect.getattr_static(owner, "backward", None) if instance is not None else None
    module: Any = instance if isinstance(instance, torch.nn.Module) else torch.nn.Module()
    return Description(
        name=_name(thing, built),
        form=form,
        constructor=_defaults(named),
        constructor_required=_required(named),
        constructor_open=more or form == "factory",
        call=_defaults(call),
        call_required=_required(call),
        call_keyword=tuple(name for name, entry in call.items() if entry.kind is entry.KEYWORD_ONLY),
        call_open=forward is None or parameters(forward)[1],
        attributes={key: found for key, value in _attributes(instance) if (found := _plain(value)) is not None},
        parameters=_tried(lambda: {key: tuple(value.shape) for key, value in module.named_parameters()}, {}),
        buffers=_tried(lambda: tuple(key for key, _ in module.named_buffers()), ()),
        has_backward=own is not None and _tried(lambda: callable(getattr(instance, "backward", None)), False),
        doc=_doc(thing, built, forward),
        is_module=module is instance,
        problem=problem,
        stub=_tried(lambda: _stub(forward, problem), ""),
    )


def _built(thing: Any, form: Form, kwargs: Mapping[str, Any]) -> tuple[Any, str]:
    try:
        with subject_code("build"):
            return BUILDERS[form](thing, {name: live(value) for name, value in kwargs.items()}), ""
    except SubjectError as error:
        return None, str(error)


def _tried(look: Callable[[], T], otherwise: T) -> T:
    """What a look at the subject shows, unless its own code raises."""
    try:
        return look()
    except Exception:
        return otherwise


def _name(thing: Any, built: Any) -> str:
    while isinstance(thing, functools.partial):
        thing = thing.func
    name = _tried(lambda: getattr(thing, "__name__", type(thing).__name__), "")
    if name == "<lambda>" and built is not None:
        name = type(built).__name__ if not inspect.isroutine(built) else name
    return name if isinstance(name, str) else type(thing).__name__


def _doc(thing: Any, built: Any, forward: Any) -> str:
    """What the author says: docstrings of their own, none that are inherited."""
    owner = (
        thing if isinstance(thing, type) or inspect.isroutine(thing) else type(built if built is not None else thing)
    )
    while isinstance(forward, functools.partial):
        forward = forward.func
    texts = [_tried(lambda: vars(owner).get("__doc__"), None) if isinstance(owner, type) else owner.__doc__]
    texts.append(_tried(lambda: forward.__doc__, None))
    found = dict.fromkeys(inspect.cleandoc(text) for text in texts if isinstance(text, str))
    return "\n\n".join(found)


def _inherits_init(maker: Any) -> bool:
    return isinstance(maker, type) and maker.__init__ in (torch.nn.Module.__init__, object.__init__)  # type: ignore[misc]


def _forward(thing: Any, built: Any, form: Form) -> Any:
    if form == "function":
        return thing
    if form == "autograd.Function":
        return thing.forward
    if built is None:
        found = _tried(lambda: getattr(thing, "forward", None) or vars(thing).get("__call__"), None)
        # Unbound: `self` is no input.
        return functools.partial(found, None) if callable(found) and isinstance(thing, type) else None
    return built.forward if isinstance(built, torch.nn.Module) else built


def _stub(forward: Any, problem: str) -> str:
    """Why there is nothing to check, where a call computes nothing: its body is `pass`, `...`, or an assignment."""
    if problem.startswith("NotImplementedError"):
        return f"building it raises {problem}"
    while isinstance(forward, functools.partial):
        forward = forward.func
    forward = getattr(forward, "__func__", forward)
    if not hasattr(forward, "__code__"):
        forward = type(forward).__call__
    if not hasattr(forward, "__code__"):
        return ""
    steps = list(dis.get_instructions(forward))
    constants = [step.argval for step in steps if step.opname in ("LOAD_CONST", "RETURN_CONST")]
    loaded = [step.argval for step in steps if step.opname.startswith("LOAD_FAST")]
    idle = all(step.opname.startswith(_IDLE) for step in steps) and not set(loaded) & set(parameters(forward)[0])
    nothing = constants and constants[-1] in (None, Ellipsis)
    return f"{forward.__name__} computes nothing, and returns {constants[-1]}" if idle and nothing else ""


def _attributes(instance: Any) -> list[tuple[str, Any]]:
    """What an instance knows about itself: its own attributes, and those of its classes."""
    if instance is None:
        return []
    shared = [
        (key, value)
        for owner in reversed(type(instance).__mro__)
        if not owner.__module__.startswith(("torch.nn.modules.module", "builtins"))
        for key, value in vars(owner).items()
        if isinstance(value, (bool, int, float, str))
    ]
    owned: dict[str, Any] = _tried(lambda: dict(vars(instance)), {})
    if isinstance(instance, torch.nn.Module):
        owned.pop("training", None)
        named: list[tuple[str, Any]] = _tried(lambda: list(instance.named_parameters()), [])
        named += _tried(lambda: list(instance.named_buffers()), [])
        owned |= {key: value for key, value in named if "." not in key}
    return [(key, value) for key, value in [*shared, *owned.items()] if not key.startswith("_")]


_MOST = 16  # numbers of a tensor that are looked at


def _plain(value: Any) -> Any:
    if isinstance(value, _PLAIN):
        return value
    if isinstance(value, Tensor):  # one that has no numbers yet raises
        return _tried(lambda: value.detach().tolist() if value.numel() <= _MOST else None, None)
    if isinstance(value, (list, tuple)) and all(isinstance(each, _PLAIN) for each in value):
        return list(value)
    return None


def _defaults(named: Mapping[str, inspect.Parameter]) -> dict[str, Any]:
    return {
        key: None if entry.default is entry.empty else _plain(entry.default)
        for key, entry in named.items()
        if key != "self"
    }


def _required(named: Mapping[str, inspect.Parameter]) -> tuple[str, ...]:
    return tuple(key for key, entry in named.items() if entry.default is entry.empty and key != "self")
