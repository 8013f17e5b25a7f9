"""Proofs: in a terminal, as JSON, as a page and as a card."""

import io
import json
import re

import pytest
from rich.console import Console

from torchstone.prove.result import Chain, Counterexample, Proof, Step
from torchstone.report import proof as report

HOSTILE = "<script>alert('&')</script>[bold]x[/bold]\x1b[31m\x07\u202e"
AT = Counterexample({"z[1]": "1", "z[2]": "1/2"}, "0.73105", "0.26894")
RIGHT = Step(3, None, r"\sigma(x) = \frac{1}{1 + e^{-x}}", "sigma(x) = 1/(1 + exp(-x))", "proven", "exact")
WRONG = Step(
    9, None, r"y &= \sigma(x)", "y = sigma(x)", "refuted", "exact numbers", AT, "perhaps x = z_1 - z_2 was meant"
)
AGREES = Step(10, None, "= y(1-y)", "x = y*(1 - y)", "agrees", "at 20 random points")
UNKNOWN = Step(11, None, r"\int_0^1 f", "Integral(f, (x, 0, 1))", "unknown", "took longer than 10 s")
UNREAD = Step(12, None, r"\frac{1}{", "", "unread", "expected }, got the end")
GOOD = Proof("right.md", (Chain("Task 3", 3, None, (RIGHT, AGREES), "y*(1-y)", True),))
BAD = Proof(
    "wrong.md",
    (
        Chain("Task 3", 3, None, (RIGHT,)),
        Chain("Task 4 › Softmax", 9, None, (WRONG, AGREES, UNKNOWN, UNREAD), "1/(1+exp(-x))", False),
    ),
    ("a formula was skipped",),
)
NOTEBOOK = Proof(
    "homework.ipynb",
    (Chain("", 1, 4, (Step(1, 4, "x", "x", "proven", "given"), Step(2, 5, "y", "y", "proven", "given"))),),
)
HOSTILE_STEP = Step(
    1, None, HOSTILE, HOSTILE, "refuted", HOSTILE, Counterexample({HOSTILE: HOSTILE}, HOSTILE, HOSTILE), HOSTILE
)
HOSTILE_ONE = Proof(HOSTILE, (Chain(HOSTILE, 1, None, (HOSTILE_STEP,), HOSTILE, False),), (HOSTILE,))
EVERY = pytest.mark.parametrize(
    "found", [GOOD, BAD, NOTEBOOK, HOSTILE_ONE, Proof("empty.md", ())], ids=lambda found: found.path[:8]
)


def shown(found, width, color=None):
    stream = io.StringIO()
    report.render(found, Console(file=stream, width=width, force_terminal=bool(color), color_system=color))
    return stream.getvalue()


def test_text_reads_from_the_outcome_to_the_steps():
    assert report.text(BAD).splitlines() == [
        "wrong.md: 5 steps: 1 proven, 1 agrees, 1 unknown, 1 unread, 1 refuted; 1 does not arrive.",
        "note: a formula was skipped",
        "",
        "Task 3 (line 3)",
        "  3  ✓ sigma(x) = 1/(1 + exp(-x))   exact",
        "",
        "Task 4 › Softmax (line 9)",
        "   9  ✗ y = sigma(x)             refuted: exact numbers",
        "        at z[1] = 1, z[2] = 1/2: left 0.73105, right 0.26894",
        "        perhaps x = z_1 - z_2 was meant",
        "  10  ~ x = y*(1 - y)            agrees: at 20 random points",
        "  11  ? Integral(f, (x, 0, 1))   unknown: took longer than 10 s",
        r"  12  ! \frac{1}{                unread: expected }, got the end",
        "  does not arrive: the goal 1/(1+exp(-x)) is not reached",
    ]
    assert report.text(GOOD).splitlines()[-1] == "  reaches the goal y*(1-y)"


def test_a_notebooks_steps_have_their_cell():
    text = report.text(NOTEBOOK)
    assert text.splitlines()[0] == "homework.ipynb: 2 steps: all given."
    assert "(cell 4, line 1)" in text
    assert "  5:2  · y" in text


