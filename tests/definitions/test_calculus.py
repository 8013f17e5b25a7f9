"""The rules of differentiation against SymPy's own derivative."""

import pytest
import sympy as sp
from hypothesis import given
from hypothesis import strategies as st

from torchstone import definitions
from torchstone.definitions import Function
from torchstone.definitions.calculus import ELEMENTARY, RULES, D, apply, carry_out, depends, differentiate, sift

x, a, b = sp.symbols("x a b", real=True)
z, t = sp.IndexedBase("z"), sp.IndexedBase("t")
i, j, k = sp.symbols("i j k", integer=True, nonnegative=True)
C = sp.Symbol("C", integer=True, positive=True)
FUNCTIONS = [
    entry
    for entry in definitions.every()
    if isinstance(entry, Function) and not any(each.encoding == "labels in sequence" for each in entry.inputs)
]

# A rule, what it is applied to, and what it gives: the textbook's examples.
EXAMPLES = [
    ("constant", a**2, 0),
    ("linear", a * x + b, a),
    ("component", z[i], sp.KroneckerDelta(i, k)),
    ("sum", sp.sin(x) + x**2, D(sp.sin(x), x) + D(x**2, x)),
    ("sum over classes", sp.Sum(sp.exp(z[j]), (j, 0, C - 1)), sp.Sum(D(sp.exp(z[j]), z[k]), (j, 0, C - 1))),
    ("piecewise", sp.Piecewise((x**2, x > 0), (0, True)), sp.Piecewise((D(x**2, x), x > 0), (D(0, x), True))),
    ("factor", a * sp.sin(x), a * D(sp.sin(x), x)),
    ("quotient", sp.sin(x) / (1 + x), ((1 + x) * D(sp.sin(x), x) - sp.sin(x) * D(1 + x, x)) / (1 + x) ** 2),
    ("product", x * sp.sin(x), D(x, x) * sp.sin(x) + x * D(sp.sin(x), x)),
    ("power", x**a, a * x ** (a - 1)),
    ("exponential", sp.exp(x), sp.exp(x)),
    ("exponential", a**x, a**x * sp.log(a)),
    ("logarithm", sp.log(x), 1 / x),
    ("elementary", sp.tanh(x), 1 - sp.tanh(x) ** 2),
    ("unknown function", sp.Function("f")(x), sp.Derivative(sp.Function("f")(x), x)),
    ("chain", sp.exp(x**2), sp.exp(x**2) * D(x**2, x)),
]


def variable_of(expression):
    return z[k] if expression.has(sp.Indexed) else x


@pytest.mark.parametrize(("name", "expression", "expected"), EXAMPLES)
def test_each_rule_gives_what_the_textbook_gives(name, expression, expected):
    assert apply(D(expression, variable_of(expression))) == (name, expected)


def test_a_component_of_a_table_has_two_deltas():
    n = sp.Symbol("n", integer=True, nonnegative=True)
    assert differentiate(z[i, j], z[k, n]) == sp.KroneckerDelta(i, k) * sp.KroneckerDelta(j, n)
    assert differentiate(sp.Sum(sp.sin(z[i, j]), (i, 0, C - 1)), z[k, n]).has(sp.cos)
    with pytest.raises(ValueError, match="expected functions with a known derivative"):
        differentiate(z[i, j], z[k])


def test_every_rule_has_an_example():
    assert {name for name, _, _ in EXAMPLES} == set(RULES)


@pytest.mark.parametrize("name", RULES)
def test_a_rule_that_does_not_apply_says_so(name):
    foreign = sp.Symbol("c") if name == "chain" else sp.cosh(sp.log(1 + x) ** 2)
    assert RULES[name](D(foreign, x)) is None


