"""What the lines of a derivation mean: read from LaTeX, as they stand under a heading."""

import contextlib

import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from torchstone.judge import judge
from torchstone.prove.meaning.scope import Scope
from torchstone.prove.parse import parse
from torchstone.prove.tree import LatexError

SOFTMAX = r"p_i = \frac{e^{z_i}}{\sum_{j=1}^K e^{z_j}}"
CROSS_ENTROPY = r"L = -\sum_{i=1}^K y_i \log p_i"


def read(*lines, scope=None):
    """The steps of lines under one heading."""
    scope = Scope() if scope is None else scope
    statements = [parse(line) for line in lines]
    scope.announce([statement for group in statements for statement in group])
    return [
        reading
        for number, group in enumerate(statements, 1)
        for statement in group
        for reading in scope.read(statement, number)
    ]


def last(*lines):
    return read(*lines)[-1]


def outcome(*lines):
    """The verdict on the last step."""
    return judge(last(*lines).claim).outcome


@pytest.mark.parametrize(
    ("lines", "kind", "shown"),
    [
        # Rows: calls and factors
        ([r"\log x = 1"], "claim", "log(x) = 1"),
        ([r"\sin 2x \cos x = 1"], "claim", "sin(2*x)*cos(x) = 1"),
        ([r"\sin^2 x = 1"], "claim", "sin(x)**2 = 1"),
        ([r"\sin^{-1} x = 1"], "claim", "sin^-1(x) = 1"),
        ([r"\sigma^{-1}(p) = 1"], "claim", "sigma^-1(p) = 1"),
        ([r"\log \sigma(x) = 1"], "claim", "log(sigma(x)) = 1"),
        ([r"\log \frac{a}{b} = 1"], "claim", "log(a/b) = 1"),
        ([r"\log(x) y = 1"], "claim", "log(x)*y = 1"),
        ([r"\log_2 8 = 3"], "claim", "log(8)/log(2) = 3"),
        ([r"y(1-y) = 1"], "claim", "y*(1 - y) = 1"),
        ([r"2(x + 1) = 1"], "claim", "2*(x + 1) = 1"),
        ([r"\sigma(x)(1-\sigma(x)) = 1"], "claim", "sigma(x)*(1 - sigma(x)) = 1"),
        ([r"\sigma' = \sigma(1-\sigma)"], "claim", "sigma'(x) = sigma(x)*(1 - sigma(x))"),
        ([r"f(a + b) = f(a)"], "claim", "f(a + b) = f(a)"),
        ([r"a(b + c) = ab + ac"], "claim", "a*(b + c) = a*b + a*c"),
        ([r"x_1 w_1 = 1"], "claim", "x_1*w_1 = 1"),
        ([r"|x| = \max(x, -x)"], "claim", "Abs(x) = Max(-x, x)"),
        ([r"\text{ReLU}(2x) = 1"], "claim", "ReLU(2*x) = 1"),
        ([r"1 = e^{x}"], "claim", "1 = exp(x)"),
        ([r"0.5x \cdot 2 = x"], "claim", "(1/2)*x*2 = x"),
        # Derivatives
        ([r"\frac{d}{dx} x^2 = 2x"], "claim", "d/dx (x**2) = 2*x"),
        ([r"\frac{d}{dx}(x) y = y"], "claim", "dx/dx*y = y"),
        ([r"\frac{d^2}{dx^2} e^x = e^x"], "claim", "d^2/dx^2 exp(x) = exp(x)"),
        ([r"y = x^2", r"\frac{dy}{dx} = 2x"], "claim", "dy/dx = 2*x"),
        ([r"y = x^2", r"dy/dx = 2x"], "claim", "dy/dx = 2*x"),
        ([r"y = x^2", r"y' = 2x"], "claim", "dy/dx = 2*x"),
        ([r"y = x^2", r"\partial_x y = 2x"], "claim", "dy/dx = 2*x"),
        ([r"f(x) = x^2", r"f''(x) = 2"], "claim", "f''(x) = 2"),
        ([r"f(x) = x^2", r"f'(3) = 6"], "claim", "f'(3) = 6"),
        ([r"f(x) = x^2", r"f'(x) = (x \cdot x)'"], "claim", "f'(x) = d/dx (x*x)"),
        ([r"f(x) = x^2", r"\left.f'(x)\right|_{x=3} = 6"], "claim", "f'(x) at x = 3 = 6"),
        ([r"\frac{du}{dx} = 2"], "definition", "definition: du/dx = 2"),
        # Vectors and sums
        ([r"\text{softmax}(\mathbf{z})_1 = 1"], "claim", "softmax(z)[1] = 1"),
        ([r"\text{softmax}(z)_i = 1", r"\text{softmax}(z_i) = 1"], "claim", "softmax(z)[i] = 1"),
        ([SOFTMAX], "definition", "definition: p[i] = exp(z[i])/sum(exp(z[j]), j = 1..K)"),
        ([r"\sum_i x_i = 3x_1"], "claim", "sum(x[i], i = 1..K) = 3*x[1]"),
        ([r"\sum_{j \ne i} x_j = x_i"], "claim", "sum(x[j]*(1 - KroneckerDelta(i, j)), j = 1..K) = x[i]"),
        ([r"a = 1 + q + \dots + q^n"], "definition", "definition: a = sum(q**k, k = 0..n)"),
        ([r"a = \mathbf{w}^\top \mathbf{x}"], "definition", "definition: a = sum(w[l]*x[l], l = 1..K)"),
        ([r"a = \mathbb{1}[x > 0]"], "definition", "definition: a = cases(1 if x > 0; 0 otherwise)"),
        ([r"\mathbf{z} = (x, 0)"], "definition", "definition: z = (x, 0)"),
        # Given, not claimed
        ([r"x > 0"], "given", "given: x > 0"),
        ([r"y \in (0, 1)"], "given", "given: y in (0, 1)"),
        ([r"\beta \in [0, 1)"], "given", "given: beta in [0, 1)"),
        ([r"0 < y < 1"], "given", "given: y < 1"),
        ([r"i \ne j"], "given", "given: i != j"),
        ([r"\sum_i y_i = 1"], "given", "given: sum(y[i], i = 1..K) = 1"),
        ([r"L(w) = (w - 3)^2", r"L'(w) = 0"], "claim", "L'(w) = 0"),  # no line below says what w is
        ([r"L(w) = (w - 3)^2", r"L'(w) \overset{!}{=} 0"], "given", "given: L'(w) = 0, to be solved for w"),
        # No relation, and a line that goes on
        ([r"x^2 + 1"], "expression", "x**2 + 1"),
        ([r"x^2 + x", r"= x(x + 1)"], "claim", "x**2 + x = x*(x + 1)"),
        ([r"\sigma(0) \approx 0.5"], "claim", "sigma(0) ~ 1/2, to 1 decimals"),
    ],
)
def test_how_a_line_is_read(lines, kind, shown):
    reading = last(*lines)
    assert (reading.kind, reading.read_as) == (kind, shown)


