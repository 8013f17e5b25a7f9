"""The commands check, rules and rule."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest

from torchstone.check import session
from torchstone.check.result import Finding, Report, RuleResult, SubjectReport
from torchstone.cli import main
from torchstone.report.check import data, page, terminal

SUBJECTS = """
import torch

class MyTanh(torch.nn.Module):
    def forward(self, x):
        return x.exp() / (x.exp() + (-x).exp())

class Scaled(torch.nn.Module):
    def __init__(self, beta):
        super().__init__()
        self.beta = beta
    def forward(self, x):
        return x * torch.sigmoid(self.beta * x)

def my_relu(x):
    return x.clamp(min=0)

def train(model, data):
    raise SystemExit
"""

OPTIMIZERS = """
class Descent:
    def __init__(self, parameters, learning_rate=0.1):
        self.parameters, self.learning_rate = list(parameters), learning_rate
    def zero_grad(self):
        for each in self.parameters:
            each.grad = None
    def step(self):
        for each in self.parameters:
            if each.grad is not None:
                each.data -= self.learning_rate * each.grad

class Trainer:
    def __init__(self, model):
        self.model = model
    def step(self, batch):
        return self.model(batch)
"""


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Run a command beside a file of subjects."""
    monkeypatch.chdir(tmp_path)
    Path("subjects.py").write_text(SUBJECTS)

    def running(*arguments):
        status = main(arguments)
        told = capsys.readouterr()
        return status, told.out, told.err

    return running


def test_everything_recognisable_in_a_file(run):
    status, out, err = run("check", "subjects.py", "--select", "G001,A101", "--format=json")
    content = json.loads(out)
    assert (status, err) == (1, "")
    assert content["schema"] == 1
    verdicts = {each["target"]: each["verdict"] for each in content["subjects"]}
    assert verdicts == {"subjects.py:MyTanh": "fail", "subjects.py:my_relu": "pass"}
    (finding,) = content["subjects"][0]["findings"]
    keys = {"rule", "name", "severity", "message", "input", "expected", "got", "ulp", "cause", "repro"}
    assert set(finding) == keys
    assert finding["rule"] == "A101"
    assert content["remarks"] == ["passed over, not recognised as a loss, an activation or an optimizer: Scaled, train"]


def test_an_optimizer_in_a_file(run):
    Path("optimizers.py").write_text(OPTIMIZERS)
    told = ("--definition=gradient_descent", "--kind=optimizer", "--kwargs", '{"learning_rate": 0.5}')
    status, out, _ = run("check", "optimizers.py:Descent", "--select=O201", *told)
    assert status == 0
    assert "held against the definition of gradient_descent" in out
    status, out, _ = run("check", "optimizers.py", "--select=O201", "--format=json")
    content = json.loads(out)
    assert [(each["target"], each["kind"]) for each in content["subjects"]] == [("optimizers.py:Descent", "optimizer")]
    assert content["remarks"] == ["passed over, not recognised as a loss, an activation or an optimizer: Trainer"]
    like = "--like=torch.optim.SGD(momentum=0.5)"
    status, out, _ = run("check", "optimizers.py:Descent", "--select=O202", "--definition=none", like)
    assert status == 1
    assert "held against torch.optim.SGD(momentum=0.5)" in out


def test_what_is_told_of_a_subject(run):
    told = ("--kwargs", '{"beta": 1.5}', "--formula", "x*sigmoid(beta*x)", "--inputs", "x float[N]", "--select=A101")
    status, out, _ = run("check", "subjects.py:Scaled", *told)
    assert status == 0
    assert "held against the definition of x*sigmoid(beta*x)" in out
    status, out, _ = run("check", "subjects.py:my_relu", "--like=subjects.MyTanh", "--select=A102", "--definition=none")
    assert status == 1
    assert "held against subjects.MyTanh" in out


