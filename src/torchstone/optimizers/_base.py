"""What every optimizer here shares: groups, checks, closures, precision and state dicts. The mathematics is elsewhere.

An optimizer is a table of options and one function, its update rule, which advances one parameter in place.
The rule sees parameter, gradient and state in the working precision: float32 for the half types.
"""

from collections.abc import Callable, Iterable
from inspect import Parameter, signature
from typing import Any, ClassVar

import torch
from torch import Tensor

from torchstone._elementwise import HALF_TYPES
from torchstone.optimizers._options import Options, Switch
from torchstone.optimizers._state import State, check_state, seal, unseal

Parameters = Iterable[Tensor] | Iterable[dict[str, Any]] | Iterable[tuple[str, Tensor]]
_DTYPES = {torch.float64, torch.float32, *HALF_TYPES, torch.complex64, torch.complex128}


class Base(torch.optim.Optimizer):
    """An optimizer whose step is `rule(parameter, gradient, state, **options)` for each parameter with a gradient."""

    options: ClassVar[Options]
    rule: ClassVar[Callable[..., None]]
    _taken: ClassVar[tuple[str, ...]]  # the options that the rule takes: its keyword arguments

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        arguments = signature(cls.rule).parameters.values()
        cls._taken = tuple(a.name for a in arguments if a.kind is Parameter.KEYWORD_ONLY)

    def __init__(self, params: Parameters, **defaults: Any) -> None:
        self._check(defaults)
        super().__init__(_given(params), defaults)

    def _check(self, group: dict[str, Any]) -> None:
        """Raise TypeError or ValueError where an option of the group is wrong."""
        for name, option in self.options.items():
            option.check(name, group[name])
        self._read(group)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add parameters, with options of their own; what the group leaves out is as the constructor was told.

        Nothing is added where a parameter or an option is wrong. The dict itself is not written to.
        """
        if isinstance(param_group, dict):
            param_group = {**param_group, "params": _listed(param_group)}
            group = {**self.defaults, **param_group}
            self._check(group)
            _check_parameters(**group)
        super().add_param_group(param_group)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Advance each parameter that has a gradient; returns what `closure`, called once before that, returned.

        Everything is checked before anything changes: after an error, parameters and state are what they were.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        with torch.set_grad_enabled(self.defaults["differentiable"]):
            for options, jobs in [(self._read(group), self._ready(group)) for group in self.param_groups]:
                for job in jobs:
                    self._advance(*job, options)
        return loss

    def _read(self, group: dict[str, Any]) -> dict[str, Any]:
        """The group's options for the rule. A tensor stays one only where its number of today would be frozen."""
        live = torch.compiler.is_compiling() or group["differentiable"] or group.get("capturable", False)
        return {name: self.options[name].read(name, group[name], live) for name in self._taken}

    def _ready(self, group: dict[str, Any]) -> list[tuple[Tensor, Tensor, State | None]]:
        """Each parameter of the group with a gradient, and both with its state, once all of them are found in order."""
        jobs = [(param, param.grad, self.state.get(param)) for param in group["params"] if param.grad is not None]
        for param, grad, state in jobs:
            _check_gradient(param, grad)
            if state:
                check_state(param, state)
        return jobs

    def _advance(self, param: Tensor, grad: Tensor, state: State | None, options: dict[str, Any]) -> None:
        kept = {} if state is None else state
        if self.defaults["differentiable"]:
            # The rule writes into the state, and autograd still needs what was there.
            kept.update({name: old.clone() for name, old in kept.items() if isinstance(old, Tensor)})
        wide = param.float() if param.dtype in HALF_TYPES else param
        if grad.dtype != wide.dtype:
            grad = grad.to(wide.dtype)
        type(self).rule(wide, grad, kept, **options)
        if wide is not param:
            param.copy_(wide)
        if kept and state is None:  # a rule that keeps nothing leaves no entry
            self.state[param] = kept

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue where another optimizer stopped: one of this kind, or PyTorch's own.

        Tensors are copied. Half-precision parameters have float32 state, whatever the source had.
        Raises ValueError, and changes nothing, where groups or shapes differ.
        """
        last_hook = self.register_load_state_dict_pre_hook(seal)
        try:
            super().load_state_dict(state_dict)
        finally:
            last_hook.remove()

    def __setstate__(self, state: dict[str, Any]) -> None:
        for group in state["param_groups"]:
            for name, option in self.options.items():
                if isinstance(option, Switch):
                    group.setdefault(name, option.default)
                elif name not in group:
                    raise ValueError(f"state_dict: expected {name!r} in each group, got {sorted(group)}")
            for param in group["params"]:
                if param in state["state"]:
                    unseal(param, state["state"][param], on_device=group.get("capturable", False))
        super().__setstate__(state)


def _given(params: Any) -> Any:
    """What the constructor was given, ready to be read more than once."""
    expected = "an iterable of tensors, of (name, tensor) pairs or of groups"
    if isinstance(params, Tensor):
        raise TypeError(f"params: expected {expected}, got a tensor of shape {tuple(params.shape)}; put it in a list")
    if not isinstance(params, Iterable):
        raise TypeError(f"params: expected {expected}, got {params!r}")
    given = params if isinstance(params, set) else list(params)  # PyTorch refuses a set, which has no order
    if not given:
        raise ValueError(f"params: expected {expected}, got an empty one")
    return given


def _listed(group: dict[str, Any]) -> Any:
    """The group's parameters, ready to be read more than once."""
    if "params" not in group:
        raise ValueError(f"params: expected in each parameter group, got a group of {sorted(group)}")
    params = group["params"]
    if isinstance(params, Tensor):
        return [params]
    return params if isinstance(params, set) else list(params)  # PyTorch refuses a set, which has no order


def _check_parameters(params: Iterable[Any], differentiable: bool, **_: Any) -> None:
    tensors = [p[1] if isinstance(p, tuple) else p for p in params]
    if len({id(p) for p in tensors}) < len(tensors):
        raise ValueError("params: expected each parameter once, got one twice in a group")
    if differentiable and any(isinstance(p, Tensor) and p.is_leaf and p.requires_grad for p in tensors):
        raise ValueError(
            "params: expected clones with differentiable=True, got a leaf, which autograd lets no step change"
        )


def _check_gradient(param: Tensor, grad: Tensor) -> None:
    """Raise TypeError or ValueError unless a step can be made with this gradient."""
    if grad.layout != torch.strided:
        raise ValueError(f"grad: expected a dense gradient, got {grad.layout}")
    if param.dtype not in _DTYPES:
        raise TypeError(f"params: expected a floating-point or complex type, got {param.dtype}")
    if grad.dtype != param.dtype and not (grad.is_floating_point() and param.is_floating_point()):
        raise TypeError(f"grad: expected {param.dtype} like its parameter, got {grad.dtype}")
    if grad.shape != param.shape:
        raise ValueError(f"grad: expected shape {tuple(param.shape)} like its parameter, got {tuple(grad.shape)}")
    if grad.device != param.device:
        raise ValueError(f"grad: expected on {param.device} like its parameter, got on {grad.device}")
