"""Rules that hold for every subject: it runs, and a call leaves its inputs and itself as they were."""

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from torchstone.check.evidence import plain
from torchstone.check.optimizers.smoke import repeats_of_optimizer, smoke_of_optimizer
from torchstone.check.optimizers.subject import OptimizerSubject
from torchstone.check.pointwise import shown as text
from torchstone.check.repro import showing
from torchstone.check.result import Finding, Severity
from torchstone.check.rule import NotApplicable, rule
from torchstone.check.subject import Subject, granted

DTYPES = (torch.float32, torch.float64)


def shown(tensors: Mapping[str, Tensor]) -> dict[str, Any]:
    """Inputs as a finding holds them."""
    return {name: plain(tensor) for name, tensor in tensors.items()}


@rule("G001", "smoke", kinds=("loss", "activation", "optimizer"), after=())
def smoke(subject: Subject | OptimizerSubject) -> Iterator[Finding]:
    """It can be built, and runs on ordinary inputs.

    Why: what does not run cannot be right. All other rules wait for this one, so that a missing import is reported
        once and not forty times.
    How: it is built and called on moderate numbers (between -2.5 and 2.5, or well inside the set that an input lies
        in) in float32 and in float64, and the backward runs. The result has to be a tensor, and a loss has to be a
        floating-point one. What is printed or warned of on such inputs is noted. An optimizer is built over two
        parameters and takes two steps, with gradients that are given.
    False alarms: inputs that the subject is not made for. Say what it takes: `--inputs "logits float[N,C]; target
        int64[N] in [0,C)"`. Where nothing is known of the subject, NaN on ordinary inputs is a warning: perhaps it
        takes probabilities. A subject that runs in float32 and refuses float64 gets a warning as well, because most
        rules look at it in float64.
    Instead: read the exception. Return a tensor: `.item()` and `.numpy()` cut off the gradient.
    """
    if isinstance(subject, OptimizerSubject):
        yield from smoke_of_optimizer(subject)
        return
    told = {dtype: subject.ask("watched", subject.sample(dtype), {"wrt": subject.predictions}) for dtype in DTYPES}
    single, double = told.values()
    sample = subject.sample(torch.float32)
    if not single.ok:
        others = "" if double.ok is single.ok else " in float32, though not in float64"
        yield Finding(f"{_failed(single.error, single.during)} on ordinary inputs{others}", shown(sample))
        return
    returned = single.facts["returned"]
    if "value" not in single.tensors:
        yield Finding(_NO_TENSOR.get(returned, f"it returns a {returned}, expected a tensor"), shown(sample))
        return
    value = single.tensors["value"]
    if subject.kind == "loss" and not value.is_floating_point():
        kind = str(value.dtype).removeprefix("torch.")
        yield Finding(
            f"the loss is a tensor of {kind}, expected floating point: no gradient can flow", shown(sample), got=kind
        )
        return
    if not double.ok:
        yield Finding(
            f"it runs in float32, and in float64 {_failed(double.error, double.during)}; "
            "most rules look at it in float64 and do not run",
            shown(sample),
            severity="warning",
        )
    if subject.knowledge == "nothing" and not bool(value.isfinite().all()):
        yield Finding(
            "the result is not finite on ordinary inputs; if it is not made for such numbers, say which it takes "
            "with `inputs`",
            shown(sample),
            got=plain(value),
            severity="warning",
        )
    if single.facts["printed"]:
        yield Finding(f"it prints {single.facts['printed']!r} when it is called", shown(sample), severity="note")
    for warned in dict.fromkeys(single.facts["warned"]):
        yield Finding(f"it warns on ordinary inputs: {warned}", shown(sample), severity="note")


_NO_TENSOR = {
    "NoneType": "it returns None: it is not implemented, or a `return` is missing",
    "float": "it returns a float of Python, expected a tensor: no gradient can flow from a number",
    "int": "it returns an int of Python, expected a tensor: no gradient can flow from a number",
    "ndarray": "it returns a NumPy array, expected a tensor: no gradient can flow from an array",
    "tuple": "it returns a tuple, expected one tensor",
    "list": "it returns a list, expected one tensor",
}


