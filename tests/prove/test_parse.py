r"""What LaTeX says is read as it prints; what has two readings, or none, is refused with its place."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from torchstone.prove import tree
from torchstone.prove.latex.tokens import HANDLERS
from torchstone.prove.parse import parse
from torchstone.prove.tree import LatexError


def shown(node):
    """A tree in one line: rows in < >, sums and products in ( ), scripts in [ ]."""
    match node:
        case None:
            return "_"
        case tree.Number(text=text):
            return text
        case tree.Name(name=name, style=style):
            return name if style == "letter" else f"{name}:{style}"
        case tree.Scripted(base=base, subscript=below, superscript=above, primes=primes):
            scripts = (f"_{shown(below)}" if below else "") + (f"^{shown(above)}" if above else "")
            return f"[{shown(base)}{scripts}{primes * chr(39)}]"
        case tree.Group(bracket=bracket, parts=parts):
            inner = ", ".join(map(shown, parts))
            return f"{bracket}{inner}{dict(zip('([{', ')]}', strict=True)).get(bracket, bracket)}" if bracket else inner
        case tree.Given(parts=parts, conditions=conditions):
            return " given ".join(", ".join(map(shown, nodes)) for nodes in (parts, conditions))
        case tree.Fraction(top=top, bottom=bottom):
            return f"frac({shown(top)}, {shown(bottom)})"
        case tree.Root(body=body, degree=degree):
            return f"root({shown(body)}, {shown(degree)})"
        case tree.Big(kind=kind, lower=lower, upper=upper):
            return f"{kind}({shown(lower)}; {shown(upper)})"
        case tree.Cases(rows=rows):
            return "cases(" + "; ".join(f"{shown(value)} if {shown(where)}" for value, where in rows) + ")"
        case tree.Evaluated(body=body, where=where):
            return f"at({shown(body)}; {shown(where)})"
        case tree.Row(items=items):
            return f"<{' '.join(map(shown, items))}>"
        case tree.Product(factors=factors, signs=signs):
            rest = (f" {sign} {shown(factor)}" for sign, factor in zip(signs, factors[1:], strict=True))
            return f"({shown(factors[0])}{''.join(rest)})"
        case tree.Sum(terms=terms):
            return f"({' '.join(sign + shown(term) for sign, term in terms)})"
        case tree.Interval(opening=opening, ends=ends, closing=closing):
            return f"{opening}{', '.join(map(shown, ends))}{closing}"
        case tree.Statement(sides=sides, relations=relations, defines=defines, conditions=conditions, tag=tag):
            rest = (f" {relation} {shown(side)}" for relation, side in zip(relations, sides[1:], strict=True))
            text = f"{'define ' * defines}{shown(sides[0])}{''.join(rest)}"
            where = f" where {' and '.join(map(shown, conditions))}" if conditions else ""
            return text + where + (f" #{tag}" if tag else "")
    raise TypeError(node)


def read(latex):
    return [shown(statement) for statement in parse(latex)]


@pytest.mark.parametrize(
    ("latex", "expected"),
    [
        # What is side by side stays side by side.
        (r"2x", "<2 x>"),
        (r"f(x)", "<f (x)>"),
        (r"w_1x_1 + w_2x_2 + b", "(+<[w_1] [x_1]> +<[w_2] [x_2]> +b)"),
        (r"\log x y", "<log:function x y>"),
        (r"\sum_{i=1}^n p_i \log q_i", "<sum(i = 1; n) [p_i] log:function [q_i]>"),
        (r"f(x, y) g(\theta; x)", "<f (x, y) g (theta, x)>"),
        (r"\text{softmax}(\mathbf{z})_1", "<softmax:word [(z:bold)_1]>"),
        (r"\operatorname{ReLU}'(x)", "<[ReLU:word'] (x)>"),
        # Signs.
        (r"-x^2", "(-[x^2])"),
        (r"a \cdot -b", "(a * (-b))"),
        (r"a - -b", "(+a +b)"),
        (r"a * b / c : d \div e \times f", "(a * b / c / d / e * f)"),
        (r"v_t = g_t + \dots + \mu^{t-1} g_1", "[v_t] = (+[g_t] +dots +<[mu^(+t -1)] [g_1]>)"),
        # A slash takes one thing.
        (r"1/2 (x-y)^2", "(1 / 2 * [((+x -y))^2])"),
        (r"1/n \sum_i x_i", "(1 / n * <sum(i; _) [x_i]>)"),
        (r"1/(1+e^{-x}) (1-y)", "(1 / ((+1 +[e^(-x)])) * ((+1 -y)))"),
        (r"1/f(x)", "(1 / <f (x)>)"),
        (r"1/\cosh^2 x", "(1 / <[cosh:function^2] x>)"),
        (r"e^{z_i}/\sum_j e^{z_j}", "([e^[z_i]] / <sum(j; _) [e^[z_j]]>)"),
        (r"a/b \cdot c", "(a / b * c)"),
        # Derivatives.
        (r"\frac{d}{dx} f", "<frac(d, <d x>) f>"),
        (r"2 dy/dx", "<2 frac(<d y>, <d x>)>"),
        (r"d/dx (x^2)", "<frac(d, <d x>) ([x^2])>"),
        (r"d^2y/dx^2", "frac(<[d^2] y>, <d [x^2]>)"),
        (r"\partial L/\partial w_1 \cdot x", "(frac(<partial L>, <partial [w_1]>) * x)"),
        (r"\frac{\mathrm{d} y}{\mathrm{d} x}", "frac(<d:upright y>, <d:upright x>)"),
        (r"f''(x)", "<[f''] (x)>"),
        (r"f'(x)\big|_{x=0}", "at(<[f'] (x)>; x = 0)"),
        (r"\left. x^2 + y \right|_{x=0, y=1}", "at(at((+[x^2] +y); x = 0); y = 1)"),
        (r"\left[ x^2 \right]_{x=1}", "at([[x^2]]; x = 1)"),
        # Scripts.
        (r"x_1^2 = x^2_1", "[x_1^2] = [x_1^2]"),
        (r"x_{i,j} + x_{ij}", "(+[x_i, j] +[x_<i j>])"),
        (r"w_{new} + y_{\text{pred}}", "(+[w_new:word] +[y_pred:word])"),
        (r"\hat{y}_i + \hat y^{(t)}", "(+[y_hat_i] +[y_hat^(t)])"),
        (r"w^* + x^\top + \mathbb{R}^+", "(+[w^star] +[x^top] +[R:blackboard^+])"),
        (r"{f(x)}^2", "<f [(x)^2]>"),
        (r"{x^2}^3", "[[x^2]^3]"),
        (r"f'^2", "[f^2']"),
        # Brackets and bars.
        (r"|x| + \|w\|_2^2", "(+|x| +[||w||_2^2])"),
        (r"||x| - 1| + |x - |y||", "(+|(+|x| -1)| +|(+x -|y|)|)"),
        (r"2|x||y|", "<2 |x| |y|>"),
        (r"\sum_i |x_i|", "<sum(i; _) |[x_i]|>"),
        (r"p(y|x) = P(Y = 1 \mid x, w)", "<p (y given x)> = <P (Y = 1 given x, w)>"),
        (r"KL(p \| q)", "<K L (p, q)>"),
        (r"\mathbb{1}[i = j]", "<1:blackboard [i = j]>"),
        (r"\exp\{-x\}", "<exp:function {(-x)}>"),
        (r"n!", "<factorial:function (n)>"),
        # Big signs.
        (r"\lim_{x \to 0^+} f(x)", "<lim(x to [0^+]; _) f (x)>"),
        (r"\int_0^1 x\,dx", "<int(0; 1) x d x>"),
        (r"\max_i z_i + \max(0, x)", "(+<max(i; _) [z_i]> +<max:function (0, x)>)"),
        (r"\underset{i}{\max} z_i", "<max(i; _) [z_i]>"),
        (r"\sum_{\substack{j=1 \\ j \neq i}}^n x_j", "<sum(j = 1, j != i; n) [x_j]>"),
        # Cases.
        (
            r"\begin{cases} x & \text{if } x > 0 \\ 0, & \text{otherwise} \end{cases}",
            "cases(x if x > 0; 0 if _)",
        ),
        (r"\begin{cases} x, & x > 0, \\ -x & x \le 0. \end{cases}", "cases(x if x > 0; (-x) if x <= 0)"),
        (r"\begin{cases} x & if |x| < 1 \\ 0 & else \end{cases}", "cases(x if |x| < 1; 0 if _)"),
        (r"\begin{cases} x & (x > 0) \\ 0 & \text{sonst} \end{cases}", "cases(x if x > 0; 0 if _)"),
        (
            r"\begin{cases} 1 & \text{if $x > 0$ and $x < 1$} \\ 0 & x \neq 2 \end{cases}",
            "cases(1 if x > 0, x < 1; 0 if x != 2)",
        ),
        (
            r"\left\{ \begin{array}{ll} x & \mbox{für } x > 0 \\ 0 & \mbox{sonst} \end{array} \right.",
            "cases(x if x > 0; 0 if _)",
        ),
        # Numbers.
        (r"0{,}5 + .5 + 1{,}000{,}000", "(+0.5 +.5 +1000000)"),
        (r"\mathcal{L} + \mathbf{1} + \vec{x}", "(+L:calligraphic +1:bold +x:bold)"),
        (r"\mathbf{Wx} + \mathbf{w}^T \mathbf{x}", "(+<W:bold x:bold> +<[w:bold^T] x:bold>)"),
        (r"\frac{\text{number of correct}}{n}", "frac(number_of_correct:word, n)"),
        (r"\text{cross entropy}(p, q)", "<cross_entropy:word (p, q)>"),
    ],
)
def test_one_expression_is_read_as_it_prints(latex, expected):
    assert read(latex) == [expected]


@pytest.mark.parametrize(
    ("latex", "expected"),
    [
        (r"A = B = C", ["A = B = C"]),
        (r"= \log x", ["_ = <log:function x>"]),
        (r"y := x", ["define y = x"]),
        (r"y \coloneqq x", ["define y = x"]),
        (r"y \overset{\text{def}}{=} x \stackrel{(1)}{=} z", ["define y = x = z"]),
        (r"x =: y", ["define y = x"]),
        (r"f : x \mapsto x^2", ["define <f (x)> = [x^2]"]),
        (r"f : \mathbb{R} \to (0, 1), f(x) = 2", ["<f (x)> = 2"]),
        (r"a \le b < c \neq d \approx e", ["a <= b < c != d ~ e"]),
        # Lines.
        (r"\begin{align} f &= x \\ &= y \end{align}", ["f = x", "_ = y"]),
        (r"\begin{align*} f &= x \\ &\quad + y \\ &\cdot z \end{align*}", ["f = (+x +(y * z))"]),
        (r"a = b \\ -a = c", ["a = b", "(-a) = c"]),
        (r"a = b \\ - c", ["a = (+b -c)"]),
        (r"f = \\ &x", ["f = x"]),
        (r"\begin{eqnarray} f &=& x \\ &=& y \end{eqnarray}", ["f = x", "_ = y"]),
        (r"\begin{equation}\begin{split} a &= b \\[4pt] &= c \end{split}\end{equation}", ["a = b", "_ = c"]),
        (r"\left\{ \begin{aligned} x &= 1 \\ y &= 2 \end{aligned} \right.", ["x = 1", "y = 2"]),
        (r"f = \left( x \right. \\ \left. + y \right)", ["f = ((+x +y))"]),
        # Several in one line.
        (r"u = x^2, \quad v = \sin u", ["u = [x^2]", "v = <sin:function u>"]),
        (r"x = 1 \quad y = 2", ["x = 1", "y = 2"]),
        (r"x = 1 \Rightarrow y = 2 \iff z = 3", ["x = 1", "y = 2", "z = 3"]),
        (r"x = 1 \to y = 2", ["x = 1", "y = 2"]),
        (r"\text{Let } y = x. \text{ Then } y' = 1.", ["y = x", "[y'] = 1"]),
        (r"y = x, \text{ where } x = 2 \text{ and } z = 3", ["y = x", "x = 2", "z = 3"]),
        (r"K = 2, x = 0", ["K = 2", "x = 0"]),
        # Conditions.
        (r"x = \log y, \quad y \in (0,1)", ["x = <log:function y> where y in (0, 1)"]),
        (r"f = x \text{ for } x > 0", ["f = x where x > 0"]),
        (r"f = x \quad (x > 0)", ["f = x where x > 0"]),
        (r"f = \log x (x > 0)", ["f = <log:function x> where x > 0"]),
        (r"f = x \;\; \forall x \ge 0", ["f = x where x >= 0"]),
        (r"\text{for } x > 0: \quad f = x", ["f = x where x > 0"]),
        (r"\text{If } x > 0, \text{ then } f = x", ["f = x where x > 0"]),
        (r"f = x \text{ if } x > 0, \quad f = 0 \text{ if } x < 0", ["f = x where x > 0", "f = 0 where x < 0"]),
        (r"p_i = z_i, \quad i = 1, \ldots, K", ["[p_i] = [z_i] where i in {1, dots, K}"]),
        (
            r"y_i \in \{0, 1\}, \; i = 1, \dots, n, \; p_i \in (0, 1)",
            ["[y_i] in {0, 1}", "i in {1, dots, n}", "[p_i] in (0, 1)"],
        ),
        (r"x_1, \ldots, x_n > 0", ["[x_1] > 0", "[x_n] > 0"]),
        (r"f = 0 \text{ für } x = 0", ["f = 0 where x = 0"]),
        (r"x, y > 0", ["x > 0", "y > 0"]),
        (r"z \in ]0,1[, w \in [0, \infty)", ["z in ]0, 1[", "w in [0, infinity)"]),
        (r"y = x, \; x \in \mathbb{R} \setminus \{0\}", ["y = x where x in R:blackboard and x != 0"]),
        # Remarks, tags and decoration.
        (r"y = 2x \quad \text{(chain rule)}", ["y = <2 x>"]),
        (r"y = 2x \quad (\text{since } x > 0)", ["y = <2 x>"]),
        (r"\text{Softmax: } y = x", ["y = x"]),
        (r"y = x \tag{3.1}", ["y = x #3.1"]),
        (r"y = x \qquad (1) \\ z = y \qquad (2)", ["y = x #1", "z = y #2"]),
        (r"\boxed{y = x(1-x)} \quad \blacksquare", ["y = <x ((+1 -x))>"]),
        (r"\therefore y = x % a comment", ["y = x"]),
        (r"y = x.", ["y = x"]),
        ("", []),
    ],
)
def test_statements_and_their_conditions(latex, expected):
    assert read(latex) == expected


@pytest.mark.parametrize(
    ("spelling", "plain"),
    [
        (r"\frac12 + \frac ab + \dfrac{1}{2}", r"\frac{1}{2} + \frac{a}{b} + \frac{1}{2}"),
        (r"\frac1{1+e^x}", r"\frac{1}{1 + e^{x}}"),
        (r"{1 \over 1 + x}", r"\frac{1}{1 + x}"),
        (r"\sqrt2 + \sqrt[3]x", r"\sqrt{2} + \sqrt[3]{x}"),
        (r"f^{\prime\prime} + f^\prime", r"f'' + f'"),
        (r"e^\frac{x}{2}", r"e^{\frac{x}{2}}"),
        (r"x_\text{max}", r"x_{\text{max}}"),
        (r"\mathbf x_i + \boldsymbol\theta", r"\mathbf{x}_i + \boldsymbol{\theta}"),
        (r"\mathbf{x_i}", r"\mathbf{x}_i"),
        (r"\hat{y_i}", r"\hat{y}_i"),
        (r"{\bf x} + {\rm softmax}(z)", r"\mathbf{x} + \text{softmax}(z)"),
        (r"\mathrm{d}x + \mathrm{dx}", r"\mathrm{d} x + \mathrm{d} x"),
        (r"\left( x \right) \Big[ y \Big] \left\{ z \right\}", r"(x) [y] \{z\}"),
        (r"\left| x \right| + \lvert x \rvert + \bigl| x \bigr| + \vert x \vert", r"|x| + |x| + |x| + |x|"),
        (r"\left\| x \right\| + \lVert x \rVert + ||x||", r"\|x\| + \|x\| + \|x\|"),
        (r"\sum\limits^n_{i=1} x_i", r"\sum_{i=1}^{n} x_i"),
        (r"x \leqslant y \ne z", r"x \le y \neq z"),
        (r"x \not= y", r"x \neq y"),
        (r"x &lt; y", r"x < y"),
        (r"{(1-y)*y} + {y^2}", r"(1-y) * y + y^2"),
        (r"x * {y*z}", r"x * y * z"),
        (r"\textcolor{red}{x} + {\color{blue} y} + \underbrace{z}_{= 1}", r"x + y + z"),
        (r"\displaystyle x\,\!\;y~z \left.\right.", r"x y z"),
        (r"a \mathbin{:} b \mathrel{=} c {}={} d", r"a / b = c = d"),
        (r"max(0, x) + log(x) + softmax(z)_i", r"\max(0, x) + \log(x) + \text{softmax}(z)_i"),
        (r"\operatorname{soft\,max}(z) + \operatorname*{argmax}_i z_i", r"\text{softmax}(z) + \text{argmax}_i z_i"),
        ("σ(x) = 1/(1+e^{−x}) · x²", r"\sigma(x) = 1/(1+e^{-x}) \cdot x^{2}"),
        ("0 ≤ ∂f/∂x₁₂", r"0 \le \partial f/\partial x_{12}"),
        ("½ √2 ∑ₖ aₖ", r"\frac{1}{2} \sqrt{2} \sum_{k} a_{k}"),
        (r"i = 1, ..., n", r"i = 1, \ldots, n"),
        (r"x \to 2 ⇒ y = 1", r"x \to 2, \text{ so } y = 1"),
    ],
)
def test_spellings_of_the_same(spelling, plain):
    assert read(spelling) == read(plain)


@pytest.mark.parametrize(
    ("latex", "message", "place"),
    [
        (r"y = 1/2x", r"1/2x can be read in two ways: write \frac{1}{2} x or \frac{1}{2 x}", "1/2x"),
        (r"y = x/2\pi", r"x/2\pi can be read in two ways", r"x/2\pi"),
        (r"y = a/bc", "a/bc can be read in two ways", "a/bc"),
        (r"y = 2\frac{1}{2}", "can be read in two ways", "2"),
        (r"y = 0,5", "0,5 can be read in two ways", "0,5"),
        (r"y = 1{,}000", "1{,}000 can be read in two ways: write 1000 or 1.000", "1{,}000"),
        (r"n!=3", "!= can be read in two ways", "!=3"),
        (r"\foo x", r"\foo is not a command that is known here", r"\foo"),
        (r"x = ж", "ж is not known in a formula", "ж"),
        (r"x = \frac{1}{2", "a closing } is missing for the { in {2", "{2"),
        (r"x = 2}", "a } closes nothing", "}"),
        (r"(a + b", "the ( in (a + b has no partner", "("),
        (r"\frac{(a}{b)}", "the ( in (a}{b)} has no partner", "(a"),
        (r"a + b)", "the ) closes nothing", ")"),
        (r"\left( x", "has no partner", r"\left("),
        (r"\left( x ) + \right)", r"a \right is missing", r"\left("),
        (r"(x \right)", "has no partner", "(x"),
        (r"|x", "the | in |x has no partner", "|x"),
        (r"(a + b]", "the bracket ( is closed by ]", "("),
        (r"x = [0, 1)", "the bracket [ is closed by )", "[0"),
        (r"{1 - y} \cdot y", "the braces around this sum do not print", "1 - y"),
        (r"{2x}^2", "the braces around this product do not print", "2x"),
        (r"x - {a + b}", "the braces around this sum do not print", "a + b"),
        (r"\frac{1}", r"something is missing after \frac", ""),
        (r"a + ", "something is missing after +", "+"),
        (r"a = ", "something is missing after =", "="),
        (r"a \cdot / b", r"something is missing after \cdot", r"\cdot"),
        (r"x^10", "^10 prints only the 1 raised: write ^{10}", "^10"),
        (r"e^-x", "^-x prints only the - raised: write ^{-x}", "^-x"),
        (r"x_1_2", "a second subscript follows the first", "x_1"),
        (r"x^a^b", "a second superscript follows the first", "x^a"),
        (r"\sqrt 12", "the root prints over the 1 only", r"\sqrt"),
        (r"x^(2)", "put braces around what belongs to ^", "(2)"),
        (r"x = 1e-8", "1e-8 prints as a product with e", "1e-8"),
        (r"x ** 2", "** is not LaTeX", "**"),
        (r"y = 1 2", "two numbers stand side by side", "1 2"),
        (r"w1 x", "a number follows w: write w_1", "w1"),
        (r"y = sinx", r"sinx is read letter by letter: write \sin", "sinx"),
        (r"y = where", r"where is read letter by letter: write \text{where}", "where"),
        (r"\hat{x + y}", r"an accent such as \hat stands over one symbol only", r"\hat"),
        (r"x = \pm 2", r"\pm stands for two formulas", r"\pm"),
        (r"a \odot b", r"\odot, the product of components, is not read", r"\odot"),
        (r"w \leftarrow w - g", "give the new value a name of its own", r"\leftarrow"),
        (r"x = \begin{matrix} a \end{matrix}", "matrices are not read", r"\begin"),
        (r"\begin{align} a \end{equation}", r"\end{equation} ends nothing that is open here", r"\end"),
        (r"\begin{align} a", r"a closing \end{align} is missing for the \begin{align}", r"\begin"),
        (r"\begin{cases} x & y \end{cases}", "a condition such as x > 0 is missing", "y"),
        (r"\begin{cases} & x > 0 \end{cases}", "a value is missing", "& x"),
        (r"x = 1 \text{ or } x = 2", '"or" between statements is not read', "x = 2"),
        (r"x = 0 \text{ unless } y > 0", '"unless" is not read', r"\text"),
        (r"\frac{x = 1}{2}", r"a relation can't stand in \frac", "x = 1"),
        (r"a + b|_{x=0}", "it is not clear what the | belongs to", "|_"),
        (r"f(x)|_{0}", "a bar says where with an equation", "0}"),
        (r"a . b", "a full stop can't stand within a formula", ". b"),
        (r"y = x, a + b", "an expression stands alone after a comma", "a + b"),
        ("{" * 10_000, "deeper than", None),
        ("(" * 10_000, "deeper than", None),
        (r"\hat" * 4_000, "deeper than", None),
        ("x + " * 250_000, "1,000,000 characters", "x"),
    ],
    ids=lambda value: value[:30] if isinstance(value, str) else None,
)
def test_what_is_refused(latex, message, place):
    with pytest.raises(LatexError) as caught:
        parse(latex)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    if place is not None:
        assert latex[caught.value.at :].startswith(place)
        assert bool(place) == (caught.value.at < len(latex))


def test_offsets_tell_lines():
    latex = "\\begin{align}\n  y &= x \\\\\n  &= \\frac{1}{2}\n\\end{align}"
    first, second = parse(latex)
    assert latex[first.at] == "y"
    assert latex[second.at] == "="
    assert latex[second.sides[1].at :].startswith(r"\frac")
    half, _ = parse("½ = σ, b = c")
    assert [side.at for side in half.sides] == [0, 4]


PIECES = [*HANDLERS, *"xyd12(){}[]|,;.=_^&%$'!~σ²"]
PIECES += [
    r"\text{if}",
    r"\text{and}",
    r"\begin{cases}",
    r"\end{cases}",
    r"\begin{align}",
    r"\end{align}",
    r"\frac{d}{dx}",
]
PIECES += [r"_{i=1}", r"\left(", r"\left.", r"\right|", r"\right."]


@given(st.text(max_size=30) | st.lists(st.sampled_from(PIECES), max_size=15).map(" ".join))
def test_any_text_is_read_or_refused(latex):
    try:
        places = [statement.at for statement in parse(latex)]
    except LatexError as error:
        places = [error.at]
    assert all(0 <= place <= len(latex) for place in places)


# -- trees as LaTeX, and back --------------------------------------------------------------------------------------


def name(text):
    return tree.Name(0, text)


def number(text):
    return tree.Number(0, text)


def raised(base, script):
    return tree.Scripted(0, base, superscript=script)


def lowered(base, script):
    return tree.Scripted(0, base, subscript=script)


def primed(base, primes):
    return tree.Scripted(0, base, primes=primes)


def brackets(body):
    return tree.Group(0, "(", (body,))


def bars(body):
    return tree.Group(0, "|", (body,))


def root(body):
    return tree.Root(0, body)


def fraction(top, bottom):
    return tree.Fraction(0, top, bottom)


def row(*items):
    return tree.Row(0, items)


def product(first, sign, second):
    return tree.Product(0, (first, second), (sign,))


def total(terms):
    return tree.Sum(0, tuple(terms))


NAMES = st.builds(name, st.sampled_from(["x", "y", "z", "w", "sigma", "theta"]))
NUMBERS = st.builds(number, st.sampled_from(["0", "1", "2", "0.5", "10"]))


def larger(inner):
    """Expressions around expressions, as the grammar nests them: sums of products of rows of atoms."""
    group = st.builds(brackets, inner)
    scripted = [st.builds(raised, NAMES | group, inner), st.builds(lowered, NAMES, NAMES | NUMBERS)]
    atom = st.one_of(NAMES, group, *scripted, st.builds(primed, NAMES, st.integers(1, 3)))
    atom |= st.builds(root, inner) | st.builds(bars, inner)
    single = NUMBERS | atom | st.builds(fraction, inner, inner)
    thing = single | st.builds(row, NUMBERS | atom, atom, atom)
    products = st.builds(product, thing, st.sampled_from("*/"), single)
    terms = st.lists(st.tuples(st.sampled_from("+-"), thing | products), min_size=2, max_size=3)
    return st.one_of(thing, products, st.builds(total, terms))


def written(node):
    """LaTeX of those trees."""
    match node:
        case tree.Number(text=text):
            return text
        case tree.Name(name=name):
            return name if len(name) == 1 else rf"\{name}"
        case tree.Scripted(base=base, subscript=below, superscript=above, primes=primes):
            scripts = (f"_{{{written(below)}}}" if below else "") + (f"^{{{written(above)}}}" if above else "")
            return written(base) + primes * "'" + scripts
        case tree.Group(bracket="(", parts=(part,)):
            return rf"\left({written(part)}\right)"
        case tree.Group(parts=(part,)):
            return rf"\left|{written(part)}\right|"
        case tree.Fraction(top=top, bottom=bottom):
            return rf"\frac{{{written(top)}}}{{{written(bottom)}}}"
        case tree.Root(body=body):
            return rf"\sqrt{{{written(body)}}}"
        case tree.Row(items=items):
            return " ".join(map(written, items))
        case tree.Product(factors=(first, second), signs=(sign,)):
            return f"{written(first)} {sign} {written(second)}"
        case tree.Sum(terms=terms):
            return " ".join(f"{sign} {written(term)}" for sign, term in terms)
    raise TypeError(node)


@given(st.recursive(st.one_of(NAMES, NUMBERS), larger, max_leaves=12), st.sampled_from([("=", "="), ("<=", r"\le")]))
def test_trees_come_back_from_their_latex(node, relation):
    symbol, command = relation
    assert read(written(node)) == [shown(node)]
    assert read(rf"f {command} {written(node)}") == [f"f {symbol} {shown(node)}"]


@pytest.mark.parametrize(
    ("latex", "count"),
    [
        (r"\begin{aligned} 2x + 4 &= 8 &&| -4 \\ 2x &= 4 \quad | :2 \\ x &= 2 \end{aligned}", 3),
        (r"\frac12 x = 3 \mid \cdot 2", 1),
        (r"y = |x| \vert\,-3", 1),
        (r"x = 4 \quad |\; \sqrt{\phantom{x}}", 1),
    ],
)
def test_behind_a_lone_bar_stands_a_note(latex, count):
    assert len(parse(latex)) == count
    assert parse(r"|x| = |y|")[0].sides[1].bracket == "|"


@pytest.mark.parametrize(
    "latex",
    [
        r"x > 0: \quad y = 2x",
        r"x > 0: y = 2x",
        r"\text{Case 1: } x > 0: \quad y = 2x",
        r"\text{Case } x > 0: \; y = 2x",
        r"i = j: \quad y = 2x",
    ],
)
def test_a_colon_ends_a_condition(latex):
    (statement,) = parse(latex)
    assert (statement.relations, len(statement.conditions)) == (("=",), 1)
    assert parse(r"x = 6 : 2 = 3")[0].relations == ("=", "=")
