"""From a target's text to the things that it names. This runs the target's code: it is called in a child process.

A target is `pkg.module:Name`, `pkg.module`, `file.py:Name`, `file.py`, `notebook.ipynb` or `notebook.ipynb:Name`.
"""

import ast
import inspect
import linecache
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

from torchstone._modules import NoModuleError, from_file, from_path
from torchstone.check.held import required
from torchstone.check.optimizers.build import is_optimizer

FILES = (".py", ".ipynb")


class MissingError(ValueError):
    """A target that names nothing: wrong usage, not a fault of a subject."""


@dataclass(frozen=True)
class Target:
    """A file or a module, and the name in it; no name: everything."""

    where: str
    name: str = ""

    @property
    def is_file(self) -> bool:
        """Whether it is a file, not a module."""
        return self.where.endswith(FILES)

    @property
    def is_notebook(self) -> bool:
        """Whether it is a notebook."""
        return self.where.endswith(".ipynb")


@dataclass(frozen=True)
class Found:
    """One thing that a target names. `target` is what names it alone."""

    target: str
    name: str
    thing: Any
    cell: int | None = None


@dataclass
class Loaded:
    """What a target holds, and what else there is to say."""

    found: list[Found] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


def parse(text: str) -> Target:
    """A target's two parts. A drive's colon stays with the path.

    >>> parse("torch.nn:ReLU")
    Target(where='torch.nn', name='ReLU')
    """
    where, colon, name = text.rpartition(":")
    if text.endswith(FILES) or not colon or not where or not _dotted(name):
        where, name = text, ""
    if where.endswith(FILES):
        if not Path(where).is_file():
            raise MissingError(f"target: expected a file, got {where!r}, which is none")
    elif not _dotted(where):
        raise MissingError(f"target: expected FILE.py, NOTEBOOK.ipynb or PACKAGE.MODULE, each with :NAME, got {text!r}")
    return Target(where, name)


def _dotted(text: str) -> bool:
    return bool(text) and all(part.isidentifier() for part in text.split("."))


def load(target: Target, skip: Collection[str] = (), on_step: Callable[[str], None] = lambda step: None) -> Loaded:
    """The things that a target names, its code run. Cells of a notebook that are in `skip` ("cell 3") are left out.

    Raises `MissingError` where there is nothing of that name; whatever the target's own code raises, of a file or
    module.
    """
    loaded = Loaded()
    if target.is_notebook:
        _run_cells(Path(target.where), skip, on_step, loaded)
    else:
        module = _module(target)
        if target.name:
            loaded.found.append(Found(f"{target.where}:{target.name}", target.name, _named(module, target)))
            return loaded
        own = [(name, thing) for name, thing in vars(module).items() if _is_own(thing, module.__name__)]
        public = _public(module, own, is_file=target.is_file)
        loaded.found += [Found(f"{target.where}:{name}", name, thing) for name, thing in public]
    if target.name:
        loaded.found = [each for each in loaded.found if each.name == target.name][-1:]
        if not loaded.found:
            raise MissingError(f"target: {target.where} has no {target.name!r}")
    return loaded


def _public(module: ModuleType, own: list[tuple[str, Any]], *, is_file: bool) -> list[tuple[str, Any]]:
    """What a module offers: of a package, also what it takes from its own parts."""
    if is_file:
        return own
    offered = getattr(module, "__all__", None)
    if offered is not None:
        return [(name, getattr(module, name)) for name in offered if callable(getattr(module, name, None))]
    inner = f"{module.__name__}."
    return [
        (name, thing)
        for name, thing in vars(module).items()
        if not name.startswith("_") and callable(thing) and f"{getattr(thing, '__module__', '')}.".startswith(inner)
    ]


def _is_own(thing: Any, module: str) -> bool:
    """Whether a thing was made in a module: a class or function defined there, or an instance of a module."""
    if isinstance(thing, type) or inspect.isroutine(thing):
        return getattr(thing, "__module__", None) == module
    return isinstance(thing, torch.nn.Module)


def _named(module: ModuleType, target: Target) -> Any:
    found: Any = module
    for part in target.name.split("."):
        found = getattr(found, part, None)
    if not any((callable(found), hasattr(found, "forward"), hasattr(found, "step"))):
        own = [name for name, thing in vars(module).items() if _is_own(thing, module.__name__) and name[0] != "_"]
        offer = ", ".join(own) or "none"
        raise MissingError(
            f"target: expected a class or function of {target.where}, got {target.name!r}; it has {offer}"
        )
    return found


