"""Formulas and domains as people type them."""

import pytest
import sympy as sp
from hypothesis import given
from hypothesis import strategies as st

from torchstone.definitions.formula import read_domain, read_formula

x, y, w1, x1, b, beta, n = sp.symbols("x y w1 x1 b beta n", real=True)

READ = [
    ("tanh(w1*x1 + b)", sp.tanh(w1 * x1 + b)),
    ("x*sigmoid(beta*x)", x / (1 + sp.exp(-beta * x))),
    ("log(1 + exp(x))", sp.log(1 + sp.exp(x))),
    ("ln(x) - 0.1*x", sp.log(x) - x / 10),
    ("1e-3*x", x / 1000),
    ("x**-2", x**-2),
    ("2**0.5", sp.sqrt(2)),
    ("pi*E**x", sp.pi * sp.exp(x)),
    ("+x - -x", 2 * x),
    ("max(x, 0)", sp.Max(0, x)),
    ("x if x > 0 else 0", sp.Piecewise((x, x > 0), (0, True))),
    ("Piecewise((x, x > 0), (-x, True))", sp.Piecewise((x, x > 0), (-x, True))),
    ("Piecewise((1, 0 < x < 1 or x > 3), (0, True))", sp.Piecewise((1, ((x > 0) & (x < 1)) | (x > 3)), (0, True))),
    ("leaky_relu(x, negative_slope=0.2)", sp.Piecewise((x, x > 0), (x / 5, True))),
    ("softplus(x)", sp.log(1 + sp.exp(x))),
    ("mse(x, y)", (x - y) ** 2),
    ("swish(x)", x / (1 + sp.exp(-x))),
    ("logit(y)", sp.log(y / (1 - y))),
]


@pytest.mark.parametrize(("text", "expected"), READ)
def test_formulas_are_read_exactly(text, expected):
    assert read_formula(text) == expected


REFUSED = [
    ("2x", r"an operator such as \* at character 2 of '2x', got 'x'"),
    ("(1+x)(1-x)", r"an operator such as \* at character 6"),
    ("2 x", "expected an expression"),
    ("x^2", r"expected \*\* for a power, got \^"),
    ("", "got nothing"),
    ("x +", "expected an expression"),
    ("lambda*x", "lambda is a word of Python's"),
    ("f(x)", "expected a known function"),
    ("sigmoit(x)", "such as sigmoid"),
    ("sigmoid(x, y)", "expected 1 arguments, got 2"),
    ("leaky_relu(x, slope=1)", "expected options among negative_slope, got slope"),
    ("exp()", "arguments that fit exp"),
    ("e**x", r"expected E, or exp\(x\)"),
    ("1/0", "a denominator other than 0"),
    ("0**-1", "a base other than 0"),
    ("log(0)", "a real number"),
    ("sqrt(-1)", "a real number"),
    ("(-8)**(1/3)", "a real number"),
    ("I*x", "real numbers"),
    ("9**9**9", "a smaller power"),
    ("9**9**9**9", "a smaller power"),
    ("1e999999", "a number of at most"),
    ("x > 0", "expected a number"),
    ("x if x else 0", "a condition"),
    ("Piecewise(x, 0)", "pairs"),
    ("__import__('os').system('true')", "expected a function's name"),
    ("x.__class__", "expected numbers, names"),
    ("[x]", "expected numbers, names"),
    ("(y := x)", "expected numbers, names"),
    ("'x'", "expected a number"),
    ("f'{x}'", "expected"),
    ("z[1]", "a component"),
    ("exp(*x)", "expected"),
    ("exp(**x)", "expected"),
    ("x" * 3000, "at most 2000 characters"),
    ("(" * 900 + "x" + ")" * 900, "expected an expression"),
    ("-" * 1900 + "x", "too deeply nested"),
]


@pytest.mark.parametrize(("text", "message"), REFUSED, ids=lambda each: each[:20])
def test_what_is_no_formula_is_refused_in_one_line(text, message):
    with pytest.raises(ValueError, match=message) as error:
        read_formula(text)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 400


@given(text=st.text(alphabet="x12().*/+-^,[]{}'_e =<>:\n", max_size=20))
def test_any_text_is_read_or_refused(text):
    try:
        result = read_formula(text)
    except ValueError as error:
        result = str(error)
    assert isinstance(result, sp.Expr) or result.startswith("formula: ")


def test_known_symbols_are_used():
    positive, z = sp.Symbol("x", positive=True), sp.IndexedBase("z")
    assert read_formula("sqrt(x**2) + z[1]", known=(positive, z)) == positive + z[1]


@pytest.mark.parametrize(
    ("text", "symbol", "domain"),
    [
        ("y in (0, 1)", y, sp.Interval.open(0, 1)),
        ("y in [0,1)", y, sp.Interval.Ropen(0, 1)),
        ("x in (0, oo)", x, sp.Interval.open(0, sp.oo)),
        ("n in {1, 2}", n, sp.FiniteSet(1, 2)),
        ("x > 0", x, sp.Interval.open(0, sp.oo)),
        ("0 < y <= 0.5", y, sp.Interval.Lopen(0, sp.Rational(1, 2))),
        ("x != 0", x, sp.Union(sp.Interval.open(-sp.oo, 0), sp.Interval.open(0, sp.oo))),
    ],
)
def test_domains_are_read(text, symbol, domain):
    assert read_domain(text) == (symbol, domain)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("y", "expected a symbol and its numbers"),
        ("x > y", "expected a symbol and its numbers"),
        ("y in (1, 0)", "got none"),
        ("y in (a, b)", "expected numbers, got 'a, b'"),
        ("y in (0, 1, 2)", "expected an interval"),
        ("y in 3", "expected a symbol and its numbers"),
        ("0 < x and x < 0", "expected a symbol and its numbers|got none"),
    ],
)
def test_what_is_no_domain_is_refused(text, message):
    with pytest.raises(ValueError, match=message):
        read_domain(text)