_FAILED = {"build": "it cannot be built: it raises", "backward": "its backward raises"}


def _failed(error: str, during: str) -> str:
    return f"{_FAILED.get(during, 'it raises')} {error}"


@rule("G002", "input-mutated", after=("G001",))
def input_mutated(subject: Subject) -> Iterator[Finding]:
    """A call leaves its inputs as they were, and a backward the gradient that flows in.

    Why: the caller still needs them. A target that the loss has shifted is wrong for the next metric, an activation's
        input belongs to the layer before, and the gradient that flows in is handed to other branches of the network
        too. Nothing fails, the numbers are only wrong.
    How: values, version counter, shape, strides, `requires_grad` and `.grad` of every input are compared before and
        after a call, and after its backward, where the gradient that flows in is compared as well. In float32 and
        float64, because `x.float()` copies only one of them. A change of `requires_grad` alone is a warning.
    False alarms: what works in place on purpose. A switch named `inplace` is understood; otherwise declare it with
        `@torchstone.traits(inplace=True)`.
    Instead: `x = x.clamp(0, 1)` for `x.clamp_(0, 1)`, `torch.where(mask, a, b)` for `x[mask] = a`, and `x.clone()`
        before writing into a tensor that somebody else handed over.
    """
    if subject.trait("inplace"):
        raise NotApplicable("it works in place, on purpose")
    for dtype in DTYPES:
        sample = subject.sample(dtype)
        answer = granted(subject.ask("traces", sample, {"wrt": subject.predictions}))
        changes = answer.facts["changes"]
        once = {(change["name"], change["during"]): change for change in reversed(changes)}
        for change in once.values():
            severity: Severity = "warning" if change["what"] == "requires_grad" else "error"
            shows = showing(subject, sample, *_mutating(subject, change), wrt=_wrt(subject, change))
            numbers = change.get("before"), change.get("after")
            yield Finding(_changed(change), shown(sample), *numbers, repro=shows, severity=severity)
        if changes:
            return


def _changed(change: Mapping[str, Any]) -> str:
    name = "the gradient that flows in" if change["name"] == "cotangent" else f"the input {change['name']}"
    before, after = text(change.get("before")), text(change.get("after"))
    return {
        "value": f"the {change['during']} pass changes {name}: an element was {before} and is {after} afterwards",
        "version": f"the {change['during']} pass writes into {name}, even if the same numbers",
        "layout": f"the {change['during']} pass changes the layout of {name}: shape {before} before, {after} after",
        "requires_grad": f"the {change['during']} pass sets requires_grad of {name} from {before} to {after}",
        "grad": f"the {change['during']} pass writes a gradient to the .grad of {name}",
    }[change["what"]]


_KEPT = {
    "value": "({0} - before).abs().max())  # expected 0",
    "version": "{0}._version - version)  # expected 0",
    "layout": "{0}.shape, before.shape)  # expected the same",
    "requires_grad": "{0}.requires_grad)  # expected as it was",
    "grad": "{0}.grad)  # expected None",
}


def _wrt(subject: Subject, change: Mapping[str, Any]) -> tuple[str, ...]:
    return subject.predictions if change["during"] == "backward" or change["what"] == "grad" else ()


def _mutating(subject: Subject, change: Mapping[str, Any]) -> list[str]:
    """The lines that show a change."""
    name = "g" if change["name"] == "cotangent" else change["name"]
    kept = [f"before, version = {name}.detach().clone(), {name}._version"]
    looked = f"print({_KEPT[change['what']].format(name)}"
    if change["during"] == "forward":
        return [*kept, "{call}", looked]
    flowing = "g = torch.linspace(-1.5, 2.0, max(y.numel(), 1), dtype=y.dtype)[:y.numel()].reshape(y.shape).clone()"
    return ["y = {call}", flowing, *kept, "y.backward(g)", looked]


