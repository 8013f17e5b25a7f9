"""A script of a few lines that shows a finding with torch alone."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from torchstone.check.entries import Entry
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
    floating = next((each.dtype for each in given.values() if each.is_floating_point()), torch.float32)
    return "\n".join(["import torch", *_imported(subject, build or {}, floating), "", *made, *lines][:LONGEST])


def showing(
    subject: Subject, tensors: Mapping[str, Tensor], *lines: str, wrt: Sequence[str] = (), **others: Tensor
) -> str:
    """As `calling`, with "{call}" in a line for the call of the subject, and "{x}" for the name of its first input.

    `others` are more tensors that the lines use, by their names; "{call:other}" is the call with `other` as its x.
    """
    more = [f"{name} = {_literal(tensor)}" for name, tensor in others.items()]
    named = {"call": _Call(subject, tensors), "x": subject.x}
    return calling(subject, tensors, [*more, *(line.format(**named) for line in lines)], wrt=wrt)


class _Call:
    """The call of a subject as an expression; as a format, with another tensor as its first input."""

    def __init__(self, subject: Subject, tensors: Mapping[str, Tensor], options: Mapping[str, Any] = {}) -> None:
        self._subject, self._tensors, self._options = subject, tensors, options

    def __format__(self, other: str) -> str:
        given = {entry: other if other and entry.name == self._subject.x else entry.name for entry in self._inputs()}
        arguments = [f"{entry.name}={text}" if entry.keyword else text for entry, text in given.items()]
        functional = {**self._subject.spec.kwargs, **self._options.get("build", {})}
        keywords = _keywords(functional) if _is_function(self._subject) else []
        if self._subject.description.form == "autograd.Function":  # its `apply` takes no keywords
            keywords = [each.partition("=")[2] for each in keywords]
        return f"subject({', '.join([*arguments, *keywords])})"

    def _inputs(self) -> list[Entry]:
        return [entry for entry in self._subject.inputs if entry.name in self._tensors]


def called(subject: Subject, tensors: Mapping[str, Tensor], options: Mapping[str, Any] = MappingProxyType({})) -> str:
    """The line that calls the subject: "y = subject(x)"."""
    return f"y = {_Call(subject, tensors, options)}"


def _is_function(subject: Subject) -> bool:
    return subject.description.form in ("function", "autograd.Function")


def _keywords(values: Mapping[str, Any]) -> list[str]:
    listed = {name: f"torch.tensor({value!r})" for name, value in values.items() if isinstance(value, list)}
    return [f"{name}={listed.get(name, repr(value))}" for name, value in values.items()]


def _imported(subject: Subject, build: Mapping[str, Any], floating: torch.dtype) -> list[str]:
    """The lines that bring the subject in, and build it as it is looked at: in its inputs' dtype, and in its mode."""
    where, _, name = subject.spec.target.rpartition(":")
    form = subject.description.form
    inner = f"{name}.apply" if form == "autograd.Function" else name
    built = (
        f"{name}({', '.join(_keywords({**subject.spec.kwargs, **build}))})" if form in ("class", "factory") else inner
    )
    if subject.description.is_module and subject.spec.evaluation:
        built += ".eval()"
    if (subject.description.parameters or subject.description.buffers) and floating != torch.float32:
        built += f".to({floating})"
    if not where:
        return [f"# {name} is the subject", f"subject = {built}"]
    if where.endswith(".ipynb"):
        return [f"# in {_stem(where)}.ipynb, below the cell that defines {name}", f"subject = {built}"]
    module = _stem(where) if where.endswith(".py") else where
    beside = f"  # run beside {_stem(where)}.py" if where.endswith(".py") else ""
    return [f"from {module} import {name.partition('.')[0]}{beside}", f"subject = {built}"]


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
