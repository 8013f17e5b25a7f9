"""Rules on a subject and its surroundings: global state, gradient modes, bad arguments, and whom it calls."""

from collections.abc import Iterator, Mapping
from typing import Any

import sympy as sp
import torch
from torch import Tensor

from torchstone.check.optimizers.smoke import delegation_of_optimizer
from torchstone.check.optimizers.subject import OptimizerSubject
from torchstone.check.pointwise import shown as text
from torchstone.check.repro import showing
from torchstone.check.result import Finding, Severity
from torchstone.check.rule import NotApplicable, rule
from torchstone.check.rules.general import shown
from torchstone.check.subject import Subject, granted


@rule("G005", "global-state-touched", after=("G001",))
def global_state_touched(subject: Subject) -> Iterator[Finding]:
    """A call leaves the settings of the process and its random numbers alone.

    Why: a `torch.manual_seed(0)` in a forward makes every dropout of the network drop the same units in each step; a
        default dtype, a gradient mode or a warning filter that is left changed shows its effect elsewhere.
    How: default dtype and device, gradient mode, deterministic flags, threads, warning filters and the like are read
        before and after construction, forward and backward, in the second round, so that what an import does once
        does not count. The random numbers of PyTorch, Python and NumPy may be moved on by what draws from them; a
        generator that ends in the same state wherever it began was seeded, which is an error.
    False alarms: parameters start from random numbers, so construction may draw them. Numbers that are drawn in a call
        and have no effect on the result are a warning.
    Instead: `with torch.no_grad():`, `with warnings.catch_warnings():`, and a `torch.Generator` of one's own.
    """
    sample = subject.sample()
    facts = granted(subject.ask("surroundings", sample, {"wrt": subject.predictions})).facts
    for change in facts["changed"]:
        before, after = text(change["before"]), text(change["after"])
        yield Finding(
            f"the {change['during']} changes {change['name']}: {before} before, {after} after"
            if change["name"] != "the warning filters"
            else f"the {change['during']} changes the warning filters of the whole process",
            shown(sample),
            change["before"],
            change["after"],
        )
    for name in facts["seeded"]:
        yield Finding(f"it seeds {name} random numbers: all that are drawn afterwards repeat themselves")
    if facts["drawn"] and not subject.trait("stochastic"):
        names = " and ".join(facts["drawn"])
        yield Finding(
            f"a call draws from {names} random numbers, and the result does not depend on them", severity="warning"
        )


@rule("G006", "grad-mode", after=("G001", "G002", "G004"))
def grad_mode(subject: Subject) -> Iterator[Finding]:
    """A graph where a gradient is wanted, none under `no_grad`, and the same numbers in each mode.

    Why: a result without a graph trains nothing, and without any error as long as other losses are added to it. A
        graph under `no_grad` holds memory for the whole of an evaluation.
    How: one call with inputs that want a gradient, one with inputs that do not, one under `torch.no_grad()` and one
        under `torch.inference_mode()`. Where the function is not known, a missing graph is a warning.
    False alarms: what is not differentiable on purpose (an accuracy): declare
        `@torchstone.traits(differentiable=False)`. An exception under `no_grad` is a warning, one in inference mode a
        note: what differentiates inside its forward cannot run there.
    Instead: no `.detach()`, `.data`, `.item()`, `.numpy()` or `torch.tensor(...)` on the way from input to result;
        no `torch.enable_grad()` around what is returned.
    """
    sample = subject.sample()
    answer = granted(subject.ask("modes", sample, {"wrt": subject.predictions}))
    wants, values = answer.facts["graph"], answer.tensors
    if subject.declared.get("differentiable", True) and not wants["grad"] and values["grad"].is_floating_point():
        known = subject.definition is not None
        yield Finding(
            f"the result has no graph though {' and '.join(subject.predictions)} "
            f"{'wants' if len(subject.predictions) == 1 else 'want'} a gradient: it is cut off from its inputs",
            severity="error" if known and not subject.description.has_backward else "warning",
            repro=showing(subject, sample, "print({call}.grad_fn)  # expected a function", wrt=subject.predictions),
        )
    for mode in ("no_grad", "inference"):
        if wants.get(mode):
            lines = (f"with {_MODES[mode]}:", "    y = {call}", "print(y.grad_fn)  # expected None")
            shows = showing(subject, sample, *lines, wrt=subject.predictions)
            yield Finding(f"the result has a graph under {_MODES[mode]}", repro=shows)
    if wants.get("plain") and not answer.facts["learnable"]:
        shows = showing(subject, sample, "print({call}.grad_fn)  # expected None")
        yield Finding("the result has a graph though no input wants a gradient", repro=shows, severity="warning")
    for mode, error in answer.facts["raised"].items():
        severity: Severity = "note" if mode == "inference" else "warning"
        yield Finding(f"it raises {error} {_AMID[mode]}", severity=severity)
    for mode in ("plain", "no_grad", "inference"):
        if mode in values and not _close(values["grad"], values[mode]):
            place, first, second = _furthest(values["grad"], values[mode])
            yield Finding(
                f"the result is another {_AMID[mode]}: {text(second)} against {text(first)}{place}",
                shown(sample),
                first,
                second,
                repro=showing(
                    subject,
                    sample,
                    "first = {call}.detach()",
                    f"with {_MODES.get(mode, 'torch.enable_grad()')}:",
                    "    print(({call"
                    + (f":{subject.x}.detach()" if mode == "plain" else "")
                    + "} - first).abs().max())",
                    wrt=subject.predictions,
                ),
            )
            return


