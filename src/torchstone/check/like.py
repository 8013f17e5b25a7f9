"""The counterpart: what a subject is like, as its user names it, and how that is built.

>>> read_dotted("torch.nn.Softmax(dim=-1)")
('torch.nn.Softmax', (), {'dim': -1})
"""

import ast
import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from torchstone.check.describe import describe
from torchstone.check.home import Home, Local, hold
from torchstone.check.spec import Description, Spec

TRUSTED = ("torch", "torchstone")  # what may be built in the checker's own process, whoever names it


@dataclass(frozen=True)
class Like:
    """A counterpart before it is known how it is to be called.

    `told` are the arguments that its user gave. `home` makes a home for it.
    """

    text: str
    description: Description
    home: Callable[[Spec], Home]
    told: Mapping[str, Any] = field(default_factory=dict)
    dotted: str = ""

    @property
    def is_trusted(self) -> bool:
        """Whether its name can be relied on: PyTorch's own, and torchstone's."""
        return self.dotted.partition(".")[0] in TRUSTED


# Makes a counterpart of a dotted name and arguments by name: elsewhere, where the code may not run in this process.
Builder = Callable[[str, Mapping[str, Any]], Like]


def like(thing: Any, build: Builder | None = None) -> Like:
    """The counterpart that a dotted name with literal arguments, a class, an instance or a function stands for.

    `build` makes that of a dotted name outside torch and torchstone; it is imported here where there is none.

    Raises:
        ValueError: for text that is no such name, and for a name that is not there.
        TypeError: for another thing.
    """
    if isinstance(thing, str):
        dotted, arguments, told = read_dotted(thing)
        trusted = dotted.partition(".")[0] in TRUSTED
        made = here(dotted, {}) if trusted or build is None else build(dotted, {})
        told = {**_by_name(dotted, made.description, arguments), **told}
        again = made if not told else here(dotted, told) if trusted or build is None else build(dotted, told)
        return _buildable(again)
    if not callable(thing) and not hasattr(thing, "forward"):
        raise TypeError(f"like: expected a dotted name, a class, an instance or a function, got {thing!r:.80}")
    description = describe(thing, {})
    module = getattr(thing, "__module__", type(thing).__module__) or ""
    dotted = f"{_public(module)}.{description.name}" if description.name.isidentifier() else description.name
    told = _told(description) if description.form == "instance" else {}
    shown = ", ".join(f"{name}={value!r}" for name, value in told.items())
    text = f"{dotted}({shown})" if told else dotted
    return _buildable(Like(text, description, partial(_home, thing), told, dotted))


def here(dotted: str, told: Mapping[str, Any]) -> Like:
    """The counterpart of that name, in this process."""
    thing = find(dotted)
    shown = ", ".join(f"{name}={value!r}" for name, value in told.items())
    description = describe(thing, told)
    return Like(f"{dotted}({shown})" if told else dotted, description, partial(_home, thing), told, dotted)


def _home(thing: Any, spec: Spec) -> Home:
    return Local(hold(thing, spec))


def _public(module: str) -> str:
    """Where people import from: torch.nn has its classes in modules of its own."""
    return "torch.nn" if module.startswith("torch.nn.modules.") else "torch" if module == "torch._C" else module


def _told(description: Description) -> dict[str, Any]:
    """The arguments of an instance that are not its class's defaults."""
    return {
        name: description.attributes[name]
        for name, default in description.constructor.items()
        if name in description.attributes and description.attributes[name] != default
    }


def _buildable(made: Like) -> Like:
    problem = made.description.problem
    if problem:
        raise ValueError(f"like: expected what can be built, got {made.text}, which raises {problem}")
    return made


def _by_name(dotted: str, description: Description, arguments: tuple[Any, ...]) -> dict[str, Any]:
    """Arguments that were given by position, by the names that the constructor has for them."""
    names = list(description.constructor if description.form == "class" else description.call)
    if description.form != "class" and arguments:
        names = [name for name in names if name not in description.call_required]
    if len(arguments) > len(names):
        raise ValueError(f"like: expected at most {len(names)} arguments for {dotted}, got {len(arguments)}")
    return dict(zip(names, arguments, strict=False))


def read_dotted(text: str) -> tuple[str, tuple[Any, ...], dict[str, Any]]:
    """A dotted name, and its arguments as literals. Nothing is run.

    Raises `ValueError` for anything else.
    """
    wanted = 'like: expected a dotted name with literal arguments, such as "torch.nn.Softmax(dim=-1)"'
    try:
        node: ast.AST = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise ValueError(f"{wanted}, got {text!r}") from None
    arguments: tuple[Any, ...] = ()
    named: dict[str, Any] = {}
    if isinstance(node, ast.Call):
        try:
            arguments = tuple(ast.literal_eval(each) for each in node.args)
            named = {str(each.arg): ast.literal_eval(each.value) for each in node.keywords if each.arg}
            literal = len(named) == len(node.keywords)
        except (ValueError, TypeError):
            literal = False
        if not literal:
            raise ValueError(f"{wanted}, got {text!r}: its arguments are no literals")
        node = node.func
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.insert(0, node.attr)
        node = node.value
    if not isinstance(node, ast.Name) or not parts:
        raise ValueError(f"{wanted}, got {text!r}")
    return ".".join((node.id, *parts)), arguments, named


def find(dotted: str) -> Any:
    """What a dotted name stands for. Raises `ValueError` where there is nothing of that name."""
    parts = dotted.split(".")
    for count in range(len(parts) - 1, 0, -1):
        name = ".".join(parts[:count])
        try:
            found: Any = importlib.import_module(name)
        except ModuleNotFoundError as error:
            if error.name and f"{name}.".startswith(f"{error.name}."):
                continue
            raise ValueError(f"like: expected a name that can be imported, got {dotted!r}: {error}") from None
        for part in parts[count:]:
            found = getattr(found, part, None)
        if callable(found):
            return found
        break
    raise ValueError(f"like: expected the name of a class or function, got {dotted!r}, which is none")
