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


class Adam(torch.optim.Adam):
    pass


class Uncorrected(torch.optim.Optimizer):
    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8):
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps})

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for each in group["params"]:
                state = self.state[each]
                m, v = state.get("m", 0 * each), state.get("v", 0 * each)
                state["m"], state["v"] = m, v = 0.9 * m + 0.1 * each.grad, 0.999 * v + 0.001 * each.grad**2
                each.sub_(group["lr"] * m / (v.sqrt() + group["eps"]))


class Uphill(torch.optim.SGD):
    def step(self, closure=None):
        for group in self.param_groups:
            for each in group["params"]:
                each.data += group["lr"] * each.grad


WRONG, CLEAN = Mutant(HalfReLU, ("A101",), (), {"definition": "relu"}), Mutant(ReLU, (), (), {})
UNKNOWN = Mutant(Cube, ("D102",), (), {"definition": "none"})
OPTIMIZERS = (
    Mutant(Uncorrected, ("O201",), (), {"definition": "adam"}),
    Mutant(Adam, (), (), {}),
    Mutant(Uphill, ("O204",), (), {"definition": "none"}),
)

TASKS = {
    "relu": {"tests": [{"code": "import torch\nassert {fn}(torch.ones(1)) == 1"}]},
    "adam": {"tests": [{"code": "import torch\nassert {fn}([torch.ones(1)], lr=0.5).defaults['lr'] == 0.5"}]},
}


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
    package.tasks, tasks.TASKS = tasks, TASKS
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
def test_what_the_judges_say_of_functions(benchmark, judge_installed, judge, answers):
    ask = getattr(sys.modules["judges"], judge)
    assert tuple(ask(benchmark.Component(each)) for each in (WRONG, CLEAN, UNKNOWN)) == answers


@pytest.mark.parametrize(
    ("judge", "answers"),
    [
        ("torchstone", (True, False, True)),
        ("direction", (False, False, True)),
        ("one_run", (True, False, None)),
        ("torch_judge", (False, False, None)),
    ],
)
def test_what_the_judges_say_of_optimizers(benchmark, judge_installed, judge, answers):
    ask = getattr(sys.modules["judges" if judge in ("torchstone", "torch_judge") else "judges_optimizers"], judge)
    assert tuple(ask(benchmark.Component(each)) for each in OPTIMIZERS) == answers


def test_the_tables(benchmark, judge_installed, monkeypatch):
    monkeypatch.setattr(benchmark, "mutants", lambda: (WRONG, CLEAN, UNKNOWN, *OPTIMIZERS))
    functions, optimizers = benchmark.tables(1).split("Optimizers:")
    assert "| gradcheck | 3 |" in functions
    assert "| one example | 2 |" in functions
    assert "| torch-judge 0.1.1 | 1 of 1 | 0 of 1 |" in functions
    assert "| `torchstone check` | 1 of 1 | 0 of 1 |" in functions
    assert "| direction test | 3 |" in optimizers
    assert "| one run | 2 |" in optimizers
    assert "| torch-judge 0.1.1 | 0 of 1 | 0 of 1 |" in optimizers


def test_without_torch_judge_the_rest_is_measured(benchmark, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "torch_judge", None)
    monkeypatch.setattr(benchmark, "mutants", lambda: (CLEAN,))
    assert "torch-judge" not in benchmark.tables(1)
    assert "not installed" in capsys.readouterr().err
