"""Other people's conventions: how a subject is loaded, built and called, whatever it looks like."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from torchstone._modules import NoModuleError, from_file, from_path

# PyTorch's argument, and the other names it goes by.
_SYNONYMS = {"lr": ("lr", "learning_rate", "step_size"), "eps": ("eps", "epsilon"), "weight_decay": ("weight_decay",)}


class MissingError(ValueError):
    """A name that leads to no class and no function: wrong usage, not a fault of a subject."""


class UnsupportedError(TypeError):
    """An option that a subject does not have."""


def parse(spec: str) -> tuple[str, str]:
    """`"pkg.module:Class"` or `"path/file.py:Class"` in its two parts. A drive's colon stays with the path.

    >>> parse("torch.nn:ReLU")
    ('torch.nn', 'ReLU')
    """
    where, _, name = spec.rpartition(":")
    if not where or not all(part.isidentifier() for part in name.split(".")):
        raise MissingError(f"against: expected FILE.py:CLASS or PACKAGE.MODULE:CLASS, got {spec!r}")
    if where.endswith(".py"):
        if not Path(where).is_file():
            raise MissingError(f"against: expected a file, got {where!r}, which is none")
    elif Path(where).is_file() or not all(part.isidentifier() for part in where.split(".")):
        raise MissingError(f"against: expected a file that ends in .py or a module, got {where!r}")
    return where, name


def load(spec: str) -> Any:
    """The class or function that a spec names. This runs the module's code."""
    where, name = parse(spec)
    try:
        is_file = where.endswith(".py")
        module = from_file(Path(where), f"_against_{Path(where).stem}") if is_file else from_path(where)
    except NoModuleError as error:
        raise MissingError(f"against: {error}") from None
    found: Any = module
    for part in name.split("."):
        found = getattr(found, part, None)
    if not callable(found):
        own = [key for key, value in vars(module).items() if getattr(value, "__module__", None) == module.__name__]
        offer = ", ".join(key for key in own if not key.startswith("_") and callable(vars(module)[key])) or "none"
        raise MissingError(f"against: expected a class or function of {where}, got {name!r}; it has {offer}")
    return found


def _parameters(function: Any) -> tuple[set[str], bool]:
    """The names a callable takes, and whether it takes any other, too."""
    try:
        entries = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return set(), False
    return {entry.name for entry in entries}, any(entry.kind is entry.VAR_KEYWORD for entry in entries)


def _construct(cls: type, wanted: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
    """An instance built with what its constructor takes of `wanted`, and the rest."""
    if getattr(cls, "__init__") in (torch.nn.Module.__init__, object.__init__):  # noqa: B009 (mypy)
        return cls(), dict(wanted)
    names, open_ended = _parameters(cls)
    known = {key: value for key, value in wanted.items() if key in names}
    if open_ended:
        try:
            return cls(**wanted), {}
        except TypeError:
            pass  # it passes its keywords on to something that does not take them
    return cls(**known), {key: value for key, value in wanted.items() if key not in known}


class FunctionSubject:
    """A loss or an activation that is called the same way whatever it is.

    A class is built with those of `arguments` that its constructor takes; what remains is passed to the call, where
    that takes it. An `autograd.Function` is applied. A loss that knows no `reduction` is met as it is.
    """

    def __init__(self, thing: Any, arguments: Mapping[str, Any], is_loss: bool) -> None:
        self._thing, self._arguments, self.is_loss = thing, dict(arguments), is_loss
        self._bound: dict[str, tuple[Callable[..., Any], Any, bool]] = {}

    def _bind(self, reduction: str) -> tuple[Callable[..., Any], Any, bool]:
        """The call, the instance (None for a function), and whether it knows `reduction`."""
        wanted = {**self._arguments, "reduction": reduction} if self.is_loss else self._arguments
        key = reduction if self.is_loss else ""
        if key not in self._bound:
            self._bound[key] = _bind(self._thing, wanted)
        return self._bound[key]

    def __call__(self, prediction: Tensor, target: Tensor | None = None, reduction: str = "mean") -> Tensor:
        """The value: of a loss, with that reduction where it has a choice, and else with its own."""
        call = self._bind(reduction)[0]
        value = call(prediction) if target is None else call(prediction, target)
        if not isinstance(value, Tensor):
            raise TypeError(f"expected a tensor as the result, got {type(value).__name__}")
        return value

    def reduces_always(self, prediction: Tensor, target: Tensor) -> bool:
        """Whether a loss gives one number for a batch even where one for each element is asked for."""
        if self._bind("none")[2]:
            return False
        with torch.no_grad():
            return self(prediction[:2], target[:2], "none").numel() == 1

    def explicit_backward(self) -> Callable[[Tensor], Tensor] | None:
        """The subject's own `backward(grad_output)`, where it has one."""
        instance = self._bind("mean")[1]
        function = inspect.getattr_static(type(instance), "backward", None)
        if instance is None or function is None:
            return None
        # A `backward(grad_output)` without self can be called on the class alone.
        alone = inspect.isfunction(function) and len(inspect.signature(function).parameters) == 1
        by_hand: Callable[[Tensor], Tensor] = (type(instance) if alone else instance).backward
        return by_hand


def _bind(thing: Any, wanted: Mapping[str, Any]) -> tuple[Callable[..., Any], Any, bool]:
    instance, left = None, dict(wanted)
    if isinstance(thing, type) and issubclass(thing, torch.autograd.Function):
        return thing.apply, None, False
    if isinstance(thing, type):
        instance, left = _construct(thing, wanted)
        if not callable(instance):
            raise TypeError(f"expected a class with forward or __call__, got {thing.__name__}, which has neither")
    call = thing if instance is None else instance
    names, _ = _parameters(call.forward if isinstance(call, torch.nn.Module) else call)
    passed = {key: value for key, value in left.items() if key in names}
    return partial(call, **passed) if passed else call, instance, "reduction" not in left or "reduction" in passed


def build_optimizer(thing: Any, parameters: Sequence[Tensor], options: Mapping[str, Any]) -> Any:
    """An optimizer, with options in PyTorch's words translated into its own.

    Raises `UnsupportedError` for an option that it does not have.
    """
    names, open_ended = _parameters(thing)
    own: dict[str, Any] = {}
    for key, value in options.items():
        if key == "betas" and key not in names and {"beta1", "beta2"} <= names:
            own["beta1"], own["beta2"] = value
            continue
        taken = next((name for name in _SYNONYMS.get(key, (key,)) if name in names), key if open_ended else None)
        if taken is None:
            raise UnsupportedError(f"it has no option {key}")
        own[taken] = tuple(value) if key == "betas" else value
    return thing(list(parameters), **own)


def set_learning_rate(optimizer: Any, rate: float) -> None:
    """Change the learning rate between two steps, as a scheduler does."""
    groups = getattr(optimizer, "param_groups", None)
    if groups:
        for group in groups:
            group["lr"] = rate
        return
    name = next((name for name in _SYNONYMS["lr"] if hasattr(optimizer, name)), None)
    if name is None:
        raise UnsupportedError("its learning rate cannot be changed")
    setattr(optimizer, name, rate)
