"""Other people's code: how it is found and called, and what it cannot do to us."""

import textwrap
import time
from pathlib import Path

import pytest
import torch

import torchstone
from torchstone.compare.subject import FunctionSubject, MissingError, build_optimizer, load, parse


@pytest.fixture
def homework(tmp_path):
    """Write a file, and give the spec of a name in it."""

    def write(code, name):
        path = tmp_path / "homework.py"
        path.write_text(textwrap.dedent(code), encoding="utf-8")
        return f"{path}:{name}"

    return write


def against(spec, name="mse", time_limit=60.0):
    (row,) = torchstone.compare(name, against=spec, parts=["accuracy"], time_limit=time_limit).rows
    return row


@pytest.mark.parametrize("spec", ["homework.py", "homework.py:", ":Loss", "a b:Loss", "pkg.mod:not one"])
def test_a_spec_that_is_none_is_refused(spec):
    with pytest.raises(MissingError, match="against: expected"):
        parse(spec)


def test_a_file_that_is_not_there_is_refused():
    with pytest.raises(MissingError, match=r"against: expected a file, got 'C:/nowhere/hw.py', which is none"):
        parse("C:/nowhere/hw.py:Loss")


def test_a_windows_path_keeps_its_drive(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "C:").mkdir()
    (tmp_path / "C:" / "hw.py").write_text("class Loss: pass", encoding="utf-8")
    assert parse("C:/hw.py:Loss") == ("C:/hw.py", "Loss")


def test_a_file_of_another_kind_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "hw.ipynb").touch()
    with pytest.raises(MissingError, match=r"expected a file that ends in \.py or a module, got 'hw\.ipynb'"):
        parse("hw.ipynb:Loss")


def test_what_a_module_has_is_offered(homework):
    with pytest.raises(MissingError, match=r"got 'L3Loss'; it has L1Loss, square$"):
        load(homework("import math\nclass L1Loss: pass\ndef square(x): return x\n_hidden = print\n", "L3Loss"))


def test_a_missing_module_is_told_from_one_that_fails(homework):
    with pytest.raises(MissingError, match=r"expected a module, got 'torch\.nowhere'"):
        load("torch.nowhere:Thing")
    with pytest.raises(ModuleNotFoundError, match="nowhere_at_all"):
        load(homework("import nowhere_at_all\nclass L1Loss: pass\n", "L1Loss"))


# How subjects may look. Each is a mean squared error or a softmax over the last of two dimensions.


class Squares(torch.nn.Module):
    def forward(self, y_pred, y_true):
        return torch.mean((y_pred - y_true) ** 2)


class Open(torch.nn.MSELoss):
    def __init__(self, **options):
        super().__init__(**options)


class Closed(Squares):
    def __init__(self, **options):
        super().__init__(**options)  # nn.Module takes none


class Called:
    def __call__(self, x, t, reduction="mean"):
        return torch.nn.functional.mse_loss(x, t, reduction=reduction)


class Applied(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, t):
        return (x - t) ** 2

    @staticmethod
    def backward(ctx, g):
        raise NotImplementedError


@pytest.mark.parametrize(
    ("thing", "always"),
    [
        (torch.nn.MSELoss, False),
        (torch.nn.functional.mse_loss, False),
        (Squares, True),
        (Open, False),
        (Closed, True),
        (Called, False),
        (Called(), False),
        (Applied, False),
        (lambda x, t: (x - t) ** 2, False),
    ],
)
def test_losses_of_every_make_are_called(thing, always):
    function = FunctionSubject(thing, {}, is_loss=True)
    x, t = torch.tensor([1.0, 4.0]), torch.tensor([0.0, 1.0])
    assert function.reduces_always(x, t) == always
    assert function(x, t).mean() == 5
    if not always:
        assert function(x, t, "none").tolist() == [1, 9]


class AssignmentSoftmax(torch.nn.Module):
    def forward(self, x, dim=1):
        return torch.softmax(x, dim)


@pytest.mark.parametrize(
    "thing", [torch.nn.Softmax, AssignmentSoftmax, torch.nn.functional.softmax, lambda x: x.softmax(-1)]
)
def test_softmaxes_of_every_make_act_along_the_classes(thing):
    function = FunctionSubject(thing, {"dim": -1}, is_loss=False)
    rows = torch.tensor([[0.0, 0.0], [1.0, 1.0], [2.0, 2.0]])
    assert function(rows).tolist() == [[0.5, 0.5]] * 3


def test_a_class_that_cannot_be_called_says_so():
    class Neither:
        pass

    with pytest.raises(TypeError, match="expected a class with forward or __call__, got Neither"):
        FunctionSubject(Neither, {}, is_loss=False)(torch.ones(1))