def test_several_targets_and_what_is_expected_of_one(run):
    Path("known.toml").write_text('[MyTanh]\nA101 = "half of it"\n')
    status, out, _ = run("check", "subjects.py:MyTanh", "torch.nn:ReLU", "--expect=known.toml", "--select=A101")
    assert status == 0
    assert out.startswith("2 subjects: 2 right")
    assert "A101: expected, half of it" in out


def test_quiet(run):
    assert run("check", "subjects.py:MyTanh", "--select=A101", "-q") == (1, "", "")


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("missing.py",), "target: expected a file, got 'missing.py', which is none"),
        (("subjects.py", "--select=X9"), "select: expected a rule's code or name, got 'X9'"),
        (("subjects.py", "--kwargs=[1]"), "--kwargs: expected a JSON object"),
        (("subjects.py", "--kwargs={"), "--kwargs: expected JSON, got '{'"),
        (("subjects.py", "--expect=missing.toml"), "expect: expected a TOML file, got 'missing.toml'"),
        (("subjects.py", "--definition=nothing"), "definition: expected"),
        (("subjects.py", "--time-limit=nan"), "--time-limit: expected seconds from 0.1 to 86400, got nan"),
        (("subjects.py", "--inputs=x floot"), "inputs: expected"),
        (("subjects.py", "-o", "no/such/folder.html"), "--output: expected a file in a folder that exists"),
    ],
)
def test_wrong_usage(run, arguments, error):
    status, out, err = run("check", *arguments)
    assert (status, out) == (2, "")
    assert err.startswith(f"torchstone check: {error}")
    assert err.count("\n") == 1


def test_a_fault_of_a_rule_has_a_status_of_its_own(run, monkeypatch):
    monkeypatch.setattr(session, "check_target", lambda target, **settings: everything())
    status, out, _ = run("check", "subjects.py")
    assert status == 3
    assert "✗ error G001 smoke" in out


def test_nothing_to_check(run):
    Path("nothing.py").write_text("def main(): pass\nclass Adam:\n    def step(self): pass\n")
    status, _, err = run("check", "nothing.py")
    assert status == 2
    assert "nothing in it was recognised as a loss, an activation or an optimizer" in err
    assert "passed over, not recognised as a loss, an activation or an optimizer: main, Adam" in err


def test_rules_are_listed(run):
    status, out, _ = run("rules")
    assert status == 0
    assert re.search(r"^D103 +linear-in-grad +fast +error$", out, re.MULTILINE)
    _, out, _ = run("rules", "D", "--format=json")
    assert {each["group"] for each in json.loads(out)} == {"D"}
    _, out, _ = run("rules", "--format=markdown")
    assert out.startswith("| code | name |")
    assert run("rules", "X9")[0] == 2


@pytest.mark.parametrize("form", ["text", "markdown", "html"])
def test_a_rule_is_explained(run, form):
    status, out, _ = run("rule", "linear-in-grad", "--format", form)
    assert status == 0
    for part in ("D103", "Why", "How", "False alarms", "Instead", "An example that it finds", "And one that passes"):
        assert part in out


def test_a_rule_that_there_is_not(run):
    status, _, err = run("rule", "linear-in-gard")
    assert status == 2
    assert "did you mean linear-in-grad" in err


# Reports of everything that there can be.

HOSTILE = "<script>alert('&')</script>\x1b[31m"
NAN = float("nan")


def everything():
    finding = Finding(
        HOSTILE,
        {"x": [NAN, 1.0], "many": list(range(999))},
        expected=HOSTILE,
        got=NAN,
        ulp=float("inf"),
        cause=HOSTILE,
        repro=f"print('{HOSTILE}')\n",
        severity="error",
        rule="G001",
        name="smoke",
    )
    warning = Finding("it is slow", severity="warning", rule="G003", name="output-aliases-input")
    results = (
        RuleResult("G001", "smoke", "failed", findings=(finding,), seconds=0.5),
        RuleResult("G003", "output-aliases-input", "failed", findings=(warning,)),
        RuleResult("G002", "input-mutated", "passed"),
        RuleResult("G004", "nondeterministic", "expected", "known", (finding,)),
        RuleResult("L101", "value", "not applicable", "no loss"),
        RuleResult("L102", "like-torch", "blocked", "by G001 smoke"),
        RuleResult("L103", "reduction-algebra", "skipped", HOSTILE),
        RuleResult("L104", "silent-broadcast", "fault", "Traceback", source="acme_rules"),
    )
    wrong = SubjectReport(
        f"{HOSTILE}.py:A", "loss", "definition", "torch.nn.L1Loss", "l1", (HOSTILE,), results, ("D1",)
    )
    stub = SubjectReport("b.py:B", "activation", "nothing", not_implemented=HOSTILE, line=7)
    return Report((wrong, stub), "2.13.0", (HOSTILE,))


