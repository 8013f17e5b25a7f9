"""A script of a few lines that shows a finding with torch alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from torchstone.check.evidence import Mismatch
from torchstone.check.subject import Subject

LONGEST = 15  # lines
_MOST_NUMBERS = 24


def script(subject: Subject, mismatch: Mismatch) -> str:
    """The script for a wrong value or gradient; nothing where the inputs are too large to be written down."""
    wrt = [name for name in mismatch.options.get("wrt", ()) if name in mismatch.tensors]
    name = mismatch.quantity.removeprefix("grad.")
    expected = _short(mismatch.expected)
    lines = [called(subject, mismatch.tensors, mismatch.options)]
    if mismatch.quantity == "value":
        lines.append(f"print(y)  # expected {expected}{_at(mismatch)}")
    elif name in wrt:
        seed = mismatch.tensors.get("cotangent")
        upstream = "torch.ones_like(y)" if seed is None else f"{_literal(seed)}.expand_as(y)"
        lines.append(f"y.backward({upstream})")
        lines.append(f"print({name}.grad)  # expected {expected}{_at(mismatch)}")
    else:
        lines.append("print(y)")
    return calling(subject, mismatch.tensors, lines, wrt=wrt, build=mismatch.options.get("build"))


def calling(
    subject: Subject,
    tensors: Mapping[str, Tensor],
    lines: Sequence[str],
    *,
    wrt: Sequence[str] = (),
    build: Mapping[str, Any] | None = None,
) -> str:
    """A script that makes the subject (`subject`) and its inputs (by their names), and goes on with the lines."""
    given = {entry.name: tensors[entry.name] for entry in subject.inputs if entry.name in tensors}
    if any(tensor.numel() > _MOST_NUMBERS for tensor in given.values()):
        return ""
    made = [f"{name} = {_literal(tensor, name in wrt)}" for name, tensor in given.items()]
    whole = [
        "import torch",
        *imported(subject.spec.target, _built(subject, build or {}, _floating(given))),
        "",
        *made,
        *lines,
    ]
    return "\n".join(whole) if len(whole) <= LONGEST else ""


def showing(
    subject: Subject,
    tensors: Mapping[str, Tensor],
    *lines: str,
    wrt: Sequence[str] = (),
    other: Mapping[str, Tensor] = MappingProxyType({}),
    build: Mapping[str, Any] | None = None,
) -> str:
    """As `calling`, with fields in the lines.

    "{call}" is the call of the subject, "{call:2 * x}" that with another first input, "{fresh}" that of an object named
    so, "{other}" that with the inputs `other`, which are named "other_x" and so on; "{x}" is the first input's name.
    """
    if any(tensor.numel() > _MOST_NUMBERS for tensor in other.values()):
        return ""
    more = [f"other_{name} = {_literal(tensor)}" for name, tensor in other.items()]
    fields = {
        "call": Call(subject, tensors, build or {}),
        "fresh": Call(subject, tensors, build or {}, name="fresh"),
        "other": Call(subject, tensors, build or {}, prefix="other_"),
        "x": subject.x,
    }
    return calling(subject, tensors, [*more, *(line.format(**fields) for line in lines)], wrt=wrt, build=build)


@dataclass(frozen=True)
class Call:
    """The call of a subject as an expression; `str.format` takes another expression for the first input.

    `texts` are expressions for other inputs, by their names.
    """

    subject: Subject
    tensors: Mapping[str, Tensor]
    build: Mapping[str, Any] = field(default_factory=dict)
    name: str = "subject"
    prefix: str = ""
    texts: Mapping[str, str] = field(default_factory=dict)

    def __format__(self, first: str) -> str:
        texts = {**self.texts, self.subject.x: first} if first else self.texts
        given = [entry for entry in self.subject.inputs if entry.name in self.tensors]
        arguments = [
            f"{entry.name}={text}" if entry.keyword else text
            for entry in given
            for text in [texts.get(entry.name, f"{self.prefix}{entry.name}")]
        ]
        keywords = _keywords(_of_call(self.subject, self.build))
        if self.subject.description.form == "autograd.Function":  # its `apply` takes no keywords
            keywords = [each.partition("=")[2] for each in keywords]
        return f"{self.name}({', '.join([*arguments, *keywords])})"


def reduced(subject: Subject, tensors: Mapping[str, Tensor], reduction: str) -> str:
    """The call of the subject under a reduction, as an expression that builds it first where that takes it."""
    build = subject.reduced(reduction)
    name = "subject" if _is_function(subject) else _built(subject, build, _floating(tensors))
    return f"{Call(subject, tensors, build, name)}"


def called(subject: Subject, tensors: Mapping[str, Tensor], options: Mapping[str, Any] = MappingProxyType({})) -> str:
    """The line that calls the subject: "y = subject(x)"."""
    return f"y = {Call(subject, tensors, options.get('build', {}))}"


def _is_function(subject: Subject) -> bool:
    return subject.description.form in ("function", "autograd.Function")


def _keywords(values: Mapping[str, Any]) -> list[str]:
    listed = {name: f"torch.tensor({value!r})" for name, value in values.items() if isinstance(value, list)}
    return [f"{name}={listed.get(name, repr(value))}" for name, value in values.items()]


def _floating(tensors: Mapping[str, Tensor]) -> torch.dtype:
    return next((each.dtype for each in tensors.values() if each.is_floating_point()), torch.float32)


def _of_call(subject: Subject, build: Mapping[str, Any]) -> dict[str, Any]:
    """What is passed with each call: all that a function takes, or what a constructor does not."""
    seen, given = subject.description, {**subject.spec.kwargs, **build}
    if _is_function(subject):
        return given
    return {name: value for name, value in given.items() if name in seen.call and name not in seen.constructor}


def _built(subject: Subject, build: Mapping[str, Any], floating: torch.dtype) -> str:
    """The expression that makes the subject as it is looked at: in its inputs' dtype, and in its mode."""
    name, form = subject.spec.target.rpartition(":")[2], subject.description.form
    built = f"{name}.apply" if form == "autograd.Function" else name
    if form in ("class", "factory"):
        late = _of_call(subject, build)
        given = {name: value for name, value in {**subject.spec.kwargs, **build}.items() if name not in late}
        built = f"{name}({', '.join(_keywords(given))})"
    if subject.description.is_module and subject.spec.evaluation:
        built += ".eval()"
    if (subject.description.parameters or subject.description.buffers) and floating != torch.float32:
        built += f".to({floating})"
    return built


