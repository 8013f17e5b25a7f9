"""Styles of optimizers in other people's packages: what is right in them is no finding."""

import pytest
import torch
from torch.optim.optimizer import required

from torchstone.check.api import check


def severities(thing, *codes, **settings):
    """The severities of what some rules found."""
    return [each.severity or "error" for each in check(thing, select=codes, **settings).subjects[0].findings]


class Stepping(torch.optim.Optimizer):
    """What the others have in common."""

    def __init__(self, params, **defaults):
        super().__init__(params, defaults)

    @torch.no_grad()
    def step(self, closure=None):
        self.loss = None
        if closure is not None:
            with torch.enable_grad():
                self.loss = closure()
        for group in self.param_groups:
            self.before(group)
            for p in group["params"]:
                if p.grad is not None:
                    self.advance(p, group)
        return self.loss

    def before(self, group):
        pass


class LateSGD(Stepping):
    """It gathers gradients for five steps before it moves."""

    def __init__(self, params, lr=0.01):
        super().__init__(params, lr=lr)

    def advance(self, p, group):
        kept = self.state[p].setdefault("queue", [])
        kept.append(p.grad.clone())
        if len(kept) > 5:
            p.sub_(kept.pop(0), alpha=group["lr"])


class Orthogonal(Stepping):
    """Only what is at a right angle to the parameter moves it: nothing, where that is one number."""

    def __init__(self, params, lr=0.01):
        super().__init__(params, lr=lr)

    def advance(self, p, group):
        along = (p * p.grad).sum() / (p * p).sum()
        rest = p.grad - along * p
        p.sub_(rest * (rest.norm() > 1e-6 * p.grad.norm()), alpha=group["lr"])


class Tuned(Stepping):
    """Its first steps are too short for float32 to show."""

    def __init__(self, params, lr=0.01):
        super().__init__(params, lr=lr)

    def advance(self, p, group):
        count = self.state[p]["step"] = self.state[p].get("step", 0) + 1
        p.sub_(p.grad, alpha=group["lr"] * 1e-9 * 2**count)


class Moody(Stepping):
    """The loss decides how long its steps are."""

    def __init__(self, params, lr=0.01):
        super().__init__(params, lr=lr)

    def advance(self, p, group):
        p.sub_(p.grad, alpha=group["lr"] * (1.0 if self.loss is None else float(torch.tanh(self.loss.abs()))))


class Light(Stepping):
    """The gradients that it leaves behind are its momentum."""

    def __init__(self, params, lr=0.01, momentum=0.9):
        super().__init__(params, lr=lr, momentum=momentum)

    def advance(self, p, group):
        p.sub_(p.grad, alpha=group["lr"])
        p.grad.mul_(group["momentum"])


class TwoRates(Stepping):
    """Vectors have a learning rate of their own, kept as a factor of the other."""

    def __init__(self, params, lr=0.01, lr_1d=0.001):
        super().__init__(params, lr=lr, factor=lr_1d / lr)

    def advance(self, p, group):
        p.sub_(p.grad, alpha=group["lr"] * (group["factor"] if p.dim() < 2 else 1.0))


class Around:
    """It averages what another optimizer does; both have a momentum."""

    def __init__(self, optimizer, momentum=0.9):
        self.optimizer, self.momentum, self.state = optimizer, momentum, {}

    @property
    def param_groups(self):
        return self.optimizer.param_groups

    def zero_grad(self):
        self.optimizer.zero_grad()

    @torch.no_grad()
    def step(self):
        before = [p.clone() for group in self.param_groups for p in group["params"]]
        self.optimizer.step()
        for p, old in zip([p for group in self.param_groups for p in group["params"]], before, strict=True):
            p.lerp_(old, 1 - self.momentum)


class SGD(Stepping):
    """Dampening is a switch: it makes an average of the momentum."""

    def __init__(self, params, lr=0.01, momentum=0.0, dampening=False):
        super().__init__(params, lr=lr, momentum=momentum, dampening=dampening)

    def advance(self, p, group):
        velocity = self.state[p].setdefault("velocity", torch.zeros_like(p))
        velocity.mul_(group["momentum"]).add_(p.grad, alpha=1 - group["momentum"] if group["dampening"] else 1)
        p.sub_(velocity, alpha=group["lr"])


class Lamb(Stepping):
    """It divides by the norm of all gradients first, as NVIDIA's does."""

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-6, weight_decay=0.01):
        super().__init__(params, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay)

    def before(self, group):
        norms = [p.grad.norm() for group in self.param_groups for p in group["params"] if p.grad is not None]
        self.norm = torch.stack(norms).norm().clamp(min=1.0) if norms else None

    def advance(self, p, group):
        (beta1, beta2), state = group["betas"], self.state[p]
        gradient = p.grad / self.norm
        t = state["step"] = state.get("step", 0) + 1
        m = state.setdefault("m", torch.zeros_like(p)).lerp_(gradient, 1 - beta1)
        v = state.setdefault("v", torch.zeros_like(p)).lerp_(gradient**2, 1 - beta2)
        update = m / (1 - beta1**t) / ((v / (1 - beta2**t)).sqrt() + group["eps"]) + group["weight_decay"] * p
        p.sub_(update * p.norm() / update.norm(), alpha=group["lr"])


