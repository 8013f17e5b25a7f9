"""Formulas and derivations: in a terminal, as LaTeX, Markdown and JSON, as a page and as a card."""

import io
import json
import re

import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from torchstone.derive.derivation import Chain, Derivation, Step
from torchstone.judge.verdict import Counterexample, Verdict
from torchstone.report import derivation as report
from torchstone.report.formulas import latex, unicode
from torchstone.report.mathml import mathml

x, y, u, t, b = sp.symbols("x y u t b", real=True)
w1, x1, w2, x2 = sp.symbols("w_1 x_1 w_2 x_2", real=True)
i, j, k = sp.symbols("i j k", integer=True)
K = sp.Symbol("K", integer=True, positive=True)
z = sp.IndexedBase("z")
sigma, f, g, E = map(sp.Function, ("sigma", "f", "g", "E"))
SIGMOID = 1 / (1 + sp.exp(-x))
TOTAL = sp.Sum(sp.exp(z[j]), (j, 1, K))


def mul(*factors):
    return sp.Mul(*factors, evaluate=False)


def d(expression, *variables):
    return sp.Derivative(expression, *variables, evaluate=False)


FORMULAS = [
    (SIGMOID, r"\frac{1}{1 + e^{-x}}", "1/(1 + e⁻ˣ)"),
    (sp.exp(-x) / (1 + sp.exp(-x)) ** 2, r"\frac{e^{-x}}{(1 + e^{-x})^2}", "e⁻ˣ/(1 + e⁻ˣ)²"),
    (d(sigma(x), x), r"\frac{d}{dx} \, \sigma(x)", "d/dx σ(x)"),
    (d(x**2 + 1, x), r"\frac{d}{dx} \, (x^2 + 1)", "d/dx (x² + 1)"),
    (d(x**2, x, x), r"\frac{d^2}{dx^2} \, x^2", "d²/dx² x²"),
    (d(x * y, x), r"\frac{\partial}{\partial x} \, (x y)", "∂/∂x (x·y)"),
    (d(y, x), r"\frac{dy}{dx}", "dy/dx"),
    (d(sp.Symbol("L"), z[i]), r"\frac{\partial L}{\partial z_i}", "∂L/∂zᵢ"),
    (mul(d(x**2, x), y), r"\left(\frac{d}{dx} \, x^2\right) y", "(d/dx x²)·y"),
    (sp.Subs(d(f(u), u), u, g(x)), "f'(g(x))", "f'(g(x))"),
    (sp.diff(f(g(x)), x), r"f'(g(x)) \cdot \frac{d}{dx} \, g(x)", "f'(g(x))·d/dx g(x)"),
    (sp.Subs(d(x * y, x), x, 0), None, "(∂/∂x (x·y)) at x = 0"),
    (y * (1 - y), r"y \cdot (1 - y)", "y·(1 - y)"),
    (1 - sp.tanh(x) ** 2, r"1 - \tanh^2(x)", "1 - tanh²(x)"),
    (x**2 - 2 * x + 1, "x^2 - 2 x + 1", "x² - 2x + 1"),
    (1 - x, "1 - x", "1 - x"),
    (w1 * x1 + w2 * x2 + b, "w_1 x_1 + w_2 x_2 + b", "w₁·x₁ + w₂·x₂ + b"),
    (2 * sp.exp(2 * x + 3), "2 e^{2 x + 3}", "2e²ˣ⁺³"),
    (sp.log(y / (1 - y)), r"\log\left(\frac{y}{1 - y}\right)", "log(y/(1 - y))"),
    ((1 - t) * sp.log(1 - y), r"(1 - t) \log(1 - y)", "(1 - t)·log(1 - y)"),
    (mul(2, x + 1), "2 (x + 1)", "2(x + 1)"),
    (mul(-1, x + 1), "-(x + 1)", "-(x + 1)"),
    (mul(1, x), r"1 \cdot x", "1·x"),
    (sp.Add(x, 1, evaluate=False), "x + 1", "x + 1"),
    (mul(1 / y, mul(x, 1 / y)), r"\frac{1}{y} \cdot \frac{x}{y}", "(1/y)·(x/y)"),
    (mul(mul(x, sp.exp(-x)), 1 / mul(y, x)), r"\frac{x e^{-x}}{x y}", "x·e⁻ˣ/(x·y)"),
    (-x / 2, r"-\frac{x}{2}", "-x/2"),
    (x / (2 * y), r"\frac{x}{2 y}", "x/(2y)"),
    (sp.Rational(-3, 4), r"-\frac{3}{4}", "-3/4"),
    (sp.Float("0.50") * x, "0.5 x", "0.5x"),
    (sp.Float(100.0), "100", "100"),
    ((-x) ** 2 * y ** sp.Rational(2, 3), r"x^2 y^{\frac{2}{3}}", "x²·y^(2/3)"),
    (x ** -sp.Rational(1, 2), r"\frac{1}{\sqrt{x}}", "1/√x"),
    (sp.exp(-(x**2) / 2), r"e^{-\frac{x^2}{2}}", "e^(-x²/2)"),
    (sp.exp(z[i]) / TOTAL, r"\frac{e^{z_i}}{\sum_{j=1}^K e^{z_j}}", "e^zᵢ/(∑ⱼ₌₁ᴷ e^zⱼ)"),
    (sp.Sum(z[j], (j, 0, K - 1)) / K, r"\frac{1}{K} \sum_{j=0}^{K - 1} z_j", "(1/K)·∑ⱼ₌₀ᴷ⁻¹ zⱼ"),
    (sp.KroneckerDelta(i, k), r"\delta_{ik}", "δᵢₖ"),
    (sp.Symbol("m_hat_t"), r"\hat{m}_t", "m̂ₜ"),
    (sp.Symbol("y_hat"), r"\hat{y}", "ŷ"),
    (1 - sp.Symbol("beta_1") ** t, r"1 - \beta_1^t", "1 - β₁ᵗ"),
    (sp.Symbol("σ") + sp.Symbol("α_1"), r"\alpha_1 + \sigma", "α₁ + σ"),
    (sp.Symbol("lr") * x, r"\text{lr} x", "lr·x"),
    (sp.Function("softmax")(x), r"\operatorname{softmax}(x)", "softmax(x)"),
    (sp.IndexedBase("softmax(z)")[1], r"\operatorname{softmax}(\mathbf{z})_1", "softmax(z)₁"),
    (sp.Symbol("w1") * sp.Symbol("x12"), "w_1 x_{12}", "w₁·x₁₂"),
    (E(x), r"\mathbb{E}[x]", "E[x]"),
    (sp.Abs(x), "|x|", "|x|"),
    (sp.Max(0, x), r"\max(0, x)", "max(0, x)"),
    (
        sp.Piecewise((x, x > 0), (0, True)),
        r"\begin{cases} x & x > 0 \\ 0 & \text{otherwise} \end{cases}",
        "{x if x > 0; 0 otherwise}",
    ),
    (sp.Eq(sigma(x), SIGMOID), r"\sigma(x) = \frac{1}{1 + e^{-x}}", "σ(x) = 1/(1 + e⁻ˣ)"),
    (sp.Contains(y, sp.Interval.open(0, 1)), r"y \in (0, 1)", "y ∈ (0, 1)"),
    (sp.Limit(f(x), x, 0, "-"), r"\lim_{x \to 0^-} f(x)", "lim[x→0⁻] f(x)"),
    (sp.Limit(f(x), x, 0, "+-"), r"\lim_{x \to 0} f(x)", "lim[x→0] f(x)"),
    (
        sp.Contains(x, sp.Union(sp.Interval.open(-1, 0), sp.S.Naturals)),
        r"x \in (-1, 0) \cup \mathbb{N}",
        "x ∈ (-1, 0) ∪ ℕ",
    ),
    (sp.Integral(f(x), (x, 0, 1)), r"\int_0^1 f(x) dx", "∫₀¹ f(x) dx"),
    (sp.Product(z[i], (i, 1, K)), r"\prod_{i=1}^K z_i", "∏ᵢ₌₁ᴷ zᵢ"),
    (sp.And(x > 0, y < 1), r"x > 0 \text{ and } y < 1", "x > 0 and y < 1"),
    (sp.Contains(y, sp.Interval(0, sp.oo)), r"y \in [0, \infty)", "y ∈ [0, ∞)"),
]


