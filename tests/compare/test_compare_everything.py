"""The promise that the implementations make, kept for every function, in every format, at every point."""

import pytest

from torchstone.compare import compare

TINY = 2  # ulp: below it, who is nearer to the truth is a matter of luck


@pytest.fixture(scope="module")
def everything():
    """All rows, with their accuracy alone."""
    return compare(parts=("accuracy",))


def accuracies(comparison):
    """Each function's value and gradient in each format."""
    for row in comparison.rows:
        for quantity in ("value", "gradient"):
            found = getattr(row, quantity)
            for entry in found.dtypes if found else ():
                yield f"{row.name}, {quantity}, {entry.dtype}", entry


def test_everything_is_within_policy(everything):
    assert [row.problems for row in everything.rows if not row.ok] == []
    assert everything.ok


def test_ours_is_never_less_accurate_than_pytorchs(everything):
    worse = {
        where: (entry.max_ulp, entry.torch_max_ulp)
        for where, entry in accuracies(everything)
        if entry.max_ulp > max(entry.torch_max_ulp, TINY)
    }
    assert worse == {}


def test_ours_is_finite_wherever_the_truth_is(everything):
    assert [where for where, entry in accuracies(everything) if entry.not_finite] == []


def test_the_half_types_are_checked_on_all_their_values(everything):
    for row in everything.rows:
        if row.kind == "activation" and "oftmax" not in row.name:
            points = {entry.dtype: entry.points for entry in row.value.dtypes}
            assert points["bfloat16"] == points["float16"] == 1 << 16


def test_trajectories_are_the_recurrence(everything):
    optimizers = [row for row in everything.rows if row.kind == "optimizer"]
    assert len(optimizers) == 5
    for row in optimizers:
        assert row.trajectory.steps == 100
        assert row.trajectory.to_oracle < 1e-13
        assert row.trajectory.to_torch < 1e-12
