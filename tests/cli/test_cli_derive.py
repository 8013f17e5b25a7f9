"""`torchstone derive`: exit statuses, formats, messages; and what it writes, `torchstone prove` proves."""

import io
import json
import subprocess
import sys

import pytest
import sympy as sp

from torchstone.cli import main
from torchstone.derive.derivation import Chain, Derivation, Step
from torchstone.judge import Verdict


def run(*arguments):
    """Run the command in this process. Returns its exit status."""
    return main(["derive", *map(str, arguments)])


def test_proven_is_0_and_reads_well(capfd):
    assert run("sigmoid-derivative") == 0
    out, err = capfd.readouterr()
    lines = out.splitlines()
    assert lines[0] == "The derivative of the sigmoid"
    assert "given  σ(x) = 1/(1 + e⁻ˣ)" in lines
    assert any(line.startswith("    = e⁻ˣ/(1 + e⁻ˣ)²  ") and "✓" in line for line in lines)
    assert lines[-1] == "Proven at every step."
    assert max(map(len, lines)) <= 100
    assert err == ""


@pytest.mark.parametrize("outcome", ["agrees", "refuted", "unknown"])
def test_a_step_that_is_not_proven_is_1(monkeypatch, capfd, outcome):
    from torchstone.cli import derive as command

    x = sp.Symbol("x", real=True)
    found = Derivation("a", "A", (Chain("", x, (Step(2 * x, "algebra", "", Verdict(outcome, "why")),)),))
    monkeypatch.setattr(command, "derive", lambda *arguments: found)
    assert run("a") == 1
    assert f"{outcome}: why" in capfd.readouterr().out


def test_options_reach_the_derivation(capfd):
    assert run("tanh(w1*x1 + b)", "--wrt", "w1", "--format", "json") == 0
    found = json.loads(capfd.readouterr().out)
    assert (found["schema"], found["proven"]) == (1, True)
    assert sp.sympify(found["chains"][-1]["steps"][-1]["expression"]).free_symbols == set(sp.symbols("w1 x1 b"))
    assert run("sigmoid", "--in-terms-of", "y", "--format", "json") == 0
    assert json.loads(capfd.readouterr().out)["chains"][-1]["steps"][-1]["expression"] == "y*(1 - y)"
    assert run("log(x)", "--assume", "x > 0", "--assume", "x < 1") == 0
    assert "given  x ∈ (0, 1)" in capfd.readouterr().out


@pytest.mark.parametrize(
    ("form", "beginning"),
    [
        ("text", "The derivative of the sigmoid"),
        ("latex", "% The derivative of the sigmoid"),
        ("markdown", "# The derivative of the sigmoid"),
        ("html", "<!doctype html>"),
        ("json", "{"),
    ],
)
def test_every_format_goes_to_stdout_or_to_a_file(capfd, tmp_path, form, beginning):
    path = tmp_path / "derivation"
    assert run("sigmoid-derivative", "--format", form, "-o", path) == 0
    assert capfd.readouterr() == ("", "")
    content = path.read_text(encoding="utf-8")
    assert content.splitlines()[0] == beginning
    assert content.endswith("\n")
    assert run("sigmoid-derivative", "--format", form) == 0
    assert capfd.readouterr().out == content


def test_the_list_has_every_name_with_its_title(capfd):
    assert run("--list") == 0
    lines = capfd.readouterr().out.splitlines()
    listed = [line.split()[0] for line in lines]
    assert {"sigmoid-derivative", "logit", "tanh-neuron", "softmax", "cross_entropy", "adam"} <= set(listed)
    assert len(listed) == len(set(listed))
    assert all(len(line.split(maxsplit=1)[1]) > 3 for line in lines)
    assert max(map(len, lines)) <= 100


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "expected a name or an expression, got nothing; --list shows the names"),
        (["sigmoyd"], "did you mean sigmoid"),
        (["x**2", "--wrt", "q"], "wrt: expected one of x, got 'q'"),
        (["x**2", "--assume", "x <"], "'x <'"),
        (["x**2", "-o", "nowhere/file"], "--output: expected a file in a folder that exists"),
        (["2*x +"], "got '2*x +'"),
        (["\x1b[31m"], "\\x1b[31m"),
    ],
)
def test_wrong_usage_is_2_in_one_line(capfd, monkeypatch, tmp_path, arguments, message):
    monkeypatch.chdir(tmp_path)
    assert run(*arguments) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith("torchstone derive: ")
    assert message in err
    assert err.count("\n") == 1
    assert "\x1b" not in err


def test_a_caret_shows_the_place(capfd):
    assert run("sin(x) + fo(x)") == 2
    assert capfd.readouterr().err.splitlines()[1:] == ["  sin(x) + fo(x)", "           ^"]


@pytest.mark.parametrize(
    "name", ["sigmoid-derivative", "sigmoid-derivative-in-y", "softmax-two-classes", "logit", "chain-sine", "silu"]
)
def test_what_is_derived_is_proven_when_it_is_read_again(name, capfd, monkeypatch):
    assert run(name, "--format", "markdown") == 0
    written = capfd.readouterr().out
    monkeypatch.setattr(sys, "stdin", io.StringIO(written))
    assert main(["prove", "-", "--format", "json"]) == 0
    found = json.loads(capfd.readouterr().out)
    steps = [step for chain in found["chains"] for step in chain["steps"]]
    assert len(steps) >= 6
    assert [step for step in steps if step["verdict"] != "proven"] == []


def test_a_cold_start_loads_what_is_needed():
    def loaded(*arguments):
        code = (
            f"import sys; from torchstone.cli import main; assert main({list(arguments)!r}) == 0; print(*sys.modules)"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True)
        return set(done.stdout.splitlines()[-1].split())

    assert loaded("derive", "--help").isdisjoint({"torch", "sympy", "flint", "numpy", "jinja2", "matplotlib"})
    assert loaded("derive", "sigmoid-derivative").isdisjoint({"torch", "jinja2", "matplotlib", "lark", "nbformat"})