_MODES = {"no_grad": "torch.no_grad()", "inference": "torch.inference_mode()"}
_AMID = {"plain": "where no gradient is wanted", **{name: f"under {mode}" for name, mode in _MODES.items()}}


def _close(first: Tensor, second: Tensor) -> bool:
    if first.shape != second.shape or first.dtype != second.dtype:
        return False
    if not first.is_floating_point():
        return torch.equal(first, second)
    return torch.allclose(first, second, rtol=1e-9, atol=1e-12, equal_nan=True)


def _furthest(first: Tensor, second: Tensor) -> tuple[str, Any, Any]:
    if first.shape != second.shape:
        return "", f"shape {list(first.shape)}", f"shape {list(second.shape)}"
    off = (first.double() - second.double()).abs().nan_to_num(torch.inf).reshape(-1)
    place = int(off.argmax()) if off.numel() else 0
    return "", first.reshape(-1)[place].item(), second.reshape(-1)[place].item()


@rule("G007", "late-validation", severity="warning", after=("G001",))
def late_validation(subject: Subject) -> Iterator[Finding]:
    """A hyper-parameter that makes no sense is refused, and when the object is made.

    Why: `reduction="avg"` that silently means the sum costs days. An error at construction names the line that is
        wrong; one at the first batch comes after the data is loaded.
    How: the subject is built with an unknown `reduction`, a `label_smoothing` outside [0, 1], a `dim` that no tensor
        has, and values outside the domains that the definition gives its parameters. An unknown reduction that is
        accepted is a warning. So is, of the others, what PyTorch's counterpart refuses; the rest is a note.
    False alarms: parameters that have another meaning than those of the same name in PyTorch. PyTorch itself refuses
        an unknown reduction only when it is called: that is a note, as is an `assert`, which `python -O` drops.
    Instead: `if reduction not in ("none", "mean", "sum"): raise ValueError(f"reduction: ... got {reduction!r}")`
        in `__init__`.
    """
    tried = 0
    sample = subject.sample()
    for name, value in _nonsense(subject):
        answer = subject.ask("refuses", sample, {"name": name, "value": value})
        when = "unknown" if not answer.ok else answer.facts["when"]
        if when == "unknown":
            continue
        tried += 1
        error = answer.facts["error"]
        given = f"{name}={value!r}"
        if when == "never":
            yield _accepted(subject, sample, name, value, answer.tensors["value"])
        elif error.startswith("AssertionError"):
            yield Finding(f"{given} is refused by an assert, which `python -O` drops", severity="note")
        elif when == "call" and name != "dim":
            yield Finding(f"{given} is refused only at the call: {error}", severity="note")
    if not tried:
        raise NotApplicable("it has no hyper-parameter that could be wrong")


