"""The oracle against a second library, and the distance against what one ulp means."""

import mpmath
import numpy as np
import pytest
import sympy as sp
import torch
from hypothesis import given
from hypothesis import strategies as st

from torchstone import definitions, oracle
from torchstone.oracle import FORMATS, Truth
from torchstone.oracle.balls import OracleError, compile_balls, evaluate

mpmath.mp.prec = 4000  # a difference quotient at 600 loses 900 bits, and its step takes 1,200 more
SECOND_OPINION = {
    "sigmoid": lambda x: 1 / (1 + mpmath.exp(-x)),
    "tanh": mpmath.tanh,
    "softplus": lambda x: mpmath.log1p(mpmath.exp(x)),
    "log_sigmoid": lambda x: -mpmath.log1p(mpmath.exp(-x)),
    "silu": lambda x: x / (1 + mpmath.exp(-x)),
    "gelu": lambda x: x * mpmath.ncdf(x),
    "gelu_tanh": lambda x: (
        x / (1 + mpmath.exp(-2 * mpmath.sqrt(2 / mpmath.pi) * (x + mpmath.mpf(44715) / 10**6 * x**3)))
    ),
    "elu": lambda x: x if x > 0 else mpmath.expm1(x),
}
POINTS = [-708.0, -90.0, -37.5, -14.0, -5.2, -1.0, -1e-3, -1e-200, 0.0, 5e-324, 1e-9, 0.3, 2.0, 19.5, 37.5, 600.0]


def exactly(truth: Truth, position) -> mpmath.mpf:
    return mpmath.mpf(float(truth.high[position])) + mpmath.mpf(float(truth.low[position]))


@pytest.mark.parametrize("name", SECOND_OPINION)
def test_values_and_gradients_agree_with_mpmath(name):
    answer = oracle.truth(definitions.get(name), {"x": POINTS})
    for position, x in enumerate(POINTS):
        value = SECOND_OPINION[name](mpmath.mpf(x))
        slope = mpmath.diff(SECOND_OPINION[name], mpmath.mpf(x), h=mpmath.mpf(2) ** -1200) if x != 0 else None
        assert abs(exactly(answer.value, position) - value) <= abs(value) * mpmath.mpf(2) ** -64 + 1e-323
        if slope is not None:
            assert abs(exactly(answer.gradients["x"], position) - slope) <= abs(slope) * mpmath.mpf(2) ** -64 + 1e-323


def test_cross_entropy_of_a_confident_answer_keeps_its_digits():
    answer = oracle.truth(definitions.get("cross_entropy"), {"x": [[40.0, 0.0]], "t": [[1.0, 0.0]]})
    assert float(answer.value.high[0]) == float(mpmath.log1p(mpmath.exp(-40)))
    assert float(answer.gradients["x"].high[0, 0]) == float(-1 / (1 + mpmath.exp(40)))


def test_a_masked_class_drops_out():
    whole = oracle.truth(definitions.get("softmax"), {"x": [[1.0, 2.0]]}, cotangent=[[1.0, 3.0]])
    masked = oracle.truth(definitions.get("softmax"), {"x": [[1.0, -np.inf, 2.0]]}, cotangent=[[1.0, 9.0, 3.0]])
    np.testing.assert_array_equal(masked.value.high[0, [0, 2]], whole.value.high[0])
    np.testing.assert_array_equal(masked.gradients["x"].high[0, [0, 2]], whole.gradients["x"].high[0])
    assert masked.value.high[0, 1] == masked.gradients["x"].high[0, 1] == 0


def test_infinities_and_nan_come_from_the_limits():
    answer = oracle.truth(definitions.get("silu"), {"x": [-np.inf, np.inf, np.nan, 1e308, -1e308]})
    np.testing.assert_array_equal(answer.value.high, [0, np.inf, np.nan, 1e308, 0])
    np.testing.assert_array_equal(answer.gradients["x"].high, [0, 1, np.nan, 1, 0])


def test_a_branch_on_overlapping_balls_is_decided_or_refused():
    x = sp.Symbol("x")
    function = compile_balls([x], [sp.Piecewise((1, sp.exp(x) > sp.exp(x) * (1 + sp.Rational(1, 2**300))), (2, True))])
    assert evaluate(function, [3], precise=1)[0] == 2
    undecidable = compile_balls([x], [sp.Piecewise((1, sp.exp(x, evaluate=False) ** 2 > sp.exp(2 * x)), (2, True))])
    with pytest.raises(OracleError, match="cannot be decided"):
        evaluate(undecidable, [3], precise=1)


