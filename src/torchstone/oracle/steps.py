"""One step of an update rule on balls: of one element, or of a whole tensor."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import count
from typing import Any, Protocol

import numpy as np
import sympy as sp
from flint import arb
from numpy.typing import NDArray

from torchstone.definitions import UpdateRule, tensors
from torchstone.oracle.balls import Compiled, compile_balls, compile_lines

Balls = NDArray[np.object_]


class Step(Protocol):
    """What takes a parameter and its state one step further. Both are balls, or arrays of balls."""

    def initial(self, parameter: Any, hyper: Sequence[Any]) -> list[Any]:
        """The state that the first step starts from."""

    def after(self, current: Sequence[Any], gradient: Any, step: int, hyper: Sequence[Any]) -> list[Any]:
        """The parameter and the state after a step."""


def step_of(rule: UpdateRule, dimensions: int) -> Step:
    """A rule compiled: for one element, or for tensors of so many dimensions."""
    return _element(rule) if rule.elementwise else _tensor(rule, dimensions)


def _kept(rule: UpdateRule) -> list[sp.Symbol]:
    return [rule.parameter, *(entry.symbol for entry in rule.state)]


def _initial(rule: UpdateRule) -> Compiled:
    arguments = [rule.parameter, *(entry.symbol for entry in rule.hyper)]
    return compile_balls(arguments, [entry.initial for entry in rule.state])


@dataclass(frozen=True)
class _Element:
    """The step of a single element, as one function."""

    start: Compiled
    lines: Compiled

    def initial(self, parameter: Any, hyper: Sequence[Any]) -> list[Any]:
        return [arb(value) for value in self.start(parameter, *hyper)]

    def after(self, current: Sequence[Any], gradient: Any, step: int, hyper: Sequence[Any]) -> list[Any]:
        return [arb(value) for value in self.lines(*current, gradient, arb(step), *hyper)]


@cache
def _element(rule: UpdateRule) -> _Element:
    arguments = [*_kept(rule), rule.gradient, rule.step, *(entry.symbol for entry in rule.hyper)]
    return _Element(_initial(rule), compile_lines(arguments, rule.equations, _kept(rule)))


@dataclass(frozen=True)
class _Everywhere:
    """A line without a quantity of a whole tensor: the same function at every element."""

    arguments: tuple[sp.Symbol, ...]
    result: sp.Symbol
    line: Compiled

    def run(self, values: dict[sp.Symbol, Balls]) -> None:
        given = [values[symbol] for symbol in self.arguments]
        shape = np.broadcast_shapes(*(array.shape for array in given))
        columns = [np.broadcast_to(array, shape).ravel().tolist() for array in given]
        rows = zip(*columns, strict=True) if columns else [()]
        values[self.result] = array_of([ball for row in rows for ball in self.line(*row)], shape)


@dataclass(frozen=True)
class _Whole:
    """One quantity of a whole tensor."""

    function: Callable[..., Balls]
    arguments: tuple[sp.Symbol, ...]
    result: sp.Symbol

    def run(self, values: dict[sp.Symbol, Balls]) -> None:
        values[self.result] = np.asarray(self.function(*(values[symbol] for symbol in self.arguments)), object)


@dataclass(frozen=True)
class _Tensor:
    """The step of a whole tensor: lines at every element, and between them what needs all elements."""

    rule: UpdateRule
    start: Compiled
    parts: tuple[_Everywhere | _Whole, ...]

    def initial(self, parameter: Balls, hyper: Sequence[Any]) -> list[Balls]:
        rows = [self.start(each, *hyper) for each in parameter.ravel().tolist()]
        return [array_of(column, parameter.shape) for column in zip(*rows, strict=True)]

    def after(self, current: Sequence[Balls], gradient: Balls, step: int, hyper: Sequence[Any]) -> list[Balls]:
        kept, shape = _kept(self.rule), gradient.shape
        rows, columns = (shape[-2], shape[-1]) if len(shape) > 1 else (1, 1)
        sizes = (gradient.size, len(shape), rows, columns)
        values = dict(zip(kept, current, strict=True)) | {self.rule.gradient: gradient}
        numbers = {self.rule.step: arb(step)} | dict(zip(tensors.SIZES, map(arb, sizes), strict=True))
        numbers |= dict(zip((entry.symbol for entry in self.rule.hyper), hyper, strict=True))
        values |= {symbol: np.asarray(number, object) for symbol, number in numbers.items()}
        for part in self.parts:
            part.run(values)
        parameter, *state = (values[symbol] for symbol in kept)
        return [np.broadcast_to(parameter, shape), *state]


def array_of(values: Sequence[Any], shape: Sequence[int]) -> Balls:
    """An array of balls, from numbers in a row."""
    array = np.empty(len(values), object)
    array[:] = [arb(value) for value in values]
    return array.reshape(shape)


class _Plan:
    """The lines of a rule, and before each the quantities of a whole tensor that it needs."""

    def __init__(self) -> None:
        self.parts: list[_Everywhere | _Whole] = []
        self._names = (sp.Symbol(f"quantity_{number}", real=True) for number in count())

    def add(self, left: sp.Symbol, right: sp.Expr) -> None:
        """One more line."""
        plain = self._without_quantities(right)
        arguments = sorted(plain.free_symbols, key=str)
        self.parts.append(_Everywhere(tuple(arguments), left, compile_balls(arguments, [plain], share=False)))

    def _without_quantities(self, expression: sp.Expr) -> sp.Expr:
        """The expression with a symbol for each quantity of a whole tensor."""
        if not expression.has(tensors.TensorFunction):
            return expression
        arguments = [self._without_quantities(each) for each in expression.args]
        if not isinstance(expression, tensors.TensorFunction):
            return expression.func(*arguments)
        names = [self._named(each) for each in arguments]
        result = next(self._names)
        self.parts.append(_Whole(_QUANTITIES[type(expression)], tuple(names), result))
        return result

    def _named(self, expression: sp.Expr) -> sp.Symbol:
        if isinstance(expression, sp.Symbol):
            return expression
        name = next(self._names)
        self.add(name, expression)
        return name


def _mean(axis: int) -> Callable[[Balls], Balls]:
    return lambda array: array.sum(axis, keepdims=True) / array.shape[axis]


_QUANTITIES: Mapping[type[tensors.TensorFunction], Callable[..., Balls]] = {
    tensors.Total: lambda array: array.sum(),
    tensors.RowMean: _mean(-1),
    tensors.ColumnMean: _mean(-2),
    tensors.Transposed: lambda array: array.swapaxes(-1, -2),
    tensors.MatrixProduct: np.matmul,
}


@cache
def _tensor(rule: UpdateRule, dimensions: int) -> _Tensor:
    plan = _Plan()
    for left, right in rule.equations:
        # A branch for other dimensions goes: its means may not be there.
        plan.add(left, right.xreplace({tensors.DIMENSIONS: sp.Integer(dimensions)}))
    return _Tensor(rule, _initial(rule), tuple(plan.parts))
