"""Random claims: what is true is never refuted, what is false is found and never proven, and nothing raises."""

import pytest
import sympy as sp
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from torchstone.judge import Claim, judge
from torchstone.judge.slip import single_changes

x, y = sp.symbols("x y", real=True)
z = sp.IndexedBase("z")
i, j = sp.symbols("i j", integer=True)
K = sp.Symbol("K", integer=True, positive=True)

QUICK = settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
PAIRS = ((3, 7, -5, 3), (11, 5, 2, 9), (-4, 3, 13, 8), (-1, 6, -9, 4), (17, 4, 31, 9), (1, 8, 7, 10))
POINTS = [(sp.Rational(a, b), sp.Rational(c, d)) for a, b, c, d in PAIRS]

LEAVES = st.sampled_from([x, y, x, y, sp.Integer(1), sp.Integer(2), sp.Integer(3), sp.Rational(1, 2)])
UNARY = st.sampled_from(
    [
        sp.exp,
        lambda e: sp.exp(-e),
        lambda e: sp.log(1 + sp.exp(e)),
        lambda e: 1 / (1 + sp.exp(-e)),
        sp.tanh,
        sp.sin,
        sp.cos,
        sp.Abs,
        lambda e: sp.Max(e, 0),
        lambda e: sp.sqrt(e**2 + 1),
        lambda e: e**2,
        lambda e: 1 / (e**2 + 1),
        sp.log,
        lambda e: -e,
    ]
)
BINARY = st.sampled_from(
    [sp.Add, sp.Mul, lambda a, b: a - b, lambda a, b: a / (b**2 + 2), lambda a, b: a / b if b != 0 else a, sp.Max]
)


def deeper(inner):
    return st.one_of(
        st.builds(lambda f, e: f(e), UNARY, inner), st.builds(lambda f, a, b: f(a, b), BINARY, inner, inner)
    )


EXPRESSIONS = st.recursive(LEAVES, deeper, max_leaves=5).filter(
    lambda e: e.free_symbols and not e.has(sp.nan, sp.zoo, sp.oo, sp.I) and sp.count_ops(e) < 40
)


def exponentials(e):
    return e.replace(sp.tanh, lambda u: (sp.exp(u) - sp.exp(-u)) / (sp.exp(u) + sp.exp(-u)))


def sigmoids(e):
    return e.replace(sp.tanh, lambda u: 2 / (1 + sp.exp(-2 * u)) - 1)


def cases(e):
    return e.replace(sp.Abs, lambda u: sp.Piecewise((u, u >= 0), (-u, True)))


def logarithms(e):
    return e.replace(sp.log, lambda u: 2 * sp.log(u) - sp.log(u))


REWRITINGS = st.sampled_from(
    [sp.expand, sp.together, sp.factor, exponentials, sigmoids, cases, logarithms, lambda e: sp.expand(e, trig=True)]
)


def values(e):
    """The real values at the points; None where there is none."""
    found = []
    for point in POINTS:
        try:
            value = sp.N(e.subs(dict(zip((x, y), point, strict=True))), 40)
        except (TypeError, ValueError):
            value = sp.nan
        found.append(value if value.is_Float or value.is_Rational else None)
    return found


def differ(one, other):
    """Whether another library is certain that the two differ somewhere."""
    pairs = [(a, b) for a, b in zip(values(one), values(other), strict=True) if a is not None and b is not None]
    return any(abs(a - b) > sp.Float(10) ** -25 * (abs(a) + abs(b) + 1) for a, b in pairs if abs(a) < 10**30)


@QUICK
@given(EXPRESSIONS, REWRITINGS, REWRITINGS)
def test_true_identities_are_never_refuted(e, first, second):
    other = second(first(e))
    verdict = judge(Claim(e, other), seconds=1)
    assert verdict.outcome != "refuted", (e, other, verdict)


@QUICK
@given(EXPRESSIONS, st.data())
def test_single_slips_are_found_and_never_proven(e, data):
    changed = list(single_changes(e))
    assume(changed)
    other = data.draw(st.sampled_from(changed))
    assume(not other.has(sp.nan, sp.zoo, sp.oo, sp.I))
    assume(differ(e, other))
    assert judge(Claim(e, other), seconds=1).outcome == "refuted", (e, other)


@QUICK
@given(EXPRESSIONS, EXPRESSIONS)
def test_two_random_expressions_are_hardly_equal(e, other):
    assume(differ(e, other))
    assert judge(Claim(e, other), seconds=1).outcome == "refuted", (e, other)


@QUICK
@given(EXPRESSIONS, st.sampled_from([x, y]))
def test_a_derivative_against_its_limit(e, by):
    # (f(x + h) - f(x - h)) / (2h) is not f'(x) but for quadratics: the judge must see which.
    step = sp.Rational(1, 100)
    quotient = (e.subs(by, by + step) - e.subs(by, by - step)) / (2 * step)
    slope = sp.diff(e, by)
    assume(not slope.has(sp.Derivative, sp.Subs, sp.DiracDelta))
    verdict = judge(Claim(slope, quotient), seconds=1)
    assert (verdict.outcome != "proven") or not differ(slope, quotient), (e, verdict)


BODIES = st.sampled_from(
    [z[j], z[j] ** 2, sp.exp(z[j]), sp.exp(z[j] - x), x * z[j] + y, z[j] * sp.exp(-z[j]), sp.log(z[j])]
)


def vectors(body):
    return sp.Sum(body, (j, 1, K))


@QUICK
@given(BODIES, BODIES, st.sampled_from([1, 2, -1]))
def test_sums_are_linear_and_nothing_else(one, other, factor):
    assume(sp.expand(factor * one + other) != 0)
    together = vectors(sp.expand(factor * one + other))
    apart = factor * vectors(one) + vectors(other)
    assert judge(Claim(together, apart)).outcome == "proven"
    assert judge(Claim(together, apart + vectors(one))).outcome == "refuted"
    assert judge(Claim(together * vectors(one), vectors(sp.expand((factor * one + other) * one)))).outcome == "refuted"


NEGATIVE, POSITIVE = sp.Symbol("n", integer=True, negative=True), sp.Symbol("n", integer=True, positive=True)
ODD = [
    *(sp.Symbol("x"), NEGATIVE, sp.I, sp.zoo, sp.Matrix([1]), sp.true, sp.EmptySet, sp.Function("f")(x), sp.Dummy("d")),
    *(sp.Derivative(sp.Function("f")(x), (x, POSITIVE)), sp.Sum(z[j], (j, K, 1)), sp.Sum(z[j], (j, x, y))),
    *(sp.Product(z[j], (j, 1, sp.oo)), sp.KroneckerDelta(i, j), z[i, j], z[x], sp.Mod(x, 2), sp.Order(x)),
    *(sp.besselj(0, x), sp.Float("1e400"), sp.Rational(1, 10**30), sp.Piecewise((x, x > 0))),
]


@pytest.mark.parametrize("left", ODD, ids=str)
def test_nothing_raises(left):
    for right in (x, left, left + 1 if isinstance(left, sp.Expr) else sp.S.Zero):
        assert judge(Claim(left, right), seconds=1).outcome in ("proven", "agrees", "refuted", "unknown")
