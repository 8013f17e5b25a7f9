"""Quantities of a whole tensor in the lines of an update rule: sums, means and products over its elements.

A line of an update rule speaks of one element of each tensor. These functions look at all elements of what their
argument says: in `u / Max(Total(u**2), eps)` every element of `u` is divided by the same number.
"""

from functools import cache
from typing import Any

import sympy as sp

# Of the parameter: its elements, its dimensions, and the sizes of the last but one and the last dimension.
COUNT, DIMENSIONS, ROWS, COLUMNS = sp.symbols("count dimensions rows columns", integer=True, positive=True)
SIZES = (COUNT, DIMENSIONS, ROWS, COLUMNS)


class TensorFunction(sp.Function):
    """What takes whole tensors: the same expression at every element, or another tensor."""

    is_real = True

    @classmethod
    def eval(cls, *arguments: Any) -> None:
        """Nothing is simplified: what a number stands for depends on the shape."""


class Total(TensorFunction):
    """The sum of its argument over all elements that it has: what `RowMean` gives counts once a row."""

    nargs = 1


class RowMean(TensorFunction):
    """The mean over the last dimension, which stays as one of size 1."""

    nargs = 1


class ColumnMean(TensorFunction):
    """The mean over the last dimension but one, which stays as one of size 1."""

    nargs = 1


class Transposed(TensorFunction):
    """The tensor with its last two dimensions swapped."""

    nargs = 1


class MatrixProduct(TensorFunction):
    """The product of two matrices."""

    nargs = 2


def larger(one: Any, other: Any) -> sp.Expr:
    """The larger of two numbers, as it stands: SymPy takes milliseconds to find out that it cannot say which."""
    return sp.Max(one, other, evaluate=False)


def smaller(one: Any, other: Any) -> sp.Expr:
    """The smaller of two numbers, as it stands."""
    return sp.Min(one, other, evaluate=False)


@cache  # the variants of a rule share most of their lines
def is_elementwise(expression: sp.Basic) -> bool:
    """Whether an expression at one element needs that element of each tensor alone."""
    return not (expression.has(TensorFunction) or expression.free_symbols & set(SIZES))
