"""The elementwise update rules: they are PyTorch's, and no two of their variants are the same."""

import inspect
from itertools import combinations

import numpy as np
import pytest
import torch

from torchstone import definitions, oracle
from torchstone.definitions import UpdateRule

RULES = [rule for rule in definitions.every("optimizer") if isinstance(rule, UpdateRule) and rule.elementwise]
BY_NAME = {rule.name: rule for rule in RULES}
LIKE_TORCH = [rule for rule in RULES if rule.counterpart and rule.name not in ("gradient_descent", "momentum")]
# How a step is computed, not what it is.
NOT_MATHEMATICS = {"params", "foreach", "fused", "capturable", "differentiable"}
SWITCHES = ("nesterov", "amsgrad", "centered", "maximize", "decoupled_weight_decay")
# PyTorch takes any number for these.
UNCHECKED = ("lambd", "alpha", "t0", "step_size_min", "step_size_max")
by_name = pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)


def counterpart(rule):
    return getattr(torch.optim, rule.counterpart.rsplit(".", 1)[1])


# ------------------------------------------------------------------------------------------------ against PyTorch

STEPS = 25
ALL_ADAM = {"betas": (0.7, 0.95), "eps": 1e-5, "weight_decay": 0.1}
SETTINGS = {
    "gradient_descent": [{}, {"maximize": True}],
    "momentum": [{"momentum": 0.9}, {"momentum": 0.5, "maximize": True}],
    "sgd": [
        {},
        {"weight_decay": 0.1, "maximize": True},
        {"momentum": 0.9, "dampening": 0.4, "weight_decay": 0.1},
        {"momentum": 0.9, "dampening": -0.5, "maximize": True},
        {"momentum": 0.8, "nesterov": True, "weight_decay": 0.1, "maximize": True},
    ],
    "rprop": [{}, {"etas": (0.3, 1.7), "step_sizes": (0.01, 0.2)}, {"maximize": True, "etas": (0.9, 1.1)}],
    "asgd": [{}, {"lambd": 0.1, "alpha": 0.5, "t0": 4, "weight_decay": 0.1}, {"maximize": True, "weight_decay": 0.1}],
    "adam": [
        {},
        ALL_ADAM,
        {**ALL_ADAM, "amsgrad": True, "maximize": True},
        {**ALL_ADAM, "decoupled_weight_decay": True, "amsgrad": True},
        {"betas": (0.0, 0.5), "eps": 1e-30},
    ],
    "adamw": [{}, ALL_ADAM, {**ALL_ADAM, "amsgrad": True, "maximize": True}],
    "sparse_adam": [{}, {"betas": (0.7, 0.95), "eps": 1e-5}, {"maximize": True}],
    "adamax": [{}, ALL_ADAM, {**ALL_ADAM, "maximize": True}],
    "nadam": [
        {},
        {**ALL_ADAM, "momentum_decay": 0.3, "maximize": True},
        {**ALL_ADAM, "momentum_decay": 0.0, "decoupled_weight_decay": True},
    ],
    "radam": [
        {},
        {**ALL_ADAM, "maximize": True},
        {**ALL_ADAM, "decoupled_weight_decay": True, "betas": (0.5, 0.9)},
        {"betas": (0.9, 0.5)},
    ],
    "adagrad": [{}, {"lr_decay": 0.2, "weight_decay": 0.1, "initial_accumulator_value": 1.0, "eps": 1e-5}],
    "adadelta": [{}, {"rho": 0.6, "eps": 1e-3, "weight_decay": 0.1, "maximize": True}],
    "rmsprop": [
        {},
        {"alpha": 0.8, "eps": 1e-5, "weight_decay": 0.1, "maximize": True},
        {"momentum": 0.7, "alpha": 0.9},
        {"centered": True, "momentum": 0.7, "weight_decay": 0.1},
    ],
}
SETTINGS["adagrad"].append({**SETTINGS["adagrad"][1], "maximize": True})
# How near PyTorch's own come, relative to the way made. It keeps ASGD's eta and mu, and NAdam's mu_product, as float32
# numbers, and RAdam's rho is a small difference of numbers near 2000.
TOLERANCES = {"asgd": 1e-6, "nadam": 1e-6, "radam": 1e-11}


