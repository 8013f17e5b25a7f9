"""Every activation of PyTorch's has a definition, and what the definitions say of themselves is so."""

import math
from dataclasses import replace

import mpmath
import numpy as np
import pytest
import sympy as sp
import torch

from torchstone import definitions, oracle
from torchstone.definitions import FREE, VALUE, for_counterpart

ACTIVATIONS = definitions.every("activation")
NUMBERS = [entry for entry in ACTIVATIONS if not entry.is_vector]
ROWS = [entry for entry in ACTIVATIONS if entry.is_vector]
INF = math.inf
POINTS = [-INF, -1e300, -1e10, -700.0, -40.0, -6.0, -3.0, -2.0, -1.5, -1.0, -0.5, -1 / 3, -1e-9, 0.0, 1e-9, 0.3]
POINTS += [0.5, 1.0, 2.0, 2.5, 3.0, 4.0, 6.0, 19.5, 40.0, 700.0, 1e10, 1e300, INF]
OTHER_ARGUMENTS = [
    "torch.nn.LeakyReLU(negative_slope=0.0)",
    "torch.nn.LeakyReLU(negative_slope=-0.5)",
    "torch.nn.PReLU(init=2.0)",
    "torch.nn.RReLU(lower=0.5, upper=2.0)",
    "torch.nn.ELU(alpha=0.5)",
    "torch.nn.ELU(alpha=3.0)",
    "torch.nn.CELU(alpha=2.0)",
    "torch.nn.Softplus(beta=2.0, threshold=4.0)",
    "torch.nn.Hardtanh(-2, 2.5)",
    "torch.nn.Hardshrink(1.0)",
    "torch.nn.Hardshrink(0.0)",
    "torch.nn.Softshrink(2.0)",
    "torch.nn.Threshold(1.0, 3.0)",
]
# Where PyTorch may be NaN (in a vector's lanes, or in its remainder): the points of the value, those of the gradient.
DEVIATIONS = {
    "torch.nn.LeakyReLU(negative_slope=0.0)": ({-INF}, set()),
    "torch.nn.SiLU": ({-INF}, {-INF, INF}),
    "torch.nn.Mish": ({-INF}, {-INF, INF}),
    "torch.nn.GELU": ({-INF, INF}, {-INF, INF}),
    "torch.nn.GELU(approximate='tanh')": ({-INF}, {-INF, -1e300, 1e300, INF}),
    "torch.nn.Hardswish": ({-INF}, set()),
    "torch.nn.Softsign": ({-INF, INF}, {-INF, INF}),
}
by_name = pytest.mark.parametrize("function", ACTIVATIONS, ids=lambda each: each.name)
by_number = pytest.mark.parametrize("function", NUMBERS, ids=lambda each: each.name)
by_row = pytest.mark.parametrize("function", ROWS, ids=lambda each: each.name)


def built(text):
    """PyTorch's own, in evaluation mode and float64."""
    return eval(text if "(" in text else f"{text}()", {"torch": torch}).double().eval()


def gradients(module, x, seed=None):
    y = module(x)
    (slope,) = torch.autograd.grad(y, x, torch.ones_like(y) if seed is None else seed)
    return y.detach().numpy(), slope.numpy()


def settings(function):
    """The parameters' defaults, and other values."""
    defaults = {entry.name: float(entry.default) for entry in function.parameters}
    return [defaults, {name: value + 0.625 for name, value in defaults.items()}]


def put(expression, function, values):
    return expression.subs({function.by_name[name].symbol: sp.nsimplify(value) for name, value in values.items()})


def test_every_class_of_pytorch_has_a_definition():
    classes = {f"torch.nn.{name}" for name in torch.nn.modules.activation.__all__} - {"torch.nn.MultiheadAttention"}
    assert classes <= {entry.counterpart.partition("(")[0] for entry in ACTIVATIONS}