@pytest.mark.parametrize(
    ("method", "word", "sign"),
    [
        ("symbolic: both sides have the same normal form", "proven", "✓"),
        ("definition", "given", "·"),
        ("given: y is 1", "given", "·"),
        ("definition · K is 2", "given", "·"),
        ("follows from line 7, which is refuted", "follows", "↳"),
    ],
)
def test_what_was_not_judged_does_not_look_proven(method, word, sign):
    step = Step(3, None, "y", "y = x", "proven", method)
    found = Proof("a.md", (Chain("", 3, None, (step,)),))
    assert report.outcome(step) == word
    assert report.summary(found) == f"1 step: {word}."
    assert f"  3  {sign} y = x" in report.text(found)
    assert json.loads(report.json(found))["chains"][0]["steps"][0]["verdict"] == "proven"


@EVERY
@pytest.mark.parametrize("width", [50, 80, 120])
def test_no_line_is_too_long_and_no_step_is_lost(found, width):
    text = shown(found, width)
    assert max(map(len, text.splitlines())) <= width
    for step in found:
        assert re.search(rf"(^|[ :]){step.line}  [✓·↳~?!✗] ", text, re.M)


@EVERY
def test_nothing_steers_the_terminal(found):
    for text in (report.text(found), re.sub(r"\x1b\[[0-9;]*m", "", shown(found, 200, "standard"))):
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", text)
    if found is HOSTILE_ONE:
        assert "[bold]x[/bold]�[31m��" in report.text(found)
        assert "\x1b[31m\x07" not in shown(found, 200, "standard")


@EVERY
def test_json_has_the_fields_that_were_promised(found):
    data = json.loads(report.json(found))
    assert data["schema"] == 1
    assert len(data["chains"]) == len(found.chains)
    for chain, expected in zip(data["chains"], found.chains, strict=True):
        assert set(chain) - {"cell", "goal"} == {"title", "line", "verdict", "reaches_goal", "steps"}
        assert (chain["verdict"], chain["reaches_goal"]) == (expected.verdict, expected.reaches_goal)
        for step, wanted in zip(chain["steps"], expected.steps, strict=True):
            fields = {"line", "source", "read_as", "verdict", "method", "counterexample", "suggestion"}
            assert set(step) - {"cell"} == fields
            assert ("cell" in step) == (wanted.cell is not None) == ("cell" in chain)
            assert (step["line"], step["source"], step["verdict"]) == (wanted.line, wanted.source, wanted.verdict)


def test_json_gives_the_counterexample():
    steps = json.loads(report.json(BAD))["chains"][1]["steps"]
    assert steps[0]["counterexample"] == {"point": {"z[1]": "1", "z[2]": "1/2"}, "left": "0.73105", "right": "0.26894"}
    assert steps[0]["suggestion"] == "perhaps x = z_1 - z_2 was meant"
    assert steps[1]["counterexample"] is None
    assert json.loads(report.json(NOTEBOOK))["chains"][0]["steps"][1]["cell"] == 5


@EVERY
def test_the_page_needs_nothing_but_itself(document, found):
    text = report.html(found)
    page = document(text)
    assert page.tags().isdisjoint({"script", "link", "img", "iframe", "object", "base", "form", "bold"})
    assert all(target.startswith("#") for target in page.values("href") + page.values("src"))
    assert not re.findall(r"https?://|@import", text)
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", text)
    said = " ".join("".join(page.text).split())
    assert report.summary(found) in said
    for step in found:
        assert report.outcome(step) in said
        if step.counterexample:
            assert (
                report.at(step.counterexample).replace("\x1b", "�").replace("\x07", "�").replace("\u202e", "�") in said
            )


def test_what_can_not_be_a_formula_is_shown_as_it_stands(document):
    page = document(report.html(BAD))
    sources = [attributes for tag, attributes in page.elements if tag == "code" and attributes.get("class") == "latex"]
    assert len(sources) == 1
    assert r"\frac{1}{" in "".join(page.text)
    assert [tag for tag, _ in page.elements].count("math") == 4


@EVERY
def test_the_card_brings_no_page_with_it(document, found):
    text = report.notebook(found)
    page = document(text)
    assert page.tags().isdisjoint({"html", "head", "body", "script", "a"})
    assert page.elements[0] == ("div", {"class": "torchstone"})
    assert report.summary(found) in "".join(page.text)
