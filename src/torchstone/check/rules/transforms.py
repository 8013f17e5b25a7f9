"""Rules on transforms: vmap, func.grad and its kin, torch.compile, shapes without numbers."""

from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor

from torchstone.check.pointwise import shown as text
from torchstone.check.repro import showing
from torchstone.check.result import Finding, Severity
from torchstone.check.rule import NotApplicable, rule
from torchstone.check.rules.general import shown
from torchstone.check.subject import Subject, granted

AFTER = ("G001", "G002", "G004", "G006")


def _off(first: Tensor, second: Tensor, rtol: float) -> tuple[float, float] | None:
    """The two numbers that are furthest apart, where that is more than rounding."""
    if first.shape != second.shape:
        return float(first.sum()), float(second.sum())
    if torch.allclose(first, second, rtol=rtol, atol=1e-3 * rtol, equal_nan=True):
        return None
    place = int((first - second).abs().nan_to_num(torch.inf).reshape(-1).argmax())
    return float(first.reshape(-1)[place]), float(second.reshape(-1)[place])


def _tolerance(subject: Subject) -> float:
    return 1e-4 if subject.trait("single_precision") else 1e-9


def _plain_subject(subject: Subject) -> None:
    if subject.trait("stochastic"):
        raise NotApplicable("it draws random numbers")
    if subject.trait("inplace"):
        raise NotApplicable("it works in place, on purpose")


