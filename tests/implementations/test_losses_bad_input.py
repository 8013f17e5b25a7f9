"""Bad input to a loss is refused at the earliest moment, in one line that names the argument."""

import pytest
import torch
from torch import tensor
from torch.func import grad, vmap

from torchstone.losses import (
    BCELoss,
    BCEWithLogitsLoss,
    CrossEntropyLoss,
    HuberLoss,
    L1Loss,
    MSELoss,
    NLLLoss,
    SmoothL1Loss,
)

NAN, INF = float("nan"), float("inf")
ALL = [L1Loss, MSELoss, HuberLoss, SmoothL1Loss, BCELoss, BCEWithLogitsLoss, CrossEntropyLoss, NLLLoss]
PAIRS = ALL[:6]
BINARY = [BCELoss, BCEWithLogitsLoss]
CLASSES = [CrossEntropyLoss, NLLLoss]
half = torch.full((4, 3), 0.5)
index = tensor([0, 1, 2, 0])


def says(error, start, *parts):
    """The error is raised in one line that starts with the argument and holds all parts."""
    pattern = f"^{start}: expected (?!.*\n)" + "".join(f"(?=.*{part})" for part in map(escaped, parts))
    return pytest.raises(error, match=pattern)


def escaped(part):
    return "".join(f"\\{c}" if c in "()[].+" else c for c in part)


@pytest.mark.parametrize("loss", ALL)
@pytest.mark.parametrize(
    ("reduction", "error"),
    [("average", ValueError), ("", ValueError), ("Mean", ValueError), (None, TypeError), (True, TypeError)],
)
def test_reduction(loss, reduction, error):
    with says(error, "reduction", "none, mean, sum", f"got {reduction!r}"):
        loss(reduction=reduction)


@pytest.mark.parametrize(
    ("make", "name", "value", "error"),
    [
        *[(HuberLoss, "delta", v, ValueError) for v in (0.0, -1.0, NAN, INF)],
        *[(HuberLoss, "delta", v, TypeError) for v in ("1", None, True, tensor(1.0))],
        *[(SmoothL1Loss, "beta", v, ValueError) for v in (-1e-9, NAN, INF)],
        *[(SmoothL1Loss, "beta", v, TypeError) for v in ("1", None, False)],
        *[(CrossEntropyLoss, "label_smoothing", v, ValueError) for v in (-0.1, 1.1, NAN)],
        *[(CrossEntropyLoss, "label_smoothing", v, TypeError) for v in ("0", None, True)],
        *[(loss, "ignore_index", v, TypeError) for loss in CLASSES for v in (1.0, "0", None, False)],
        *[(loss, "weight", v, TypeError) for loss in BINARY + CLASSES for v in ([1.0], 1.0, tensor([1, 2, 3]))],
        *[(loss, "weight", tensor([1.0, v]), ValueError) for loss in BINARY + CLASSES for v in (NAN, -INF)],
        *[(loss, "weight", torch.ones(3, requires_grad=True), ValueError) for loss in BINARY + CLASSES],
        *[(loss, "weight", torch.ones(v), ValueError) for loss in CLASSES for v in ((), (1, 3))],
        (BCEWithLogitsLoss, "pos_weight", 2.0, TypeError),
        (BCEWithLogitsLoss, "pos_weight", tensor(NAN), ValueError),
    ],
)
def test_hyper_parameters(make, name, value, error):
    with says(error, name, "got"):
        make(**{name: value})


@pytest.mark.parametrize("loss", PAIRS + CLASSES)
def test_what_follows_weight_has_a_name(loss):
    # In torch.nn deprecated arguments stand in between: nothing may be misplaced in silence.
    with pytest.raises(TypeError):
        loss(None, "mean", "mean")


