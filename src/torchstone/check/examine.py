"""One subject from request to report, wherever it lives."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast, get_args

from torchstone.check import engine
from torchstone.check.describe import describe
from torchstone.check.entries import read_inputs
from torchstone.check.expectations import Expectations, expectations
from torchstone.check.home import Local, hold
from torchstone.check.like import Builder
from torchstone.check.like import like as counterpart
from torchstone.check.optimizers.subject import OptimizerSubject
from torchstone.check.probe import Probe
from torchstone.check.recognise import Request, understand
from torchstone.check.recognise.claims import NOTHING, by_name
from torchstone.check.result import SubjectReport
from torchstone.check.rule import TIERS, Tier, matching
from torchstone.check.spec import Kind
from torchstone.check.subject import Subject
from torchstone.check.traits import ATTRIBUTE
from torchstone.definitions import Definition, Function, UpdateRule


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
        raise ValueError(f"kind: expected loss, activation or optimizer, got {kind!r}")
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


def _definition(given: Any) -> Definition | str | None:
    if given is None or isinstance(given, (Function, UpdateRule)):
        return given
    if not isinstance(given, str):
        raise TypeError(f"definition: expected a name, a Function or an UpdateRule, got {type(given).__name__}")
    return NOTHING if given == NOTHING else by_name(given)


def selection(
    tier: Tier = "fast",
    select: Sequence[str] | None = None,
    ignore: Sequence[str] | None = None,
    expect: Expectations | str | os.PathLike[str] | None = None,
) -> engine.Selection:
    """Which rules run, and which may fail. Raises as `check` does."""
    if tier not in TIERS:
        raise ValueError(f"tier: expected one of {', '.join(TIERS)}, got {tier!r}")
    for name, patterns in (("select", select), ("ignore", ignore)):
        _known_codes(name, patterns)
    return engine.Selection(tier, tuple(select or ()), tuple(ignore or ()), expectations(expect))


def _known_codes(name: str, patterns: Any) -> None:
    if isinstance(patterns, str):
        raise TypeError(f"{name}: expected a list of codes or names, got the text {patterns!r}")
    try:
        list(matching(patterns or ()))
    except KeyError as error:
        raise ValueError(f"{name}: {str(error.args[0]).removeprefix('rule: ')}") from None


@dataclass
class Case:
    """A subject that is understood, and examined when that is asked for; or one of which all is known already."""

    target: str
    selection: engine.Selection = field(default_factory=engine.Selection)
    subject: Subject | OptimizerSubject | None = None
    known: SubjectReport | None = None
    line: int | None = None  # of its file

    def examined(self, on_event: Callable[[engine.Event], None] | None = None) -> SubjectReport:
        """What was found of it."""
        if self.known is None:
            assert self.subject is not None
            stub = _not_implemented(self.subject)
            results = () if stub else engine.examine(self.subject, self.selection, on_event)
            found = engine.reported(self.subject, results, self.selection.expect)
            self.known = replace(found, not_implemented=stub, line=self.line)
            self.subject.home.close()
        return self.known


def case_here(
    thing: Any,
    *,
    tier: Tier = "fast",
    select: Sequence[str] | None = None,
    ignore: Sequence[str] | None = None,
    expect: Any = None,
    **asked: Any,
) -> Case:
    """A thing in this process, with the settings of `check`. Raises as that does."""
    chosen, wish = selection(tier, select, ignore, expect), request(**asked)
    if not any((callable(thing), hasattr(thing, "forward"), hasattr(thing, "step"))):
        raise TypeError(f"thing: expected a class, an instance or a function, got {thing!r:.80}")
    declared = dict(getattr(thing, ATTRIBUTE, {}))
    subject = understand(describe(thing, wish.kwargs), lambda spec: Local(hold(thing, spec)), wish, declared=declared)
    return Case(subject.spec.target, chosen, subject)


def _not_implemented(subject: Subject | OptimizerSubject) -> str:
    """Why there is nothing to check, where the subject is a stub."""
    if subject.description.stub:
        return subject.description.stub
    if isinstance(subject, OptimizerSubject):
        first = subject.run(subject.ordinary(1))
        return f"it raises {first.error}" if first.error_type == "NotImplementedError" else ""
    answer = subject.home.ask(Probe("call", {}, subject.sample()))
    if answer.facts.get("taken"):
        subject.facts += (f"it returns {answer.facts['taken']}: the first tensor is looked at",)
    return f"it raises {answer.error}" if answer.error_type == "NotImplementedError" else ""
