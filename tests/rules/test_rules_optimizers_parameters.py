"""The rules on parameters, groups and gradients of optimizers: what they find, how bad it is, and what they pass."""

import pytest
import torch

import torchstone
from torchstone.check.api import check

CODES = [f"O30{number}" for number in range(1, 9)]


def found(thing, codes=CODES, **settings):
    """The worst severity of what each rule found."""
    report = check(thing, select=codes, **settings)
    assert not report.faults, report.faults
    order = ("note", "warning", "error")
    worst = {}
    for finding in report.findings:
        if finding.rule in codes:
            worst[finding.rule] = max(worst.get(finding.rule, "note"), finding.severity, key=order.index)
    return worst


def message(thing, code, **settings):
    """The first finding of a rule."""
    return next(each for each in check(thing, select=[code], **settings).findings if each.rule == code)


class Ball(torch.optim.Optimizer):
    """Momentum, part by part."""

    def __init__(self, params, lr=0.01, momentum=0.9, weight_decay=0.0, maximize=False):
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay, "maximize": maximize})
        self.prepare()

    def prepare(self):
        """What some do once."""

    @torch.no_grad()
    def step(self, closure=None):
        self.begin()
        for group in self.param_groups:
            for place, p in enumerate(group["params"]):
                if p.grad is None:
                    self.without(p, group)
                else:
                    self.advance(p, group, place)

    def begin(self):
        """What some do at each step."""

    def without(self, p, group):
        """What some do where there is no gradient."""

    def advance(self, p, group, place):
        self.move(p, group, self.velocity(p, group, self.gradient(p, group)))

    def gradient(self, p, group):
        g = p.grad.add(p, alpha=group["weight_decay"])
        return -g if group["maximize"] else g

    def velocity(self, p, group, g):
        return self.state[p].setdefault("b", torch.zeros_like(p)).mul_(group["momentum"]).add_(g)

    def move(self, p, group, b):
        p.sub_(group["lr"] * b)


class ResetsWithoutGradient(Ball):
    def without(self, p, group):
        self.state.pop(p, None)


class RollsOn(Ball):
    def without(self, p, group):
        if "b" in self.state[p]:
            self.move(p, group, self.state[p]["b"].mul_(group["momentum"]))


class CountOfTheFirst(Ball):
    """The count is looked up with the group's first parameter."""

    def step(self, closure=None):
        for group in self.param_groups:
            self.state[group["params"][0]]["step"]
        super().step()

    def prepare(self):
        for group in self.param_groups[:1]:
            self.state[group["params"][0]]["step"] = 0


class Warming(Ball):
    t = 0

    def begin(self):
        self.t += 1

    def move(self, p, group, b):
        p.sub_(group["lr"] * min(1, self.t / 8) * b)


class OneForAll(Ball):
    """The velocity is a variable of the object."""

    def prepare(self):
        self.b = torch.zeros(())

    def velocity(self, p, group, g):
        self.b = self.b.mul(group["momentum"]).add(g) if self.b.shape == g.shape else g.clone()
        return self.b


class AmongThePresent(Ball):
    """Velocities stand in a list of those that have gradients."""

    def prepare(self):
        self.velocities = {}

    def advance(self, p, group, place):
        present = [each for each in group["params"] if each.grad is not None]
        place = next(number for number, each in enumerate(present) if each is p)
        b = self.velocities.setdefault(place, torch.zeros_like(p))
        self.move(p, group, b.mul_(group["momentum"]).add_(p.grad))


class ClippedTogether(Ball):
    """The norm of all gradients is held below one."""

    def begin(self):
        norms = [p.grad.norm() for group in self.param_groups for p in group["params"] if p.grad is not None]
        self.factor = min(1.0, 1 / (float(torch.stack(norms).norm()) + 1e-6)) if norms else 1.0

    def gradient(self, p, group):
        return p.grad * self.factor


class Noisy(Ball):
    def gradient(self, p, group):
        return p.grad + 0.1 * torch.randn_like(p)


class Centred(Ball):
    def gradient(self, p, group):
        return p.grad - p.grad.mean(tuple(range(1, p.dim())), keepdim=True) if p.dim() > 1 else p.grad


class DecaysMatricesOnly(Ball):
    def gradient(self, p, group):
        return p.grad + 0.1 * p if p.dim() > 1 else p.grad


class ByViews(Ball):
    def move(self, p, group, b):
        p.view(-1).sub_(group["lr"] * b.view(-1))


class Promoting(Ball):
    def move(self, p, group, b):
        p.data = p.double() - group["lr"] * b


class WithoutVectors(Ball):
    def advance(self, p, group, place):
        if p.dim() > 1:
            super().advance(p, group, place)


