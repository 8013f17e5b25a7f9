"""`torchstone rules`."""

from pathlib import Path

from rich.console import Console

from torchstone.cli.common import check, put, usage


def run(group: str | None, form: str, output: Path | None) -> int:
    """List the rules. Returns the exit status."""
    from torchstone.check.rule import matching, rules
    from torchstone.report.check import rules as report

    try:
        check("--output", output)
        wanted = set(matching([group])) if group else None
        listed = [each for each in rules() if wanted is None or each.code in wanted]
        console = Console()
        if form == "text" and output is None and console.is_terminal:
            report.render_table(listed, console)
        else:
            put(report.TABLES[form](listed), output)
    except (ValueError, OSError, KeyError) as error:
        return usage("rules", str(error.args[0]) if isinstance(error, KeyError) else str(error))
    return 0
