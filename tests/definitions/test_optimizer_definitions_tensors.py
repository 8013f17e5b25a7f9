"""LAMB, Adafactor, Muon and L-BFGS: PyTorch's trajectories, and variants that depart from them."""

import inspect

import numpy as np
import pytest
import sympy as sp
import torch

from torchstone import definitions, oracle

STEPS = 25
RATES = [0.1, 0.3, 0.05, 0.2, 0.02]
LAMB, ADAFACTOR, MUON, LBFGS = (definitions.get(name) for name in ("lamb", "adafactor", "muon", "lbfgs"))
RULES = (LAMB, ADAFACTOR, MUON, LBFGS)


def course(shape, least=-12, most=6, seed=0):
    """A start, gradients of very different sizes of which one is missing and one is zero, and a rate for each step."""
    random = np.random.default_rng(seed)
    gradients = random.normal(size=(STEPS, *shape)) * 10 ** random.uniform(least, most, size=shape)
    gradients[6], gradients[9] = np.nan, 0
    return random.normal(size=shape), gradients, [RATES[step // 5] for step in range(STEPS)]


def torch_run(rule, start, gradients, rates, options):
    parameter = torch.nn.Parameter(torch.tensor(start))
    optimizer = getattr(torch.optim, rule.counterpart.rpartition(".")[2])([parameter], lr=rates[0], **options)
    path = []
    for gradient, rate in zip(gradients, rates, strict=True):
        optimizer.param_groups[0]["lr"] = rate
        parameter.grad = None if np.isnan(gradient).all() else torch.tensor(gradient)
        optimizer.step()
        path.append(parameter.detach().clone().numpy())
    return np.array(path), optimizer.state[parameter]


def in_symbols(rule, options):
    found = {}
    for entry in rule.hyper:
        argument, _, place = (entry.argument or entry.name).rstrip("]").partition("[")
        if argument in options:
            found[entry.name] = options[argument][int(place)] if place else options[argument]
    return found


def settings(rule, rates, options):
    return [{"lr": rate, **in_symbols(rule, options)} for rate in rates]


def distance(path, other, start):
    """The largest difference relative to the way gone, over all steps."""
    ways = zip(path, other, strict=True)
    return max(np.linalg.norm(one - two) / (1e-300 + np.linalg.norm(one - start)) for one, two in ways)


ADAFACTOR_OPTIONS = [
    {},
    {"weight_decay": 0.1, "maximize": True, "d": 2.0, "eps": (1e-3, 1e-2), "beta2_decay": -0.5},
]


@pytest.mark.parametrize("options", ADAFACTOR_OPTIONS)
@pytest.mark.parametrize("shape", [(), (7,), (3, 4), (1, 5), (2, 3, 4)])
def test_adafactor_is_pytorchs(shape, options):
    start, gradients, rates = course(shape)
    path = oracle.trajectory(ADAFACTOR, start, gradients, settings(ADAFACTOR, rates, options))
    theirs, state = torch_run(ADAFACTOR, start, gradients, rates, options)
    assert distance(path.parameters, theirs, start) <= 1e-12
    for entry in ADAFACTOR.state:
        if entry.key in state:
            wanted = np.broadcast_to(state[entry.key].numpy(), shape)
            np.testing.assert_allclose(path.state[str(entry.symbol)][-1], wanted, rtol=1e-12)
    assert {"row_var", "col_var"} <= set(state) if len(shape) > 1 else "variance" in state


MUON_OPTIONS = [
    {},
    {"nesterov": False, "momentum": 0.5, "weight_decay": 0.3, "ns_coefficients": (1.5, -0.5, 0.0)},
]


@pytest.mark.parametrize("options", MUON_OPTIONS)
@pytest.mark.parametrize("magnitudes", [(0, 0), (-12, 6)])
@pytest.mark.parametrize("shape", [(3, 4), (8, 3), (5, 5)])
def test_muon_is_pytorchs_as_far_as_bfloat16_can_tell(shape, magnitudes, options):
    start, gradients, rates = course(shape, *magnitudes)
    path = oracle.trajectory(MUON, start, gradients, settings(MUON, rates, options))
    theirs, state = torch_run(MUON, start, gradients, rates, options)
    assert 1e-6 < distance(path.parameters, theirs, start) <= MUON.precision
    np.testing.assert_allclose(path.state["b"][-1], state["momentum_buffer"].numpy(), rtol=1e-12)


def test_muons_matched_learning_rate_is_pytorchs():
    start, gradients, rates = course((3, 4), 0, 0)
    rule = MUON.variant("the learning rate matched to AdamW's: Moonshot")
    theirs, _ = torch_run(MUON, start, gradients, rates, {"adjust_lr_fn": "match_rms_adamw"})
    path = oracle.trajectory(rule, start, gradients, settings(MUON, rates, {}))
    assert distance(path.parameters, theirs, start) <= MUON.precision


def lbfgs_run(start, rates):
    """PyTorch's L-BFGS in a landscape with hills and valleys, and the gradients that it met."""
    shape, size = start.shape, start.size
    matrix = torch.tensor(np.random.default_rng(1).normal(size=(size, size)))
    matrix = matrix @ matrix.T / size
    parameter = torch.nn.Parameter(torch.tensor(start))
    optimizer = torch.optim.LBFGS([parameter], **LBFGS.settings)
    gradients, path = [], []

    def closure():
        optimizer.zero_grad()
        flat = parameter.reshape(-1)
        loss = flat @ matrix @ flat / 2 + 2 * torch.cos(2 * parameter).sum()
        if len(gradients) != 6:
            loss.backward()
        gradients.append(np.full(shape, np.nan) if parameter.grad is None else parameter.grad.numpy().copy())
        return loss

    for rate in rates:
        optimizer.param_groups[0]["lr"] = rate
        optimizer.step(closure)
        path.append(parameter.detach().numpy().copy())
    return np.array(path), np.array(gradients), optimizer.state[parameter]


@pytest.mark.parametrize("shape", [(6,), (3, 2)])
def test_lbfgs_is_pytorchs(shape):
    start, _, rates = course(shape)
    theirs, gradients, state = lbfgs_run(start, rates)
    path = oracle.trajectory(LBFGS, start, gradients, settings(LBFGS, rates, {}))
    assert distance(path.parameters, theirs, start) <= 1e-12
    for entry in LBFGS.state:
        key, _, place = entry.key.rstrip("]").partition("[")
        wanted = state[key][int(place)] if place else state[key]
        mine = path.state[str(entry.symbol)][-1].ravel()
        np.testing.assert_allclose(mine, np.broadcast_to(np.asarray(wanted), mine.shape), rtol=1e-9, err_msg=key)


def test_lbfgs_stands_still_where_the_gradient_is_zero():
    gradients = [[0.0, 0.0], [1.0, 2.0], [0.0, 0.0], [0.5, -1.0]]
    with_zeros = oracle.trajectory(LBFGS, [1.0, 1.0], gradients)
    without = oracle.trajectory(LBFGS, [1.0, 1.0], gradients[1::2])
    np.testing.assert_array_equal(with_zeros.parameters[1::2], without.parameters)
    np.testing.assert_array_equal(with_zeros.parameters[::2], [[1.0, 1.0], without.parameters[0]])


def plain_lamb(start, gradients, rates, betas=(0.9, 0.999), eps=1e-6, weight_decay=0.01):
    p, m, v, t, path = start, 0 * start, 0 * start, 0, []
    for g, rate in zip(gradients, rates, strict=True):
        if not np.isnan(g).all():
            t += 1
            m, v = betas[0] * m + (1 - betas[0]) * g, betas[1] * v + (1 - betas[1]) * g * g
            u = m / (1 - betas[0] ** t) / (np.sqrt(v / (1 - betas[1] ** t)) + eps) + weight_decay * p
            length, of_update = np.linalg.norm(p), np.linalg.norm(u)
            p = p - rate * (length / of_update if length and of_update else 1.0) * u
        path.append(p)
    return np.array(path)


@pytest.mark.parametrize("options", [{}, {"betas": (0.5, 0.75), "eps": 1e-3, "weight_decay": 0.0}])
@pytest.mark.parametrize("shape", [(), (7,), (3, 4)])
def test_lamb_is_the_papers(shape, options):
    start, gradients, rates = course(shape)
    path = oracle.trajectory(LAMB, start, gradients, settings(LAMB, rates, options))
    assert distance(path.parameters, plain_lamb(start, gradients, rates, **options), start) <= 1e-12


def test_lambs_trust_ratio_is_one_where_a_norm_is_zero():
    plain = {"weight_decay": 0.0, "eps": 0.0, "lr": 0.5}
    assert oracle.trajectory(LAMB, [0.0, 0.0], [[2.0, -3.0]], plain).parameters.tolist() == [[-0.5, 0.5]]
    assert oracle.trajectory(LAMB, [3.0, 4.0], [[0.0, 0.0]], plain | {"eps": 1e-6}).parameters.tolist() == [[3.0, 4.0]]


# Under each of them some variants depart: a parameter of norm above 10, a rate above 1/sqrt(t), no weight decay, ...
SITUATIONS = {
    LAMB: [
        ((3, 4), {"weight_decay": 0.1, "eps": 1e-2}, 8.0, 1.0),
        ((3, 4), {"weight_decay": 0.0, "maximize": True}, 0.1, 1.0),
    ],
    ADAFACTOR: [
        ((3, 4), {"weight_decay": 0.1, "d": 1.5, "eps": (0.1, 0.2)}, 0.5, 1.0),
        ((3, 4), {"weight_decay": 0.1, "eps": (1e-3, 1e-2), "maximize": True}, 2.0, 10.0),
        ((7,), {"weight_decay": 0.1, "d": 1.5, "eps": (0.1, 0.2)}, 0.5, 1.0),
    ],
    MUON: [((4, 3), {"eps": 1.0}, 1.0, 1.0), ((3, 4), {"weight_decay": 0.5}, 1.0, 1.0)],
    LBFGS: [((6,), {}, 1.0, 1.0), ((20,), {}, 1.0, 1.0)],
}


def paths(rule, of):
    """The way gone after each step by one of a rule's forms, in all of its situations; the rule's own has size 1."""
    found = []
    for shape, options, size, faster in SITUATIONS[rule]:
        start, gradients, _ = course(shape, -2, 1, seed=2)
        given = settings(rule, [rate * faster for rate in (0.1, 0.1, 0.3, 0.3, 0.05, 0.05)], options)
        right, ways = (oracle.trajectory(each, start * size, gradients[:6], given).parameters for each in (rule, of))
        sizes = np.abs(right - start * size).reshape(len(right), -1).max(1, keepdims=True)
        found.append(((ways - start * size).reshape(len(ways), -1) / sizes).ravel())
    return np.concatenate(found)


@pytest.mark.parametrize("rule", RULES, ids=lambda each: each.name)
def test_every_variant_departs_from_its_rule_and_from_the_others(rule):
    found = {form.name: paths(rule, form) for form in (rule, *map(rule.variant, rule.variants))}
    names = list(found)
    same = [
        (one, other)
        for number, one in enumerate(names)
        for other in names[:number]
        if not np.abs(found[one] - found[other]).max() > 1e-6
    ]
    assert not same


@pytest.mark.parametrize("rule", [each for each in RULES if each.counterpart], ids=lambda each: each.name)
def test_defaults_are_pytorchs(rule):
    arguments = inspect.signature(getattr(torch.optim, rule.counterpart.rpartition(".")[2])).parameters
    defaults = {name: each.default for name, each in arguments.items()}
    assert set(rule.settings) <= set(defaults)
    theirs = in_symbols(rule, defaults)
    assert set(theirs) == {entry.name for entry in rule.hyper}
    for entry in rule.hyper:
        wanted = torch.finfo(torch.float64).eps if theirs[entry.name] is None else theirs[entry.name]
        assert entry.default == sp.sympify(wanted) or float(entry.default) == wanted, entry.name


@pytest.mark.parametrize("rule", RULES, ids=lambda each: each.name)
def test_what_a_rule_says_about_itself(rule):
    assert not rule.elementwise
    assert rule.joint == (rule is LBFGS)
    assert (rule.precision > 0) == (rule is MUON)
    assert rule.references
    assert all(each.others for each in rule.conventions)
    assert all(entry.default in entry.domain for entry in rule.hyper)
