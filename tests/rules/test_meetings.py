"""Where the pieces of definitions meet."""

import pytest
import sympy as sp

from torchstone import definitions
from torchstone.check.meetings import meetings
from torchstone.definitions import Function, Input
from torchstone.definitions.formula import read_formula


def function(text):
    expression = read_formula(text)
    x = next(each for each in expression.free_symbols if str(each) == "x")
    others = sorted(expression.free_symbols - {x}, key=str)
    inputs = (Input(x, "prediction"), *(Input(each, "parameter", default=sp.S.One) for each in others))
    return Function(name=text, title=text, kind="activation", expression=expression, inputs=inputs, counterpart="")


@pytest.mark.parametrize(
    ("text", "known", "expected"),
    [
        ("Piecewise((x, x < a), (a, True))", {"a": 2.5}, [2.5]),
        ("Piecewise((1, Abs(x - 1) < a), (0, True))", {"a": 10.0}, [-9, 1, 11]),
        ("Max(x, 0) + Min(x, a)", {"a": 300.0}, [0, 300]),
        ("Abs(x**2 - 4)", {}, [-2, 2]),
        ("sign(exp(x) - 1) * x", {}, [0]),
        ("x * a", {"a": 1.0}, []),
        ("Piecewise((x, x < a), (a, True))", {}, []),
        ("Abs(erf(x) - 2)", {}, []),
    ],
)
def test_they_are_the_roots_of_what_branches_turn_on(text, known, expected):
    assert meetings(function(text), known) == pytest.approx(expected, abs=1e-9)


def test_a_root_that_can_be_written_is_exact():
    assert meetings(function("Piecewise((1, x**2 < a), (0, True))"), {"a": 6.25}) == [-2.5, 2.5]


@pytest.mark.parametrize(
    ("name", "expected"), [("hardtanh", [-1, 1]), ("softshrink", [-0.5, 0.5]), ("hardswish", [-3, 3])]
)
def test_those_of_the_library(name, expected):
    found = definitions.get(name)
    known = {entry.name: float(entry.default) for entry in found.parameters}
    assert set(expected) <= set(meetings(found, known))