@pytest.mark.parametrize("text", [each.counterpart for each in NUMBERS if each.counterpart] + OTHER_ARGUMENTS)
def test_agrees_with_pytorch_everywhere_but_at_its_deviations(text):
    found = for_counterpart(text)
    x = torch.tensor(POINTS, dtype=torch.float64, requires_grad=True)
    theirs = gradients(built(text), x)
    answer = oracle.truth(found.definition, {"x": POINTS, **found.parameters})
    ours = answer.value.high, answer.gradients["x"].high
    for mine, other, away in zip(ours, theirs, DEVIATIONS.get(text, (set(), set())), strict=True):
        assert {x for x, value in zip(POINTS, other, strict=True) if np.isnan(value)} <= away
        kept = ~np.isnan(other)
        tolerance = 1e-7 if text == "torch.nn.Hardsigmoid" else 1e-12  # PyTorch's slope is 1/6 in float32
        np.testing.assert_allclose(mine[kept], other[kept], rtol=tolerance, atol=1e-14)
        assert not np.isnan(mine).any()


def sample(function, x):
    """Rows of a tensor as PyTorch's own takes them: along the last dimension, or along the third from the last."""
    return x if function.axis == -1 else x[..., None, None]


@by_row
@pytest.mark.parametrize("scale", [1, 50])
def test_rows_agree_with_pytorch(function, scale):
    random = torch.Generator().manual_seed(1)
    x = (torch.randn(5, 6, generator=random, dtype=torch.float64) * scale).requires_grad_()
    x.data[1, 1] = x.data[1, 0]  # a tie
    y = built(function.counterpart)(sample(function, x)).flatten(1)
    seed = torch.randn(y.shape, generator=random, dtype=torch.float64)
    (slope,) = torch.autograd.grad(y, x, seed)
    answer = oracle.truth(function, {"x": x.detach().numpy()}, cotangent=seed.numpy())
    np.testing.assert_allclose(answer.value.high, y.detach().numpy(), rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(answer.gradients["x"].high, slope.numpy(), rtol=1e-11, atol=1e-13)
    assert (answer.value.scale >= np.abs(answer.value.high)).all()


@pytest.mark.parametrize("function", [each for each in ROWS if each.masked is not None], ids=lambda each: each.name)
def test_a_masked_component_drops_out(function):
    x = torch.tensor([[1.0, float(function.masked_at), 2.5]], dtype=torch.float64)
    answer = oracle.truth(function, {"x": x.numpy()})
    np.testing.assert_allclose(answer.value.high, built(function.counterpart)(sample(function, x)).flatten(1).numpy())
    assert answer.value.high[0, 1] == float(function.masked)


def test_a_row_to_be_halved_is_even():
    with pytest.raises(ValueError, match="expected rows of which C/2 is whole, got 3 components"):
        oracle.truth(definitions.get("glu"), {"x": [[1.0, 2.0, 3.0]]})


def test_a_gate_at_infinity_is_open_or_shut():
    answer = oracle.truth(definitions.get("glu"), {"x": [[2.0, 3.0, INF, 1.0, INF, -INF, 0.0, 0.0]]})
    np.testing.assert_array_equal(answer.value.high, [[2.0, 0.0, INF, 0.5]])
    assert answer.gradients["x"].high[0, 3] == 0.5


def test_the_gradient_by_a_weight_is_pytorchs():
    module = built("torch.nn.PReLU(3, 0.5)")
    x = torch.tensor([[-1.5, 0.0, 2.0], [-0.25, -3.0, -1e3]], dtype=torch.float64)
    module(x).sum().backward()
    answer = oracle.truth(definitions.get("prelu"), {"x": x.numpy(), "weight": [0.5] * 3}, wrt=["weight"])
    np.testing.assert_array_equal(answer.gradients["weight"].high.sum(0), module.weight.grad.numpy())


with mpmath.workprec(200):
    SELU = [mpmath.mpf(text) for text in ("1.6732632423543772848170429916717", "1.0507009873554804934193349852946")]
SECOND_OPINION = {
    "mish": lambda x: x * mpmath.tanh(mpmath.log1p(mpmath.exp(x))),
    "quick_gelu": lambda x: x / (1 + mpmath.exp(-mpmath.mpf(1702) / 1000 * x)),
    "selu": lambda x: SELU[1] * (x if x > 0 else SELU[0] * mpmath.expm1(x)),
    "celu": lambda x: x if x > 0 else mpmath.expm1(x),
    "softsign": lambda x: x / (1 + abs(x)),
    "tanhshrink": lambda x: x - mpmath.tanh(x),
    "squared_relu": lambda x: max(x, 0) ** 2,
}


@pytest.mark.parametrize("name", SECOND_OPINION)
def test_tails_and_cancellation_agree_with_mpmath(name):
    points = [-700.0, -90.0, -20.0, -5.2, -1e-3, -1e-9, 1e-9, 0.3, 2.0, 37.5, 600.0]
    answer = oracle.truth(definitions.get(name), {"x": points})
    with mpmath.workprec(2400):
        for position, x in enumerate(points):
            value = SECOND_OPINION[name](mpmath.mpf(x))
            slope = mpmath.diff(SECOND_OPINION[name], mpmath.mpf(x), h=mpmath.mpf(2) ** -600)
            for truth, expected in ((answer.value, value), (answer.gradients["x"], slope)):
                got = mpmath.mpf(float(truth.high[position])) + mpmath.mpf(float(truth.low[position]))
                assert abs(got - expected) <= abs(expected) * mpmath.mpf(2) ** -64 + 1e-323


@pytest.mark.parametrize("other", [False, True])
@by_name
def test_identities_hold(function, other):
    """At numbers with few digits, which a shift or a scaling does not round."""
    random = np.random.default_rng(2)
    x = random.integers(-80, 80, (3, 6)) / 16
    values = settings(function)[other] if not function.is_vector else {}
    symbol = function.prediction.symbol
    for identity in function.identities:
        for free in (0.25, 1.0, 2.0, 8.0) if identity.domain != sp.S.Reals else (-3.0, 0.5):
            moved = put(identity.inputs["x"], function, values).subs(FREE, sp.nsimplify(free))
            at = moved.atoms(sp.Indexed).pop() if function.is_vector else symbol
            there = np.vectorize(sp.lambdify(at, moved))(x)
            before = oracle.truth(function, {"x": x, **values}).value.high
            after = oracle.truth(function, {"x": there, **values}).value.high
            value = put(identity.value, function, values).subs(FREE, sp.nsimplify(free))
            expected = np.vectorize(sp.lambdify([VALUE, symbol], value))(before, x)
            np.testing.assert_allclose(after, expected, rtol=1e-12, atol=1e-12, err_msg=identity.name)


@pytest.mark.parametrize("function", [each for each in NUMBERS if each.monotone], ids=lambda each: each.name)
def test_what_is_monotone_never_turns(function):
    values = oracle.truth(function, {"x": np.sort([*POINTS, *np.linspace(-8, 8, 400)])}).value.high
    assert (values[1:] >= values[:-1]).all()


def test_what_is_not_monotone_turns():
    for function in NUMBERS:
        values = oracle.truth(function, {"x": np.linspace(-8, 8, 400)}).value.high
        assert (function.monotone is not None) == bool((values[1:] >= values[:-1]).all()), function.name


@pytest.mark.parametrize("other", [False, True])
@by_number
def test_limits_are_where_the_function_goes(function, other):
    values = settings(function)[other]
    assert {limit.toward for limit in function.limits} == {-sp.oo, sp.oo}
    for limit in function.limits:
        end, far = float(limit.toward), math.copysign(2.0**70, float(limit.toward))
        answer = oracle.truth(function, {"x": [end, far], **values})
        for truth, claimed in ((answer.value, limit.asymptote), (answer.gradients["x"], limit.slope)):
            claim = put(claimed, function, values)
            at = [float(claim.subs(function.prediction.symbol, place)) for place in (limit.toward, sp.Integer(far))]
            np.testing.assert_allclose(truth.high, at, rtol=1e-15, atol=1e-20)


@pytest.mark.parametrize("other", [False, True])
@pytest.mark.parametrize("function", [each for each in NUMBERS if each.kinks], ids=lambda each: each.name)
def test_a_kink_accepts_just_what_lies_between_its_sides(function, other):
    values = settings(function)[other]
    for kink in function.kinks:
        place = float(sp.solve(put(kink.locus, function, values), function.prediction.symbol)[0])
        beside = [place - 2.0**-40, place, place + 2.0**-40]
        left, chosen, right = oracle.truth(function, {"x": beside, **values}).gradients["x"].high
        accepted = put(kink.accepted, function, values)
        np.testing.assert_allclose(sorted([left, right]), [float(accepted.inf), float(accepted.sup)], atol=1e-11)
        assert put(kink.chosen, function, values) in accepted
        assert float(put(kink.chosen, function, values)) == chosen


@by_number
def test_where_there_is_no_kink_the_slope_does_not_jump(function):
    places = {
        float(condition.rhs)
        for condition in function.expression.atoms(sp.core.relational.Relational)
        if condition.rhs.is_number
    }
    kinks = [put(kink.locus, function, settings(function)[0]) for kink in function.kinks]
    for place in places:
        if any(float(locus.subs(function.prediction.symbol, place)) == 0 for locus in kinks):
            continue
        left, right = oracle.truth(function, {"x": [place - 2.0**-40, place + 2.0**-40]}).gradients["x"].high
        assert abs(left - right) < 1e-10


@pytest.mark.parametrize("other", [False, True])
@by_number
def test_the_range_holds_every_value(function, other):
    values = settings(function)[other]
    held = put(function.range, function, values)
    found = oracle.truth(function, {"x": [*POINTS, *np.linspace(-4, 4, 101)], **values}).value.high
    assert float(held.inf) <= found.min()
    assert found.max() <= float(held.sup)
    if not other and held.inf.is_finite:  # and no more than it must
        assert found.min() - float(held.inf) < 1e-3 or function.name == "threshold"


@by_row
def test_variants_of_a_row_differ(function):
    x = np.random.default_rng(3).normal(size=(2, 6)) * 2
    right = oracle.truth(function, {"x": x}).value.high
    for variant in function.variants:
        other = oracle.truth(replace(function, expression=variant.expression), {"x": x}).value.high
        assert np.nanmax(np.abs(other - right)) > 1e-6 or np.isnan(other).any(), variant.name


@by_name
def test_every_name_leads_back(function):
    for name in (function.name, *function.aliases):
        assert definitions.get(name) is function
    if function.counterpart:
        assert for_counterpart(function.counterpart).definition is function
        assert definitions.get(function.counterpart.partition("(")[0].rpartition(".")[2]).counterpart.startswith(
            function.counterpart.partition("(")[0]
        )


@pytest.mark.parametrize(
    ("text", "name", "parameters", "options"),
    [
        ("torch.nn.GELU()", "gelu", {}, {}),
        ("nn.GELU('tanh')", "gelu_tanh", {}, {"approximate": "tanh"}),
        ("torch.nn.functional.gelu(approximate='tanh')", "gelu_tanh", {}, {"approximate": "tanh"}),
        ("F.gelu", "gelu", {}, {}),
        ("torch.relu_", "relu", {}, {}),
        ("torch.special.expit", "sigmoid", {}, {}),
        ("torch.nn.functional.logsigmoid", "log_sigmoid", {}, {}),
        ("torch.nn.Softmax(dim=1)", "softmax", {}, {"dim": 1}),
        ("torch.nn.Hardtanh(-2, max_val=3.5)", "hardtanh", {"min_val": -2, "max_val": 3.5}, {}),
        ("torch.nn.PReLU(3, init=0.5)", "prelu", {"weight": 0.5}, {"num_parameters": 3}),
        ("torch.nn.Threshold(0.1, 20, inplace=True)", "threshold", {"threshold": 0.1, "value": 20}, {"inplace": True}),
        ("torch.nn.CrossEntropyLoss(weight=[1, 2])", "cross_entropy", {"weight": [1, 2]}, {}),
        ("torch.nn.functional.mse_loss(reduction='sum')", "mse", {}, {"reduction": "sum"}),
        ("torch.nn.ELU(alpha=None)", "elu", {}, {}),
    ],
)
def test_a_definition_is_found_by_pytorchs_own(text, name, parameters, options):
    found = for_counterpart(text)
    assert (found.definition.name, found.parameters, found.options) == (name, parameters, options)


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("torch.nn.Gelu", KeyError, "did you mean"),
        ("torch.nn.Linear(3, 4)", KeyError, "expected PyTorch's own that has a definition"),
        ("torch.mse", KeyError, "expected PyTorch's own"),
        ("torch.nn.ELU(alpha=x)", ValueError, "literal arguments"),
        ("torch.nn.ELU(", ValueError, "literal arguments"),
        ("relu + 1", ValueError, "literal arguments"),
        ("torch.nn.functional.leaky_relu(0.2)", ValueError, "expected arguments by name"),
        ("torch.nn.Hardtanh(1, 2, 3, 4, 5, 6)", ValueError, "expected arguments by name"),
    ],
)
def test_what_is_none_of_pytorchs_is_refused(text, error, message):
    with pytest.raises(error, match=message):
        for_counterpart(text)