class RAdam(Stepping):
    """The un-adapted steps are left out, unless a switch has them."""

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, degenerated_to_sgd=False):
        super().__init__(params, lr=lr, betas=betas, eps=eps, degenerated_to_sgd=degenerated_to_sgd)

    def advance(self, p, group):
        (beta1, beta2), state = group["betas"], self.state[p]
        t = state["step"] = state.get("step", 0) + 1
        m = state.setdefault("m", torch.zeros_like(p)).lerp_(p.grad, 1 - beta1) / (1 - beta1**t)
        v = state.setdefault("v", torch.zeros_like(p)).lerp_(p.grad**2, 1 - beta2)
        longest = 2 / (1 - beta2) - 1
        length = longest - 2 * t * beta2**t / (1 - beta2**t)
        if length > 5:
            over = (length - 4) * (length - 2) * longest / ((longest - 4) * (longest - 2) * length)
            p.sub_(m * ((1 - beta2**t) ** 0.5 / (v.sqrt() + group["eps"])) * over**0.5, alpha=group["lr"])
        elif group["degenerated_to_sgd"]:
            p.sub_(m, alpha=group["lr"])


class Sentinel(Stepping):
    """Its learning rate has to be given, as PyTorch used to say that."""

    def __init__(self, params, lr=required):
        super().__init__(params, lr=lr)

    def advance(self, p, group):
        p.sub_(p.grad, alpha=group["lr"])


@pytest.mark.parametrize(
    ("thing", "codes"),
    [
        (LateSGD, ("G001", "O302", "O304")),
        (Tuned, ("G001",)),
        (Moody, ("O501",)),
        (Light, ("O203",)),
        (Around, ("O103",)),
        (SGD, ("O201", "O203")),
        (Sentinel, ("G001",)),
    ],
)
def test_what_is_right_is_no_finding(thing, codes):
    assert severities(thing, *codes) == []


@pytest.mark.parametrize(("thing", "code"), [(Orthogonal, "O302"), (TwoRates, "O103"), (RAdam, "O201"), (Lamb, "O201")])
def test_what_is_a_choice_is_a_warning(thing, code):
    assert set(severities(thing, code)) == {"warning"}


def test_what_is_coupled_under_a_wide_name_is_no_error():
    assert "error" not in severities(Lamb, "O301", "O302", "O303", "O304")


def test_a_closure_that_is_read_too_late_is_found_all_the_same():
    class Hasty(Moody):
        def step(self, closure=None):
            super().step()
            return closure() if closure is not None else None

    assert "error" in severities(Hasty, "O501")


class TwoKinds(Stepping):
    """Each of its groups has to say of which kind it is."""

    def __init__(self, params, lr=0.01):
        super().__init__(params, lr=lr)

    def advance(self, p, group):
        p.sub_(p.grad.sign() if group["signs"] else p.grad, alpha=group["lr"])


def gradient_descent(params, lr=0.01):
    listed = list(params)
    groups = listed if isinstance(listed[0], dict) else [{"params": listed}]
    return TwoKinds([{"signs": False, **each} for each in groups], lr=lr)


def test_a_group_that_lacks_what_a_function_gave_the_others_is_a_warning():
    assert set(severities(gradient_descent, "O304")) == {"warning"}


class Averaging(Stepping):
    """Other weights for evaluation; the mode it is in is no part of its state dict."""

    def __init__(self, params, lr=0.01):
        super().__init__(params, lr=lr)
        self.training = False

    def train(self):
        self.swap(True)

    def eval(self):
        self.swap(False)

    @torch.no_grad()
    def swap(self, training):
        if self.training != training:
            for group in self.param_groups:
                for p in group["params"]:
                    p.add_(self.state[p].get("ahead", torch.zeros_like(p)), alpha=1 if training else -1)
        self.training = training

    def advance(self, p, group):
        if not self.training:
            raise RuntimeError("step: expected train() first")
        ahead = self.state[p].setdefault("ahead", torch.zeros_like(p))
        p.sub_(p.grad, alpha=group["lr"])
        ahead.sub_(p.grad, alpha=0.5 * group["lr"])


def test_who_loads_a_checkpoint_of_the_evaluation_says_so():
    assert severities(Averaging, "O506") == []


class Picky(Stepping):
    """Momentum for matrices that are large enough, and plain steps for the rest."""

    def __init__(self, params, lr=0.01, momentum=0.9):
        super().__init__(params, lr=lr, momentum=momentum)

    def advance(self, p, group):
        if p.dim() == 2 and min(p.shape) >= 4:
            velocity = self.state[p].setdefault("velocity", torch.zeros_like(p))
            p.sub_(velocity.mul_(group["momentum"]).add_(p.grad), alpha=group["lr"])
        else:
            p.sub_(p.grad, alpha=group["lr"])


def test_what_only_large_matrices_have_acts():
    assert severities(Picky, "O203") == []


class Shaken(Stepping):
    """The norm of all gradients shrinks its parameters, which hardly shows in its first, very short steps."""

    def __init__(self, params, lr=1e-6):
        super().__init__(params, lr=lr)

    def before(self, group):
        norms = [p.grad.norm() for group in self.param_groups for p in group["params"] if p.grad is not None]
        self.norm = torch.stack(norms).norm() if norms else None

    def advance(self, p, group):
        p.sub_(p.grad.sign() + 1e-4 * self.norm * p, alpha=group["lr"])


def test_a_weak_coupling_is_one():
    assert severities(Shaken, "O103", "O303", "O304") == []
