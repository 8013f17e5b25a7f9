"""Softmax and LogSoftmax: rows, dimensions, masks, and digits where one probability is nearly 1."""

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

from torchstone.activations import LogSoftmax, Softmax

INF, NAN = math.inf, math.nan
FLOATS = (torch.float64, torch.float32, torch.bfloat16, torch.float16)
COUNTERPART = {Softmax: torch.nn.Softmax, LogSoftmax: torch.nn.LogSoftmax}
both = pytest.mark.parametrize("kind", COUNTERPART, ids=lambda kind: kind.__name__)

SHAPES = [
    ((), 0),
    ((), -1),
    ((5,), 0),
    ((3, 4), 0),
    ((3, 4), 1),
    ((2, 3, 4), -2),
    ((4, 1), 1),
    ((2, 3, 1, 2, 2), 1),
    ((0,), 0),
    ((3, 0), 1),
    ((0, 3), 1),
]


def draw(*shape, dtype=torch.float64):
    return torch.randn(shape, dtype=dtype, requires_grad=True)


def pull(f, x, g):
    """f(x) and its vector-Jacobian product with g."""
    x = x.detach().requires_grad_()
    y = f(x)
    return y.detach(), grad(y, x, g)[0]


# Beside PyTorch


@both
@pytest.mark.parametrize(("shape", "dim"), SHAPES, ids=str)
@pytest.mark.parametrize("dtype", FLOATS)
def test_agrees_with_pytorch(kind, shape, dim, dtype):
    x = draw(*shape, dtype=dtype)
    g = torch.randn_like(x)
    near = {"rtol": 8 * torch.finfo(dtype).eps, "atol": 8 * torch.finfo(dtype).eps}
    for mine, other in zip(pull(kind(dim), x, g), pull(COUNTERPART[kind](dim), x, g), strict=True):
        assert mine.dtype == dtype
        torch.testing.assert_close(mine, other, **near)


@both
@pytest.mark.parametrize("options", [(), (0,), (-1,)], ids=str)
def test_is_shown_as_in_pytorch(kind, options):
    assert repr(kind(*options)) == repr(COUNTERPART[kind](*options))


@both
def test_without_dim_one_dimension_is_enough(kind):
    x = draw(4)
    assert torch.equal(kind()(x), kind(0)(x))
    assert torch.equal(kind()(x[0]), kind(0)(x[0]))


# Derivatives and transforms


@both
@pytest.mark.parametrize(("shape", "dim"), [((), 0), ((5,), 0), ((2, 3), 0), ((2, 3), 1), ((2, 2, 3), 1)], ids=str)
def test_first_and_second_derivatives_pass_gradcheck(kind, shape, dim):
    f, x = kind(dim), draw(*shape)
    assert gradcheck(f, x, check_forward_ad=True, check_batched_grad=True, check_batched_forward_grad=True)
    assert gradgradcheck(f, x, check_fwd_over_rev=True, check_rev_over_rev=True, check_batched_grad=True)


@both
def test_all_ways_to_higher_derivatives_agree(kind):
    f, other, x = kind(0), COUNTERPART[kind](0), draw(3).detach()
    torch.testing.assert_close(jacfwd(f)(x), jacrev(other)(x))
    second, third = jacrev(jacrev(other))(x), jacrev(jacrev(jacrev(other)))(x)
    for outer, inner in ((jacfwd, jacrev), (jacrev, jacfwd), (jacfwd, jacfwd), (jacrev, jacrev)):
        torch.testing.assert_close(outer(inner(f))(x), second)
        torch.testing.assert_close(jacrev(outer(inner(f)))(x), third)
        torch.testing.assert_close(jacfwd(outer(inner(f)))(x), third)


@both
def test_hessian_at_a_tie(kind):
    x = torch.tensor([1.0, 1.0, 1.0, -2.0], dtype=torch.float64)
    g = torch.tensor([1.0, -3.0, 0.5, 2.0], dtype=torch.float64)
    mine, other = (hessian(lambda x, f=f: (g * f(x)).sum())(x) for f in (kind(0), COUNTERPART[kind](0)))
    torch.testing.assert_close(mine, other)


