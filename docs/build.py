"""Write every output that the documentation shows again: `make docs`.

In README.md and docs/*.md, a block between `<!-- run: COMMAND -->` and `<!-- end -->` holds what COMMAND prints.
docs/derivations/ holds each derivation that has a name, as `torchstone derive NAME --format markdown` writes it,
docs/rules/ each rule, as `torchstone rule CODE --format markdown` does. docs/kill-matrix.md is what the rules find of
the subjects that are wrong on purpose; docs/detection.md counts that, between its markers.
Notebooks in examples/ are executed and saved with their outputs.
"""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "benchmarks"))  # for the kill matrix
COUNTS = re.compile(r"(<!-- make docs: (.+?) -->\n).*?(<!-- end -->)", re.DOTALL)
BLOCK = re.compile(r"<!-- run: (?P<command>.+?) -->\n(?P<body>.*?)<!-- end -->", re.DOTALL)


def pages() -> list[Path]:
    """The pages with blocks."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def output(command: str) -> str:
    """What a command prints, at a width of 100 columns. Exit status 1 is an answer too: something is out of policy."""
    binaries = Path(sys.executable).parent
    environment = {
        **os.environ,
        "PATH": f"{binaries}{os.pathsep}{os.environ['PATH']}",
        "COLUMNS": "100",
        "NO_COLOR": "1",
    }
    done = subprocess.run(
        shlex.split(command), cwd=ROOT, env=environment, capture_output=True, encoding="utf-8", check=False
    )
    if done.returncode not in (0, 1):
        raise SystemExit(f"{command}: exit status {done.returncode}\n{done.stderr}")
    return "\n".join(line.rstrip() for line in done.stdout.strip("\n").splitlines())


def block(command: str) -> str:
    """A block, as it stands in a page."""
    return f"<!-- run: {command} -->\n```console\n$ {command}\n{output(command)}\n```\n<!-- end -->"


def derivations() -> dict[str, str]:
    """The derivations' pages and their index, by file name."""
    import torchstone
    from torchstone.derive import names

    derived = {name: torchstone.derive(name) for name in names()}
    lines = [f"- [{derivation.title}]({name}.md)" for name, derivation in derived.items()]
    head = ["# Derivations", "", "Each is written by `torchstone derive NAME`, and proven at every step.", ""]
    written = {f"{name}.md": derivation.to_markdown() for name, derivation in derived.items()}
    return {"README.md": "\n".join([*head, *lines, ""])} | written


def rules() -> dict[str, str]:
    """The rules' pages and their index, by file name."""
    from torchstone.check import rule
    from torchstone.report.check.rules import TABLES, markdown

    every = rule.rules()
    table = re.sub(r"^\| ([A-Z]+\d+) \|", r"| [\1](\1.md) |", TABLES["markdown"](every), flags=re.MULTILINE)
    head = (
        "# Rules\n\nEach page is what `torchstone rule CODE` prints. The tiers *full* and *slow* run with `--tier`.\n\n"
    )
    return {"README.md": head + table} | {f"{each.code}.md": markdown(each) for each in every}


def counted(text: str, rows: list[Any]) -> str:
    """docs/detection.md with the counts of these rows."""
    from matrix import PARTS, summary

    parts = {part.title: part for part in PARTS}
    return COUNTS.sub(lambda match: f"{match[1]}{summary(rows, parts[match[2]])}\n{match[3]}", text)


def _write_folder(folder: Path, files: dict[str, str]) -> None:
    folder.mkdir(exist_ok=True)
    for gone in {path.name for path in folder.glob("*.md")} - files.keys():
        (folder / gone).unlink()
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    print(folder.relative_to(ROOT))


def main() -> None:
    """Write all pages and notebooks."""
    import matrix
    import nbformat
    from nbclient import NotebookClient

    for page in pages():
        text = page.read_text(encoding="utf-8")
        page.write_text(BLOCK.sub(lambda match: block(match["command"]), text), encoding="utf-8")
        print(page.relative_to(ROOT))
    _write_folder(ROOT / "docs" / "derivations", derivations())
    _write_folder(ROOT / "docs" / "rules", rules())
    rows = matrix.every()
    (ROOT / "docs" / "kill-matrix.md").write_text(matrix.page(rows), encoding="utf-8")
    detection = ROOT / "docs" / "detection.md"
    detection.write_text(counted(detection.read_text(encoding="utf-8"), rows), encoding="utf-8")
    for path in sorted((ROOT / "examples").glob("*.ipynb")):
        notebook = nbformat.read(path, as_version=4)
        NotebookClient(
            notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": str(ROOT)}}
        ).execute()
        for cell in notebook.cells:
            cell.metadata.pop("execution", None)  # when each cell ran: different every time
        nbformat.write(notebook, path)
        print(path.relative_to(ROOT))


if __name__ == "__main__":
    main()