class DecayCopied(Ball):
    def prepare(self):
        self.decay = self.defaults["weight_decay"]

    def gradient(self, p, group):
        return p.grad.add(p, alpha=self.decay)


class OwnSchedule(Ball):
    def prepare(self):
        self.rate = self.defaults["lr"]

    def begin(self):
        self.rate *= 0.9
        for group in self.param_groups:
            group["lr"] = self.rate


class ThroughData(Ball):
    def move(self, p, group, b):
        p.data -= group["lr"] * b


class Set(Ball):
    def move(self, p, group, b):
        p.set_(p - group["lr"] * b)


class SharpnessAware(Ball):
    """Goes up, asks again, and comes back to the old tensor."""

    @torch.no_grad()
    def step(self, closure):
        closure = torch.enable_grad()(closure)
        closure()
        old = {p: p.data for group in self.param_groups for p in group["params"] if p.grad is not None}
        for p in old:
            p.data = p + 0.05 * p.grad
        closure()
        for p, before in old.items():
            p.data = before - 0.01 * p.grad


class RemembersTheLast(Ball):
    def gradient(self, p, group):
        last, self.state[p]["last"] = self.state[p].get("last", p.grad), p.grad
        return 2 * p.grad - last


class TurnsTheGradient(Ball):
    def gradient(self, p, group):
        return p.grad.neg_() if group["maximize"] else p.grad


class DropsTheGradient(Ball):
    def move(self, p, group, b):
        super().move(p, group, b)
        p.grad = None


class ClearsNothing(Ball):
    def zero_grad(self, set_to_none=True):
        """Somebody else's."""


class ClearsWhatIsThere(Ball):
    def zero_grad(self):
        for group in self.param_groups:
            for p in group["params"]:
                p.grad.zero_()


class Swallowing(Ball):
    def gradient(self, p, group):
        return p.grad.nan_to_num(0.0)


class PlainAdam:
    """As the assignment has it: one count, and the updates through .data."""

    def __init__(self, parameters, learning_rate=0.001, betas=(0.9, 0.999), eps=1e-8):
        self.parameters, self.learning_rate, self.betas, self.eps = list(parameters), learning_rate, betas, eps
        self.m = [torch.zeros_like(p) for p in self.parameters]
        self.v = [torch.zeros_like(p) for p in self.parameters]
        self.t = 0

    def step(self):
        self.t += 1
        beta1, beta2 = self.betas
        for i, p in enumerate(self.parameters):
            if p.grad is None:
                continue
            self.m[i] = beta1 * self.m[i] + (1 - beta1) * p.grad
            self.v[i] = beta2 * self.v[i] + (1 - beta2) * p.grad**2
            m, v = self.m[i] / (1 - beta1**self.t), self.v[i] / (1 - beta2**self.t)
            p.data -= self.learning_rate * m / (v.sqrt() + self.eps)

    def zero_grad(self):
        for p in self.parameters:
            p.grad = None


class PlainDescentAtOneRate:
    """The rate that can be changed is not the one that is used."""

    def __init__(self, parameters, learning_rate=0.01):
        self.parameters, self.learning_rate, self.rate = list(parameters), learning_rate, learning_rate

    def step(self):
        with torch.no_grad():
            for p in self.parameters:
                p.sub_(self.rate * p.grad)

    def zero_grad(self):
        for p in self.parameters:
            p.grad = None


class Lookahead(torch.optim.Optimizer):
    """Every third step is half undone."""

    def __init__(self, optimizer, k=3):
        self.optimizer, self.k, self.t = optimizer, k, 0
        self.param_groups, self.state, self.defaults = optimizer.param_groups, optimizer.state, optimizer.defaults
        self.slow = {p: p.detach().clone() for group in self.param_groups for p in group["params"]}

    @torch.no_grad()
    def step(self, closure=None):
        self.optimizer.step(closure)
        self.t += 1
        for group in self.param_groups:
            for p in group["params"]:
                slow = self.slow.setdefault(p, p.detach().clone())
                if self.t % self.k == 0:
                    p.copy_(slow.lerp_(p, 0.5))


def lookahead(params):
    """A factory."""
    return Lookahead(torch.optim.SGD(params, lr=0.01, momentum=0.9))


