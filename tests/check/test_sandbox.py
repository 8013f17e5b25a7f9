"""Whatever a target's code does, the checker goes on, and says what happened."""

import json
import os
import threading
from pathlib import Path
from textwrap import dedent

import pytest
import torch

from torchstone.check.child import CAN_FORK
from torchstone.check.entries import Entry, draw
from torchstone.check.probe import Probe
from torchstone.check.sandbox import Sandbox
from torchstone.check.spec import Spec
from torchstone.check.target import MissingError, Target, parse

HEAD = "import ctypes, os, sys, tempfile, threading, time\nfrom pathlib import Path\nimport torch\n"
INPUTS = (Entry("x"),)


@pytest.fixture
def written(tmp_path, monkeypatch):
    """Writes a module, and gives its target; or a notebook from several cells."""
    monkeypatch.chdir(tmp_path)

    def write(*cells, name=""):
        if len(cells) == 1:
            (tmp_path / "subject_module.py").write_text(HEAD + dedent(cells[0]))
            return Target("subject_module.py", name)
        every = [{"cell_type": "code", "source": text, "metadata": {}, "outputs": []} for text in (HEAD, *cells)]
        content = {"cells": every, "metadata": {}, "nbformat": 4, "nbformat_minor": 4}
        (tmp_path / "book.ipynb").write_text(json.dumps(content))
        return Target("book.ipynb", name)

    return write


def asked(box, target, times=1):
    """The last answer to an ordinary call."""
    home = box.home(target, Spec(target, "activation", INPUTS))
    for _ in range(times):
        answer = home.ask(Probe("call", {"wrt": ["x"]}, draw(INPUTS)))
    home.close()
    return answer


FORWARDS = {
    "exits": ("os._exit(7)", "ended", "exit status 7"),
    "never ends": ("while True: pass", "ended", "did not answer within 2 s"),
    "crashes": ("ctypes.string_at(0)", "ended", "SIGSEGV"),
    "prints much": ("[print('x' * 10_000) for _ in range(3000)]", "", ""),
    "takes too much memory": ("[torch.empty(1 << 29) for _ in range(8)]", "raised", "allocate"),
    "takes far too much": ("[0] * (1 << 40)", "raised", "MemoryError"),
    "exits politely": ("sys.exit(3)", "raised", "SystemExit: 3"),
    "is interrupted": ("raise KeyboardInterrupt", "ended", "exit status 1"),
    "closes stdout": ("sys.stdout.close(); os.close(1)", "", ""),
    "replaces stdout": ("sys.stdout = None", "", ""),
    "closes everything": ("os.closerange(3, 256)", "ended", ""),
    "writes a large file": ("tempfile.TemporaryFile().write(bytes(1 << 27))", "raised", "OSError"),
}


@pytest.fixture(scope="module")
def forwards(tmp_path_factory):
    """All of them in one module, loaded once."""
    path = tmp_path_factory.mktemp("forwards") / "forwards.py"
    names = [name.replace(" ", "_") for name in FORWARDS]
    functions = [
        f"def {name}(x):\n    {code}\n    return torch.relu(x)\n"
        for name, (code, *_) in zip(names, FORWARDS.values(), strict=True)
    ]
    path.write_text(HEAD + "\n".join(functions) + dedent(COUNTED))
    with Sandbox(Target(str(path)), seconds=2) as box:
        yield box, {each.description.name: each.target for each in box.load().candidates}


@pytest.mark.skipif(os.name == "nt", reason="signals and limits are POSIX's")
@pytest.mark.parametrize("name", FORWARDS)
def test_what_a_call_may_do(forwards, name):
    box, targets = forwards
    _, failure, error = FORWARDS[name]
    answer = asked(box, targets[name.replace(" ", "_")])
    assert (answer.failure, error in answer.error) == (failure, True), answer.error
    if not failure:
        assert torch.equal(answer.tensors["value"], draw(INPUTS)["x"].relu())


COUNTED = """
    calls = Path(__file__).parent

    def always_exits(x):
        with (calls / "always").open("a") as file:
            file.write(".")
        os._exit(1)

    def exits_once(x):
        if not (calls / "once").exists():
            (calls / "once").touch()
            os._exit(1)
        return torch.relu(x)
"""


def test_a_subject_that_always_ends_its_process_is_not_asked_for_ever(forwards):
    box, targets = forwards
    target = targets["always_exits"]
    assert "as it did 3 times before" in asked(box, target, times=9).error
    assert len(Path(target.rpartition(":")[0]).with_name("always").read_text()) == 3


def test_one_crash_is_forgotten(forwards):
    box, targets = forwards
    assert asked(box, targets["exits_once"], times=2).ok


LOADS = {
    "raises": ("1 / 0", "raises ZeroDivisionError: division by zero"),
    "exits politely": ("sys.exit('bye')", "raises SystemExit: bye"),
    "exits": ("os._exit(5)", "ended its process with exit status 5"),
    "never ends": ("while True: pass", "did not come to an end within 2 s"),
}


