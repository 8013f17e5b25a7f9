"""`torchstone.prove` as a whole: files, goals, time limits, and what nobody meant to be read."""

import json
import random
import sys

import pytest
import sympy as sp
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import torchstone
from torchstone.prove import Counterexample, run
from torchstone.prove.document import read_markdown
from torchstone.prove.proof import Found, examine

SIGMOID = r"""
# Sigmoid

$$ \sigma(x) = \frac{1}{1 + e^{-x}} $$
$$ y = \sigma(x) $$
$$ \frac{dy}{dx} = \frac{e^{-x}}{(1 + e^{-x})^2} $$
"""
IN_Y = SIGMOID + r"$$ = y (1 - y) $$" + "\n"


def verdicts(text):
    """The verdicts of a text's steps, in this process."""
    return [event.step for event in examine(read_markdown(text), 8.0, {}, {}, {}) if isinstance(event, Found)]


def test_a_proof_is_data():
    proof = torchstone.prove(text=IN_Y)
    assert proof.ok
    assert [(step.line, step.verdict) for step in proof] == [(n, "proven") for n in (4, 5, 6, 7)]
    (chain,) = json.loads(proof.to_json())["chains"]
    assert (chain["title"], chain["line"], chain["verdict"], chain["reaches_goal"]) == ("Sigmoid", 4, "proven", None)
    assert chain["steps"][2]["read_as"] == "dy/dx = exp(-x)/(1 + exp(-x))**2"
    assert "proven" in str(proof)
    assert "<math" in proof._repr_html_()


@pytest.mark.parametrize("file", ["one.md", "one.ipynb"])
def test_a_file_is_markdown_or_a_notebook(tmp_path, file):
    path = tmp_path / file
    cell = {"cell_type": "markdown", "metadata": {}, "source": "text\n\n$$ 2 x = x $$"}
    notebook = {"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    path.write_text(json.dumps(notebook) if path.suffix == ".ipynb" else cell["source"], encoding="utf-8")
    (step,) = torchstone.prove(path)
    assert (step.verdict, step.line, step.cell) == ("refuted", 3, 1 if path.suffix == ".ipynb" else None)
    assert step.counterexample == Counterexample({"x": "1"}, "2", "1")


@pytest.mark.parametrize(
    ("text", "goal", "reached"),
    [
        (IN_Y, "y*(1 - y)", True),
        (IN_Y, "y - y**2", True),
        (IN_Y, "exp(-x)/(1 + exp(-x))**2", True),
        (SIGMOID, "y*(1 - y)", False),  # equal, but not what was asked
        (IN_Y, "y*(1 + y)", False),
        (IN_Y.replace("y (1 - y)", "y (2 - y)"), "y*(2 - y)", False),  # there, but refuted
        (r"$$ u = w_1 x_1 $$ $$ \frac{\partial u}{\partial w_1} = x_1 $$", "x1", True),
        (r"$$ y = e^x $$ $$ x = \log y $$", "x = log(y)", True),
        (r"$$ y = e^x $$ $$ x = \log y $$", "y = log(y)", False),
    ],
)
def test_a_goal_is_reached_or_not(text, goal, reached):
    proof = torchstone.prove(text=text, goals=goal)
    (chain,) = [chain for chain in proof.chains if chain.reaches_goal is not None]
    assert (chain.reaches_goal, chain.goal) == (reached, goal)
    assert proof.ok == (reached and "2 - y" not in text)


def test_each_heading_has_its_goal():
    text = "# One\n$$ f(x) = x^2 $$\nso\n$$ f'(x) = 2x $$\n# Two\n$$ g(x) = x^3 $$\n$$ g'(x) = 3x^2 $$"
    proof = torchstone.prove(text=text, goals={"one": "2*x", "Two": "x"})
    assert [(chain.title, chain.reaches_goal) for chain in proof.chains] == [
        ("One", None),
        ("One", True),
        ("Two", False),
    ]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"text": ""}, "expected a derivation, got an empty file"),
        ({"text": " \n"}, "expected a derivation, got an empty file"),
        ({"text": "words"}, "expected display math"),
        ({"text": '{"cells": 3}'}, "expected a notebook, got JSON without a notebook's cells"),
        ({"path": "nowhere.md"}, "nowhere.md: no such file"),
        ({"text": "$$a = a$$", "goals": "1 +"}, "goal: "),
        ({"text": "$$a = a$$", "goals": "a = b = c"}, "goal: expected an expression or one equation"),
        ({"text": "# One\n$$a = a$$", "goals": {"Two": "a"}}, "goals: expected a heading among 'One', got 'Two'"),
    ],
)
def test_what_cannot_be_checked_is_said_in_one_sentence(options, message):
    with pytest.raises(ValueError, match=r"\A[^\n]*\Z") as caught:
        torchstone.prove(**options)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("latex", "reason"),
    [
        (r"y = \frac{1}{2", "}"),
        (r"y = \frac{1}{0}", "division by zero"),
        (r"y = \foo x", "foo"),
        (r"y = x +", ""),
        (r"y = \left( x", ""),
        (r"y = 10^{10^{10}}", "too large"),
        (r"y = \begin{pmatrix} 1 & 2 \end{pmatrix}", ""),
        ("y = " + "(" * 300 + "x" + ")" * 300, ""),
        ("y = " + "x + " * 6000 + "1", "characters"),
    ],
)
def test_what_cannot_be_read_is_unread_with_its_line_and_takes_nothing_with_it(latex, reason):
    first, second = verdicts(f"$$\n{latex}\n$$\n$$ 1 + 1 = 2 $$")
    assert (first.verdict, first.line, second.verdict) == ("unread", 2, "proven")
    assert first.method
    assert reason in first.method
    assert "fault" not in first.method