def in_symbols(rule, options):
    """PyTorch's arguments by the names of the rule's own symbols."""
    found = {}
    for entry in rule.hyper:
        argument, _, position = (entry.argument or entry.name).rstrip("]").partition("[")
        if argument in options:
            found[entry.name] = options[argument][int(position)] if position else options[argument]
    return found


def course(sparse=False):
    """Parameters at 0 and elsewhere; gradients from 1e-12 to 1e6 in one tensor, zeros, and none at some steps."""
    random = np.random.default_rng(7)
    size = 16
    start = np.where(np.arange(size) % 2, random.normal(0, 1, size), 0.0)
    magnitudes = np.concatenate([np.linspace(-12, 6, 12)[None].repeat(STEPS, 0), random.uniform(-6, 3, (STEPS, 4))], 1)
    gradients = 10.0**magnitudes * random.choice([-1, 1], (STEPS, size)) * random.uniform(0.5, 2, (STEPS, size))
    gradients[::4, 5], gradients[:3, 7] = 0, 0
    if sparse:
        gradients[random.uniform(size=(STEPS, size)) < 0.3] = np.nan
    else:
        gradients[[0, 6, 7, 20]] = np.nan
    return start, gradients, [0.01 if step < 8 else 0.003 if step < 16 else 0.02 for step in range(STEPS)]


def torch_path(rule, options, start, gradients, rates, sparse=False):
    """The parameters and the state after each step, of PyTorch's own."""
    parameter = torch.nn.Parameter(torch.from_numpy(start.copy()))
    optimizer = counterpart(rule)([parameter], lr=rates[0], **options)
    path, states = [], []
    for gradient, rate in zip(gradients, rates, strict=True):
        optimizer.param_groups[0]["lr"] = rate
        if sparse:
            (where,) = np.nonzero(~np.isnan(gradient))
            parameter.grad = torch.sparse_coo_tensor(
                torch.from_numpy(where)[None], torch.from_numpy(gradient[where]), start.shape, check_invariants=True
            )
        else:
            parameter.grad = None if np.isnan(gradient).any() else torch.from_numpy(gradient.copy())
        optimizer.step()
        path.append(parameter.detach().numpy().copy())
        states.append(
            {key: value.clone() for key, value in optimizer.state[parameter].items() if torch.is_tensor(value)}
        )
    return np.stack(path), states


@pytest.mark.parametrize(
    ("name", "options"), [(name, options) for name, table in SETTINGS.items() for options in table], ids=str
)
def test_a_rule_is_pytorchs(name, options):
    rule, sparse = BY_NAME[name], name == "sparse_adam"
    start, gradients, rates = course(sparse)
    hyper = [in_symbols(rule, {**options, "lr": rate}) for rate in rates]
    # SparseAdam counts the steps of the whole tensor, also for an element that has no gradient.
    right = oracle.trajectory(rule, start, gradients, hyper, steps=range(1, STEPS + 1) if sparse else None)
    theirs, states = torch_path(rule, options, start, gradients, rates, sparse)
    tolerance = TOLERANCES.get(name, 1e-12)
    moved = np.maximum.accumulate(np.abs(right.parameters - start))
    rounding = np.spacing(np.abs(right.parameters)).cumsum(0)
    np.testing.assert_array_less(np.abs(theirs - right.parameters), tolerance * moved + rounding + 1e-300)
    for entry in rule.state:
        for step, state in enumerate(states):
            if entry.key in state:
                kept = right.state[str(entry.symbol)][: step + 1]
                scale = np.abs(kept).max(0)
                assert (np.abs(state[entry.key].numpy() - kept[-1]) <= tolerance * scale).all(), (entry.key, step)


@pytest.mark.parametrize("rule", LIKE_TORCH, ids=lambda rule: rule.name)
def test_a_rule_has_all_of_pytorchs_options(rule):
    theirs = inspect.signature(counterpart(rule)).parameters
    arguments = [(entry.argument or entry.name).rstrip("]").partition("[") for entry in rule.hyper]
    assert {argument for argument, _, _ in arguments} == set(theirs) - NOT_MATHEMATICS
    for entry, (argument, _, position) in zip(rule.hyper, arguments, strict=True):
        default = theirs[argument].default
        assert float(entry.default == True if isinstance(default, bool) else entry.default) == (  # noqa: E712
            default[int(position)] if position else default
        ), entry


