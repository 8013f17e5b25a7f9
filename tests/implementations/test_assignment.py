"""The assignment's examples print the assignment's numbers; where those are wrong, the right ones stand beside."""

import copy
import pickle

import pytest
import torch

from torchstone import assignment, losses, optimizers

Y_PRED, Y_TRUE = [1.0, 2.0, 3.0, 4.0], [1.5, 2.5, 3.0, 4.5]
LOGITS = [[0.8, 0.4, 0.9], [0.1, 0.3, 0.1], [0.7, 0.6, 0.2]]
LOSSES = [
    (assignment.L1Loss, Y_PRED, Y_TRUE, 0.375, "tensor([-0.2500, -0.2500,  0.0000, -0.2500])"),
    (assignment.L2Loss, Y_PRED, Y_TRUE, 0.1875, "tensor([-0.2500, -0.2500,  0.0000, -0.2500])"),
    (
        assignment.BCELoss,
        [0.1, 0.7, 0.05, 0.15],
        [0.0, 1.0, 0.0, 0.0],
        0.16896192729473114,
        "tensor([ 0.2778, -0.3571,  0.2632,  0.2941])",
    ),
    (
        assignment.CELoss,
        LOGITS,
        [0, 1, 0],
        0.9704906940460205,
        "tensor([[-0.2132,  0.0805,  0.1327],\n"
        "        [ 0.1035, -0.2069,  0.1035],\n"
        "        [-0.2006,  0.1201,  0.0805]])",
    ),
]


@pytest.mark.parametrize(("loss", "prediction", "truth", "value", "gradient"), LOSSES)
def test_the_losses_print_what_the_assignment_prints(loss, prediction, truth, value, gradient):
    criterion, y_pred = loss(), torch.tensor(prediction, requires_grad=True)
    result = criterion(y_pred, torch.tensor(truth))
    assert result.item() == value
    result.backward()
    assert repr(y_pred.grad) == gradient
    torch.testing.assert_close(criterion.backward(), y_pred.grad, rtol=0, atol=0)
    torch.testing.assert_close(criterion.backward(torch.tensor(-3.0)), -3 * y_pred.grad)


ACTIVATIONS = [
    (assignment.ReLU, torch.relu, "tensor([0., 0., 1., 2.])", "tensor([0., 0., 1., 1.])"),
    (
        assignment.Sigmoid,
        torch.sigmoid,
        "tensor([0.2689, 0.5000, 0.7311, 0.8808])",
        "tensor([0.1966, 0.2500, 0.1966, 0.1050])",
    ),
    (
        assignment.Tanh,
        torch.tanh,
        "tensor([-0.7616,  0.0000,  0.7616,  0.9640])",
        "tensor([0.4200, 1.0000, 0.4200, 0.0707])",
    ),
]


@pytest.mark.parametrize(("activation", "builtin", "value", "gradient"), ACTIVATIONS)
def test_the_activations_print_what_the_assignment_prints(activation, builtin, value, gradient):
    x = torch.tensor([-1.0, 0.0, 1.0, 2.0], requires_grad=True)
    module = activation()
    assert repr(module(x).detach()) == value
    assert repr(module.backward(torch.ones_like(x))) == gradient
    seed = torch.tensor([2.0, -1.0, 0.5, -3.0])
    (expected,) = torch.autograd.grad(builtin(x), x, seed)
    torch.testing.assert_close(module.backward(seed), expected)


def test_softmax_prints_what_the_assignment_prints():
    x = torch.tensor([[4.0, 3.0, 5.0], [3.0, 4.0, 7.0], [6.0, 8.0, 2.0]], requires_grad=True)
    softmax = assignment.Softmax()
    rows = ["[0.2447, 0.0900, 0.6652]", "[0.0171, 0.0466, 0.9362]", "[0.1189, 0.8789, 0.0022]"]
    assert repr(softmax(x).detach()) == f"tensor([{rows[0]},\n        {rows[1]},\n        {rows[2]}])"
    assert softmax.backward(torch.ones_like(x)).abs().max() == 0
    for dim in (0, 1, -1):
        y = softmax(x, dim=dim)
        torch.testing.assert_close(y, torch.softmax(x, dim))
        (expected,) = torch.autograd.grad(torch.softmax(x, dim), x, torch.eye(3))
        torch.testing.assert_close(softmax.backward(torch.eye(3)), expected)


def test_relu_backward_on_the_class_as_the_assignment_calls_it():
    """The assignment's answer is tensor([0., 0., 1., 1.]): it looks only at grad_output, and clips it at 1.

    The vector-Jacobian product of grad_output = [0, 0, 1, 2] at x = [-1, 0, 1, 2] is [0, 0, 1, 2].
    """
    x = torch.tensor([-1.0, 0.0, 1.0, 2.0], requires_grad=True)
    activated = assignment.ReLU()(x)
    module = assignment.ReLU()
    activated = module(x)
    assert assignment.ReLU.backward(activated).tolist() == [0.0, 0.0, 1.0, 2.0]
    # On a negative input the assignment's backward lets the gradient through, on a negative gradient too.
    module(torch.tensor([-5.0, 5.0]))
    assert assignment.ReLU.backward(torch.tensor([0.5, -0.5])).tolist() == [0.0, -0.5]


def test_a_certain_and_right_prediction_costs_nothing():
    """The assignment's clamp leaves 1.2e-7, and says so."""
    certain = torch.tensor([0.0, 1.0])
    assert assignment.BCELoss()(certain, certain).item() == 0


