"""The definitions are whole, and say the same as PyTorch where nobody disputes the answer."""

import subprocess
import sys

import pytest
import sympy as sp

from torchstone import definitions, oracle
from torchstone.definitions import Function, UpdateRule
from torchstone.definitions.tensors import SIZES

FUNCTIONS = [entry for entry in definitions.every() if isinstance(entry, Function)]
RULES = [entry for entry in definitions.every() if isinstance(entry, UpdateRule)]
by_name = pytest.mark.parametrize("function", FUNCTIONS, ids=lambda each: each.name)


@by_name
def test_every_symbol_of_an_expression_is_accounted_for(function):
    known = {entry.name for entry in function.inputs} | {"C", "T", "P", str(function.index)}
    free = {str(each) for each in function.expression.free_symbols if not isinstance(each, sp.Indexed)}
    assert free <= known


@by_name
def test_roles_and_defaults(function):
    assert function.inputs[0].role == "prediction"
    assert len(function.by_name) == len(function.inputs)
    assert all((entry.default is not None) == (entry.role == "parameter") for entry in function.inputs)
    assert (sum(entry.role != "parameter" for entry in function.inputs) > 1) == (function.kind == "loss")


@pytest.mark.parametrize(
    "function",
    [each for each in definitions.every("activation") if not each.is_vector],
    ids=lambda each: each.name,
)
def test_variants_differ_from_their_definition(function):
    """With the parameters' defaults or with others: what has no effect at 1 shows elsewhere."""
    others = [entry for entry in function.inputs if entry.role != "prediction"]
    settings = [
        {entry.symbol: (entry.default or sp.Rational(1, 4)) + moved for entry in others}
        for moved in (0, sp.Rational(5, 8))
    ]
    for variant in function.variants:
        difference = variant.expression - function.expression
        at = [
            abs(sp.N(difference.subs(values | {function.prediction.symbol: x})))
            for values in settings
            for x in (sp.Rational(-7, 3), -sp.Rational(1, 3), sp.Rational(15, 2))
        ]
        assert any(each > 1e-9 for each in at), variant.name


@pytest.mark.parametrize("function", [each for each in FUNCTIONS if each.limits], ids=lambda each: each.name)
def test_asymptotes_hold_far_out(function):
    """The oracle falls back on them beyond 1e15: there, ball arithmetic must not be able to tell them apart."""
    name = function.prediction.name
    inputs = {each.name: 0.25 for each in function.inputs if each.role != "parameter" and each.name != name}
    for limit in (each for each in function.limits if each.exponential):
        x = 2.0**50 * (1 if limit.toward == sp.oo else -1)
        answer = oracle.truth(function, {name: x, **inputs})
        values = {entry.symbol: entry.default for entry in function.parameters}
        values |= {sp.Symbol(each, real=True): sp.Rational(1, 4) for each in inputs}
        values[function.prediction.symbol] = sp.Integer(x)
        assert float(limit.asymptote.subs(values)) == answer.value.high
        assert float(limit.slope.subs(values)) == answer.gradients[name].high


@pytest.mark.parametrize("function", [each for each in FUNCTIONS if each.kinks], ids=lambda each: each.name)
def test_the_chosen_slope_at_a_kink_is_accepted(function):
    values = {entry.symbol: entry.default for entry in function.parameters}
    for target in (-1, 1):
        values[sp.Symbol("t", real=True)] = target
        for kink in function.kinks:
            assert kink.chosen.subs(values) in kink.accepted.subs(values)


@pytest.mark.parametrize("rule", RULES, ids=lambda each: each.name)
def test_an_update_rule_is_closed(rule):
    known = {rule.parameter, rule.gradient, rule.step, *SIZES}
    known |= {entry.symbol for entry in (*rule.state, *rule.hyper)}
    for left, right in rule.equations:
        assert right.free_symbols <= known, f"{left} uses {right.free_symbols - known}"
        known.add(left)
    assert all(entry.default in entry.domain for entry in rule.hyper)


def test_names_in_any_spelling():
    for spelling in ("cross_entropy", "CrossEntropyLoss", "crossentropy", "CELoss"):
        assert definitions.get(spelling).name == "cross_entropy"
    with pytest.raises(KeyError, match="did you mean sigmoid"):
        definitions.get("sigmoit")


def test_definitions_know_no_torch():
    code = "import sys, torchstone.definitions, torchstone.oracle; assert 'torch' not in sys.modules, 'torch is loaded'"
    subprocess.run([sys.executable, "-c", code], check=True)