@both
@pytest.mark.parametrize("dim", [0, 1, -1])
@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_vmap_is_a_loop(kind, dim, dtype):
    f, x = kind(dim), draw(3, 4, 5, dtype=dtype).detach()
    for at in range(3):
        assert torch.equal(vmap(f, in_dims=at)(x), torch.stack([f(row) for row in x.unbind(at)]))

        def slope(row):
            return torch.func.grad(lambda row: (f(row) ** 2).sum())(row)

        assert torch.equal(vmap(slope, in_dims=at)(x), torch.stack([slope(row) for row in x.unbind(at)]))


@pytest.mark.parametrize("dtype", FLOATS)
def test_compiled_is_eager(dtype):
    modules = [kind(dim) for kind in COUNTERPART for dim in (0, 1)]

    def all_of_them(x):
        return [f(x) for f in modules]

    torch.compiler.reset()
    compiled = torch.compile(all_of_them, fullgraph=True, backend="aot_eager")
    x = draw(4, 6, dtype=dtype)
    g = torch.randn_like(x)
    for eager, fast in zip(all_of_them(x), compiled(x), strict=True):
        assert torch.equal(eager, fast)
        assert torch.equal(grad(eager, x, g)[0], grad(fast, x, g, retain_graph=True)[0])


# Shapes and what is left alone


@both
def test_any_strides(kind):
    whole = draw(2, 3, 4, 5).detach()
    g = torch.ones((), dtype=torch.float64).expand(2, 3, 4, 5)
    for dim in range(4):
        f = kind(dim)
        value, slope = pull(f, whole, g)
        strided = whole.permute(3, 1, 0, 2).contiguous().permute(2, 1, 3, 0)
        for x in (strided, whole.contiguous(memory_format=torch.channels_last)):
            for mine, other in zip(pull(f, x, g.clone()), (value, slope), strict=True):
                torch.testing.assert_close(mine, other, rtol=1e-14, atol=1e-15)
        torch.testing.assert_close(f(whole[:1].expand(3, 3, 4, 5)), f(whole[:1].repeat(3, 1, 1, 1)))


@both
def test_leaves_its_input_and_itself_alone(kind):
    f, x = kind(1), draw(3, 5)
    before, version, state = x.detach().clone(), x._version, dict(vars(f))
    grad(f(x).sum(), x)
    assert torch.equal(x, before)
    assert x._version == version
    assert dict(vars(f)) == state


@both
def test_change_of_the_input_after_forward_is_noticed(kind):
    x = draw(5) * 1
    y = kind(0)(x)
    x.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


@both
def test_survives_copies(kind):
    f, x = kind(1), draw(2, 3)
    file = io.BytesIO()
    torch.save(f, file)
    file.seek(0)
    for twin in (copy.deepcopy(f), pickle.loads(pickle.dumps(f)), torch.load(file, weights_only=False)):
        assert torch.equal(twin(x), f(x))


# Infinities and NaN


@pytest.mark.parametrize("dtype", FLOATS)
def test_masked_logits_get_nothing(dtype):
    x = torch.tensor([[0.5, -INF, 2.0, -INF], [-INF, 3.0, -INF, -INF]], dtype=dtype)
    g = torch.tensor([[1.0, 5.0, -2.0, 0.0], [3.0, 1.0, -1.0, 7.0]], dtype=dtype)
    y, dx = pull(Softmax(1), x, g)
    seen = x.isfinite()
    torch.testing.assert_close(y[0, seen[0]], Softmax(0)(x[0, seen[0]]))
    assert y[~seen].eq(0).all()
    assert dx[~seen].eq(0).all()
    assert dx[1].eq(0).all()
    log_y, dx = pull(LogSoftmax(1), x, g * seen)
    assert log_y[~seen].eq(-INF).all()
    assert log_y[1, 1] == 0
    assert dx.isfinite().all()
    assert dx[~seen].eq(0).all()