def test_a_wrong_prediction_keeps_its_gradient():
    """The assignment's clamp stops it: 0 where p is below 1e-8."""
    p = torch.tensor([1e-12], requires_grad=True)
    assignment.BCELoss()(p, torch.ones(1)).backward()
    assert p.grad.item() == pytest.approx(-1e12)


def test_cross_entropy_does_not_underflow():
    """The assignment's log(probs) is -inf, and 0 * -inf NaN, for logits 104 apart."""
    logits = torch.tensor([[0.0, 104.0]], requires_grad=True)
    for target, expected in ((0, 104.0), (1, 0.0)):
        assert assignment.CELoss()(logits, torch.tensor([target])).item() == pytest.approx(expected)


def test_tanh_does_not_overflow():
    """The assignment's exp(x) is infinite from 89 on, and inf / inf NaN."""
    tanh = assignment.Tanh()
    assert tanh(torch.tensor([-1000.0, 89.0, 1000.0])).tolist() == [-1, 1, 1]
    assert tanh.backward(torch.ones(3)).tolist() == [0, 0, 0]


OPTIMIZERS = [
    (assignment.GradientDescentOptimizer, optimizers.GradientDescent, {"learning_rate": 0.01}, {"lr": 0.01}),
    (assignment.SGDOptimizer, torch.optim.SGD, {"learning_rate": 0.01}, {"lr": 0.01}),
    (assignment.MomentumOptimizer, torch.optim.SGD, {"learning_rate": 0.01}, {"lr": 0.01, "momentum": 0.9}),
    (assignment.AdamOptimizer, torch.optim.Adam, {}, {}),
    (
        assignment.AdamOptimizer,
        torch.optim.Adam,
        {"betas": (0.8, 0.9), "eps": 1e-3},
        {"betas": (0.8, 0.9), "eps": 1e-3},
    ),
]


@pytest.mark.parametrize(("mine", "theirs", "arguments", "options"), OPTIMIZERS)
def test_the_optimizers_on_the_assignments_model(mine, theirs, arguments, options):
    model = torch.nn.Linear(1, 1).double()
    other = copy.deepcopy(model)
    inputs = torch.tensor([[1.0], [2.0]], dtype=torch.float64)
    for net, optimizer in (
        (model, mine(model.parameters(), **arguments)),
        (other, theirs(other.parameters(), **options)),
    ):
        for _ in range(20):
            optimizer.zero_grad()
            torch.nn.MSELoss()(net(inputs), 2 * inputs).backward()
            optimizer.step()
    torch.testing.assert_close(model.weight, other.weight, rtol=1e-13, atol=0)
    torch.testing.assert_close(model.bias, other.bias, rtol=1e-13, atol=0)


def test_an_optimizers_attributes():
    p, q = torch.nn.Parameter(torch.ones(1)), torch.nn.Parameter(torch.ones(2))
    optimizer = assignment.MomentumOptimizer([{"params": [p]}, {"params": [q], "lr": 0.5}], learning_rate=0.1)
    assert optimizer.parameters == [p, q]
    assert optimizer.learning_rate == 0.1
    optimizer.learning_rate = 0.25
    assert [group["lr"] for group in optimizer.param_groups] == [0.25, 0.25]
    q.grad = torch.ones(2)
    optimizer.zero_grad()
    assert q.grad.tolist() == [0, 0]


@pytest.mark.parametrize(
    ("build", "error", "message"),
    [
        (lambda: assignment.SGDOptimizer([], 0.1), ValueError, "parameters: expected an iterable .* got an empty one"),
        (
            lambda: assignment.SGDOptimizer(torch.ones(1), 0.1),
            TypeError,
            "parameters: expected an iterable .* got a tensor of shape",
        ),
        (lambda: assignment.SGDOptimizer([torch.ones(1)], -0.1), ValueError, "learning_rate: expected .* got -0.1"),
        (lambda: assignment.AdamOptimizer([torch.ones(1)], betas=(1.0, 0.9)), ValueError, "betas"),
        (lambda: assignment.Sigmoid().backward(torch.ones(1)), RuntimeError, "expected a forward of Sigmoid before it"),
        (lambda: assignment.L1Loss().backward(), RuntimeError, "expected a forward of L1Loss before it"),
        (lambda: assignment.Tanh.backward(torch.ones(1)), RuntimeError, "expected a forward of Tanh before it"),
    ],
)
def test_bad_use_is_refused_in_the_assignments_words(build, error, message):
    assignment.Tanh._latest = staticmethod(lambda: None)
    with pytest.raises(error, match=message):
        build()


def test_a_gradient_of_another_shape_is_refused():
    relu = assignment.ReLU()
    relu(torch.ones(3))
    with pytest.raises(ValueError, match=r"grad_output: expected the output's shape \(3,\), got \(2,\)"):
        relu.backward(torch.ones(2))


def test_a_module_keeps_no_graph_and_can_be_copied():
    sigmoid = assignment.Sigmoid()
    sigmoid(torch.ones(2, requires_grad=True))
    for again in (copy.deepcopy(sigmoid), pickle.loads(pickle.dumps(sigmoid))):
        assert again.backward(torch.ones(2)).tolist() == sigmoid.backward(torch.ones(2)).tolist()
    assert all(not each.requires_grad for each in sigmoid._arguments)


def test_the_layers_are_thin():
    torch.manual_seed(1)
    x, y = torch.randn(5), torch.randn(5)
    assert assignment.L2Loss()(x, y) == losses.MSELoss()(x, y)