@pytest.mark.parametrize(
    ("lines", "kinds"),
    [
        ([r"y = \sigma(x)", r"x = \log\frac{y}{1-y}"], "dc"),
        ([r"y = x^2", r"y = x \cdot x"], "dc"),
        ([r"y = a = x^2"], "dc"),
        ([r"L = -\log p", r"p = \sigma(z)"], "dd"),
        ([r"\tanh(x) = \frac{\sinh x}{\cosh x}"], "c"),
        ([r"\sigma(x) = \frac{1}{1 + e^{-x}}", r"\sigma(x) = \frac{e^x}{e^x + 1}"], "dc"),
        ([r"\sigma(x) + 1 = 2", r"\sigma(x) = \frac{e^x}{e^x + 1}"], "cc"),
        ([r"\sigma(-x) = 1 - \sigma(x)"], "c"),
        ([r"K = 2", r"K = 3"], "dd"),
        ([r"y = x^2", r"y = 3"], "dc"),
        ([r"f(x) = x, \quad x > 0", r"f(x) = 0, \quad x \le 0", r"f(1) = 1"], "ddc"),
        ([r"m_t = \beta m_{t-1} + g_t", r"m_0 = 0", r"m_1 = g_1"], "ddc"),
        ([r"y = \sigma(x)", r"y \in (0, 1)"], "dcc"),
        ([r"f'(x) = 3x", r"y = f(x^2)"], "dd"),
        ([r"2x + 3 = u", r"u = 3 + 2x"], "dc"),
        ([r"\log\frac{p}{1-p} = wx + b", r"p = \sigma(wx + b)"], "dc"),
        ([r"y^2 = x", r"2y \frac{dy}{dx} = 1"], "dc"),
    ],
)
def test_what_defines_and_what_claims(lines, kinds):
    assert "".join(reading.kind[0] for reading in read(*lines)) == kinds