# Stands for the process that judges: the first formula has a step that hangs, the second hangs while it is read.
CHILD = """
import json, sys, time
request = json.loads(sys.stdin.read())
known = {n: step for n, k, step, arrives in request["known"]}
unreadable = dict(request["unreadable"])
step = dict(line=1, cell=None, source="a", read_as="a = b", verdict="unknown", method="", counterexample=None,
            suggestion=None)
tell = lambda **message: print(json.dumps(message), flush=True)
for n in range(3):
    tell(place=[n, 0], step=None)
    if n == 0 and n not in known:
        tell(place=[n, 0], step=step)
        HANG
    if n == 1 and n not in unreadable:
        HANG
    found = known.get(n) or {**step, "verdict": "unread" if n in unreadable else "proven"}
    tell(place=[n, 0], step={**found, "method": found["method"] or unreadable.get(n, "")}, arrives=False)
tell(done=True)
"""


@pytest.mark.parametrize(
    ("hang", "reason"),
    [("time.sleep(60)", "took longer than 0.2 s"), ("sys.exit(1)", "the process that worked on it ended")],
)
def test_a_step_that_hangs_or_ends_the_process_is_unknown_and_the_rest_goes_on(monkeypatch, hang, reason):
    code = CHILD.replace("HANG", hang)
    monkeypatch.setattr(run, "python_command", lambda module: [sys.executable, "-c", code])
    monkeypatch.setattr(run, "_GRACE", 0.5)
    steps = list(run.prove(text="$$a$$ $$b$$ $$c$$", time_limit=0.2))
    assert [step.verdict for step in steps] == ["unknown", "unread", "proven"]
    assert all(step.method.startswith(reason) for step in steps[:2])


def test_a_fault_of_ours_is_reported_as_ours(monkeypatch):
    code = "import json; print(json.dumps({'place': [0, 0], 'step': None})); print(json.dumps({'fault': 'oh'}))"
    monkeypatch.setattr(run, "python_command", lambda module: [sys.executable, "-c", code])
    with pytest.raises(RuntimeError, match="oh"):
        run.prove(text="$$a = a$$")
    monkeypatch.setattr(run, "python_command", lambda module: [sys.executable, "-c", "1/0"])
    with pytest.raises(RuntimeError, match=r"did not start[\s\S]*ZeroDivisionError"):
        run.prove(text="$$a = a$$")


x, y = sp.symbols("x y", real=True)
NAMES = {"x": x, "y": y}
LEAVES = st.sampled_from([x, y, sp.Integer(2), sp.Integer(3), sp.Rational(1, 2)])
EXPRESSIONS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.builds(lambda a, b: a + b, inner, inner),
        st.builds(lambda a, b: a * b, inner, inner),
        st.builds(lambda a: -a, inner),
        st.builds(sp.exp, inner),
        st.builds(lambda a: 1 / (1 + sp.exp(-a)), inner),
        st.builds(sp.sin, inner),
        st.builds(lambda a: a**2, inner),
    ),
    max_leaves=5,
)
PROPERTY = settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])


