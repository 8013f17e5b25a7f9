"""Every loss against PyTorch's own, value and gradients, at ordinary and at special points."""

from dataclasses import replace

import numpy as np
import pytest
import sympy as sp
import torch
import torch.nn.functional as F

from torchstone import definitions, oracle
from torchstone.definitions import FREE, VALUE

RANDOM = np.random.default_rng(7)
ONE_HOT = np.eye(4)[[0, 3, 2, 2, 1]]
SEVERAL = np.array([[1, 0, 1, 0], [0, 0, 0, 0], [1, 1, 1, 1], [0, 1, 0, 0], [0, 0, 1, 1]], float)
WEIGHTS = [0.5, 1.0, 2.0, 0.0]


def normal(*shape):
    return RANDOM.normal(0, 2, shape)


def signs(count):
    return np.where(np.arange(count) % 2, 1.0, -1.0)


def crossed(*columns):
    return [each.ravel() for each in np.meshgrid(*(np.array(column, float) for column in columns))]


def pairs(predictions, targets):
    x, t = crossed(predictions, targets)
    return {"x": x, "t": t}


SCORES = [-800.0, -3.0, -1.0, -0.5, 0.0, 1e-9, 0.5, 1.0, 2.0, 800.0]
RESIDUALS = pairs([-3.0, -1.0, -0.75, -0.5, 0.0, 0.25, 0.5, 1.0, 1e3], [0.0, 0.25, -1.0])
LOGITS = pairs(SCORES, [0.0, 0.25, 1.0])
SIGNED = pairs(SCORES, [-1.0, 1.0])
# PyTorch's gradient is another at 0 and 1, see below.
PROBABILITIES = dict(zip("pt", crossed([1e-9, 0.25, 0.75, 1 - 2**-20], [0.0, 0.25, 1.0]), strict=True))
COUNTS = pairs([-3.0, -0.5, 0.0, 2.0, 30.0], [0.0, 0.5, 1.0, 2.0, 17.0])
RATES = pairs([0.0, 1e-9, 0.5, 1.0, 40.0], [0.0, 0.5, 1.0, 2.0, 17.0])
ROW = {"x": np.concatenate([normal(3, 4), [[1.0, 1.0, 2.0, 0.0]], [[0.0, 700.0, -700.0, 0.0]]]), "t": ONE_HOT}
# Differences of exactly 1 and 0.5, the margins; equal scores.
AT_MARGINS = {"x": np.array([[0.5, 0, -0.5, 1.5], [1, 0, 0, 0], [0, 0, 0, 0], [1, 2, 0, 1], [3, 0, 1, 2]], float)}
X1, X2, T = crossed([-1.0, 0.0, 0.25, 1.0], [-1.0, 0.0, 0.5], [-1.0, 1.0])
RANKED = {"x1": X1, "x2": X2, "t": T}
MEANS, TARGETS, VARIANCES = crossed([-1.0, 0.0, 2.0], [0.0, 2.0], [0.0, 1e-9, 0.25, 3.0])
GAUSSIAN = {"x": MEANS, "t": TARGETS, "var": VARIANCES}
TWO = {"x1": normal(6, 3), "x2": normal(6, 3), "t": signs(6)}
ANGLES = {
    "x1": np.array([[1, 0], [1, 0], [1, 2], [3, 4], [1, 1]], float),
    "x2": np.array([[0, 1], [2, 0], [-1, -2], [4, 3], [1, 0]], float),
    "t": np.array([-1, 1, -1, -1, -1], float),
}
THREE = {"anchor": normal(6, 3), "positive": normal(6, 3), "negative": normal(6, 3) * 0.7}
# Equal vectors, equal distances, a triplet at the margin.
CORNERS = {
    "anchor": np.zeros((5, 2)),
    "positive": np.array([[0, 0], [3, 4], [1, 0], [0, 0], [2, 0]], float),
    "negative": np.array([[1, 0], [4, 3], [0, 1], [0, 0], [1, 0]], float),
}

