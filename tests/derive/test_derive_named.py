"""The derivations that have a name: they arrive where they should, and every step is proven."""

import pytest
import sympy as sp

import torchstone
from torchstone import definitions
from torchstone.derive import names, optimizers
from torchstone.derive.engine import TEXTBOOK
from torchstone.derive.meaning import Meaning
from torchstone.derive.writing import Writing

x, y, t, p, beta, alpha, slope, delta = sp.symbols("x y t p beta alpha negative_slope delta", real=True)
w1, w2, b, x1, x2 = sp.symbols("w1 w2 b x1 x2", real=True)
sigma, Phi, phi, E = (sp.Function(name) for name in ("sigma", "Phi", "phi", "E"))
k, i = (sp.Symbol(name, integer=True, nonnegative=True) for name in "ki")
C = sp.Symbol("C", integer=True, positive=True)
P, T, G, Y = (sp.IndexedBase(name) for name in "ptgy")
step = sp.Symbol("t", integer=True, positive=True)
n = sp.Symbol("i", integer=True, positive=True)
rate = sp.Symbol("momentum", real=True)

RESULTS = {
    "sigmoid-derivative": sp.exp(-x) / (1 + sp.exp(-x)) ** 2,
    "sigmoid-derivative-in-y": y * (1 - y),
    "logit": sp.Eq(x, sp.log(y / (1 - y))),
    "chain-exponential": 2 * sp.exp(2 * x + 3),
    "chain-sine": 6 * (3 * x - 5) * sp.cos((3 * x - 5) ** 2),
    "softmax-two-classes": sp.S.One,
    "tanh-neuron": w2 * (1 - sp.tanh(w1 * x1 + w2 * x2 + b) ** 2),
    "sigmoid": sigma(x) * (1 - sigma(x)),
    "tanh": 1 - sp.tanh(x) ** 2,
    "softplus": sigma(beta * x),
    "log_sigmoid": sigma(-x),
    "silu": sigma(x) * (1 + x * (1 - sigma(x))),
    "gelu": Phi(x) + x * phi(x),
    "relu": sp.Piecewise((0, sp.Eq(x, 0)), (1, x > 0), (0, True)),
    "leaky_relu": sp.Piecewise((slope, sp.Eq(x, 0)), (1, x > 0), (slope, True)),
    "elu": sp.Piecewise((alpha, sp.Eq(x, 0)), (1, x > 0), (alpha * sp.exp(x), True)),
    "softmax": Y[k] * (G[k] - sp.Sum(G[i] * Y[i], (i, 0, C - 1))),
    "log_softmax": G[k] - P[k] * sp.Sum(G[i], (i, 0, C - 1)),
    "mse": sp.Mul(2, x - t, evaluate=False),
    "bce_with_logits": sigma(x) - t,
    "cross_entropy": P[k] - T[k],
    "cross_entropy_probabilities": P[k] - T[k],
    "nll": -T[k] * sp.IndexedBase("weight")[k],
    "kl_div": -t,
    "huber": sp.Piecewise((delta, x - t > delta), (-delta, x - t < -delta), (x - t, True)),
    "momentum": sp.Sum(rate ** (step - n) * G[n], (n, 1, step)),
    "sgd": sp.Sum(rate ** (step - n) * G[n], (n, 1, step)),
    "gradient_descent": sp.Symbol("p_0", real=True) - sp.Symbol("lr", real=True) * sp.Sum(G[n], (n, 1, step)),
    "adam": E(sp.Symbol("g", real=True) ** 2),
    "adamw": E(sp.Symbol("g", real=True) ** 2),
}
DERIVED = {name: torchstone.derive(name) for name in names()}


def written(derivation):
    """Headings and lines, as text."""
    return [(chain.heading, [str(step.expression) for step in chain.steps]) for chain in derivation.chains]


@pytest.mark.parametrize("name", names())
def test_every_step_is_proven(name):
    derivation = DERIVED[name]
    open_steps = [(str(step.expression), step.rule, step.verdict) for step in derivation.steps]
    assert [each for each in open_steps if each[2] is not None and each[2].outcome != "proven"] == []
    assert derivation.proven
    assert all(step.rule for step in derivation.steps)


@pytest.mark.parametrize(
    "entry",
    [each for each in definitions.every() if each.kind != "optimizer" and each.derivable],
    ids=lambda each: each.name,
)
def test_what_is_differentiated_is_the_definition(entry):
    """It is written down once: the derivation starts from it, with names put in for parts of it."""
    derivation = DERIVED[entry.name]
    meaning = Meaning(derivation.given, {})
    begun = [chain.steps[0].expression for chain in derivation.chains if chain.steps[0].rule == "definition"]
    expected = entry.expression.subs({each.symbol: each.default for each in entry.parameters if each.default == sp.oo})
    if entry.name == "bce":  # between the floors of the logarithms
        expected = expected.replace(sp.Piecewise, lambda *branches: branches[0][0])
    assert expected in [meaning.plain(pending.expr) for pending in begun]


@pytest.mark.parametrize("name", names())
def test_what_is_stated_without_proof_is_given_or_a_convention(name):
    for found in DERIVED[name].steps:
        assert (found.verdict is None) == (found.rule in ("given", "convention"))