@pytest.mark.parametrize("loss", PAIRS)
@pytest.mark.parametrize("shape", [(4, 1), (4,), (3,), (), (1, 4, 3), (3, 4), (0, 3)])
def test_pairs_are_never_broadcast(loss, shape):
    with says(ValueError, "input and target", "one shape", "(4, 3)", str(shape)):
        loss()(half, torch.full(shape, 0.5))


@pytest.mark.parametrize(
    ("loss", "target", "parts"),
    [
        (CrossEntropyLoss, tensor([[0], [1], [2], [0]]), ("(4,) (class indices) or (4, 3)", "(4, 1)")),
        (CrossEntropyLoss, tensor([0, 1, 2]), ("(4,)", "(3,)")),
        (CrossEntropyLoss, torch.rand(4, 2), ("(4, 3) (probabilities)", "(4, 2)")),
        (NLLLoss, tensor([0, 1, 2]), ("(4,)", "(3,)")),
        (NLLLoss, torch.zeros(4, 3, dtype=torch.long), ("(4,)", "(4, 3)")),
    ],
)
def test_classes_need_one_target_a_row(loss, target, parts):
    with says(ValueError, "target", *parts):
        loss()(half, target)


@pytest.mark.parametrize("loss", CLASSES)
@pytest.mark.parametrize("shape", [(), (0,), (4, 0), (2, 0, 3)])
def test_classes_need_a_class(loss, shape):
    with says(ValueError, "input", "C > 0", str(shape)):
        loss()(torch.zeros(shape), tensor([0]))


@pytest.mark.parametrize("loss", PAIRS)
def test_pairs_need_floating_tensors(loss):
    for x, t, name in [
        (half.int(), half, "input"),
        (half, half.long(), "target"),
        (half, half.bool(), "target"),
        (half.to(torch.complex64), half, "input"),
        (half.tolist(), half, "input"),
        (half, 0.5, "target"),
    ]:
        with says(TypeError, name, "floating-point tensor"):
            loss()(x, t)


@pytest.mark.parametrize("loss", ALL)
def test_none_is_no_tensor(loss):
    with pytest.raises(TypeError, match="target: expected"):
        loss()(half, None)
    with pytest.raises(TypeError, match="input: expected"):
        loss()(None, half)


@pytest.mark.parametrize("loss", CLASSES)
@pytest.mark.parametrize("dtype", [torch.int32, torch.bool, torch.float32, torch.int8])
def test_class_indices_have_an_index_type(loss, dtype):
    with says(TypeError, "target", "int64 or uint8", str(dtype)):
        loss()(half, index.to(dtype))


def test_probabilities_are_floating():
    with says(TypeError, "target", "floating-point tensor", "torch.int64"):
        CrossEntropyLoss()(half, half.long())


@pytest.mark.parametrize("loss", [*PAIRS, CrossEntropyLoss])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float16])
def test_dtypes_do_not_mix(loss, dtype):
    with says(TypeError, "input and target", "one dtype", "torch.float32", str(dtype)):
        loss()(half, half.to(dtype))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        if dtype is torch.float64:
            with pytest.raises(TypeError, match="input and target"):
                loss()(half, half.to(dtype))
            with pytest.raises(TypeError, match="input and target"):
                loss()(half.bfloat16(), half.to(dtype))
        else:
            assert loss()(half, half.to(dtype)).dtype is torch.float32


@pytest.mark.parametrize("loss", [*BINARY, *CLASSES])
def test_the_weight_has_the_dtype_of_the_input(loss):
    with says(TypeError, ".*weight", "one dtype", "torch.float64"):
        loss(torch.ones(3, dtype=torch.float64))(half, half if loss in BINARY else index)


@pytest.mark.parametrize("loss", ALL)
def test_devices_do_not_mix(loss):
    target = index if loss is NLLLoss else half
    with says(ValueError, "input and target", "one device", "cpu and meta"):
        loss()(half, target.to("meta"))


def test_the_weight_is_on_the_device_of_the_input():
    with says(ValueError, ".*weight", "one device", "meta"):
        CrossEntropyLoss(torch.ones(3, device="meta"))(half, index)