SEQUENCES = {
    "x": np.log(RANDOM.dirichlet(np.ones(3), (4, 4))),
    "t": np.array([[1, 2, -1], [1, 1, -1], [2, -1, -1], [1, 1, 1]]),
}

# A definition, its arguments, its parameters.
CASES = [
    ("l1", RESIDUALS, {}),
    ("mse", RESIDUALS, {}),
    ("huber", RESIDUALS, {}),
    ("huber", RESIDUALS, {"delta": 0.5}),
    ("smooth_l1", RESIDUALS, {}),
    ("smooth_l1", RESIDUALS, {"beta": 0.5}),
    ("smooth_l1", RESIDUALS, {"beta": 0.0}),
    ("bce", PROBABILITIES, {}),
    ("bce", PROBABILITIES, {"weight": 3.0}),
    ("bce_with_logits", LOGITS, {}),
    ("bce_with_logits", LOGITS, {"weight": 0.5, "pos_weight": 3.0}),
    ("soft_margin", pairs(SCORES[1:-1], [-1.0, 1.0]), {}),
    ("hinge", SIGNED, {}),
    ("squared_hinge", SIGNED, {}),
    ("focal", LOGITS, {}),
    ("focal", LOGITS, {"alpha": -1.0, "gamma": 1.5}),
    ("focal_classes", ROW, {}),
    ("focal_classes", ROW, {"alpha": 0.25, "gamma": 1.5}),
    ("log_cosh", RESIDUALS, {}),
    ("charbonnier", RESIDUALS, {}),
    ("charbonnier", RESIDUALS, {"eps": 0.5}),
    ("quantile", RESIDUALS, {}),
    ("quantile", RESIDUALS, {"quantile": 0.875}),
    ("kl_div", {"x": np.array([-0.5, -2.0, -0.1, -9.0]), "t": np.array([0.25, 0.0, 1.0, 0.3])}, {}),
    ("kl_div_log_target", {"x": np.array([-0.5, -2.0, 0.0]), "t": np.array([-0.25, -2.0, -3.0])}, {}),
    ("poisson_nll", COUNTS, {}),
    ("poisson_nll", COUNTS, {"full": 1}),
    ("poisson_nll_rate", RATES, {}),
    ("poisson_nll_rate", RATES, {"full": 1, "eps": 0.5}),
    ("gaussian_nll", GAUSSIAN, {}),
    ("gaussian_nll", GAUSSIAN, {"full": 1, "eps": 0.25}),
    ("cross_entropy", ROW, {}),
    ("cross_entropy", ROW, {"weight": WEIGHTS, "label_smoothing": 0.25}),
    ("cross_entropy_probabilities", {**ROW, "t": RANDOM.dirichlet(np.ones(4), 5)}, {}),
    ("cross_entropy_probabilities", {**ROW, "t": ONE_HOT}, {"weight": WEIGHTS, "label_smoothing": 0.25}),
    ("nll", {**ROW, "x": -np.abs(normal(5, 4))}, {}),
    ("nll", {**ROW, "x": -np.abs(normal(5, 4))}, {"weight": WEIGHTS}),
    ("multi_margin", ROW, {}),
    ("multi_margin", {**AT_MARGINS, "t": ONE_HOT}, {}),
    ("multi_margin", ROW, {"p": 2, "margin": 0.5, "weight": WEIGHTS}),
    ("multi_margin", {**AT_MARGINS, "t": ONE_HOT}, {"p": 2, "margin": 0.5}),
    ("multi_label_margin", {**ROW, "t": SEVERAL}, {}),
    ("multi_label_margin", {**AT_MARGINS, "t": SEVERAL}, {}),
    ("multi_label_soft_margin", {**ROW, "t": SEVERAL}, {}),
    ("multi_label_soft_margin", {**ROW, "t": SEVERAL}, {"weight": WEIGHTS}),
    ("margin_ranking", RANKED, {}),
    ("margin_ranking", RANKED, {"margin": 0.5}),
    ("hinge_embedding", SIGNED, {}),
    ("hinge_embedding", SIGNED, {"margin": 0.5}),
    ("cosine_embedding", TWO, {}),
    ("cosine_embedding", TWO, {"margin": -0.25}),
    ("cosine_embedding", ANGLES, {}),
    ("triplet_margin", THREE, {}),
    ("triplet_margin", THREE, {"margin": 0.5, "p": 3, "eps": 0.25, "swap": 1}),
    ("triplet_margin", CORNERS, {}),
    ("triplet_margin", CORNERS, {"eps": 0.0}),
    ("triplet_margin", CORNERS, {"eps": 0.0, "swap": 1, "margin": 0.5}),
    ("triplet_margin", CORNERS, {"eps": 0.0, "p": 1}),
    ("triplet_margin_with_distance", THREE, {}),
    ("triplet_margin_with_distance", THREE, {"swap": 1, "margin": 3.0}),
]
SWITCHES = {"full", "swap"}
# What PyTorch has no class for, as people write it.
WRITTEN = {
    "hinge": lambda x, t: F.relu(1 - t * x),
    "squared_hinge": lambda x, t: F.relu(1 - t * x) ** 2,
    "log_cosh": lambda x, t: torch.log(torch.cosh((x - t).clamp(-50, 50))) + F.relu((x - t).abs() - 50),
    "charbonnier": lambda x, t, eps=1e-3: torch.sqrt((x - t) ** 2 + eps**2),
    "quantile": lambda x, t, quantile=0.5: torch.maximum(quantile * (t - x), (quantile - 1) * (t - x)),
}


