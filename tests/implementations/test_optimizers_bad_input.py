"""Wrong input: one clear message at the earliest moment, and nothing has changed."""

import copy
import math
import re

import pytest
import torch
from torch import nn

from torchstone.optimizers import SGD, Adam, AdamW, GradientDescent, Momentum

ALL = [GradientDescent, SGD, Momentum, Adam, AdamW]
NAN, INF = math.nan, math.inf


def parameter(*shape, dtype=torch.float64):
    return nn.Parameter(torch.ones(shape or (3,), dtype=dtype))


RATE = "lr: expected a finite number >= 0, got "
DECAY = "weight_decay: expected a finite number >= 0, got "
NESTEROV = "nesterov: expected with momentum > 0 and dampening 0, got momentum "
BAD_OPTIONS = [
    *[(cls, {"lr": value}, ValueError, f"{RATE}{value!r}") for cls in ALL for value in (-1.0, NAN, INF, -INF)],
    *[(cls, {"lr": "0.1"}, TypeError, f"{RATE}'0.1'") for cls in ALL],
    (SGD, {"lr": None}, TypeError, f"{RATE}None"),
    (SGD, {"lr": True}, TypeError, f"{RATE}True"),
    (SGD, {"lr": 1j}, TypeError, f"{RATE}1j"),
    (SGD, {"lr": torch.ones(2)}, ValueError, f"{RATE}a tensor of shape (2,)"),
    (SGD, {"lr": torch.tensor(-1.0)}, ValueError, f"{RATE}-1.0"),
    (Adam, {"lr": torch.tensor(NAN)}, ValueError, f"{RATE}nan"),
    (Momentum, {"momentum": -0.1}, ValueError, "momentum: expected a finite number >= 0, got -0.1"),
    (SGD, {"momentum": INF}, ValueError, "momentum: expected a finite number >= 0, got inf"),
    (SGD, {"dampening": NAN}, ValueError, "dampening: expected a finite number, got nan"),
    (SGD, {"dampening": [0]}, TypeError, "dampening: expected a finite number, got [0]"),
    (SGD, {"weight_decay": -1}, ValueError, f"{DECAY}-1.0"),
    (AdamW, {"weight_decay": NAN}, ValueError, f"{DECAY}nan"),
    (Adam, {"weight_decay": "no"}, TypeError, f"{DECAY}'no'"),
    (SGD, {"nesterov": True}, ValueError, f"{NESTEROV}0 and dampening 0"),
    (SGD, {"nesterov": True, "momentum": 0.9, "dampening": 0.5}, ValueError, f"{NESTEROV}0.9 and dampening 0.5"),
    (SGD, {"nesterov": "yes"}, TypeError, "nesterov: expected True or False, got 'yes'"),
    (Adam, {"betas": (1.0, 0.9)}, ValueError, "betas[0]: expected a number in [0, 1), got 1.0"),
    (Adam, {"betas": (0.9, -0.1)}, ValueError, "betas[1]: expected a number in [0, 1), got -0.1"),
    (AdamW, {"betas": (0.9, NAN)}, ValueError, "betas[1]: expected a number in [0, 1), got nan"),
    (Adam, {"betas": (0.9,)}, ValueError, "betas: expected a pair of numbers, got (0.9,)"),
    (Adam, {"betas": 0.9}, TypeError, "betas: expected a pair of numbers, got 0.9"),
    (Adam, {"betas": ("a", 0.9)}, TypeError, "betas[0]: expected a number in [0, 1), got 'a'"),
    (Adam, {"eps": -1e-8}, ValueError, "eps: expected a finite number >= 0, got -1e-08"),
    (Adam, {"eps": None}, TypeError, "eps: expected a finite number >= 0, got None"),
    (Adam, {"amsgrad": 1}, TypeError, "amsgrad: expected True or False, got 1"),
    (Adam, {"maximize": None}, TypeError, "maximize: expected True or False, got None"),
    (Adam, {"foreach": "fast"}, TypeError, "foreach: expected True, False or None, got 'fast'"),
    (
        AdamW,
        {"weight_decay": torch.tensor(0.1, requires_grad=True), "capturable": True},
        ValueError,
        "weight_decay: expected a number that needs no gradient, got a tensor that requires one",
    ),
]