FOUND = [
    (Ball, {}),
    (ResetsWithoutGradient, {"O301": "warning"}),
    (RollsOn, {"O301": "warning"}),
    (CountOfTheFirst, {"O301": "error", "O303": "error", "O304": "warning"}),
    (Warming, {"O301": "warning"}),
    (OneForAll, {"O301": "warning", "O303": "error"}),
    (AmongThePresent, {"O301": "error", "O303": "error", "O304": "warning"}),
    (ClippedTogether, {}),
    (Noisy, {}),
    (Centred, {"O307": "note"}),
    (DecaysMatricesOnly, {}),
    (ByViews, {"O302": "warning"}),
    (Promoting, {"O302": "error", "O305": "error"}),
    (WithoutVectors, {"O302": "error"}),
    (DecayCopied, {"O304": "warning"}),
    (OwnSchedule, {"O301": "warning", "O304": "warning"}),
    (ThroughData, {"O305": "note"}),
    (Set, {"O305": "error"}),
    (SharpnessAware, {"O305": "warning"}),
    (RemembersTheLast, {"O306": "error"}),
    (TurnsTheGradient, {"O306": "warning"}),
    (DropsTheGradient, {"O306": "warning"}),
    (ClearsNothing, {"O306": "error"}),
    (ClearsWhatIsThere, {"O306": "warning"}),
    (Swallowing, {"O307": "note"}),
    (lookahead, {"O301": "warning", "O304": "warning"}),
]


@pytest.mark.parametrize(("thing", "expected"), FOUND, ids=lambda each: getattr(each, "__name__", ""))
def test_without_a_definition(thing, expected):
    got = found(thing, definition="none")
    got = {code: severity for code, severity in got.items() if code != "O308"}  # complex numbers are nobody's here
    assert got == expected


KNOWN = [
    (PlainAdam, "adam", {"O301": "warning", "O305": "note"}),
    (ResetsWithoutGradient, "momentum", {"O301": "error"}),
    (RollsOn, "momentum", {"O301": "error"}),
    (DecayCopied, "sgd", {"O304": "error"}),
    (PlainDescentAtOneRate, "gradient_descent", {"O301": "warning", "O304": "error"}),
    (ClippedTogether, "momentum", {}),
]


@pytest.mark.parametrize(("thing", "definition", "expected"), KNOWN, ids=lambda each: getattr(each, "__name__", ""))
def test_with_a_definition(thing, definition, expected):
    got = found(thing, codes=CODES[:-1], definition=definition)
    assert got == expected


def test_a_late_parameter_is_told_with_both_moves_and_the_cause():
    finding = message(PlainAdam, "O301", definition="adam")
    assert finding.message.startswith("a parameter that gets its first gradient at step 4 moves by ")
    assert "a fresh optimizer moves it by " in finding.message
    assert finding.cause == "one step count is shared by all parameters"


def test_a_declared_count_for_all_is_no_finding():
    declared = torchstone.traits(global_step=True)
    assert found(declared(type("Warming", (Warming,), {})), ["O301"], definition="none") == {}
    assert found(declared(type("PlainAdam", (PlainAdam,), {})), ["O301"], definition="adam") == {}
    # The declaration is about counts: it excuses nothing else, where the rule can tell.
    assert found(declared(type("Resets", (ResetsWithoutGradient,), {})), ["O301"], definition="momentum") == {
        "O301": "error"
    }


def test_declared_use_of_gradients_as_memory_is_no_finding():
    declared = torchstone.traits(owns_gradients=True)
    assert found(declared(type("Turns", (TurnsTheGradient,), {})), ["O306"], definition="none") == {}
    assert found(declared(type("Remembers", (RemembersTheLast,), {})), ["O306"], definition="none") == {"O306": "error"}


@pytest.mark.parametrize(
    ("thing", "code", "cause"),
    [
        (OneForAll, "O303", "parameters of the same shape share their state"),
        (RemembersTheLast, "O306", 'state["last"] is the gradient\'s own tensor, not a copy'),
        (TurnsTheGradient, "O306", "the sign of `.grad` is turned in place"),
        (DropsTheGradient, "O306", "`.grad` is dropped in the step"),
        (DecayCopied, "O304", "it is copied, or used once, at construction"),
        (OwnSchedule, "O304", "it writes that setting itself, by a schedule of its own"),
    ],
    ids=lambda each: getattr(each, "__name__", ""),
)
def test_causes(thing, code, cause):
    assert message(thing, code, definition="none").cause == cause


@pytest.mark.parametrize(
    ("thing", "code"),
    [
        *[(Warming, "O301"), (AmongThePresent, "O301"), (OneForAll, "O303"), (WithoutVectors, "O302")],
        *[(DecayCopied, "O304"), (Set, "O305"), (RemembersTheLast, "O306"), (TurnsTheGradient, "O306")],
    ],
    ids=lambda each: getattr(each, "__name__", ""),
)
def test_scripts_run_and_show_the_difference(thing, code, capsys):
    finding = message(thing, code, definition="none")
    assert finding.repro
    raises = " raise" in finding.message
    try:
        exec(finding.repro, {thing.__name__: thing})
    except Exception:
        assert raises
        return
    printed = capsys.readouterr().out.strip()
    if isinstance(finding.got, float):
        shown = printed.removeprefix("tensor(").split(",")[0]
        assert float(shown) == pytest.approx(finding.got, rel=1e-4)
    assert printed
