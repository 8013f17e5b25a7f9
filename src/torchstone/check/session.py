"""From the text of a target to the report: its code runs in a child process, and nothing that it does ends this one."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from torchstone.check import engine
from torchstone.check.entries import read_inputs
from torchstone.check.expectations import Expectations, for_subject
from torchstone.check.like import like as read_like
from torchstone.check.probe import Probe
from torchstone.check.recognise import Request, understand
from torchstone.check.recognise.claims import claims
from torchstone.check.recognise.names import kind_of
from torchstone.check.result import Finding, Report, RuleResult, SubjectReport
from torchstone.check.rule import Tier, find
from torchstone.check.sandbox import Candidate, Contents, Home, Sandbox
from torchstone.check.spec import Spec
from torchstone.check.subject import Subject
from torchstone.check.target import parse

OnEvent = Callable[[engine.Event], None]


def check_target(
    target: str,
    *,
    kwargs: Mapping[str, Any] | None = None,
    like: str | None = None,
    definition: str | None = None,
    inputs: str | None = None,
    kind: Any = None,
    formula: str | None = None,
    expect: Expectations | None = None,
    tier: Tier = "fast",
    select: Sequence[str] = (),
    ignore: Sequence[str] = (),
    from_scratch: bool = False,
    seconds: float = 20.0,
    on_event: OnEvent | None = None,
) -> Report:
    """Check what a target names: one subject, or everything recognisable in a file or a notebook.

    `seconds` is the time for one answer of a subject, and for one cell or file to load. Raises `ValueError` for a
    target or a setting that means nothing.
    """
    parsed = parse(target)
    selection = engine.Selection(tier, tuple(select), tuple(ignore))
    engine.checked(selection)
    request = Request(
        read_like(like) if like else None,
        definition,
        read_inputs(inputs) if inputs else (),
        kind,
        formula or "",
        dict(kwargs or {}),
        from_scratch,
    )
    with Sandbox(parsed, kwargs, seconds) as box:
        if on_event is not None:
            on_event(engine.Event(0, 1, f"loading {target}"))
        contents = box.load()
        if contents.error:
            return Report((_not_loaded(target, contents),), torch.__version__, contents.remarks)
        visit = _Visit(box, request, selection, expect or {}, bool(parsed.name), on_event)
        return visit.report(target, contents)


@dataclass
class _Visit:
    """The subjects of one target, one after another."""

    box: Sandbox
    request: Request
    selection: engine.Selection
    expect: Expectations
    named: bool  # by its user: whatever it is, it is checked
    on_event: OnEvent | None
    passed: dict[str, list[str]] = field(default_factory=dict)  # names, by the reason why they were passed over

    def report(self, target: str, contents: Contents) -> Report:
        """What was found of everything that the target holds."""
        for name, why in contents.passed.items():
            self._pass_over(name, _OPTIMIZER if why == "optimizer" else _OTHER)
        chosen = [each for each in contents.candidates if self._is_recognised(each)]
        subjects = [found for number, each in enumerate(chosen) if (found := self._subject(each, number, len(chosen)))]
        remarks = (
            *contents.remarks,
            *(f"passed over, {why}: {', '.join(names)}" for why, names in self.passed.items()),
        )
        if not subjects:
            raise ValueError(
                "; ".join([f"{target}: nothing in it was recognised as a loss or an activation", *remarks])
            )
        return Report(_without_needless(subjects, self.expect), torch.__version__, remarks)

    def _pass_over(self, name: str, why: str) -> None:
        names = self.passed.setdefault(why, [])
        if name not in names:
            names.append(name)

    def _is_recognised(self, candidate: Candidate) -> bool:
        seen = candidate.description
        known = self.named or bool(claims(seen, self.request)) or kind_of(seen.name) is not None
        if not known:
            self._pass_over(seen.name, _OTHER)
        return known

    def _subject(self, candidate: Candidate, number: int, count: int) -> SubjectReport | None:
        seen = candidate.description
        if seen.stub:
            kind = self.request.kind or kind_of(seen.name) or "subject"
            return SubjectReport(candidate.target, kind, "nothing", not_implemented=seen.stub, line=candidate.line)
        homes: list[Home] = []

        def home(spec: Spec) -> Home:
            homes.append(self.box.home(candidate.target, spec))
            return homes[-1]

        try:
            subject = understand(seen, home, self.request, target=candidate.target, declared=candidate.traits)
            if not self.named and _is_unfit(subject):
                self._pass_over(seen.name, _UNFIT)
                return None
            selection = replace(self.selection, expect=for_subject(self.expect, candidate.target))
            results = engine.examine(subject, selection, _share(self.on_event, number, count))
            return replace(engine.reported(subject, results, selection.expect), line=candidate.line)
        finally:
            for each in homes:
                each.close()


_OPTIMIZER = "optimizers are not checked yet"
_OTHER = "not recognised as a loss or an activation"
_UNFIT = "does not run on the inputs that were guessed (name it, and say what it takes with --inputs)"


def _is_unfit(subject: Subject) -> bool:
    """Whether something of which only the name is known does not run: perhaps it is a step of training."""
    return subject.knowledge == "nothing" and not subject.home.ask(Probe("call", {}, subject.sample())).ok


def _share(on_event: OnEvent | None, number: int, count: int) -> OnEvent | None:
    """Progress of one subject as a part of the progress of all."""
    if on_event is None:
        return None
    return lambda event: on_event(engine.Event(number * event.total + event.done, count * event.total, event.doing))


def _not_loaded(target: str, contents: Contents) -> SubjectReport:
    """What there is to say of a target whose code does not load: it does not run."""
    smoke = find("G001")
    finding = Finding(f"it {contents.error} when it is loaded", severity="error", rule=smoke.code, name=smoke.name)
    failed = RuleResult(smoke.code, smoke.name, "failed", findings=(finding,))
    return SubjectReport(target, "subject", "nothing", results=(failed,))


def _without_needless(subjects: Sequence[SubjectReport], expect: Expectations) -> tuple[SubjectReport, ...]:
    """An expectation for all subjects has its use where one of them meets it."""
    met = [result for each in subjects for result in each.results if result.outcome == "expected"]
    names = {name for result in met for name in (result.code, result.name)}
    shared = {name for name, reason in expect.items() if isinstance(reason, str) and name in names}
    return tuple(replace(each, stale=tuple(name for name in each.stale if name not in shared)) for each in subjects)
