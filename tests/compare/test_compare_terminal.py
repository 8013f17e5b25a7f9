"""What a comparison looks like in a terminal, and files that are there whole or not at all."""

import io
import math

import pytest
from rich.console import Console

from torchstone.compare.result import Accuracy, Comparison, Cost, Row, Training, Trajectory
from torchstone.report.files import check_writable, write_text
from torchstone.report.terminal import render, text


def accuracy(max_ulp=0.5, worst_input=-8.25, not_finite=0, torch_not_finite=0):
    return Accuracy(max_ulp, 1.7e7, worst_input, 1.0, not_finite, torch_not_finite, 65536, "float32", 4.0)


LOSS = Row(
    "CrossEntropyLoss (probabilities)",
    "Cross-entropy",
    "loss",
    "torch.nn.CrossEntropyLoss",
    "cross_entropy_probabilities",
    "torchstone.losses:CrossEntropyLoss",
    value=accuracy(worst_input={"x": [1.0, -math.inf, 3.0, 4.0, 5.0], "t": [0.25] * 5}),
    gradient=accuracy(max_ulp=0.25, torch_not_finite=5),
    speed=(Cost(1000, 3.0, 3e-6, 1e-6), Cost(1_000_000, 1.5, 3e-3, 2e-3)),
    memory=(Cost(1_000_000, 0.75, 3e6, 4e6),),
)
ACTIVATION = Row(
    "GELU",
    "GELU",
    "activation",
    "torch.nn.GELU",
    "gelu",
    "homework.py:GELU",
    value=accuracy(max_ulp=7.1),
    problems=("value: 7.1 ulp off in float32 at x = -8.25 (got 1, expected 2); the budget is 4, PyTorch's worst 3",),
    notes=("it is homework",),
)
OPTIMIZER = Row(
    "GradientDescent",
    "Gradient descent",
    "optimizer",
    "torch.optim.SGD",
    "gradient_descent",
    "torchstone.optimizers:GradientDescent",
    trajectory=Trajectory(100, 1.5e-15, 1e-14, 0.0, "defaults", 1e-12, 4, 8_000_000, 4_000_000),
    training=(Training("digits", "Digits", (2.3, 0.1), (2.3, 0.2), 0.08, 0.09),),
)
ALL = Comparison((LOSS, ACTIVATION, OPTIMIZER), "2.13.0", seconds=48.04)


def lines_of(comparison):
    return text(comparison).splitlines()


def test_every_kind_has_its_table_within_100_columns():
    lines = lines_of(ALL)
    assert [line for line in lines if line.istitle()] == ["Losses", "Activations", "Optimizers"]
    assert max(map(len, lines)) <= 100
    (loss,) = [line for line in lines if line.startswith("CrossEntropyLoss ")]
    assert loss.split()[1:4] == ["0.50", "1.7e7", "0.25"]
    assert "1.7e7*" in loss
    assert loss.split()[-3:] == ["1.50×", "0.75×", "ok"]
    (optimizer,) = [line for line in lines if line.startswith("GradientDescent")]
    assert optimizer.split() == [
        *("GradientDescent", "1.5e-15", "1.0e-14", "0", "8", "MB", "4", "MB", "0.08", "0.09", "–", "–", "ok"),
    ]


def test_a_narrow_terminal_still_shows_the_outcome():
    stream = io.StringIO()
    render(ALL, Console(file=stream, width=80))
    lines = [line.rstrip() for line in stream.getvalue().splitlines()]
    assert max(map(len, lines)) <= 80
    assert [line.split()[-1] for line in lines if line.startswith(("CrossEntropyLoss ", "GELU ", "GradientDescent"))][
        :3
    ] == ["ok", "OFF", "ok"]


def test_problems_are_said_in_words():
    lines = lines_of(ALL)
    at = lines.index("GELU (homework.py:GELU)")
    assert lines[at + 1].startswith("  value: 7.1 ulp off in float32 at x = -8.25")
    assert "  note: it is homework" in lines
    assert [line for line in lines if line.startswith("GELU ") and line.endswith("OFF")]
    assert lines[-1] == "2 of 3 within policy, beside torch 2.13.0 in 48 s."
    assert "its" in text(Comparison((ACTIVATION,), "2.13.0"))


def test_names_are_no_markup():
    row = Row("[red]L1Loss[/red]", "", "loss", "", "l1", "a[0]:b", problems=("value: off at [/x]",))
    found = text(Comparison((row,), "2.13.0"))
    assert "[red]L1Loss[/red]" in found
    assert "value: off at [/x]" in found


def test_colour_says_nothing_alone():
    plain, coloured = io.StringIO(), io.StringIO()
    render(ALL, Console(file=plain, width=100, color_system=None))
    render(ALL, Console(file=coloured, width=100, color_system="truecolor", force_terminal=True))
    assert "\x1b[" in coloured.getvalue()
    assert "\x1b[" not in plain.getvalue()
    assert "OFF" in plain.getvalue()


def test_a_file_is_replaced_whole(tmp_path):
    path = tmp_path / "report.json"
    write_text(path, "one\n")
    path.chmod(0o640)
    write_text(path, "żwo\n")
    assert path.read_bytes() == "żwo\n".encode()
    assert path.stat().st_mode & 0o777 == 0o640
    assert [each.name for each in tmp_path.iterdir()] == ["report.json"]


def test_a_failure_leaves_what_was_there(tmp_path):
    path = tmp_path / "report.json"
    write_text(path, "one")
    with pytest.raises(UnicodeEncodeError):
        write_text(path, "half a file \ud800")
    assert path.read_text(encoding="utf-8") == "one"
    assert [each.name for each in tmp_path.iterdir()] == ["report.json"]


def test_a_place_that_cannot_be_written_to_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"expected a file in a folder that exists, got .*missing"):
        check_writable(tmp_path / "missing" / "report.html")
    with pytest.raises(IsADirectoryError, match="expected a file to write to, got the folder"):
        write_text(tmp_path, "")
    with pytest.raises(ValueError, match=r"path: expected a name that ends in \.html or \.json, got 'report\.txt'"):
        ALL.save(tmp_path / "report.txt")
    ALL.save(tmp_path / "report.json")
    assert (tmp_path / "report.json").read_text(encoding="utf-8") == ALL.to_json()