def focal(x, t, alpha=0.25, gamma=2.0):
    """torchvision's."""
    p, loss = torch.sigmoid(x), F.binary_cross_entropy_with_logits(x, t, reduction="none")
    loss = loss * (1 - (p * t + (1 - p) * (1 - t))) ** gamma
    return loss if alpha < 0 else (alpha * t + (1 - alpha) * (1 - t)) * loss


def focal_classes(x, t, alpha=1.0, gamma=2.0):
    loss = F.cross_entropy(x, t, reduction="none")
    return alpha * (1 - torch.exp(-loss)) ** gamma * loss


def built(function, parameters, reduction="none"):
    """PyTorch's own, from its dotted name; or what people write."""
    if not function.counterpart:
        written = {**WRITTEN, "focal": focal, "focal_classes": focal_classes}[function.name]
        return lambda *tensors: written(*tensors, **parameters)
    dotted, _, literal = function.counterpart.partition("(")
    cls = getattr(torch.nn, dotted.rpartition(".")[2])
    fixed = eval(f"dict({literal}") if literal else {}
    given = {name: bool(value) if name in SWITCHES else value for name, value in parameters.items()}
    given = {
        name: torch.tensor(value, dtype=torch.float64) if "weight" in name else value for name, value in given.items()
    }
    return cls(**fixed, **given, reduction=reduction)


def tensors(function, inputs):
    """The arguments as PyTorch takes them: encoded, and to be differentiated by where that is possible."""
    given = []
    for entry in function.inputs:
        if entry.role == "parameter":
            continue
        array = torch.tensor(inputs[entry.name])
        if entry.encoding == "class index":
            given.append(array.argmax(-1))
        elif entry.encoding == "class indices":
            places = [row.nonzero()[:, 0].tolist() for row in array]
            given.append(torch.tensor([each + [-1] * (array.shape[1] - len(each)) for each in places]))
        else:
            given.append(array.requires_grad_(entry.role == "prediction"))
    return given


def identify(case):
    return f"{case[0]}-{','.join(map(str, case[2]))}"


@pytest.mark.parametrize("case", CASES, ids=identify)
def test_agrees_with_pytorch(case):
    name, inputs, parameters = case
    function = definitions.get(name)
    given = tensors(function, inputs)
    y = built(function, parameters)(*given)
    y.backward(torch.ones_like(y))
    moving = [entry.name for entry in function.inputs if entry.role == "prediction"]
    answer = oracle.truth(function, {**inputs, **parameters}, moving)
    np.testing.assert_allclose(answer.value.high, y.detach().numpy(), rtol=1e-11, atol=1e-12)
    for variable, tensor in zip(moving, given, strict=False):
        found = tensor if variable != "var" else given[2]
        np.testing.assert_allclose(answer.gradients[variable].high, found.grad.numpy(), rtol=1e-11, atol=1e-12)


