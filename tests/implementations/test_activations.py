"""The elementwise activations: one battery over a table; what is peculiar to one of them is a row in another table."""

import copy
import io
import math
import pickle

import mpmath
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.autograd import grad, gradcheck, gradgradcheck
from torch.func import hessian, jacfwd, jacrev, vmap

from torchstone import activations as ours

INF, NAN = math.inf, math.nan
FLOATS = (torch.float64, torch.float32, torch.bfloat16, torch.float16)
SINGLE_AND_DOUBLE = (torch.float32, torch.float64)

# The name and the arguments of each activation; torch.nn has the same.
TABLE = {
    "relu": ("ReLU", {}),
    "leaky_relu": ("LeakyReLU", {}),
    "leaky_relu steep": ("LeakyReLU", {"negative_slope": -2.5}),
    "elu": ("ELU", {}),
    "elu 2": ("ELU", {"alpha": 2.0}),
    "softplus": ("Softplus", {"threshold": 20.0}),
    "softplus 3": ("Softplus", {"beta": 3.0, "threshold": 2.0}),
    "sigmoid": ("Sigmoid", {}),
    "log_sigmoid": ("LogSigmoid", {}),
    "tanh": ("Tanh", {}),
    "silu": ("SiLU", {}),
    "gelu": ("GELU", {}),
    "gelu tanh": ("GELU", {"approximate": "tanh"}),
}
everywhere = pytest.mark.parametrize("name", TABLE)


def build(name):
    kind, options = TABLE[name]
    return getattr(ours, kind)(**options)


def theirs(name):
    kind, options = TABLE[name]
    return getattr(torch.nn, kind)(**options)


def draw(*shape, dtype=torch.float64, requires_grad=True):
    """Normal numbers, none nearer than 0.01 to the kink at 0."""
    x = 3 * torch.randn(shape, dtype=torch.float64)
    return (x + 0.01 * x.sign()).to(dtype).requires_grad_(requires_grad)


def slope(f, x):
    """f'(x) of an elementwise f."""
    x = x.detach().requires_grad_()
    return grad(f(x).sum(), x)[0]


# Beside PyTorch


@everywhere
@pytest.mark.parametrize("dtype", FLOATS)
def test_agrees_with_pytorch(name, dtype):
    x = torch.randn(1000, dtype=dtype, requires_grad=True)
    g = torch.randn_like(x)
    mine, other = build(name)(x), theirs(name)(x)
    near = {"rtol": 8 * torch.finfo(dtype).eps, "atol": 8 * torch.finfo(dtype).eps}
    torch.testing.assert_close(mine, other, **near)
    torch.testing.assert_close(grad(mine, x, g)[0], grad(other, x, g)[0], **near)


@everywhere
def test_has_the_second_derivative_of_pytorch(name):
    x = draw(7, requires_grad=False)
    weight = torch.randn(7, dtype=torch.float64)
    mine, other = (hessian(lambda x, f=f: (weight * f(x)).sum())(x) for f in (build(name), theirs(name)))
    torch.testing.assert_close(mine, other, rtol=1e-9, atol=1e-12)


@everywhere
def test_is_shown_as_in_pytorch(name):
    assert repr(build(name)) == repr(theirs(name))


@pytest.mark.parametrize("kind", ["ReLU", "LeakyReLU", "ELU", "SiLU"])
def test_inplace_is_shown_as_in_pytorch(kind):
    assert repr(getattr(ours, kind)(inplace=True)) == repr(getattr(torch.nn, kind)(inplace=True))


@pytest.mark.parametrize(
    ("mine", "other"),
    [
        (ours.ReLU(True), torch.nn.ReLU(True)),
        (ours.LeakyReLU(0.3, True), torch.nn.LeakyReLU(0.3, True)),
        (ours.ELU(0.3, True), torch.nn.ELU(0.3, True)),
        (ours.Softplus(0.3, 2.0), torch.nn.Softplus(0.3, 2.0)),
        (ours.SiLU(True), torch.nn.SiLU(True)),
        (ours.GELU("tanh"), torch.nn.GELU("tanh")),
        (ours.LeakyReLU(1), torch.nn.LeakyReLU(1)),
    ],
    ids=repr,
)
def test_takes_the_same_positional_arguments(mine, other):
    assert repr(mine) == repr(other)


