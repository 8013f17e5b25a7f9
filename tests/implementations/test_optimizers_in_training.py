"""The optimizers in PyTorch's world: groups, schedulers, steps, shapes, hooks."""

import copy
import inspect

import pytest
import torch
from optimizer_tools import KINDS, draw, give, parameters, same, train, twins
from torch import nn
from torch.optim import lr_scheduler
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook

from torchstone.optimizers import SGD, Adam, AdamW, GradientDescent, Momentum

ALL = [GradientDescent, SGD, Momentum, Adam, AdamW]


@pytest.mark.parametrize(
    ("ours", "theirs"), [(SGD, torch.optim.SGD), (Adam, torch.optim.Adam), (AdamW, torch.optim.AdamW)]
)
def test_signature_is_pytorchs(ours, theirs):
    def arguments(cls):
        return [(p.name, p.kind, p.default) for p in inspect.signature(cls).parameters.values()]

    assert arguments(ours) == arguments(theirs)
    assert ours(parameters()).param_groups[0].keys() == theirs(parameters()).param_groups[0].keys()


# Groups


@pytest.mark.parametrize("cls", ALL)
def test_parameters_come_in_every_form(cls):
    model = nn.Linear(2, 3)
    for given in (model.parameters(), list(model.parameters()), [{"params": model.parameters()}]):
        assert cls(given).param_groups[0]["params"] == list(model.parameters())
    assert cls([{"params": model.weight}]).param_groups[0]["params"] == [model.weight]
    named = cls(model.named_parameters())
    assert named.param_groups[0]["param_names"] == ["weight", "bias"]
    assert named.state_dict()["param_groups"][0]["param_names"] == ["weight", "bias"]


@pytest.mark.parametrize(("cls", "options"), KINDS)
def test_groups_follow_their_own_options(cls, options):
    params = parameters()
    others = twins(params)
    steps = draw(params, 5)
    together = cls([{"params": params[:1], "lr": 0.1}, {"params": params[1:], "maximize": True}], lr=0.01, **options)
    train(together, params, steps)
    for part, special in ((slice(0, 1), {"lr": 0.1}), (slice(1, 3), {"lr": 0.01})):
        alone = cls([{"params": others[part], "maximize": part.start == 1, **special}], **options)
        train(alone, others[part], [gs[part] for gs in steps])
    assert same(params, others)


@pytest.mark.parametrize(("cls", "options"), KINDS)
def test_order_and_splitting_change_nothing(cls, options):
    params = parameters()
    others = twins(params)
    steps = draw(params, 5)
    train(cls(params, **options), params, steps)
    split = cls([{"params": [others[2]]}, {"params": [others[1], others[0]]}], **options)
    train(split, others, steps)
    assert same(params, others)


@pytest.mark.parametrize(("cls", "options"), KINDS)
def test_a_group_added_later_and_a_late_gradient_start_afresh(cls, options):
    a, b, c = parameters((3,), (3,), (3,))
    (fresh,) = twins([b])
    (also,) = twins([c])
    optimizer = cls([a, b], **options)
    train(optimizer, [a], draw([a], 3))
    optimizer.add_param_group({"params": c, "lr": 0.5})
    assert b not in optimizer.state
    assert c not in optimizer.state
    steps = draw([a, b, c], 3)
    train(optimizer, [a, b, c], steps)
    train(cls([fresh], **options), [fresh], [gs[1:2] for gs in steps])
    train(cls([also], lr=0.5, **options), [also], [gs[2:] for gs in steps])
    assert same([b, c], [fresh, also])


def test_groups_dict_is_the_callers():
    group = {"params": parameters()[0]}
    SGD([group], lr=0.5)
    assert group.keys() == {"params"}
    assert isinstance(group["params"], nn.Parameter)


@pytest.mark.parametrize(("cls", "options"), KINDS)
def test_a_changed_learning_rate_acts_on_the_next_step(cls, options):
    params = parameters()
    optimizer = cls(params, lr=0.1, **options)
    train(optimizer, params, draw(params, 2))
    before = twins(params)
    optimizer.param_groups[0]["lr"] = 0.0
    train(optimizer, params, draw(params, 1))
    assert same(params, before)