@pytest.mark.parametrize(
    ("lines", "true"),
    [
        ([r"y = \sigma(x)", r"\frac{dy}{dx} = y(1 - y)"], True),
        ([r"y = \sigma(x)", r"\frac{dy}{dx} = y(1 + y)"], False),
        ([r"y = \sigma(x)", r"\frac{dx}{dy} = \frac{1}{y(1 - y)}"], True),
        # Through definitions, to a symbol that is defined itself
        ([r"f(x) = \tanh(w_1x_1 + b)", r"u = w_1x_1 + b", r"\frac{df}{du} = 1 - f^2"], True),
        ([r"f(x) = \tanh(w_1x_1 + b)", r"u = w_1x_1 + b", r"\frac{df}{du} = 1 + f^2"], False),
        ([r"f(g) = \sin(g)", r"g(u) = u^2", r"u(x) = 3x - 5", r"\frac{df}{dx} = \cos(g) \cdot 2u \cdot 3"], True),
        ([r"f(g) = \sin(g)", r"g(u) = u^2", r"u(x) = 3x - 5", r"\frac{df}{dg} = \cos(u)"], False),
        # Of what is not defined
        ([r"\frac{dz}{dx} = \frac{dz}{dy} \cdot \frac{dy}{dx}"], True),
        ([r"\frac{du}{dx} = 2", r"y = u^3", r"\frac{dy}{dx} = 6u^2"], True),
        ([r"\frac{du}{dx} = 2", r"y = u^3", r"\frac{dy}{dx} = 3u^2"], False),
        ([r"\frac{d}{dx} f(g(x)) = f'(g(x)) g'(x)"], True),
        ([r"f = \frac{u}{v}", r"f' = \frac{u'v - uv'}{v^2}"], True),
        ([r"f = \frac{u}{v}", r"f' = \frac{u'v + uv'}{v^2}"], False),
        # Vectors
        ([SOFTMAX, r"\frac{\partial p_i}{\partial z_k} = p_i(\delta_{ik} - p_k)"], True),
        ([SOFTMAX, r"\frac{\partial p_i}{\partial z_j} = -p_i p_j, \quad i \ne j"], True),
        ([SOFTMAX, r"\frac{\partial p_i}{\partial z_k} = p_i(\delta_{ik} + p_k)"], False),
        ([SOFTMAX, CROSS_ENTROPY, r"\frac{\partial L}{\partial z_k} = p_k - y_k"], True),
        ([SOFTMAX, CROSS_ENTROPY, r"\frac{\partial L}{\partial z_k} = y_k - p_k"], False),
        ([r"\text{softmax}(\mathbf{z} + c)_i = \text{softmax}(\mathbf{z})_i"], True),
        ([r"\text{softmax}(2\mathbf{z})_i = \text{softmax}(\mathbf{z})_i"], False),
        ([r"\text{softmax}(z)_1 = \frac{1}{1 + e^{z_2 - z_1}}"], True),
        ([r"\text{softmax}(z)_1 = \frac{1}{1 + e^{z_1 - z_2}}"], False),
        ([r"y = \mathbf{w}^\top \mathbf{x}", r"\frac{\partial y}{\partial w_j} = x_j"], True),
        # Recurrences
        ([r"m_0 = 0", r"m_t = \beta m_{t-1} + g_t", r"m_2 = \beta g_1 + g_2"], True),
        ([r"m_0 = 0", r"m_t = \beta m_{t-1} + g_t", r"m_2 = g_1 + \beta g_2"], False),
        ([r"w_{t+1} = w_t - 2\eta w_t", r"w_t = (1 - 2\eta)^t w_0"], True),
        ([r"w_{t+1} = w_t - 2\eta w_t", r"w_t = (1 - \eta)^t w_0"], False),
        ([r"v_{t+1} = \mu v_t + g_t", r"w_{t+1} = w_t - v_{t+1}", r"w_{t+1} = w_t - \mu v_t - g_t"], True),
        ([r"S = \sum_{i=1}^n \sum_{j=1}^n x_i x_j", r"\frac{\partial S}{\partial x_k} = 2\sum_{i=1}^n x_i"], True),
        ([r"S = \sum_{i=1}^n \sum_{j=1}^n x_i x_j", r"\frac{\partial S}{\partial x_k} = \sum_{i=1}^n x_i"], False),
        # Definitions from either end
        ([r"\log\frac{p}{1-p} = wx + b", r"p = \sigma(wx + b)"], True),
        ([r"\log\frac{p}{1-p} = wx + b", r"p = \sigma(-wx - b)"], False),
        ([r"y^2 = x", r"2y \frac{dy}{dx} = 1"], True),
        # Conditions and kinks
        ([r"f(x) = |x|", r"f'(x) = \begin{cases} 1 & x \ge 0 \\ -1 & x < 0 \end{cases}"], True),
        ([r"\sqrt{x^2} = x, \quad x > 0"], True),
        ([r"\sqrt{x^2} = x"], False),
        ([r"L(c) = (c - a)^2", r"L'(c) = 0", r"c = a"], True),
        ([r"L(c) = (c - a)^2", r"L'(c) = 0", r"c = 2a"], False),
        ([r"f(x) = x^3", r"f^{-1}(y) = y^{1/5}"], False),
        ([r"f(x) = e^{2x}", r"f^{-1}(y) = \frac{1}{2}\ln y"], True),
        ([r"\lim_{h \to 0} \frac{(x + h)^2 - x^2}{h} = 2x"], True),
        ([r"\mathbb{E}[aX + b] = a\mathbb{E}[X] + b"], True),
        ([r"\sigma(1) \approx 0.7311"], True),
        ([r"\sigma(1) \approx 0.7411"], False),
    ],
)
def test_whether_a_step_is_so(lines, true):
    assert outcome(*lines) in (("proven", "agrees") if true else ("refuted",))


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([r"\log y (1-y) = 3"], "brackets"),
        ([r"\frac{d}{dx} 2 \cdot x^3 = 6x^2"], "how far does the derivative reach"),
        ([r"x = \frac{1}{0}"], "division by zero"),
        ([r"x = \frac{1}{2 - 2}"], "division by zero"),
        ([r"x = 10^{10^{10}}"], "too large"),
        ([r"x = 100000!"], "too large"),
        ([r"= x + 1"], "nothing stands before it"),
        ([r"y = uvx", r"f = y'"], "by what is this differentiated"),
        ([r"\text{foo}(2x) = 3"], "foo is not a function that is known here"),
        ([r"y = \int_0^1 x \, dx"], "an integral is not read"),
        ([r"y = \operatorname{Var}(X)"], "a variance is not read"),
        ([r"\nabla_\theta L = 0"], "a gradient vector is not read"),
        ([r"y = \mathbf{z} + 1"], "z is a vector here"),
        ([r"z_i = 3", r"z = 4"], "z is a vector on line 1, here it is a number"),
        ([r"f(x, y) = xy", r"f(3) = 3"], "f was defined with 2 arguments"),
        ([r"L = -\log p", r"\frac{dL}{dz} = p - 1"], "makes L depend on z"),
        ([r"f(x) \to 0"], "only =, <, > and the like"),
    ],
)
def test_what_is_refused(lines, message):
    with pytest.raises(LatexError, match=message):
        read(*lines)