@PROPERTY
@given(EXPRESSIONS)
def test_a_true_derivative_is_never_refuted(expression):
    slope = sp.latex(sp.diff(expression, x))
    text = rf"$$ f(x, y) = {sp.latex(expression)} $$ $$ \frac{{\partial f}}{{\partial x}} = {slope} $$"
    assert verdicts(text)[-1].verdict in ("proven", "agrees"), text


def slips(expression):
    """The expression with one thing changed: a sign, a factor or an exponent."""
    for part in sp.preorder_traversal(expression):
        if part.is_Add:
            for term in part.args:
                yield expression.xreplace({part: part - 2 * term})
        elif part.is_Mul and not part.is_number:
            yield expression.xreplace({part: 2 * part})
        elif part.is_Pow and part.exp.is_Integer:
            yield expression.xreplace({part: part.base ** (part.exp + 1)})


@PROPERTY
@given(EXPRESSIONS, st.randoms(use_true_random=False))
def test_a_slip_is_found(expression, chance: random.Random):
    wrong = list(slips(expression))
    if not wrong:
        return
    changed = chance.choice(wrong)
    difference = (expression - changed).subs({x: sp.Rational(1, 3), y: sp.Rational(2, 7)})
    if sp.N(difference, 30, chop=True) == 0:
        return
    step = verdicts(f"$$ {sp.latex(expression)} = {sp.latex(changed)} $$")[-1]
    assert step.verdict == "refuted", f"{expression} = {changed}"
    point = {NAMES[name]: sp.Rational(value) for name, value in step.counterexample.point.items()}
    assert sp.N((expression - changed).subs(point), 30) != 0


@pytest.mark.parametrize(
    ("latex", "sources"),
    [
        ("\\begin{align*}\na &= a \\\\[4pt]\n&= a + 0, \n\\end{align*}", ["a = a", "= a + 0"]),
        (
            "f(x) = \\begin{cases} x & x > 0 \\\\ 0 & \\text{otherwise} \\end{cases}",
            ["f(x) = \\begin{cases} x & x > 0 \\\\ 0 & \\text{otherwise} \\end{cases}"],
        ),
        ("\\begin{align} a &= b \\quad \\\\ \\text{II: } c &= d % so\n\\end{align}", ["a = b", "c = d"]),
    ],
)
def test_a_step_shows_its_own_latex(latex, sources):
    assert [step.source for step in verdicts(f"$$ {latex} $$")] == sources


def test_sentences_say_what_names_stand_for():
    said = "Let $f(u) = e^u$ and $u = 2x + 3$.\n"
    shown = r"$$ \frac{du}{dx} = 2 $$ $$ \frac{df}{dx} = 2 e^{2x + 3} $$"
    assert [step.verdict for step in verdicts(said + shown)] == ["proven", "proven"]
    assert [step.verdict for step in verdicts(said + shown.replace("= 2 e", "= 3 e"))] == ["proven", "refuted"]
    # What a formula defines, no sentence does: here the text says first what is to be shown.
    asked = "Show that $y = e^x + 1$ for\n$$ y = e^x $$ $$ y = e^x + 1 $$"
    assert [step.verdict for step in verdicts(asked)] == ["proven", "refuted"]


def shown(*lines):
    """A text with each line as a formula of its own."""
    return "# One\n" + "\n\n".join(f"$$ {line} $$" for line in lines)


PARABOLA = (r"f(x) = (x - a)^2 + b x^2", r"f'(x) = 2(x - a) + 2bx \overset{!}{=} 0")
BERNOULLI = (
    r"\ell(p) = S \ln p + (n - S) \ln(1 - p)",
    r"\ell'(p) = \frac{S}{p} - \frac{n-S}{1-p}",
    r"\frac{S}{p} = \frac{n-S}{1-p}",
    r"S(1-p) = p(n-S)",
)
LINES = (r"\begin{cases} x + y = 5 \\ x - y = 1 \end{cases}", "2x = 6")
CIRCLE = (r"x^2 + y^2 = 25", r"2x + 2y\frac{dy}{dx} = 0")