# Derivatives and transforms


@everywhere
def test_first_and_second_derivatives_pass_gradcheck(name):
    f, x = build(name), draw(6)
    assert gradcheck(f, x, check_forward_ad=True, check_batched_grad=True, check_batched_forward_grad=True)
    assert gradgradcheck(f, x, check_fwd_over_rev=True, check_rev_over_rev=True, check_batched_grad=True)


@everywhere
def test_all_ways_to_a_second_derivative_agree(name):
    f, x = build(name), draw(4, requires_grad=False)
    first = jacrev(f)(x)
    torch.testing.assert_close(jacfwd(f)(x), first)
    second = jacrev(jacrev(f))(x)
    for outer, inner in ((jacfwd, jacrev), (jacrev, jacfwd), (jacfwd, jacfwd)):
        torch.testing.assert_close(outer(inner(f))(x), second)


@pytest.mark.parametrize(
    ("f", "by_mpmath"),
    [
        (ours.Sigmoid(), lambda x: 1 / (1 + mpmath.exp(-x))),
        (ours.LogSigmoid(), lambda x: -mpmath.log1p(mpmath.exp(-x))),
        (ours.Tanh(), mpmath.tanh),
        (ours.Softplus(2.0), lambda x: mpmath.log1p(mpmath.exp(2 * x)) / 2),
        (ours.SiLU(), lambda x: x / (1 + mpmath.exp(-x))),
        (ours.GELU(), lambda x: x * mpmath.ncdf(x)),
        (
            ours.GELU("tanh"),
            lambda x: x * (1 + mpmath.tanh(mpmath.sqrt(2 / mpmath.pi) * (x + mpmath.mpf("0.044715") * x**3))) / 2,
        ),
        (ours.ELU(), lambda x: mpmath.expm1(x) if x < 0.5 else x),
    ],
    ids=lambda f: repr(f) if isinstance(f, torch.nn.Module) else "",
)
@pytest.mark.parametrize("x", [-2.0, 0.0, 0.75])
def test_third_derivative(f, by_mpmath, x):
    t = torch.tensor(x, dtype=torch.float64)
    expected = float(mpmath.diff(by_mpmath, x, 3))
    for third in (jacrev(jacrev(jacrev(f))), jacfwd(jacfwd(jacfwd(f))), jacfwd(jacrev(jacrev(f)))):
        assert third(t).item() == pytest.approx(expected, rel=1e-9, abs=1e-9)


@everywhere
@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_vmap_is_a_loop(name, dtype):
    f, x = build(name), draw(3, 4, 5, dtype=dtype, requires_grad=False)
    for dim in range(3):
        one_by_one = torch.stack([f(row) for row in x.unbind(dim)])
        assert torch.equal(vmap(f, in_dims=dim)(x), one_by_one)
        slopes = torch.stack([slope(f, row) for row in x.unbind(dim)])
        assert torch.equal(vmap(lambda row: slope_by_func(f, row), in_dims=dim)(x), slopes)


def slope_by_func(f, x):
    return torch.func.grad(lambda x: f(x).sum())(x)


@pytest.mark.parametrize("dtype", FLOATS)
def test_compiled_is_eager(dtype):
    modules = [build(name) for name in TABLE]

    def all_of_them(x):
        return [f(x) for f in modules]

    torch.compiler.reset()
    compiled = torch.compile(all_of_them, fullgraph=True, backend="aot_eager")
    x = draw(10, dtype=dtype)
    g = torch.randn_like(x)
    for name, eager, fast in zip(TABLE, all_of_them(x), compiled(x), strict=True):
        assert torch.equal(eager, fast), name
        assert torch.equal(grad(eager, x, g)[0], grad(fast, x, g, retain_graph=True)[0]), name


