"""Rules on losses: the identities of their definitions."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import sympy as sp
import torch
from numpy.typing import NDArray
from torch import Tensor

from torchstone.check.evidence import plain
from torchstone.check.result import Finding
from torchstone.check.rule import NotApplicable, rule
from torchstone.check.sequences import is_of_sequences
from torchstone.check.subject import Subject
from torchstone.check.truths import finest, listed, number, reducing
from torchstone.definitions import Input
from torchstone.definitions.core import FREE, VALUE
from torchstone.definitions.losses_common import C, j


@rule("L112", "symmetry", kinds=("loss",), need="definition", after=("G001", "L101"))
def symmetry(subject: Subject) -> Iterator[Finding]:
    """It keeps the identities of its definition: exchanged inputs, shifted logits, mirrored residuals, scaled ones.

    Why: an identity holds everywhere, so that it can be tried where nobody would compute the loss by hand: a constant
    that is forgotten in one branch breaks it.
    How: the definition's own list: the inputs are changed as an identity says, by numbers up to 40, and the result has
    to change as it says, up to rounding (1e-6).
    False alarms: none known: only what the definition declares is asked.
    Instead: see the finding for the identity; look for a branch or a clamp that treats the sides differently.
    """
    function = subject.definition
    assert function is not None
    if not function.identities or is_of_sequences(function):
        raise NotApplicable("the definition declares no identities of the tensors that it takes")
    sample = subject.sample()
    build = reducing(subject, finest(subject))
    before = subject.must(sample, build=build).tensors["value"]
    for identity in function.identities:
        for free in (2.5, 40.0) if any(FREE in each.free_symbols for each in identity.inputs.values()) else (0.0,):
            changed = _changed(subject, identity.inputs, sample, free)
            if changed is None:
                continue
            answer = subject.call(changed, build=build)
            if not answer.ok:
                continue
            expected = _applied(identity.value, before, free)
            if expected is None or _agrees(answer.tensors["value"], expected, free):
                continue
            by = f", by {number(free)}" if free else ""
            yield Finding(
                f"it should be {identity.name}{by}: the loss is {listed(answer.tensors['value'])}, "
                f"expected {listed(expected)}",
                {name: plain(tensor) for name, tensor in changed.items()},
                plain(expected),
                plain(answer.tensors["value"]),
            )
            break


def _agrees(got: Tensor, expected: Tensor, free: float) -> bool:
    return got.shape == expected.shape and torch.allclose(
        got.to(torch.float64), expected.to(torch.float64), rtol=1e-6, atol=1e-7 * (1 + abs(free)), equal_nan=True
    )


def _applied(value: sp.Expr, before: Tensor, free: float) -> Tensor | None:
    """The result that an identity expects. A reduced loss keeps it only where it is proportional."""
    if before.numel() == 1 and value.subs(VALUE, 0) != 0:
        return None
    with_number = value.subs(FREE, free)
    return torch.as_tensor(sp.lambdify([VALUE], with_number, "numpy")(before.numpy()), dtype=torch.float64)


def _changed(
    subject: Subject, becomes: Mapping[str, sp.Expr], sample: Mapping[str, Tensor], free: float
) -> dict[str, Tensor] | None:
    """The inputs as an identity changes them; None where it changes what cannot be changed here."""
    function = subject.definition
    assert function is not None
    entries = {entry.symbol: entry for entry in subject.inputs if entry.symbol in function.by_name}
    known: dict[Any, Any] = {C: sample[subject.x].shape[subject.dim], FREE: free}
    for name, entry in function.by_name.items():
        if entry.encoding == "class indices" or (entry.role != "parameter" and name not in entries):
            return None
        known[entry.symbol] = (
            _as_numbers(subject, entry, sample[entries[name].name], known[C]) if name in entries
            else np.asarray(_now(subject, entry), np.float64)
        )  # fmt: skip
    changed = dict(sample)
    for name, expression in becomes.items():
        entry = function.by_name[name]
        if name not in entries:
            # A parameter is as it was built: the identity holds here only if it keeps it.
            if not _keeps(entry, expression, known):
                return None
            continue
        given = sample[entries[name].name]
        result = _evaluated(expression, known, entry.is_vector)
        changed[entries[name].name] = _as_tensor(subject, entry, result, given)
    return changed


def _is_index(entry: Input, given: Tensor) -> bool:
    return entry.encoding == "class index" and not given.is_floating_point()


def _now(subject: Subject, entry: Input) -> Any:
    value = subject.parameters.get(entry.name, entry.default)
    return float(value) if isinstance(value, sp.Basic) else value


def _as_numbers(subject: Subject, entry: Input, given: Tensor, classes: int) -> NDArray[np.float64]:
    """An input as numbers; of a vector, the components first."""
    numbers = given.numpy()
    if _is_index(entry, given):
        return np.asarray(np.moveaxis(np.eye(classes)[numbers], -1, 0))
    is_table = entry.is_vector and numbers.ndim > 1
    return np.asarray(np.moveaxis(numbers, subject.dim, 0) if is_table else numbers, np.float64)


def _as_tensor(subject: Subject, entry: Input, result: NDArray[np.float64], like: Tensor) -> Tensor:
    if _is_index(entry, like):
        return torch.from_numpy(np.asarray(result.argmax(0))).to(like.dtype)
    moved = np.moveaxis(result, 0, subject.dim) if entry.is_vector and result.ndim > 1 else result
    return torch.from_numpy(np.ascontiguousarray(moved)).to(like.dtype)


def _keeps(entry: Input, expression: sp.Expr, known: Mapping[Any, Any]) -> bool:
    now = known[entry.symbol]
    if entry.is_vector:
        return bool(np.all(now == now.reshape(-1)[0]))
    return bool(np.allclose(_evaluated(expression, known, False), now))


def _evaluated(expression: sp.Expr, known: Mapping[Any, Any], is_vector: bool) -> NDArray[np.float64]:
    """An identity's expression in numbers, component by component for a vector."""
    function = sp.lambdify([*known, j], expression, "numpy")
    places = range(known[C]) if is_vector else [0]
    results = [np.asarray(function(*known.values(), place), np.float64) for place in places]
    return np.stack(results) if is_vector else results[0]
