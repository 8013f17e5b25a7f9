r"""What is known of LaTeX: every command of a formula stands in one of these tables, and the rest is refused."""


def words(text: str) -> tuple[str, ...]:
    """The words of a text."""
    return tuple(text.split())


GREEK = words("""
    alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi omicron pi rho sigma tau upsilon phi
    chi psi omega varepsilon vartheta varpi varrho varsigma varphi varkappa Gamma Delta Theta Lambda Xi Pi Sigma
    Upsilon Phi Psi Omega
""")

# Commands that print one symbol, and the plain name it gets.
LETTERS = {name: name for name in GREEK} | {
    "infty": "infinity", "infin": "infinity", "partial": "partial", "nabla": "nabla", "ell": "ell", "hbar": "hbar",
    "imath": "i", "jmath": "j", "top": "top", "intercal": "top", "dagger": "dagger", "star": "star",
    "ldots": "dots", "dots": "dots", "cdots": "dots", "dotsc": "dots", "dotsb": "dots", "dotsm": "dots",
    "vdots": "dots", "hdots": "dots", "mathellipsis": "dots",
}  # fmt: skip

# Commands of functions with a fixed meaning.
FUNCTIONS = words("""
    log ln lg exp sin cos tan cot sec csc arcsin arccos arctan arccot sinh cosh tanh coth sech csch arsinh arcosh
    artanh max min arg Pr
""")

# Signs that take what follows them.
BIG = ("sum", "prod", "int", "lim")

TIMES = ("cdot", "times", "ast", "cdotp")
OVER = ("div",)

# Relations, and whether they define their left side.
RELATIONS: dict[str, tuple[str, bool]] = {
    "equiv": ("=", False), "coloneqq": ("=", True), "coloneq": ("=", True), "triangleq": ("=", True),
    "vcentcolon": ("=", True), "doteq": ("=", False), "ne": ("!=", False), "neq": ("!=", False), "lt": ("<", False),
    "gt": (">", False), "le": ("<=", False), "leq": ("<=", False), "leqslant": ("<=", False), "leqq": ("<=", False),
    "ge": (">=", False), "geq": (">=", False), "geqslant": (">=", False), "geqq": (">=", False),
    "approx": ("~", False), "simeq": ("~", False), "approxeq": ("~", False), "cong": ("~", False),
    "in": ("in", False), "to": ("to", False), "rightarrow": ("to", False), "longrightarrow": ("to", False),
    "mapsto": ("mapsto", True), "longmapsto": ("mapsto", True),
}  # fmt: skip

# Typed relations, the longest first.
TYPED_RELATIONS = {":=": ("=", True), "=:": ("=:", True), "==": ("=", False), "=>": ("=>", False), "<=": ("<=", False),
                   ">=": (">=", False), "->": ("to", False), "=": ("=", False), "<": ("<", False),
                   ">": (">", False)}  # fmt: skip

# Between two statements: the one follows from, or goes with, the other.
ARROWS = words("""
    Rightarrow implies Longrightarrow iff Leftrightarrow Longleftrightarrow therefore because Leftarrow
    Longleftarrow impliedby land wedge
""")

# Fonts and the style that a name gets. The last ones make a word of several letters.
FONTS = {
    "mathbf": "bold", "boldsymbol": "bold", "bm": "bold", "pmb": "bold", "textbf": "bold", "bf": "bold",
    "it": "letter", "sf": "letter", "tt": "letter",
    "vec": "bold", "overrightarrow": "bold", "mathbfit": "bold", "symbf": "bold",
    "mathbb": "blackboard", "mathds": "blackboard", "Bbb": "blackboard", "mathbbm": "blackboard",
    "mathcal": "calligraphic", "mathscr": "calligraphic", "mathfrak": "calligraphic", "cal": "calligraphic",
    "mathit": "letter", "mathnormal": "letter", "mathsf": "letter", "mathtt": "letter",
}  # fmt: skip
TEXTS = words("""
    text textrm textnormal textit textsf texttt textup mathrm mbox hbox rm textmd emph
""")