@pytest.mark.parametrize("rule", LIKE_TORCH, ids=lambda rule: rule.name)
def test_the_ranges_are_pytorchs(rule):
    """What lies on a bound that belongs to the range is taken; what lies beyond it is refused, where PyTorch checks."""
    theirs = inspect.signature(counterpart(rule)).parameters
    for entry in (each for each in rule.hyper if each.name not in SWITCHES and each.name not in UNCHECKED):
        argument, _, position = (entry.argument or entry.name).rstrip("]").partition("[")
        bounds = [(entry.domain.start, entry.domain.left_open, -1), (entry.domain.end, entry.domain.right_open, 1)]
        for bound, is_open, outwards in (each for each in bounds if each[0].is_finite):
            for value in (float(bound), float(bound) + outwards / 8):
                given = list(theirs[argument].default) if position else value
                if position:
                    given[int(position)] = value
                if value == float(bound) and not is_open:
                    counterpart(rule)([torch.nn.Parameter(torch.ones(1))], **{argument: given})
                else:
                    with pytest.raises(ValueError, match="nvalid"):
                        counterpart(rule)([torch.nn.Parameter(torch.ones(1))], **{argument: given})


@pytest.mark.parametrize("rule", LIKE_TORCH, ids=lambda rule: rule.name)
def test_the_keys_of_state_are_pytorchs(rule):
    options = {
        name: True for name in ("amsgrad", "centered") if name in inspect.signature(counterpart(rule)).parameters
    }
    options |= {"momentum": 0.5} if rule.name in ("sgd", "rmsprop") else {}
    parameter = torch.nn.Parameter(torch.ones(2))
    optimizer = counterpart(rule)([parameter], **options)
    parameter.grad = torch.ones(2).to_sparse() if rule.name == "sparse_adam" else torch.ones(2)
    optimizer.step()
    assert {entry.key for entry in rule.state} == set(optimizer.state[parameter]) - {"step"}


def test_every_optimizer_of_pytorch_has_a_rule():
    there = {f"torch.optim.{name}" for name, value in vars(torch.optim).items() if inspect.isclass(value)}
    there -= {"torch.optim.Optimizer", "torch.optim.Adafactor", "torch.optim.LBFGS", "torch.optim.Muon"}
    assert there == {rule.counterpart for rule in LIKE_TORCH}


# ------------------------------------------------------------------------------------ what PyTorch doesn't have


def lion(start, gradients, rates, beta1=0.9, beta2=0.99, weight_decay=0.0):
    """Algorithm 2 of the paper."""
    parameter, m, path = start, np.zeros_like(start), []
    for gradient, rate in zip(gradients, rates, strict=True):
        if not np.isnan(gradient).any():
            update = np.sign(beta1 * m + (1 - beta1) * gradient)
            m = beta2 * m + (1 - beta2) * gradient
            parameter = parameter - rate * (update + weight_decay * parameter)
        path.append(parameter)
    return np.stack(path)


def signum(start, gradients, rates, momentum=0.0, weight_decay=0.0):
    """Algorithm 2 of the paper; with momentum 0, Algorithm 1."""
    parameter, m, path = start, np.zeros_like(start), []
    for gradient, rate in zip(gradients, rates, strict=True):
        if not np.isnan(gradient).any():
            m = momentum * m + (1 - momentum) * (gradient + weight_decay * parameter)
            parameter = parameter - rate * np.sign(m)
        path.append(parameter)
    return np.stack(path)


@pytest.mark.parametrize(
    ("reference", "name", "hyper"),
    [
        (lion, "lion", {}),
        (lion, "lion", {"beta1": 0.5, "beta2": 0.8, "weight_decay": 0.3}),
        (signum, "signsgd", {}),
        (signum, "signsgd", {"momentum": 0.8, "weight_decay": 0.3}),
    ],
)
def test_a_rule_is_its_papers(reference, name, hyper):
    start, gradients, rates = course()
    found = oracle.trajectory(BY_NAME[name], start, gradients, [{**hyper, "lr": rate} for rate in rates]).parameters
    np.testing.assert_allclose(found, reference(start, gradients, rates, **hyper), rtol=1e-13, atol=1e-15)


# ------------------------------------------------------------------------------------------------------- variants

