"""The derivations that a first course in deep learning asks for."""

import sympy as sp

from torchstone.definitions.calculus import D
from torchstone.derive.algebra import IDENTITIES
from torchstone.derive.shared import SIGMOID, define_sigmoid, g, sigma, sigmoid_slope, tanh_slope, u, x, y
from torchstone.derive.solving import solve
from torchstone.derive.writing import Writing, words

_PROBABILITY = sp.Interval.open(0, 1)


def sigmoid_derivative(writing: Writing) -> None:
    """dσ/dx = e^(-x)/(1 + e^(-x))²."""
    define_sigmoid(writing)
    sigmoid_slope(writing)


def sigmoid_derivative_in_y(writing: Writing) -> None:
    """dσ/dx = y (1 - y)."""
    define_sigmoid(writing)
    writing.define(y, sigma(x))
    writing.domains[y] = _PROBABILITY
    slope = sigmoid_slope(writing).expression
    solving = writing.chain("Solve y = σ(x) for exp(-x)")
    solving.equation(y, sigma(x), "given").equation(y, SIGMOID, "definition", "of σ")
    value = solve(solving, SIGMOID, y, sp.exp(-x))
    lines = writing.chain("In terms of y", D(sigma(x), x)).then(slope, "substitution", "the derivative from above")
    lines.substitute({sp.exp(-x): value}).by("arithmetic").by("common denominator")


def softmax_two_classes(writing: Writing) -> None:
    """The softmax of two classes is the sigmoid of the logits' difference."""
    z, softmax = sp.IndexedBase("z"), sp.IndexedBase("softmax(z)")
    i, j = sp.symbols("i j", integer=True, positive=True)
    classes = sp.Symbol("K", integer=True, positive=True)
    general = sp.exp(z[i]) / sp.Sum(sp.exp(z[j]), (j, 1, classes))
    writing.define(softmax[i], general)
    writing.define(classes, sp.Integer(2))
    define_sigmoid(writing)
    writing.define(x, z[1] - z[2])
    for own, other, argument in ((1, 2, x), (2, 1, -x)):
        two = general.subs(i, own).subs(classes, 2)
        lines = writing.chain(f"Class {own}", softmax[own]).then(general.subs(i, own), "definition", "of the softmax")
        lines.then(two, "substitution", "K = 2").then(two.doit(), "sum over classes", "the two terms")
        lines.extend(sp.exp(-z[own]))
        lines.then(SIGMOID.subs(x, argument), "substitution", f"{argument} = {words(z[own])} - {words(z[other])}")
        lines.recognise((SIGMOID.subs(x, argument), sigma(argument)))
    lines = writing.chain("The two probabilities sum to one", sigma(x) + sigma(-x))
    both = SIGMOID + SIGMOID.subs(x, -x)
    lines.then(both, "definition", "of σ")
    lines.then(SIGMOID + SIGMOID * sp.exp(-x), "extend the fraction", "top and bottom times exp(-x)")
    lines.by("common denominator")


def logit(writing: Writing) -> None:
    """The inverse of the sigmoid: x = log(y/(1 - y))."""
    define_sigmoid(writing)
    writing.define(y, sigma(x))
    writing.domains[y] = _PROBABILITY
    lines = writing.chain("Solve y = σ(x) for x")
    lines.equation(y, sigma(x), "given").equation(y, SIGMOID, "definition", "of σ")
    value = solve(lines, SIGMOID, y, x)
    together = value.replace(sp.log, lambda inside: sp.log(sp.together(inside)))
    lines.equation(x, together, "common denominator", IDENTITIES["common denominator"].mathematics)
    lines.equation(
        x,
        IDENTITIES["logarithm of a quotient"](together),
        "logarithm of a quotient",
        IDENTITIES["logarithm of a quotient"].mathematics,
    )


Link = tuple[sp.Symbol, sp.Expr, sp.Symbol]  # a name, what it stands for, and the variable in that


def _links(writing: Writing, *links: Link) -> None:
    """The chain rule, link by link from the inside out, and the product of their derivatives."""
    slopes = {}
    for symbol, expression, _ in links:
        writing.define(symbol, expression)
    for symbol, expression, variable in links:
        lines = writing.chain(f"d{symbol}/d{variable}", D(symbol, variable))
        lines.then(D(expression, variable), "definition", f"{symbol} = {words(expression)}").differentiate()
        slopes[D(symbol, variable)] = lines.expression
    multiply(writing, slopes, D(links[-1][0], links[0][2]), links[-2::-1])


def multiply(writing: Writing, slopes: dict[D, sp.Expr], left: D, inside: tuple[Link, ...]) -> None:
    """Write the chain rule: the product of the links' derivatives, with what is inside put in."""
    lines = writing.chain("The chain rule", left)
    lines.then(sp.Mul(*reversed(slopes), evaluate=False), "chain", "the derivatives of the links, multiplied")
    lines.then(sp.Mul(*reversed(slopes.values()), evaluate=False), "substitution", "the derivatives from above")
    for symbol, expression, _ in inside:
        lines.substitute({symbol: expression})
    lines.then(sp.factor_terms(IDENTITIES["arithmetic"](lines.expression)), "arithmetic")


def chain_exponential(writing: Writing) -> None:
    """f(u) = e^u, u = 2x + 3: df/dx = 2 e^(2x + 3)."""
    f = sp.Symbol("f", real=True)
    _links(writing, (u, 2 * x + 3, x), (f, sp.exp(u), u))


def chain_sine(writing: Writing) -> None:
    """f(g) = sin g, g(u) = u², u = 3x - 5: df/dx = 6 (3x - 5) cos((3x - 5)²)."""
    f = sp.Symbol("f", real=True)
    _links(writing, (u, 3 * x - 5, x), (g, u**2, u), (f, sp.sin(g), g))


NEURON = sp.symbols("w1 w2 b x1 x2", real=True)


def tanh_neuron(writing: Writing, wrt: tuple[sp.Symbol, ...] = NEURON) -> None:
    """f = tanh(w1 x1 + w2 x2 + b): each partial derivative is (1 - tanh² u) times that of u."""
    f = sp.Symbol("f", real=True)
    w1, w2, b, x1, x2 = NEURON
    weighted = w1 * x1 + w2 * x2 + b
    writing.define(u, weighted)
    writing.define(f, sp.tanh(u))
    slope = tanh_slope(writing, u).expression
    for variable in wrt:
        lines = writing.chain(f"By {variable}", D(f, variable))
        lines.then(
            sp.Mul(D(f, u), D(u, variable), evaluate=False), "chain", f"outer tanh(u), inner u = {words(weighted)}"
        )
        lines.then(slope * D(weighted, variable), "substitution", "the derivative from above; what u stands for")
        lines.differentiate().substitute({u: weighted})