@pytest.mark.parametrize("function", ELEMENTARY, ids=lambda each: each.__name__)
def test_elementary_derivatives_are_sympys(function):
    expression = function(x)
    mine, theirs = differentiate(expression, x), sp.diff(expression, x)
    for point in (sp.Rational(1, 3), sp.Rational(-2, 5), sp.Rational(7, 3)):
        if function in (sp.asin, sp.acos, sp.atanh) and abs(point) > 1:
            continue
        if function is sp.acosh and point < 1:
            continue
        assert abs(sp.N((mine - theirs).subs(x, point), 30)) < 1e-25


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda each: each.name)
def test_the_definitions_derivatives_are_sympys(function):
    point = {entry.symbol: entry.default for entry in function.parameters if not entry.is_vector}
    others = {"p": sp.Rational(1, 3), "t": sp.Rational(2, 5), "x2": sp.Rational(1, 7), "var": sp.Rational(5, 3)}
    point |= {
        entry.symbol: others.get(entry.name, sp.Rational(-7, 10))
        for entry in function.inputs
        if not (entry.is_vector or entry.role == "parameter")
    }
    # SymPy takes components for complex numbers.
    theirs_of = function.expression.replace(sp.Abs, lambda u: sp.sqrt(u**2))
    for entry in function.inputs:
        if entry.role == "parameter" or entry.name in function.gradient_overrides:
            continue
        variable = entry.symbol[k] if entry.is_vector else entry.symbol
        mine, theirs = differentiate(function.expression, variable), sp.diff(theirs_of, variable)
        difference = (mine - theirs).subs(point)
        if function.is_vector:
            numbers = {"t": lambda n: sp.Rational(1, n + 2), "weight": lambda n: sp.Rational(n + 1, 2)}
            values = {
                entry.symbol[n]: numbers.get(entry.name, lambda n, m=m: sp.Rational(n * n + m, 3 + m * n))(n)
                for m, entry in enumerate(function.inputs)
                if entry.is_vector
                for n in range(3)
            }
            at = {C: 3, k: 1} | ({function.index: 2} if function.index else {})
            difference = difference.subs(at).doit().subs(values)
        assert abs(sp.N(difference, 30)) < 1e-25


pieces = st.recursive(
    st.sampled_from([x, sp.Integer(2), sp.Rational(1, 3), a]),
    lambda inside: st.one_of(
        st.tuples(inside, inside).map(lambda pair: pair[0] + pair[1]),
        st.tuples(inside, inside).map(lambda pair: pair[0] * pair[1]),
        st.tuples(inside, inside).map(lambda pair: pair[0] / (1 + pair[1] ** 2)),
        inside.map(lambda e: sp.exp(-(e**2))),
        inside.map(sp.sin),
        inside.map(sp.tanh),
        inside.map(sp.erf),
        inside.map(lambda e: sp.log(1 + e**2)),
        inside.map(lambda e: sp.sqrt(2 + e**2)),
    ),
    max_leaves=6,
)


@given(expression=pieces)
def test_random_derivatives_are_sympys(expression):
    difference = (differentiate(expression, x) - sp.diff(expression, x)).subs({a: sp.Rational(3, 7)})
    for point in (sp.Rational(-4, 3), sp.Rational(5, 9)):
        value = sp.N(difference.subs(x, point), 40)
        assert abs(value) < 1e-25


def test_a_pending_derivative_stays_until_it_is_carried_out():
    pending = D(1, x) + 2 * D(x**2, x)
    assert pending.has(D)
    assert carry_out(pending) == 4 * x
    assert D(x**2, x).doit() == 2 * x


def test_a_component_may_be_any_component():
    assert depends(z[j], z[k])
    assert not depends(t[j], z[k])


def test_sifting_picks_the_component():
    assert sift(sp.Sum(z[j] * sp.KroneckerDelta(j, k), (j, 0, C - 1))) == z[k]
    assert sift(sp.Sum(z[j], (j, 0, C - 1))) == sp.Sum(z[j], (j, 0, C - 1))


def test_a_function_without_a_known_derivative_is_named():
    with pytest.raises(ValueError, match="expected functions with a known derivative, got floor"):
        differentiate(sp.floor(x), x)
