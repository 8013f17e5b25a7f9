"""What lines come to in the company of others: verdicts of short texts."""

import pytest

from torchstone.prove.document import read_markdown
from torchstone.prove.proof import Found, examine

GIVEN, PROVEN, REFUTED, FOLLOWS = "given", "proven", "refuted", "follows"


def outcomes(text):
    steps = [event.step for event in examine(read_markdown(text), 8.0, {}, {}, {}) if isinstance(event, Found)]
    return [GIVEN if step.is_given else FOLLOWS if step.follows_from_refuted else step.verdict for step in steps]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # A derivative waits for the definition that comes behind it.
        (r"$$\frac{dy}{dx} = 3x \quad\text{where } y = x^2$$", [REFUTED, PROVEN]),
        (r"$$\frac{dy}{dx} = 2x \quad\text{where } y = x^2$$", [PROVEN, PROVEN]),
        (r"$$f'(x) = 3x$$ $$f(x) = x^2$$", [REFUTED, PROVEN]),
        # A derivative that is zero is an equation to be solved only where it is solved.
        (r"$$y = \sigma(x)$$ $$\frac{dy}{dx} = 0$$", [GIVEN, REFUTED]),
        (r"$$f(x) = x^2$$ $$f'(x) = 2x = 0$$ $$x = 0$$", [GIVEN, PROVEN, GIVEN, PROVEN]),
        (r"$$f(x) = x^2$$ $$f'(x) = 2x = 0$$ $$x = 1$$", [GIVEN, PROVEN, GIVEN, REFUTED]),
        # A known function keeps its meaning where the right side is no function.
        (r"$$\sigma(z) = 0.5$$ $$\sigma(1) = 0.5$$", [REFUTED, REFUTED]),
        # One slip does not excuse another.
        (r"$$f(x) = x^2 + 1$$ $$f(x) = 2x^2$$ $$f'(x) = 2x^7$$", [GIVEN, REFUTED, REFUTED]),
        (r"$$f(x) = e^x$$ $$f'(x) = xe^x$$ $$f''(x) = x^3e^x$$", [GIVEN, REFUTED, REFUTED]),
        (
            r"$$L = \frac12(wx - t)^2$$ $$\frac{dL}{dw} = (wx - t)$$ $$\frac{dL}{dx} = (wx - t)wx$$",
            [GIVEN, REFUTED, REFUTED],
        ),
        # What carries on from it is right in itself.
        (r"$$y = \sigma(x)$$ $$e^{-x} = \frac1y + 1$$ $$x = -\log(\frac1y + 1)$$", [GIVEN, REFUTED, FOLLOWS]),
        (r"$$f(x) = x^2$$ $$f'(x) = 3x$$ $$f'(x) = \frac{6x}{2}$$", [GIVEN, REFUTED, FOLLOWS]),
        # Delta w is one name.
        (
            r"$$L = w^2$$ $$\Delta w = -\eta\frac{\partial L}{\partial w}$$ $$\Delta w = -2\eta w$$",
            [GIVEN, GIVEN, PROVEN],
        ),
        (r"$$L = w^2$$ $$\Delta w = -\eta\frac{\partial L}{\partial w} = 2\eta w$$", [GIVEN, GIVEN, REFUTED]),
        # Names that not everybody uses; e is a number.
        (
            r"$$\operatorname{tg} x = \frac{\sin x}{\cos x}$$ $$(\operatorname{th} x)' = 1 - \operatorname{th}^2 x$$",
            [PROVEN, PROVEN],
        ),
        (r"$$e = y - t$$ $$e = e^1$$", ["unread", PROVEN]),
        # What only a rounded number can equal is judged to its last digit; what is exact, exactly.
        (r"$$\sigma(1) = 0.7311$$ $$\sigma(1) = 0.7411$$ $$0.25 = 0.3$$", [PROVEN, REFUTED, REFUTED]),
        # Functions u(x) and v(x) may be written u and v.
        (r"$$f(x) = u(x)v(x)$$ $$f' = u'v + uv'$$", [GIVEN, PROVEN]),
        (r"$$f(x) = u(x)v(x)$$ $$f' = u'v - uv'$$", [GIVEN, REFUTED]),
        # Identities that beginners believe in are claims, and no equations to be solved.
        (r"$$(a + b)^2 = a^2 + b^2$$", [REFUTED]),
        (r"$$\log(a + b) = \log a + \log b$$", [REFUTED]),
        (r"$$\frac{1}{a + b} = \frac1a + \frac1b$$", [REFUTED]),
        (r"$$e^{x + y} = e^x + e^y$$", [REFUTED]),
        (r"$$\sin^2 x - \cos^2 x = 1$$", [REFUTED]),
    ],
)
def test_lines(text, expected):
    assert outcomes(text) == expected
