"""True claims of the field, each of which must be proven; what only agrees is a loss."""

import pytest
import sympy as sp
from sympy import (
    Abs,
    Eq,
    Heaviside,
    KroneckerDelta,
    Max,
    Min,
    Ne,
    Piecewise,
    Product,
    Sum,
    erf,
    exp,
    log,
    pi,
    sign,
    sqrt,
    tanh,
)

from torchstone.judge import Claim, judge

x, y, a, b, c, p, q, t, s, u, w, delta = sp.symbols("x y a b c p q t s u w delta", real=True)
w1, w2, x1, x2, z1, z2, alpha, beta, sigma, mu, eta = sp.symbols(
    "w_1 w_2 x_1 x_2 z_1 z_2 alpha beta sigma mu eta", real=True
)
z, v, target, P = (sp.IndexedBase(name) for name in ("z", "v", "t", "p"))
i, j, k = sp.symbols("i j k", integer=True)
K, n, m = sp.symbols("K n m", integer=True, positive=True)
f, g, h = map(sp.Function, "fgh")

sigmoid = 1 / (1 + exp(-x))
Z = Sum(exp(z[j]), (j, 1, K))
soft_i, soft_k = exp(z[i]) / Z, exp(z[k]) / Z
phi, Phi = exp(-(x**2) / 2) / sqrt(2 * pi), (1 + erf(x / sqrt(2))) / 2
UNIT = sp.Interval.open(0, 1)
ROW = sp.IndexedBase("y")


def d(expression, by=x):
    return sp.diff(expression, by)


