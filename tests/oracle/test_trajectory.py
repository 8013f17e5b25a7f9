"""Trajectories: of any shape, of rules that look at a whole tensor, with gaps, and refused where they make no sense."""

import numpy as np
import pytest
import sympy as sp
import torch

from torchstone import definitions, oracle
from torchstone.definitions import Hyper, State, UpdateRule
from torchstone.definitions.tensors import (
    COLUMNS,
    COUNT,
    DIMENSIONS,
    ROWS,
    ColumnMean,
    MatrixProduct,
    RowMean,
    Total,
    Transposed,
)

ADAM_OPTIONS = [{}, {"weight_decay": 0.1}, {"amsgrad": True}, {"maximize": True}, {"betas": (0.5, 0.75), "eps": 1e-3}]
RUNS = [
    ("gradient_descent", torch.optim.SGD, {}),
    ("momentum", torch.optim.SGD, {"momentum": 0.9}),
    *(("sgd", torch.optim.SGD, {"momentum": 0.9, **more}) for more in [{}, {"nesterov": True}, {"dampening": 0.5}]),
    ("sgd", torch.optim.SGD, {"weight_decay": 0.1, "maximize": True}),
    *(("adam", torch.optim.Adam, options) for options in ADAM_OPTIONS),
    *(("adamw", torch.optim.AdamW, {"weight_decay": 0.01, **options}) for options in ADAM_OPTIONS),
]


@pytest.mark.parametrize(("name", "optimizer", "options"), RUNS)
def test_trajectories_are_pytorchs(name, optimizer, options):
    rng = np.random.default_rng(3)
    gradients = rng.normal(size=(30, 2, 4)) * 10.0 ** np.linspace(-6, 3, 8).reshape(2, 4)
    p = torch.ones(2, 4, dtype=torch.float64, requires_grad=True)
    method = optimizer([p], lr=0.1, **options)
    path = []
    for gradient in gradients:
        p.grad = torch.tensor(gradient)
        method.step()
        path.append(p.detach().clone())
    rule = definitions.get(name)
    hyper = {"lr": 0.1, **options}
    hyper |= dict(zip(("beta1", "beta2"), hyper.pop("betas", ()), strict=False))
    known = {each.name for each in rule.hyper}
    mine = oracle.trajectory(rule, np.ones((2, 4)), gradients, {key: hyper[key] for key in hyper if key in known})
    np.testing.assert_allclose(torch.stack(path).numpy(), mine.parameters, rtol=1e-12, atol=1e-12)


P, G, A, B = sp.symbols("p g a b", real=True)
T = sp.Symbol("t", integer=True, positive=True)
RATE = sp.Symbol("lr", real=True)


def rule(*equations, state=(), **more):
    """An update rule of the given lines, with a learning rate of 1/2."""
    hyper = (Hyper(RATE, sp.Rational(1, 2), sp.S.Reals),)
    given = {"name": "mine", "title": "Mine", "counterpart": "", "parameter": P, "gradient": G, "step": T}
    return UpdateRule(equations=equations, state=state, hyper=hyper, **{**given, **more})


DESCENT = rule((P, P - RATE * G))
FOUR = np.arange(24.0).reshape(4, 2, 3) - 7


def test_any_shape_is_the_same_numbers():
    adam = definitions.get("adam")
    flat = oracle.trajectory(adam, np.ones(6), FOUR.reshape(4, 6))
    for shape in ((6,), (2, 3), (1, 6, 1)):
        path = oracle.trajectory(adam, np.ones(shape), FOUR.reshape(4, *shape))
        np.testing.assert_array_equal(path.parameters, flat.parameters.reshape(4, *shape))
        np.testing.assert_array_equal(path.low, flat.low.reshape(4, *shape))
        for name, values in path.state.items():
            np.testing.assert_array_equal(values, flat.state[name].reshape(4, *shape))


def test_a_number_and_nothing_at_all():
    assert oracle.trajectory(DESCENT, 1.0, [0.5, 0.25]).parameters.tolist() == [0.75, 0.625]
    assert oracle.trajectory(DESCENT, np.ones((0, 3)), np.ones((2, 0, 3))).parameters.shape == (2, 0, 3)
    assert oracle.trajectory(DESCENT, [1.0, 2.0], np.ones((0, 2))).parameters.shape == (0, 2)


def test_a_missing_gradient_stands_still():
    adam = definitions.get("adam")
    with_gap = oracle.trajectory(adam, [1.0], [[0.5], [np.nan], [0.25]]).parameters[:, 0]
    without = oracle.trajectory(adam, [1.0], [[0.5], [0.25]]).parameters[:, 0]
    assert with_gap.tolist() == [without[0], without[0], without[1]]


