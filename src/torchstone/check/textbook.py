"""A definition computed as it stands in the book, in a floating dtype: with its overflows, and the gradient they leave.

What is mathematically right may be useless in floating point. If a subject gives the same wrong numbers, it computes
the formula as it stands.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import sympy as sp
import torch
from torch import Tensor

from torchstone.definitions import Function

# Axes of a row's numbers: each index of the formula has an axis of its own, after that of the rows.
_FUNCTIONS: Mapping[Any, Callable[..., Tensor]] = {
    sp.exp: torch.exp,
    sp.log: torch.log,
    sp.tanh: torch.tanh,
    sp.erf: torch.erf,
    sp.cosh: torch.cosh,
    sp.sinh: torch.sinh,
    sp.Abs: torch.abs,
    sp.sign: torch.sign,
    sp.sin: torch.sin,
    sp.cos: torch.cos,
}


class NoTextbookError(ValueError):
    """A formula with something in it that this module does not compute."""


class Textbook:
    """One evaluation, which remembers where a number first overflowed or vanished."""

    def __init__(self, numbers: Mapping[str, Tensor], indices: Sequence[sp.Symbol], size: int) -> None:
        self._numbers, self._size = numbers, size
        self._axes = {index: place + 1 for place, index in enumerate(indices)}
        self.slip = ""

    def value(self, expression: sp.Expr) -> Tensor:
        """The formula's value, computed in the numbers' dtype operation by operation."""
        for kind, compute_it in _WAYS.items():
            if isinstance(expression, kind):
                return compute_it(self, expression)
        if expression.is_number:
            return self._like(float(expression))
        return self._function(expression)

    def _function(self, expression: sp.Expr) -> Tensor:
        operation = _FUNCTIONS.get(expression.func)
        if operation is None:
            raise NoTextbookError(f"formula: expected one of {len(_FUNCTIONS)} functions, got {expression.func}")
        argument = self.value(expression.args[0])
        return self._watched(expression, operation(argument), argument)

    def _total(self, expression: sp.Add) -> Tensor:
        return self._folded(torch.add, [self.value(part) for part in expression.args])

    def _power(self, expression: sp.Pow) -> Tensor:
        base, exponent = (self.value(part) for part in expression.args)
        return torch.pow(base, exponent)

    def _like(self, number: float) -> Tensor:
        return torch.tensor(number, dtype=next(iter(self._numbers.values())).dtype)

    def _symbol(self, symbol: sp.Symbol) -> Tensor:
        if symbol.name not in self._numbers:
            if symbol.name == "C":
                return self._like(float(self._size))
            raise NoTextbookError(f"formula: expected a known symbol, got {symbol}")
        numbers = self._numbers[symbol.name]
        return numbers.reshape(-1, *[1] * len(self._axes)) if self._axes and numbers.dim() else numbers

    def _component(self, expression: sp.Indexed) -> Tensor:
        """A row's numbers, laid along the axis of the index."""
        numbers, (index,) = self._numbers[str(expression.base)], expression.indices
        if numbers.dim() == 0:
            return numbers
        if index not in self._axes:
            raise NoTextbookError(f"formula: expected an index of its own, got {index}")
        shape = [numbers.shape[0], *[1] * len(self._axes)]
        shape[self._axes[index]] = self._size
        return numbers.reshape(shape)

    def _sum(self, expression: sp.Sum) -> Tensor:
        (index, _, _) = expression.limits[0]
        if len(expression.limits) != 1:
            raise NoTextbookError("formula: expected a sum over one index")
        inner = self.value(expression.function)
        axis = self._axes[index]
        if inner.dim() <= axis or inner.shape[axis] == 1:
            return inner * self._size
        return inner.sum(axis, keepdim=True)

    def _cases(self, expression: sp.Piecewise) -> Tensor:
        found: Tensor | None = None
        for value, condition in reversed(expression.args):
            here = self.value(value)
            found = here if found is None else torch.where(self._holds(condition), here, found)
        assert found is not None
        return found

    def _holds(self, condition: Any) -> Tensor:
        if condition in (sp.true, sp.false):
            return torch.tensor(bool(condition))
        if isinstance(condition, (sp.And, sp.Or)):
            join = torch.logical_and if isinstance(condition, sp.And) else torch.logical_or
            return self._folded(join, [self._holds(part) for part in condition.args])
        relations = {
            sp.StrictGreaterThan: torch.gt,
            sp.GreaterThan: torch.ge,
            sp.StrictLessThan: torch.lt,
            sp.LessThan: torch.le,
            sp.Equality: torch.eq,
        }
        if condition.func not in relations:
            raise NoTextbookError(f"formula: expected a comparison, got {condition}")
        compared: Tensor = relations[condition.func](self.value(condition.lhs), self.value(condition.rhs))
        return compared

    def _product(self, expression: sp.Mul) -> Tensor:
        """A fraction is one division, as people write it: exp(x)/sum, not exp(x) times 1/sum."""
        above, below = sp.fraction(expression, exact=True)
        if below != 1 and above != expression:
            return self.value(above) / self.value(below)
        return self._folded(torch.mul, [self.value(part) for part in expression.args])

    @staticmethod
    def _folded(operation: Callable[[Tensor, Tensor], Tensor], parts: Sequence[Tensor]) -> Tensor:
        found = parts[0]
        for part in parts[1:]:
            found = operation(found, part)
        return found

    def _watched(self, expression: sp.Expr, result: Tensor, argument: Tensor) -> Tensor:
        if not self.slip:
            finite = torch.isfinite(argument)
            if expression.func is sp.exp and bool((torch.isinf(result) & finite).any()):
                self.slip = (
                    f"{_said(expression)} overflows beyond {torch.log(torch.tensor(torch.finfo(result.dtype).max)):.1f}"
                )
            elif expression.func is sp.log and bool((argument == 0).any()):
                self.slip = f"it takes the logarithm of {_said(expression.args[0])}, which has underflowed to 0"
        return result