EQUALITIES = {
    # The sigmoid and its relatives
    "sigmoid'": (d(sigmoid), exp(-x) / (1 + exp(-x)) ** 2),
    "sigmoid' in itself": (d(sigmoid), sigmoid * (1 - sigmoid)),
    "sigmoid of -x": (sigmoid.subs(x, -x), 1 - sigmoid),
    "two forms of sigmoid": (sigmoid, exp(x) / (1 + exp(x))),
    "sigmoid by tanh": (sigmoid, (1 + tanh(x / 2)) / 2),
    "sigmoid''": (d(sigmoid, (x, 2)), sigmoid * (1 - sigmoid) * (1 - 2 * sigmoid)),
    "log sigmoid": (log(sigmoid), -log(1 + exp(-x))),
    "log sigmoid'": (d(log(sigmoid)), 1 - sigmoid),
    "sigmoid of an affine map": (d(sigmoid.subs(x, w * x + b), w), x * (sigmoid * (1 - sigmoid)).subs(x, w * x + b)),
    "logit of sigmoid": (x, log(sigmoid / (1 - sigmoid))),
    "sigmoid of logit": (1 / (1 + exp(-log(y / (1 - y)))), y),
    "logit split": (log(y / (1 - y)), log(y) - log(1 - y)),
    "logit turned": (log(y / (1 - y)), -log((1 - y) / y)),
    "logit'": (d(log(y / (1 - y)), y), 1 / (y * (1 - y))),
    "exp of logit": (exp(-log(y / (1 - y))), (1 - y) / y),
    "softplus'": (d(log(1 + exp(x))), sigmoid),
    "softplus of -x": (log(1 + exp(x)) - log(1 + exp(-x)), x),
    "softplus shifted": (log(1 + exp(x)), x + log(1 + exp(-x))),
    "softplus with beta": (d(log(1 + exp(beta * x)) / beta), 1 / (1 + exp(-beta * x))),
    "tanh'": (d(tanh(x)), 1 - tanh(x) ** 2),
    "tanh by exp": (tanh(x), (exp(x) - exp(-x)) / (exp(x) + exp(-x))),
    "tanh by sigmoid": (tanh(x), 2 * sigmoid.subs(x, 2 * x) - 1),
    "tanh neuron": (d(tanh(w1 * x1 + w2 * x2 + b), w1), x1 * (1 - tanh(w1 * x1 + w2 * x2 + b) ** 2)),
    "artanh": (sp.atanh(y), log((1 + y) / (1 - y)) / 2),
    "arsinh'": (d(sp.asinh(x)), 1 / sqrt(x**2 + 1)),
    "arsinh": (sp.asinh(x), log(x + sqrt(1 + x**2))),
    "cosh^2 - sinh^2": (sp.cosh(x) ** 2 - sp.sinh(x) ** 2, sp.S.One),
    "log cosh'": (d(log(sp.cosh(x))), tanh(x)),
    "sech^2": (sp.sech(x) ** 2, 1 - tanh(x) ** 2),
    "SiLU'": (d(x * sigmoid), sigmoid + x * sigmoid * (1 - sigmoid)),
    "SiLU' shorter": (d(x * sigmoid), sigmoid * (1 + x * (1 - sigmoid))),
    "GELU'": (d(x * Phi), Phi + x * phi),
    "GELU''": (d(x * Phi, (x, 2)), (2 - x**2) * phi),
    "Phi of -x": (Phi.subs(x, -x), 1 - Phi),
    "softsign'": (d(x / (1 + Abs(x))), 1 / (1 + Abs(x)) ** 2),
    "mish": (x * tanh(log(1 + exp(x))), x * ((1 + exp(x)) ** 2 - 1) / ((1 + exp(x)) ** 2 + 1)),
    # Cases
    "relu": (Max(0, x), (x + Abs(x)) / 2),
    "relu by cases": (Max(x, 0), Piecewise((x, x > 0), (0, True))),
    "relu of -x": (Max(x, 0) - Max(-x, 0), x),
    "relu'": (d(Max(x, 0)), Piecewise((1, x > 0), (0, x < 0))),
    "leaky relu": (Max(x, 0) + x / 100 * Heaviside(-x), Piecewise((x, x > 0), (x / 100, x < 0))),
    "elu'": (
        Piecewise((1, x > 0), (alpha * exp(x), True)),
        Piecewise((1, x > 0), (alpha * (exp(x) - 1) + alpha, True)),
    ),
    "|x|'": (d(Abs(x)), x / Abs(x)),
    "|xy|": (Abs(x * y), Abs(x) * Abs(y)),
    "max and min": (Max(x, y) + Min(x, y), x + y),
    "max by |x|": (Max(x, y), (x + y + Abs(x - y)) / 2),
    "x sign x": (x * sign(x), Abs(x)),
    "huber": (
        Piecewise((x**2 / 2, Abs(x) <= 1), (Abs(x) - sp.S.Half, True)),
        Piecewise((x**2 / 2, (x >= -1) & (x <= 1)), (x - sp.S.Half, x > 1), (-x - sp.S.Half, True)),
    ),
    "hinge": (Max(0, 1 - y * s), Piecewise((1 - y * s, y * s < 1), (0, True))),
    "clip": (Min(Max(x, -1), 1), Piecewise((-1, x < -1), (1, x > 1), (x, True))),
    # Logarithms, powers, roots, angles
    "log of a product": (log(x * y), log(x) + log(y)),
    "log of a square": (log(x**2), 2 * log(x)),
    "log of a quotient": (log(exp(a) / (b * c)), a - log(b) - log(c)),
    "x^x'": (d(x**x), x**x * (log(x) + 1)),
    "power rule": (d(x**a), a * x ** (a - 1)),
    "powers multiply": (x**a * x**b, x ** (a + b)),
    "a^x'": (d(2**x), 2**x * log(2)),
    "root'": (d(sqrt(x**2 + 1)), x / sqrt(x**2 + 1)),
    "root of a square": (sqrt(x**2), Abs(x)),
    "a root below": (1 / sqrt(2), sqrt(2) / 2),
    "nested roots": (sqrt(x) * sqrt(y), sqrt(x * y)),
    "a cube root": (x ** sp.Rational(1, 3) * x ** sp.Rational(2, 3), x),
    "a conjugate": (1 / (sqrt(x) - 1), (sqrt(x) + 1) / (x - 1)),
    "double angle": (sp.sin(2 * x), 2 * sp.sin(x) * sp.cos(x)),
    "Pythagoras": (sp.cos(2 * x), 1 - 2 * sp.sin(x) ** 2),
    "sum of angles": (sp.sin(x + y), sp.sin(x) * sp.cos(y) + sp.cos(x) * sp.sin(y)),
    "tan'": (d(sp.tan(x)), 1 + sp.tan(x) ** 2),
    "sin^2'": (d(sp.sin(x) ** 2), sp.sin(2 * x)),
    "quarter turn": (sp.sin(x + pi / 3), sp.sin(x) / 2 + sqrt(3) * sp.cos(x) / 2),
    "arctan": (sp.atan(x) + sp.atan(1 / x), pi / 2 * sign(x)),
    "arcsin and arccos": (sp.asin(x) + sp.acos(x), pi / 2),
    "arctan of a quotient": (d(sp.atan(y / x)), -y / (x**2 + y**2)),
    "2e^(2x+3)": (d(exp(2 * x + 3)), 2 * exp(2 * x) * exp(3)),
    "chain sine": (d(sp.sin((3 * x - 5) ** 2)), 6 * (3 * x - 5) * sp.cos((3 * x - 5) ** 2)),
    "cube": ((x + y) ** 3, x**3 + 3 * x**2 * y + 3 * x * y**2 + y**3),
    "difference quotient": (((x + a) ** 2 - x**2) / a, 2 * x + a),
    # Two classes, and K
    "softmax of two": (exp(z1) / (exp(z1) + exp(z2)), 1 / (1 + exp(-(z1 - z2)))),
    "softmax shifted": (soft_i, exp(z[i] - a) / Sum(exp(z[j] - a), (j, 1, K))),
    "softmax Jacobian": (d(soft_i, z[k]), soft_i * (KroneckerDelta(i, k) - soft_k)),
    "log softmax": (log(soft_i), z[i] - log(Z)),
    "log softmax'": (d(log(soft_i), z[k]), KroneckerDelta(i, k) - soft_k),
    "log-sum-exp'": (d(log(Z), z[k]), soft_k),
    "log-sum-exp shifted": (log(Z), a + log(Sum(exp(z[j] - a), (j, 1, K)))),
    "softmax sums to 1": (Sum(exp(z[i]) / Z, (i, 1, K)), sp.S.One),
    "vector-Jacobian": (
        Sum(v[i] * soft_i * (KroneckerDelta(i, k) - soft_k), (i, 1, K)),
        soft_k * (v[k] - Sum(v[j] * exp(z[j]), (j, 1, K)) / Z),
    ),
    "counted from 0": (Sum(z[j], (j, 0, K - 1)), Sum(z[j], (j, 0, K - 2)) + z[K - 1]),
    "named index": (Sum(z[j] ** 2, (j, 1, K)), Sum(z[k] ** 2, (k, 1, K))),
    "squared error'": (d(Sum((v[j] - z[j]) ** 2, (j, 1, K)) / K, z[k]), -2 * (v[k] - z[k]) / K),
    "mean residual": (Sum(z[j] - Sum(z[i], (i, 1, K)) / K, (j, 1, K)), sp.S.Zero),
    "product of sums": (Sum(Sum(z[i] * v[j], (j, 1, K)), (i, 1, K)), Sum(z[i], (i, 1, K)) * Sum(v[j], (j, 1, K))),
    "log-likelihood": (log(Product(P[j], (j, 1, K))), Sum(log(P[j]), (j, 1, K))),
    "regression'": (
        d(Sum((w * v[j] + b - z[j]) ** 2, (j, 1, K)), w),
        2 * Sum((w * v[j] + b - z[j]) * v[j], (j, 1, K)),
    ),
    "gaussian log-likelihood": (
        log(exp(-((x - mu) ** 2) / (2 * sigma**2)) / sqrt(2 * pi * sigma**2)),
        -log(2 * pi) / 2 - log(sigma) - (x - mu) ** 2 / (2 * sigma**2),
    ),
    "BCE'": (d(-y * log(p) - (1 - y) * log(1 - p), p), (p - y) / (p * (1 - p))),
    "BCE with logits": (-y * log(sigmoid) - (1 - y) * log(1 - sigmoid), log(1 + exp(x)) - x * y),
    "BCE with logits, stably": (log(1 + exp(x)) - x * y, Max(x, 0) - x * y + log(1 + exp(-Abs(x)))),
    "entropy'": (d(-p * log(p) - (1 - p) * log(1 - p), p), log((1 - p) / p)),
    "KL split": (
        Sum(P[j] * log(P[j] / v[j]), (j, 1, K)),
        Sum(P[j] * log(P[j]), (j, 1, K)) - Sum(P[j] * log(v[j]), (j, 1, K)),
    ),
    # Powers and sums of n terms
    "geometric sum": (Sum(q**j, (j, 0, n)), (1 - q ** (n + 1)) / (1 - q)),
    "bias correction": ((1 - beta) * Sum(beta ** (n - j), (j, 1, n)), 1 - beta**n),
    "momentum": (eta * Sum(mu ** (n - j) * s, (j, 1, n)), eta * s * (1 - mu**n) / (1 - mu)),
    "momentum's recurrence": (
        Sum(mu ** (n - j) * v[j], (j, 1, n)),
        mu * Sum(mu ** (n - 1 - j) * v[j], (j, 1, n - 1)) + v[n],
    ),
    "1 + ... + n": (Sum(j, (j, 1, n)), n * (n + 1) / 2),
    "1 q + ... + n q^n": (
        Sum(j * q**j, (j, 1, n)),
        q * (1 - (n + 1) * q**n + n * q ** (n + 1)) / (1 - q) ** 2,
    ),
    "a series": (Sum(q**j, (j, 0, sp.oo)), 1 / (1 - q)),
    "sums in another order": (
        Sum(exp(z[i] * v[j]), (j, 1, n), (i, 1, m)),
        Sum(exp(z[i] * v[j]), (i, 1, m), (j, 1, n)),
    ),
    "exp of logarithms": (exp(Sum(log(P[j]), (j, 1, n))), Product(P[j], (j, 1, n))),
    "signs of powers": ((-1) ** n * (-q) ** n, q**n),
    "n!": (sp.factorial(n + 1), (n + 1) * sp.factorial(n)),
    "three terms": (Sum(beta**j * v[j], (j, 1, 3)), beta * v[1] + beta**2 * v[2] + beta**3 * v[3]),
    # Unknown functions
    "product rule": (d(f(x) * g(x)), d(f(x)) * g(x) + f(x) * d(g(x))),
    "quotient rule": (d(f(x) / g(x)), (d(f(x)) * g(x) - f(x) * d(g(x))) / g(x) ** 2),
    "chain rule with exp": (d(exp(f(x))), exp(f(x)) * d(f(x))),
    "chain rule with log": (d(log(f(x))), d(f(x)) / f(x)),
    "chain of two": (d(f(g(x))), sp.Subs(sp.Derivative(f(u), u), u, g(x)) * d(g(x))),
}


