"""From the text of a target to the report: its code runs in a child process, and nothing that it does ends this one."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from torchstone.check import engine
from torchstone.check.examine import Case, request, selection
from torchstone.check.like import Like
from torchstone.check.optimizers.subject import OptimizerSubject
from torchstone.check.probe import Probe
from torchstone.check.recognise import Request, understand
from torchstone.check.recognise.claims import claims
from torchstone.check.recognise.names import kind_of
from torchstone.check.result import Finding, Report, RuleResult, SubjectReport
from torchstone.check.rule import Tier, find, not_loaded
from torchstone.check.sandbox import Candidate, Home, Sandbox
from torchstone.check.spec import Spec
from torchstone.check.subject import Subject
from torchstone.check.target import MissingError, Target, parse

OnEvent = Callable[[engine.Event], None]


def check_target(target: str, *, on_event: OnEvent | None = None, **settings: Any) -> Report:
    """Check what a target names: one subject, or everything recognisable in a file or a notebook.

    The settings are those of `opened`. Raises `ValueError` for a target or a setting that means nothing.
    """
    if on_event is not None:
        on_event(engine.Event(0, 1, f"loading {target}"))
    with opened(target, **settings) as found:
        count = len(found.cases)
        reports = [case.examined(_share(on_event, number, count)) for number, case in enumerate(found.cases)]
    met = {name for report in reports for name in report.met}
    # An expectation for all subjects has its use where one of them meets it.
    reports = [replace(each, stale=tuple(name for name in each.stale if name not in met)) for each in reports]
    return Report(tuple(reports), torch.__version__, (*found.remarks, *not_loaded()))


def _share(on_event: OnEvent | None, number: int, count: int) -> OnEvent | None:
    """Progress of one subject as a part of the progress of all."""
    if on_event is None:
        return None
    return lambda event: on_event(engine.Event(number * event.total + event.done, count * event.total, event.doing))


@dataclass(frozen=True)
class Opened:
    """What there is to check, and what else there is to say of a target."""

    cases: tuple[Case, ...]
    remarks: tuple[str, ...] = ()


@contextmanager
def opened(
    target: str,
    *,
    tier: Tier = "fast",
    select: Sequence[str] | None = None,
    ignore: Sequence[str] | None = None,
    expect: Any = None,
    seconds: float = 20.0,
    **asked: Any,
) -> Iterator[Opened]:
    """The subjects of a target, in a child process that ends with the block.

    `seconds` is the time for one answer of a subject, and for one cell or file to load; the other settings are those of
    `check`. Raises `ValueError` for a target or a setting that means nothing.
    """
    parsed = parse(target)
    chosen = selection(tier, select, ignore, expect)
    with ExitStack() as stack:
        box = stack.enter_context(Sandbox(parsed, asked.get("kwargs"), seconds))
        wish = request(**asked, build=lambda dotted, told: _like_in_child(stack, dotted, told, seconds))
        contents = box.load()
        if contents.error:
            failed = Case(target, known=_not_loaded(target, contents.error))
            yield Opened((failed,), contents.remarks)
            return
        visit = _Visit(box, wish, chosen, named=bool(parsed.name))
        for name in contents.passed:
            visit.pass_over(name, _OTHER)
        cases = tuple(case for each in contents.candidates if (case := visit.case(each)))
        remarks = (*contents.remarks, *visit.remarks())
        if not cases:
            said = "; ".join(["nothing in it was recognised as a loss, an activation or an optimizer", *remarks])
            raise ValueError(f"{target}: {said}")
        yield Opened(cases, remarks)


def _like_in_child(stack: ExitStack, dotted: str, told: Mapping[str, Any], seconds: float) -> Like:
    """A counterpart that is somebody's: it lives in a process of its own."""
    module, _, name = dotted.rpartition(".")
    try:
        box = stack.enter_context(Sandbox(Target(module, name), told, seconds))
        contents = box.load()
    except MissingError as error:
        raise ValueError(f"like: {str(error).removeprefix('target: ')}") from None
    if contents.error:
        raise ValueError(f"like: expected what can be imported, got {dotted!r}, which {contents.error}")
    found = contents.candidates[0]
    shown = ", ".join(f"{name}={value!r}" for name, value in told.items())
    text = f"{dotted}({shown})" if told else dotted
    return Like(text, found.description, lambda spec: box.home(found.target, spec), told, dotted)


_OTHER = "not recognised as a loss, an activation or an optimizer"
_UNFIT = "does not run on the inputs that were guessed (name it, and say what it takes with --inputs)"


@dataclass
class _Visit:
    """From what a target holds to cases. What its user named is checked, whatever it is."""

    box: Sandbox
    request: Request
    selection: engine.Selection
    named: bool
    _passed: dict[str, list[str]] = field(default_factory=dict)  # names, by the reason why they were passed over

    def pass_over(self, name: str, why: str) -> None:
        """Leave something alone, and remember it."""
        names = self._passed.setdefault(why, [])
        if name not in names:
            names.append(name)

    def remarks(self) -> Iterator[str]:
        """What was passed over: a sentence for each reason."""
        for why, names in self._passed.items():
            yield f"passed over, {why}: {', '.join(names)}"

    def case(self, candidate: Candidate) -> Case | None:
        """What there is to check of a candidate, if anything."""
        seen = candidate.description
        if not (self.named or seen.is_optimizer or claims(seen, self.request) or kind_of(seen.name)):
            self.pass_over(seen.name, _OTHER)
            return None
        if seen.stub:
            kind = "optimizer" if seen.is_optimizer else self.request.kind or kind_of(seen.name) or "subject"
            stub = SubjectReport(candidate.target, kind, "nothing", not_implemented=seen.stub, line=candidate.line)
            return Case(candidate.target, known=stub)
        subject = self._understood(candidate)
        # Of something of which only the name is known: perhaps it is a step of training.
        if not self.named and subject.knowledge == "nothing" and not _runs(subject):
            self.pass_over(seen.name, _UNFIT)
            return None
        return Case(candidate.target, self.selection, subject, line=candidate.line)

    def _understood(self, candidate: Candidate) -> Subject | OptimizerSubject:
        homes: list[Home] = []

        def home(spec: Spec) -> Home:
            homes.append(self.box.home(candidate.target, spec))
            return homes[-1]

        subject = understand(
            candidate.description, home, self.request, target=candidate.target, declared=candidate.traits
        )
        for each in homes:
            if each is not subject.home:
                each.close()
        return subject


def _runs(subject: Subject | OptimizerSubject) -> bool:
    if isinstance(subject, OptimizerSubject):
        return subject.run(subject.ordinary(1)).ok
    return subject.home.ask(Probe("call", {}, subject.sample())).ok


def _not_loaded(target: str, error: str) -> SubjectReport:
    """What there is to say of a target whose code does not load: it does not run."""
    smoke = find("G001")
    finding = Finding(f"it {error} when it is loaded", severity="error", rule=smoke.code, name=smoke.name)
    failed = RuleResult(smoke.code, smoke.name, "failed", findings=(finding,))
    return SubjectReport(target, "subject", "nothing", results=(failed,))
