"""The language of inputs, and ordinary ones."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from torchstone.check.entries import draw, read_inputs, shape_of


@pytest.mark.parametrize(
    ("text", "shown", "roles"),
    [
        (
            "logits float[N,C]; target int64[N] in [0,C)",
            ["logits float[N, C]", "target int64[N] in [0,C)"],
            ["prediction", "target"],
        ),
        ("x float", ["x float[...]"], ["prediction"]),
        ("x float[]", ["x float[]"], ["prediction"]),
        ("x float[2*d, ...] in (0, inf)", ["x float[2*d, ...] in (0,inf)"], ["prediction"]),
        ("p float[N] in [0,1];y_true float[N] in {0, 1};", ["p float[N] in [0,1]", "y_true float[N] in {0,1}"], None),
        ("q bfloat16[3] in simplex", ["q bfloat16[3] in simplex"], ["prediction"]),
        ("labels long[N]; mask bool[N]", ["labels int64[N]", "mask bool[N]"], ["target", "prediction"]),
        ("t float[N] in {-1, 1}", ["t float[N] in {-1,1}"], ["target"]),
        ("a float[N,C,d] in log-simplex", ["a float[N, C, d] in log-simplex"], ["prediction"]),
    ],
)
def test_reading(text, shown, roles):
    entries = read_inputs(text)
    assert [str(entry) for entry in entries] == shown
    assert roles is None or [entry.role for entry in entries] == roles


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected entries such as"),
        ("x", "expected \"name dtype[dims] in set\", got 'x'"),
        ("x float[3", 'expected "name dtype[dims] in set"'),
        ("x flot[3]", "expected a dtype of float, float16"),
        ("x float[a b]", "expected a dimension such as 3, N, 2*d or ..., got 'a b'"),
        ("x float[N,]", "expected a dimension such as"),
        ("x float[-1]", "expected a dimension such as"),
        ("x float[..., ...]", "expected ... once at most"),
        ("x float; x float", "expected different names, got x, x"),
        ("x float in [0;1]", "expected a set such as"),
        ("x float in [0,abc)", "expected a set such as"),
        ("x float in {}", "expected a set such as"),
        ("x float in {0,C}", "expected a set such as"),
        ("x float in [nan,1]", "expected a set such as"),
        ("x float in (1,0)", "expected an interval from a smaller to a larger number"),
        ("t int64[N] in simplex", "expected a floating dtype for a simplex, got 'int64'"),
    ],
)
def test_what_cannot_be_read_is_refused_in_one_line(text, message):
    with pytest.raises(ValueError, match=r"^inputs: ") as raised:
        read_inputs(text)
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


def test_letters_are_sizes():
    x, y = read_inputs("x float[N,2*d,3]; y float[..., K]")
    assert shape_of(x, {"N": 4, "d": 5}) == (4, 10, 3)
    assert shape_of(y, {"K": 2}, extra=(7,)) == (7, 2)
    drawn = draw((x,), sizes={"N": 2, "d": 1})
    assert drawn["x"].shape == (2, 2, 3)


@given(
    seed=st.integers(0, 10_000), dtype=st.sampled_from([torch.float64, torch.float32, torch.bfloat16, torch.float16])
)
@settings(max_examples=40, deadline=None)
def test_free_numbers_lie_on_no_kink(seed, dtype):
    names = ("x", "t", "other")
    drawn = draw(read_inputs("x float; t float; other float"), dtype, seed=seed)
    exact = {name: tensor.double() for name, tensor in drawn.items()}
    differences = [exact["x"] - exact["t"], exact["t"] - exact["other"], exact["x"] - exact["other"]]
    for numbers in (*exact.values(), *differences):
        assert not torch.any((2 * numbers) % 1 == 0), "a whole number, or a half"
    for name in names:
        assert drawn[name].dtype == dtype
        assert exact[name].unique().numel() == exact[name].numel(), "a tie"
        assert torch.equal(exact[name], draw(read_inputs("x float; t float; other float"), seed=seed)[name])


@given(seed=st.integers(0, 10_000))
@settings(max_examples=30, deadline=None)
def test_sets_hold(seed):
    entries = read_inputs(
        "p float[N,C] in (0,1); r float[5] in (0,inf); n float[5] in (-inf,0); k int64[9] in [0,K); b bool[9]; "
        "s float[9] in {-1,1}; far float[3] in [1000,inf); small float[3] in [0.01,0.02]; e int64[9] in (-2,2)"
    )
    drawn = draw(entries, seed=seed, sizes={"K": 2})
    assert ((drawn["p"] > 0.05) & (drawn["p"] < 0.95)).all()
    assert (drawn["r"] > 0).all()
    assert (drawn["n"] < 0).all()
    assert set(drawn["k"].tolist()) <= {0, 1}
    assert drawn["b"].dtype == torch.bool
    assert set(drawn["s"].tolist()) <= {-1.0, 1.0}
    assert (drawn["far"] >= 1000).all()
    assert ((drawn["small"] >= 0.01) & (drawn["small"] <= 0.02)).all()
    assert set(drawn["e"].tolist()) <= {-1, 0, 1}


@pytest.mark.parametrize(
    ("text", "dim"), [("q float[N,C]", 1), ("q float[N,C,d]", 1), ("q float[C]", 0), ("q float[7,N,C]", 2)]
)
def test_a_simplex_lies_along_the_classes(text, dim):
    shares = draw(read_inputs(f"{text} in simplex"))["q"]
    logs = draw(read_inputs(f"{text} in log-simplex"))["q"]
    ones = torch.ones_like(shares.sum(dim))
    torch.testing.assert_close(shares.sum(dim), ones)
    torch.testing.assert_close(logs.exp().sum(dim), ones)
    assert (shares > 0).all()


def test_places_are_different_and_then_nothing():
    table = draw(read_inputs("t int64[N,C] in places"), sizes={"N": 20, "C": 4})["t"]
    for row in table.tolist():
        kept = [place for place in row if place >= 0]
        assert row == kept + [-1] * (4 - len(kept))
        assert kept
        assert len(set(kept)) == len(kept)


def test_nothing_can_be_drawn():
    assert draw(read_inputs("x float[N,C]; t int64[N] in [0,C)"), sizes={"N": 0})["x"].shape == (0, 3)