def test_each_element_may_have_gaps_of_its_own():
    path = oracle.trajectory(DESCENT, [0.0, 0.0], [[1.0, np.nan], [np.nan, 2.0]])
    assert path.parameters.tolist() == [[-0.5, 0.0], [-0.5, -1.0]]


def test_the_learning_rate_may_change_between_steps():
    path = oracle.trajectory(definitions.get("sgd"), [1.0], [[1.0], [1.0]], [{"lr": 0.5}, {"lr": 0.25}])
    assert path.parameters[:, 0].tolist() == [0.5, 0.25]


def test_none_is_the_default():
    assert oracle.trajectory(DESCENT, [0.0], [[1.0]], {"lr": None}).parameters.tolist() == [[-0.5]]


def test_step_counts_may_be_given():
    counting = rule((P, P - G / T))
    gradients = [[1.0], [np.nan], [1.0], [1.0]]
    assert oracle.trajectory(counting, [0.0], gradients).parameters[:, 0].tolist() == [-1.0, -1.0, -1.5, -1.5 - 1 / 3]
    given = oracle.trajectory(counting, [0.0], gradients, steps=[2, 4, 8, 16]).parameters[:, 0]
    assert given.tolist() == [-0.5, -0.5, -0.625, -0.6875]


def test_state_starts_from_hyper_parameters_at_the_first_gradient_and_from_the_parameter():
    remembering = rule((A, A + G), (B, B), (P, P + A), state=(State(A, RATE / 4), State(B, P + RATE)))
    rates = [{"lr": 100.0}, {"lr": 8.0}, {"lr": 1.0}]
    path = oracle.trajectory(remembering, [3.0], [[np.nan], [1.0], [1.0]], rates)
    assert path.state["a"][:, 0].tolist() == [2.0, 3.0, 4.0]
    assert path.state["b"][:, 0].tolist() == [11.0, 11.0, 11.0]
    assert path.parameters[:, 0].tolist() == [3.0, 6.0, 10.0]


def test_what_the_nearest_float_leaves_over():
    path = oracle.trajectory(DESCENT, [1.0], [[-(2.0**-60)]])
    assert path.parameters.tolist() == [[1.0]]
    assert path.low.tolist() == [[2.0**-61]]


def test_what_has_no_value_is_not_a_number():
    path = oracle.trajectory(rule((P, P - G / sp.Abs(G))), [1.0, 1.0], [[0.0, -2.0]])
    np.testing.assert_array_equal(path.parameters, [[np.nan, 2.0]])


def test_the_least_and_the_largest_of_several():
    clipped = rule((P, sp.Min(sp.Max(G, -1, RATE - 2), RATE, 3)))
    assert oracle.trajectory(clipped, [9.0] * 3, [[-5.0, 0.25, 7.0]]).parameters.tolist() == [[-1.0, 0.25, 0.5]]


def test_symbols_may_be_called_as_the_oracle_calls_its_own():
    sign, largest, seen = sp.symbols("sign largest seen", real=True)
    named = rule((sign, sp.sign(G)), (largest, sp.Max(G, sign)), (seen, largest + sign), (P, seen))
    assert oracle.trajectory(named, [0.0, 0.0], [[0.25, -3.0]]).parameters.tolist() == [[2.0, -2.0]]


def dot(matrix):
    return matrix @ matrix.T @ matrix


WHOLE = {
    "norm": (Total(G**2), lambda g: np.full(g.shape, (g**2).sum())),
    "row mean": (RowMean(G), lambda g: np.broadcast_to(g.mean(-1, keepdims=True), g.shape)),
    "column mean": (ColumnMean(G), lambda g: np.broadcast_to(g.mean(-2, keepdims=True), g.shape)),
    "outer": (RowMean(G) * ColumnMean(G), lambda g: g.mean(-1, keepdims=True) * g.mean(-2, keepdims=True)),
    "mean of means": (ColumnMean(RowMean(G)), lambda g: np.full(g.shape, g.mean())),
    "product": (MatrixProduct(MatrixProduct(G, Transposed(G)), G), dot),
    "of the result of a line": (Total(A), lambda g: np.full(g.shape, (g + 1).sum())),
    "sizes": (COUNT * 100 + ROWS * 10 + COLUMNS, lambda g: np.full(g.shape, 623.0)),
    "dimensions": (sp.Piecewise((1, DIMENSIONS > 1), (2, True)), lambda g: np.ones(g.shape)),
}


