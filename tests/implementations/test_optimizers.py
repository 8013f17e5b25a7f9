"""The update rules: against the exact recurrences in 60 digits, and against PyTorch's, also through state dicts."""

import copy
import math
from itertools import islice

import mpmath as mp
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from torchstone.optimizers import SGD, Adam, AdamW, GradientDescent, Momentum

STEPS = 100
TOLERANCE = 1e-13


def exact_sgd(p, gradients, lr, momentum=0, dampening=0, weight_decay=0, nesterov=False, maximize=False):
    """The parameter after each step, and its state at the end."""
    b = None
    for gradient in gradients:
        g = (-gradient if maximize else gradient) + weight_decay * p
        b = g if b is None else momentum * b + (1 - dampening) * g
        d = (g + momentum * b if nesterov else b) if momentum else g
        p = p - lr * d
        yield p, {"momentum_buffer": b} if momentum else {}


def exact_adam(
    p,
    gradients,
    lr=0.001,
    betas=(0.9, 0.999),
    eps=1e-8,
    weight_decay=0,
    amsgrad=False,
    maximize=False,
    decoupled_weight_decay=False,
):
    """The parameter after each step, and its state at the end."""
    beta1, beta2 = map(mp.mpf, betas)
    m, v, w = mp.mpf(0), mp.mpf(0), mp.mpf(0)
    coupled, decoupled = (0, weight_decay) if decoupled_weight_decay else (weight_decay, 0)
    for t, gradient in enumerate(gradients, start=1):
        g = (-gradient if maximize else gradient) + coupled * p
        p = p - lr * mp.mpf(decoupled) * p
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g * g
        w = max(w, v)
        p = p - lr * (m / (1 - beta1**t)) / (mp.sqrt((w if amsgrad else v) / (1 - beta2**t)) + eps)
        yield p, {"exp_avg": m, "exp_avg_sq": v, **({"max_exp_avg_sq": w} if amsgrad else {})}


def exact_adamw(p, gradients, weight_decay=1e-2, **options):
    return exact_adam(p, gradients, weight_decay=weight_decay, decoupled_weight_decay=True, **options)


def exact_momentum(p, gradients, lr, momentum=0.9, **options):
    return exact_sgd(p, gradients, lr, momentum, **options)


RULES = {  # ours: the exact recurrence, PyTorch's
    GradientDescent: (exact_sgd, torch.optim.SGD),
    SGD: (exact_sgd, torch.optim.SGD),
    Momentum: (exact_momentum, lambda p, lr, momentum=0.9, **o: torch.optim.SGD(p, lr, momentum, **o)),
    Adam: (exact_adam, torch.optim.Adam),
    AdamW: (exact_adamw, torch.optim.AdamW),
}

OPTIONS = [
    (GradientDescent, {"lr": 0.1}),
    (GradientDescent, {"lr": 0.1, "maximize": True}),
    (GradientDescent, {"lr": 0.0}),
    (Momentum, {"lr": 0.1}),
    (Momentum, {"lr": 0.1, "momentum": 0.5, "maximize": True}),
    (SGD, {"lr": 0.1}),
    (SGD, {"lr": 0.1, "weight_decay": 0.3}),
    (SGD, {"lr": 0.1, "momentum": 0.9}),
    (SGD, {"lr": 0.1, "momentum": 1.0}),
    (SGD, {"lr": 0.1, "momentum": 0.9, "dampening": 0.4}),
    (SGD, {"lr": 0.1, "momentum": 0.9, "dampening": -0.5, "weight_decay": 0.1, "maximize": True}),
    (SGD, {"lr": 0.1, "momentum": 0.9, "nesterov": True}),
    (SGD, {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.1, "maximize": True}),
    (Adam, {}),
    (Adam, {"lr": 0.1, "betas": (0.5, 0.9), "eps": 1e-3}),
    (Adam, {"lr": 0.1, "betas": (0.0, 0.0)}),
    (Adam, {"lr": 0.1, "betas": (0.3, 0.99), "eps": 0.0}),
    (Adam, {"lr": 0.1, "weight_decay": 0.1}),
    (Adam, {"lr": 0.1, "amsgrad": True}),
    (Adam, {"lr": 0.1, "amsgrad": True, "maximize": True, "weight_decay": 0.1}),
    (Adam, {"lr": 0.1, "weight_decay": 0.1, "decoupled_weight_decay": True}),
    (AdamW, {}),
    (AdamW, {"lr": 0.1, "weight_decay": 0.5, "eps": 1e-3}),
    (AdamW, {"lr": 0.1, "amsgrad": True, "maximize": True, "betas": (0.8, 0.95)}),
]
IDS = [f"{rule.__name__}-{'-'.join(f'{k}={v}' for k, v in options.items())}" for rule, options in OPTIONS]