@everywhere
def test_gradient_is_linear_in_what_comes_from_above(name):
    f, x = build(name), draw(20)
    g = torch.randn(20, dtype=torch.float64)
    ones = slope(f, x)
    torch.testing.assert_close(grad(f(x), x, g)[0], g * ones)
    torch.testing.assert_close(grad(f(x), x, -4 * g)[0], -4 * g * ones)
    torch.testing.assert_close(grad(f(x), x, torch.zeros_like(g))[0].abs(), torch.zeros_like(g))


# Shapes, dtypes and what is left alone


@everywhere
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("shape", [(), (0,), (3, 0), (1,), (2, 1, 3, 1, 2)], ids=str)
def test_keeps_shape_and_dtype(name, dtype, shape):
    x = draw(*shape, dtype=dtype)
    y = build(name)(x)
    (dx,) = grad(y.sum(), x)
    assert y.shape == dx.shape == x.shape
    assert y.dtype == dx.dtype == x.dtype


@everywhere
def test_any_strides(name):
    f, whole = build(name), draw(2, 4, 3, 5, requires_grad=False)
    for x in (whole.transpose(1, 3), whole[:, ::2], whole[:1].expand(6, 4, 3, 5), whole.flip(0)):
        assert torch.equal(f(x), f(x.contiguous()))
    image = whole.contiguous(memory_format=torch.channels_last)
    assert f(image).is_contiguous(memory_format=torch.channels_last)
    x = whole.clone().requires_grad_()
    for g in (torch.ones(()).double().expand(2, 4, 3, 5), torch.randn(5, 3, 4, 2).double().permute(3, 2, 1, 0)):
        assert torch.equal(grad(f(x), x, g)[0], grad(f(x), x, g.contiguous())[0])


@everywhere
def test_leaves_its_input_and_itself_alone(name):
    f, x = build(name), draw(5)
    before, version, state = x.detach().clone(), x._version, dict(vars(f))
    grad(f(x).sum(), x)
    assert torch.equal(x, before)
    assert x._version == version
    assert dict(vars(f)) == state
    assert not f.state_dict()


@everywhere
def test_change_of_the_input_after_forward_is_noticed(name):
    x = draw(5) * 1
    y = build(name)(x)
    x.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


@everywhere
def test_survives_copies(name):
    f, x = build(name), draw(5, requires_grad=False)
    file = io.BytesIO()
    torch.save(f, file)
    file.seek(0)
    for twin in (copy.deepcopy(f), pickle.loads(pickle.dumps(f)), torch.load(file, weights_only=False)):
        assert torch.equal(twin(x), f(x))


@everywhere
def test_no_graph_without_gradients(name):
    f, x = build(name), draw(5)
    with torch.no_grad():
        assert not f(x).requires_grad
    with torch.inference_mode():
        assert torch.equal(f(x), f(x.detach()))
    assert f(x.detach().to("meta")).shape == x.shape


@everywhere
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_types_are_rounded_once(name, dtype):
    f, x = build(name), (torch.rand(5000) * 30 - 15).to(dtype)
    for half, double in ((f(x), f(x.double())), (slope(f, x), slope(f, x.double()))):
        mantissa, exponent = torch.frexp(double)
        smallest = {torch.bfloat16: -133, torch.float16: -24}[dtype]
        bits = {torch.bfloat16: 8, torch.float16: 11}[dtype]
        ulp = torch.ldexp(torch.ones_like(mantissa), (exponent - bits).clamp(min=smallest))
        assert ((half.double() - double).abs() / ulp).max() <= 0.505


# Special points: x -> f(x), f'(x)