ACCENTS = {
    "hat": "hat", "widehat": "hat", "bar": "bar", "overline": "bar", "tilde": "tilde", "widetilde": "tilde",
    "dot": "dot", "ddot": "ddot", "check": "check", "breve": "breve", "acute": "acute", "grave": "grave",
    "mathring": "ring",
}  # fmt: skip

FRACTIONS = ["frac", "dfrac", "tfrac", "cfrac", "sfrac", "nicefrac", "flatfrac"]

# Printed without a meaning of their own; those in CONTENT keep what is in their braces, those in NOTES do not.
SKIPPED = words("""
    displaystyle textstyle scriptstyle scriptscriptstyle limits nolimits nonumber notag mathstrut strut null
    allowbreak nobreak nobreakspace noindent centering small large Large normalsize footnotesize hfill hline break
    thinspace medspace thickspace negthinspace negmedspace negthickspace relax checkmark blacksquare square Box qed
    qedhere bigskip medskip smallskip tiny huge Huge LARGE qedsymbol big Big bigg Bigg
""")
SKIPPED_SIGNS = ",;:!> /-\n\t"
QUADS = ("quad", "qquad", "enspace", "enskip")
CONTENT = words("""
    boxed fbox cancel bcancel xcancel underline smash mathop mathrel mathbin mathord mathopen mathclose mathinner
    mathpunct ensuremath underbar hbox
""")
NOTES = words("""
    label color hspace vspace phantom hphantom vphantom require hskip eqref ref cite footnote
""")
STACKED = ("overset", "stackrel", "underset")
OPERATORS = ("operatorname", "operatornamewithlimits")
NOTES_BEFORE = ("textcolor", "colorbox", "class", "style", "href", "bbox")  # {a note}{content}
BRACES = {"underbrace": "_", "overbrace": "^", "underbracket": "_", "overbracket": "^"}

OPENING = {"(": "(", "[": "[", r"\{": "{", r"\lbrace": "{", r"\lbrack": "[", r"\lparen": "(",
           r"\lvert": "|", r"\lVert": "||"}  # fmt: skip
CLOSING = {")": ")", "]": "]", r"\}": "}", r"\rbrace": "}", r"\rbrack": "]", r"\rparen": ")",
           r"\rvert": "|", r"\rVert": "||"}  # fmt: skip
PARTNER = {"(": ")", "[": "]", "{": "}", "|": "|", "||": "||"}
BARS = {"|": "|", r"\vert": "|", r"\|": "||", r"\Vert": "||"}
SIZES = [size + side for size in ("big", "Big", "bigg", "Bigg") for side in ("", "l", "r", "m")]

LINES = words("""
    equation align aligned alignat alignedat gather gathered split eqnarray multline multlined displaymath math
    flalign subequations dcases
""")
CASES = ("cases", "dcases", "rcases")

