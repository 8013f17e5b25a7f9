"""Every loss with every option: equal to torch.nn's in value and gradients, and right under every transform."""

import copy
import pickle
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, hessian, jacfwd, jacrev, vmap

from torchstone import losses

pytestmark = [
    # torch's forward mode uses torch.jit.script, and its compiler makes an instance of a Function.
    pytest.mark.filterwarnings("ignore:.*torch.jit.script.*:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.*should not be instantiated.*:DeprecationWarning"),
]

REDUCTIONS = ("none", "mean", "sum")
C = 4
RANDOM = torch.Generator().manual_seed(0)


def real(*shape: int) -> Tensor:
    return 2 * torch.randn(shape, dtype=torch.float64, generator=RANDOM)


def unit(*shape: int) -> Tensor:
    return torch.rand(shape, dtype=torch.float64, generator=RANDOM).mul(0.98).add(0.01)


def index(*shape: int) -> Tensor:
    return torch.randint(0, C, shape, generator=RANDOM) if shape else torch.tensor(1)


WEIGHT = unit(C) + 0.5
POSITIVE = 3 * unit(C)


@dataclass(frozen=True)
class Case:
    name: str
    input: Tensor
    target: Tensor
    options: dict[str, Any]

    def __str__(self) -> str:
        chosen = [f"{k}={'given' if isinstance(v, Tensor) else v}" for k, v in self.options.items()]
        return "-".join(
            [self.name, str(tuple(self.input.shape)), "x".join(str(self.target.dtype)[6:].split()), *chosen]
        )

    def ours(self, reduction: str) -> nn.Module:
        return getattr(losses, self.name)(**self.options, reduction=reduction)

    def theirs(self, reduction: str) -> nn.Module:
        return getattr(nn, self.name)(**self.options, reduction=reduction)


def residual_cases() -> list[Case]:
    options = [
        ("L1Loss", {}),
        ("MSELoss", {}),
        *[("HuberLoss", {"delta": d}) for d in (0.5, 1.0, 3.0)],
        *[("SmoothL1Loss", {"beta": b}) for b in (0.0, 0.5, 1.0, 3.0)],
    ]
    return [Case(name, real(*shape), real(*shape), o) for name, o in options for shape in ((3, C), (), (2, 3, 2))]


def binary_cases() -> list[Case]:
    weights = ({}, {"weight": WEIGHT}, {"weight": unit(3, 1)})
    positive = ({}, {"pos_weight": POSITIVE})
    cases = [Case("BCELoss", unit(3, C), unit(3, C), w) for w in weights]
    cases += [Case("BCEWithLogitsLoss", real(3, C), unit(3, C), w | p) for w in weights for p in positive]
    return [*cases, Case("BCELoss", unit(), unit(), {}), Case("BCEWithLogitsLoss", real(), unit(), {})]


def class_cases() -> list[Case]:
    cases = []
    for weight in ({}, {"weight": WEIGHT}):
        for shape in ((C,), (3, C), (2, C, 3), (2, C, 3, 2)):
            rows = shape[:1] + shape[2:] if len(shape) > 1 else ()
            partly = index(*rows)
            partly.view(-1)[: len(rows)] = -100
            for target, ignore in ((partly, {}), (index(*rows), {"ignore_index": 2})):
                cases.append(Case("NLLLoss", real(*shape), target, weight | ignore))
                for smoothing in (0.0, 0.1, 1.0):
                    cases.append(
                        Case(
                            "CrossEntropyLoss", real(*shape), target, {**weight, **ignore, "label_smoothing": smoothing}
                        )
                    )
            for smoothing in (0.0, 0.1):
                cases.append(
                    Case("CrossEntropyLoss", real(*shape), unit(*shape), weight | {"label_smoothing": smoothing})
                )
    return cases


CASES = residual_cases() + binary_cases() + class_cases()
# One batch of rows each, for what is slower to test: the rest differs in shape alone.
FEW = [case for case in CASES if case.input.shape == (3, C) and case.options.get("label_smoothing") != 1.0]

every_case = pytest.mark.parametrize("case", CASES, ids=str)
few_cases = pytest.mark.parametrize("case", FEW, ids=str)
every_reduction = pytest.mark.parametrize("reduction", REDUCTIONS)