@pytest.mark.parametrize("cls", ALL)
@pytest.mark.parametrize("shape", [(), (1,)])
def test_a_tensor_learning_rate_is_its_number(cls, shape):
    params = parameters()
    others = twins(params)
    rate = torch.full(shape, 0.1)
    steps = draw(params, 5)
    tensor = cls(params, lr=rate)
    train(tensor, params, steps[:3])
    rate.fill_(0.01)  # the group holds the tensor itself
    train(tensor, params, steps[3:])
    number = cls(others, lr=torch.tensor(0.1).item())
    train(number, others, steps[:3])
    number.param_groups[0]["lr"] = torch.tensor(0.01).item()
    train(number, others, steps[3:])
    assert same(params, others)


def test_tensors_for_betas_and_weight_decay_are_their_numbers():
    params = parameters()
    others, steps = twins(params), draw(params, 3)
    betas = tuple(torch.tensor(b, dtype=torch.float64) for b in (0.8, 0.99))
    train(AdamW(params, betas=betas, weight_decay=torch.tensor(0.25)), params, steps)
    train(AdamW(others, betas=(0.8, 0.99), weight_decay=0.25), others, steps)
    assert same(params, others)


# Schedulers: PyTorch's optimizer under the same scheduler is the reference.

SCHEDULERS = {
    "LambdaLR": lambda o: lr_scheduler.LambdaLR(o, lambda t: 0.9**t),
    "MultiplicativeLR": lambda o: lr_scheduler.MultiplicativeLR(o, lambda t: 0.9),
    "StepLR": lambda o: lr_scheduler.StepLR(o, 2),
    "MultiStepLR": lambda o: lr_scheduler.MultiStepLR(o, [2, 4]),
    "ConstantLR": lambda o: lr_scheduler.ConstantLR(o, total_iters=3),
    "LinearLR": lambda o: lr_scheduler.LinearLR(o, total_iters=5),
    "ExponentialLR": lambda o: lr_scheduler.ExponentialLR(o, 0.9),
    "PolynomialLR": lambda o: lr_scheduler.PolynomialLR(o, 5),
    "CosineAnnealingLR": lambda o: lr_scheduler.CosineAnnealingLR(o, 5),
    "CosineAnnealingWarmRestarts": lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 3),
    "CyclicLR": lambda o: lr_scheduler.CyclicLR(o, 0.01, 0.1, step_size_up=3),
    "OneCycleLR": lambda o: lr_scheduler.OneCycleLR(o, 0.1, total_steps=10),
    "ReduceLROnPlateau": lambda o: lr_scheduler.ReduceLROnPlateau(o, patience=2),
    "ChainedScheduler": lambda o: lr_scheduler.ChainedScheduler(
        [lr_scheduler.ConstantLR(o, total_iters=3), lr_scheduler.ExponentialLR(o, 0.9)]
    ),
    "SequentialLR": lambda o: lr_scheduler.SequentialLR(
        o, [lr_scheduler.ConstantLR(o, total_iters=3), lr_scheduler.ExponentialLR(o, 0.9)], [3]
    ),
    "SWALR": lambda o: torch.optim.swa_utils.SWALR(o, 0.05),
}
CYCLING = {"CyclicLR", "OneCycleLR"}
SCHEDULED = [
    (Momentum, lambda p, lr: torch.optim.SGD(p, lr, 0.9)),
    (AdamW, torch.optim.AdamW),
    (GradientDescent, torch.optim.SGD),
]


def test_every_scheduler_is_in_the_table():
    public = {name for name in lr_scheduler.__all__ if name != "LRScheduler"}
    assert public | {"SWALR"} == SCHEDULERS.keys()


@pytest.mark.parametrize("scheduler", SCHEDULERS)
@pytest.mark.parametrize(("ours", "theirs"), SCHEDULED)
@pytest.mark.parametrize("rate", [0.1, torch.tensor(0.1, dtype=torch.float64)], ids=["number", "tensor"])
def test_schedulers(scheduler, ours, theirs, rate):
    if scheduler in CYCLING and ours is GradientDescent:
        optimizer = ours(parameters(), lr=0.1)
        lr_scheduler.CyclicLR(optimizer, 0.01, 0.1, cycle_momentum=False)
        return
    params = parameters()
    steps = draw(params, 10)
    ends, rates = [], set()
    for cls in (ours, theirs):
        mine = twins(params)
        optimizer = cls(mine, lr=copy.deepcopy(rate))
        schedule = SCHEDULERS[scheduler](optimizer)
        (group,) = optimizer.param_groups
        for gradients in steps:
            rates.add(float(group["lr"]))
            give(mine, gradients)
            optimizer.step()
            schedule.step(*([1.0] if scheduler == "ReduceLROnPlateau" else []))
        ends.append([*mine, *(torch.as_tensor(group[k]) for k in ("lr", "momentum", "betas") if k in group)])
    torch.testing.assert_close(*ends, rtol=1e-12, atol=1e-12)
    assert len(rates) > 1