@pytest.mark.parametrize(
    ("lines", "right", "wrong"),
    [
        (PARABOLA, r"x = \frac{a}{1 + b}", r"x = \frac{a}{1 - b}"),
        (PARABOLA, r"x^* = \frac{a}{1 + b}", r"x^* = \frac{a}{b}"),
        ((PARABOLA[0], r"f'(x) = 2(x - a) + 2bx = 0"), r"\hat x = \frac{a}{1 + b}", r"\hat x = a"),
        ((*PARABOLA, r"x = \frac{a}{1 + b}"), r"f''(x) = 2 + 2b", r"f''(x) = 2b"),
        (BERNOULLI, r"\hat p = \frac{S}{n}", r"\hat p = \frac{n}{S}"),
        (("2x + 3 = 7", "2x = 4"), "x = 2", "x = 3"),
        (("2x + 3 = x + 7",), "x = 4", "x = 3"),
        (("x^2 - 5x + 6 = 0", "x_1 = 2"), "x_2 = 3", "x_2 = 4"),
        ((*LINES, "x = 3"), "y = 2", "y = 3"),
        (CIRCLE, r"\frac{dy}{dx} = -\frac{x}{y}", r"\frac{dy}{dx} = \frac{x}{y}"),
    ],
)
def test_what_follows_from_an_equation_to_be_solved(lines, right, wrong):
    assert all(step.verdict == "proven" for step in verdicts(shown(*lines, right)))
    *before, last = verdicts(shown(*lines, wrong))
    assert all(step.verdict == "proven" for step in before)
    assert last.verdict == "refuted"


@pytest.mark.parametrize(
    "lines",
    [
        ("(a + b)^2 = a^2 + b^2", "a = 1"),
        ("e^{x+y} = e^x + e^y", "x = 0"),
        (r"\sin^2 x + \cos^2 x = 2", "x = 1"),
        ("2x + 3 = 7",),  # nobody solves it
        ("f(x) = x^2", "f(x) = 4", "x = 2"),  # of f a claim
        (*PARABOLA, "f''(x) = 2x", "x = 1"),  # of every x
    ],
)
def test_an_equation_that_nothing_solves_is_a_claim(lines):
    steps = verdicts(shown(*lines))
    assert "refuted" in [step.verdict for step in (steps if len(lines) < 3 else steps[:-1])]


def test_a_new_letter_with_an_accent_at_the_end_of_a_chain_is_a_name():
    steps = verdicts(shown(r"y = 2x + 1 = \bar u", r"\frac{d\bar u}{dx} = 2", r"\frac{d\bar u}{dx} = 3"))
    assert [step.verdict for step in steps] == ["proven", "proven", "proven", "refuted"]


SOFTMAX = r"$$ s_i = \frac{e^{z_i}}{\sum_{k=1}^K e^{z_k}} $$" + "\n"
ON, OFF = (rf"$$ \frac{{\partial s_i}}{{\partial z_j}} = {right} $$" + "\n" for right in ("s_i(1 - s_i)", "-s_i s_j"))


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("For $i = j$:\n", "For $i \\neq j$:\n"),
        ("If $i = j$, then\n", "Otherwise\n"),
        ("# Case 1: $i = j$\n", "# Case 2: $i \\ne j$\n"),
        ("**Diagonal** ($i = j$):\n", "**Off-diagonal** ($i \\neq j$):\n"),
        ("Für $i = j$ gilt\n", "Sonst\n"),
    ],
)
def test_a_condition_in_words_holds_up_to_the_next(first, second):
    title = "" if first.startswith("#") else "# Softmax\n"
    text = title + SOFTMAX + first + ON + second + OFF
    assert [step.verdict for step in verdicts(text)] == ["proven"] * 3
    assert [step.verdict for step in verdicts(title + SOFTMAX + first + OFF + second + ON)][1:] == ["refuted"] * 2
    turned = title + SOFTMAX + second.replace("Otherwise", "If $i \\neq j$").replace("Sonst", "Für $i \\neq j$:") + OFF
    assert verdicts(turned + first + ON)[-1].method.endswith("for i = j")
    assert {step.verdict for step in verdicts(turned + first + ON)} == {"proven"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("For $x > 0$ we have $$ |x| = x $$ and for $x < 0$ $$ |x| = -x $$", "pp"),
        ("For $-3 < x < 3$: $$ |x - 3| = 3 - x $$", "p"),
        ("For $\\alpha + \\beta = 1$: $$ \\alpha^2 - \\beta^2 = \\alpha - \\beta $$", "p"),
        ("$$ |x| = x $$ for $x > 0$.", "p"),
        ("Show that $x > 0$: $$ |x| = x $$", "r"),
        ("$$ z = w x $$ With $w = 2$ and $x = 3$: $$ z = 6 $$ In general $$ z = 6 $$", "ppr"),
        ("$$ y = e^{2x} $$ At $x = 0$ the slope is $$ y' = 2 $$", "pp"),
        ("For $x \\ge 0$: $$ f(x) = x $$ For $x < 0$: $$ f(x) = -x $$ In general $$ f(x) = |x| $$", "ppp"),
        ("Let $x > 0$. $$ |x| = x $$ For $y > 0$: $$ |x y| = x y $$", "pp"),
        ("$$ f(x) = |x| $$ If $x > 0$: $$ f'(x) = 1 $$ Overall $$ f'(x) = 1 $$", "ppr"),
    ],
)
def test_for_what_a_sentence_says_that_a_formula_holds(text, expected):
    assert "".join(step.verdict[0] for step in verdicts(text)) == expected