@pytest.mark.parametrize("name", RESULTS)
def test_a_derivation_arrives(name):
    found, expected = DERIVED[name].result, RESULTS[name]
    if isinstance(expected, sp.Eq):
        assert found.lhs == expected.lhs
        found, expected = found.rhs, expected.rhs
    assert found == expected or sp.simplify(found - expected) == 0
    assert sp.count_ops(found) <= sp.count_ops(expected) + 1  # in the form that people know


def test_every_name_has_a_derivation():
    assert names() == (*TEXTBOOK, *(entry.name for entry in definitions.every() if entry.derivable))
    assert set(RESULTS) | {"l1", "bce", "smooth_l1", "gelu_tanh"} == set(names())


def test_the_sigmoid_is_written_as_a_teacher_would():
    assert [step.rule for step in DERIVED["sigmoid-derivative"].steps] == [
        "definition",
        "quotient",
        "sum",
        "chain",
        "linear",
    ]
    headings = [heading for heading, _ in written(DERIVED["sigmoid-derivative-in-y"])]
    assert headings == ["The derivative of σ", "Solve y = σ(x) for exp(-x)", "In terms of y"]


def test_softmax_of_two_classes_is_the_sigmoid_of_the_difference():
    first, second, _ = DERIVED["softmax-two-classes"].chains
    assert first.result == sigma(x)
    assert second.result == sigma(-x)
    z = sp.IndexedBase("z")
    assert sp.Eq(x, z[1] - z[2], evaluate=False) in DERIVED["softmax-two-classes"].given


def test_the_neuron_by_each_of_its_symbols():
    for name, factor in {"w1": x1, "w2": x2, "b": 1, "x1": w1, "x2": w2}.items():
        derivation = torchstone.derive("tanh-neuron", wrt=name)
        assert derivation.result == factor * (1 - sp.tanh(w1 * x1 + w2 * x2 + b) ** 2)
    headings = [chain.heading for chain in DERIVED["tanh-neuron"].chains]
    assert headings == ["The derivative of tanh", "By w1", "By w2", "By b", "By x1", "By x2"]


def test_softmax_has_its_jacobian_first():
    jacobian = DERIVED["softmax"].chains[0].result
    assert jacobian == Y[i] * (sp.KroneckerDelta(i, k) - Y[k])


@pytest.mark.parametrize(
    ("name", "left", "right"), [("relu", 0, 1), ("leaky_relu", slope, 1), ("elu", alpha, 1), ("l1", -1, 1)]
)
def test_a_kink_states_both_slopes_and_the_choice(name, left, right):
    derivation = DERIVED[name]
    sides = derivation.chains[1]
    assert [step.expression.rhs for step in sides.steps] == [left, right]
    convention = derivation.steps[-1]
    assert convention.rule == "convention"
    assert "is accepted; chosen: " in convention.because


@pytest.mark.parametrize(
    "name",
    [each.name for each in definitions.every() if each.kind != "optimizer" and each.derivable and each.kinks],
)
def test_the_gradient_with_its_convention_is_the_definitions(name):
    function = definitions.get(name)
    point = {entry.symbol: entry.default for entry in function.parameters} | {t: sp.Rational(1, 2)}
    for value in (-2, 0, sp.Rational(1, 4), sp.Rational(1, 2), 3):
        mine, theirs = DERIVED[name].result.subs(point), function.gradient().subs(point)
        assert mine.subs(x, value) == theirs.subs(x, value)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("sigmoid", y * (1 - y)),
        ("tanh", 1 - y**2),
        ("softplus", 1 - sp.exp(-beta * y)),
        ("log_sigmoid", 1 - sp.exp(y)),
        ("exp(2*x)", 2 * y),
        ("log(x)", sp.exp(-y)),
        ("1/(1 + exp(-3*x))", 3 * y * (1 - y)),
    ],
)
def test_in_terms_of_the_value(name, expected):
    derivation = torchstone.derive(name, in_terms_of="y")
    assert sp.simplify(derivation.result - expected) == 0
    assert sp.count_ops(derivation.result) <= sp.count_ops(expected) + 1
    assert derivation.proven


def test_an_induction_is_as_good_as_its_cases():
    rule = definitions.get("momentum")
    buffer = rule.state[0].symbol

    def derived(weight):
        writing = Writing("momentum", "")
        optimizers.unroll(writing, rule, optimizers.average(buffer, rate, weight))
        return [chain.steps[-1].verdict.outcome for chain in writing.done().chains[1:]]

    assert derived(sp.S.One) == ["proven", "proven", "proven"]
    assert derived(1 - rate) == ["refuted", "refuted", "unknown"]


def test_both_moments_of_adam_are_unbiased():
    results = [chain.result for chain in DERIVED["adam"].chains if "_hat" in chain.heading]
    g = sp.Symbol("g", real=True)
    assert results == [E(g), E(g**2)]


def test_hubers_branches_meet_without_a_kink():
    joints = [chain for chain in DERIVED["huber"].chains if "where two branches meet" in chain.heading]
    assert len(joints) == 2
    for chain in joints:
        left, right = chain.steps
        assert left.expression.rhs == right.expression.rhs
        assert left.verdict.outcome == right.verdict.outcome == "proven"


@pytest.mark.parametrize("name", DERIVED)
def test_no_line_divides_by_zero(name):
    assert not any(step.expression.has(sp.zoo, sp.nan) for step in DERIVED[name].steps)
