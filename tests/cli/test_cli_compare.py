"""The command line: exit statuses, what goes where, and what is loaded."""

import json
import os
import signal
import subprocess
import sys
import time
from functools import partial

import pytest

import torchstone
from torchstone.cli import main

COMPARE = sys.modules["torchstone.compare"]  # the package: torchstone.compare is its function
COLUMNS = {"name", "kind", "like", "value", "gradient", "speed", "memory", "trajectory", "training", "ok"}


@pytest.fixture(autouse=True)
def only_accuracy(monkeypatch):
    """The whole takes too long here; costs and training runs have their own tests."""
    monkeypatch.setattr(COMPARE, "compare", partial(COMPARE.compare, parts=("accuracy",)))


@pytest.fixture(scope="module")
def comparison():
    """A real one, once."""
    return torchstone.compare("nll", "adam", parts=["accuracy"])


@pytest.fixture
def done_already(monkeypatch, comparison):
    """The comparison without its work, where what comes after is tested."""
    monkeypatch.setattr(COMPARE, "compare", lambda *names, **options: comparison)


def run(*arguments):
    """Run the command in this process. Returns its exit status."""
    return main(list(arguments))


def test_all_within_policy_is_0(capfd):
    assert run("compare", "nll") == 0
    out, err = capfd.readouterr()
    assert "NLLLoss" in out
    assert "1 of 1 within policy, beside torch" in out
    assert max(map(len, out.splitlines())) <= 100
    assert err == ""  # no progress bar where stderr is no terminal


def test_out_of_policy_is_1_and_says_why(capfd, tmp_path):
    path = tmp_path / "homework.py"
    path.write_text("class L1Loss: pass\nraise SystemExit('later')", encoding="utf-8")
    assert run("compare", "--against", f"{path}:L1Loss") == 1
    out = capfd.readouterr().out
    assert "loading it raised SystemExit: later" in out
    assert "0 of 1 within policy" in out
    assert "OFF" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["Sigmoyd"], "got 'Sigmoyd'; did you mean sigmoid"),
        (["--against", "nowhere.py:L1Loss"], "expected a file, got 'nowhere.py', which is none"),
        (["--against", "homework.py"], "expected FILE.py:CLASS or PACKAGE.MODULE:CLASS, got 'homework.py'"),
        (["--against", "torch.nn:Linear"], "expected a name that tells what it is to be, got 'Linear'"),
        (["l1", "mse", "--against", "torch.nn:L1Loss"], "expected at most one beside `against`, got 2: l1, mse"),
        (["l1", "--html", "nowhere/report.html"], "--html: expected a file in a folder that exists"),
        (["l1", "--json", "."], "--json: expected a file to write to, got the folder"),
    ],
)
def test_wrong_usage_is_2_in_one_line_before_the_work(arguments, message, capfd, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(COMPARE, "compare", lambda *names, **options: pytest.fail("it has begun to work"))
    assert run("compare", *arguments) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert message in err
    assert err.count("\n") == 1


def test_a_name_that_the_file_does_not_have_is_2(capfd, tmp_path):
    (tmp_path / "homework.py").write_text("mae = 1", encoding="utf-8")
    assert run("compare", "l1", "--against", f"{tmp_path / 'homework.py'}:mae") == 2
    assert "expected a class or function of" in capfd.readouterr().err
    assert run("compare", "--nonsense") == 2


def test_a_fault_of_ours_is_3_and_called_one(capfd, monkeypatch):
    def broken(*names, **options):
        raise KeyError("lost")

    monkeypatch.setattr(COMPARE, "compare", broken)
    assert run("compare", "l1") == 3
    err = capfd.readouterr().err
    assert "Traceback" in err
    assert err.splitlines()[-1] == (
        "torchstone: this is a fault of torchstone, not of what you gave it: KeyError: 'lost'"
    )


def test_an_interrupt_is_130(capfd, monkeypatch):
    def interrupted(*names, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(COMPARE, "compare", interrupted)
    assert run("compare", "l1") == 130
    assert capfd.readouterr().err == "torchstone: interrupted\n"


@pytest.mark.usefixtures("done_already")
def test_json_on_stdout_is_nothing_but_json(capfd):
    assert run("compare", "nll", "adam", "--json", "-") == 0
    found = json.loads(capfd.readouterr().out)
    assert found["schema"] == 1
    assert found["ok"] is True
    assert found["torch"].startswith("2.")
    nll, adam = found["rows"]
    assert set(nll) >= COLUMNS
    assert set(nll["value"]) >= {"max_ulp", "torch_max_ulp", "worst_input"}
    assert set(adam["trajectory"]) >= {"to_oracle", "torch_to_oracle", "to_torch", "steps"}
    assert (adam["name"], adam["kind"], adam["like"], adam["ok"]) == ("Adam", "optimizer", "torch.optim.Adam", True)


@pytest.mark.usefixtures("done_already")
def test_files_are_written_and_quiet_prints_nothing(capfd, tmp_path):
    page, data = tmp_path / "report.html", tmp_path / "report.json"
    assert run("compare", "nll", "--quiet", "--html", str(page), "--json", str(data)) == 0
    assert capfd.readouterr() == ("", "")
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert json.loads(data.read_text(encoding="utf-8"))["rows"][0]["name"] == "NLLLoss"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["report.html", "report.json"]


def test_progress_goes_from_nothing_to_all():
    events = []
    COMPARE.compare("adam", on_event=events.append)
    done = [event.done for event in events]
    assert done == list(range(1, len(events) + 1))
    assert events[-1].done == events[-1].total
    assert all("Adam" in event.doing for event in events)


@pytest.mark.parametrize("argument", ["--help", "--version", "compare --help"])
def test_cold_start_loads_nothing_heavy(argument):
    heavy = {"torch", "sympy", "flint", "matplotlib", "sklearn", "numpy", "jinja2"}
    code = (
        "import sys; from torchstone.cli import main; "
        f"status = main({argument.split()!r}); wrong = set(sys.modules) & {heavy!r}; assert not wrong, wrong; "
        "sys.exit(status)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "torchstone" in done.stdout


def test_as_a_module():
    done = subprocess.run(
        [sys.executable, "-m", "torchstone", "--version"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, f"torchstone {torchstone.__version__}\n")


@pytest.mark.skipif(os.name != "posix", reason="Ctrl-C is a signal here")
def test_ctrl_c_ends_the_child_too(tmp_path):
    (tmp_path / "slow.py").write_text(
        "import os, time\nfrom pathlib import Path\n"
        "Path(__file__).with_name('pid.part').write_text(str(os.getpid()))\n"
        "os.replace(Path(__file__).with_name('pid.part'), Path(__file__).with_name('pid'))\n"
        "time.sleep(600)\n",
        encoding="utf-8",
    )
    # In the background of a shell the signal is ignored, and would be in the child.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    process = subprocess.Popen(
        [sys.executable, "-m", "torchstone", "compare", "l1", "--against", f"{tmp_path / 'slow.py'}:L1Loss"],
        stderr=subprocess.PIPE,
        text=True,
    )
    signal.signal(signal.SIGINT, before)
    written = tmp_path / "pid"
    while process.poll() is None and not written.exists():
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=60) == 130
    assert process.stderr is not None
    assert process.stderr.read() == "torchstone: interrupted\n"
    process.stderr.close()
    with pytest.raises(ProcessLookupError):
        os.kill(int(written.read_text(encoding="utf-8")), 0)
