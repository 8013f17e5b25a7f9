"""`torchstone rule`."""

from pathlib import Path

from rich.console import Console

from torchstone.cli.common import check, put, usage


def run(name: str, form: str, output: Path | None) -> int:
    """Explain a rule. Returns the exit status."""
    from torchstone.check.rule import find
    from torchstone.report.check import rules as report

    try:
        check("--output", output)
        found = find(name)
        console = Console()
        if form == "text" and output is None and console.is_terminal:
            report.render_page(found, console)
        else:
            put(report.PAGES[form](found), output)
    except (ValueError, OSError, KeyError) as error:
        return usage("rule", str(error.args[0]) if isinstance(error, KeyError) else str(error))
    return 0
