"""The symbols and functions that several derivations share, under the names that they are known by."""

import sympy as sp

from torchstone import definitions
from torchstone.definitions import COMPONENT, Function
from torchstone.definitions.calculus import D
from torchstone.derive.writing import Lines, Writing

x, y, u, g, t, p = sp.symbols("x y u g t p", real=True)
sigma = sp.Function("sigma")

# Classes are counted from 0; k is the component that is differentiated by, one of the C classes.
i, k = sp.Symbol("i", integer=True, nonnegative=True), COMPONENT
C = sp.Symbol("C", integer=True, positive=True)
IS_A_CLASS = sp.Le(k, C - 1)


def function_of(name: str) -> Function:
    """The definition of a loss or an activation."""
    function = definitions.get(name)
    assert isinstance(function, Function)
    return function


SIGMOID = function_of("sigmoid").expression  # in x


def define_sigmoid(writing: Writing) -> None:
    """State what σ stands for."""
    writing.define(sigma(x), SIGMOID)


def sigmoid_slope(writing: Writing) -> Lines:
    """Write the chain from dσ/dx to e^(-x)/(1 + e^(-x))²."""
    lines = writing.chain("The derivative of σ", D(sigma(x), x))
    return lines.then(D(SIGMOID, x), "definition", "of σ").differentiate()


def sigmoid_slope_by_sigma(writing: Writing) -> Lines:
    """Write the chain from dσ/dx to σ(x) (1 - σ(x))."""
    lines = sigmoid_slope(writing)
    above = 1 + sp.exp(-x)
    lines.then(
        sp.Mul(sp.Add(above, -1, evaluate=False), above**-2, evaluate=False), "add and subtract 1", "in the numerator"
    )
    lines.then(1 / above - 1 / above**2, "split the fraction", "(a + b)/c = a/c + b/c")
    return lines.recognise((1 / above, sigma(x))).by("factor")


def tanh_slope(writing: Writing, v: sp.Symbol) -> Lines:
    """Write the chain from d tanh(v)/dv to 1 - tanh² v."""
    definition = function_of("tanh").expression.subs(x, v)
    writing.define(sp.tanh(v), definition)
    lines = writing.chain("The derivative of tanh", D(sp.tanh(v), v))
    lines.then(D(definition, v), "definition", "of tanh").differentiate().by("split the fraction")
    return lines.recognise((definition**2, sp.tanh(v) ** 2))
