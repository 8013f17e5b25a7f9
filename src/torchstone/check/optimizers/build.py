"""What is an optimizer, and how one is built over parameters. Runs where the subject lives."""

import copy
import functools
import inspect
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor

from torchstone.check.held import SubjectError, parameters, required, seeded, subject_code
from torchstone.check.optimizers.vocabulary import CLOSURES, INNER, PARAMETERS, SPELLINGS
from torchstone.check.spec import Description, Form, Spec

Optimizer = torch.optim.Optimizer
_METHODS = (
    *(
        "step",
        "zero_grad",
        "train",
        "eval",
        "state_dict",
        "load_state_dict",
        "add_param_group",
        "param_groups",
        "state",
    ),
    *("register_step_pre_hook", "defaults"),
)
_PLAIN = (bool, int, float, str)


def is_optimizer(thing: Any) -> bool:
    """Whether a thing is an optimizer, or makes one of parameters.

    A class with `step` and `zero_grad`, or one with `step` whose first argument is parameters; an instance of one; a
    function of parameters that returns one. A `step` that has to be given more than a closure (an action, a batch, the
    gradients) is that of something else.
    """
    if isinstance(thing, functools.partial):
        return is_optimizer(thing.func)
    if isinstance(thing, type):
        return _is_class(thing)
    if isinstance(thing, Optimizer):
        return True
    if not inspect.isroutine(thing):
        return not isinstance(thing, torch.nn.Module) and _is_class(type(thing))
    names = list(parameters(thing)[0])
    return bool(names) and names[0] in PARAMETERS and _makes_optimizer(thing, names[0])


def _is_class(thing: type) -> bool:
    if issubclass(thing, Optimizer):
        return thing is not Optimizer
    if issubclass(thing, torch.nn.Module) or not _has(thing, "step") or not _steps_alone(thing):
        return False
    first = next(iter(parameters(thing)[0]), "")
    return first in PARAMETERS or (_has(thing, "zero_grad") and bool(first))


def _has(thing: type, name: str) -> bool:
    return any(name in vars(owner) for owner in thing.__mro__)


def _steps_alone(thing: type) -> bool:
    """Whether `step` can be called with nothing, or with a closure."""
    needed = [name for name in required(thing.step) if name != "self"]  # type: ignore[attr-defined]
    return not needed or (len(needed) == 1 and needed[0] in CLOSURES)


def _makes_optimizer(function: Callable[..., Any], first: str) -> bool:
    """Whether a function makes an optimizer of parameters: what else it requires has to be a hyper-parameter's name."""
    more = {name: 0.1 for name in required(function) if name != first}
    if not all(any(name in spelled for spelled in SPELLINGS.values()) for name in more):
        return False
    try:
        made = function([torch.nn.Parameter(torch.ones(2, 2))], **more)
    except Exception:
        return False
    return callable(getattr(made, "step", None))


class HeldOptimizer:
    """An optimizer, ready to be built over parameters: a class, a function of parameters, or an example of one."""

    def __init__(self, thing: Any, spec: Spec) -> None:
        self.thing, self.spec = thing, spec
        self.form = form_of(thing)

    def build(self, handed: Any, overrides: Mapping[str, Any] | None = None, seed: int | None = 0) -> Any:
        """A new optimizer over what is handed: parameters, or groups of them.

        An override is passed where the subject takes it by that name; what it does not take is set in its groups, or
        as an attribute.
        """
        chosen = {name: live(value) for name, value in {**self.spec.kwargs, **(overrides or {})}.items()}
        with seeded(seed) if seed is not None else nullcontext(), subject_code("build"):
            built = _built(self.thing, handed, chosen)
            if callable(getattr(built, "train", None)):
                built.train()
        return built


def form_of(thing: Any) -> Form:
    """A class, an example of one, or a function that makes one."""
    if isinstance(thing, type):
        return "class"
    return "factory" if inspect.isroutine(thing) or isinstance(thing, functools.partial) else "instance"


def live(value: Any) -> Any:
    """What a value in a specification stands for: a list is a tuple, as constructors take betas.

    {"tensor": 0.1} is a tensor without dimensions.
    """
    if isinstance(value, Mapping) and set(value) == {"tensor"}:
        return torch.tensor(value["tensor"], dtype=torch.float64)
    return tuple(map(live, value)) if isinstance(value, list) else value


def _built(thing: Any, handed: Any, chosen: Mapping[str, Any]) -> Any:
    maker: Any = type(thing) if form_of(thing) == "instance" else thing
    if form_of(thing) == "instance":
        chosen = {**_arguments_of(thing), **chosen}
    named, more, needed = _signature(maker)
    first = next(iter(named), "")
    more = more and first not in INNER  # what a wrapper takes besides is for an optimizer that it builds itself
    passed = {name: value for name, value in chosen.items() if name in named or more}
    for name in needed:
        if name in INNER and name != first and name not in passed:
            passed[name] = torch.optim.SGD  # what wraps another takes its class
    given = torch.optim.SGD(handed, lr=0.1) if first in INNER else handed
    built = maker(given, **passed)
    for name, value in chosen.items():
        if name not in passed:
            put(built, name, value)
    return built