@pytest.mark.parametrize(("expression", "source", "line"), FORMULAS, ids=lambda value: str(value)[:40])
def test_formulas_are_written_as_in_a_textbook(expression, source, line):
    if source is not None:
        assert latex(expression) == source
    assert unicode(expression) == line
    assert mathml(latex(expression)).startswith("<math")


LEAVES = st.sampled_from([x, y, sp.Integer(2), sp.Integer(-3), sp.Rational(1, 2), sp.Rational(-5, 3)])


def grown(parts):
    pairs = st.tuples(parts, parts)
    joined = pairs.flatmap(lambda p: st.sampled_from([sp.Add(*p), sp.Mul(*p), mul(*p), sp.Add(*p, evaluate=False)]))
    return joined | parts.map(sp.exp) | parts.map(lambda e: sp.Pow(e, -2)) | parts.map(sp.erf)


@settings(max_examples=150, deadline=None)
@given(st.recursive(LEAVES, grown, max_leaves=8).filter(lambda e: not e.has(sp.zoo, sp.nan, sp.E)))
def test_a_line_says_what_the_expression_is(expression):
    """Read back by Python's own rules, with the signs put back."""
    line = re.sub("[⁻⁺]?[⁰¹²³⁴-⁹ˣʸ⁺⁻]+", lambda m: f"**({plain(m[0])})", unicode(expression))
    line = re.sub(r"(?<=\d)(?=[xye(])", "*", line).replace("·", "*").replace("^", "**")
    names = {"x": x, "y": y, "e": sp.E, "exp": sp.exp, "erf": sp.erf}
    read = eval(re.sub(r"\b(\d+)\b", r"Integer(\1)", line), {"Integer": sp.Integer, **names})
    point = {x: sp.Rational(3, 7), y: sp.Rational(-2, 5)}
    values = [sp.N(each.subs(point), 30) for each in (read, expression)]
    assert values[0] == values[1] or abs(values[0] - values[1]) <= abs(values[1]) * sp.Float("1e-20"), line