def imported(target: str, built: str, call_it: str = "subject") -> list[str]:
    """The lines that bring a subject in, and build it by an expression."""
    where, _, name = target.rpartition(":")
    if not where:
        return [f"# {name} is the subject", f"{call_it} = {built}"]
    if where.endswith(".ipynb"):
        return [f"# in {_stem(where)}.ipynb, below the cell that defines {name}", f"{call_it} = {built}"]
    module = _stem(where) if where.endswith(".py") else where
    beside = f"  # run beside {_stem(where)}.py" if where.endswith(".py") else ""
    return [f"from {module} import {name.partition('.')[0]}{beside}", f"{call_it} = {built}"]


def _stem(path: str) -> str:
    return path.replace("\\", "/").rpartition("/")[2].rpartition(".")[0]


def _literal(tensor: Tensor, differentiated: bool = False) -> str:
    numbers = repr(tensor.detach().tolist()).replace("inf", 'float("inf")').replace("nan", 'float("nan")')
    more = ", requires_grad=True" if differentiated else ""
    return f"torch.tensor({numbers}, dtype={tensor.dtype}{more})"


def _short(value: Any) -> str:
    return f"{value:.8g}" if isinstance(value, float) else f"{value!r:.60}"


def _at(mismatch: Mismatch) -> str:
    return f" at {list(mismatch.where)}" if mismatch.where and any(mismatch.where) else ""