LIMITS = {
    "relu": {-INF: (0, 0), INF: (INF, 1)},
    "leaky_relu": {-INF: (-INF, 0.01), INF: (INF, 1)},
    "leaky_relu steep": {-INF: (INF, -2.5), INF: (INF, 1)},
    "elu": {-INF: (-1, 0), INF: (INF, 1)},
    "elu 2": {-INF: (-2, 0), INF: (INF, 1)},
    "softplus": {-INF: (0, 0), INF: (INF, 1)},
    "softplus 3": {-INF: (0, 0), INF: (INF, 1)},
    "sigmoid": {-INF: (0, 0), INF: (1, 0)},
    "log_sigmoid": {-INF: (-INF, 1), INF: (0, 0)},
    "tanh": {-INF: (-1, 0), INF: (1, 0)},
    "silu": {-INF: (-0.0, 0), INF: (INF, 1)},
    "gelu": {-INF: (-0.0, 0), INF: (INF, 1)},
    "gelu tanh": {-INF: (-0.0, 0), INF: (INF, 1)},
}
KINKS = {
    "relu": (0, 0),
    "leaky_relu": (0, 0.01),
    "leaky_relu steep": (0, -2.5),
    "elu": (0, 1),
    "elu 2": (0, 2),
}


@everywhere
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("length", [1, 16, 33])  # PyTorch answers single elements and blocks with different code
def test_limits(name, dtype, length):
    f = build(name)
    for at, (value, gradient) in LIMITS[name].items():
        x = torch.full((length,), at, dtype=dtype)
        torch.testing.assert_close(f(x), torch.full_like(x, value), rtol=0, atol=0)
        torch.testing.assert_close(slope(f, x), torch.full_like(x, gradient), rtol=0, atol=0)


@everywhere
@pytest.mark.parametrize("dtype", FLOATS)
def test_largest_numbers_are_near_the_limits(name, dtype):
    f = build(name)
    for at, (value, gradient) in LIMITS[name].items():
        x = torch.full((16,), math.copysign(torch.finfo(dtype).max, at), dtype=dtype)
        y = f(x)
        assert not y.isnan().any()
        assert math.isinf(value) or torch.equal(y, torch.full_like(x, value))
        assert torch.equal(slope(f, x), torch.full_like(x, gradient))


@everywhere
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("length", [1, 33])
def test_nan_stays_where_it_is(name, dtype, length):
    f, x = build(name), draw(length, dtype=dtype, requires_grad=False)
    x[0] = NAN
    for answer in (f(x), slope(f, x)):
        assert answer.isnan().tolist() == x.isnan().tolist()


@pytest.mark.parametrize("name", KINKS)
@pytest.mark.parametrize("dtype", FLOATS)
def test_kinks(name, dtype):
    f, x = build(name), torch.tensor([0.0, -0.0], dtype=dtype)
    value, gradient = KINKS[name]
    assert torch.equal(f(x), torch.full_like(x, value))
    assert torch.equal(slope(f, x), torch.full_like(x, gradient))
    assert torch.equal(slope(theirs(name), x), torch.full_like(x, gradient))


@pytest.mark.parametrize("dtype", FLOATS)
def test_beside_the_kink(dtype):
    least = torch.finfo(dtype).smallest_normal * torch.finfo(dtype).eps  # the smallest subnormal number
    x = torch.tensor([least, -least], dtype=dtype)
    assert slope(ours.ReLU(), x).tolist() == [1, 0]
    assert slope(ours.LeakyReLU(0.5), x).tolist() == [1, 0.5]
    assert slope(ours.ELU(2.0), x).tolist() == [1, 2]


CURVATURE = [
    (ours.ReLU(), 0, 0),
    (ours.LeakyReLU(), 0, 0),
    (ours.ELU(), 0, 1),
    (ours.ELU(2.0), 0, 2),
    (ours.Sigmoid(), 0, 0),
    (ours.LogSigmoid(), 0, -0.25),
    (ours.Tanh(), 0, 0),
    (ours.Softplus(), 0, 0.25),
    (ours.Softplus(3.0), 0, 0.75),
    (ours.Softplus(3.0, 1.0), 0.5, 0),
    (ours.SiLU(), 0, 0.5),
    (ours.GELU(), 0, 2 / math.sqrt(2 * math.pi)),
    (ours.GELU("tanh"), 0, 2 / math.sqrt(2 * math.pi)),
    *((f, at, 0) for at in (-INF, INF, -1e300, 1e300) for f in map(build, TABLE)),
]