def test_what_could_not_be_read_is_not_known_below():
    scope = Scope()
    with pytest.raises(LatexError):
        read(r"z = \int x", scope=scope)
    with pytest.raises(LatexError, match="line 1, which defines it, could not be read"):
        read(r"z^2 = z", scope=scope)


def test_a_line_after_an_unread_one_does_not_go_on():
    scope = Scope()
    read(r"x = 1", scope=scope)
    with pytest.raises(LatexError):
        read(r"y = \int x", scope=scope)
    with pytest.raises(LatexError, match="what stands before it could not be read"):
        read(r"= 3", scope=scope)


def test_a_new_heading_inherits_softly():
    above = Scope()
    read(r"y = \sigma(x)", scope=above)
    assert read(r"\frac{dy}{dx} = y(1-y)", r"y = 3", scope=above.child())[1].kind == "claim"  # used by then
    assert read(r"y = \tanh(x)", r"y = 3", scope=above.child())[0].kind == "definition"
    with pytest.raises(LatexError, match="nothing stands before it"):
        read(r"= 3", scope=above.child())


def test_a_symbol_may_be_explained_below():
    first, second = read(r"\tanh(s) = \frac{(1 + e^x)^2 - 1}{(1 + e^x)^2 + 1}", r"s = \ln(1 + e^x)")
    assert judge(first.claim).outcome in ("proven", "agrees")
    assert second.kind == "definition"


