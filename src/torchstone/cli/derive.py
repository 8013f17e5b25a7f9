"""`torchstone derive`."""

import re
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from torchstone.cli import NOT_RIGHT
from torchstone.cli.common import check, put, usage
from torchstone.derive import derive
from torchstone.report import derivation as report

_PLACE = re.compile(r" at character (\d+)")


def run(
    what: str | None,
    wrt: str | None,
    in_terms_of: str | None,
    assume: Sequence[str],
    form: str,
    output: Path | None,
    listing: bool,
) -> int:
    """Derive and write. Returns the exit status."""
    try:
        check("--output", output)
        if listing:
            put(_listed(), output)
            return 0
        if what is None:
            raise ValueError("expected a name or an expression, got nothing; --list shows the names")
        found = derive(what, wrt, in_terms_of, tuple(assume))
        console = Console()
        if form == "text" and output is None and console.is_terminal:
            report.render(found, console)
        else:
            content: str = getattr(report, form)(found)
            put(content if content.endswith("\n") else f"{content}\n", output)
    except (ValueError, OSError) as error:
        return usage("derive", str(error) + _caret(str(error), (what or "", wrt or "", in_terms_of or "", *assume)))
    return 0 if found.proven else NOT_RIGHT


def _listed() -> str:
    """Every name with its title."""
    from torchstone.definitions import get
    from torchstone.derive.engine import TEXTBOOK, every_name

    titles = {name: TEXTBOOK[name][0] if name in TEXTBOOK else get(name).title for name in every_name()}
    width = max(map(len, titles))
    return "".join(f"{name.ljust(width)}  {title}\n" for name, title in titles.items())


def _caret(message: str, arguments: Sequence[str]) -> str:
    """The argument in which something could not be read, with a mark under the place."""
    found = _PLACE.search(message)
    meant = [each for each in arguments if each and repr(each) in message]
    return f"\n  {meant[0]}\n  {' ' * (int(found[1]) - 1)}^" if found and meant and meant[0].isprintable() else ""