@pytest.mark.parametrize("name", EQUALITIES)
def test_true_equalities_are_proven(name):
    left, right = map(sp.sympify, EQUALITIES[name])
    verdict = judge(Claim(left, right))
    assert verdict.outcome == "proven", verdict


ONE_IN_ALL = Eq(Sum(target[j], (j, 1, K)), 1)
GIVEN = {
    "cross-entropy'": (d(-Sum(target[j] * log(exp(z[j]) / Z), (j, 1, K)), z[k]), soft_k - target[k], (ONE_IN_ALL,)),
    "off the diagonal": (d(soft_i, z[k]), -soft_i * soft_k, (Ne(i, k),)),
    "two that sum to 1": (P[1] * (1 - P[1]), P[1] * P[2], (Eq(Sum(P[j], (j, 1, 2)), 1),)),
    "a symbol by its value": (x * y, x * (1 - x), (Eq(y, 1 - x),)),
    "a known sign": (Abs(x), x, (x > 0,)),
}  # fmt: skip


@pytest.mark.parametrize("name", GIVEN)
def test_what_is_given_may_be_used(name):
    left, right, given = GIVEN[name]
    assert judge(Claim(left, right, given=given)).outcome == "proven"
    assert judge(Claim(left, right)).outcome == "refuted"


