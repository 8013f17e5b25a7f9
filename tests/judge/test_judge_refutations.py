"""False claims: refuted, with a counterexample that another library confirms; and what can't be judged."""

import signal
import threading
import time

import mpmath
import pytest
import sympy as sp
from sympy import Abs, Eq, KroneckerDelta, Max, Ne, Piecewise, Sum, exp, log, sqrt

from torchstone.judge import Claim, judge

x, y, a, b, p, h = sp.symbols("x y a b p h", real=True)
z1, z2 = sp.symbols("z_1 z_2", real=True)
z, t = sp.IndexedBase("z"), sp.IndexedBase("t")
i, j, k = sp.symbols("i j k", integer=True)
K, n = sp.symbols("K n", integer=True, positive=True)
f, g = sp.Function("f"), sp.Function("g")
sigmoid = 1 / (1 + exp(-x))

NUMBERS = {
    "a sign": (sigmoid, 1 / (1 + exp(x))),
    "sigmoid'": (sp.diff(sigmoid, x), sigmoid * (1 + sigmoid)),
    "softmax of two": (exp(z1) / (exp(z1) + exp(z2)), 1 / (1 + exp(z1 - z2))),
    "a square of a sum": ((x + y) ** 2, x**2 + y**2),
    "log of a sum": (log(x + y), log(x) + log(y)),
    "a lost inner derivative": (sp.diff(exp(2 * x + 3), x), exp(2 * x + 3)),
    "logit": (log(p / (1 - p)), log(p) + log(1 - p)),
    "a root": (sqrt(x**2), x),
    "true for x > -1000 only": (Max(x + 1000, 0), x + 1000),
    "true between -3 and 3": (Piecewise((x, Abs(x) < 3), (3, True)), x),
    "true for whole numbers": (sp.sin(sp.pi * x), sp.S.Zero),
    "true at 0 and 1": (x**2, x),
    "true to 20 digits": (x * (1 + sp.Rational(1, 10**20)), x),
    "no variable": (sp.Integer(9) - 18 + 10, sp.Integer(2)),
    "relu": (Max(0, x), Abs(x)),
    "a quotient": ((a + b) / (a - b), (b + a) / (b - a)),
}


def at(side, point):
    """The value by mpmath, at 50 digits."""
    values = {sp.Symbol(name, real=True): sp.Rational(text) for name, text in point.items()}
    with mpmath.workdps(50):
        return mpmath.mpf(str(sp.N(side.subs(values), 50)))


@pytest.mark.parametrize("name", NUMBERS)
def test_the_counterexample_is_one(name):
    left, right = NUMBERS[name]
    verdict = judge(Claim(left, right))
    assert verdict.outcome == "refuted"
    counterexample = verdict.counterexample
    assert set(counterexample.point) == {str(symbol) for symbol in (left - right).free_symbols}
    here, there = at(left, counterexample.point), at(right, counterexample.point)
    assert here != there
    assert counterexample.left != counterexample.right
    for value, text in ((here, counterexample.left), (there, counterexample.right)):
        assert mpmath.almosteq(value, mpmath.mpf(sp.N(sp.Rational(text), 50)), 1e-9)


STRUCTURES = {
    "softmax shifted by two": (
        exp(z[i]) / Sum(exp(z[j]), (j, 1, K)),
        exp(z[i] - a) / Sum(exp(z[j] + a), (j, 1, K)),
        (),
    ),
    "a Jacobian's sign": (KroneckerDelta(i, k) - z[k], KroneckerDelta(i, k) + z[k], ()),
    "an index": (Sum(z[j] * t[j], (j, 1, K)), Sum(z[j] * t[k], (j, 1, K)), ()),
    "a mean without its n": (Sum(z[j], (j, 1, n)) / n, Sum(z[j], (j, 1, n)), ()),
    "only for i != k": (KroneckerDelta(i, k), sp.S.Zero, ()),
    "given, and still wrong": (Sum(t[j] * z[j], (j, 1, K)), z[1], (Eq(Sum(t[j], (j, 1, K)), 1),)),
    "distinct indices": (z[i], z[k], (Ne(i, k),)),
    "one power too many": (Sum(a**j, (j, 1, n)), a * (1 - a ** (n + 1)) / (1 - a), ()),
    "chain rule": (sp.diff(f(g(x)), x), sp.Subs(sp.Derivative(f(y), y), y, g(x)), ()),
    "product rule": (sp.diff(f(x) * g(x), x), sp.diff(f(x), x) * sp.diff(g(x), x), ()),
}


