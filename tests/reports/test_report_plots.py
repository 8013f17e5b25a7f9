"""The pictures: what is drawn, and that nothing is dropped silently."""

import math
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from torchstone.compare.result import Curve, Training
from torchstone.report import plots
from torchstone.report.plots.rosenbrock import surface
from torchstone.report.plots.scales import thinned, window

ANYTHING = st.floats(width=64)


def curve(value=(0.0, 1.0, 2.0), errors=(0.5, 0.5, 0.5), torch_errors=(1.0, 1.0, 1.0)):
    x = (-1.0, 0.0, 1.0)
    return Curve("x", x, value, (1.0, 1.0, 1.0), x, errors, torch_errors, errors, torch_errors)


def lines(svg, variable):
    """The paths drawn in one of the page's colours, as lists of points."""
    drawn = re.findall(rf'<path d="([^"]*)"[^>]*style="fill:none;[^"]*stroke:var\(--{variable}\)', svg)
    return [[tuple(map(float, point)) for point in re.findall(r"[ML] (\S+) (\S+)", each)] for each in drawn]


def markers(svg, variable):
    return len(re.findall(rf'<use [^>]*style="fill:var\(--{variable}\)', svg))


def test_zero_errors_lie_on_the_bottom_and_are_not_dropped():
    zero = plots.errors(curve(errors=(0.0,) * 3), (2.0, 2.0), "a", "A").svg
    small = plots.errors(curve(errors=(0.01,) * 3), (2.0, 2.0), "a", "A").svg
    assert lines(zero, "ours") == lines(small, "ours")
    assert all(len(line) >= 2 for line in lines(zero, "ours"))


def test_the_budget_is_a_line_at_its_height():
    (value, _) = lines(plots.errors(curve(errors=(3.0,) * 3), (3.0, 1.0), "a", "A").svg, "limit")
    (ours, _) = lines(plots.errors(curve(errors=(3.0,) * 3), (3.0, 1.0), "a", "A").svg, "ours")
    assert {y for _, y in value} == {y for _, y in ours}


@pytest.mark.parametrize("wrong", [math.inf, -math.inf])
def test_an_infinity_leaves_a_gap_and_a_mark(wrong):
    whole, broken = (plots.function(curve(value=(0.0, end, 1.0)), "a", "A") for end in (0.5, wrong))
    assert markers(whole.svg, "ink") == 0
    assert markers(broken.svg, "ink") == 1
    assert "triangle" not in whole.caption
    assert "triangle" in broken.caption


def test_an_infinite_error_has_a_mark():
    picture = plots.errors(curve(torch_errors=(1.0, math.inf, 1.0)), (2.0, 2.0), "a", "A")
    assert (markers(picture.svg, "torch"), markers(picture.svg, "ours")) == (2, 0)
    assert "NaN or infinity" in picture.caption


def test_equal_runs_are_drawn_as_equal_lines():
    falling = tuple(0.9**step for step in range(100))
    svg = plots.losses(Training("t", "T", falling, falling, 0.0, 0.0), "a", "A").svg
    assert lines(svg, "ours") == lines(svg, "torch") != []


def test_a_path_is_drawn_over_pytorchs_with_the_minimum_marked():
    way = ((-1.0, 1.0), (0.0, 0.5), (0.9, 0.8))
    run = Training("rosenbrock", "R", (1.0,), (1.0,), 0.0, 0.0, way, way)
    svg = plots.path(run, "a", "A").svg
    assert lines(svg, "ours") == lines(svg, "torch")
    assert markers(svg, "ink") == 1
    both = plots.paths([("A", run), ("B", run)], "b")
    assert both.key == (("path-1", "A"), ("path-2", "B"))
    assert surface(np.array(1.0), np.array(1.0)) == 0


def test_ids_of_two_pictures_never_meet():
    ids = [set(re.findall(r'id="([^"]+)"', plots.function(curve(), name, "A").svg)) for name in ("a", "b")]
    assert ids[0]
    assert ids[0].isdisjoint(ids[1])


def test_more_optimizers_than_colours_are_all_drawn():
    run = Training("rosenbrock", "R", (), (), 0.0, 0.0, ((0.0, 0.0), (1.0, 1.0)))
    assert len(plots.paths([(str(n), run) for n in range(9)], "a").key) == 9


@settings(max_examples=15)
@given(arrays(float, (7, 5), elements=ANYTHING))
def test_any_numbers_can_be_drawn(numbers):
    rows = [tuple(row) for row in numbers.tolist()]
    x = tuple(sorted(value for value in rows[0] if not math.isnan(value))) or (0.0,)
    cut = [row[: len(x)] for row in rows]
    errors = [tuple(map(abs, row)) for row in cut[3:]]
    made = Curve("x", x, cut[1], cut[2], x, *errors)
    run = Training("t", "T", rows[1], rows[2], 0.0, 0.0, tuple(zip(rows[3], rows[4], strict=True)))
    for picture in (
        plots.function(made, "a", "A"),
        plots.errors(made, (2.0, math.nan), "a", "A"),
        plots.losses(run, "a", "A"),
        plots.path(run, "a", "A"),
    ):
        assert picture.svg.startswith("<svg viewBox")
        assert "nan" not in picture.svg.lower()


@given(arrays(float, st.integers(1, 3000), elements=ANYTHING, fill=ANYTHING))
def test_thinning_keeps_the_ends_and_the_extremes(values):
    positions, kept = thinned(values)
    np.testing.assert_array_equal(values[positions.astype(int)], kept)
    assert (positions[0], positions[-1]) == (0, values.size - 1)
    assert kept.size <= max(values.size, 402) if values.size <= 400 else kept.size <= 402
    known = values[~np.isnan(values)]
    if known.size:
        assert {np.nanmin(kept), np.nanmax(kept)} == {known.min(), known.max()}


def test_one_wild_value_does_not_spoil_the_window():
    low, high = window(np.append(np.linspace(-1, 1, 200), 1e30))
    assert -2 < low < -0.9
    assert 0.9 < high < 2
