"""The flagship: an optimizer goes, step by step, where its update rule goes."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch

from torchstone.check.asking import Refused
from torchstone.check.optimizers.diagnose import Guess, calls, reproduces, throughout
from torchstone.check.optimizers.evidence import SINGLE, Departure, finding, leaves, shown
from torchstone.check.optimizers.scenarios import scenarios
from torchstone.check.optimizers.subject import OptimizerSubject
from torchstone.check.optimizers.vocabulary import split
from torchstone.check.result import Finding, Severity
from torchstone.check.rule import rule
from torchstone.check.words import words
from torchstone.definitions import UpdateRule

# Words of switches that choose how something is computed: what comes out is the same.
_MEANS = frozenset(("foreach", "fused", "capturable", "differentiable", "compile", "compiled", "jit", "triton"))


@rule("O201", "trajectory", kinds=("optimizer",), need="definition")
def trajectory(subject: OptimizerSubject) -> Iterator[Finding]:
    """Its parameters go, step by step, where the update rule takes them.

    Why: a wrong optimizer trains. Eight different wrong Adams pass a test that the loss goes down; nobody sees that
        the bias correction is missing, until a run with other settings does not converge.
    How: 12 to 20 steps in float64 with two parameters of different shapes, whose gradients reach from 1e-12 to 1e6 in
        one tensor: as the subject stands, then with every hyper-parameter moved off its default, with learning rates
        that change between steps, with zero and with missing gradients, and with each switch turned. The parameters
        are compared, after each step, with the same recurrence in ball arithmetic. Where they depart, the known
        deviations of the rule are tried one by one, and the one that reproduces the path is named.
    False alarms: another published form of the rule under the same name. Where that is known to be as right, it is a
        warning; so is an unknown way under a name that says more than the rule's, such as StableAdamW, and a way that
        a switch of its own turns to the rule's. Say which rule is meant with `--definition`. What computes in float32
        on the way gets a warning, too.
    Instead: read the equations with `torchstone derive`, or the definition's conventions; the cause says which line of
        the rule is another one.
    """
    subject.must(subject.ordinary(1))
    imprecise: Finding | None = None
    for text, plan in scenarios(subject):
        try:
            found = leaves(subject, plan)
        except Refused:
            continue  # of settings that it refuses, nothing can be said
        if found is None or _counts_calls(subject, found):
            continue
        beyond = leaves(subject, plan, precision=SINGLE)
        if beyond is None:
            imprecise = imprecise or _single(subject, text, found)
            continue
        found = beyond
        yield (
            _accepted(subject, text, found)
            or _switched(subject, found)
            or _beyond(subject, _wrong(subject, text, found))
        )
        return
    if imprecise is not None:
        yield imprecise
    yield from _outcomes(subject)


def _counts_calls(subject: OptimizerSubject, found: Departure) -> bool:
    """Whether all that is wrong is a step count for all parameters in an optimizer that remembers nothing of each.

    In a plain class that is how people write it; O301 tells them what it does.
    """
    if subject.description.is_module:
        return False
    return leaves(subject, found.plan, counts=calls(found.plan), precision=SINGLE) is None


def _single(subject: OptimizerSubject, text: str, found: Departure) -> Finding:
    assert subject.definition is not None
    told = f"it follows {subject.definition.name} to single precision only, in float64: {found.sentence}"
    return _told(subject, found, f"{told} {text}".rstrip(), "warning")


def _accepted(subject: OptimizerSubject, text: str, found: Departure) -> Finding | None:
    """Another published form that the subject follows throughout, if there is one."""
    rule = subject.definition
    assert rule is not None
    answer = subject.run(found.plan)
    for name in rule.accepted:
        guess = Guess(name, rule.variant(name))
        if reproduces(subject, guess, found.plan, answer) and throughout(subject, guess):
            said = f"it follows another published form of {rule.name}: {name}; {found.sentence} {text}"
            return _told(subject, found, said.rstrip(), "warning")
    return None


def _switched(subject: OptimizerSubject, found: Departure) -> Finding | None:
    """A switch of the subject's own, which the rule does not know, that takes it to the rule."""
    rule = subject.definition
    assert rule is not None
    known = {split(spelled)[0] for spelled in subject.names.values()}
    for name in subject.description.constructor:
        value = subject.settings.get(name)
        if not isinstance(value, bool) or name in known or _MEANS & set(words(name)):
            continue
        try:
            left = leaves(subject, found.plan.with_(hyper={name: not value}), precision=SINGLE)
        except Refused:
            continue
        if left is None:
            said = f"it follows {rule.name} with {name}={not value}, and stands at {value}: {found.sentence}"
            return _told(subject, found, said, "warning")
    return None