def test_formulas_of_a_heading_are_heard():
    assert [step.verdict for step in verdicts("## Derivative of $f(x) = x^2$\n$$ f'(x) = 2x $$")] == ["proven"]
    assert [step.verdict for step in verdicts("## Derivative of $f(x) = x^2$\n$$ f'(x) = 3x $$")] == ["refuted"]


def test_what_stands_before_equal_headings_is_meant_under_each():
    given, parts = "$$ g(x) = x^2 $$\n", "# One\n$$ g'(x) = {} $$\n# Two\n$$ g'(3) = {} $$ $$ y = 1 + {} $$"
    assert [step.verdict for step in verdicts(given + parts.format("2x", "6", "x"))] == ["proven"] * 4
    assert [step.verdict for step in verdicts(given + parts.format("x", "5", "x"))][1:3] == ["refuted"] * 2
    assert [step.verdict for step in verdicts("# One\n$$ y = x $$\n# Two\n$$ y = 2x $$ $$ y' = 2 $$")] == ["proven"] * 3


OSCILLATION = (r"x(t) = A\cos(\omega t)", r"\dot{x}(t) = -A\omega\sin(\omega t)")
DECAY = (r"\eta_t = \eta_0 e^{-kt}",)
NET = (r"net = w x + b", r"out = \frac{1}{1+e^{-net}}")


@pytest.mark.parametrize(
    ("lines", "right", "wrong"),
    [
        (OSCILLATION, r"\ddot{x}(t) = -\omega^2 x(t)", r"\ddot{x}(t) = \omega^2 x(t)"),
        (("v = 3 t^2",), r"\dot v = 6t", r"\dot v = 3t"),
        (DECAY, r"\frac{\eta_{t+1}}{\eta_t} = e^{-k}", r"\frac{\eta_{t+1}}{\eta_t} = e^{k}"),
        (("KL = e^{2a}",), r"\frac{dKL}{da} = 2 e^{2a}", r"\frac{dKL}{da} = e^{2a}"),
        (("PP = e^{H}",), r"\log PP = H", r"\log PP = 2H"),
        ((r"FL(p) = -(1-p)^2 \ln p",), r"FL(1) = 0", r"FL(1) = 1"),
        (NET, r"\frac{\partial out}{\partial w} = out(1-out) x", r"\frac{\partial out}{\partial w} = out(1+out) x"),
        (("f(x) = x^2",), r"D_x (x^2 + 3x) = 2x + 3", r"D_x (x^2 + 3x) = 2x"),
        ((), r"2x + 3 = 7 \quad | -3 \\ 2x = 4 \quad \mid :2 \\ x = 2", r"2x + 3 = 7 & | -3 \\ 2x = 4 & | :2 \\ x = 3"),
        (("a = 2",), r"a^2 &= 4 && | \cdot |b|", r"a^2 &= 5 && | \cdot |b|"),
    ],
)
def test_notation_of_every_day(lines, right, wrong):
    assert [step.verdict for step in verdicts(shown(*lines, right))] != []
    assert all(step.verdict == "proven" for step in verdicts(shown(*lines, right)))
    *before, last = verdicts(shown(*lines, wrong))
    assert all(step.verdict == "proven" for step in before)
    assert last.verdict == "refuted"


