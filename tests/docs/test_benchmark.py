"""`make benchmark`: what the judges answer, and what is written of it."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch

from torchstone.check.mutants import Mutant

ROOT = Path(__file__).parents[2]


class HalfReLU(torch.nn.Module):
    def forward(self, x):
        return torch.relu(x) / 2


class ReLU(torch.nn.Module):
    def forward(self, x):
        return torch.where(x <= 0, torch.zeros_like(x), x)


class Cube(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**3

    @staticmethod
    def backward(ctx, g):
        return g * ctx.saved_tensors[0] ** 2


WRONG, CLEAN = Mutant(HalfReLU, ("A101",), (), {"definition": "relu"}), Mutant(ReLU, (), (), {})
UNKNOWN = Mutant(Cube, ("D102",), (), {"definition": "none"})

RELU_TASK = {"relu": {"tests": [{"code": "import torch\nassert {fn}(torch.ones(1)) == 1"}]}}


@pytest.fixture(scope="module")
def benchmark():
    sys.path.insert(0, str(ROOT / "benchmarks"))
    spec = importlib.util.spec_from_file_location("detection", ROOT / "benchmarks" / "detection.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    sys.path.remove(str(ROOT / "benchmarks"))


@pytest.fixture
def judge_installed(monkeypatch):
    """A torch-judge with one task."""
    package, tasks = ModuleType("torch_judge"), ModuleType("torch_judge.tasks")
    package.tasks, tasks.TASKS = tasks, RELU_TASK
    monkeypatch.setitem(sys.modules, "torch_judge", package)
    monkeypatch.setitem(sys.modules, "torch_judge.tasks", tasks)


@pytest.mark.parametrize(
    ("judge", "answers"),
    [
        ("torchstone", (True, False, True)),
        ("gradcheck", (False, False, True)),
        ("one_example", (True, False, None)),
        ("torch_judge", (True, False, None)),
    ],
)
def test_what_the_judges_say(benchmark, judge_installed, judge, answers):
    ask = getattr(benchmark, judge)
    assert tuple(ask(benchmark.Component(each)) for each in (WRONG, CLEAN, UNKNOWN)) == answers


def test_the_table(benchmark, judge_installed, monkeypatch):
    monkeypatch.setattr(benchmark, "mutants", lambda: (WRONG, CLEAN, UNKNOWN))
    table = benchmark.table(benchmark.measured(1))
    assert "| `torch.autograd.gradcheck` | 3 |" in table
    assert "| one example beside PyTorch's | 2 |" in table
    assert "| torch-judge 0.1.1 | 1 of 1 | 0 of 1 |" in table
    assert "| `torchstone check` | 1 of 1 | 0 of 1 |" in table


def test_without_torch_judge_the_rest_is_measured(benchmark, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "torch_judge", None)
    monkeypatch.setattr(benchmark, "mutants", lambda: (CLEAN,))
    table = benchmark.table(benchmark.measured(1))
    assert "torch-judge" not in table
    assert "not installed" in capsys.readouterr().err