@pytest.mark.parametrize(("code", "error"), LOADS.values(), ids=LOADS)
def test_what_a_file_may_do(written, code, error):
    with Sandbox(written(code), seconds=2) as box:
        assert box.load().error == error


def test_a_module_with_threads_of_its_own(written):
    code = """
        threading.Thread(target=time.sleep, args=(1000,)).start()
        torch.set_num_threads(4)
        torch.ones(512, 512) @ torch.ones(512, 512)

        def relu(x):
            return torch.relu(x)
    """
    with Sandbox(written(code, name="relu"), seconds=5) as box:
        (found,) = box.load().candidates
        assert asked(box, found.target).ok


def test_cells_that_hang_exit_raise_or_do_not_parse_stop_no_other(written):
    cells = ("while True: pass", "os._exit(2)", "def broken(:", "1 / 0", "%matplotlib inline\n!ls\nx = 1")
    target = written(*cells, "def relu(x): return x.relu()")
    with Sandbox(target, seconds=2) as box:
        found = box.load()
        assert [each.target for each in found.candidates] == ["book.ipynb:relu"]
        assert asked(box, found.candidates[0].target).ok
    remarks = sorted(found.remarks)
    wanted = (
        "did not come to an end within 2 s",
        "ended its process with exit status 2",
        "does not parse",
        "raises Zero",
    )
    assert len(remarks) == len(wanted)
    for number, (remark, text) in enumerate(zip(remarks, wanted, strict=True), 2):
        assert remark.startswith(f"cell {number} {text}")


def test_what_nobody_named_is_not_run_if_it_may_be_a_program(written):
    code = """
        def main(): open('ran', 'w')
        def train(epochs=3): open('ran', 'w')
        class Plain: pass
        class Adam(torch.optim.Optimizer):
            def step(self): pass
        class ReLU:
            def __call__(self, x): return x.relu()
    """
    with Sandbox(written(code)) as box:
        found = box.load()
    assert [each.description.name for each in found.candidates] == ["Adam", "ReLU"]
    assert found.passed == ("main", "train", "Plain")
    assert not Path("ran").exists()


def test_a_constructor_that_ends_the_process_is_left_out(written):
    code = """
        class Bad(torch.nn.Module):
            def __init__(self): os._exit(3)
            def forward(self, x): return x
        def relu(x): return x.relu()
    """
    with Sandbox(written(code)) as box:
        found = box.load()
    assert [each.description.name for each in found.candidates] == ["relu"]
    assert found.remarks == ("subject_module.py:Bad ended its process with exit status 3",)
    with Sandbox(Target("subject_module.py", "Bad")) as box:
        assert box.load().error == "ended its process with exit status 3"


@pytest.mark.parametrize("fork", [CAN_FORK, False], ids=["fork", "no fork"])
def test_two_subjects_one_of_which_crashes(written, fork):
    target = written("def relu(x): return x.relu()", "def tanh(x): os._exit(4)")
    with Sandbox(target, seconds=20, fork=fork) as box:
        first, second = box.load().candidates
        assert asked(box, first.target).ok
        assert asked(box, second.target).error == "ended its process with exit status 4"
        assert asked(box, first.target).ok


def test_nothing_is_left_behind(written):
    code = "import subprocess\ndef relu(x):\n    subprocess.Popen(['sleep', '1000'])\n    return x.relu()\n"
    before = set(threading.enumerate())
    with Sandbox(written(code, name="relu")) as box:
        (found,) = box.load().candidates
        assert asked(box, found.target).ok
        folder = box.folder
    assert not folder.exists()
    for each in set(threading.enumerate()) - before:
        each.join(20)
        assert not each.is_alive()


@pytest.mark.parametrize(
    ("text", "where", "name"),
    [
        ("torch.nn:ReLU", "torch.nn", "ReLU"),
        ("torch.nn", "torch.nn", ""),
        ("subject_module.py", "subject_module.py", ""),
        ("subject_module.py:A.b", "subject_module.py", "A.b"),
    ],
)
def test_targets(written, text, where, name):
    written("pass")
    assert parse(text) == Target(where, name)


@pytest.mark.parametrize("text", ["", "no such", "missing.py", "missing.ipynb:ReLU", ":ReLU", "a b:c"])
def test_targets_that_name_nothing(text):
    with pytest.raises(MissingError, match="target: expected"):
        parse(text)


def test_a_name_that_is_not_there(written):
    target = written("number = 3\ndef relu(x): return x.relu()", name="number")
    with Sandbox(target) as box, pytest.raises(MissingError, match="relu"):
        box.load()


def test_a_file_that_is_no_notebook(written):
    target = written("1", "2")
    Path("book.ipynb").write_bytes(b"\x80\x04 a pickle, perhaps")
    with Sandbox(target) as box, pytest.raises(MissingError, match="is no notebook"):
        box.load()
