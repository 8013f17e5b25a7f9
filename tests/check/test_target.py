"""What a target names: files, notebooks, modules and packages."""

import json

import pytest
import torch

from torchstone.check.describe import describe
from torchstone.check.target import MissingError, Target, by_target, load, parse


@pytest.mark.parametrize(
    ("text", "where", "name"),
    [
        ("torch.nn:ReLU", "torch.nn", "ReLU"),
        ("torch.nn", "torch.nn", ""),
        ("torch.nn.functional:gelu", "torch.nn.functional", "gelu"),
        ("torch.nn:modules.ReLU", "torch.nn", "modules.ReLU"),
    ],
)
def test_a_module_and_a_name(text, where, name):
    assert parse(text) == Target(where, name)


@pytest.mark.parametrize("text", ["nowhere.py", "nowhere.ipynb:Name", "a b", "", ":Name", "x.py:"])
def test_what_names_nothing_is_refused_in_one_line(text):
    with pytest.raises(MissingError, match=r"^target: expected .*, got [^\n]*$"):
        parse(text)


def test_a_package_offers_what_its_parts_define():
    found = {each.name for each in load(parse("torch.nn")).found}
    assert {"ReLU", "MSELoss", "Softmax"} <= found
    assert "functional" not in found


def test_a_parameter_without_numbers_yet_is_described():
    assert describe(torch.nn.LazyLinear, {"out_features": 3}).is_module


def notebook(*cells):
    code = [{"cell_type": "code", "source": source, "metadata": {}, "outputs": []} for source in cells]
    return json.dumps({"cells": code, "metadata": {}, "nbformat": 4, "nbformat_minor": 4})


def test_a_cell_that_fails_stops_no_other_cell(tmp_path):
    path = tmp_path / "homework.ipynb"
    cells = ("def f(x): return x", "def g(x) return x", "%matplotlib inline\n1 / 0", "!ls\ndef f(x): return 2 * x")
    path.write_text(notebook(*cells), encoding="utf-8")
    loaded = load(parse(str(path)))
    assert [(each.name, each.cell) for each in loaded.found] == [("f", 1), ("f", 4)]
    assert list(by_target(loaded.found)) == [f"{path}:f (cell 1)", f"{path}:f (cell 4)"]
    assert [remark.partition(":")[0] for remark in loaded.remarks] == [
        "cell 2 does not parse",
        "cell 3 raises ZeroDivisionError",
    ]
    (last,) = load(parse(f"{path}:f")).found
    assert last.cell == 4


def test_no_notebook(tmp_path):
    path = tmp_path / "broken.ipynb"
    path.write_text("{}", encoding="utf-8")
    with pytest.raises(MissingError, match="is no notebook"):
        load(parse(str(path)))