def _numbered(samples: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    return {f"{place}.{name}": each for place, sample in enumerate(samples) for name, each in sample.items()}


def _refused(error: str, what: str, kind: str = "") -> tuple[str, Severity]:
    """What a refusal means, and how bad it is: only what its author can mend in a line is a warning."""
    if "boolean mask" in error and kind == "activation":
        told = f"{what} raises: where a boolean mask picks elements out, their number is not known beforehand"
        return f"{told}; torch.where(mask, a, b) in the place of y[mask] = a[mask] gives the same numbers", "warning"
    if "setup_context" in error:
        return (
            f"{what} raises: its autograd.Function needs a static `setup_context(ctx, inputs, output)`, with a "
            "`forward` without ctx, and `generate_vmap_rule = True`",
            "warning",
        )
    if "generate_vmap_rule" in error or "vmap staticmethod" in error:
        return f"{what} raises: its autograd.Function needs `generate_vmap_rule = True`", "warning"
    return f"{what} raises {error}", "note"


@rule("T101", "vmap", severity="warning", after=AFTER)
def mapped(subject: Subject) -> Iterator[Finding]:
    """`torch.func.vmap` over samples gives what a loop gives, and so does `vmap` of its gradient.

    Why: per-sample gradients, ensembles and Jacobians are computed with `vmap`.
    How: three ordinary inputs are stacked; `vmap` over all inputs, over the first input alone, and over
        `torch.func.grad` are compared with a loop.
    False alarms: control flow that depends on the numbers, `.item()` and writing in place are refused by `vmap`; that
        is a note. An `autograd.Function` without `setup_context` is refused as well, and so is an activation that
        writes through a boolean mask: warnings, because the remedy is short. A loss may well pick out what counts.
    Instead: `@staticmethod def forward(x)`, `@staticmethod def setup_context(ctx, inputs, output)` and
        `generate_vmap_rule = True` in the autograd.Function; `torch.where` for `if`.
    """
    _plain_subject(subject)
    samples = [subject.sample(seed=seed) for seed in range(3)]
    answer = granted(subject.ask("mapped", _numbered(samples), {"wrt": [subject.x]}))
    raised, tensors = answer.facts["raised"], answer.tensors
    told: set[str] = set()
    for over, what in _MAPPED.items():
        if f"loop{over}" in raised:
            continue
        if f"vmap{over}" in raised:
            message, severity = _refused(raised[f"vmap{over}"], what, subject.kind)
            if not told:
                tried = ("try:", f"    print({_VMAPPED[over]})", "except RuntimeError as error:", "    print(error)")
                yield Finding(message, repro=showing(subject, samples[0], *tried), severity=severity)
            told.add(message)
            continue
        pair = _off(tensors[f"loop{over}"], tensors[f"vmap{over}"], _tolerance(subject))
        if pair is not None:
            lines = (f"print({_VMAPPED[over]})", f"print({_LOOPED[over]})  # expected the same")
            shows = showing(subject, samples[0], *lines, wrt=[subject.x])
            yield Finding(
                f"{what} gives {text(pair[1])} where a loop gives {text(pair[0])}",
                got=pair[1],
                expected=pair[0],
                repro=shows,
            )
            return


# As a script shows it: two first inputs, all else as it stands.
_TWO = "torch.stack([{x}, 2 * {x}])"
_VMAPPED = {
    "": f"torch.func.vmap(lambda {{x}}: {{call}})({_TWO})",
    " over the first input alone": f"torch.func.vmap(lambda {{x}}: {{call}})({_TWO})",
    " over gradients": f"torch.func.vmap(torch.func.grad(lambda {{x}}: {{call}}.square().sum()))({_TWO})",
}
_LOOP = "torch.stack([{call}, {call:2 * {x}}])"
_LOOPED = {
    "": _LOOP,
    " over the first input alone": _LOOP,
    " over gradients": "[torch.func.grad(lambda {x}: {call}.square().sum())(each) for each in ({x}, 2 * {x})]",
}


_MAPPED = {
    "": "torch.func.vmap",
    " over the first input alone": "torch.func.vmap over the first input alone",
    " over gradients": "torch.func.vmap of its gradient",
}


def _little(subject: Subject) -> dict[str, Tensor]:
    return subject.sample(extra=(3,), N=2)


@rule("T102", "func-grad", tier="full", severity="warning", after=AFTER)
def func_grad(subject: Subject) -> Iterator[Finding]:
    """`torch.func.grad`, `jacrev` and `hessian` give what autograd gives.

    Why: they are how physics-informed losses, influence functions and second-order methods are written.
    How: each on an input of a few elements, compared with `torch.autograd.grad`, `autograd.functional.jacobian` and
        `hessian`. `hessian` also needs forward mode.
    False alarms: a refusal is a note (T101 warns of what has a short remedy). A second derivative that autograd refuses
        as well is not looked at.
    Instead: as for vmap; for forward mode a `jvp` in the autograd.Function, or plain tensor operations.
    """
    _plain_subject(subject)
    sample = _little(subject)
    answer = granted(subject.ask("functional", sample, {"wrt": [subject.x]}))
    raised, tensors = answer.facts["raised"], answer.tensors
    for name in ("grad", "jacrev", "hessian"):
        if f"autograd's {name}" in raised:
            continue
        if name in raised:
            message, _ = _refused(raised[name], f"torch.func.{name}")
            yield Finding(message, severity="note")
            return
        pair = _off(tensors[f"autograd's {name}"], tensors[name], _tolerance(subject))
        if pair is not None:
            yield Finding(
                f"torch.func.{name} gives {text(pair[1])} where autograd gives {text(pair[0])}", shown(sample), *pair
            )
            return


@rule("T103", "compile", tier="full", severity="warning", after=AFTER)
def compiles(subject: Subject) -> Iterator[Finding]:
    """Compiled as one graph it gives the same value and the same gradients.

    Why: `torch.compile` traces Python once; what depends on Python's state or on memory is frozen, or breaks the graph
        in two, which costs the speed that it was for.
    How: `torch.compile(backend="aot_eager", fullgraph=True)`, value and gradients against the plain call, to a relative
        1e-9 in float64. A graph that breaks is a note with the compiler's reason.
    False alarms: the compiler may reorder sums, hence the tolerance. Checks of the numbers of an input (an index in its
        range) break the graph on purpose.
    Instead: no `.item()`, no `if` on a tensor, no lists that grow, no prints in `forward`.
    """
    _plain_subject(subject)
    sample = _little(subject)
    answer = granted(subject.ask("compiled", sample, {"wrt": subject.predictions}))
    facts, tensors = answer.facts, answer.tensors
    if facts["break"]:
        yield Finding(f"the graph breaks under torch.compile: {facts['raised']}", severity="note")
        return
    if facts["raised"]:
        yield Finding(f"compiled it raises {facts['raised']}")
        return
    for name in (name.removeprefix("eager.") for name in tensors if name.startswith("eager.")):
        what = "value" if name == "value" else f"gradient with respect to {name.removeprefix('grad.')}"
        if f"compiled.{name}" not in tensors:
            yield Finding(f"compiled, the {what} is missing", shown(sample))
            continue
        pair = _off(tensors[f"eager.{name}"], tensors[f"compiled.{name}"], _tolerance(subject))
        if pair is not None:
            yield Finding(
                f"compiled, the {what} is {text(pair[1])}, and {text(pair[0])} otherwise", shown(sample), *pair
            )


@rule("T104", "recompiles", tier="full", severity="warning", after=AFTER)
def recompiles(subject: Subject) -> Iterator[Finding]:
    """It is compiled again at most once as the batch size changes.

    Why: the last batch of an epoch is smaller. A loss that is compiled anew for each size is slower than one that is
        not compiled, and is given up after eight times.
    How: calls with four sizes of every dimension that may change, and a count of the graphs. The second size makes the
        compiler take sizes as variables; the third and fourth should find that graph.
    False alarms: what breaks the graph is not looked at.
    Instead: `x.shape[0]` and `x.numel()` in arithmetic, no Python number that is derived from them kept on `self`, no
        loop over the batch.
    """
    _plain_subject(subject)
    samples = [subject.sample(seed=size, extra=(size, 4), N=size) for size in (5, 7, 9, 11)]
    facts = granted(subject.ask("recompiled", _numbered(samples))).facts
    if facts["raised"]:
        raise NotApplicable(f"compiled it raises {facts['raised']}")
    first, second, third, fourth = facts["graphs"]
    if fourth > third > second > first:
        yield Finding(
            f"torch.compile makes {fourth} graphs for four batch sizes: it compiles anew for each", got=fourth
        )


@rule("T105", "fake", tier="full", severity="warning", after=AFTER)
def fake(subject: Subject) -> Iterator[Finding]:
    """It runs on tensors without numbers, and gives the right shapes and dtypes, wherever they are.

    Why: export, compilers and sharded initialization run a model on fake tensors first. And tensors that are made on
        the CPU, whatever the input is on, fail on the first GPU: the meta device shows it without one.
    How: a call with its backward on fake tensors and on the meta device; shapes and dtypes of value and gradients are
        compared with those of the real call.
    False alarms: what looks at the numbers (a check that an index is in range, `.item()`) cannot run, nor can the few
        operations that PyTorch has not written for these tensors: a note.
    Instead: `torch.zeros_like(x)`, `x.new_tensor(...)`, `device=x.device`.
    """
    sample = _little(subject)
    facts = granted(subject.ask("without_numbers", sample, {"wrt": subject.predictions})).facts
    for way, where in _WAYS.items():
        if way == "meta" and facts["left"]:
            continue  # S103 says so
        if way in facts["raised"]:
            error, reads = facts["raised"][way], way in facts["reads"]
            reason = "; it reads the numbers of a tensor" if reads else ""
            yield Finding(
                f"{where} it raises {error}{reason}",
                severity="note" if reads or error.startswith("NotImplementedError") else "warning",
            )
            return
        for name, (shape, dtype) in facts["real"].items():
            got = facts[way].get(name)
            if got != [shape, dtype]:
                what = "result" if name == "value" else f"gradient with respect to {name.removeprefix('grad.')}"
                told = "missing" if got is None else f"{got[1]}{got[0]}"
                yield Finding(f"{where} the {what} is {told}, expected {dtype}{shape}")
                return


_WAYS = {"meta": "on the meta device", "fake": "on fake tensors"}