NUMBERS = {
    "momentum": 0.8,
    "dampening": 0.3,
    "weight_decay": 0.1,
    "beta1": 0.8,
    "beta2": 0.95,
    "eps": 1e-5,
    "rho": 0.8,
    "alpha": 0.7,
    "momentum_decay": 0.1,
    "lr_decay": 0.1,
    "initial_accumulator_value": 0.2,
    "lambd": 0.05,
    "t0": 3.0,
    "step_size_min": 0.02,
    "step_size_max": 0.12,
}
# What is within a sign shows only where it outweighs the rest.
SHOWING = {"signsgd": {"weight_decay": 0.6}, "lion": {"beta2": 0.5}}
LENGTH = 12


def hypers(rule):
    """Every number off its default: with all switches off, all on, `maximize` alone, and what is added at 0."""
    names = {entry.name for entry in rule.hyper}
    numbers = {name: value for name, value in NUMBERS.items() if name in names}
    numbers |= SHOWING.get(rule.name, {})
    on = {name: True for name in SWITCHES if name in names}
    for changes in (
        {},
        on | {"dampening": 0.0},
        {"maximize": True},
        {"weight_decay": 0.0, "initial_accumulator_value": 0.0},
    ):
        known = numbers | {name: value for name, value in changes.items() if name in names}
        # The rate changes on the way: a learning rate inside the velocity shows only then.
        yield [known | {"lr": 0.1 / (1 + step // 4)} for step in range(LENGTH)]


class Paths:
    """The trajectories of a rule and of all its variants, by the variant's name ('' for the rule); each found once."""

    def __init__(self):
        random = np.random.default_rng(0)
        scales = [np.ones(LENGTH), 10 ** random.uniform(-9, -4, LENGTH), np.full(LENGTH, 0.05), np.full(LENGTH, 30)]
        self.start = np.array([0.3, -1.2, 2.0, 0.0])
        self.gradients = random.normal(0, 1, (LENGTH, 4)) * np.stack(scales, 1)
        self.gradients[:2, 3] = 0
        self.known = {}

    def __call__(self, rule):
        if rule.name not in self.known:
            rules = {"": rule, **{name: rule.variant(name) for name in rule.variants}}
            self.known[rule.name] = {
                name: [oracle.trajectory(each, self.start, self.gradients, hyper) for hyper in hypers(rule)]
                for name, each in rules.items()
            }
        return self.known[rule.name]


@pytest.fixture(scope="module")
def paths():
    return Paths()


def distance(rule, ours, theirs):
    """How far two trajectories, or what they keep in the state dict, are apart: relative, at the worst element."""
    kept = [str(entry.symbol) for entry in rule.state if entry.key]
    worst = 0.0
    for one, other in zip(ours, theirs, strict=True):
        pairs = [(one.parameters, other.parameters)]
        pairs += [(one.state[name], other.state[name]) for name in kept]
        for left, right in pairs:
            if (np.isnan(left) != np.isnan(right)).any():
                return np.inf
            size = np.maximum(np.abs(left), np.abs(right))
            apart = np.divide(np.abs(left - right), size, out=np.zeros_like(size), where=size > 0)
            worst = max(worst, np.nanmax(apart))
    return worst


@by_name
def test_a_variant_departs_from_its_rule(rule, paths):
    known = paths(rule)
    assert [name for name in rule.variants if distance(rule, known[""], known[name]) <= 1e-6] == []


@by_name
def test_no_two_variants_are_the_same(rule, paths):
    same = [
        (one, other)
        for (one, first), (other, second) in combinations(paths(rule).items(), 2)
        if distance(rule, first, second) <= 1e-6
    ]
    assert same == []


@by_name
def test_every_hyper_parameter_counts(rule, paths):
    """Another value of any one, with all others as in one of the settings, leads elsewhere."""
    start, gradients = paths.start, paths.gradients
    for entry in rule.hyper:
        found = 0.0
        for hyper in hypers(rule):
            value = hyper[0].get(entry.name, entry.default)
            other = not value if entry.name in SWITCHES else float(value) * 0.7 + 0.013
            moved = oracle.trajectory(rule, start, gradients, [each | {entry.name: other} for each in hyper])
            found = max(found, distance(rule, [oracle.trajectory(rule, start, gradients, hyper)], [moved]))
        assert found > 1e-6, entry.name
