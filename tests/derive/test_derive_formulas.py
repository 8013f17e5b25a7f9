"""Derivations of formulas: right at random, readable, and clear about what they cannot do."""

import math

import pytest
import sympy as sp
import torch
from flint import arb, ctx
from hypothesis import given, settings
from hypothesis import strategies as st
from sympy.core.parameters import distribute

import torchstone
from torchstone.definitions.calculus import D
from torchstone.definitions.formula import read_formula
from torchstone.derive import derive, names
from torchstone.derive.formulas import of_formula
from torchstone.oracle.balls import compile_balls

x, w = sp.symbols("x w", real=True)
pieces = st.recursive(
    st.sampled_from(["x", "w", "2", "0.5", "(x - w)"]),
    lambda inside: st.one_of(
        st.tuples(inside, st.sampled_from("+-*"), inside).map(lambda three: f"({''.join(three)})"),
        st.tuples(inside, inside).map(lambda pair: f"({pair[0]})/(1 + ({pair[1]})**2)"),
        st.tuples(st.sampled_from(["sin", "cos", "tanh", "sigmoid", "erf", "exp"]), inside).map(
            lambda pair: f"{pair[0]}({pair[1]})"
        ),
        inside.map(lambda text: f"log(1 + ({text})**2)"),
        inside.map(lambda text: f"({text})**3"),
        inside.map(lambda text: f"sqrt(2 + ({text})**2)"),
    ),
    max_leaves=5,
)
formulas = pieces.filter(lambda text: x in read_formula(text).free_symbols)


def of_tensors(name):
    """PyTorch's function, of numbers too."""
    return lambda value: getattr(torch, name)(torch.as_tensor(value, dtype=torch.float64))


TORCH = {name: of_tensors(name) for name in ("sin", "cos", "tanh", "sigmoid", "erf", "exp", "log", "sqrt")}


def derivative(text):
    """What the rules make of a formula, by x; without the judge, which has tests of its own."""
    with distribute(False):
        return of_formula(read_formula(text), text, "x", None).chains[0].expression


@given(text=formulas)
def test_random_formulas_agree_with_autograd(text):
    found = derivative(text)
    values = {"x": 0.625, "w": -1.25}
    tensors = {name: torch.tensor(value, dtype=torch.float64, requires_grad=True) for name, value in values.items()}
    result = eval(text, {"__builtins__": {}}, {**TORCH, **tensors})
    (theirs,) = torch.autograd.grad(result, tensors["x"])
    point = {x: sp.Rational(5, 8), w: sp.Rational(-5, 4)}
    mine = float(sp.N(found.subs(point), 30))
    assert math.isclose(mine, theirs.item(), rel_tol=1e-9, abs_tol=1e-9 * (1 + abs(result.item())))


@settings(max_examples=60)
@given(text=formulas)
def test_random_formulas_agree_with_a_difference_quotient_of_balls(text):
    expression = read_formula(text)
    function = compile_balls([x, w], [expression])
    slope = compile_balls([x, w], [derivative(text)])
    before, ctx.prec = ctx.prec, 2000
    try:
        step = arb(2) ** -500
        at, fixed = arb(5) / 8, arb(-5) / 4
        (right,), (left,), (mine,) = function(at + step, fixed), function(at - step, fixed), slope(at, fixed)
        quotient = (arb(right) - arb(left)) / (2 * step)
        assert abs(quotient - arb(mine)) < (1 + abs(arb(mine))) * arb(2) ** -400
    finally:
        ctx.prec = before


@settings(max_examples=12)
@given(text=formulas.filter(lambda text: 1 < len(text) < 40))
def test_no_step_of_a_random_derivation_is_refuted(text):
    derivation = derive(text, wrt="x")
    assert all(step.verdict is None or step.verdict.outcome != "refuted" for step in derivation.steps)
    assert not derivation.result.has(D)


