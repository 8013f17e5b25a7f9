"""The activations' derivatives, in the form that their backwards are written in."""

from collections.abc import Callable, Mapping

import sympy as sp

from torchstone.definitions import Function
from torchstone.definitions.calculus import D
from torchstone.derive.kinks import write_kinks
from torchstone.derive.shared import (
    IS_A_CLASS,
    SIGMOID,
    C,
    define_sigmoid,
    i,
    k,
    sigma,
    sigmoid_slope_by_sigma,
    tanh_slope,
    x,
)
from torchstone.derive.writing import Lines, Writing


def _begin(writing: Writing, name: str, expression: sp.Expr, heading: str = "The derivative") -> Lines:
    """State what the function is, and begin the chain from its derivative."""
    f = sp.Function(name)(x)
    writing.define(f, expression)
    return writing.chain(heading, D(f, x)).then(D(expression, x), "definition", f"of {name}")


def _with_kinks(writing: Writing, function: Function) -> None:
    lines = _begin(writing, function.name, function.expression, "Between the kinks").differentiate()
    write_kinks(writing, function, lines)


def sigmoid(writing: Writing, function: Function) -> None:
    """σ' = σ (1 - σ)."""
    define_sigmoid(writing)
    sigmoid_slope_by_sigma(writing)


def tanh(writing: Writing, function: Function) -> None:
    """tanh' = 1 - tanh²."""
    tanh_slope(writing, x)


def softplus(writing: Writing, function: Function) -> None:
    """The sigmoid of βx."""
    define_sigmoid(writing)
    beta = function.by_name["beta"].symbol
    expression = function.expression.subs(function.by_name["threshold"].symbol, sp.oo)
    lines = _begin(writing, "softplus", expression).differentiate().extend(sp.exp(-beta * x))
    lines.recognise((SIGMOID.subs(x, beta * x), sigma(beta * x)))


def log_sigmoid(writing: Writing, function: Function) -> None:
    """(log σ)' = σ(-x)."""
    define_sigmoid(writing)
    lines = _begin(writing, "log_sigmoid", function.expression).differentiate().extend(sp.exp(x))
    lines.recognise((SIGMOID.subs(x, -x), sigma(-x)))


def silu(writing: Writing, function: Function) -> None:
    """(x σ)' = σ (1 + x (1 - σ))."""
    define_sigmoid(writing)
    slope = sigmoid_slope_by_sigma(writing).expression
    lines = _begin(writing, "silu", function.expression).recognise((SIGMOID, sigma(x)))
    lines.differentiate({sp.Derivative(sigma(x), x): slope}).by("factor")


def gelu(writing: Writing, function: Function) -> None:
    """(x Φ)' = Φ + x φ."""
    big, small = sp.Function("Phi")(x), sp.Function("phi")(x)
    density, area = sp.exp(-(x**2) / 2) / sp.sqrt(2 * sp.pi), (1 + sp.erf(x / sp.sqrt(2))) / 2
    writing.define(big, area)
    writing.define(small, density)
    lines = writing.chain("The derivative of Φ", D(big, x)).then(D(area, x), "definition", "of Φ").differentiate()
    lines.recognise((density, small))
    lines = _begin(writing, "gelu", function.expression)
    lines.then(D(x * big, x), "recognise", f"Phi(x) = {area}").differentiate({sp.Derivative(big, x): small})


def gelu_tanh(writing: Writing, function: Function) -> None:
    """With v(x) inside: (1 + tanh v)/2 + x/2 (1 - tanh² v) v'."""
    inside = function.expression.atoms(sp.tanh).pop().args[0]
    v = sp.Function("v")(x)
    writing.define(v, inside)
    slope = writing.chain("The inner derivative", D(v, x)).then(D(inside, x), "definition", "of v")
    slope.differentiate()
    lines = _begin(writing, "gelu_tanh", function.expression).recognise((inside, v))
    lines.differentiate({sp.Derivative(v, x): slope.expression})


def softmax(writing: Writing, function: Function) -> None:
    """The Jacobian y_i (δ_ik - y_k), and the vector-Jacobian product y_k (g_k - Σ_i g_i y_i)."""
    row, y, g = function.prediction.symbol, sp.IndexedBase("y"), sp.IndexedBase("g")
    classes = (i, 0, C - 1)
    total = function.expression.atoms(sp.Sum).pop()
    writing.define(y[i], function.expression)
    writing.given.append(IS_A_CLASS)
    lines = writing.chain("The Jacobian", D(y[i], row[k]))
    lines.then(D(function.expression, row[k]), "definition", "of the softmax").differentiate().by("split the fraction")
    lines.recognise((sp.exp(row[i]) / total, y[i]), (sp.exp(row[k]) / total, y[k])).by("factor")
    jacobian = lines.expression
    product = writing.chain("The vector-Jacobian product", sp.Sum(g[i] * D(y[i], row[k]), classes))
    product.then(sp.Sum(g[i] * jacobian, classes), "substitution", "the Jacobian from above")
    product.by("split the sum").sift().by("factor")


def log_softmax(writing: Writing, function: Function) -> None:
    """The Jacobian δ_ik - p_k, and the vector-Jacobian product g_k - p_k Σ_i g_i."""
    row, p, g = function.prediction.symbol, sp.IndexedBase("p"), sp.IndexedBase("g")
    y = sp.IndexedBase("y")
    classes = (i, 0, C - 1)
    total = function.expression.atoms(sp.Sum).pop()
    writing.define(y[i], function.expression)
    writing.define(p[i], sp.exp(row[i]) / total)
    writing.given.append(IS_A_CLASS)
    lines = writing.chain("The Jacobian", D(y[i], row[k]))
    lines.then(D(function.expression, row[k]), "definition", "of the logarithm of the softmax")
    lines.then(
        D(row[i] - sp.log(total), row[k]), "logarithm of a quotient", "log(a/b) = log a - log b; log(exp(a)) = a"
    )
    lines.differentiate().recognise((sp.exp(row[k]) / total, p[k]))
    jacobian = lines.expression
    product = writing.chain("The vector-Jacobian product", sp.Sum(g[i] * D(y[i], row[k]), classes))
    product.then(sp.Sum(g[i] * jacobian, classes), "substitution", "the Jacobian from above")
    product.by("split the sum").sift()


SCRIPTS: Mapping[str, Callable[[Writing, Function], None]] = {
    "relu": _with_kinks,
    "leaky_relu": _with_kinks,
    "elu": _with_kinks,
    "sigmoid": sigmoid,
    "log_sigmoid": log_sigmoid,
    "tanh": tanh,
    "softplus": softplus,
    "silu": silu,
    "gelu": gelu,
    "gelu_tanh": gelu_tanh,
    "softmax": softmax,
    "log_softmax": log_softmax,
}