@pytest.mark.parametrize(
    ("line", "verdict"),
    [("ab = ba", "proven"), ("ab = a + b", "refuted"), ("|a| = |-a|", "proven"), ("|a| = a", "refuted")],
)
def test_letters_side_by_side_and_bars_are_what_they_were(line, verdict):
    (step,) = verdicts(shown(line))
    assert step.verdict == verdict


def test_a_name_of_several_letters_is_known_below():
    text = shown("MSE = (a - b)^2") + "\n## Slope\n" + r"$$ \frac{\partial MSE}{\partial a} = 2(a - b) $$"
    assert [step.verdict for step in verdicts(text)] == ["proven", "proven"]


def test_that_targets_sum_to_one_is_said_where_it_is_taken_for_granted():
    softmax = r"p_i = \frac{e^{z_i}}{\sum_{j=1}^K e^{z_j}}"
    by_p, by_z = r"\frac{\partial L}{\partial p_i} = -\frac{y_i}{p_i}", r"\frac{\partial L}{\partial z_i} = p_i - y_i"
    *_, first, second = verdicts(shown(softmax, r"L = -\sum_{i=1}^K y_i \log p_i", by_p, by_z))
    assert (first.verdict, second.verdict) == ("proven", "proven")
    assert "as given" not in first.method
    assert second.method.endswith("taking sum(y) = 1 as given")


def test_a_dot_over_what_does_not_depend_on_time_is_refused():
    *_, step = verdicts(shown("x = 3a", r"\dot x = 2"))
    assert (step.verdict, step.method) == ("unread", r"\dot x is a derivative by t, and x does not depend on t")


@pytest.mark.parametrize(
    ("function", "line", "verdict"),
    [
        ("|x|", "f'(0) = 0", "unread"),
        (r"\max(0, x)", r"f'(0) = \frac12", "unread"),
        (r"\max(0, x)", r"\left.\frac{df}{dx}\right|_{x=0} = \frac12", "unread"),
        (r"\max(0, x)", "f'(1) = 1", "proven"),
        (r"\max(0, x)^2", "f'(0) = 0", "proven"),
        (r"\max(0, x)^2", "f'(0) = 1", "refuted"),
        ("|x|", "f(0) = 0", "proven"),
    ],
)
def test_at_a_kink_there_is_no_derivative(function, line, verdict):
    step = verdicts(f"$$ f(x) = {function} $$ $$ {line} $$")[-1]
    assert step.verdict == verdict
    assert verdict != "unread" or "kink" in step.method


@pytest.mark.parametrize(
    "text",
    [
        r"$$ L(w) = \max(0, 1 - ywx) $$ $$ L'(w) = -yx $$",
        SOFTMAX + OFF,
        r"For $a + b = 2$: $$ a^2 + 2ab + b^2 = 1 + c^2 $$",
    ],
)
def test_a_suggestion_is_written_as_formulas_are_and_simpler_than_they(text):
    suggestion = verdicts(text)[-1].suggestion or ""
    assert not any(word in suggestion for word in ("Heaviside", "KroneckerDelta", "Sum(", "the term -", "the term 1 -"))


@pytest.mark.parametrize("mark", ["**(b)**\n", "b) Now\n", "(ii)\n", "Example 2.\n", "\n---\n\n", "**Aufgabe 2**\n"])
def test_a_part_of_an_exercise_may_define_its_function_anew(mark):
    text = f"$$ f(x) = x^2 $$ $$ f'(x) = 2x $$\n\n{mark}$$ f(x) = x^3 $$ $$ f'(x) = %s $$"
    assert [step.verdict for step in verdicts(text % "3x^2")] == ["proven"] * 4
    assert [step.verdict for step in verdicts(text % "2x")][2:] == ["proven", "refuted"]


def test_a_function_that_is_let_be_another_is_another():
    text = "Let $f(x) = x^2$.\n$$ f'(x) = 2x $$\nLet $f(x) = x^3$.\n$$ f'(x) = 3x^2 $$ $$ f'(x) = 2x $$"
    assert [step.verdict for step in verdicts(text)] == ["proven", "proven", "refuted"]


def test_what_may_be_another_function_or_a_slip_is_refuted_with_a_hint():
    for between in ("and", "(b) Simplify:", "2. so we have"):
        step = verdicts(f"$$ f(x) = x^2 + x $$\n{between}\n$$ f(x) = x (x + 2) $$")[-1]
        assert step.verdict == "refuted"
    assert step.method.endswith("f was defined on line 1; put a heading between if this is another f")