def test_a_wrong_rule_would_be_refuted(monkeypatch):
    from torchstone.definitions import calculus

    wrong = calculus.Rule("(f g)' = f' g'", lambda d: sp.Mul(*(D(f, d.variable) for f in d.expr.args)))
    monkeypatch.setitem(calculus.RULES, "product", wrong)
    derivation = derive("x*sin(x)")
    assert {step.verdict.outcome for step in derivation.steps if step.rule == "product"} == {"refuted"}
    assert not derivation.proven


LINES = {
    "tanh(w1*x1 + w2*x2 + b)": ["chain", "linear"],
    "x**2*exp(x)": ["product", "power, exponential", "factor"],
    "sin((3*x - 5)**2)": ["chain", "chain", "linear"],
    "log(x)/x": ["quotient", "logarithm"],
    "x*sin(x)**2 + x*cos(x)**2": ["sum", "product", "chain", "elementary", "sin² + cos² = 1"],
    "x if x > 0 else x**2": ["piecewise", "power"],
    "2**x": ["exponential"],
    "abs(x)": ["elementary"],
}


@pytest.mark.parametrize("text", LINES)
def test_one_rule_a_line(text):
    derivation = derive(text, wrt="w1" if "w1" in text else "x")
    assert [step.rule for step in derivation.steps] == LINES[text]
    assert derivation.proven
    assert all(step.because for step in derivation.steps)


def test_every_symbol_in_turn():
    derivation = derive("w*x")
    assert [(chain.heading, chain.result) for chain in derivation.chains] == [("By w", x), ("By x", w)]


def test_what_was_assumed_is_kept():
    derivation = derive("log(x)", assume="x > 0")
    assert derivation.domains == ((x, sp.Interval.open(0, sp.oo)),)
    several = derive("log(x)", assume=["x > 0", "x < 1"])
    assert several.domains == ((x, sp.Interval.open(0, 1)),)


@pytest.mark.parametrize("spelling", ["Sigmoid", "sigmoid_derivative_in_y", "Logit", "CrossEntropyLoss", "MAE"])
def test_names_in_any_spelling(spelling):
    assert derive(spelling).name in names()


REFUSED = [
    (("tanh(w1*x1 + w2*x2 + b)", "w3"), "wrt: expected one of b, w1, w2, x1, x2, got 'w3'"),
    (("tanh-neuron", "w3"), "wrt: expected one of w1, w2, b, x1, x2, got 'w3'"),
    (("sigmoid", "y"), "wrt: expected one of x, got 'y'"),
    (("logit", "x"), "wrt: expected none for logit, got 'x'"),
    (("adam", "g"), "expected neither for an optimizer, got 'g'"),
    (("sigmoit",), "did you mean sigmoid"),
    (("qqqqqqqqqq",), r"expected a derivation's name or a formula, got 'qqqqqqqqqq'; see torchstone.derive.names\(\)"),
    (("3 + 4",), "expected a formula with a symbol"),
    (("2x",), "expected an operator"),
    (("f(x) + 1",), "expected a known function"),
    (("relu", None, "y"), "expected a function whose derivative is one of its value"),
    (("x + sin(x)", None, "y"), "expected a function whose derivative is one of its value"),
    (("softmax", None, "y"), "expected a function of one number, got softmax"),
    (("exp(x)", None, "x"), "expected a name that is not in use, got 'x'"),
    (("exp(x)", None, "2y"), "expected a name for the value, got '2y'"),
    (("exp(w*x)", None, "y"), "wrt: expected one of w, x"),
    (("logit", None, "y"), "in_terms_of: expected none for logit"),
    (("log(x)", None, None, "x"), "assume: expected a symbol and its numbers"),
    (("log(x)", None, None, "y > 0"), "assume: expected one of x, got 'y'"),
    (("log(x)", None, None, ["x > 0", "x < 0"]), "assume: expected numbers that x may be, got none"),
]


@pytest.mark.parametrize(("arguments", "message"), REFUSED, ids=lambda each: str(each)[:30])
def test_what_cannot_be_done_is_said_in_one_line(arguments, message):
    with pytest.raises(ValueError, match=message) as error:
        derive(*arguments)
    assert "\n" not in str(error.value)


def test_it_is_public():
    assert torchstone.derive is derive