@pytest.mark.parametrize("dtype", FLOATS)
def test_logit_of_plus_infinity_takes_all(dtype):
    x = torch.tensor([[1.0, INF, -INF], [INF, 0.0, INF]], dtype=dtype)
    y, dx = pull(Softmax(1), x, torch.ones_like(x))
    assert y.tolist() == [[0, 1, 0], [0.5, 0, 0.5]]
    assert dx.eq(0).all()
    assert torch.equal(LogSoftmax(1)(x), y.log())
    alone = torch.tensor([INF], dtype=dtype)
    assert Softmax(0)(alone).item() == 1
    assert LogSoftmax(0)(alone).item() == 0


@both
@pytest.mark.parametrize(
    "row",
    [[-INF, -INF, -INF], [1.0, NAN, 2.0], [INF, NAN, 0.0], [-INF, NAN, -INF], [NAN], [-INF]],
    ids=str,
)
def test_rows_without_an_answer_are_nan_and_stay_among_themselves(kind, row):
    x = torch.tensor([row, [0.0] * len(row)])
    y, dx = pull(kind(1), x, torch.ones_like(x))
    for answer in (y, dx):
        assert answer.isnan().tolist() == [[True] * len(row), [False] * len(row)]


@both
@pytest.mark.parametrize("dtype", FLOATS)
def test_largest_logits(kind, dtype):
    most = torch.finfo(dtype).max
    x = torch.tensor([[most, -most, 0.0], [most, most, -most]], dtype=dtype)
    y, dx = pull(kind(1), x, torch.ones_like(x))
    assert not y.isnan().any()
    assert not dx.isnan().any()
    assert Softmax(1)(x).tolist() == [[1, 0, 0], [0.5, 0.5, 0]]


# Accuracy, against 60 digits of mpmath


def by_mpmath(kind, x, g):
    """Value, vector-Jacobian product, and for each the sum of the sizes of what is added up in it."""
    with mpmath.workdps(60):
        x, g = [mpmath.mpf(v) for v in x.tolist()], [mpmath.mpf(v) for v in g.tolist()]
        every = range(len(x))
        e = [mpmath.exp(v) for v in x]
        y = [v / sum(e) for v in e]
        rest = [[k for k in every if k != j] for j in every]
        others = [mpmath.fsum(y[k] for k in rest[j]) for j in every]
        travel = [abs(x[j]) * others[j] + mpmath.fsum(abs(x[k]) * y[k] for k in rest[j]) for j in every]
        if kind is Softmax:
            value, scale = y, [y[j] * (1 + travel[j]) for j in every]
            dx = [y[j] * mpmath.fsum(y[k] * (g[j] - g[k]) for k in rest[j]) for j in every]
            size = [y[j] * (abs(g[j]) * others[j] + mpmath.fsum(y[k] * abs(g[k]) for k in rest[j])) for j in every]
        else:
            value = [-mpmath.log1p(mpmath.fsum(mpmath.exp(x[k] - x[j]) for k in rest[j])) for j in every]
            scale = [abs(value[j]) + travel[j] for j in every]
            dx = [g[j] * others[j] - y[j] * mpmath.fsum(g[k] for k in rest[j]) for j in every]
            size = [abs(g[j]) * others[j] + y[j] * mpmath.fsum(abs(g[k]) for k in rest[j]) for j in every]
        # A gradient moves with x as its terms do: each of them by no more than this many times its size.
        stretch = 1 + max(abs(v - w) for v in x for w in x)
        return (value, scale), (dx, [s * stretch for s in size])


def assert_accurate(kind, x, g, most=3):
    eps = torch.finfo(x.dtype).eps
    least = torch.finfo(x.dtype).smallest_normal * eps
    for answer, (truth, scale) in zip(pull(kind(0), x, g), by_mpmath(kind, x, g), strict=True):
        for a, t, s in zip(answer.tolist(), truth, scale, strict=True):
            assert abs(a - t) <= most * max(eps * s, least)