@pytest.mark.parametrize("name", STRUCTURES)
def test_structures_are_refuted(name):
    left, right, given = STRUCTURES[name]
    verdict = judge(Claim(left, right, given=given))
    assert verdict.outcome == "refuted"
    assert verdict.counterexample.left != verdict.counterexample.right


def test_the_counterexample_is_small_and_names_everything():
    verdict = judge(Claim(exp(z[i]) / Sum(exp(z[j]), (j, 1, K)), exp(z[k]) / Sum(exp(z[j]), (j, 1, K))))
    point = verdict.counterexample.point
    assert point["K"] == "2"
    assert {point["i"], point["k"]} == {"1", "2"}
    assert {point["z[1]"], point["z[2]"]} == {"0", "1"}
    unknown = judge(Claim(f(x), f(x) + 1)).counterexample
    assert unknown.point["f(x)"] == "x**2 + x + 1" or sp.sympify(unknown.point["f(x)"]).has(sp.Symbol("x"))
    assert judge(Claim(x, x + 1)).counterexample.point == {"x": "1"}


def test_points_lie_in_the_domain():
    left, right = log(p), p - 1
    point = judge(Claim(left, right, domains={p: sp.Interval.open(0, 1)})).counterexample.point
    assert 0 < sp.Rational(point["p"]) < 1
    assert judge(Claim(p**2, p, domains={p: sp.FiniteSet(0, 1)})).outcome in ("proven", "agrees")
    assert judge(Claim(Abs(p), p, domains={p: sp.Interval(5, sp.oo)})).outcome == "proven"
    outside = judge(Claim(p, 0 * p + 7, domains={p: sp.Interval(5, 6)})).counterexample.point
    assert 5 <= sp.Rational(outside["p"]) <= 6


RELATIONS = {
    "strict": (exp(x), ">", sp.S.One),
    "x^2 >= x": (x**2, ">=", x),
    "equal": (x + x, "!=", 2 * x),
    "below": (sigmoid, "<", sp.S.Half),
    "pi": (sp.pi, ">=", sp.Rational(22, 7)),
}


@pytest.mark.parametrize("name", RELATIONS)
def test_other_relations_are_refuted(name):
    left, relation, right = RELATIONS[name]
    assert judge(Claim(left, right, relation)).outcome == "refuted"


UNKNOWN = {
    "no real value anywhere": (log(-(x**2) - 1), x),
    "infinite": (sp.oo + 0 * x, x),
    "not a number": (sp.nan, x),
    "imaginary": (sp.I * x, x),
    "an integral": (sp.Integral(exp(-(y**2)), (y, 0, x)), x),
    "a limit": (sp.Limit(sp.sin(x) / x, x, 0), y),
    "a function without a rule": (sp.zeta(x), x),
    "a condition that stays": (Piecewise((x, sp.Contains(x, sp.Interval(0, 1)))), x),
    "too large a number": (sp.Pow(10, sp.Pow(10, 10**10, evaluate=False), evaluate=False), x),
    "exp of exp of exp of exp": (exp(exp(exp(exp(exp(x**2 + 10))))), x),
    "a sum without end": (Sum(1 / j**3, (j, 1, sp.oo)), sp.pi**3 / 26),
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_what_cannot_be_judged_is_unknown_and_says_why(name):
    left, right = UNKNOWN[name]
    verdict = judge(Claim(left, right), seconds=2)
    assert verdict.outcome == "unknown"
    assert verdict.method


def test_deep_nesting_is_no_fault():
    deep = x
    for _ in range(2000):
        deep = sp.Add(sp.Mul(deep, 2, evaluate=False), 1, evaluate=False)
    assert judge(Claim(deep, x), seconds=2).outcome in ("unknown", "refuted")


def test_the_time_limit_holds_and_the_former_alarm_stays():
    rang = []
    before = signal.signal(signal.SIGALRM, lambda *_: rang.append(True))
    try:
        signal.setitimer(signal.ITIMER_REAL, 30)
        many = sp.symbols("s:12", real=True)
        hard = sum(sp.sin(sum(many) ** power) for power in range(2, 30))
        started = time.monotonic()
        verdict = judge(Claim(hard, sp.expand(many[0] * hard / many[0], deep=False)), seconds=0.5)
        assert time.monotonic() - started < 10
        assert verdict.outcome in ("proven", "agrees", "unknown")
        assert signal.getitimer(signal.ITIMER_REAL)[0] > 0
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert not rang


def test_it_works_in_another_thread():
    found = []
    thread = threading.Thread(target=lambda: found.append(judge(Claim((x + 1) ** 2, x**2 + 2 * x + 1))))
    thread.start()
    thread.join()
    assert found[0].outcome == "proven"