@pytest.mark.parametrize(("cls", "options", "error", "message"), BAD_OPTIONS)
def test_bad_options(cls, options, error, message):
    def is_right(caught):
        assert type(caught.value) is error
        assert str(caught.value) == message

    with pytest.raises(error) as caught:
        cls([parameter()], **options)
    is_right(caught)

    with pytest.raises(error) as caught:  # in a group
        cls([{"params": [parameter()]}, {"params": [parameter()], **options}])
    is_right(caught)

    optimizer = cls([parameter()])
    before = list(optimizer.param_groups)
    with pytest.raises(error) as caught:  # in a group that is added later
        optimizer.add_param_group({"params": [parameter()], **options})
    is_right(caught)
    assert optimizer.param_groups == before


@pytest.mark.parametrize("lr", [0, 0.0, 1, torch.tensor(0.0), torch.tensor([2])])
@pytest.mark.parametrize("cls", ALL)
def test_good_learning_rates(cls, lr):
    optimizer = cls([parameter()], lr=lr)
    assert optimizer.param_groups[0]["lr"] is lr


@pytest.mark.parametrize("cls", ALL)
@pytest.mark.parametrize(
    ("params", "error", "words"),
    [
        (parameter, TypeError, "or of groups, got a tensor of shape (3,); put it in a list"),
        (lambda: [], ValueError, "or of groups, got an empty one"),
        (lambda: iter(()), ValueError, "or of groups, got an empty one"),
        (lambda: 3, TypeError, "params: expected an iterable of tensors, of (name, tensor) pairs or of groups, got 3"),
        (lambda: [1.0], TypeError, "float"),
        (lambda: [{"params": {parameter()}}], TypeError, "ordered"),
        (lambda: [{"lr": 0.1}], ValueError, "params: expected in each parameter group, got a group of ['lr']"),
        (lambda: [parameter()] * 2, ValueError, "params: expected each parameter once, got one twice in a group"),
        (lambda: [("a", p := parameter()), ("b", p)], ValueError, "params: expected each parameter once"),
        (lambda: [{"params": [p := parameter()]}, {"params": [p]}], ValueError, "more than one parameter group"),
        (lambda: [parameter() * 2], ValueError, "non-leaf"),
        (lambda: [("a", parameter()), parameter()], ValueError, "names"),
    ],
)
def test_bad_parameters(cls, params, error, words):
    with pytest.raises(error) as caught:
        cls(params())
    assert words in str(caught.value)


@pytest.mark.parametrize("cls", [SGD, Adam, AdamW])
def test_differentiable_leaves(cls):
    with pytest.raises(ValueError, match="params: expected clones with differentiable=True, got a leaf"):
        cls([parameter()], differentiable=True)


# A step that fails changes nothing.


def sparse(p):
    p.grad = torch.sparse_coo_tensor([[0]], [1.0], p.shape, dtype=p.dtype, check_invariants=True)


def wrong_shape(p):
    p.grad = torch.ones_like(p)
    p.data = torch.ones(5, dtype=p.dtype)


def integers(p):
    p.requires_grad_(False)
    p.data = p.data.long()
    p.grad = torch.ones_like(p)


def moved(p):
    p.data = p.data.float()
    p.grad = torch.ones_like(p)


def reshaped(p):
    p.grad = None
    p.data = torch.ones(5, dtype=p.dtype)
    p.grad = torch.ones_like(p)


BAD_GRADIENTS = [
    (sparse, ValueError, "grad: expected a dense gradient, got torch.sparse_coo"),
    (wrong_shape, ValueError, "grad: expected shape (5,) like its parameter, got (3,)"),
    (integers, TypeError, "params: expected a floating-point or complex type, got torch.int64"),
]
BAD_STATE = [
    (moved, ValueError, "expected torch.float32 on cpu, got torch.float64 on cpu; optimizer.load_state_dict("),
    (reshaped, ValueError, "expected shape (5,) like its parameter, got (3,)"),
]


def trained(cls):
    """An optimizer of two groups after two steps, and its parameters, the last of which is to be spoilt."""
    params = [parameter(), parameter(), parameter()]
    optimizer = cls([{"params": params[:1]}, {"params": params[1:]}], lr=0.1)
    for _ in range(2):
        for p in params:
            p.grad = torch.randn_like(p)
        optimizer.step()
    return optimizer, params


def snapshot(optimizer, params):
    return copy.deepcopy(([p.detach() for p in params], optimizer.state_dict()))


def unchanged(optimizer, params, before):
    values, state = before
    torch.testing.assert_close([p.detach() for p in params], values, rtol=0, atol=0)
    torch.testing.assert_close(optimizer.state_dict()["state"], state["state"], rtol=0, atol=0)


