"""An optimizer goes where the one goes that it is said to be like."""

from collections.abc import Iterator, Mapping
from typing import Any

from torchstone.check.asking import Refused, granted
from torchstone.check.optimizers.evidence import SINGLE, Departure, apart, finding
from torchstone.check.optimizers.plan import Plan
from torchstone.check.optimizers.subject import OptimizerSubject
from torchstone.check.result import Finding
from torchstone.check.rule import NotApplicable, rule

# Other values of what both of them take, where they call it the same.
_NUMBERS: Mapping[str, float] = {
    "lr": 0.03,
    "momentum": 0.7,
    "weight_decay": 0.1,
    "beta1": 0.8,
    "beta2": 0.9,
    "beta3": 0.8,
    "eps": 1e-5,
    "rho": 0.8,
    "alpha": 0.8,
    "dampening": 0.3,
}
_SWITCHES = ("nesterov", "maximize", "amsgrad", "centered", "decoupled_weight_decay")
_LONG = 20


@rule("O202", "like-torch", kinds=("optimizer",), need="counterpart")
def like_torch(subject: OptimizerSubject) -> Iterator[Finding]:
    """It goes where its counterpart goes.

    Why: who replaces an optimizer by another of the same name expects the same training run.
    How: 12 to 20 steps in float64 of both, with the subject's hyper-parameters: ordinary gradients, gradients from
        1e-12 to 1e6, a learning rate that changes, steps without a gradient; then with each hyper-parameter moved that
        both take under the same name. Where there is a definition, O201 asks more than this.
    False alarms: the counterpart's own rounding. The distance has to exceed what float32 on the way explains.
    Instead: compare one step by hand, with the script.
    """
    if subject.definition is not None:
        raise NotApplicable("the mathematics decides: see O201")
    if subject.trait("stochastic"):
        raise NotApplicable("it draws random numbers")
    assert subject.peer is not None
    subject.must(subject.ordinary(1))
    for text, plan in _plans(subject):
        try:
            found = _leaves_peer(subject, plan)
        except Refused:
            continue  # of settings that one of them refuses, nothing can be said
        if found is not None:
            yield _finding(subject, found, f", as with {subject.peer.text}{text}")
            return


def _finding(subject: OptimizerSubject, found: Departure, told: str) -> Finding:
    return finding(subject, found, lambda small: small.sentence + told, lambda plan: _leaves_peer(subject, plan))


def _leaves_peer(subject: OptimizerSubject, plan: Plan) -> Departure | None:
    """Where the subject leaves its counterpart's path. Raises `Refused` where one of them raises."""
    right = granted(subject.run_peer(plan)).tensors
    return apart(plan, subject.must(plan).tensors, right, SINGLE)


def _plans(subject: OptimizerSubject) -> Iterator[tuple[str, Plan]]:
    """Plans, the plainest first, each with what is special about it."""
    yield "", subject.ordinary()
    yield "", subject.wide()
    yield " where a parameter has no gradient at some steps", subject.wide().with_(missing={"b": [0, 3, 4, 7]})
    shared = _shared(subject)
    if "lr" in shared:
        rates = {4: {"lr": 0.004}, 9: {"lr": 0.05}}
        yield " where the learning rate changes", subject.wide().with_(hyper={"lr": 0.03}, changes=rates)
    for name, value in shared.items():
        yield _with(subject, {name: value}), subject.wide().with_(hyper={name: value})
        if name in _SWITCHES:
            more = {each: _NUMBERS[each] for each in ("momentum", "weight_decay") if each in shared} | {name: value}
            yield _with(subject, more), subject.ordinary(_LONG).with_(hyper=more)


def _shared(subject: OptimizerSubject) -> dict[str, Any]:
    """Another value of each hyper-parameter that both call the same."""
    assert subject.peer is not None
    same = {name for name, spelled in subject.names.items() if subject.peer.names.get(name) == spelled}
    alike = {*same, *({"lr"} & set(subject.names) & set(subject.peer.names))}
    found: dict[str, Any] = {name: value for name, value in _NUMBERS.items() if name in alike}
    return {**found, **{name: not subject.hyper.get(name, False) for name in _SWITCHES if name in alike}}


def _with(subject: OptimizerSubject, hyper: Mapping[str, Any]) -> str:
    return f", {', '.join(f'{name}={value!r}' for name, value in subject.build(hyper).items())}"
