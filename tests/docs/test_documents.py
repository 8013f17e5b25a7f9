"""The documents say what is so: every command and every notebook in them runs, and gives what they show."""

import importlib.util
import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).parents[2]
STEADY = ("torchstone check", "python", "cat")  # whose output has no times in it
NOTEBOOKS = sorted((ROOT / "examples").glob("*.ipynb"))
QUOTED = re.compile(r"\[(examples/[^]]+\.py)\]\([^)]+\)[^`]*:\n\n```python\n(.*?)```", re.DOTALL)


def load_build():
    """docs/build.py, which writes the outputs."""
    spec = importlib.util.spec_from_file_location("build", ROOT / "docs" / "build.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


BUILD = load_build()
BLOCKS = [
    (page.name, match["command"], match["body"])
    for page in BUILD.pages()
    for match in BUILD.BLOCK.finditer(page.read_text(encoding="utf-8"))
]


def skeleton(text):
    """What does not depend on the machine: the beginnings of lines. Indented ones are details, full of numbers."""
    lines = [line for line in text.splitlines() if not line.startswith(" ")]
    return [word for line in lines if (word := re.sub(r"[^A-Za-z() ]+.*", "", line).strip())]


def wording(text):
    """Everything but the numbers, and how lines are broken."""
    return re.sub(r"[-+]?\d[\d.]*(e[-+]?\d+)?", "#", text).split()


@pytest.mark.parametrize(("page", "command", "body"), BLOCKS, ids=[f"{page}: {command}" for page, command, _ in BLOCKS])
def test_a_command_prints_what_the_page_shows(page, command, body):
    shown = f"```console\n$ {command}\n{BUILD.output(command)}\n```"
    assert skeleton(shown) == skeleton(body)
    if command.startswith(STEADY):
        assert wording(shown) == wording(body)


@pytest.mark.parametrize("page", BUILD.pages(), ids=lambda page: page.name)
def test_what_a_page_quotes_stands_in_the_example(page):
    for name, quoted in QUOTED.findall(page.read_text(encoding="utf-8")):
        example = (ROOT / name).read_text(encoding="utf-8")
        wanted = [line.strip() for line in quoted.splitlines() if not line.rstrip().endswith("...")]
        assert [line for line in wanted if line not in example] == []


def test_the_derivations_are_those_that_derive_writes():
    folder = ROOT / "docs" / "derivations"
    stored = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.md")}
    written = BUILD.derivations()
    assert stored.keys() == written.keys()
    assert [name for name, text in written.items() if stored[name] != text] == []


def test_the_pages_of_the_rules_are_those_of_their_docstrings():
    folder = ROOT / "docs" / "rules"
    stored = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.md")}
    written = BUILD.rules()
    assert stored.keys() == written.keys()
    assert [name for name, text in written.items() if stored[name] != text] == []


def texts(notebook):
    """The text that each code cell printed or returned; pictures and tables are shown only."""
    found = []
    for cell in notebook.cells:
        if cell.cell_type == "code":
            plain = "".join(
                each.text for each in cell.outputs if each.output_type == "stream" and each.name == "stdout"
            )
            found.append(plain)
    return found


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_a_notebook_runs_and_prints_what_it_shows(path):
    stored = nbformat.read(path, as_version=4)
    nbformat.validate(stored)
    fresh = nbformat.read(path, as_version=4)
    NotebookClient(fresh, timeout=600, kernel_name="python3", resources={"metadata": {"path": str(ROOT)}}).execute()
    assert texts(fresh) == texts(stored)
    assert any(texts(stored)), "the notebook was saved without its outputs"
    for cell in fresh.cells:
        for output in cell.get("outputs", []):
            assert output.get("name") != "stderr", output.text
