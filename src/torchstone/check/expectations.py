"""Failures that are known: rules by code or name, each with its reason, from a TOML file.

    D106 = "second order is not needed"

    [FocalLoss]
    L101 = "the paper's own normalisation"

What stands in a table concerns the subjects of that name; what stands above concerns all. In a `pyproject.toml` it is
`[tool.torchstone.expect]`.
"""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

Expectations = Mapping[str, "str | Mapping[str, str]"]


def read_expectations(path: Path) -> Expectations:
    """The expectations of a file. Raises `ValueError`."""
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib

    try:
        content = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise ValueError(f"expect: {error.strerror}: {str(path)!r}") from None
    except ValueError as error:
        raise ValueError(f"expect: expected TOML in {str(path)!r}, got {error}") from None
    if path.name == "pyproject.toml":
        content = content.get("tool", {}).get("torchstone", {}).get("expect", {})
    return checked(content)


def checked(content: Mapping[str, Any]) -> Expectations:
    """The same, if every rule exists and every reason is one. Raises `ValueError`."""
    from torchstone.check.rule import find

    for name, reason in content.items():
        for code, why in reason.items() if isinstance(reason, Mapping) else [(name, reason)]:
            try:
                find(code)
            except KeyError as error:
                raise ValueError(f"expect: {error.args[0]}") from None
            if not isinstance(why, str) or not why.strip():
                raise ValueError(f"expect: expected a reason for {code}, got {why!r}")
    return content


def for_subject(content: Expectations, target: str) -> dict[str, str]:
    """What concerns one subject: by its target, its name, or everybody's."""
    found = {name: reason for name, reason in content.items() if isinstance(reason, str)}
    for name in (target.rpartition(":")[2], target):
        own = content.get(name, {})
        found.update(own if isinstance(own, Mapping) else {})
    return found
