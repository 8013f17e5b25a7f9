"""`torchstone prove`: exit statuses, what goes where, messages of one line."""

import io
import json
import subprocess
import sys

import pytest

from torchstone.cli import main
from torchstone.prove.result import Chain, Counterexample, Proof, Step

RIGHT = "# One\n\n$$f(x) = x^2$$\n\n$$f'(x) = 2x$$\n"
WRONG = "# One\n\n$$f(x) = x^2$$\n\n$$f'(x) = 3x$$\n"
STEP = Step(1, None, "x = x", "x = x", "proven", "the two sides are identical")
REFUTED = Step(2, None, "x = 2x", "x = 2*x", "refuted", "exact", Counterexample({"x": "1"}, "1", "2"), "x/2, perhaps")


def run(*arguments):
    """Run the command in this process. Returns its exit status."""
    return main(["prove", *map(str, arguments)])


@pytest.fixture
def file(tmp_path):
    def write(content, name="homework.md"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


@pytest.fixture
def asked(monkeypatch):
    """What `prove` is asked; it finds what `asked["proof"]` holds."""
    from torchstone.cli import prove as command

    found = {"proof": Proof("x.md", (Chain("One", 1, None, (STEP,)),))}

    def prove(path="", **options):
        found.update(path=path, **options)
        return found["proof"]

    monkeypatch.setattr(command, "prove", prove)
    return found


def test_a_right_file_is_0(file, capfd):
    assert run(file(RIGHT)) == 0
    out, err = capfd.readouterr()
    assert "2 steps: 1 proven, 1 given." in " ".join(out.split())
    assert err == ""  # no progress bar where stderr is no terminal


def test_a_wrong_file_is_1_and_shows_where(file, capfd):
    assert run(file(WRONG), "--format", "json") == 1
    found = json.loads(capfd.readouterr().out)
    step = found["chains"][-1]["steps"][-1]
    assert (step["line"], step["verdict"]) == (5, "refuted")
    assert step["counterexample"]["point"]


@pytest.mark.parametrize(
    ("chain", "status"),
    [
        (Chain("", 1, None, (STEP,)), 0),
        (Chain("", 1, None, (STEP,), "x", True), 0),
        (Chain("", 1, None, (STEP,), "x", False), 1),
        (Chain("", 1, None, (STEP, REFUTED)), 1),
        (Chain("", 1, None, (Step(1, None, "{", "", "unread", "why"),)), 1),
        (Chain("", 1, None, (Step(1, None, "x", "x", "unknown", "why"),)), 0),
        (Chain("", 1, None, (Step(1, None, "x", "x", "agrees", "why"),)), 0),
    ],
)
def test_the_exit_status_says_whether_something_is_wrong(asked, chain, status):
    asked["proof"] = Proof("x.md", (chain,))
    assert run("x.md") == status


def test_stdin_is_text_or_a_notebook(asked, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO("\ufeff$$σ = 1$$".encode()), encoding="ascii"))
    assert run("-", "--goal", "y*(1-y)", "--time-limit", "2.5") == 0
    assert (asked["text"], asked["goals"], asked["time_limit"]) == ("$$σ = 1$$", "y*(1-y)", 2.5)


def test_goals_come_from_a_file(asked, file):
    goals = file('"Task 3" = "y*(1-y)"', "goals.toml")
    assert run("x.md", "--goals", goals) == 0
    assert asked["goals"] == {"Task 3": "y*(1-y)"}


@pytest.mark.parametrize("form", ["text", "json", "html"])
def test_output_goes_to_a_file_whole(asked, tmp_path, capfd, form):
    path = tmp_path / "report"
    assert run("x.md", "--format", form, "-o", path) == 0
    assert capfd.readouterr() == ("", "")
    content = path.read_text(encoding="utf-8")
    assert content.endswith("\n")
    assert run("x.md", "--format", form) == 0
    assert capfd.readouterr().out == content


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "expected"),
        (b"Only words, and `$$` in code.", "expected display math"),
        (b"\xff\xfe\x00", "expected UTF-8 text"),
        (b"no notebook", "expected a notebook"),
    ],
)
def test_what_holds_no_derivation_is_2_in_one_line(file, capfd, content, message):
    path = file(content, "homework.ipynb" if b"notebook" in content else "homework.md")
    assert run(path) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith(f"torchstone prove: {path}: ")
    assert message in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere.md"], "torchstone prove: nowhere.md: "),
        (["."], "torchstone prove: .: expected a file, got a folder"),
        (["right.md", "-o", "nowhere/report"], "--output: expected a file in a folder that exists"),
        (["right.md", "--goal", "x", "--goals", "goals.toml"], "expected --goal or --goals, got both"),
        (["right.md", "--goals", "nowhere.toml"], "goals: expected a TOML file"),
        (["right.md", "--goal", "x +"], "goal: "),
        (["right.md", "--time-limit", "0"], "--time-limit: expected seconds from 0.1"),
        (["right.md", "--time-limit", "nan"], "--time-limit: expected seconds from 0.1"),
    ],
)
def test_wrong_usage_is_2_in_one_line(file, capfd, monkeypatch, tmp_path, arguments, message):
    file(RIGHT, "right.md")
    monkeypatch.chdir(tmp_path)
    assert run(*arguments) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert message in err
    assert err.count("\n") == 1


def test_bytes_on_stdin_that_are_no_text_are_2(monkeypatch, capfd):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"\xff"), encoding="utf-8"))
    assert run("-") == 2
    assert capfd.readouterr().err == "torchstone prove: <stdin>: expected UTF-8 text, got byte 0xff\n"


@pytest.mark.parametrize(("error", "status"), [(KeyboardInterrupt, 130), (KeyError("lost"), 3)])
def test_an_interrupt_and_a_fault_of_ours(monkeypatch, capfd, error, status):
    from torchstone.cli import prove as command

    def broken(*arguments, **options):
        raise error

    monkeypatch.setattr(command, "prove", broken)
    assert run("x.md") == status
    assert capfd.readouterr().err.splitlines()[-1].startswith("torchstone: ")


def test_a_path_can_not_steer_the_terminal(capfd):
    assert run("\x1b[31mnowhere.md") == 2
    assert "\x1b" not in capfd.readouterr().err


def test_help_loads_nothing_heavy():
    heavy = {"torch", "sympy", "flint", "numpy", "jinja2", "lark", "nbformat"}
    code = (
        "import sys; from torchstone.cli import main; status = main(['prove', '--help']); "
        f"wrong = set(sys.modules) & {heavy!r}; assert not wrong, wrong; sys.exit(status)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "torchstone prove homework.ipynb" in " ".join(done.stdout.split())
