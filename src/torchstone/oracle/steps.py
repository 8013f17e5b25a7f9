"""One step of an update rule on balls: of one element, or of a whole tensor."""

import math
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
    line: Compiled
    result: sp.Symbol

    def run(self, values: dict[sp.Symbol, Balls]) -> None:
        given = [values[symbol] for symbol in self.arguments]
        shapes = {array.shape for array in given if array.ndim}
        shape = shapes.pop() if len(shapes) == 1 else np.broadcast_shapes(*shapes)
        rows = zip(*(_column(array, shape) for array in given), strict=True) if given else [()]
        values[self.result] = array_of([ball for row in rows for ball in self.line(*row)], shape)


def _column(array: Balls, shape: tuple[int, ...]) -> list[Any]:
    if not array.ndim:
        return [array[()]] * math.prod(shape)
    whole: list[Any] = (array if array.shape == shape else np.broadcast_to(array, shape)).ravel().tolist()
    return whole


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


@cache  # the variants of a rule share most of their lines
def _parts(left: sp.Symbol, right: sp.Expr, dimensions: int) -> tuple[_Everywhere | _Whole, ...]:
    """A line, and before it the quantities of a whole tensor that it needs, each under a name of its own."""
    parts: list[_Everywhere | _Whole] = []

    def line(name: sp.Symbol, expression: sp.Expr) -> sp.Symbol:
        plain = without_quantities(expression)
        arguments = tuple(sorted(plain.free_symbols, key=str))
        parts.append(_Everywhere(arguments, compile_balls(arguments, [plain], share=False), name))
        return name

    def without_quantities(expression: sp.Expr) -> sp.Expr:
        if not expression.has(tensors.TensorFunction):
            return expression
        if not isinstance(expression, tensors.TensorFunction):
            return expression.func(*map(without_quantities, expression.args))
        function, least = _QUANTITIES[type(expression)]
        if dimensions < least:
            raise ValueError(f"start: expected {least} dimensions or more for {expression}, got {dimensions}")
        names = [each if isinstance(each, sp.Symbol) else line(_name(), each) for each in expression.args]
        parts.append(_Whole(function, tuple(names), _name()))
        return parts[-1].result

    # A branch for other dimensions goes: its means may not be there.
    line(left, right.xreplace({tensors.DIMENSIONS: sp.Integer(dimensions)}))
    return tuple(parts)


_names = (sp.Symbol(f"quantity_{number}", real=True) for number in count())


def _name() -> sp.Symbol:
    return next(_names)


def _mean(axis: int) -> Callable[[Balls], Balls]:
    return lambda array: array.sum(axis, keepdims=True) / array.shape[axis]


# What computes it, and how many dimensions a tensor has to have.
_QUANTITIES: Mapping[type[tensors.TensorFunction], tuple[Callable[..., Balls], int]] = {
    tensors.Total: (lambda array: array.sum(), 0),
    tensors.RowMean: (_mean(-1), 1),
    tensors.ColumnMean: (_mean(-2), 2),
    tensors.Transposed: (lambda array: array.swapaxes(-1, -2), 2),
    tensors.MatrixProduct: (np.matmul, 2),
}


@cache
def _tensor(rule: UpdateRule, dimensions: int) -> _Tensor:
    parts = [part for left, right in rule.equations for part in _parts(left, right, dimensions)]
    return _Tensor(rule, _initial(rule), tuple(parts))