def test_optimizer_options_go_by_other_names():
    class Other:
        def __init__(self, params, learning_rate, beta1, beta2, epsilon):
            self.options = (learning_rate, beta1, beta2, epsilon)

    given = {"lr": 0.1, "betas": (0.8, 0.9), "eps": 1e-3}
    assert build_optimizer(Other, [], given).options == (0.1, 0.8, 0.9, 1e-3)


# From here on in a child process.


def test_a_file_may_import_its_neighbours(homework, tmp_path):
    code = """
        import torch, helper

        class L2Loss(torch.nn.MSELoss):
            def forward(self, y_pred, y_true):
                return super().forward(helper.same(y_pred), y_true)
    """
    (tmp_path / "helper.py").write_text("def same(x): return x", encoding="utf-8")
    row = against(homework(code, "L2Loss"), name="L2Loss")
    assert row.subject.endswith("homework.py:L2Loss")
    assert row.value.max_ulp == row.value.torch_max_ulp
    assert sorted(path.name for path in tmp_path.iterdir()) == ["helper.py", "homework.py"]  # and no __pycache__


def test_a_module_on_the_path_of_the_folder(tmp_path, monkeypatch):
    package = tmp_path / "mypkg"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "losses.py").write_text("from torch.nn import MSELoss as Mine", encoding="utf-8")
    # A file named like a module of ours must not take its place.
    (tmp_path / "json.py").write_text("raise SystemExit('the wrong json')", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    row = against("mypkg.losses:Mine")
    assert row.value.max_ulp == row.value.torch_max_ulp


HOSTILE = {
    "exits quietly": ("import os\ndef mse(x, t): os._exit(0)", "exit status 0 while value and gradient were computed"),
    "is killed": ("import os, signal\ndef mse(x, t): os.kill(os.getpid(), signal.SIGKILL)", "with signal SIGKILL"),
    "wants too much": (
        "def mse(x, t):\n  try: open('large', 'wb').write(b'0' * (80 << 20))\n"
        "  except OSError: return x.new_zeros(1 << 36).sum()",
        "raised RuntimeError: ",
    ),
    "speaks": (
        "import os, sys\ndef mse(x, t):\n  for n in range(64): print('x' * 1_000_000)\n"
        "  print('last words', flush=True); os._exit(9)",
        "exit status 9 while value and gradient were computed in float64; it last printed: last words",
    ),
}


@pytest.mark.parametrize("code", HOSTILE)
def test_nothing_that_it_does_brings_us_down(code, homework, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    body, problem = HOSTILE[code]
    row = against(homework(body + "\nmse = globals().get('mse')", "mse"))
    assert not row.ok
    assert any(problem in each for each in row.problems), row.problems
    assert capfd.readouterr() == ("", "")


def test_an_endless_loop_is_ended_with_its_children(homework, tmp_path):
    code = f"""
        import subprocess, sys
        def mse(x, t):
            child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
            open({str(tmp_path / "pid")!r}, "w").write(str(child.pid))
            while True: pass
    """
    row = against(homework(code, "mse"), time_limit=6.0)
    assert row.problems[0] == (
        "it did not finish within 6 s, and was ended while value and gradient were computed in float64"
    )
    status = Path("/proc") / (tmp_path / "pid").read_text(encoding="utf-8") / "stat"
    for _ in range(100):
        try:
            ended = ") Z " in status.read_text(encoding="utf-8")
        except (FileNotFoundError, ProcessLookupError):
            ended = True
        if ended:
            return
        time.sleep(0.05)
    pytest.fail("the child's own child is still running")


def test_nothing_that_it_writes_is_unpickled(homework, tmp_path):
    # It puts pickles in the place of its answers, which would leave a trace if anybody loaded them.
    code = f"""
        import pickle, sys
        from pathlib import Path

        class Trace:
            def __reduce__(self):
                return (open, ({str(tmp_path / "trace")!r}, "w"))

        folder = Path(sys.argv[1])
        for number in range(20):
            (folder / f"reply-{{number}}.safetensors").write_bytes(pickle.dumps(Trace()))
            (folder / f"reply-{{number}}.json").write_text('{{"facts": {{}}, "error": ""}}')
        (folder / "loaded.json").write_text('{{"missing": "", "error": ""}}')
        import os; os._exit(0)
    """
    row = against(homework(code, "mse"))
    assert any("left an answer that cannot be read" in problem for problem in row.problems)
    assert not (tmp_path / "trace").exists()