def test_a_symbol_of_few_values_takes_each_of_them():
    labels = {y: sp.FiniteSet(0, 1)}
    cross_entropy = -y * log(p) - (1 - y) * log(1 - p)
    chosen = -log(Piecewise((p, y > sp.S.Half), (1 - p, True)))
    assert judge(Claim(cross_entropy, chosen, domains=labels)).outcome == "proven"
    assert judge(Claim(cross_entropy, chosen)).outcome == "refuted"


def test_a_domain_may_be_used():
    claim = Claim(Abs(p - 1), 1 - p, domains={p: UNIT})
    assert judge(claim).outcome == "proven"
    assert judge(Claim(claim.left, claim.right)).outcome == "refuted"
    assert judge(Claim(Abs(z[i]), z[i], domains={z: sp.Interval(0, sp.oo)})).outcome == "proven"


INEQUALITIES = {
    "sigmoid' is at most 1/4": (sigmoid * (1 - sigmoid), "<=", sp.Rational(1, 4)),
    "sigmoid is below 1": (sigmoid, "<", sp.S.One),
    "tanh is above -1": (tanh(x), ">", -sp.S.One),
    "log x is at most x - 1": (log(x), "<=", x - 1),
    "exp x is at least 1 + x": (exp(x), ">=", 1 + x),
    "a square": (x**2 + y**2, ">=", 2 * x * y),
    "softplus is positive": (log(1 + exp(x)) * 0 + exp(x), ">", sp.S.Zero),
    "exp is never 0": (exp(x), "!=", sp.S.Zero),
    "pi": (pi, "<", sp.Rational(22, 7)),
    "rounded": (Abs(sigmoid.subs(x, 1) - sp.Rational(7311, 10000)), "<=", sp.Rational(1, 20000)),
}


