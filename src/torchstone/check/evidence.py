"""From a wrong answer to a finding that a person can use: the smallest input, what was expected, why, and a script.

A rule supplies a judge: a function of inputs that returns a `Mismatch` where the subject's answer is wrong there, and
None where it is right, or where the inputs are none. All else is done here.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from torchstone.check.result import Finding, Severity
from torchstone.oracle import FORMATS, distance

if TYPE_CHECKING:
    from torchstone.check.probe import Answer
    from torchstone.check.subject import Subject
    from torchstone.oracle import Truth


@dataclass(frozen=True)
class Mismatch:
    """A wrong answer: for which inputs, to which question, and what would be right.

    `quantity` is "value", "grad.NAME" or another tensor of the answer. `got` and `expected` are the numbers at the
    worst element (`where` is its index), or whatever plain data shows the difference. `options` are those of the call.
    """

    tensors: Mapping[str, Tensor]
    quantity: str = "value"
    got: Any = None
    expected: Any = None
    ulp: float | None = None
    where: tuple[int, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)


Judge = Callable[[Mapping[str, Tensor]], Mismatch | None]


def worst(
    tensors: Mapping[str, Tensor],
    answer: "Answer",
    quantity: str,
    truth: "Truth",
    budget: float,
    options: Mapping[str, Any] | None = None,
) -> Mismatch | None:
    """The element of an answer that is furthest from the truth, if that is beyond `budget` ulp of its dtype.

    The unit is that of |f| + |x f'(x)|: see `oracle.distance`. A result of another shape is a mismatch as a whole.
    """
    chosen = dict(options or {})
    found = answer.tensors.get(quantity)
    if found is None:
        return Mismatch(tensors, quantity, None, truth.high.tolist(), None, (), chosen)
    if tuple(found.shape) != truth.high.shape:
        shapes = [list(found.shape), list(truth.high.shape)]
        return Mismatch(tensors, quantity, {"shape": shapes[0]}, {"shape": shapes[1]}, None, (), chosen)
    if not found.numel():
        return None
    form = FORMATS[str(found.dtype).removeprefix("torch.")]
    off = np.asarray(distance(found.to(torch.float64).numpy(), truth, form))
    if all(bool(tensor.isfinite().all()) for tensor in tensors.values()):
        off = np.where(np.isnan(truth.high), 0.0, off)  # a formula such as t*log(p) says nothing there
    place = np.unravel_index(int(np.argmax(off)), off.shape) if off.shape else ()
    if not off[place] > budget:
        return None
    index = tuple(int(each) for each in place)
    return Mismatch(tensors, quantity, float(found[index]), float(truth.high[index]), float(off[index]), index, chosen)


def finding(
    subject: "Subject",
    sentence: str | Callable[[Mismatch], str],
    judge: Judge,
    tensors: Mapping[str, Tensor],
    *,
    severity: Severity | None = None,
) -> Finding:
    """The finding for inputs that a judge finds wrong: shrunk, explained, with a script.

    `sentence` is the message, or makes it of the mismatch at the smallest inputs.
    """
    from torchstone.check.diagnose import cause
    from torchstone.check.repro import script
    from torchstone.check.shrink import smallest

    # The cause is looked for where there are many numbers; one element alone could be anything.
    reason = cause(subject, judge(tensors) or Mismatch(tensors))
    mismatch = smallest(subject, judge, tensors)
    said = sentence if isinstance(sentence, str) else sentence(mismatch)
    if severity in (None, "error") and is_pytorchs(subject, mismatch):
        assert subject.peer is not None
        said, severity = f"{said}; {subject.peer.text} gives the same", "warning"
    return Finding(
        said,
        {name: plain(tensor) for name, tensor in mismatch.tensors.items()},
        mismatch.expected,
        mismatch.got,
        mismatch.ulp,
        reason,
        script(subject, mismatch),
        severity,
    )


def is_pytorchs(subject: "Subject", mismatch: Mismatch) -> bool:
    """Whether PyTorch's own answers the same, the wrong number included.

    What PyTorch does is worth knowing, and nobody's error.
    """
    if subject.peer is None or not subject.peer.text.startswith("torch.") or not isinstance(mismatch.got, float):
        return False
    ours = subject.call(mismatch.tensors, **mismatch.options)
    theirs = subject.ask_peer(mismatch.tensors, **mismatch.options)
    # The value as well as a gradient: the gradient of another function may be right for that one.
    return ours.ok and theirs.ok and all(_same(ours, theirs, name) for name in ("value", mismatch.quantity))


def _same(ours: "Answer", theirs: "Answer", name: str) -> bool:
    one, other = ours.tensors.get(name), theirs.tensors.get(name)
    if one is None or other is None or one.shape != other.shape:
        return False
    return torch.allclose(one.double(), other.double(), rtol=1e-6, atol=0.0, equal_nan=True)


def plain(tensor: Tensor) -> Any:
    """A tensor's numbers as plain data; of a large one, its dtype and shape."""
    if tensor.numel() > 64:
        return f"{str(tensor.dtype).removeprefix('torch.')}{list(tensor.shape)}"
    return tensor.tolist()