def start(dtype=torch.float64):
    """A parameter, and a gradient for each step: elements of every magnitude, some whose magnitude changes."""
    random = torch.Generator().manual_seed(7)
    size = torch.tensor([1e-12, 1e-9, 1e-6, 1e-3, 1.0, 1e3, 1e6, 1.0, 1.0], dtype=torch.float64)
    gradients = torch.randn(STEPS, len(size), generator=random, dtype=torch.float64) * size
    jumps = 10 ** (18 * torch.rand(STEPS, generator=random, dtype=torch.float64) - 12)
    gradients[:, -2] *= jumps
    gradients[STEPS // 3 :, -1] *= 1e-12
    p = torch.randn(len(size), generator=random, dtype=torch.float64)
    return p.to(dtype), gradients.to(dtype)


def run(make, p, gradients, **options):
    """The parameter after each step, and its state at the end."""
    parameter = torch.nn.Parameter(p.clone())
    optimizer = make([parameter], **options)
    path = []
    for g in gradients:
        parameter.grad = g.clone()
        optimizer.step()
        path.append(parameter.detach().clone())
    return torch.stack(path), optimizer.state.get(parameter, {})


def distance(a, b, p):
    """The largest difference of two paths, relative to the largest value that each element has had so far."""
    scale = torch.cat([p[None].abs(), b.abs()]).cummax(0).values[1:]
    return ((a - b).abs() / scale).max().item()


@pytest.mark.parametrize(("rule", "options"), OPTIONS, ids=IDS)
def test_is_the_exact_recurrence(rule, options):
    p, gradients = start()
    path, state = run(rule, p, gradients, **options)
    with mp.workdps(60):
        exact = [
            list(RULES[rule][0](mp.mpf(x), [mp.mpf(g) for g in gs], **options))
            for x, gs in zip(p.tolist(), gradients.T.tolist(), strict=True)
        ]
        truth = torch.tensor([[float(x) for x, _ in element] for element in exact], dtype=torch.float64).T
        assert distance(path, truth, p) < TOLERANCE
        last = [element[-1][1] for element in exact]
        assert state.keys() - {"step"} == last[0].keys()
        for name in last[0]:
            found, wanted = state[name], torch.tensor([float(e[name]) for e in last], dtype=torch.float64)
            scale = wanted.abs() + gradients[-1].abs() ** (2 if name.endswith("sq") else 1)
            torch.testing.assert_close(found / scale, wanted / scale, rtol=1e-11, atol=1e-11)
    if issubclass(rule, Adam):
        assert state["step"].dtype == torch.float32
        assert state["step"].device.type == "cpu"
        assert state["step"].shape == ()
        assert state["step"] == STEPS


@pytest.mark.parametrize(("rule", "options"), OPTIONS, ids=IDS)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_is_pytorchs(rule, options, dtype):
    p, gradients = start(dtype)
    path, state = run(rule, p, gradients, **options)
    theirs, their_state = run(RULES[rule][1], p, gradients, **options)
    assert distance(path, theirs, p) < (TOLERANCE if dtype == torch.float64 else 1e-4)
    assert state.keys() == their_state.keys()


@pytest.mark.parametrize("beta", [0.999, 0.999999, 1 - 2**-40, 0.5, 1e-3])
def test_bias_correction_does_not_cancel(beta):
    gradients = [3.0, -1.0, 2.0, 5.0]
    path, _ = run(
        Adam, torch.ones(1, dtype=torch.float64), torch.tensor(gradients)[:, None].double(), lr=1.0, betas=(beta, beta)
    )
    with mp.workdps(60):
        exact = [float(p) for p, _ in exact_adam(mp.mpf(1), map(mp.mpf, gradients), lr=1, betas=(beta, beta))]
    torch.testing.assert_close(path[:, 0], torch.tensor(exact, dtype=torch.float64), rtol=1e-15, atol=1e-14)


def test_amsgrad_switched_on_later_starts_from_the_present():
    p = torch.nn.Parameter(torch.ones(2))
    optimizer = Adam([p])
    p.grad = torch.tensor([1.0, 2.0])
    optimizer.step()
    optimizer.param_groups[0]["amsgrad"] = True
    optimizer.step()
    assert torch.equal(optimizer.state[p]["max_exp_avg_sq"], optimizer.state[p]["exp_avg_sq"])


# State dicts, from and into PyTorch's

EXCHANGED = [
    (SGD, torch.optim.SGD, {"lr": 0.1}),
    (SGD, torch.optim.SGD, {"lr": 0.1, "momentum": 0.9, "dampening": 0.2}),
    (SGD, torch.optim.SGD, {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.1}),
    (GradientDescent, torch.optim.SGD, {"lr": 0.1}),
    (Momentum, torch.optim.SGD, {"lr": 0.1, "momentum": 0.9}),
    (Adam, torch.optim.Adam, {"lr": 0.1}),
    (Adam, torch.optim.Adam, {"lr": 0.1, "amsgrad": True, "weight_decay": 0.1}),
    (Adam, torch.optim.AdamW, {"lr": 0.1}),
    (AdamW, torch.optim.Adam, {"lr": 0.1, "weight_decay": 0.1}),
    (AdamW, torch.optim.AdamW, {"lr": 0.1, "amsgrad": True, "weight_decay": 0.1}),
]


def groups(values):
    """Two groups, the second with a learning rate of its own; the last parameter never has a gradient."""
    a, b, c = (torch.nn.Parameter(v.clone()) for v in values)
    return [{"params": [a]}, {"params": [b, c], "lr": 0.05}]


def advance(optimizer, gradients):
    for gs in gradients:
        (a,), (b, _) = (group["params"] for group in optimizer.param_groups)
        a.grad, b.grad = gs[0].clone(), gs[1].clone()
        optimizer.step()
    return [p.detach().clone() for group in optimizer.param_groups for p in group["params"]]


@pytest.mark.parametrize(("ours", "theirs", "options"), EXCHANGED)
@pytest.mark.parametrize("reverse", [False, True], ids=["into ours", "into PyTorch's"])
def test_state_dict_continues_in_the_other(ours, theirs, options, reverse):
    source, target = (ours, theirs) if reverse else (theirs, ours)
    values = [torch.randn(3, 2).double(), torch.randn(4).double(), torch.randn(2).double()]
    gradients = [[torch.randn_like(v) for v in values] for _ in range(8)]

    first = source(groups(values), **options)
    middle = advance(first, gradients[:4])
    second = target(groups(middle))  # every option comes with the state dict
    saved = first.state_dict()
    second.load_state_dict(saved if reverse is False else copy.deepcopy(saved))  # PyTorch's keeps the tensors
    ends = advance(first, gradients[4:]), advance(second, gradients[4:])
    if not (source is torch.optim.Adam and target is AdamW):  # AdamW stays AdamW, whoever wrote the state dict
        torch.testing.assert_close(*ends, rtol=TOLERANCE, atol=TOLERANCE)
    assert first.state_dict()["state"].keys() == second.state_dict()["state"].keys()
    for mine, yours in zip(first.state.values(), second.state.values(), strict=True):
        assert {k: (v.shape, v.dtype) for k, v in mine.items()} == {k: (v.shape, v.dtype) for k, v in yours.items()}


@pytest.mark.parametrize("cls", [Adam, AdamW, torch.optim.Adam, torch.optim.AdamW])
def test_adamw_stays_adamw_after_loading(cls):
    optimizer = AdamW([torch.nn.Parameter(torch.ones(1))])
    optimizer.load_state_dict(cls([torch.nn.Parameter(torch.ones(1))]).state_dict())
    assert optimizer.param_groups[0]["decoupled_weight_decay"] is True


OLD = {  # what the first versions of PyTorch saved
    SGD: {"lr": 0.1, "momentum": 0.9, "dampening": 0, "weight_decay": 0},
    Adam: {"lr": 0.1, "betas": [0.9, 0.999], "eps": 1e-8, "weight_decay": 0},
}


@pytest.mark.parametrize(
    ("cls", "state"),
    [
        (SGD, {"momentum_buffer": None}),
        (SGD, {}),
        (Adam, {"step": 3, "exp_avg": torch.ones(2), "exp_avg_sq": torch.ones(2)}),
        (Adam, {"step": torch.tensor([3.0]), "exp_avg": torch.ones(2), "exp_avg_sq": torch.ones(2)}),
    ],
)
def test_old_state_dicts_load(cls, state):
    p, q = (torch.nn.Parameter(torch.ones(2)) for _ in range(2))
    optimizer, fresh = cls([p], lr=0.3), cls([q], lr=0.1, **({"momentum": 0.9} if cls is SGD else {}))
    optimizer.load_state_dict({"state": {0: state}, "param_groups": [{**OLD[cls], "params": [0]}]})
    assert optimizer.param_groups[0].keys() == fresh.param_groups[0].keys()
    p.grad = torch.ones(2)
    optimizer.step()
    if cls is Adam:
        assert optimizer.state[p]["step"] == 4
    else:
        q.grad = torch.ones(2)
        fresh.step()
        assert torch.equal(p, q)


# Properties

finite = st.floats(-1e6, 1e6, allow_nan=False, width=32)


@given(gradients=st.lists(finite, min_size=1, max_size=6), index=st.integers(0, len(OPTIONS) - 1))
def test_maximizing_is_minimizing_the_opposite(gradients, index):
    rule, options = OPTIONS[index]
    g = torch.tensor(gradients, dtype=torch.float64)[:, None]
    p = torch.zeros(1, dtype=torch.float64)
    up, _ = run(rule, p, g, **{**options, "eps": 1e-3} if issubclass(rule, Adam) else options)
    turned = {**options, "maximize": not options.get("maximize", False)}
    down, _ = run(rule, p, -g, **{**turned, "eps": 1e-3} if issubclass(rule, Adam) else turned)
    assert torch.equal(up, down)


@given(lr=st.floats(0, 1), decay=st.floats(0, 1), p=finite)
def test_decoupled_decay_alone_shrinks_by_a_factor(lr, decay, p):
    path, _ = run(AdamW, torch.tensor([p]).double(), torch.zeros(3, 1).double(), lr=lr, weight_decay=decay)
    for t, x in enumerate(path, start=1):
        assert math.isclose(x, p * (1 - lr * decay) ** t, rel_tol=1e-12, abs_tol=1e-300)


@given(lr=st.floats(0, 1), decay=st.floats(0, 1), p=finite)
def test_coupled_decay_alone_shrinks_by_a_factor(lr, decay, p):
    path, _ = run(SGD, torch.tensor([p]).double(), torch.zeros(3, 1).double(), lr=lr, weight_decay=decay)
    for t, x in enumerate(path, start=1):
        assert math.isclose(x, p * (1 - lr * decay) ** t, rel_tol=1e-12, abs_tol=1e-9 * abs(p))


@given(scale=st.sampled_from([2.0**k for k in range(-20, 21)]), index=st.sampled_from(range(4)))
def test_adam_without_eps_does_not_see_the_scale(scale, index):
    p, gradients = torch.zeros(1).double(), torch.tensor([[1.0], [-0.5], [3.0], [0.25]]).double()
    options = [{}, {"amsgrad": True}, {"betas": (0.5, 0.5)}, {"maximize": True}][index]
    one, _ = run(Adam, p, gradients, eps=0.0, **options)
    other, _ = run(Adam, p, gradients * scale, eps=0.0, **options)
    assert torch.equal(one, other)


@pytest.mark.parametrize("rule", RULES)
def test_first_step_in_closed_form(rule):
    g = torch.tensor([[2.0, -3.0]]).double()
    path, _ = run(rule, torch.zeros(2).double(), g, lr=0.5)
    expected = -0.5 * (g.sign() if issubclass(rule, Adam) else g)
    torch.testing.assert_close(path, expected, rtol=1e-8, atol=0)


def test_exact_recurrences_differ_between_the_options():
    """The table of options is worth something: no two rows are the same computation, lr = 0 aside."""
    p, gradients = start()
    seen = {}
    with mp.workdps(30):
        for (rule, options), name in zip(OPTIONS, IDS, strict=True):
            steps = RULES[rule][0](mp.mpf(p[4].item()), [mp.mpf(g) for g in gradients[:, 4].tolist()], **options)
            seen[name] = float(list(islice(steps, 5))[-1][0])
    same = len(seen) - len(set(seen.values()))
    assert same <= 3  # Momentum and SGD(0.9), GradientDescent and SGD, Adam's and AdamW's decay
