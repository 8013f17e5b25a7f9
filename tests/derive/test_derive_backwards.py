"""Every hand-written backward of the library is the derived gradient, evaluated by a third party: SymPy and mpmath."""

import numpy as np
import pytest
import sympy as sp
import torch

import torchstone
from torchstone import activations, losses
from torchstone.derive.meaning import Meaning

# A definition, the module, and the values that its parameters have in it.
NUMBERS = [
    ("relu", activations.ReLU(), {}),
    ("leaky_relu", activations.LeakyReLU(0.25), {"negative_slope": 0.25}),
    ("elu", activations.ELU(1.5), {"alpha": 1.5}),
    ("sigmoid", activations.Sigmoid(), {}),
    ("log_sigmoid", activations.LogSigmoid(), {}),
    ("tanh", activations.Tanh(), {}),
    ("softplus", activations.Softplus(2.0, None), {"beta": 2.0}),
    ("silu", activations.SiLU(), {}),
    ("gelu", activations.GELU(), {}),
    ("gelu_tanh", activations.GELU("tanh"), {}),
]
LOSSES = [
    ("l1", losses.L1Loss(reduction="none"), {}),
    ("mse", losses.MSELoss(reduction="none"), {}),
    ("huber", losses.HuberLoss(reduction="none", delta=0.75), {"delta": 0.75}),
    ("smooth_l1", losses.SmoothL1Loss(reduction="none", beta=0.5), {"beta": 0.5}),
    ("bce_with_logits", losses.BCEWithLogitsLoss(reduction="none"), {}),
]
X = [-3.25, -1.5, -0.75, -0.25, 0.0, 0.125, 0.25, 0.75, 1.0, 1.25, 4.5]  # residuals reach both thresholds, and 0
TARGET = 0.25


def derived(name, chain=-1):
    """A result of a derivation with the names it uses put in: one expression in the inputs alone."""
    found = torchstone.derive(name)
    return Meaning(found.given, {}).plain(found.chains[chain].result)


def exact(value):
    return sp.Rational(float(value))


def evaluated(expression, values):
    named = {symbol: exact(values[symbol.name]) for symbol in expression.free_symbols if symbol.name in values}
    return float(sp.N(expression.subs(named), 40))


def agree(mine, theirs):
    np.testing.assert_allclose(mine, theirs, rtol=1e-14, atol=1e-15)


@pytest.mark.parametrize(
    ("name", "module", "parameters"), NUMBERS, ids=lambda each: each if isinstance(each, str) else ""
)
def test_activations(name, module, parameters):
    x = torch.tensor(X, dtype=torch.float64, requires_grad=True)
    module(x).sum().backward()
    expression = derived(name)
    agree(x.grad.numpy(), [evaluated(expression, {"x": value, **parameters}) for value in X])


@pytest.mark.parametrize(
    ("name", "module", "parameters"), LOSSES, ids=lambda each: each if isinstance(each, str) else ""
)
def test_losses_of_numbers(name, module, parameters):
    x = torch.tensor(X, dtype=torch.float64, requires_grad=True)
    module(x, torch.full_like(x, TARGET)).sum().backward()
    expression = derived(name)
    agree(x.grad.numpy(), [evaluated(expression, {"x": value, "t": TARGET, **parameters}) for value in X])


@pytest.mark.parametrize("target", [0.0, 0.25, 1.0])
def test_losses_of_a_probability(target):
    points = [0.0, 1e-30, 0.125, 0.25, 0.75, 1.0]
    p = torch.tensor(points, dtype=torch.float64, requires_grad=True)
    losses.BCELoss(reduction="none")(p, torch.full_like(p, target)).sum().backward()
    expression = derived("bce")
    agree(p.grad.numpy(), [evaluated(expression, {"p": value, "t": target, "weight": 1}) for value in points])


ROW = [0.5, -1.25, 3.0, 0.0]
SEED = [1.0, -2.0, 0.5, 0.25]
SHARES = [0.125, 0.5, 0.25, 0.125]
WEIGHTS = [1.0, 0.5, 2.0, 1.0]