def leaves(case: Case) -> tuple[Tensor, Tensor]:
    return (
        case.input.clone().requires_grad_(),
        case.target.clone().requires_grad_(case.target.is_floating_point()),
    )


def run(loss: nn.Module, case: Case) -> tuple[Tensor, ...]:
    """The value, and the gradients for an upstream gradient of both signs."""
    x, t = leaves(case)
    y = loss(x, t)
    g = (
        torch.tensor([-1.0, 2.0, 0.5]).repeat(y.numel())[: y.numel()].reshape(y.shape).to(y.dtype)
    )  # exact in all dtypes
    return (y.detach(), *torch.autograd.grad(y, [v for v in (x, t) if v.requires_grad], g))


def assert_close(got: Any, expected: Any, rtol: float = 1e-12, atol: float = 1e-13) -> None:
    torch.testing.assert_close(got, expected, rtol=rtol, atol=atol, equal_nan=True)


@every_reduction
@every_case
def test_equals_torch(case, reduction):
    assert_close(run(case.ours(reduction), case), run(case.theirs(reduction), case))


@every_case
def test_mean_and_sum_follow_from_none(case):
    x, t = leaves(case)
    terms, total, mean = (case.ours(reduction)(x, t) for reduction in ("none", "sum", "mean"))
    assert_close(total, terms.sum())
    (of_sum,), (of_mean,) = torch.autograd.grad(total, x), torch.autograd.grad(mean, x)
    assert_close(of_mean * total.detach(), of_sum * mean.detach(), atol=1e-12)


@few_cases
def test_derivatives_are_those_of_the_value(case):
    tensors = [v for v in leaves(case) if v.requires_grad]

    def f(*given: Tensor) -> Tensor:
        return case.ours("none")(*given, *((case.target,) if len(given) == 1 else ()))

    torch.autograd.gradcheck(
        f, tensors, check_forward_ad=True, check_batched_grad=True, check_batched_forward_grad=True
    )
    torch.autograd.gradgradcheck(f, tensors, check_fwd_over_rev=True)


@every_reduction
@few_cases
@pytest.mark.parametrize("dims", [(0, 0), (0, None), (None, 0), (1, 1)], ids=str)
def test_vmap_is_a_loop(case, reduction, dims):
    loss = case.ours(reduction)
    stacks = [
        torch.stack([v, v.flip(0), v.roll(1, 0)], d or 0) for v, d in zip((case.input, case.target), dims, strict=True)
    ]
    given = [s if d is not None else s[0] for s, d in zip(stacks, dims, strict=True)]
    rows = [s.unbind(d) if d is not None else [s[0]] * 3 for s, d in zip(stacks, dims, strict=True)]
    assert_close(vmap(loss, dims)(*given), torch.stack([loss(x, t) for x, t in zip(*rows, strict=True)]))

    def slope(x: Tensor, t: Tensor) -> Tensor:
        return grad(lambda x: loss(x, t).sum())(x)

    assert_close(vmap(slope, dims)(*given), torch.stack([slope(x, t) for x, t in zip(*rows, strict=True)]))


@few_cases
def test_function_transforms_agree(case):
    def f(x: Tensor) -> Tensor:
        return case.ours("sum")(x, case.target)

    x = case.input
    leaf = x.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(f(leaf), leaf)
    for transform in (grad, jacrev, jacfwd):
        assert_close(transform(f)(x), gradient)
    second = jacrev(jacrev(f))(x)
    for ways in ((jacfwd, jacfwd), (jacfwd, jacrev), (jacrev, jacfwd)):
        assert_close(ways[0](ways[1](f))(x), second)
    assert_close(vmap(hessian(f))(torch.stack([x, x])), torch.stack([second, second]))
    # Forward mode thrice: PyTorch runs a jvp with forward mode off, and would lose two of the three.
    assert_close(jacfwd(jacfwd(jacfwd(f)))(x), jacrev(jacrev(jacrev(f)))(x))


@pytest.mark.parametrize(
    ("case", "reduction"),
    [(case, REDUCTIONS[i % 3]) for i, case in enumerate(FEW[::3])],  # half a second each
    ids=str,
)
def test_compile_has_no_graph_break(case, reduction):
    torch._dynamo.reset()
    loss = case.ours(reduction)
    compiled = torch.compile(loss, fullgraph=True, backend="aot_eager")
    assert_close(run(compiled, case), run(loss, case))


