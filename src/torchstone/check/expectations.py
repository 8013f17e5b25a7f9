"""Failures that are known: rules by code or name, each with its reason.

    D106 = "second order is not needed"

    [FocalLoss]
    L101 = "the paper's own normalisation"

What stands in a table concerns the subject of that name (or target); what stands above concerns every subject. In a
`pyproject.toml` it is all in `[tool.torchstone.expect]`.
"""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torchstone.check.rule import matching

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Expectations = Mapping[str, str | Mapping[str, str]]


def expectations(given: Any) -> Expectations:
    """The expectations of a mapping or of a TOML file. Raises `ValueError` or `TypeError`."""
    if isinstance(given, (str, os.PathLike)):
        given = _from_toml(Path(given))
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise TypeError(f"expect: expected a mapping from codes to reasons, or a file's path, got {given!r:.80}")
    for name, reason in given.items():
        for code, why in reason.items() if isinstance(reason, Mapping) else [(name, reason)]:
            _check(code, why)
    return dict(given)


def _check(code: str, reason: Any) -> None:
    try:
        list(matching([code]))
    except KeyError as error:
        raise ValueError(f"expect: {str(error.args[0]).removeprefix('rule: ')}") from None
    if not isinstance(reason, str) or not reason.strip():
        raise ValueError(f"expect: expected a reason for {code}, got {reason!r}")


def _from_toml(path: Path) -> Any:
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise ValueError(f"expect: expected a TOML file, got {str(path)!r} ({error.strerror})") from None
    except ValueError as error:
        raise ValueError(f"expect: expected TOML, got {str(path)!r} ({error})") from None
    if path.name == "pyproject.toml":
        content = content.get("tool", {}).get("torchstone", {})
    return content.get("expect", {} if path.name == "pyproject.toml" else content)


def for_subject(every: Expectations, target: str) -> dict[str, str]:
    """What concerns one subject: what is expected of every subject, and what of its name or target."""
    found = {name: reason for name, reason in every.items() if isinstance(reason, str)}
    for name in (target.rpartition(":")[2], target):
        own = every.get(name, {})
        found.update(own if isinstance(own, Mapping) else {})
    return found