@pytest.mark.parametrize(("f", "at", "expected"), CURVATURE, ids=str)
def test_second_derivative_at_special_points(f, at, expected):
    x = torch.tensor(at, dtype=torch.float64)
    assert jacrev(jacrev(f))(x).item() == pytest.approx(expected, rel=1e-15)


@everywhere
@pytest.mark.parametrize("at", [-INF, INF, -1e300, 1e300, -800.0, 800.0])
def test_third_derivative_is_zero_far_out(name, at):
    f, x = build(name), torch.tensor(at, dtype=torch.float64)
    assert jacfwd(jacrev(jacrev(f)))(x).item() == 0


def test_infinite_gradient_does_not_pass_a_dead_unit():
    x = torch.tensor([-1.0, 0.0, 4.0], requires_grad=True)
    torch.testing.assert_close(grad(ours.ReLU()(x).sqrt().sum(), x)[0], torch.tensor([0.0, 0.0, 0.25]))
    g = torch.tensor([INF, -INF, INF])
    assert grad(ours.ReLU()(x), x, g)[0].tolist() == [0, 0, INF]


def test_leaky_relu_without_slope_is_relu():
    x = torch.tensor([-INF, -1.0, 0.0, 2.0, INF, NAN])
    torch.testing.assert_close(ours.LeakyReLU(0)(x), ours.ReLU()(x), equal_nan=True)


def test_softplus_switches_only_where_a_threshold_is_given():
    x = torch.tensor([19.0, 21.0], dtype=torch.float64)
    assert ours.Softplus(threshold=20)(x)[1] == 21
    assert slope(ours.Softplus(threshold=20), x)[1] == 1
    truth = [float(mpmath.log1p(mpmath.exp(v))) for v in (19, 21)]
    assert ours.Softplus()(x).tolist() == pytest.approx(truth, rel=3e-16)
    assert slope(ours.Softplus(), x)[1] < 1


# Accuracy: the error in ulp of |f| + |x f'|, against 60 digits of mpmath


def sigma(x):
    return 1 / (1 + mpmath.exp(-x))


def gelu_tanh(x):
    return x * sigma(2 * mpmath.sqrt(2 / mpmath.pi) * (x + mpmath.mpf("0.044715") * x**3))


def gelu_tanh_slope(x):
    v = 2 * mpmath.sqrt(2 / mpmath.pi) * (x + mpmath.mpf("0.044715") * x**3)
    return sigma(v) * (1 + 2 * mpmath.sqrt(2 / mpmath.pi) * (x + mpmath.mpf("0.134145") * x**3) * sigma(-v))


# f, f', f'', and how many ulp of error value and gradient may have.
TRUTH = {
    "sigmoid": (sigma, lambda x: sigma(x) * sigma(-x), lambda x: sigma(x) * sigma(-x) * (sigma(-x) - sigma(x)), 2, 2),
    "log_sigmoid": (
        lambda x: -mpmath.log1p(mpmath.exp(-x)),
        lambda x: sigma(-x),
        lambda x: -sigma(x) * sigma(-x),
        2,
        2,
    ),
    "tanh": (
        mpmath.tanh,
        lambda x: mpmath.sech(x) ** 2,
        lambda x: -2 * mpmath.tanh(x) * mpmath.sech(x) ** 2,
        2,
        2.01,
    ),
    "elu": (
        lambda x: x if x > 0 else mpmath.expm1(x),
        lambda x: 1 if x > 0 else mpmath.exp(x),
        lambda x: 0 if x > 0 else mpmath.exp(x),
        1,
        1,
    ),
    "softplus": (lambda x: mpmath.log1p(mpmath.exp(x)), sigma, lambda x: sigma(x) * sigma(-x), 2, 2),
    "silu": (
        lambda x: x * sigma(x),
        lambda x: sigma(x) * (1 + x * sigma(-x)),
        lambda x: sigma(x) * sigma(-x) * (2 + x * (sigma(-x) - sigma(x))),
        2,
        3,
    ),
    "gelu": (
        lambda x: x * mpmath.erfc(-x / mpmath.sqrt(2)) / 2,
        lambda x: mpmath.erfc(-x / mpmath.sqrt(2)) / 2 + x * mpmath.npdf(x),
        lambda x: (2 - x * x) * mpmath.npdf(x),
        3,
        3,
    ),
    "gelu tanh": (gelu_tanh, gelu_tanh_slope, lambda x: mpmath.diff(gelu_tanh_slope, x), 3, 4),
}
PRECISION = {torch.float32: (24, -149, 128), torch.float64: (53, -1074, 1024)}


