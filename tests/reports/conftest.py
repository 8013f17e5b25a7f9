"""Comparisons to show: a realistic one, computed here, and one made of everything that can go wrong."""

import math
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
import torch

from torchstone.compare.result import Accuracy, Comparison, Cost, Curve, Row, Training, Trajectory
from torchstone.report.html import page

VOID = {"meta", "link", "br", "hr", "img", "input"}
ENVIRONMENT = {"Python": "3.12.8", "system": "Linux x86_64", "processor": "Some CPU at 2.1 GHz", "threads": "2"}
LOSSES = (
    "L1Loss",
    "MSELoss",
    "BCELoss",
    "BCEWithLogitsLoss",
    "CrossEntropyLoss",
    "NLLLoss",
    "HuberLoss",
    "SmoothL1Loss",
)
ACTIVATIONS = ("ReLU", "LeakyReLU", "ELU", "SiLU", "GELU", "Softplus", "Sigmoid", "LogSigmoid", "Tanh", "Softmax")
OPTIMIZERS = ("GradientDescent", "SGD", "Momentum", "Adam", "AdamW")
DIGITS = "A network of 64, 32 and 10 units on scikit-learn's digits"
FALLING = tuple((2.3 * np.exp(-np.arange(150) / 40 + np.random.default_rng(1).normal(0, 0.1, 150)) + 0.1).tolist())
FORMATS = ("float64", "float32", "bfloat16", "float16")


def accuracy(ours=0.5, torchs=1.8, worst=-3.2187, not_finite=0, torch_not_finite=0):
    each = tuple(
        Accuracy(ours * part, torchs * part, worst, 7.5 * part, not_finite, torch_not_finite, 65536, dtype, 2.0)
        for dtype, part in zip(FORMATS, (0.9, 1.0, 0.5, 0.5), strict=True)
    )
    return replace(each[1], dtypes=each)


def bins(errors, count=128):
    """The worst error in each bin."""
    return tuple(float(part.max()) for part in np.array_split(errors, count))


def curve(function, low=-12.0, high=12.0):
    """A curve of a torch function, with the errors of PyTorch's float32 against float64."""
    x = torch.linspace(low, high, 4096, dtype=torch.float32)

    def both(at):
        at = at.clone().requires_grad_()
        value = function(at)
        return value.detach().double(), torch.autograd.grad(value.sum(), at)[0].double()

    (value, slope), (torch_value, torch_slope) = both(x.double()), both(x)
    errors, rounding = [], []
    for true, got in ((value, torch_value), (slope, torch_slope)):
        unit = torch.from_numpy(np.spacing(np.abs(true.numpy()).astype(np.float32)).astype(np.float64))
        errors.append(bins(((got - true).abs() / unit).numpy()))
        rounding.append(bins(((true.float().double() - true).abs() / unit).numpy()))
    shown, middle = slice(None, None, 16), slice(16, None, 32)
    numbers = (x[shown], value[shown], slope[shown], x[middle])
    plotted = (tuple(part.double().tolist()) for part in numbers)
    return Curve("x", *plotted, rounding[0], errors[0], rounding[1], errors[1])


def costs(first, unit=1e-8):
    sizes = (1_000, 65_536, 1_000_000)
    return tuple(Cost(n, first - 0.1 * k, unit * n * (first - 0.1 * k), unit * n) for k, n in enumerate(sizes))


def function_row(kind, name, function, **changes):
    row = Row(
        name=name,
        title=f"What {name} is called in full",
        kind=kind,
        like=f"torch.nn.{name}",
        definition=name.lower(),
        subject=f"torchstone.{'losses' if kind == 'loss' else 'activations'}:{name}",
        value=accuracy(),
        gradient=accuracy(0.93, 2.4e7, {"input": 1.5, "target": 0.0}, torch_not_finite=3),
        speed=costs(1.4),
        memory=costs(1.0, 4.0),
        curve=curve(function),
        training=(Training("digits", DIGITS, FALLING, FALLING, FALLING[-1], FALLING[-1]),),
    )
    return replace(row, **changes)


def descend(optimizer, steps=300):
    """The losses and the points that a torch optimizer visits on Rosenbrock's function."""
    point = torch.tensor([-1.2, 1.0], dtype=torch.float64, requires_grad=True)
    stepper = optimizer([point])
    losses, visited = [], []
    for _ in range(steps):
        stepper.zero_grad()
        x, y = point
        loss = (1 - x) ** 2 + 100 * (y - x**2) ** 2
        loss.backward()
        losses.append(loss.item())
        visited.append(tuple(point.tolist()))
        stepper.step()
    return tuple(losses), tuple(visited)