def changed(function, expression, **fields):
    """The same definition with another expression."""
    return replace(function, expression=expression, gradient_overrides={}, kinks=(), limits=(), **fields)


def test_every_loss_has_its_cases():
    assert {name for name, _, _ in CASES} | {"ctc"} == set(definitions.names("loss"))
    # A deprecated name, and a layer with its loss in one.
    theirs = set(torch.nn.modules.loss.__all__) - {"NLLLoss2d", "LinearCrossEntropyLoss"}
    ours = {each.counterpart.removeprefix("torch.nn.").partition("(")[0] for each in definitions.every("loss")}
    assert ours - {""} == theirs


@pytest.mark.parametrize(
    ("function", "variant"),
    [(each, variant) for each in definitions.every("loss") for variant in each.variants],
    ids=lambda each: each.name,
)
def test_a_variant_departs_from_its_definition(function, variant):
    other = changed(function, variant.expression, masked=None)
    for name, inputs, parameters in [*CASES, ("ctc", SEQUENCES, {})]:
        if name == function.name:
            given = {**inputs, **parameters}
            right, wrong = oracle.truth(function, given).value.high, oracle.truth(other, given).value.high
            if not np.allclose(right, wrong, rtol=1e-6, equal_nan=True):
                return
    pytest.fail("the same at every point")


def with_average(function, given, parameters):
    """PyTorch's mean, and the definition's."""
    value = oracle.truth(function, {**given, **parameters}).value.high
    if function.mean_denominator == 1:
        return value.mean()
    shares = changed(function, function.mean_denominator, mean_denominator=sp.S.One)
    return value.sum() / oracle.truth(shares, {**given, **parameters}).value.high.sum()


@pytest.mark.parametrize("case", [case for case in CASES if definitions.get(case[0]).counterpart], ids=identify)
def test_the_mean_is_pytorchs(case):
    name, inputs, parameters = case
    function = definitions.get(name)
    theirs = built(function, parameters, "mean" if "kl_div" not in name else "batchmean")(*tensors(function, inputs))
    np.testing.assert_allclose(theirs.item(), with_average(function, inputs, parameters), rtol=1e-11)


def transformed(function, identity, inputs, free):
    """The arguments that an identity speaks of."""
    count, classes = np.atleast_2d(inputs[function.prediction.name]).shape
    sizes = {sp.Symbol("C", integer=True, positive=True): classes, FREE: free}

    def at(expression, n):
        values = {
            entry.symbol: sp.Rational(float(inputs[entry.name][n]))
            for entry in function.inputs
            if not entry.is_vector and entry.name in inputs
        }
        components = {
            each: sp.Rational(float(inputs[str(each.base)][n, int(each.indices[0])]))
            for each in expression.atoms(sp.Indexed)
        }
        return float(expression.subs(components).subs(values))

    changed_inputs = dict(inputs)
    for name, expression in identity.inputs.items():
        if name not in inputs:
            continue
        moved = expression.subs(sizes)
        if function.by_name[name].is_vector:
            (index,) = {symbol for each in moved.atoms(sp.Indexed) for symbol in each.indices[0].free_symbols}
            columns = [moved.subs(index, column) for column in range(classes)]
            changed_inputs[name] = np.array([[at(column, n) for column in columns] for n in range(count)])
        else:
            changed_inputs[name] = np.array([at(moved, n) for n in range(inputs[name].size)])
    return changed_inputs


@pytest.mark.parametrize(
    ("function", "identity"),
    [(each, identity) for each in definitions.every("loss") if each.name != "ctc" for identity in each.identities],
    ids=lambda each: each.name,
)
def test_identities_hold(function, identity):
    free = sp.Rational(-3, 4)
    assert free in identity.domain
    inputs = next(inputs for name, inputs, _ in CASES if name == function.name)
    if "alpha" in identity.inputs:
        inputs = {**inputs, "alpha": np.full(inputs["x"].shape, 0.25)}
    before = oracle.truth(function, inputs).value.high
    after = oracle.truth(function, transformed(function, identity, inputs, free)).value.high
    expected = [float(identity.value.subs({VALUE: value, FREE: free})) for value in before]
    np.testing.assert_allclose(after, expected, rtol=1e-8, atol=1e-13)