def _nonsense(subject: Subject) -> Iterator[tuple[str, Any]]:
    """Values that make no sense, by the names of the subject's own arguments."""
    seen = subject.description
    settable = {**seen.attributes, **seen.constructor}
    if seen.form in ("function", "autograd.Function"):
        settable = dict(seen.call)
    for name, value in (("reduction", "bogus"), ("label_smoothing", 1.5), ("dim", 17)):
        if subject.has_reduction if name == "reduction" else name in settable:
            yield name, value
    for entry in () if subject.definition is None else subject.definition.parameters:
        named = next((each for each in (entry.argument, entry.name) if each in settable), None)
        wrong = next((each for each in (-1.0, 0.0, 2.0) if entry.domain.contains(sp.Float(each)) == sp.false), None)
        if named in (None, "label_smoothing") or wrong is None or entry.is_vector:
            continue
        if not isinstance(settable[named], bool):
            yield named, wrong


def _accepted(subject: Subject, sample: Mapping[str, Tensor], name: str, value: Any, result: Tensor) -> Finding:
    severity: Severity = "warning" if name == "reduction" else "note"
    meaning = ""
    if name == "reduction":
        for known in ("mean", "sum", "none"):
            other = subject.call(sample, build={"reduction": known})
            if other.ok and _close(other.tensors["value"], result):
                meaning = f", and means {known!r}"
                break
    elif name == "dim" or (subject.peer is not None and not subject.ask_peer(sample, build={name: value}).ok):
        severity = "warning"
    return Finding(f"{name}={value!r} is accepted in silence{meaning}", severity=severity)


@rule(
    "G008",
    "delegates",
    kinds=("loss", "activation", "optimizer"),
    severity="note",
    need="counterpart",
    after=("G001",),
)
def delegates(subject: Subject | OptimizerSubject) -> Iterator[Finding]:
    """An implementation from scratch does not call the built-in that it claims to be, nor that one's parts.

    Why: where writing the function is the task, calling PyTorch's is not a solution. Elsewhere it is fine.
    How: what PyTorch's counterpart calls in its forward is recorded, functions and kernels; those that are
        `torch.nn.functional`'s own (`_log_softmax` and `nll_loss` of a cross-entropy) must not be among what the
        subject calls. An optimizer must not run code of `torch.optim` beyond the base class. It is a note, and an
        error with `--from-scratch`.
    False alarms: none known. What everybody has to use (`exp`, `log`, `sum`, `where`, `clamp`) is not counted.
    Instead: write the mathematics: `torch.logsumexp(x, -1) - x.gather(...)` is a cross-entropy.
    """
    if isinstance(subject, OptimizerSubject):
        yield from delegation_of_optimizer(subject)
        return
    sample = subject.sample()
    ours = granted(subject.ask("called", sample)).facts
    if ours["home"].startswith("torch."):
        raise NotApplicable("it is PyTorch's own")
    theirs = subject.ask_peer(sample, action="called")
    if not theirs.ok:
        raise NotApplicable(f"the counterpart raises {theirs.error}")
    functions = [each for each in theirs.facts["functions"] if each.startswith("torch.nn.functional.")]
    kernels = [each for each in theirs.facts["operations"] if _is_own(each)]
    used = [each for each in functions if each in ours["functions"]]
    known = {_plain(each) for each in used}
    used += [_readable(each) for each in kernels if each in ours["operations"] and _plain(each) not in known]
    if used:
        yield Finding(
            f"it calls {' and '.join(used)}, as {subject.peer.text if subject.peer else 'its counterpart'} does",
            severity="error" if subject.from_scratch else "note",
        )


def _readable(kernel: str) -> str:
    return kernel.strip("_").removesuffix("_forward").removesuffix("_kernel")


def _plain(name: str) -> str:
    return _readable(name.rpartition(".")[2]).replace("_", "")


_OWN = frozenset(_plain(name) for name in dir(torch.nn.functional))


def _is_own(kernel: str) -> bool:
    """Whether a kernel is one of torch.nn.functional's functions, not arithmetic."""
    return _plain(kernel) in _OWN
