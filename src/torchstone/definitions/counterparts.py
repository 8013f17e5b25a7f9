"""From PyTorch's own, as people write it, to the definition of it."""

import ast
import difflib
import inspect
from collections.abc import Mapping
from importlib import import_module
from typing import Any, NamedTuple, NoReturn

from torchstone.definitions.core import Definition, Function
from torchstone.definitions.registry import every, get

_SHORT = {"nn": "torch.nn", "F": "torch.nn.functional", "functional": "torch.nn.functional", "optim": "torch.optim"}


class Counterpart(NamedTuple):
    """A definition, the values of its parameters that were given, and the other arguments (`dim`, `reduction`)."""

    definition: Definition
    parameters: Mapping[str, Any]
    options: Mapping[str, Any]


def for_counterpart(text: str) -> Counterpart:
    """The definition of a class or function of PyTorch's, given by its dotted name with literal arguments.

    `torch.nn.Hardtanh(-2, 2)`, `nn.GELU(approximate='tanh')`, `torch.nn.functional.gelu`, `torch.sigmoid`. Arguments
    go by PyTorch's names, and come back by the definition's; those that aren't parameters of the mathematics are
    `options`. An argument that is None counts as not given.

    Raises:
        KeyError: where there is no definition of it.
        ValueError: for another shape.

    >>> found = for_counterpart("torch.nn.PReLU(init=0.5, num_parameters=3)")
    >>> found.definition.name, found.parameters, found.options
    ('prelu', {'weight': 0.5}, {'num_parameters': 3})
    """
    dotted, arguments = _read(text)
    candidates = _candidates(dotted)
    chosen = max(candidates, key=lambda each: _fit(each, arguments))
    names = {entry.argument or entry.name: entry.name for entry in getattr(chosen, "parameters", ())}
    given = {name: value for name, value in arguments.items() if value is not None}
    return Counterpart(
        chosen,
        {names[name]: value for name, value in given.items() if name in names},
        {name: value for name, value in given.items() if name not in names},
    )


def _read(text: str) -> tuple[str, dict[str, Any]]:
    """The dotted name, from torch on, and the arguments by name."""
    try:
        tree = ast.parse(text.strip(), mode="eval").body
        call = tree if isinstance(tree, ast.Call) else ast.Call(tree, [], [])
        values = [ast.literal_eval(each) for each in call.args]
        named = {str(each.arg): ast.literal_eval(each.value) for each in call.keywords}
    except (SyntaxError, ValueError):
        _fail(text)
    parts, node = [], call.func
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name) or "None" in named:
        _fail(text)
    dotted = ".".join([_SHORT.get(node.id, node.id), *reversed(parts)])
    return dotted, named | (_by_name(dotted, values, text) if values else {})


def _fail(text: str) -> NoReturn:
    raise ValueError(
        f"counterpart: expected a dotted name with literal arguments, such as torch.nn.ELU(alpha=2.0), got {text!r}"
    ) from None


def _by_name(dotted: str, values: list[Any], text: str) -> dict[str, Any]:
    """A constructor's arguments by name, from the class itself."""
    first, *rest = dotted.split(".")
    try:
        target: Any = import_module(first)
        for part in rest:
            target = getattr(target, part)
        if isinstance(target, type):
            return dict(inspect.signature(target).bind_partial(*values).arguments)
    except (ImportError, AttributeError, TypeError, ValueError):
        pass
    raise ValueError(f"counterpart: expected arguments by name, got {text!r}")


def _candidates(dotted: str) -> list[Definition]:
    """The definitions of that class, or of the class that does the same as that function."""
    known = {entry: _read(entry.counterpart)[0] for entry in every() if entry.counterpart}
    found = [entry for entry, name in known.items() if name == dotted]
    home, _, last = dotted.rpartition(".")
    if not found and home in ("torch", "torch.special", "torch.nn.functional"):
        try:
            entry = get(last)
        except KeyError:
            entry = None
        if isinstance(entry, Function) and (entry.kind == "activation" or home == "torch.nn.functional"):
            found = [each for each, name in known.items() if name == known.get(entry)]
    if not found:
        near = difflib.get_close_matches(dotted, known.values(), n=3)
        hint = f"; did you mean {' or '.join(near)}?" if near else ""
        raise KeyError(f"counterpart: expected PyTorch's own that has a definition, got {dotted!r}{hint}")
    return found


def _fit(definition: Definition, arguments: Mapping[str, Any]) -> tuple[int, int]:
    """How many of the arguments in its own counterpart were given just so, and how many weren't (as a negative)."""
    own = _read(definition.counterpart)[1]
    same = sum(name in arguments and arguments[name] == value for name, value in own.items())
    return same, same - len(own)