@rule("G003", "output-aliases-input", severity="warning", after=("G001", "G002"))
def output_aliases_input(subject: Subject) -> Iterator[Finding]:
    """The result has memory of its own: neither an input's, nor what a later call writes into.

    Why: who writes into a result that shares memory with the input changes the input, too. And a result that the next
        call overwrites is wrong as soon as two of them are compared, or stored in a list.
    How: the result's memory is compared with that of each input, for numbers of both signs, for positive and for
        negative ones. A result is kept while a backward runs and while there is a second call with other numbers;
        a change of it is an error.
    False alarms: what passes its input through whatever it is (an identity, a dropout in evaluation mode) is left
        alone. Others can be declared: `@torchstone.traits(may_alias=True)`.
    Instead: no shortcut such as `if (x > 0).all(): return x`, and no result in a buffer that is kept.
    """
    sample = subject.sample()
    for inputs in _signs(subject, sample):
        given = {**inputs, **{f"other.{name}": each for name, each in subject.sample(seed=1).items()}}
        facts = granted(subject.ask("memory", given, {"wrt": subject.predictions})).facts
        if over := facts["overwritten"]:
            wrt = subject.predictions if over["during"] == "a backward pass" else ()
            yield Finding(
                f"{over['during']} overwrites a result that was returned before: it was {text(over['before'])}, and is "
                f"{text(over['after'])} afterwards",
                shown(inputs),
                over["before"],
                over["after"],
                repro=showing(
                    subject,
                    inputs,
                    "y = {call}",
                    "before = y.detach().clone()",
                    _LATER[over["during"]],
                    "print((y - before).abs().max())  # expected 0",
                    wrt=wrt,
                    other=subject.sample(seed=1),
                ),
                severity="error",
            )
            return
        if subject.trait("may_alias") or subject.trait("inplace") or (inputs is sample and facts["passes"]):
            return
        for name in facts["shares"]:
            yield Finding(
                f"the result shares memory with the input {name}: writing into the one changes the other",
                shown(inputs),
                repro=showing(
                    subject,
                    inputs,
                    f"memory = {name}.untyped_storage().data_ptr()",
                    "print({call}.untyped_storage().data_ptr() == memory)  # expected False",
                ),
            )
            return


_LATER = {
    "a backward pass": "y.sum().backward()",
    "a call of its own backward": "subject.backward(torch.full_like(y, 0.5))",
    "a second call": "{other}",
}


def _signs(subject: Subject, sample: Mapping[str, Tensor]) -> Iterator[Mapping[str, Tensor]]:
    yield sample
    if subject.kind == "activation" and not subject.entry(subject.x).within:
        size = sample[subject.x].abs()
        yield {**sample, subject.x: size}
        yield {**sample, subject.x: -size}