@pytest.mark.parametrize("loss", CLASSES)
@pytest.mark.parametrize(("wrong", "classes"), [(3, 3), (-1, 3), (2**40, 3), (-101, 3)])
def test_classes_out_of_range(loss, wrong, classes):
    target = index.clone()
    target[2] = wrong
    with says(IndexError, "target", f"classes 0 to {classes - 1}", "ignore_index -100", f"got {wrong} at (2,)"):
        loss()(half, target)
    with says(IndexError, "target", f"got {wrong}"):
        loss()(half[0], tensor(wrong))
    loss(ignore_index=wrong)(half, target)


def test_the_place_of_a_wrong_class_is_told_in_every_dimension():
    target = torch.zeros(2, 4, 5, dtype=torch.long)
    target[1, 2, 3] = 7
    with says(IndexError, "target", "got 7 at (1, 2, 3)"):
        CrossEntropyLoss()(torch.zeros(2, 3, 4, 5), target)


@pytest.mark.parametrize("wrong", [-1e-6, 1.0001, NAN, INF, -INF])
@pytest.mark.parametrize(
    ("loss", "name"),
    [(BCELoss, "input"), (BCELoss, "target"), (BCEWithLogitsLoss, "target"), (CrossEntropyLoss, "target")],
)
def test_probabilities_out_of_range(loss, name, wrong):
    tensors = {"input": half.clone(), "target": half.clone()}
    tensors[name][3, 1] = wrong
    with says(ValueError, name, "[0, 1]", f"got {tensors[name][3, 1].item()}", "at (3, 1)"):
        loss()(**tensors)


@pytest.mark.parametrize("transform", [vmap, lambda f: vmap(grad(f)), lambda f: vmap(vmap(f))], ids=["v", "vg", "vv"])
def test_values_are_checked_beneath_transforms(transform):
    z, y = torch.zeros(2, 4, 3), torch.zeros(2, 4, dtype=torch.long)
    y[1, 2] = 9
    with says(IndexError, "target", "got 9 at (1, 2)"):
        transform(CrossEntropyLoss())(z, y)
    p = torch.full((2, 4, 3), 0.5)
    p[0, 0, 1] = 2
    with says(ValueError, "input", "got 2.0 at (0, 0, 1)"):
        transform(BCELoss())(p, p.clamp(max=1))


@pytest.mark.parametrize("name", ["weight", "pos_weight"])
@pytest.mark.parametrize("shape", [(4,), (2, 3), (1, 4, 3), (2, 4, 3), (4, 2)])
def test_a_weight_must_fit_without_enlarging_the_result(name, shape):
    with says(ValueError, name, "broadcasts to (4, 3)", str(shape)):
        BCEWithLogitsLoss(**{name: torch.ones(shape)})(half, half)


@pytest.mark.parametrize("loss", CLASSES)
def test_a_class_weight_for_each_class(loss):
    with says(ValueError, "weight", "each of 3 classes", "got 2"):
        loss(torch.ones(2))(half, index)


def test_probabilities_have_no_ignored_index():
    with says(ValueError, "ignore_index", "got 1"):
        CrossEntropyLoss(ignore_index=1)(half, half)


def test_negative_weights_are_allowed_as_in_torch():
    weight = tensor([-1.0, 2.0, 0.5])
    for target in (index, half.softmax(1)):
        expected = torch.nn.CrossEntropyLoss(weight)(torch.arange(12.0).reshape(4, 3).sin(), target)
        got = CrossEntropyLoss(weight)(torch.arange(12.0).reshape(4, 3).sin(), target)
        torch.testing.assert_close(got, expected)


def test_a_failed_call_leaves_the_module_as_it_was():
    loss = CrossEntropyLoss(torch.ones(3))
    with pytest.raises(IndexError):
        loss(half, index + 5)
    assert loss(half, index).isfinite()
    assert list(loss.state_dict()) == ["weight"]
