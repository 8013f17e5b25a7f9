"""`torchstone prove`."""

import io
import sys
from collections.abc import Mapping
from pathlib import Path

from rich.console import Console

from torchstone.cli import NOT_RIGHT
from torchstone.cli.common import check, progress, put, usage
from torchstone.prove import Proof, prove

_STDIN = "-"
_SHORTEST, _LONGEST = 0.1, 86400


def run(file: str, goal: str | None, goals: Path | None, form: str, output: Path | None, time_limit: float) -> int:
    """Prove and write. Returns the exit status."""
    try:
        check("--output", output)
        if not _SHORTEST <= time_limit <= _LONGEST:  # NaN is neither
            raise ValueError(f"--time-limit: expected seconds from {_SHORTEST} to {_LONGEST}, got {time_limit:g}")
        asked = _goals(goal, goals)
        with progress() as on_event:
            if file == _STDIN:
                proof = prove("<stdin>", text=_stdin(), goals=asked, time_limit=time_limit, on_event=on_event)
            else:
                proof = prove(Path(file), goals=asked, time_limit=time_limit, on_event=on_event)
        _put(proof, form, output)
    except (ValueError, OSError) as error:
        return usage("prove", str(error))
    return 0 if proof.ok else NOT_RIGHT


def _goals(goal: str | None, goals: Path | None) -> str | Mapping[str, str] | None:
    if goal is not None and goals is not None:
        raise ValueError("expected --goal or --goals, got both")
    if goals is None:
        return goal
    from torchstone.prove.goals import read_goals

    return read_goals(goals)


def _stdin() -> str:
    """What stands on stdin, as UTF-8 whatever the terminal's encoding is."""
    stream = sys.stdin
    try:
        return stream.buffer.read().decode("utf-8-sig") if isinstance(stream, io.TextIOWrapper) else stream.read()
    except UnicodeDecodeError as error:
        raise ValueError(f"<stdin>: expected UTF-8 text, got byte {error.object[error.start]:#x}") from None


def _put(proof: Proof, form: str, output: Path | None) -> None:
    from torchstone.report import proof as report

    console = Console()
    if form == "text" and output is None and console.is_terminal:
        report.render(proof, console)
        return
    content: str = getattr(report, form)(proof)
    put(content if content.endswith("\n") else f"{content}\n", output)
