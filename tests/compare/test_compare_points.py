"""The catalogue covers every definition, and the points are what they claim to be."""

import importlib

import numpy as np
import pytest

from torchstone import activations, definitions, losses, optimizers, oracle
from torchstone.compare import points
from torchstone.compare.catalogue import ENTRIES, FunctionEntry, infer, select
from torchstone.compare.domains import DOMAINS
from torchstone.compare.engine import like

FUNCTIONS = [entry for entry in ENTRIES.values() if isinstance(entry, FunctionEntry)]


def test_every_implementation_has_its_entry():
    classes = {entry.cls for entry in ENTRIES.values()}
    assert classes == {*losses.__all__, *activations.__all__, *optimizers.__all__}
    assert set(ENTRIES) <= set(definitions.names())


@pytest.mark.parametrize("entry", ENTRIES.values(), ids=lambda entry: entry.definition)
def test_both_classes_exist(entry):
    definition = definitions.get(entry.definition)
    assert entry.kind == definition.kind
    for spec in (entry.ours, like(definition)):
        module, _, name = spec.partition(":")
        assert isinstance(getattr(importlib.import_module(module), name), type)


@pytest.mark.parametrize("entry", FUNCTIONS, ids=lambda entry: entry.definition)
def test_inputs_are_exact_and_inside_the_domain(entry):
    function = definitions.get(entry.definition)
    found = points.batches(entry)
    assert {batch.form for batch in found} == set(oracle.FORMATS)
    for batch in [*found, points.plotted(entry)]:
        for array in batch.inputs.values():
            np.testing.assert_array_equal(oracle.rounded(array, oracle.FORMATS[batch.form]), array)
        low, high = (
            float(function.prediction.domain.inf),
            float(function.prediction.domain.sup),
        )
        predictions = batch.inputs["prediction"]
        assert np.all(np.isnan(predictions) | ((predictions >= low) & (predictions <= high)))


def test_unary_functions_meet_every_half_value():
    sizes = {batch.form: batch.size for batch in points.batches(ENTRIES["gelu"])}
    assert sizes["float16"] == sizes["bfloat16"] == 65536


def test_the_points_are_the_same_every_time():
    first, second = (points.batches(ENTRIES["cross_entropy"]) for _ in range(2))
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one.inputs["prediction"], other.inputs["prediction"])


@pytest.mark.parametrize("name", DOMAINS)
def test_samples_have_the_shape_that_was_asked_for(name):
    drawn = DOMAINS[name].sample(np.random.default_rng(0), 6, 4)
    assert {array.shape for array in drawn.values()} == {(6, 4) if DOMAINS[name].row else (6,)}


@pytest.mark.parametrize(
    ("cls", "definition"),
    [
        ("MySigmoid", "sigmoid"),
        ("CELoss", "cross_entropy"),
        ("L2Loss", "mse"),
        ("AdamOptimizer", "adam"),
        ("SGDOptimizer", "sgd"),
        ("MomentumOptimizer", "momentum"),
        ("GradientDescentOptimizer", "gradient_descent"),
        ("CustomReLU", "relu"),
        ("my_huber_loss", "huber"),
        ("SoftmaxLayer", "softmax"),
        ("hw.Tanh", "tanh"),
        ("LogSigmoid", "log_sigmoid"),
    ],
)
def test_a_class_name_tells_the_definition(cls, definition):
    assert infer(cls).definition == definition


@pytest.mark.parametrize("cls", ["Thing", "My", "Optimizer", "Loss"])
def test_a_name_that_tells_nothing_is_refused(cls):
    with pytest.raises(ValueError, match=r"against: expected a name that tells what it is to be, got .*compare NAME"):
        infer(cls)


def test_names_are_taken_in_any_spelling_and_once():
    assert [entry.definition for entry in select(["BCELoss", "adam", "bce"])] == ["bce", "adam"]
    assert len(select([])) == len(ENTRIES)
    with pytest.raises(ValueError, match="got 'Sigmoyd'; did you mean sigmoid"):
        select(["Sigmoyd"])


def test_what_is_not_implemented_is_not_compared():
    with pytest.raises(ValueError, match="expected a definition that torchstone implements, got 'kl_div'"):
        select(["KLDivLoss"])
