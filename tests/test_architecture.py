"""The import rules and file sizes of ARCHITECTURE.md, enforced."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import torchstone

SOURCE = Path(torchstone.__file__).parent
FILES = sorted(SOURCE.rglob("*.py"))

# What each part may import of torchstone. Private helpers (torchstone._name) are open to the implementations.
MAY_IMPORT = {
    "definitions": {"definitions"},
    "oracle": {"definitions", "oracle"},
    "losses": {"losses", "_"},
    "activations": {"activations", "_"},
    "optimizers": {"optimizers", "_"},
    "assignment": {"losses", "activations", "optimizers", "_"},
    # Subjects are named by dotted strings: the comparison never imports an implementation.
    "compare": {"definitions", "oracle", "compare", "report", "_"},
    "judge": {"definitions", "oracle", "judge"},
    "derive": {"definitions", "judge", "derive", "report"},
    "prove": {"definitions", "judge", "prove", "report", "_"},
    # What it checks is named or handed over: it imports no implementation, and shows itself on demand.
    "check": {"definitions", "oracle", "check", "report", "_"},
    "report": {"compare", "derive", "prove", "check", "report"},
    "cli": {"definitions", "compare", "derive", "prove", "check", "report", "cli"},
}
LOADS_NOTHING_BUT_TORCH = ("losses", "activations", "optimizers", "assignment")
HEAVY = ("sympy", "flint", "rich", "typer", "matplotlib", "jinja2", "sklearn", "safetensors", "lark", "nbformat")


def part_of(name: str) -> str:
    """The part that a dotted torchstone module belongs to; "_" for private helpers."""
    first = name.split(".")[1] if "." in name else ""
    return "_" if first.startswith("_") else first


def imports(path: Path) -> set[str]:
    """Every torchstone module that a file imports, at the top or inside a function."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= (
                {f"{node.module}.{alias.name}" for alias in node.names}
                if node.module == "torchstone"
                else {node.module}
            )
    # torchstone.__version__ is a fact, not a part.
    return {name for name in names if name.startswith("torchstone.") and not name.startswith("torchstone.__")}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_imports_go_one_way(path):
    part = path.relative_to(SOURCE).parts[0].removesuffix(".py")
    if part.startswith("_"):
        return
    allowed = MAY_IMPORT[part]
    wrong = {name for name in imports(path) if part_of(name) not in allowed}
    assert not wrong, f"{part} may import {sorted(allowed)} only, but {path.name} imports {sorted(wrong)}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_files_stay_small(path):
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines <= 450, f"{path.name} has {lines} lines"


@pytest.mark.parametrize("part", LOADS_NOTHING_BUT_TORCH)
def test_implementations_load_nothing_but_torch(part):
    # torch itself may load SymPy: what counts is what comes on top of it.
    code = (
        "import sys, torch; before = set(sys.modules); "
        f"import torchstone.{part}; loaded = {{name.split('.')[0] for name in set(sys.modules) - before}}; "
        f"wrong = loaded & set({HEAVY!r}); assert not wrong, wrong"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("module", ["torchstone", "torchstone.check.plugin"])
def test_importing_torchstone_loads_nothing_heavy(module):
    heavy = {"torch", "numpy", *HEAVY}
    code = f"import sys, {module}; wrong = set(sys.modules) & {heavy!r}; assert not wrong, wrong"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_what_is_right_stays_out_of_the_process_that_runs_a_subject():
    code = (
        "import sys; from torchstone.check import actions, child, describe, target; actions.load(); "
        "wrong = [name for name in sys.modules if name.startswith(('torchstone.definitions', 'torchstone.oracle'))]; "
        "assert not wrong, wrong"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_public_names_exist():
    for name in torchstone.__all__:
        assert getattr(torchstone, name) is not None
    with pytest.raises(AttributeError, match="has no attribute 'losess'; it has"):
        torchstone.losess  # noqa: B018
