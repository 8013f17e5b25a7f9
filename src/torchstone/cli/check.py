"""`torchstone check`."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from torchstone.cli import NOT_RIGHT, OUR_FAULT
from torchstone.cli.common import check as check_file
from torchstone.cli.common import progress, put, usage

if TYPE_CHECKING:
    from torchstone.check.result import Report

_SHORTEST, _LONGEST = 0.1, 86400


def run(targets: Sequence[str], settings: Mapping[str, Any], form: str, output: Path | None, quiet: bool) -> int:
    """Check and write. Returns the exit status."""
    from torchstone.check.result import joined
    from torchstone.check.session import check_target

    try:
        check_file("--output", output)
        given = _settings(settings)
        with progress(quiet) as on_event:
            report = joined([check_target(target, **given, on_event=on_event) for target in targets])
        if not quiet or output is not None:
            _put(report, form, output)
    except (ValueError, OSError) as error:
        return usage("check", str(error))
    return OUR_FAULT if report.faults else 0 if report.ok else NOT_RIGHT


def _settings(given: Mapping[str, Any]) -> dict[str, Any]:
    """The options as `check_target` takes them. Raises `ValueError`."""
    if not _SHORTEST <= given["seconds"] <= _LONGEST:  # NaN is neither
        raise ValueError(f"--time-limit: expected seconds from {_SHORTEST} to {_LONGEST}, got {given['seconds']:g}")
    found = {**given, "kwargs": _kwargs(given["kwargs"])}
    for option in ("select", "ignore"):
        found[option] = tuple(part.strip() for each in given[option] for part in each.split(",") if part.strip())
    return found


def _kwargs(text: str | None) -> dict[str, Any]:
    try:
        found = json.loads(text or "{}")
    except ValueError as error:
        raise ValueError(f"--kwargs: expected JSON, got {text!r}: {error}") from None
    if not isinstance(found, dict):
        raise ValueError(f'--kwargs: expected a JSON object such as {{"dim": 1}}, got {text!r}')
    return found


def _put(report: "Report", form: str, output: Path | None) -> None:
    from torchstone.report.check import data, page, terminal

    console = Console()
    if form == "text" and output is None and console.is_terminal:
        terminal.render(report, console)
        return
    writers = {"text": terminal.text, "html": page.html, "json": data.json, "junit": data.junit, "sarif": data.sarif}
    content = writers[form](report)
    put(content if content.endswith("\n") else f"{content}\n", output)