@pytest.mark.parametrize(
    ("cls", "spoil", "error", "words"),
    [(cls, *case) for cls in ALL for case in BAD_GRADIENTS]
    + [(c, *s) for c in (Momentum, Adam, AdamW) for s in BAD_STATE],
)
@pytest.mark.filterwarnings("ignore:Sparse invariant checks")  # of older PyTorch
def test_a_failed_step_changes_nothing(cls, spoil, error, words):
    optimizer, params = trained(cls)
    spoil(params[-1])
    before = snapshot(optimizer, params)
    with pytest.raises(error) as caught:
        optimizer.step()
    assert words in str(caught.value)
    unchanged(optimizer, params, before)


@pytest.mark.parametrize("cls", ALL)
def test_a_failed_first_step_makes_no_state(cls):
    params = [parameter(), parameter()]
    optimizer = cls(params)
    params[0].grad = torch.ones_like(params[0])
    sparse(params[1])
    with pytest.raises(ValueError, match="dense"):
        optimizer.step()
    assert optimizer.state_dict()["state"] == {}


@pytest.mark.parametrize("cls", ALL)
@pytest.mark.parametrize(("name", "value", "error"), [("lr", NAN, ValueError), ("lr", "1", TypeError)])
def test_a_group_option_spoilt_later_is_found_before_anything_changes(cls, name, value, error):
    optimizer, params = trained(cls)
    before = snapshot(optimizer, params)
    optimizer.param_groups[-1][name] = value
    with pytest.raises(error, match=f"^{name}: expected "):
        optimizer.step()
    unchanged(optimizer, params, before)


@pytest.mark.parametrize("cls", ALL)
def test_a_closure_that_raises_changes_nothing(cls):
    optimizer, params = trained(cls)
    before = snapshot(optimizer, params)

    def closure():
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        optimizer.step(closure)
    unchanged(optimizer, params, before)
    assert torch.is_grad_enabled()


@pytest.mark.parametrize("cls", ALL)
def test_a_learning_rate_just_below_zero_is_a_schedulers_rounding(cls):
    optimizer, params = trained(cls)
    before = snapshot(optimizer, params)
    optimizer.param_groups[-1]["lr"] = optimizer.param_groups[0]["lr"] = -1e-300
    optimizer.step()
    torch.testing.assert_close([p.detach() for p in params], before[0], rtol=0, atol=0)


def test_a_moved_model_continues_after_reloading_its_state():
    optimizer, params = trained(Adam)
    for p in params:
        moved(p)
    copy.deepcopy(optimizer)  # a copy takes what is there
    optimizer.load_state_dict(optimizer.state_dict())
    optimizer.step()
    assert all(s["exp_avg"].dtype == torch.float32 and s["step"] == 3 for s in optimizer.state.values())


@pytest.mark.parametrize("cls", ALL)
def test_a_nan_stays_where_it_is(cls):
    p = parameter(4)
    p.grad = torch.tensor([1.0, NAN, -1.0, 2.0], dtype=p.dtype)
    cls([p]).step()
    assert p.isnan().tolist() == [False, True, False, False]


# State dicts that do not fit


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda d: d["param_groups"].pop(), "different number of parameter groups"),
        (lambda d: d["param_groups"][1]["params"].pop(), "doesn't match the size"),
        (lambda d: d["param_groups"][1].pop("lr"), "state_dict: expected 'lr' in each group, got ["),
        (
            lambda d: d["state"][2].update(exp_avg=torch.ones(4)),
            "exp_avg: expected shape (3,) like its parameter, got (4,)",
        ),
    ],
)
def test_bad_state_dicts_change_nothing(spoil, words):
    optimizer, params = trained(Adam)
    before = snapshot(optimizer, params)
    saved = copy.deepcopy(optimizer.state_dict())
    spoil(saved)
    with pytest.raises(ValueError, match=re.escape(words)):
        optimizer.load_state_dict(saved)
    unchanged(optimizer, params, before)
    assert optimizer.state_dict()["param_groups"] == before[1]["param_groups"]


def test_a_state_dict_of_another_rule():
    with pytest.raises(ValueError, match="state_dict: expected 'betas' in each group"):
        Adam([parameter()]).load_state_dict(SGD([parameter()]).state_dict())
    with pytest.raises(ValueError, match="state_dict: expected 'momentum' in each group"):
        SGD([parameter()]).load_state_dict(torch.optim.Adam([parameter()]).state_dict())