def component(expression, k, **vectors):
    """The k-th component of an expression in vectors of four components."""
    values = {sp.IndexedBase(name)[n]: exact(value) for name, row in vectors.items() for n, value in enumerate(row)}
    sized = expression.subs({sp.Symbol("C", integer=True, positive=True): len(ROW)})
    at = sized.subs({sp.Symbol("k", integer=True, nonnegative=True): k})
    return float(sp.N(at.doit().subs(values), 40))


@pytest.mark.parametrize(
    ("name", "module"), [("softmax", activations.Softmax(-1)), ("log_softmax", activations.LogSoftmax(-1))]
)
def test_activations_of_a_row(name, module):
    x = torch.tensor(ROW, dtype=torch.float64, requires_grad=True)
    module(x).backward(torch.tensor(SEED, dtype=torch.float64))
    expression = derived(name)
    agree(x.grad.numpy(), [component(expression, k, x=ROW, g=SEED) for k in range(4)])


def test_cross_entropy_of_a_class():
    x = torch.tensor([ROW], dtype=torch.float64, requires_grad=True)
    losses.CrossEntropyLoss()(x, torch.tensor([2])).backward()
    expression = derived("cross_entropy")
    agree(x.grad[0].numpy(), [component(expression, k, x=ROW, t=[0, 0, 1, 0]) for k in range(4)])


def test_cross_entropy_of_probabilities():
    x = torch.tensor([ROW], dtype=torch.float64, requires_grad=True)
    losses.CrossEntropyLoss()(x, torch.tensor([SHARES], dtype=torch.float64)).backward()
    expression = derived("cross_entropy_probabilities")
    agree(x.grad[0].numpy(), [component(expression, k, x=ROW, t=SHARES) for k in range(4)])


def test_cross_entropy_with_weights_and_smoothing():
    x = torch.tensor([ROW], dtype=torch.float64, requires_grad=True)
    loss = losses.CrossEntropyLoss(torch.tensor(WEIGHTS, dtype=torch.float64), reduction="sum", label_smoothing=0.25)
    loss(x, torch.tensor([2])).backward()
    expression = derived("cross_entropy", 0).subs(sp.Symbol("label_smoothing", real=True), sp.Rational(1, 4))
    agree(x.grad[0].numpy(), [component(expression, k, x=ROW, t=[0, 0, 1, 0], weight=WEIGHTS) for k in range(4)])


def test_binary_cross_entropy_with_weights():
    x = torch.tensor(X, dtype=torch.float64, requires_grad=True)
    options = {name: torch.tensor(value, dtype=torch.float64) for name, value in (("weight", 0.5), ("pos_weight", 3.0))}
    losses.BCEWithLogitsLoss(reduction="sum", **options)(x, torch.full_like(x, TARGET)).backward()
    expression = derived("bce_with_logits", 0)
    values = {"t": TARGET, "weight": 0.5, "pos_weight": 3.0}
    agree(x.grad.numpy(), [evaluated(expression, {"x": value, **values}) for value in X])


def test_negative_log_likelihood():
    x = torch.tensor([ROW], dtype=torch.float64, requires_grad=True)
    losses.NLLLoss(torch.tensor(WEIGHTS, dtype=torch.float64), reduction="sum")(x, torch.tensor([2])).backward()
    expression = derived("nll")
    agree(x.grad[0].numpy(), [component(expression, k, t=[0, 0, 1, 0], weight=WEIGHTS) for k in range(4)])


def test_kullback_leibler_is_pytorchs():
    """torchstone has no implementation of its own."""
    x = torch.tensor([-0.5, -2.0, -1.0], dtype=torch.float64, requires_grad=True)
    target = torch.tensor([0.25, 0.0, 0.75], dtype=torch.float64)
    torch.nn.KLDivLoss(reduction="sum")(x, target).backward()
    expression = derived("kl_div")
    agree(x.grad.numpy(), [evaluated(expression, {"t": value}) for value in target.tolist()])


def test_every_loss_and_activation_is_here():
    covered = {name for name, _, _ in (*NUMBERS, *LOSSES)} | {"bce", "softmax", "log_softmax", "cross_entropy"}
    covered |= {"cross_entropy_probabilities", "nll", "kl_div"}
    derivable = {each.name for each in torchstone.definitions.every() if each.kind != "optimizer" and each.derivable}
    assert covered == derivable
