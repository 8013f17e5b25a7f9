"""Limits of what is defined by cases, and what a line says of symbols that nothing else is said of."""

import pytest

from torchstone.prove.document import read_markdown
from torchstone.prove.proof import Found, examine

STEP = r"\begin{cases} 1 & x > 0 \\ 0 & \text{otherwise} \end{cases}"
HUBER = r"\begin{cases} d & x - t > d \\ -d & t - x > d \\ x - t & \text{otherwise} \end{cases}"


def verdicts(*formulas):
    text = "\n\n".join(f"$$\n{formula}\n$$" for formula in formulas)
    return [each.step.verdict for each in examine(read_markdown(text), 4.0, {}, {}, {}) if isinstance(each, Found)]


@pytest.mark.parametrize(
    ("formula", "verdict"),
    [
        (rf"\lim_{{x \to 0^+}} {STEP} = 1", "proven"),
        (rf"\lim_{{x \to 0^-}} {STEP} = 0", "proven"),
        (rf"\lim_{{x \to 0^+}} {STEP} = 0", "refuted"),
        (rf"\lim_{{x \to 0^-}} {STEP} = 1", "refuted"),
        (rf"\lim_{{x \to 0}} {STEP} = 1", "unread"),
        (rf"\lim_{{x \to 0}} {STEP} = 0", "unread"),
        (rf"\lim_{{x \to 0}} x {STEP} = 0", "proven"),
        (rf"\lim_{{x \to 2}} {STEP} = 1", "proven"),
        (rf"\lim_{{x \to \infty}} {STEP} = 1", "proven"),
        (rf"\lim_{{x \to -\infty}} {STEP} = 0", "proven"),
        (rf"\lim_{{x \to -\infty}} {STEP} = 1", "refuted"),
        (r"\lim_{x \to 0^-} \frac{|x|}{x} = -1", "proven"),
        (r"\lim_{x \to 0} \frac{|x|}{x} = 1", "unread"),
        (r"\lim_{x \to 1^-} \frac{\max(0, x - 1)}{x - 1} = 0", "proven"),
    ],
)
def test_which_case_holds_is_decided_near_the_place(formula, verdict):
    assert verdicts(formula) == [verdict]


@pytest.mark.parametrize("side", ["-", "+"])
def test_a_place_may_hold_symbols(side):
    assert verdicts("d > 0", rf"\lim_{{x \to (d + t)^{side}}} {HUBER} = d") == ["proven", "proven"]
    assert verdicts("d > 0", rf"\lim_{{x \to (t - d)^{side}}} {HUBER} = d") == ["proven", "refuted"]


def test_a_case_that_a_symbol_without_a_sign_decides_is_left_alone():
    assert verdicts(rf"\lim_{{x \to a^+}} {STEP} = 1") == ["unread"]


@pytest.mark.parametrize(
    ("formulas", "last"),
    [
        ([r"k \leq C - 1"], "proven"),
        (["p < q + r"], "proven"),
        ([r"x \leq x - 1"], "refuted"),
        ([r"y = t^2 + t + 1", r"y \leq t"], "refuted"),
        ([r"y = t^2 + t + 1", r"t \leq y"], "proven"),
        ([r"y = t^2 + t + 1", r"t \geq y"], "refuted"),
    ],
)
def test_an_inequality_that_only_bounds_a_free_symbol_is_given(formulas, last):
    assert verdicts(*formulas)[-1] == last


def test_the_expectation_of_a_square_may_be_given():
    mean, wrong = r"\mathbb{E}[2 g_i^2] = 2 v", r"\mathbb{E}[2 g_i^2] = 3 v"
    assert verdicts(r"\mathbb{E}[g_i^2] = v", mean, wrong) == ["proven", "proven", "refuted"]


def test_a_letter_that_a_later_sum_runs_over_is_an_index_from_the_beginning():
    softmax = r"p_c = \frac{e^{x_c}}{\sum_{j=1}^C e^{x_j}}"
    total = r"L = \sum_{c=1}^C p_c x_c"
    claim = r"p_k \sum_{j=1}^C e^{x_j} = e^{x_k}"
    assert verdicts(softmax, total, claim)[-1] == "proven"