def test_a_sentence_defines_what_nothing_else_does():
    scope = Scope()
    lines = [r"\frac{dy}{dx} = y(1-y)"]
    statements = [statement for line in lines for statement in parse(line)]
    scope.announce(statements)
    for said in (r"y = \sigma(x)", r"x = 3", r"\frac{dy}{dx} = 0"):
        scope.hear(parse(said)[0], 1)
    (reading,) = scope.read(statements[0], 2)
    assert judge(reading.claim).outcome == "proven"
    assert reading.claim.left.free_symbols == {sp.Symbol("x", real=True)}


def test_domains_and_what_is_given_reach_the_claim():
    x = sp.Symbol("x", real=True)
    claim = last(r"x > 0", r"x \ne 3", r"\sqrt{x^2} = x").claim
    assert claim.domains == {x: sp.Interval.open(0, sp.oo)}
    assert claim.given == (sp.Ne(x, 3),)


def test_conditions_hold_for_their_statement_only():
    first, second = read(r"\sqrt{x^2} = x, \quad x > 0", r"\sqrt{x^2} = |x|")
    assert first.claim.domains
    assert not second.claim.domains


def test_a_claim_is_rebuilt_with_other_parts():
    x = sp.Symbol("x", real=True)
    reading = last(r"y = x^2", r"\frac{dy}{dx} = 3x")
    assert reading.definitions == {"y": sp.Pow(x, 2)}
    assert judge(reading.rebuild(reading.left, 2 * x, {})).outcome == "proven"
    assert judge(reading.rebuild(reading.left, reading.right, {"y": 3 * x**2 / 2})).outcome == "proven"
    assert judge(reading.claim).outcome == "refuted"


def test_the_loose_claim_keeps_defined_symbols():
    x, y = sp.symbols("x y", real=True)
    loose = last(r"y = \sigma(x)", r"x = \log\frac{y}{1-y}").loose
    assert loose.left == x
    assert loose.right.free_symbols == {y}


PIECES = [*"xyab()+-^_{}=12'|,.", r"\frac", r"\sigma", r"\log", r"\sum", r"\mathbf", r"\partial", "d", "f", "'"]
NUMBERS = st.integers(1, 9)


@settings(max_examples=40, deadline=None)
@given(a=NUMBERS, b=NUMBERS, n=st.integers(2, 5))
def test_a_derivative_as_written_is_that_of_the_definition(a, b, n):
    x = sp.Symbol("x", real=True)
    claim = last(rf"f(x) = ({a}x + {b})^{n}", rf"f'(x) = {n} \cdot {a}({a}x + {b})^{{{n - 1}}}").claim
    assert sp.expand(claim.left - sp.diff((a * x + b) ** n, x)) == 0
    assert sp.expand(claim.left - claim.right) == 0


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from(PIECES)))
def test_nothing_but_a_plain_refusal(pieces):
    # Any other exception than this one fails the test.
    with contextlib.suppress(LatexError):
        assert all(reading.read_as for reading in read(" ".join(pieces)))