def plain(small):
    return small.translate(str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ˣʸ", "0123456789+-xy"))


@pytest.mark.parametrize(
    "source",
    [
        r"\text{<script>alert(1)</script>}",
        r"\href{javascript:alert(1)}{x}",
        r"\style{background:url(x)}{x}",
        r"\class{x}{y}",
        r"\frac",
        "{",
        r"\unheard{x}",
        "x" * 5000,
        "{" * 3000,
        "\x00",
        "",
    ],
)
def test_what_is_no_plain_formula_stays_source(source):
    found = mathml(source)
    assert found is None or re.fullmatch(r'<math display="block">(<(mrow|/mrow|mi|/mi)>)*</math>', found)


# Derivations

PROVEN = Verdict("proven", "the same normal form")
HOSTILE = "<b>[bold]x[/bold]</b>\x1b[31m & \\end{align*} $`"


def derivation(*chains, **more):
    return Derivation("sigmoid-derivative", "The derivative of the sigmoid", chains, **more)


GOOD = derivation(
    Chain(
        "The derivative",
        d(sigma(x), x),
        (
            Step(d(SIGMOID, x), "definition", "", PROVEN),
            Step(sp.exp(-x) / (1 + sp.exp(-x)) ** 2, "chain", "outer 1/u, inner u = 1 + exp(-x)", PROVEN),
        ),
    ),
    Chain(
        "In y", None, (Step(sp.Eq(y, SIGMOID), "given"), Step(sp.Eq(sp.exp(-x), 1 / y - 1), "solve for", "", PROVEN))
    ),
    given=(sp.Eq(sigma(x), SIGMOID),),
    domains=((y, sp.Interval.open(0, 1)),),
    references=("A book, equation 4.88",),
)
WRONG = derivation(
    Chain(
        "",
        x,
        (
            Step(2 * x, "algebra", "doubled", Verdict("refuted", "exact", Counterexample({"x": "1"}, "1", "2"))),
            Step(x + x**2, "algebra", "", Verdict("agrees", "at 20 points")),
            Step(sp.Eq(x, y), "substitution", "", Verdict("unknown", "took longer than 4 s")),
        ),
    )
)
HOSTILE_ONE = Derivation(
    HOSTILE,
    HOSTILE,
    (Chain(HOSTILE, x, (Step(x + 1, HOSTILE, HOSTILE, Verdict("unknown", HOSTILE)),)),),
    references=(HOSTILE,),
)
EVERY = pytest.mark.parametrize(
    "found", [GOOD, WRONG, HOSTILE_ONE, derivation()], ids=["good", "wrong", "hostile", "empty"]
)


def shown(found, width, color=None):
    stream = io.StringIO()
    report.render(found, Console(file=stream, width=width, force_terminal=bool(color), color_system=color))
    return stream.getvalue()


def test_text_reads_from_top_to_bottom():
    assert report.text(GOOD).splitlines() == [
        "The derivative of the sigmoid",
        "",
        "given  y ∈ (0, 1)",
        "       σ(x) = 1/(1 + e⁻ˣ)",
        "",
        "The derivative",
        "  d/dx σ(x)",
        "    = d/dx (1/(1 + e⁻ˣ))   ✓ definition",
        "    = e⁻ˣ/(1 + e⁻ˣ)²       ✓ chain: outer 1/u, inner u = 1 + exp(-x)",
        "",
        "In y",
        "  y = 1/(1 + e⁻ˣ)   given",
        "  e⁻ˣ = 1/y - 1     ✓ solve for",
        "",
        "A book, equation 4.88",
        "",
        "Proven at every step.",
    ]


def test_text_says_what_is_not_proven():
    text = report.text(WRONG)
    assert "= 2x       ✗ algebra: doubled; refuted: exact; at x = 1: left 1, right 2" in text
    assert "~ algebra; agrees: at 20 points" in text
    assert "? substitution; unknown: took longer than 4 s" in text
    assert text.splitlines()[-1] == "3 of 3 steps are not proven: 1 agrees, 1 unknown, 1 refuted."
    assert report.text(derivation()).splitlines()[-1] == "There is nothing to prove."


@EVERY
@pytest.mark.parametrize("width", [40, 80, 120])
def test_no_line_is_too_long_and_nothing_is_lost(found, width):
    text = shown(found, width)
    assert max(map(len, text.splitlines())) <= width
    for step in found.steps:
        assert step.rule.split()[0].replace("\x1b", "�") in text


@EVERY
def test_nothing_steers_the_terminal(found):
    assert "\x1b" not in report.text(found)
    codes = re.findall(r"\x1b[^m]*m?", shown(found, 100, "standard"))
    assert all(re.fullmatch(r"\x1b\[[0-9;]*m", code) for code in codes)
    assert found is not HOSTILE_ONE or "\x1b[31m &" not in shown(found, 100, "standard")


def test_markup_is_shown_as_it_is():
    assert "<b>[bold]x[/bold]</b>�[31m" in report.text(HOSTILE_ONE)


def test_latex_has_an_align_for_each_chain():
    text = report.latex(GOOD)
    assert text.count(r"\begin{align*}") == text.count(r"\end{align*}") == 2
    assert r"\frac{d}{dx} \, \sigma(x) &= \frac{d}{dx} \, \frac{1}{1 + e^{-x}} && \text{definition} \\" in text
    assert r"&= \frac{e^{-x}}{(1 + e^{-x})^2} && \text{chain: outer 1/u, inner u = 1 + exp(-x)}" in text
    assert r"y &= \frac{1}{1 + e^{-x}} && \text{given} \\" in text


def test_latex_needs_no_letters_that_a_compiler_has_not():
    step = Step(x, "definition", "of σ", PROVEN)
    assert r"\text{definition: of \(\sigma\)}" in report.latex(derivation(Chain("", sigma(x), (step,))))
    assert r"\text{definition: of σ}" in report.markdown(derivation(Chain("", sigma(x), (step,))))


@EVERY
def test_latex_stays_in_its_environments(found):
    for text in (report.latex(found), report.markdown(found)):
        bare = re.sub(r"\\[\\{}$&#%_]", "", re.sub(r"(?m)^%.*$", "", text))
        assert bare.count("{") == bare.count("}")
        assert bare.count(r"\begin{") == bare.count(r"\end{")
    bare = re.sub(r"(?m)^%.*$", "", report.latex(found))
    assert bare.count(r"\end{align*}") == len(found.chains)


def test_markdown_is_display_math_under_headings():
    text = report.markdown(GOOD)
    assert text.startswith("# The derivative of the sigmoid\n\nGiven:\n\n$$\ny \\in (0, 1)\n$$\n\n$$\n\\sigma(x) = ")
    assert re.findall("^## .*$", text, re.M) == ["## The derivative", "## In y"]
    assert text.count("$$") == 2 * (1 + 1 + 2)
    assert "Proven at every step." in text


def test_json_is_complete():
    found = json.loads(report.json(GOOD))
    assert set(found) >= {"schema", "name", "title", "given", "chains", "proven"}
    assert (found["schema"], found["name"], found["proven"]) == (1, "sigmoid-derivative", True)
    first, second = found["chains"]
    assert (first["heading"], first["left"]) == ("The derivative", "Derivative(sigma(x), x)")
    assert second["left"] is None
    assert first["steps"][1] == {
        "expression": "exp(-x)/(1 + exp(-x))**2",
        "latex": r"\frac{e^{-x}}{(1 + e^{-x})^2}",
        "rule": "chain",
        "because": "outer 1/u, inner u = 1 + exp(-x)",
        "verdict": "proven",
        "method": "the same normal form",
    }
    assert second["steps"][0]["verdict"] is None
    assert json.loads(report.json(WRONG))["proven"] is False


@EVERY
def test_the_page_needs_nothing_but_itself(document, found):
    text = report.html(found)
    page = document(text)
    assert page.tags().isdisjoint({"script", "link", "img", "iframe", "object", "base", "form", "b", "bold"})
    assert all(target.startswith("#") for target in page.values("href") + page.values("src"))
    assert not re.findall(r"https?://|@import", text)
    assert "\x1b" not in text
    assert [tag for tag, _ in page.elements].count("math") == len(
        [line for chain in found.chains for line in report.lines(chain)]
    ) + len(report.givens(found))
    assert found.title.replace("\x1b", "�") in "".join(page.text)


@EVERY
def test_the_card_brings_no_page_with_it(document, found):
    text = report.notebook(found)
    page = document(text)
    assert page.tags().isdisjoint({"html", "head", "body", "script", "a", "b"})
    assert page.elements[0] == ("div", {"class": "torchstone"})
    rules = re.search(r"<style>(.*?)</style>", text, re.S)[1].strip().splitlines()
    assert all(rule.startswith(".torchstone") for rule in rules)
    assert report.outcome(found) in "".join(page.text)
