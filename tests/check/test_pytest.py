"""Rules as pytest cases: `@torchstone.parametrize` and `pytest --torchstone`."""

from importlib.metadata import entry_points

import pytest
import torch._dynamo  # noqa: F401 (as the next)

from torchstone.check import session, testing  # noqa: F401 (imported here, and not anew in each run)
from torchstone.check.rule import rules
from torchstone.report.check import terminal  # noqa: F401

pytest_plugins = ["pytester"]
rules()

# A checkout that was never installed has no entry points.
LOADED = (
    [] if any(each.name == "torchstone" for each in entry_points(group="pytest11")) else ["-ptorchstone.check.plugin"]
)
SUBJECTS = """
    import torch
    CALLS = []

    class MyTanh(torch.nn.Module):
        def forward(self, x):
            CALLS.append(1)
            return x.exp() / (x.exp() + (-x).exp())

    class ReLU:
        def forward(self, x):
            pass

    def my_relu(x):
        return torch.maximum(x, torch.zeros_like(x))
"""
SELECT = "select=['A101', 'A107', 'D101', 'A110', 'N103']"


@pytest.fixture
def run(pytester):
    """Run pytest over a file of subjects and a file of tests."""

    def running(test="", *arguments, outside=""):
        pytester.makepyfile(my_subjects=SUBJECTS + outside)
        if test:
            pytester.makepyfile(test_subjects="import pytest, torchstone\nfrom my_subjects import *\n" + test)
        return pytester.runpytest_inprocess(
            "-rsxw", "-pno:cacheprovider", "-Wdefault::torchstone.check.testing.TorchstoneWarning", *LOADED, *arguments
        )

    return running


def test_cases_pass_fail_and_skip_as_the_rules_do(run):
    test = f"""
@torchstone.parametrize([MyTanh(), my_relu], {SELECT})
def test_mine(check):
    check()
"""
    result = run(test, "-v")
    result.stdout.fnmatch_lines(
        [
            "*test_mine[[]MyTanh-G001-smoke[]] PASSED*",
            "*test_mine[[]MyTanh-A101-value[]] FAILED*",
            "*test_mine[[]my_relu-A101-value[]] PASSED*",
            "*Violation: MyTanh, activation*",
            "*error A101 value*",
            "*TorchstoneWarning: my_relu: A107 kink-value: the gradient at the kink*0.5*",
            "SKIPPED*not applicable: it has no learnable parameters",
        ]
    )
    assert result.ret == pytest.ExitCode.TESTS_FAILED


def test_a_rule_is_chosen_by_k_and_a_subject_is_examined_once(run):
    test = """
@torchstone.parametrize([MyTanh()], select=["G001"])
def test_first(check):
    check()
    before = len(CALLS)
    check()
    assert len(CALLS) == before
"""
    assert run(test, "-kG001").assert_outcomes(passed=1) is None


def test_expected_failures_and_those_that_did_not_come(run):
    test = """
@torchstone.parametrize([MyTanh()], select=["A101", "G002"], expect={"A101": "half of it", "G002": "no more"})
def test_mine(check):
    check()
"""
    result = run(test)
    result.stdout.fnmatch_lines(["*the expected failure G002 did not come*", "XFAIL*MyTanh-A101-value*half of it"])
    assert result.ret == pytest.ExitCode.OK


def test_a_stub_fails_one_case(run):
    result = run("@torchstone.parametrize([ReLU])\ndef test_mine(check):\n    check()\n")
    assert result.parseoutcomes()["failed"] == 1
    result.stdout.fnmatch_lines(["*ReLU is not implemented: *"])


@pytest.mark.parametrize(
    ("decorator", "message"),
    [
        ("[my_relu], select=['X9']", "select: expected a rule's code or name, got 'X9'*"),
        ("[3]", "thing: expected a class, an instance or a function, got 3"),
        ("[my_relu], tier='fastest'", "tier: expected one of fast, full, slow, got 'fastest'"),
    ],
)
def test_what_means_nothing_is_an_error_of_the_collection(run, decorator, message):
    result = run(f"@torchstone.parametrize({decorator})\ndef test_mine(check):\n    check()\n")
    result.stdout.fnmatch_lines([f"*{message}*"])
    assert result.ret == pytest.ExitCode.INTERRUPTED


def test_a_target_of_the_command_line(run):
    outside = """
    def sigmoid(x):
        import os
        os._exit(3)
"""
    result = run("", "--torchstone", "my_subjects.py", "-v", "-k A101 or G001", outside=outside)
    result.stdout.fnmatch_lines(
        [
            "*MyTanh-G001-smoke PASSED*",
            "*MyTanh-A101-value FAILED*",
            "*ReLU-G001-smoke FAILED*",
            "*my_relu-A101-value PASSED*",
            "*sigmoid-G001-smoke FAILED*",
            "*sigmoid-A101-value SKIPPED (blocked: by G001 smoke)*",
            "*ended its process with exit status 3*",
        ]
    )
    result.assert_outcomes(passed=3, failed=3, skipped=1, deselected=result.parseoutcomes()["deselected"])


def test_expectations_of_a_file(run, pytester):
    pytester.makefile(".toml", known='[MyTanh]\nA101 = "half of it"\nN = "not looked at"\nL101 = "no loss"\n')
    result = run("", "--torchstone=my_subjects.py:MyTanh", "--torchstone-expect=known.toml", "-kA101 or N103")
    assert result.ret == pytest.ExitCode.OK
    assert result.parseoutcomes()["xfailed"] >= 1


def test_a_target_that_names_nothing(run):
    result = run("", "--torchstone=missing.py")
    result.stdout.fnmatch_lines(["--torchstone: target: expected*"])
    assert result.ret == pytest.ExitCode.INTERRUPTED