@pytest.mark.parametrize("name", WHOLE)
def test_quantities_of_a_whole_tensor(name):
    expression, right = WHOLE[name]
    path = oracle.trajectory(rule((A, G + 1), (P, expression)), np.zeros((2, 3)), FOUR)
    np.testing.assert_allclose(path.parameters, np.stack([right(gradient) for gradient in FOUR]), rtol=1e-15)


def test_a_branch_for_matrices_leaves_vectors_alone():
    factored = rule((P, sp.Piecewise((ColumnMean(G), DIMENSIONS > 1), (G, True))))
    assert oracle.trajectory(factored, [0.0, 0.0], [[1.0, 2.0]]).parameters.tolist() == [[1.0, 2.0]]
    assert oracle.trajectory(factored, [[0.0], [0.0]], [[[1.0], [2.0]]]).parameters.tolist() == [[[1.5], [1.5]]]


def test_state_of_a_row_stands_at_each_of_its_elements():
    path = oracle.trajectory(rule((A, A + RowMean(G)), (P, P), state=(State(A),)), np.zeros((2, 3)), FOUR)
    rows = FOUR.mean(-1, keepdims=True).cumsum(0)
    np.testing.assert_allclose(path.state["a"], np.broadcast_to(rows, FOUR.shape))


def test_a_whole_tensor_has_its_gradient_or_not():
    normed = rule((P, P - G / sp.sqrt(Total(G**2)) / T))
    path = oracle.trajectory(normed, [0.0, 0.0], [[3.0, 4.0], [np.nan, np.nan], [3.0, 4.0]])
    np.testing.assert_allclose(path.parameters[:, 1], [-0.8, -0.8, -1.2])
    with pytest.raises(ValueError, match="gradients: expected NaN throughout a step or nowhere for mine, got some"):
        oracle.trajectory(normed, [0.0, 0.0], [[3.0, np.nan]])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([1.0, 2.0], [[1.0]]), r"gradients: expected shape \(steps, 2\), got \(1, 1\)"),
        ((1.0, 1.0), r"gradients: expected shape \(steps\), got \(\)"),
        (([1.0], [[1.0]], {"rate": 1.0}), "hyper: expected names among lr, got rate"),
        (([1.0], [[1.0]], [{}, {}]), r"hyper: expected one mapping, or one a step \(1\), got 2"),
        (([1.0], [[1.0]], {}, [1, 2]), r"steps: expected one count a step \(1\), got 2"),
    ],
)
def test_bad_trajectories_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        oracle.trajectory(DESCENT, *arguments)


def test_a_vector_is_no_matrix():
    with pytest.raises(ValueError, match=r"start: expected 2 dimensions or more for ColumnMean\(g\), got 1"):
        oracle.trajectory(rule((P, ColumnMean(G))), [1.0], [[1.0]])


LINES = ((A, G + 1), (P, P - A))


@pytest.mark.parametrize(
    ("equations", "more", "message"),
    [
        ((*LINES, (A, G)), {}, "mine: expected one line for each left side, got two for a"),
        (LINES[::-1], {}, "mine: expected known symbols in a line of p, got a"),
        (LINES, {"variants": {"x": ((B, G),)}}, "mine: expected left sides of its own in 'x', got b"),
        (LINES, {"variants": {"x": ((A, P + B),)}}, "mine: expected known symbols in a line of a, got b"),
        (LINES, {"accepted": ("y",)}, "mine: expected accepted variants among its own, got y"),
    ],
)
def test_rules_that_cannot_be_read_are_refused(equations, more, message):
    with pytest.raises(ValueError, match=message):
        rule(*equations, **more)


def test_a_variant_replaces_its_lines_alone():
    doubled = rule(*LINES, variants={"doubled": ((A, 2 * G),)}).variant("doubled")
    assert doubled.equations == ((A, 2 * G), LINES[1])
    assert doubled.name == "mine (doubled)"
    assert oracle.trajectory(doubled, [0.0], [[1.0]]).parameters.tolist() == [[-2.0]]


def test_a_variant_is_made_once():
    adam = definitions.get("adam")
    name = next(iter(adam.variants))
    assert adam.variant(name) is adam.variant(name)


@pytest.mark.parametrize(
    ("right", "elementwise"), [(P - G, True), (P - Total(G), False), (P - G / COUNT, False), (RowMean(G), False)]
)
def test_which_rules_are_elementwise(right, elementwise):
    assert rule((P, right)).elementwise == elementwise
    assert not rule((P, right), joint=True).elementwise