def ulps(answer, truth, other, dtype):
    """The error, in units in the last place of |truth| + |other|."""
    bits, smallest, largest = PRECISION[dtype]
    if math.isinf(answer):
        return 0 if abs(truth) >= mpmath.mpf(2) ** largest * (1 - mpmath.mpf(2) ** (-bits - 1)) else INF
    size = abs(truth) + abs(other)
    exponent = mpmath.frexp(size)[1] if size else smallest
    return abs(mpmath.mpf(answer) - truth) / mpmath.mpf(2) ** max(min(exponent, largest) - bits, smallest)


def assert_accurate(name, x):
    """Value and gradient at one x (a tensor), alone and in a block."""
    value, first, second, most_value, most_slope = TRUTH[name]
    f = ours.Softplus() if name == "softplus" else build(name)
    with mpmath.workdps(60 if abs(x.item()) < 1e3 else 700):
        at = mpmath.mpf(x.item())
        truth, true_slope, true_bend = value(at), first(at), second(at)
        for block in (x.reshape(1), x.expand(16)):
            assert ulps(f(block)[0].item(), truth, at * true_slope, x.dtype) <= most_value
            assert ulps(slope(f, block)[0].item(), true_slope, at * true_bend, x.dtype) <= most_slope


@pytest.mark.parametrize("dtype", SINGLE_AND_DOUBLE)
@pytest.mark.parametrize(
    ("name", "points"),
    [
        ("sigmoid", (0, 1e-30, 17, 20, 40, 88, -88, -89, -100, -103, -708, -740)),
        ("log_sigmoid", (0, 1e-30, 17, 40, 88, 100, 103, 740, -1, -40, -1000)),
        ("tanh", (0, 1e-40, 1e-30, 1e-8, 0.5, 9.1, 9.5, 20, -20, 44, -51.9, 350)),
        ("elu", (0, -1e-30, -1e-8, 1e-8, -0.5, -17, -100, 100)),
        ("softplus", (0, 1e-30, 17, 19.99, 20.01, 40, 88, 100, -17, -88, -100, -740, 1000)),
        ("silu", (0, 1e-30, -1.278464542761074, -2.3993572805154676, -20, -88.5, -90, -100, -700, -745, 40, 100)),
        ("gelu", (0, 1e-30, -0.7517915246935645, -1.4142135623730951, -6, -10, -12.8, -13, -14.2, -37.4, -38.2, 5, 10)),
        ("gelu tanh", (0, 1e-30, -0.75246142, -1.5, -5, -6, -7, -9, -10, -10.2, -20, -21.5, 5, 10)),
    ],
    ids=lambda p: p if isinstance(p, str) else "",
)
def test_tails_keep_their_digits(name, points, dtype):
    for point in points:
        assert_accurate(name, torch.tensor(point, dtype=dtype))


@pytest.mark.parametrize("name", TRUTH)
@pytest.mark.parametrize(("dtype", "width"), [(torch.float32, 32), (torch.float64, 64)])
def test_accurate_wherever_hypothesis_looks(name, dtype, width):
    @given(st.floats(-760, 760, width=width) | st.floats(-3, 3, width=width))
    def check(at):
        assert_accurate(name, torch.tensor(at, dtype=dtype))

    check()