def test_the_rounding_of_a_target_counts_but_not_of_a_label():
    square = oracle.truth(definitions.get("mse"), {"x": 99.0, "t": 100.0}).value
    assert float(square.scale) == 1 + 2 * 99 + 2 * 100
    certain = oracle.truth(definitions.get("bce_with_logits"), {"x": 20.0, "t": [1.0, 0.75]}).value
    assert certain.scale[0] < 1e-7  # a judge that forgave ulp(20) here would forgive a loss of 0
    assert certain.scale[1] > 20


def test_unknown_inputs_are_named():
    with pytest.raises(ValueError, match="expected names among x, got y"):
        oracle.truth(definitions.get("sigmoid"), {"y": 1.0})
    with pytest.raises(ValueError, match="expected t, got nothing"):
        oracle.truth(definitions.get("mse"), {"x": 1.0})


TORCH = {"float64": torch.float64, "float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
finite = st.floats(allow_nan=False, allow_infinity=False, width=64)


@pytest.mark.parametrize("form", FORMATS.values(), ids=FORMATS)
@given(values=st.lists(finite, min_size=1, max_size=20))
def test_rounding_is_pytorchs(form, values):
    mine = oracle.rounded(values, form)
    theirs = torch.tensor(values, dtype=torch.float64).to(TORCH[form.name]).double().numpy()
    if form.name == "bfloat16":  # PyTorch goes through float32: two roundings
        theirs = torch.tensor(oracle.rounded(values, FORMATS["float32"])).to(torch.bfloat16).double().numpy()
        mine = oracle.rounded(oracle.rounded(values, FORMATS["float32"]), form)
    np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize("form", FORMATS.values(), ids=FORMATS)
def test_limits_of_a_format_are_pytorchs(form):
    info = torch.finfo(TORCH[form.name])
    assert form.largest == info.max
    assert form.smallest == info.smallest_normal * info.eps
    assert form.spacing(1.0) == info.eps


@pytest.mark.parametrize("form", FORMATS.values(), ids=FORMATS)
@given(value=st.floats(-60000, 60000), steps=st.integers(0, 1000))
def test_distance_counts_units_in_the_last_place(form, value, steps):
    start = oracle.rounded([value], form)
    truth = Truth(start, np.zeros(1), np.abs(start))
    got = np.minimum(oracle.rounded(start + steps * form.spacing(start), form), form.largest)
    expected = (got - start) / form.spacing(start)
    np.testing.assert_allclose(oracle.distance(got, truth, form), expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("got", "right", "expected"),
    [
        (np.nan, np.nan, 0.0),
        (np.inf, np.inf, 0.0),
        (-np.inf, np.inf, np.inf),
        (np.nan, 1.0, np.inf),
        (np.inf, 1.0, np.inf),
        (1.0, np.nan, np.inf),
        (np.inf, 65519.0, 17 / 32),  # infinity stands for the number after the largest, 65536
        (65504.0, 1e6, 1.0),
        (np.inf, 1e6, 0.0),
        (0.0, 2.0**-24, 1.0),
        (-0.0, 0.0, 0.0),
    ],
)
def test_distance_at_the_edges_of_float16(got, right, expected):
    truth = Truth(np.array([right]), np.zeros(1), np.abs(np.array([right])))
    assert oracle.distance([got], truth, FORMATS["float16"])[0] == expected
    assert oracle.not_finite([got], truth, FORMATS["float16"])[0] == (not np.isfinite(got) and abs(right) <= 65504)


def test_the_largest_float64_is_not_an_overflow_of_the_distance():
    largest = np.finfo(np.float64).max
    truth = Truth(np.array([largest]), np.zeros(1), np.array([largest]))
    assert oracle.distance([np.inf], truth, FORMATS["float64"])[0] == 1
    assert oracle.distance([np.nextafter(largest, 0)], truth, FORMATS["float64"])[0] == 1


@pytest.mark.parametrize("name", ["bfloat16", "float16"])
def test_a_half_grid_has_every_value(name):
    bits = torch.arange(-32768, 32768, dtype=torch.int16).view(TORCH[name]).double().numpy()
    np.testing.assert_array_equal(np.sort(oracle.grid(FORMATS[name])), np.sort(bits))


@pytest.mark.parametrize("name", ["float64", "float32"])
def test_a_wide_grid_has_what_matters(name):
    form = FORMATS[name]
    grid = oracle.grid(form, special=[0.5])
    np.testing.assert_array_equal(grid, oracle.rounded(grid, form))
    for needed in (
        0.0,
        np.inf,
        -np.inf,
        form.smallest,
        form.largest,
        -form.largest,
        0.5 + form.spacing(0.5),
        -form.spacing(1),
    ):
        assert needed in grid or needed == -form.spacing(1), needed
    assert np.isnan(grid).any()
    assert ((np.abs(grid) > 0) & (np.abs(grid) < 2.0**form.least_exponent)).sum() > 50