def _beyond(subject: OptimizerSubject, made: Finding) -> Finding:
    """Where a finding is another published form: the first departure from that form, if it is not the last word."""
    rule = subject.definition
    assert rule is not None
    name = next((each for each in rule.accepted if made.cause.endswith(f": {each}")), None)
    if name is None:
        return made
    other = replace(subject, definition=rule.variant(name))
    for text, plan in scenarios(other):
        try:
            found = leaves(other, plan, precision=SINGLE)
        except Refused:
            continue
        if found is not None and not _counts_calls(other, found):
            return _wrong(other, text, found)
    return replace(made, severity="warning")


def _told(subject: OptimizerSubject, found: Departure, message: str, severity: Severity) -> Finding:
    given = shown(subject, found.plan.first(found.step + 1).only(found.name))
    return Finding(message, given, found.expected, found.got, found.ulp, severity=severity)


def _wrong(subject: OptimizerSubject, text: str, found: Departure) -> Finding:
    rule = subject.definition
    assert rule is not None
    made = finding(
        subject,
        found,
        lambda small: f"{small.sentence} {text}".rstrip(),
        lambda plan: leaves(subject, plan, precision=SINGLE),
    )
    if subject.firm or (made.cause and not rule.precision):  # to a tenth, many a change looks alike
        return made
    doubt = f"; if it is meant to be another rule than {rule.name.partition(' (')[0]}, say so with `--definition none`"
    return replace(made, message=made.message + doubt, severity="warning")


def _outcomes(subject: OptimizerSubject) -> Iterator[Finding]:
    """State that nothing else shows: what it keeps for its user, such as an average of the parameters."""
    rule = subject.definition
    assert rule is not None
    kept = [entry for entry in rule.state if entry.key and entry.symbol not in _used(rule)]
    if not kept:
        return
    plan = subject.settled(subject.ordinary())
    early = [entry.name for entry in rule.hyper if entry.name == "t0" and subject.takes("t0")]  # when averaging begins
    plan = plan.with_(hyper=dict.fromkeys(early, 2.0))
    answer, right = subject.run(plan), subject.expected(plan)
    for entry in kept:
        for name, path in right.items():
            got = answer.tensors.get(f"state.{name}.{entry.key}")
            truth = torch.as_tensor(path.state[str(entry.symbol)][-1])
            if got is not None and got.shape == truth.shape and not torch.allclose(got.double(), truth, rtol=1e-5):
                off = float((got.double() - truth).abs().max())
                yield Finding(
                    f"after {plan.steps} steps its {entry.key!r} is {off:.3g} from what it should be; the parameters "
                    "are right",
                    shown(subject, plan),
                )
                return


def _used(rule: UpdateRule) -> set[Any]:
    """The symbols that the parameter depends on, now or at a later step."""
    lines = dict(rule.equations)
    used, waiting = set(), [rule.parameter]
    while waiting:
        symbol = waiting.pop()
        if symbol not in used:
            used.add(symbol)
            waiting += lines[symbol].free_symbols if symbol in lines else ()
    return used