@rule("G004", "nondeterministic", kinds=("loss", "activation", "optimizer"), after=("G001", "G002"))
def nondeterministic(subject: Subject | OptimizerSubject) -> Iterator[Finding]:
    """Equal calls give equal results, whatever was called in between.

    Why: a result that depends on earlier calls (a cached mask of another batch, a list that grows, an average that
        is kept) is right in the first test and wrong in training.
    How: value and gradients of one call are compared bit by bit with those of a second equal one, of one after a call
        with other numbers and another batch size, and of one in a fresh instance that saw such a call first, or one
        with other numbers in the same shapes. All start from the same random seed. Where the mathematics is known and
        draws no random numbers, other seeds have to give the same, too; a function that draws them in training alone,
        as RReLU, is held to that in evaluation mode. Of an optimizer, two runs with new instances are compared.
    False alarms: what draws random numbers on purpose repeats itself under the same seed, and passes. A module that
        keeps running statistics in buffers while training is held to this in evaluation mode; where its buffers move
        there, too, that is a warning, and all other rules go on with fresh instances. Other state can be declared:
        `@torchstone.traits(caches=True)`.
    Instead: compute in `forward` what depends on the inputs, and keep nothing of it on `self`, in a global or in a
        mutable default argument. The state of an optimizer belongs to the instance.
    """
    if isinstance(subject, OptimizerSubject):
        yield from repeats_of_optimizer(subject)
        return
    sample = subject.sample()
    others = {"other": subject.sample(seed=1, extra=(5, 2), N=2), "alike": subject.sample(seed=1)}
    given = {**sample, **{f"{by}.{name}": each for by, drawn in others.items() for name, each in drawn.items()}}
    options = {"wrt": subject.predictions}
    answer = granted(subject.ask("repeats", given, options))
    if answer.facts["buffers"] and not answer.facts["eval"]:
        answer = granted(subject.ask("repeats", given, {**options, "eval": True}))
    for stage, sentence in _STAGES.items():
        if stage != "again" and subject.trait("caches"):
            continue
        difference = _first_difference(answer.tensors, stage)
        if difference is not None:
            quantity, before, after = difference
            what = "the result" if quantity == "value" else f"the gradient with respect to {quantity[5:]}"
            near = abs(after - before) <= 1e-13 * max(abs(before), abs(after))
            moving = " and ".join(f"self.{name}" for name in answer.facts["buffers"])
            told = f"; each call moves {moving}, in evaluation mode as well" if moving else ""
            yield Finding(
                f"{what} changes {sentence}: {text(before)} at first, then {text(after)}{told}",
                shown(sample),
                before,
                after,
                repro=_twice(subject, sample, quantity, stage, others, answer.facts["eval"]),
                severity="note" if near else "warning" if moving else None,
            )
            return
    if _draws_none(subject) and subject.trait("stochastic"):
        values = [subject.must(sample, seed=seed).tensors["value"].reshape(-1) for seed in (1, 2)]
        place = int((values[0] != values[1]).int().argmax())
        first, second = (float(each[place]) for each in values)
        in_training = subject.definition is not None and subject.definition.random
        yield Finding(
            f"the result changes with the random seed: {text(first)} against {text(second)}, "
            + ("in evaluation mode, too" if in_training else "though the function draws no random numbers"),
            shown(sample),
            first,
            second,
            repro=showing(
                subject,
                sample,
                "torch.manual_seed(1)",
                "first = {call}",
                "torch.manual_seed(2)",
                _EQUAL.format("{call}"),
            ),
        )


_EQUAL = "print(({} - first).abs().max())  # expected 0"


def _twice(
    subject: Subject,
    sample: Mapping[str, Tensor],
    quantity: str,
    stage: str,
    others: Mapping[str, Mapping[str, Tensor]],
    quiet: bool,
) -> str:
    """The script for a call that gives something else the second time: at once, or after one with other inputs."""
    wrt = () if quantity == "value" else subject.predictions

    def asked(whose: str) -> str:
        call = "{" + whose + "}"
        return f"torch.autograd.grad({call}.sum(), {quantity[5:]})[0]" if wrt else f"{call}.detach()"

    given = [] if stage == "again" else ["{other}"]
    whose = "call" if stage in ("again", "after") else "fresh"
    lines = [
        *(["subject.eval()"] if quiet and subject.description.is_module else []),
        *(["import copy", "fresh = copy.deepcopy(subject)"] if whose == "fresh" else []),
        "torch.manual_seed(0)",
        f"first = {asked(whose)}",
        *given,
        "torch.manual_seed(0)",
        _EQUAL.format(asked("call")),
    ]
    other = {} if stage == "again" else others["alike" if stage == "alike" else "other"]
    return showing(subject, sample, *lines, wrt=wrt, other=other)


_STAGES = {
    "again": "when the same call is made a second time with the same random seed",
    "after": "after a call with other inputs",
    "second": "where the first call of an instance had other inputs",
    "alike": "where the first call of an instance had other numbers in the same shapes",
}


def _first_difference(tensors: Mapping[str, Tensor], stage: str) -> tuple[str, float, float] | None:
    for name, first in tensors.items():
        if not name.startswith("first."):
            continue
        quantity = name.removeprefix("first.")
        now = tensors.get(f"{stage}.{quantity}")
        if now is None or now.shape != first.shape:
            return quantity, float(first.sum()), float("nan") if now is None else float(now.sum())
        wrong = ((now != first) & ~(now.isnan() & first.isnan())).reshape(-1)
        if bool(wrong.any()):
            place = int(wrong.int().argmax())
            return quantity, float(first.reshape(-1)[place]), float(now.reshape(-1)[place])
    return None


def _draws_none(subject: Subject) -> bool:
    """Whether the function has no random numbers in the mode that the subject is looked at in."""
    function = subject.definition
    return function is not None and (not function.random or subject.description.is_module)