@pytest.mark.parametrize(
    "function", [each for each in definitions.every("loss") if each.minimum_at_target], ids=lambda each: each.name
)
def test_the_least_loss_is_at_the_target(function):
    name = function.prediction.name
    targets = np.array([0.0, 0.25, 0.75, 1.0])
    others = {"var": 0.5} if "var" in function.by_name else {}
    at = oracle.truth(function, {name: targets, "t": targets, **others})
    inside = (targets > 0) & (targets < 1) if name == "p" else slice(None)
    np.testing.assert_array_equal(at.gradients[name].high[inside], 0)
    for other in (0.0, 0.125, 0.5, 0.875, 1.0):
        assert np.all(oracle.truth(function, {name: other, "t": targets, **others}).value.high >= at.value.high)


@pytest.mark.parametrize("case", CASES, ids=identify)
def test_the_chosen_gradient_is_accepted(case):
    name, inputs, parameters = case
    function = definitions.get(name)
    moving = [entry.name for entry in function.inputs if entry.role == "prediction"]
    few = {key: array[:12] for key, array in inputs.items()}
    answer = oracle.truth(function, {**few, **parameters}, moving)
    for variable, (low, high) in oracle.accepted(function, {**few, **parameters}, moving).items():
        chosen = answer.gradients[variable].high
        assert np.all((low <= chosen) & (chosen <= high) | np.isnan(chosen))


@pytest.mark.parametrize(
    ("name", "inputs", "wrt", "low", "high"),
    [
        ("l1", {"x": 1.0, "t": 1.0}, "x", -1, 1),
        ("huber", {"x": 1.0, "t": 0.0}, "x", 1, 1),
        ("quantile", {"x": 1.0, "t": 1.0, "quantile": 0.25}, "x", -0.25, 0.75),
        ("margin_ranking", {"x1": 1.0, "x2": 1.0, "t": -1.0}, "x2", -1, 0),
        ("hinge_embedding", {"x": 1.0, "t": -1.0}, "x", -1, 0),
        ("hinge_embedding", {"x": 1.0, "t": 1.0}, "x", 1, 1),
        ("multi_margin", {"x": [[1.0, 0.0]], "t": [[1.0, 0.0]]}, "x", [[-0.5, 0]], [[0, 0.5]]),
        ("multi_margin", {"x": [[1.0, 0.0]], "t": [[1.0, 0.0]], "p": 2}, "x", [[0, 0]], [[0, 0]]),
        ("multi_label_margin", {"x": [[1.0, 0.0]], "t": [[1.0, 0.0]]}, "x", [[-0.5, 0]], [[0, 0.5]]),
        (
            "triplet_margin",
            {"anchor": [[0.0, 0.0]], "positive": [[3.0, 4.0]], "negative": [[6.0, 0.0]], "eps": 0.0},
            "anchor",
            [[0, -0.8]],
            [[0.4, 0]],
        ),
        (
            "triplet_margin",
            {"anchor": [[0.0, 0.0]], "positive": [[0.0, 1.0]], "negative": [[0.5, 0.0]], "eps": 0.0, "p": 1},
            "positive",
            [[-1, 1]],
            [[1, 1]],
        ),
    ],
)
def test_what_is_accepted_at_a_kink(name, inputs, wrt, low, high):
    found = oracle.accepted(definitions.get(name), inputs, [wrt])[wrt]
    np.testing.assert_allclose(found[0], low, atol=1e-15)
    np.testing.assert_allclose(found[1], high, atol=1e-15)


def test_equal_distances_are_a_tie_though_no_number_of_bits_tells():
    inputs = {"anchor": [[0.0, 0.0]], "positive": [[1.0, 2.0]], "negative": [[2.0, 1.0]], "margin": 0.0, "eps": 0.0}
    answer = oracle.truth(definitions.get("triplet_margin"), inputs)
    assert abs(answer.value.high[0]) < 1e-300
    root = 5**-0.5
    np.testing.assert_allclose(answer.gradients["anchor"].high, [[root, -root]])