def _module(target: Target) -> ModuleType:
    try:
        path = Path(target.where)
        return from_file(path, _module_name(path)) if target.is_file else from_path(target.where)
    except NoModuleError as error:
        raise MissingError(f"target: {error}") from None


def _module_name(path: Path) -> str:
    """The file's stem, unless that is another module's name: a file may be called torch.py."""
    stem = path.stem if path.stem.isidentifier() else "subject"
    taken = stem in sys.modules or stem in sys.stdlib_module_names
    return f"_checked_{stem}" if taken else stem


@dataclass(frozen=True)
class Cell:
    """A code cell, by its number among all cells, counted from 1."""

    number: int
    source: str


def code_cells(path: Path) -> Iterator[Cell]:
    """The code cells of a notebook. Raises `MissingError` where it is none."""
    import nbformat

    try:
        notebook = nbformat.reads(path.read_text(encoding="utf-8-sig"), as_version=4)
    except (ValueError, KeyError, AttributeError, nbformat.ValidationError) as error:
        raise MissingError(f"target: {path} is no notebook: {' '.join(str(error).split())[:100]}") from None
    for number, cell in enumerate(notebook.cells, 1):
        if cell.cell_type == "code" and cell.source.strip():
            yield Cell(number, _plain_python(cell.source))


def _plain_python(source: str) -> str:
    """The cell without what only IPython knows: magics and shell lines become `pass`, at their place."""
    if source.lstrip().startswith("%%"):
        return ""
    lines = source.split("\n")
    return "\n".join(_indent(line) + "pass" if line.lstrip().startswith(("%", "!")) else line for line in lines)


def _indent(line: str) -> str:
    return line[: len(line) - len(line.lstrip())]


def _run_cells(path: Path, skip: Collection[str], on_step: Callable[[str], None], loaded: Loaded) -> None:
    module = ModuleType(_module_name(path))
    module.__file__ = str(path)
    sys.modules[module.__name__] = module
    space = vars(module)
    for cell in code_cells(path):
        step = f"cell {cell.number}"
        if step in skip:
            continue
        on_step(step)
        before = dict(space)
        remark = _run_cell(path, cell, space)
        if remark:
            loaded.remarks.append(f"{step} {remark}")
        for name, thing in list(space.items()):
            if before.get(name) is not thing and _is_own(thing, module.__name__):
                loaded.found.append(Found(f"{path}:{name}", name, thing, cell.number))


def _run_cell(path: Path, cell: Cell, space: dict[str, Any]) -> str:
    """Run a cell. What went wrong, if anything did: it stops no other cell."""
    place = f"{path.name}, cell {cell.number}"
    linecache.cache[place] = (len(cell.source), None, cell.source.splitlines(keepends=True), place)
    try:
        tree = ast.parse(cell.source, place)
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None)
        return f"does not parse: {getattr(error, 'msg', error)}" + (f" (line {line})" if line else "")
    try:
        exec(compile(tree, place, "exec"), space)
    except (Exception, SystemExit) as error:
        text = " ".join(str(error).split())[:120]
        return f"raises {type(error).__name__}" + (f": {text}" if text else "")
    return ""


def is_passed_over(thing: Any) -> bool:
    """Whether a thing is left alone where nobody named it: nothing of it can be called, and it is no optimizer.

    A function that can be called without arguments may be a whole program: only who names it has it run.
    """
    if isinstance(thing, type):
        is_called = _defines(thing, "forward") or _defines(thing, "__call__")
        return not (is_called or is_optimizer(thing))
    return inspect.isroutine(thing) and not required(thing)


def _defines(thing: type, name: str) -> bool:
    return any(name in vars(owner) for owner in thing.__mro__)


def line_of(thing: Any) -> int | None:
    """The line of its file at which a thing's code begins, where that can be told."""
    try:
        return inspect.getsourcelines(thing if isinstance(thing, type) or inspect.isroutine(thing) else type(thing))[1]
    except (OSError, TypeError):
        return None


def neighbours(target: Target) -> str:
    """The folder whose modules the target may import: its file's, or the one we are in."""
    return str(Path(target.where).resolve().parent if target.is_file else Path.cwd())


def by_target(found: list[Found]) -> Mapping[str, Found]:
    """What was found by its target; where a name is given in several cells, the cell tells them apart."""
    counts: dict[str, int] = {}
    for each in found:
        counts[each.target] = counts.get(each.target, 0) + 1
    return {each.target if counts[each.target] == 1 else f"{each.target} (cell {each.cell})": each for each in found}