# Steps


@pytest.mark.parametrize("cls", ALL)
def test_closure_runs_once_with_gradients_on(cls):
    (p,) = parameters((2,))
    optimizer = cls([p], lr=0.1)
    calls = []

    def closure():
        calls.append(torch.is_grad_enabled())
        optimizer.zero_grad()
        loss = p.square().sum()
        loss.backward()
        return loss

    before = p.detach().clone()
    with torch.no_grad():
        loss = optimizer.step(closure)
    assert calls == [True]
    assert torch.equal(loss, before.square().sum())
    assert not torch.equal(p, before)
    assert optimizer.step() is None


@pytest.mark.parametrize(("cls", "options"), [*KINDS, (Momentum, {})])
@pytest.mark.parametrize("maximize", [False, True])
def test_step_is_in_place_and_leaves_gradients_alone(cls, options, maximize):
    (p,) = parameters((3, 2))
    optimizer = cls([p], maximize=maximize, **options)
    where, version = p.data_ptr(), p._version
    for _ in range(3):
        give([p])
        gradient, kept = p.grad, p.grad.clone()
        optimizer.step()
        assert p.grad is gradient
        assert torch.equal(p.grad, kept)
        assert all(s.data_ptr() != gradient.data_ptr() for s in optimizer.state.get(p, {}).values())
    assert p.data_ptr() == where
    assert p._version > version
    assert p.is_leaf
    assert p.grad_fn is None
    assert all(not s.requires_grad for s in optimizer.state.get(p, {}).values())


@pytest.mark.parametrize(("cls", "options"), KINDS)
def test_a_gradient_with_a_graph_is_only_read(cls, options):
    (p,) = parameters((3,))
    optimizer = cls([p], **options)
    for _ in range(2):
        (p.grad,) = torch.autograd.grad(p.pow(4).sum(), p, create_graph=True)
        optimizer.step()
    assert p.grad_fn is None
    assert all(not s.requires_grad for s in optimizer.state.get(p, {}).values())


@pytest.mark.parametrize("cls", ALL)
def test_no_gradient_no_change_no_state(cls):
    params = parameters()
    before = twins(params)
    optimizer = cls(params, lr=0.1)
    optimizer.step()
    assert same(params, before)
    assert optimizer.state_dict()["state"] == {}


def test_without_momentum_there_is_no_state():
    (p,) = parameters((2,))
    optimizer = GradientDescent([p])
    train(optimizer, [p], draw([p], 2))
    assert optimizer.state_dict()["state"] == {}


SHAPES = [(), (0,), (3, 0, 2), (1,), (2, 1, 3, 1, 2)]


@pytest.mark.parametrize(("cls", "options"), KINDS)
def test_shapes_and_layouts(cls, options):
    params = parameters(*SHAPES)
    flat = [nn.Parameter(p.detach().reshape(-1).clone()) for p in params]
    steps = draw(params, 3)
    train(cls(params, **options), params, steps)
    train(cls(flat, **options), flat, [[g.reshape(-1) for g in gs] for gs in steps])
    assert same([p.reshape(-1) for p in params], flat)

    (p,) = parameters((3, 4))
    transposed = nn.Parameter(p.detach().t().contiguous().t())  # the same values, other strides
    for q, g in ((p, torch.ones(3, 4).double() * 2), (transposed, torch.tensor(2.0).double().expand(3, 4))):
        optimizer = cls([q], **options)
        for _ in range(3):
            q.grad = g
            optimizer.step()
    assert same([p], [transposed])


@pytest.mark.parametrize(("cls", "options"), KINDS)
def test_each_parameter_in_its_own_dtype(cls, options):
    params = [nn.Parameter(torch.randn(3).to(dtype)) for dtype in (torch.float64, torch.float32, torch.bfloat16)]
    others = twins(params)
    steps = draw(params, 3)
    train(cls(params, **options), params, steps)
    for i, p in enumerate(others):
        train(cls([p], **options), [p], [[gs[i]] for gs in steps])
    assert same(params, others)