@pytest.mark.parametrize("name", INEQUALITIES)
def test_true_inequalities_are_proven(name):
    left, relation, right = INEQUALITIES[name]
    assert judge(Claim(left, right, relation)).outcome == "proven"


def test_what_is_proven_says_how():
    assert judge(Claim(x, x)).method == "the two sides are identical"
    assert judge(Claim(Max(x, 0), (x + Abs(x)) / 2)).method.startswith("symbolic: ")


def test_large_multiples_of_an_angle_need_not_be_taken_apart():
    a, b = sp.symbols("a b", real=True)
    left = sp.diff(sp.sin((3 * (a - b) - 5) ** 2), a)
    right = sp.cos(sp.expand((3 * a - 3 * b - 5) ** 2)) * 6 * (3 * a - 3 * b - 5)
    assert judge(Claim(left, right)).outcome == "proven"
    assert judge(Claim(left, -right)).outcome == "refuted"


def test_a_bound_need_not_be_rational():
    p = sp.Symbol("p", real=True)
    cases = sp.Piecewise((1, (p > 0) & (p < 1)), (p, True))
    domain = sp.Interval.open(sp.exp(-100), 1 - sp.exp(-100))
    assert judge(Claim(cases, sp.Integer(1), domains={p: domain})).outcome == "proven"
    assert judge(Claim(cases, sp.Integer(1), domains={p: sp.Interval(sp.exp(-100), sp.pi)})).outcome == "refuted"