# By the kind of an expression, the more particular first.
_WAYS: Mapping[Any, Callable[[Textbook, Any], Tensor]] = {
    sp.Sum: Textbook._sum,
    sp.Indexed: Textbook._component,
    sp.Piecewise: Textbook._cases,
    sp.Symbol: Textbook._symbol,
    sp.Number: lambda book, number: book._like(float(number)),
    sp.Add: Textbook._total,
    sp.Mul: Textbook._product,
    sp.exp: Textbook._function,
    sp.Pow: Textbook._power,
}


def _said(expression: sp.Expr) -> str:
    """A formula as people say it: sums without their bounds."""
    return re.sub(r"Sum\((.*?), \(\w+, 0, C - 1\)\)", r"sum(\1)", str(expression))


def compute(function: Function, numbers: Mapping[str, Tensor]) -> tuple[Tensor, str]:
    """The value for numbers or rows by the definition's names, with a graph, and where it first went wrong, if it did.

    Raises `NoTextbookError` for what it cannot compute.
    """
    prediction = numbers[function.prediction.name]
    expression = function.expression
    indices: list[sp.Symbol] = []
    if function.is_vector:
        bound = [limit[0] for total in expression.atoms(sp.Sum) for limit in total.limits]
        indices = list(dict.fromkeys([*([function.index] if function.index is not None else []), *bound]))
    book = Textbook(numbers, indices, prediction.shape[-1] if function.is_vector else 1)
    found = book.value(expression)
    if not function.is_vector:
        return found, book.slip
    rows = prediction.shape[0]
    if function.index is None:
        return found.expand(rows, *found.shape[1:]).reshape(rows, -1)[:, 0], book.slip
    axis = indices.index(function.index) + 1
    shape = [rows, *[1] * len(indices)]
    shape[axis] = prediction.shape[-1]
    return found.expand(shape).reshape(rows, prediction.shape[-1]), book.slip