def test_of_a_class_at_minus_infinity():
    margin = oracle.truth(definitions.get("multi_margin"), {"x": [[0.0, 0.5, -np.inf]], "t": [[1, 0, 0]]})
    assert margin.value.high[0] == 0.5
    entropy = oracle.truth(definitions.get("cross_entropy"), {"x": [[0.0, 0.0, -np.inf]], "t": [[1, 0, 0]]})
    assert entropy.value.high[0] == float(np.log(2))


def test_another_choice_that_is_as_right():
    bce = definitions.get("bce")
    (plain,) = [each.accepted for each in bce.conventions if each.accepted is not None]
    answer = oracle.truth(changed(bce, plain), {"p": [0.0, 1.0, 0.0, 0.5], "t": [1.0, 0.0, 0.0, 1.0]})
    np.testing.assert_array_equal(answer.value.high, [np.inf, np.inf, 0, np.log(2)])
    np.testing.assert_array_equal(answer.gradients["p"].high, [-np.inf, np.inf, 1, -2])
    rate = {"x": np.array([0.0, 2.0]), "t": np.array([1.0, 3.0])}
    for name, inputs in (("cosine_embedding", TWO), ("triplet_margin", THREE), ("poisson_nll_rate", rate)):
        function = definitions.get(name)
        (other,) = [each.accepted for each in function.conventions if each.accepted is not None]
        theirs = oracle.truth(changed(function, other), inputs).value.high
        ours = oracle.truth(function, inputs).value.high
        assert not np.array_equal(theirs, ours)
        assert np.all((abs(theirs - ours) < 1e-5) | np.isinf(theirs))


def test_sequences_of_labels_are_pytorchs():
    """PyTorch's gradient is that of log-softmax's input."""
    function = definitions.get("ctc")
    x = torch.tensor(SEQUENCES["x"]).permute(1, 0, 2).requires_grad_()
    lengths = torch.tensor([2, 2, 1, 3])
    labels = torch.tensor(SEQUENCES["t"]).clamp(min=0)
    y = torch.nn.CTCLoss(reduction="none")(x, labels, torch.full((4,), 4), lengths)
    y.sum().backward()
    answer = oracle.truth(function, SEQUENCES)
    np.testing.assert_allclose(answer.value.high, y.detach().numpy(), rtol=1e-13)
    assert np.isinf(answer.value.high[3])
    theirs = next(each.accepted for each in function.conventions if each.accepted is not None)
    logits = oracle.truth(changed(function, theirs), SEQUENCES)
    np.testing.assert_allclose(logits.value.high, answer.value.high, rtol=1e-12)
    np.testing.assert_allclose(logits.gradients["x"].high, x.grad.permute(1, 0, 2).numpy(), rtol=1e-12, atol=1e-14)
    possible = answer.gradients["x"].high[:3]
    np.testing.assert_allclose(possible.sum(-1), -1)  # one class of each frame lies on every alignment
    assert oracle.truth(function, {**SEQUENCES, "zero_infinity": 1}).value.high[3] == 0


def test_the_identities_of_sequences():
    function = definitions.get("ctc")
    x, t = SEQUENCES["x"][:1], SEQUENCES["t"][:1, :2]
    value = oracle.truth(function, {"x": x, "t": t}).value.high[0]
    np.testing.assert_allclose(oracle.truth(function, {"x": x - 0.5, "t": t}).value.high[0], value + 4 * 0.5)
    np.testing.assert_allclose(oracle.truth(function, {"x": x[:, ::-1], "t": t[:, ::-1]}).value.high[0], value)


def test_too_many_alignments_are_refused():
    with pytest.raises(ValueError, match="x: expected at most 20000 alignments, got"):
        oracle.truth(definitions.get("ctc"), {"x": np.zeros((1, 16, 3)), "t": [[1, 2, 1, 2]]})