@both
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("gap", [0.0, 1e-3, 10.0, 18.0, 40.0, 80.0])
@pytest.mark.parametrize(
    "g", [(1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (-0.75, 2.0, 0.5), (101.0, 100.0, 100.0), (1.0, 1.0, 1.0)]
)
def test_saturated_rows_keep_their_digits(kind, dtype, gap, g):
    x, g = torch.tensor([gap, 0.0, -1.0], dtype=dtype), torch.tensor(g, dtype=dtype)
    assert_accurate(kind, x, g)
    assert_accurate(kind, x.flip(0), g)


@both
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("top", [0, 17])
def test_level_rows_keep_their_digits(kind, dtype, top):
    x = (torch.randn(40) / 100).to(dtype)
    assert_accurate(kind, x, torch.eye(40, dtype=dtype)[x.argmax() - top])


def test_gradients_of_a_saturated_row_beside_known_numbers():
    x, g = torch.tensor([30.0, 0.0]), torch.tensor([1.0, 0.0])
    tiny = 9.357622968839299e-14  # mpmath: exp(-30) / (1 + exp(-30))
    assert pull(Softmax(0), x, g)[1].tolist() == pytest.approx([tiny, -tiny], rel=3e-7)
    value, dx = pull(LogSoftmax(0), x, g)
    assert value.tolist() == pytest.approx([-tiny, -30], rel=3e-7)
    assert dx.tolist() == pytest.approx([tiny, -tiny], rel=3e-7)


@both
@pytest.mark.parametrize(("dtype", "width"), [(torch.float32, 32), (torch.float64, 64)])
def test_accurate_wherever_hypothesis_looks(kind, dtype, width):
    logits, weights = st.floats(-80, 80, width=width), st.floats(-8, 8, width=width)

    @given(st.lists(st.tuples(logits, weights), min_size=1, max_size=6))
    def check(pairs):
        x, g = (torch.tensor(column, dtype=dtype) for column in zip(*pairs, strict=True))
        assert_accurate(kind, x, g, most=4)

    check()


@both
def test_long_rows_in_any_direction(kind):
    x = torch.randn(2000, 3)
    expected = kind(0)(x.double())
    for f, rows in ((kind(0), x), (kind(1), x.T.contiguous())):
        answer = f(rows) if rows is x else f(rows).T
        torch.testing.assert_close(answer.double(), expected, rtol=4e-7, atol=0)


@both
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_types_are_rounded_once(kind, dtype):
    x, g = (torch.randn(50, 40) * 4).to(dtype), torch.randn(50, 40).to(dtype)
    smallest = torch.finfo(dtype).smallest_normal * torch.finfo(dtype).eps
    for half, double in zip(pull(kind(1), x, g), pull(kind(1), x.double(), g.double()), strict=True):
        spacing = torch.exp2(double.abs().log2().floor()) * torch.finfo(dtype).eps
        # Float32 arithmetic may turn a near tie the other way.
        assert ((half.double() - double).abs() / spacing.clamp(min=smallest)).max() <= 0.51


# What is refused


@both
def test_refuses_to_guess_the_dimension(kind):
    with pytest.raises(ValueError, match=r"^dim: expected an int for x with 2 dimensions, got None$"):
        kind()(draw(2, 3))


@both
@pytest.mark.parametrize(
    ("shape", "dim", "low", "high"), [((2, 3), 2, -2, 1), ((2, 3), -3, -2, 1), ((), 1, -1, 0), ((0, 3), 5, -2, 1)]
)
def test_refuses_a_dimension_that_is_not_there(kind, shape, dim, low, high):
    ndim = len(shape)
    with pytest.raises(IndexError, match=rf"^dim: expected {low} to {high} for x with {ndim} dimensions, got {dim}$"):
        kind(dim)(draw(*shape))


@both
@pytest.mark.parametrize("dim", [1.0, "1", True, (0, 1)])
def test_refuses_a_dim_that_is_no_int(kind, dim):
    with pytest.raises(TypeError, match=r"^dim: expected an int or None, got "):
        kind(dim)


@both
@pytest.mark.parametrize("x", [torch.arange(3), torch.tensor([True]), torch.zeros(2, dtype=torch.complex64), [1.0]])
def test_refuses_what_is_not_a_floating_point_tensor(kind, x):
    with pytest.raises(
        TypeError, match=r"^x: expected a floating-point tensor, got (torch\.(int64|bool|complex64)|list)$"
    ):
        kind(0)(x)
