"""One subject from request to report, wherever it lives."""

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast, get_args

import torch

from torchstone.check import engine
from torchstone.check.describe import describe
from torchstone.check.entries import read_inputs
from torchstone.check.held import Held
from torchstone.check.home import Home, Local
from torchstone.check.like import Builder
from torchstone.check.like import like as counterpart
from torchstone.check.recognise import Request, understand
from torchstone.check.recognise.claims import NOTHING, by_name
from torchstone.check.result import Report, SubjectReport
from torchstone.check.rule import TIERS, Tier, matching
from torchstone.check.spec import Description, Kind, Spec
from torchstone.check.subject import Subject
from torchstone.check.traits import ATTRIBUTE
from torchstone.definitions import Function

if sys.version_info >= (3, 11):
    import tomllib
else:
    tomllib = None


def request(
    *,
    like: Any = None,
    definition: Any = None,
    inputs: Any = None,
    kind: str | None = None,
    formula: str | None = None,
    kwargs: Mapping[str, Any] | None = None,
    from_scratch: bool = False,
    build: Builder | None = None,
) -> Request:
    """What a user says of a subject, validated; `build` is that of `like.like`. Raises as `check` does."""
    if kind not in (None, *get_args(Kind)):
        raise ValueError(f"kind: expected loss or activation, got {kind!r}")
    if formula is not None and not isinstance(formula, str):
        raise TypeError(f"formula: expected text, got {type(formula).__name__}")
    if formula is not None and definition is not None:
        raise ValueError("formula: expected it without a definition, got both")
    if inputs is not None and not isinstance(inputs, str):
        raise TypeError(f'inputs: expected text such as "x float[N,C]", got {type(inputs).__name__}')
    if kwargs is not None and not (isinstance(kwargs, Mapping) and all(isinstance(name, str) for name in kwargs)):
        raise TypeError(f"kwargs: expected a mapping from names to values, got {kwargs!r:.80}")
    return Request(
        None if like is None else counterpart(like, build),
        _definition(definition),
        () if inputs is None else read_inputs(inputs),
        cast(Kind | None, kind),
        formula or "",
        dict(kwargs or {}),
        bool(from_scratch),
    )


def _definition(given: Any) -> Function | str | None:
    if given is None or isinstance(given, Function):
        return given
    if not isinstance(given, str):
        raise TypeError(f"definition: expected a name or a definitions.Function, got {type(given).__name__}")
    return NOTHING if given == NOTHING else by_name(given)


def selection(
    tier: str = "fast",
    select: Sequence[str] | None = None,
    ignore: Sequence[str] | None = None,
    expect: Mapping[str, str] | str | os.PathLike[str] | None = None,
) -> engine.Selection:
    """Which rules run, and which may fail. Raises as `check` does."""
    if tier not in TIERS:
        raise ValueError(f"tier: expected one of {', '.join(TIERS)}, got {tier!r}")
    known = _expected(expect)
    for name, patterns in (("select", select), ("ignore", ignore), ("expect", known)):
        _known_codes(name, patterns)
    return engine.Selection(cast(Tier, tier), tuple(select or ()), tuple(ignore or ()), known)


def _known_codes(name: str, patterns: Any) -> None:
    if isinstance(patterns, str):
        raise TypeError(f"{name}: expected a list of codes or names, got the text {patterns!r}")
    try:
        list(matching(patterns or ()))
    except KeyError as error:
        raise ValueError(f"{name}: {str(error.args[0]).removeprefix('rule: ')}") from None


def _expected(given: Any) -> dict[str, str]:
    """Expected failures with their reasons, of a mapping or a TOML file."""
    if isinstance(given, (str, os.PathLike)):
        given = _from_toml(Path(given))
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise TypeError(f"expect: expected a mapping from codes to reasons, or a file's path, got {given!r:.80}")
    for code, reason in given.items():
        if not isinstance(reason, str) or not reason.strip():
            raise ValueError(f"expect: expected a reason for {code}, got {reason!r}")
    return dict(given)


def _from_toml(path: Path) -> Any:
    if tomllib is None:
        raise ValueError("expect: expected Python 3.11 or later for a TOML file; give a mapping")
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(f"expect: expected a TOML file, got {str(path)!r} ({error.strerror})") from None
    except ValueError as error:
        raise ValueError(f"expect: expected TOML, got {str(path)!r} ({error})") from None
    return content.get("expect", content)


def here(thing: Any, kwargs: Mapping[str, Any]) -> tuple[Description, Callable[[Spec], Home], dict[str, Any]]:
    """A thing in this process: its description, what makes a home for it, and the traits that its author declared."""
    if not callable(thing) and not hasattr(thing, "forward"):
        raise TypeError(f"thing: expected a class, an instance or a function, got {thing!r:.80}")
    declared = getattr(thing, ATTRIBUTE, {})
    return describe(thing, kwargs), lambda spec: Local(Held(thing, spec)), dict(declared)


def examine_subject(
    description: Description,
    home: Callable[[Spec], Home],
    asked: Request,
    chosen: engine.Selection,
    *,
    target: str = "",
    declared: Mapping[str, Any] | None = None,
    on_event: Callable[[engine.Event], None] | None = None,
) -> Report:
    """The report on a subject of which `home` makes homes. Raises `ValueError` for a request that does not fit it."""
    subject = understand(description, home, asked, target=target, declared=declared)
    stub = _not_implemented(subject)
    results = () if stub else engine.examine(subject, chosen, on_event)
    found: SubjectReport = engine.reported(subject, results, chosen.expect)
    return Report((replace(found, not_implemented=stub),), torch.__version__)


def _not_implemented(subject: Subject) -> str:
    """Why there is nothing to check, where the subject is a stub."""
    if subject.description.stub:
        return subject.description.stub
    answer = subject.call(subject.sample())
    return f"it raises {answer.error}" if answer.error_type == "NotImplementedError" else ""