REPORTS = {"everything": everything(), "nothing": Report(())}


class Balanced(HTMLParser):
    """Counts tags that stay open, and scripts."""

    def __init__(self):
        super().__init__()
        self.open, self.seen = [], []

    def handle_starttag(self, tag, attrs):
        self.seen.append(tag)
        if tag not in ("meta", "link", "br", "hr"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.mark.parametrize("report", REPORTS.values(), ids=REPORTS)
@pytest.mark.parametrize("write", [page.html, page.notebook], ids=["page", "card"])
def test_pages_are_whole_and_hold_no_script(report, write):
    reader = Balanced()
    content = write(report)
    reader.feed(content)
    assert reader.open == []
    assert not {"script", "img", "link"} & set(reader.seen)
    assert not set(content) & {"\x1b"}


def test_what_the_terminal_shows():
    shown = terminal.text(REPORTS["everything"])
    flat = " ".join(shown.split())
    for part in (
        "2 subjects: 2 wrong",
        "1 error, 1 warning · 1 rule passed, 1 fault, 1 blocked, 1 expected, 1 not applicable, 1 skipped",
        "✗ error G001 smoke",
        "not comparable: one of them is no finite number",
        "L104: a fault of the package acme_rules, Traceback",
        "expected failure D1 did not come",
        "not implemented: ",
    ):
        assert part in flat
    assert "\x1b" not in shown
    assert max(map(len, shown.splitlines())) <= 100
    assert shown == str(REPORTS["everything"])


def test_json_has_no_numbers_that_json_does_not_know():
    content = json.loads(data.json(REPORTS["everything"]), parse_constant=pytest.fail)
    wrong, stub = content["subjects"]
    assert wrong["findings"][0]["got"] == "nan"
    assert {each["outcome"] for each in wrong["not_run"]} == {
        "expected",
        "not applicable",
        "blocked",
        "skipped",
        "fault",
    }
    assert stub["verdict"] == "fail"
    assert wrong["counts"] == {"failed": 2, "passed": 1} | dict.fromkeys(
        ("expected", "not applicable", "blocked", "skipped", "fault"), 1
    )


def test_junit_counts_what_it_holds():
    root = ElementTree.fromstring(data.junit(REPORTS["everything"]))
    first, second = root
    for suite in root:
        assert int(suite.get("tests")) == len(suite.findall("testcase"))
        for attribute, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
            assert int(suite.get(attribute)) == len(suite.findall(f"testcase/{tag}"))
    assert len(first.findall("testcase/failure")) == 1
    assert len(second.findall("testcase/failure")) == 1


def test_sarif_names_its_rules():
    (run_,) = json.loads(data.sarif(REPORTS["everything"]))["runs"]
    known = {each["id"] for each in run_["tool"]["driver"]["rules"]}
    assert {each["ruleId"] for each in run_["results"]} <= known
    assert [each["level"] for each in run_["results"]] == ["error", "warning", "error"]


@pytest.mark.parametrize("form", ["text", "json", "junit", "sarif", "html"])
def test_every_format_goes_to_a_file(run, form):
    Path("broken.py").write_text("1 / 0")
    status, out, err = run("check", "broken.py", "--format", form, "-o", "report")
    assert (status, out, err) == (1, "", "")
    assert "it raises ZeroDivisionError: division by zero when it is loaded" in Path("report").read_text(
        encoding="utf-8"
    )