HALVES = (torch.bfloat16, torch.float16)


def narrowed(case: Case, dtype: torch.dtype) -> Case:
    def narrow(v: Any) -> Any:
        return v.to(dtype) if isinstance(v, Tensor) and v.is_floating_point() else v

    return Case(case.name, narrow(case.input), narrow(case.target), {k: narrow(v) for k, v in case.options.items()})


def widened(case: Case) -> Case:
    return narrowed(case, torch.float64)


@pytest.mark.parametrize("dtype", [*HALVES, torch.float32], ids=str)
@every_reduction
@few_cases
def test_a_narrow_dtype_is_kept_and_rounded_once(case, reduction, dtype):
    case = narrowed(case, dtype)
    exact = run(widened(case).ours(reduction), widened(case))
    for got, true in zip(run(case.ours(reduction), case), exact, strict=True):
        assert got.dtype is dtype
        # Half an ulp for the rounding to a half type; besides, a few of float32, which it was computed in.
        tolerance = 20 * torch.finfo(torch.float32).eps
        half = torch.finfo(dtype).eps / 2 if dtype in HALVES else 0
        assert_close(got.double(), true, rtol=half + tolerance, atol=tolerance)


@pytest.mark.parametrize("dtype", HALVES, ids=str)
@few_cases
def test_autocast_answers_in_float32(case, dtype):
    case = narrowed(case, dtype)
    plain = narrowed(case, torch.float32)
    expected = run(plain.ours("mean"), plain)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value, *gradients = run(case.ours("mean"), case)
        # The module's own weights may be float32, and so may one of the pair.
        mixed = plain.ours("mean")(case.input, plain.target)
    assert value.dtype is mixed.dtype is torch.float32
    assert_close(value, expected[0], rtol=1e-6)
    assert_close(mixed, expected[0], rtol=1e-6)
    assert {g.dtype for g in gradients} == {dtype}


@pytest.mark.parametrize("case", [case for case in FEW if "weight" in case.options], ids=str)
def test_state_loads_from_and_into_torch(case):
    other = {k: torch.ones_like(v) if isinstance(v, Tensor) else v for k, v in case.options.items()}
    ours, theirs = getattr(losses, case.name)(**other), case.theirs("mean")
    assert ours.state_dict().keys() == theirs.state_dict().keys()
    ours.load_state_dict(theirs.state_dict())
    assert_close(run(ours, case), run(theirs, case))
    fresh = getattr(nn, case.name)(**other)
    fresh.load_state_dict(ours.state_dict())
    assert_close(run(fresh, case), run(theirs, case))


@few_cases
def test_copies_behave_alike(case):
    loss = case.ours("none")
    for twin in (copy.deepcopy(loss), pickle.loads(pickle.dumps(loss))):
        assert_close(twin(case.input, case.target), loss(case.input, case.target), rtol=0, atol=0)
    assert_close(
        functional_call(loss, dict(loss.named_buffers()), (case.input, case.target)), loss(case.input, case.target)
    )


@few_cases
def test_inputs_are_left_alone(case):
    x, t = leaves(case)
    before = x.detach().clone(), t.detach().clone()
    loss = case.ours("mean")
    kept = {k: v.clone() for k, v in loss.state_dict().items()}
    loss(x, t).backward()
    assert (x._version, t._version) == (0, 0)
    assert_close((x.detach(), t.detach()), before, rtol=0, atol=0)
    assert_close(dict(loss.state_dict()), kept, rtol=0, atol=0)


@few_cases
def test_an_input_edited_before_backward_is_noticed_or_not_needed(case):
    x, t = leaves(case)
    true = torch.autograd.grad(case.ours("mean")(x, t), x)
    y = case.ours("mean")(x, t)
    with torch.no_grad():
        x.mul_(2)
    try:
        got = torch.autograd.grad(y, x)
    except RuntimeError as error:
        assert "modified by an inplace operation" in str(error)  # noqa: PT017
    else:
        assert_close(got, true)


@few_cases
def test_meta_tensors_have_shapes(case):
    for reduction in REDUCTIONS:
        loss = case.ours(reduction).to("meta")
        got = loss(case.input.to("meta"), case.target.to("meta"))
        assert got.shape == case.theirs(reduction)(case.input, case.target).shape
