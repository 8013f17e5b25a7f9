"""What is suggested where a claim is refuted: the one change that makes it true."""

import pytest
import sympy as sp
from sympy import Piecewise, Sum, exp, log, tanh

from torchstone.judge import Claim, judge, suggest

x, y, a, b, u, w, p = sp.symbols("x y a b u w p", real=True)
x1, x2, w1, w2, z1, z2 = sp.symbols("x_1 x_2 w_1 w_2 z_1 z_2", real=True)
z, v = sp.IndexedBase("z"), sp.IndexedBase("v")
i, j, k = sp.symbols("i j k", integer=True)
n = sp.Symbol("n", integer=True, positive=True)
sigmoid = 1 / (1 + exp(-x))
neuron, gate = tanh(w1 * x1 + b), 1 / (1 + exp(-a * x))
total, squares = Sum(exp(z[j]), (j, 1, n)), Sum((w * v[j] - z[j]) ** 2, (j, 1, n))
slope = sp.Derivative


def with_definitions(definitions):
    def rebuild(left, right, changed):
        values = {sp.Symbol(name, real=True): body for name, body in {**definitions, **changed}.items()}
        for _ in values:
            left, right = left.subs(values), right.subs(values)
        return Claim(carried_out(left), carried_out(right))

    return rebuild


def carried_out(side):
    return side.xreplace({each: sp.diff(each.expr, *each.variables) for each in side.atoms(slope)})


SLIPS = {
    "a definition's sign": (exp(z1) / (exp(z1) + exp(z2)), 1 / (1 + exp(-x)), {"x": z2 - z1}, "x = z_1 - z_2 would"),
    "a lost inner derivative": (slope(exp(2 * x + 3), x), exp(2 * x + 3), {}, "inner derivative 2 (of 2*x + 3)"),
    "a lost inner derivative, of a neuron": (slope(neuron, w1), 1 - neuron**2, {}, "inner derivative x_1"),
    "a whole sign": (slope(sp.cos(x), x), sp.sin(x), {}, "the sign: -sin(x)"),
    "a sign inside": (sigmoid * (1 - sigmoid), sigmoid * (1 + sigmoid), {}, "1 - 1/(1 + exp(-x)) in place of 1 +"),
    "a sign in an exponent": (1 - sigmoid, sigmoid, {}, "exp(x) in place of exp(-x)"),
    "a lost factor": (slope(x**2 * y, x), x * y, {}, "lacks the factor 2"),
    "a lost factor of a defined symbol": (slope(sigmoid, x), y, {"y": sigmoid}, "lacks the factor 1 - y"),
    "a factor too many": (slope(log(x), x), 1 / x**2, {}, "lacks the factor x"),
    "a power not reduced": (slope(x**5, x), 5 * x**5, {}, "factor x too many"),
    "a lost term": ((x + y) ** 2, x**2 + y**2, {}, "lacks the term 2*x*y"),
    "a term too many": (slope(x + a, x), 1 + a, {}, "the term a too many"),
    "a swapped quotient": (exp(-log(p / (1 - p))), p / (1 - p), {}, "upside down"),
    "sine for cosine": (slope(sp.sin(x), x), sp.sin(x), {}, "cos(x)"),
    "an index": (exp(z[k]) / total, exp(z[i]) / total, {}, "z[k] in place of z[i]"),
    "a symbol's number": (slope(w1 * x1 + w2 * x2, w2), x1, {}, "x_2"),
    "a symbol": (slope(w * x + b, w), w, {}, "x on the right side"),
    "a term's factor": (slope(x * gate, x), u + x * u * (1 - u), {"u": gate}, "a*u*x*(1 - u)"),
    "a factor under a sum": (slope(squares / 2, w), Sum(w * v[j] - z[j], (j, 1, n)), {}, "*v[j]"),
    "a case": (sp.Abs(x), Piecewise((x, x > 0), (x, True)), {}, None),
    "numbers": (sp.Integer(9) - 8, sp.Integer(2), {}, "the left side is 1"),
    "nothing simple": (x**2 + 3 * x - 1, exp(x) * sp.tan(x) + log(x), {}, None),
}  # fmt: skip


@pytest.mark.parametrize("name", SLIPS)
def test_the_slip_is_named(name):
    left, right, definitions, words = SLIPS[name]
    rebuild = with_definitions(definitions)
    assert judge(rebuild(left, right, {})).outcome == "refuted"
    sentence = suggest(left, right, rebuild, definitions)
    assert words in sentence if words else sentence is None


def test_a_rebuild_that_fails_is_no_fault():
    def rebuild(left, right, changed):
        raise ValueError("no")

    assert suggest(x, y, rebuild, {}) is None


def test_a_suggestion_that_takes_too_long_is_none():
    # SymPy looks for the limits of these series, changed in one place, for minutes.
    x, k = sp.Symbol("x", real=True), sp.Symbol("k", integer=True)
    left = sp.Sum(k * x ** (k - 1) / sp.factorial(k), (k, 1, sp.oo))
    right = sp.Sum(x**k / sp.factorial(k - 1), (k, 1, sp.oo))
    assert suggest(left, right, lambda left, right, changed: Claim(left, right), {}) is None