# Refused, and why: what to write instead.
REFUSED = {
    "pm": "\\pm stands for two formulas: write them one by one",
    "mp": "\\mp stands for two formulas: write them one by one",
    "odot": "\\odot, the product of components, is not read: write it for one component, with \\cdot",
    "circ": "\\circ is not read: write f(g(x)) for f \\circ g",
    "otimes": "\\otimes is not read: write it for one component",
    "oplus": "\\oplus is not read",
    "propto": "\\propto leaves a factor open: write the equation with it",
    "sim": "\\sim, a distribution, is not read: leave it in the text",
    "leftarrow": "\\leftarrow, an assignment, is not read: give the new value a name of its own, as in w_{t+1} = ...",
    "gets": "\\gets, an assignment, is not read: give the new value a name of its own, as in w_{t+1} = ...",
    "binom": "\\binom is not read: write it with factorials",
    "dbinom": "\\dbinom is not read: write it with factorials",
    "choose": "\\choose is not read: write it with factorials",
    "langle": "angle brackets are not read: write the sum of products, or w^\\top x",
    "rangle": "angle brackets are not read: write the sum of products, or w^\\top x",
    "lfloor": "\\lfloor is not read",
    "lceil": "\\lceil is not read",
    "cup": "\\cup is not read: write the conditions one by one",
    "cap": "\\cap is not read: write the conditions one by one",
    "vee": "\\vee is not read: write the statements one by one",
    "lor": "\\lor is not read: write the statements one by one",
    "neg": "\\neg is not read",
    "exists": "\\exists is not read",
    "bmod": "\\bmod is not read",
    "mod": "\\mod is not read",
    "pmod": "\\pmod is not read",
    "atop": "\\atop is not read",
    "cancelto": "\\cancelto is not read: write the new value beside it",
    "subset": "sets are not read, except after \\in",
    "subseteq": "sets are not read, except after \\in",
    "emptyset": "sets are not read, except after \\in",
    "iint": "double integrals are not read",
    "iiint": "triple integrals are not read",
    "oint": "line integrals are not read",
    "det": "matrices are not read: \\det",
    "newcommand": "\\newcommand is not read: write the command out",
    "renewcommand": "\\renewcommand is not read: write the command out",
    "def": "\\def is not read: write the command out",
    "DeclareMathOperator": "\\DeclareMathOperator is not read: write \\operatorname{...} out",
}

# What keyboards and copied text put in place of commands.
UNICODE = dict(
    zip(
        "αβγδεζηθικλμνξοπρστυφχψωϵϑϖϱςϕΓΔΘΛΞΠΣΥΦΨΩ",
        words("""
    alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi omicron pi rho sigma tau upsilon phi
    chi psi omega epsilon vartheta varpi varrho varsigma phi Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi
    Omega
"""),
        strict=True,
    )
) | {
    "µ": "mu", "∆": "Delta", "∑": "sum", "∏": "prod", "∫": "int", "∞": "infty", "∂": "partial", "∇": "nabla",
    "ℓ": "ell", "·": "cdot", "⋅": "cdot", "×": "times", "∗": "ast", "÷": "div", "≤": "le", "⩽": "le", "≥": "ge",
    "⩾": "ge", "≠": "ne", "≈": "approx", "≃": "simeq", "≡": "equiv", "≔": "coloneqq", "≜": "triangleq", "∈": "in",
    "→": "to", "⟶": "to", "⇒": "Rightarrow", "⟹": "Rightarrow", "⇔": "Leftrightarrow", "⟺": "iff", "∴": "therefore",
    "∵": "because", "…": "dots", "⋯": "dots", "⋮": "dots", "∀": "forall", "±": "pm", "∓": "mp", "⊙": "odot",
    "∘": "circ", "∝": "propto", "∼": "sim", "←": "leftarrow", "√": "sqrt", "∣": "mid", "⊤": "top", "★": "star",
    "⋆": "star", "■": "blacksquare", "□": "square", "∎": "square", "✓": "checkmark", "∪": "cup", "∩": "cap",
    "⟨": "langle", "⟩": "rangle", "↦": "mapsto", "∖": "setminus", "ℒ": "mathcal{L}", "ℝ": "mathbb{R}",
    "ℕ": "mathbb{N}", "ℤ": "mathbb{Z}", "𝔼": "mathbb{E}", "𝟙": "mathbb{1}",
}  # fmt: skip
PLAIN = {"−": "-", "–": "-", "\u2010": "-", "\u2011": "-", "＋": "+", "＝": "=", "∕": "/", "⁄": "/", "′": "'",
         "’": "'", "″": "''", "∶": ":", "‖": r"\|", "½": r"\frac{1}{2}", "¼": r"\frac{1}{4}"}  # fmt: skip
RAISED = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿˣⁱ⁽⁾ᵀ", "0123456789+-nxi()T", strict=True))
LOWERED = dict(zip("₀₁₂₃₄₅₆₇₈₉₊₋ᵢⱼₖₙₘₜₓ₍₎", "0123456789+-ijknmtx()", strict=True))
SPACES = " \t\r\n\f\v\u00a0\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u200b\u202f\u2060\ufeff~"