@functools.lru_cache(maxsize=64)  # to read one takes longer than a step
def _signature(maker: Any) -> tuple[tuple[str, ...], bool, tuple[str, ...]]:
    """The names of a maker's parameters, whether it takes others, and which it requires."""
    named, more = parameters(maker)
    return tuple(named), more, required(maker)


def _arguments_of(example: Any) -> dict[str, Any]:
    """The arguments that an example was built with, as far as it remembers them."""
    remembered = {**vars(example), **dict(getattr(example, "defaults", {}))}
    return {name: copy.copy(remembered[name]) for name in list(parameters(type(example))[0])[1:] if name in remembered}


def put(built: Any, name: str, value: Any, group: int | None = None) -> None:
    """Change a setting of a living optimizer: in its groups (or one of them), or as an attribute.

    Raises `TypeError` where it has no such setting.
    """
    groups = groups_of(built)
    chosen = groups if group is None else groups[group : group + 1]
    holders = [each for each in chosen if name in each]
    for each in holders:
        each[name] = value
    if not holders:
        if not hasattr(built, name):
            raise TypeError(f"{type(built).__name__} takes no {name!r}, and has no setting of that name")
        setattr(built, name, value)


def groups_of(built: Any) -> list[dict[str, Any]]:
    """An optimizer's parameter groups; none where it has no such thing."""
    groups = getattr(built, "param_groups", None)
    whole = isinstance(groups, list) and all(isinstance(each, dict) and "params" in each for each in groups)
    return groups if whole and groups is not None else []


def describe(thing: Any, kwargs: Mapping[str, Any]) -> Description:
    """An optimizer's description, built over two small parameters."""
    form = form_of(thing)
    maker = type(thing) if form == "instance" else thing
    named, more = parameters(maker)
    first = next(iter(named), "")
    asked = {name: live(value) for name, value in kwargs.items()}
    built, problem = None, ""
    needed = [name for name in required(maker) if name not in asked and name != first and name not in INNER]
    if not needed:
        try:
            handed = [torch.nn.Parameter(torch.ones(3, 4)), torch.nn.Parameter(torch.ones(3, 4))]
            built = HeldOptimizer(thing, Spec("", "optimizer", (), asked)).build(handed)
        except SubjectError as error:
            problem = str(error)
    inside = thing.func if isinstance(thing, functools.partial) else thing
    owner = type(built) if built is not None else maker if isinstance(maker, type) else None
    return Description(
        name=str(getattr(inside, "__name__", type(inside).__name__)),
        form=form,
        constructor={name: _plain(entry.default) for name, entry in named.items() if name != first},
        constructor_required=tuple(needed),
        constructor_open=more,
        attributes=_settings(built),
        makes=type(built).__name__ if form == "factory" and built is not None else "",
        doc=inspect.cleandoc(vars(owner).get("__doc__") or "") if owner is not None else "",
        problem=problem,
        stub=_stub(owner),
        methods=tuple(name for name in _METHODS if hasattr(built if built is not None else owner, name)),
        is_optimizer=True,
        is_module=isinstance(built, Optimizer),
    )


def _settings(built: Any) -> dict[str, Any]:
    """What a living optimizer says of its hyper-parameters: its attributes, its defaults, its first group."""
    if built is None:
        return {}
    group = next(iter(groups_of(built)), {})
    own = {**vars(built), **dict(getattr(built, "defaults", None) or {}), **group}
    return {name: found for name, value in own.items() if name[0] != "_" and (found := _plain(value)) is not None}


def _plain(value: Any) -> Any:
    if isinstance(value, _PLAIN):
        return value
    if isinstance(value, Tensor) and value.numel() == 1:
        return value.item()
    if isinstance(value, (list, tuple)) and 0 < len(value) <= 4 and all(isinstance(each, _PLAIN) for each in value):
        return list(value)
    return None


def _stub(owner: Any) -> str:
    """Why there is nothing to check, where `step` computes nothing."""
    import dis

    step = getattr(owner, "step", None)
    code = getattr(step, "__code__", None)
    if code is None:
        return ""
    loaded = {step.argval for step in dis.get_instructions(code) if step.opname.startswith(("LOAD_FAST", "LOAD_ATTR"))}
    calls = any("CALL" in each.opname or "LOAD_GLOBAL" in each.opname for each in dis.get_instructions(code))
    return "" if loaded or calls else "step computes nothing"