# In-place

INPLACE = [("ReLU", {}), ("LeakyReLU", {"negative_slope": 0.2}), ("ELU", {"alpha": 2.0}), ("SiLU", {})]


@pytest.mark.parametrize(("kind", "options"), INPLACE)
@pytest.mark.parametrize("dtype", FLOATS)
def test_inplace_is_the_same_function(kind, options, dtype):
    f, f_ = (getattr(ours, kind)(**options, inplace=flag) for flag in (False, True))
    leaf = draw(6, dtype=dtype)
    x = leaf * 1
    version = x._version
    y = f_(x)
    assert y is x
    assert x._version > version
    assert torch.equal(y, f(leaf))
    g = torch.randn_like(x)
    assert torch.equal(grad(y, leaf, g)[0], grad(f(leaf), leaf, g)[0])


@pytest.mark.parametrize(("kind", "options"), INPLACE)
def test_inplace_refuses_a_leaf_and_notices_a_lost_value(kind, options):
    f = getattr(ours, kind)(**options, inplace=True)
    with pytest.raises(RuntimeError, match="a leaf Variable that requires grad"):
        f(draw(3))
    x = draw(3) * 1
    squared = x * x
    f(x)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        squared.sum().backward()


# What is refused


@everywhere
@pytest.mark.parametrize(
    ("x", "got"),
    [
        (torch.arange(3), "torch.int64"),
        (torch.tensor([True]), "torch.bool"),
        (torch.zeros(2, dtype=torch.complex64), "torch.complex64"),
        ([1.0, 2.0], "list"),
        (1.0, "float"),
        (None, "NoneType"),
    ],
    ids=["int64", "bool", "complex64", "list", "float", "None"],
)
def test_refuses_what_is_not_a_floating_point_tensor(name, x, got):
    with pytest.raises(TypeError, match=rf"^x: expected a floating-point tensor, got {got}$"):
        build(name)(x)


@pytest.mark.parametrize(
    ("kind", "options", "error", "message"),
    [
        ("LeakyReLU", {"negative_slope": NAN}, ValueError, "negative_slope: expected a finite number, got nan"),
        ("LeakyReLU", {"negative_slope": "0.1"}, TypeError, "negative_slope: expected a finite number, got '0.1'"),
        ("LeakyReLU", {"negative_slope": True}, TypeError, "negative_slope: expected a finite number, got True"),
        ("ELU", {"alpha": INF}, ValueError, "alpha: expected a finite number, got inf"),
        ("ELU", {"alpha": None}, TypeError, "alpha: expected a finite number, got None"),
        ("Softplus", {"beta": 0}, ValueError, "beta: expected a finite number > 0, got 0"),
        ("Softplus", {"beta": -1.5}, ValueError, "beta: expected a finite number > 0, got -1.5"),
        ("Softplus", {"beta": NAN}, ValueError, "beta: expected a finite number > 0, got nan"),
        ("Softplus", {"beta": [1]}, TypeError, r"beta: expected a finite number > 0, got \[1\]"),
        ("Softplus", {"threshold": NAN}, ValueError, "threshold: expected a finite number, got nan"),
        ("GELU", {"approximate": "erf"}, ValueError, "approximate: expected 'none' or 'tanh', got 'erf'"),
        ("GELU", {"approximate": None}, ValueError, "approximate: expected 'none' or 'tanh', got None"),
    ],
)
def test_refuses_bad_options_at_construction(kind, options, error, message):
    with pytest.raises(error, match=f"^{message}$"):
        getattr(ours, kind)(**options)


def test_the_public_list_is_complete():
    assert set(ours.__all__) == {kind for kind, _ in TABLE.values()} | {"Softmax", "LogSoftmax"}
    assert all(isinstance(getattr(ours, kind)(), torch.nn.Module) for kind in ours.__all__)