@pytest.mark.parametrize(("cls", "options"), KINDS)
def test_complex_parameters_are_their_two_parts(cls, options):
    (z,) = parameters((3, 2), dtype=torch.complex128)
    pair = nn.Parameter(torch.view_as_real(z.detach()).clone())
    theirs = nn.Parameter(z.detach().clone())
    steps = draw([z], 4)
    optimizer = cls([z], lr=0.1, **options)
    train(optimizer, [z], steps)
    train(cls([pair], lr=0.1, **options), [pair], [[torch.view_as_real(g)] for (g,) in steps])
    counterpart = torch.optim.SGD if cls is GradientDescent else getattr(torch.optim, cls.__name__)
    reference = counterpart([theirs], lr=0.1, **options)
    train(reference, [theirs], steps)
    torch.testing.assert_close(torch.view_as_real(z), pair, rtol=1e-14, atol=1e-14)
    torch.testing.assert_close(z, theirs, rtol=1e-12, atol=1e-12)
    assert {k: v.dtype for k, v in optimizer.state.get(z, {}).items()} == {
        k: v.dtype for k, v in reference.state.get(theirs, {}).items()
    }


def test_a_conjugated_gradient():
    z, y = twins(parameters((3,), dtype=torch.complex128) * 2)
    g = torch.randn_like(z)
    z.grad, y.grad = g.conj(), g.conj().resolve_conj()
    Adam([z]).step()
    Adam([y]).step()
    assert same([z], [y])


# Hooks and helpers


@pytest.mark.parametrize("cls", ALL)
def test_step_hooks_fire_once_in_order(cls):
    (p,) = parameters((2,))
    give([p])
    optimizer = cls([p])
    seen = []
    handles = [
        register_optimizer_step_pre_hook(lambda *_: seen.append("global before")),
        optimizer.register_step_pre_hook(lambda *_: seen.append("before")),
        optimizer.register_step_post_hook(lambda *_: seen.append("after")),
        register_optimizer_step_post_hook(lambda *_: seen.append("global after")),
    ]
    optimizer.step()
    for handle in handles:
        handle.remove()
    optimizer.step()
    assert seen == ["global before", "before", "after", "global after"]


@pytest.mark.parametrize("cls", ALL)
def test_zero_grad(cls):
    (p,) = parameters((2,))
    give([p])
    optimizer = cls([p])
    optimizer.zero_grad(set_to_none=False)
    assert p.grad.tolist() == [0, 0]
    optimizer.zero_grad()
    assert p.grad is None


@pytest.mark.parametrize("cls", ALL)
def test_grad_scaler_skips_an_overflow(cls):
    (p,) = parameters((2,), dtype=torch.float32)
    (q,) = twins([p])
    optimizer, plain = cls([p], lr=0.1), cls([q], lr=0.1)
    scaler = torch.amp.GradScaler("cpu", init_scale=4.0)
    for factor in (1.0, float("inf"), 2.0):
        optimizer.zero_grad()
        scaler.scale((p.square() * factor).sum()).backward()
        scaler.unscale_(optimizer)
        nn.utils.clip_grad_norm_([p], 1e9)
        if factor < float("inf"):
            q.grad = p.grad.clone()
            plain.step()
        scaler.step(optimizer)
        scaler.update()
    assert same([p], [q])


@pytest.mark.parametrize("hint", [{"foreach": True}, {"foreach": False}, {"fused": True}])
def test_hints_are_kept_and_change_nothing(hint):
    params = parameters()
    others, steps = twins(params), draw(params, 3)
    hinted = Adam(params, **hint)
    train(hinted, params, steps)
    train(Adam(others), others, steps)
    assert same(params, others)
    assert hint.items() <= hinted.param_groups[0].items()


def test_trains_a_network():
    torch.manual_seed(0)
    x = torch.randn(64, 2)
    y = (x[:, :1] * x[:, 1:]).sign()
    for cls, options in [(SGD, {"lr": 0.1, "momentum": 0.9, "nesterov": True}), (AdamW, {"lr": 0.01})]:
        model = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 1))
        optimizer = cls(model.parameters(), **options)
        losses = []
        for _ in range(150):
            optimizer.zero_grad()
            loss = (model(x) - y).square().mean()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        assert losses[-1] < losses[0] / 4
