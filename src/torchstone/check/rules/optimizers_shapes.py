"""Rules on the parameters that an optimizer takes: of any shape, however they lie in memory, of any floating dtype."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from torchstone.check.optimizers.apart import TOLERANCE, parting
from torchstone.check.optimizers.plan import Plan
from torchstone.check.optimizers.script import stepping
from torchstone.check.optimizers.subject import OptimizerSubject
from torchstone.check.probe import Answer
from torchstone.check.result import Finding, Severity
from torchstone.check.rule import NotApplicable, rule

_STEPS = 3
_COARSE = 0.05  # of the way: what an iteration in bfloat16 on the way leaves, and no fault of layout does
_ACCIDENTS = ("ZeroDivisionError", "IndexError", "KeyError", "AttributeError", "UnboundLocalError", "TypeError")
_VIEW = "view size is not compatible"  # what PyTorch says where `view` was written for `reshape`: nobody refuses so
_REFUSALS = ("ValueError", "NotImplementedError")


class Special(NamedTuple):
    """A parameter that is not a plain vector or matrix: how people call it, its shape, and how it lies in memory."""

    text: str
    shape: tuple[int, ...]
    layouts: Mapping[str, str] = {}  # of "start" and "gradient", see `bench.LAYOUTS`


SPECIAL: Mapping[str, Special] = {
    "scalar": Special("a parameter without dimensions", ()),
    "single": Special("a parameter of shape (1,)", (1,)),
    "empty": Special("an empty parameter of shape (0, 3)", (0, 3)),
    "five": Special("a parameter of five dimensions", (2, 1, 2, 1, 2)),
    "transposed": Special("a transposed parameter", (2, 3), {"start": "transposed"}),
    "turned": Special("a parameter with a transposed gradient", (2, 3), {"gradient": "transposed"}),
    "strided": Special("a parameter whose gradient is every other number of a tensor", (2, 3), {"gradient": "strided"}),
    "expanded": Special("a parameter whose gradient is one number, expanded", (2, 3), {"gradient": "expanded"}),
    "channels": Special("a parameter in channels_last", (2, 3, 2, 2), {"start": "channels_last"}),
}
_DTYPES = {"double": torch.float64, "float": torch.float32, "bfloat": torch.bfloat16, "half": torch.float16}
_SHAPES = {"double": (2, 3), "float": (3, 2), "bfloat": (2, 2), "half": (3, 3)}  # no two alike, and matrices


@rule("O302", "shapes", kinds=("optimizer",))
def shapes(subject: OptimizerSubject) -> Iterator[Finding]:
    """Parameters of any shape, layout and dtype move as plain ones do, and stay what they are.

    Why: temperatures and gates have no dimensions, convolutions may be channels_last, tied weights are transposed,
        and half of a model is bfloat16. An update through `reshape(-1)` changes a copy, and such a parameter never
        moves.
    How: the same numbers as a scalar and as a vector, with five dimensions and with two; transposed, in channels_last,
        with gradients that are transposed, strided or expanded, and contiguous; an empty parameter; parameters of four
        dtypes in one optimizer, and all in float64. Paths, shapes and dtypes are compared. State in float32 is fine.
    False alarms: matrix methods look at shapes, so that theirs are compared only where the layout differs. What
        refuses a shape with an error says so; that is a note at most, or a warning where it seems to be an accident.
        A single number that stays is a warning where numbers don't go by themselves: a projection may leave nothing.
    Instead: operate on whole tensors, in place, and create state with `torch.zeros_like(p)`.
    """
    if subject.trait("stochastic"):
        raise NotApplicable("it draws random numbers, which lie where the layout says")
    matrices = subject.spec.usage.get("dims") == 2
    table = {name: each for name, each in SPECIAL.items() if not matrices or (each.layouts and len(each.shape) == 2)}
    plan = _plan(subject, table)
    answer, ordinary = subject.run(plan), subject.run(_plain(plan))
    wrong = table
    if answer.ok and ordinary.ok:  # all at once; then each by itself where something is wrong
        wrong = {name: each for name, each in table.items() if any(_seen(subject, plan, name, each, answer, ordinary))}
    refused: dict[str, list[str]] = {}
    for name, special in wrong.items():
        alone = _only(plan, name)
        answer = subject.run(alone)
        if answer.ok:
            yield from _seen(subject, alone, name, special, answer, subject.run(_plain(alone)))
        elif answer.error_type not in _REFUSALS:
            refused.setdefault(answer.error, []).append(special.text)
    for error, texts in refused.items():
        accident = error.partition(":")[0] in _ACCIDENTS or _VIEW in error
        severity: Severity = "warning" if accident else "note"
        make = "makes" if len(texts) == 1 else "make"
        yield Finding(f"{_listed(texts)} {make} it raise {error}", severity=severity)
    yield from _dtypes(subject)


def _listed(texts: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(texts[:-1]), texts[-1]]))


def _plan(subject: OptimizerSubject, table: Mapping[str, Special]) -> Plan:
    plan = subject.ordinary(_STEPS, shapes={name: each.shape for name, each in table.items()})
    gradients = dict(plan.gradients)
    for name, each in table.items():
        if each.layouts.get("gradient") == "expanded":
            first = gradients[name].reshape(_STEPS, -1)[:, 0].reshape(_STEPS, *[1] * len(each.shape))
            gradients[name] = first.expand(gradients[name].shape).contiguous()
    layouts = {f"{part}.{name}": layout for name, each in table.items() for part, layout in each.layouts.items()}
    return plan.with_(gradients=gradients, options={"layouts": layouts})


def _only(plan: Plan, name: str) -> Plan:
    layouts = {key: value for key, value in plan.options["layouts"].items() if key.partition(".")[2] == name}
    return plan.only(name).with_(options={"layouts": layouts})


def _plain(plan: Plan) -> Plan:
    """The same numbers, contiguous, and as a vector or a matrix where it is the shape that is special.

    A scalar is like a vector, for there are optimizers that decay matrices only.
    """
    shapes = {
        name: tuple(each.shape) if SPECIAL[name].layouts else (2, -1) if each.dim() > 1 and each.numel() else (-1,)
        for name, each in plan.start.items()
    }
    return plan.with_(
        options={"layouts": {}},
        start={name: each.reshape(shapes[name]) for name, each in plan.start.items()},
        gradients={name: each.reshape(_STEPS, *shapes[name]) for name, each in plan.gradients.items()},
    )


def _seen(
    subject: OptimizerSubject, plan: Plan, name: str, special: Special, answer: Answer, ordinary: Answer
) -> Iterator[Finding]:
    start, path = plan.start[name], answer.tensors[name]
    told: dict[str, Any] = {"shape": list(special.shape)}
    if path.shape[1:] != start.shape:
        yield Finding(f"{special.text} becomes one of shape {tuple(path.shape[1:])}", told)
        return
    if not start.numel() or path.dtype != start.dtype:  # dtypes are looked at below
        return
    if torch.equal(path[-1], start) and (_moves(ordinary, name, path) if special.layouts else _begins(subject)):
        single = start.numel() == 1 and not subject.trait("elementwise")  # what is at a right angle to one number is 0
        yield Finding(
            f"{special.text} is passed over in silence: it stays where it is for {_STEPS} steps",
            told,
            repro=stepping(subject, plan.only(name).first(1), [f"print({name}.tolist())  # as before"]),
            severity="warning" if single else None,
        )
        return
    if not (special.layouts or subject.trait("elementwise")):
        return
    near = TOLERANCE if subject.trait("elementwise") else _COARSE
    if (
        ordinary.ok
        and (found := parting(plan.only(name), {name: path}, _shaped(ordinary, name, path), near)) is not None
    ):
        yield Finding(
            f"{special.text} moves by {found.moved:.3g} at step {found.step + 1}, the same numbers "
            f"{'in a contiguous tensor' if special.layouts else 'as a vector or matrix'} by {found.should:.3g}",
            told,
            found.expected,
            found.got,
            repro=stepping(
                subject,
                plan.only(name).first(found.step + 1),
                [f"print({found.element}.item())  # expected {found.expected!r}"],
            ),
        )


def _begins(subject: OptimizerSubject) -> bool:
    """Whether a plain parameter moves in so few steps."""
    plan = subject.ordinary(_STEPS).only("a")
    answer = subject.run(plan)
    return not answer.ok or not torch.equal(answer.tensors["a"][-1], plan.start["a"])


def _moves(ordinary: Answer, name: str, path: Tensor) -> bool:
    return ordinary.ok and not torch.equal(_shaped(ordinary, name, path)[name][-1], path[-1])


def _shaped(answer: Answer, name: str, path: Tensor) -> dict[str, Tensor]:
    return {name: answer.tensors[name].reshape(path.shape)}


def _dtypes(subject: OptimizerSubject) -> Iterator[Finding]:
    """Parameters of several dtypes in one optimizer, against the same numbers in float64."""
    plan = _cast(subject.ordinary(_STEPS, shapes=_SHAPES), _DTYPES)
    together = subject.run(plan)
    if not together.ok:
        taken = [name for name in _DTYPES if subject.run(plan.only(name)).ok]
        if len(taken) < 2:
            return
        plan = plan.only(*taken)
        together = subject.run(plan)
        if not together.ok:
            if together.error_type not in _REFUSALS:
                listed = ", ".join(_said(_DTYPES[name]) for name in taken)
                yield Finding(
                    f"parameters of {listed} in one optimizer make it raise {together.error}", severity="note"
                )
            return
    right = subject.run(_cast(plan, dict.fromkeys(_DTYPES, torch.float64)))
    for name in plan.start:
        got, dtype = together.tensors[name], _DTYPES[name]
        if got.dtype != dtype:
            alone = subject.run(plan.only(name))
            kept = alone.ok and alone.tensors[name].dtype == dtype
            yield Finding(
                f"{'next to parameters of other dtypes, one' if kept else 'a parameter'} of {_said(dtype)} becomes one "
                f"of {_said(got.dtype)}",
                severity="warning" if kept else None,
            )
            return
        elif right.ok and bool(right.tensors[name].isfinite().all() & ~got.isfinite().all()):
            yield Finding(f"a parameter of {_said(dtype)} is {float(got[-1].sum())} after {_STEPS} ordinary steps")
        elif right.ok and torch.finfo(dtype).bits >= 32 and not subject.trait("couples_params"):
            found = parting(plan.only(name), {name: got}, right.tensors, _COARSE)
            if found is not None and _differs_alone(subject, plan.only(name), got):
                yield Finding(
                    f"next to parameters of other dtypes, one of {_said(dtype)} moves by {found.moved:.3g} at step "
                    f"{found.step + 1}, in float64 by {found.should:.3g}"
                )


def _differs_alone(subject: OptimizerSubject, plan: Plan, got: Tensor) -> bool:
    """Whether a parameter goes another way by itself: if not, it is not the others' dtypes that it goes by."""
    (name,) = plan.start
    answer = subject.run(plan)
    return not answer.ok or parting(plan, {name: got}, answer.tensors, _COARSE) is not None


def _cast(plan: Plan, dtypes: Mapping[str, torch.dtype]) -> Plan:
    return plan.with_(
        start={name: each.to(dtypes[name]) for name, each in plan.start.items()},
        gradients={name: each.to(dtypes[name]) for name, each in plan.gradients.items()},
    )


def _said(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