def optimizer_row(name, optimizer):
    losses, visited = descend(optimizer)
    bowl = tuple(0.93**step for step in range(200))
    runs = (
        Training("digits", DIGITS, FALLING, FALLING, FALLING[-1], FALLING[-1]),
        Training("quadratic", "A convex quadratic", bowl, tuple(v * 1.0001 for v in bowl), bowl[-1], bowl[-1]),
        Training("rosenbrock", "Rosenbrock's function", losses, losses, losses[-1], losses[-1], visited, visited),
    )
    return Row(
        name=name,
        title=f"The optimizer {name}",
        kind="optimizer",
        like=f"torch.optim.{name}",
        definition=name.lower(),
        subject=f"torchstone.optimizers:{name}",
        speed=costs(2.2),
        memory=costs(1.1, 4.0),
        trajectory=Trajectory(
            100, 3.2e-16, 4.1e-16, 2.2e-16, "betas=(0.8, 0.99), amsgrad", 1e-12, 24, 8_000_000, 8_000_000
        ),
        training=runs,
    )


def realistic():
    """About the size and the shape of `torchstone compare` without names."""
    functions = {
        "MSELoss": lambda x: x * x,
        "L1Loss": torch.abs,
        "BCEWithLogitsLoss": lambda x: torch.nn.functional.softplus(x) - x,
        "HuberLoss": lambda x: torch.nn.functional.huber_loss(x, torch.zeros_like(x), reduction="none"),
        "ReLU": torch.relu,
        "ELU": torch.nn.functional.elu,
        "GELU": torch.nn.functional.gelu,
        "SiLU": torch.nn.functional.silu,
        "Softplus": torch.nn.functional.softplus,
        "Tanh": torch.tanh,
    }
    rows = [function_row("loss", name, functions.get(name, torch.sigmoid)) for name in LOSSES]
    rows += [function_row("activation", name, functions.get(name, torch.sigmoid)) for name in ACTIVATIONS]
    optimizers = (
        lambda p: torch.optim.SGD(p, lr=1e-3),
        lambda p: torch.optim.SGD(p, lr=5e-4, momentum=0.5, nesterov=True),
        lambda p: torch.optim.SGD(p, lr=5e-4, momentum=0.9),
        lambda p: torch.optim.Adam(p, lr=0.05),
        lambda p: torch.optim.AdamW(p, lr=0.05, weight_decay=0.3),
    )
    rows += [optimizer_row(name, each) for name, each in zip(OPTIMIZERS, optimizers, strict=True)]
    return Comparison(tuple(rows), "2.13.0", 48.4, ENVIRONMENT)


def troubled():
    """Rows without a curve, with infinities and NaN, with problems, with very long and with hostile names."""
    nan, inf = math.nan, math.inf
    holes = Curve(
        "$x$ <b>",
        (-2.0, -1.0, 0.0, 1.0, 2.0),
        (inf, 1e30, nan, -1e30, -inf),
        (nan,) * 5,
        (-1.0, 0.0, 1.0),
        (0.0, inf, nan),
        (0.0, 1e38, nan),
        (nan,) * 3,
        (inf,) * 3,
        note='target "0" & <i>1</i>',
    )
    wide = replace(holes, variable="x", x=(-1e38, -1.0, 0.0, 1.0, 1e38), note="")
    bad = Accuracy(inf, nan, {"input": [1.0] * 9, "target": nan}, None, 12, 0, 100, "float16", 2.0)
    hostile = "<script>alert('&')</script>"
    exploding = Training(
        "rosenbrock", hostile, (1.0, 1e200, inf, nan), (1.0, 0.5), nan, 0.5, ((0.0, 0.0), (1e9, nan), (3.0, -1e99)), ()
    )
    nothing = Training("quadratic", "Nothing", (), (), nan, nan)
    row = Row(
        hostile,
        hostile,
        "activation",
        "torch.nn.ReLU",
        "relu",
        f"{hostile}.py:{hostile}",
        problems=(hostile, "It is wrong."),
        notes=(hostile, "It is noted."),
    )
    rows = (
        row,
        replace(row, name="A" * 90, title="Long " * 40, value=bad, gradient=accuracy(), curve=holes, problems=()),
        replace(
            row,
            name="A" * 90,
            kind="loss",
            curve=wide,
            value=accuracy(0.0, 0.0, torch.tensor([1.0, 2.0])),
            training=(exploding, nothing),
        ),
        replace(row, name="Größe", kind="loss", problems=(), speed=(Cost(0, nan, 0.0, 0.0),)),
        replace(row, kind="optimizer", training=(exploding, nothing), name="!!!"),
    )
    return Comparison(rows, "2.13.0+<cpu>", nan, {hostile: hostile})


@pytest.fixture(scope="session")
def sample():
    return realistic()


@pytest.fixture(scope="session")
def trouble():
    return troubled()


@pytest.fixture(scope="session")
def sample_page(sample):
    return page(sample)


@pytest.fixture(scope="session")
def trouble_page(trouble):
    return page(trouble)


class Document(HTMLParser):
    """Every element with its attributes, and all text; raises where tags don't nest."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.open, self.text = [], [], []
        self.feed(text)
        self.close()
        assert not self.open, f"never closed: {self.open}"

    def handle_starttag(self, tag, attrs):
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), f"an attribute twice in {tag}"
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" not in self.open:
            self.text.append(data)

    def values(self, attribute):
        return [attributes[attribute] for _, attributes in self.elements if attribute in attributes]

    def tags(self):
        return {tag for tag, _ in self.elements}


@pytest.fixture(scope="session")
def document():
    """Reads a page."""
    return Document
