"""The rules on an optimizer's options, decay and laws: ways of writing the bug, severities, and what they let pass."""

import pytest
import torch

from torchstone.check.api import check
from torchstone.check.mutants.optimizers_options import Decoupled, HeavyBall


def result(thing, code, **settings):
    """What became of a rule."""
    settings.setdefault("definition", "none")
    (subject,) = check(thing, select=[code], **settings).subjects
    (found,) = [each for each in subject.results if each.code == code]
    assert found.outcome != "fault", found.reason
    return found


def severities(thing, code, **settings):
    """The severities of what a rule found, or the outcome where it found nothing."""
    found = result(thing, code, **settings)
    return [finding.severity for finding in found.findings] or found.outcome


class Adamish(torch.optim.Optimizer):
    """Adam with decoupled decay, in parts that the tests replace."""

    def __init__(
        self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.01, amsgrad=False, maximize=False, **more
    ):
        given = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay}
        super().__init__(params, {**given, "amsgrad": amsgrad, "maximize": maximize, **more})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for p in group["params"]:
                self.visit(p, group)

    def visit(self, p, group):
        if p.grad is not None:
            grad = self.gradient(p, group)
            self.decay(p, group)
            p.sub_(group["lr"] * self.direction(p, grad, group))

    def gradient(self, p, group):
        return -p.grad if group["maximize"] else p.grad

    def decay(self, p, group):
        p.mul_(1 - group["lr"] * group["weight_decay"])

    def direction(self, p, grad, group):
        state, (beta1, beta2) = self.state[p], group["betas"]
        if not state:
            state.update(step=0, m=torch.zeros_like(p), v=torch.zeros_like(p), largest=torch.zeros_like(p))
        state["step"] += 1
        state["m"].lerp_(grad, 1 - beta1)
        state["v"].mul_(beta2).addcmul_(grad, grad, value=1 - beta2)
        state["largest"] = torch.maximum(state["largest"], state["v"])
        v = state["largest"] if group["amsgrad"] else state["v"]
        m, v = state["m"] / (1 - beta1 ** state["step"]), v / (1 - beta2 ** state["step"])
        return m / (v.sqrt() + group["eps"])


class L2(Adamish):
    def gradient(self, p, group):
        return super().gradient(p, group) + group["weight_decay"] * p

    def decay(self, p, group):
        pass


def adamish(base=Adamish, **parts):
    """The class with other parts."""
    return type("Adamish", (base,), parts)


# O202: like another.


def test_two_of_the_same_go_the_same_way():
    assert severities(HeavyBall, "O202", like="torch.optim.SGD") == "passed"
    assert severities(L2, "O202", like=torch.optim.Adam) == "passed"
    assert severities(Decoupled, "O202", like=Decoupled) == "passed"


def test_options_of_the_counterpart_are_the_subject_s():
    assert severities(HeavyBall, "O202", like="torch.optim.SGD(momentum=0.5)") == "passed"
    assert severities(HeavyBall, "O202", like="torch.optim.SGD(momentum=0.5, nesterov=True)") == ["error"]


def test_a_difference_that_only_an_option_shows_comes_with_a_script():
    (finding,) = result(Decoupled, "O202", like=HeavyBall).findings
    assert "HeavyBall" in finding.message
    assert finding.input["arguments"]["weight_decay"] == 0.1
    assert finding.ulp > 1e6
    assert "weight_decay=0.1" in finding.repro
    compile(finding.repro, "script", "exec")


def test_a_definition_comes_before_a_counterpart():
    assert severities(L2, "O202", like="torch.optim.Adam", definition=None) == "not applicable"


# O203: dead hyper-parameters.


def fixed(**values):
    def visit(self, p, group):
        Adamish.visit(self, p, {**group, **values})

    return adamish(visit=visit)


@pytest.mark.parametrize(
    ("thing", "named"),
    [
        (fixed(lr=1e-3), ["lr"]),
        (fixed(eps=1e-8), ["eps"]),
        (fixed(betas=(0.9, 0.999)), ["betas[0]", "betas[1]"]),
        (fixed(amsgrad=False), ["amsgrad"]),
        (fixed(maximize=False), ["maximize"]),
        (fixed(weight_decay=0.01), ["weight_decay"]),
    ],
    ids=lambda each: " ".join(each) if isinstance(each, list) else "",
)
def test_an_option_that_is_not_read_is_named(thing, named):
    findings = result(thing, "O203").findings
    assert [finding.input["argument"] for finding in findings] == named
    assert {finding.severity for finding in findings} == {"error"}


class Plain:
    """In the style of an assignment: no groups, and no beta2."""

    def __init__(self, parameters, learning_rate=0.1, beta=0.9, tolerance=0.5, warmup=100, verbose=False, foreach=None):
        self.parameters, self.learning_rate, self.beta = list(parameters), learning_rate, beta
        self.warmup, self.buffers, self.steps = warmup, {}, 0

    def step(self):
        self.steps += 1
        for p in self.parameters:
            if p.grad is not None:
                self.buffers[p] = self.beta * self.buffers.get(p, 0) + p.grad
                p.data -= self.learning_rate * min(1, self.steps / self.warmup) * self.buffers[p]

    def zero_grad(self):
        for p in self.parameters:
            p.grad = None


def test_a_name_of_one_s_own_is_doubtful_and_means_of_computing_are_left_alone():
    (finding,) = result(Plain, "O203").findings
    assert (finding.input["argument"], finding.severity) == ("tolerance", "warning")


@pytest.mark.parametrize(
    ("thing", "kwargs"),
    [
        (torch.optim.SGD, {}),  # dampening and nesterov need momentum
        (torch.optim.SGD, {"momentum": 0.9, "nesterov": True}),
        (torch.optim.Adam, {}),  # amsgrad needs gradients that shrink
        (torch.optim.ASGD, {}),  # t0 begins an average, and no parameter is moved by it
        (torch.optim.Rprop, {}),  # the largest step is reached late
        (torch.optim.LBFGS, {}),  # its options need a loss that changes
    ],
)
def test_options_that_act_only_together_or_late_are_alive(thing, kwargs):
    assert severities(thing, "O203", kwargs=kwargs) == "passed"
    assert severities(thing, "O203", kwargs=kwargs, definition=None) == "passed"


# O204: a bowl.


class Slow(Adamish):
    def direction(self, p, grad, group):
        return super().direction(p, grad, group) * 1e-9


class Aside(Adamish):
    """Keeps the mean of the parameter, as centred gradients do."""

    def gradient(self, p, group):
        return super().gradient(p, group) - p.grad.mean()


@pytest.mark.parametrize(
    ("thing", "expected"),
    [(Adamish, "passed"), (Slow, ["warning"]), (Aside, ["note"]), (torch.optim.LBFGS, "passed")],
)
def test_an_optimizer_gets_down_a_bowl(thing, expected):
    assert severities(thing, "O204") == expected


def test_noise_stays_where_it_is():
    noisy = adamish(decay=lambda self, p, group: p.add_(torch.randn_like(p)))
    assert severities(noisy, "O204") == "not applicable"


# O205: maximize.


@pytest.mark.parametrize(
    ("thing", "expected"),
    [
        (Adamish, "passed"),
        (L2, "passed"),
        (adamish(gradient=lambda self, p, group: p.grad), ["error"]),
        (
            adamish(decay=lambda self, p, group: p.mul_(1 + (group["maximize"] - 0.5) * group["weight_decay"])),
            ["error"],
        ),
        (adamish(gradient=lambda self, p, group: (1 - 2 * group["maximize"]) * (p.grad + p)), ["error"]),
        (torch.optim.LBFGS, "not applicable"),
    ],
)
def test_to_maximize_is_to_minimize_the_negative(thing, expected):
    assert severities(thing, "O205") == expected


# O206: weight decay.


def decaying(decay, base=Adamish):
    return adamish(base, decay=lambda self, p, group: decay(p, group["lr"], group["weight_decay"]))


def adding(decay):
    def gradient(self, p, group):
        return Adamish.gradient(self, p, group) + decay(p, group["lr"], group["weight_decay"])

    return adamish(L2, gradient=gradient)


def before_the_gradient_is_asked_for(self, p, group):
    p.mul_(1 - group["lr"] * group["weight_decay"])
    Adamish.visit(self, p, {**group, "weight_decay": 0.0})


@pytest.mark.parametrize(
    ("thing", "definition", "text", "reason"),
    [
        (L2, "adamw", "added to the gradient", "coupled"),
        (Adamish, "adam", "adds the decay to the gradient", "decoupled"),
        (decaying(lambda p, lr, wd: p.mul_(1 - wd)), "adamw", "takes 0.1 of", "not multiplied"),
        (decaying(lambda p, lr, wd: p.mul_(1 - lr**2 * wd)), "adamw", "takes 0.00025 of", "twice"),
        (decaying(lambda p, lr, wd: p.mul_(1 + lr * wd)), "adamw", "takes -0.005 of", "sign"),
        (decaying(lambda p, lr, wd: None), "adamw", "changes nothing", "ignored"),
        (decaying(lambda p, lr, wd: p.mul_(1 - lr * wd) if p.dim() > 1 else p), "adamw", "of 1 dimension is not", ""),
        (decaying(lambda p, lr, wd: p.mul_(1 - lr * wd * (p.grad != 0))), "adamw", "where the gradient is zero", ""),
        (decaying(lambda p, lr, wd: p.mul_(1 - lr * wd), L2), "adamw", "no fixed part", "as well"),
        (adding(lambda p, lr, wd: 2 * wd * p), "adam", "is not what adam adds", "doubled"),
        (adding(lambda p, lr, wd: lr * wd * p), "adam", "is not what adam adds", "multiplied by the learning rate"),
        (adding(lambda p, lr, wd: -wd * p), "adam", "is not what adam adds", "wrong sign"),
        (adamish(visit=before_the_gradient_is_asked_for), "adamw", "never has a gradient is decayed", ""),
    ],
)
def test_wrong_decay_is_told_with_its_cause(thing, definition, text, reason):
    finding, *_ = result(thing, "O206", definition=definition).findings
    assert finding.severity == "error"
    assert text in finding.message
    assert reason in finding.cause


@pytest.mark.parametrize(
    ("thing", "expected"),
    [
        (Adamish, "passed"),
        (L2, "passed"),
        (decaying(lambda p, lr, wd: p.mul_(1 - wd)), "passed"),  # Loshchilov and Hutter's own form
        (decaying(lambda p, lr, wd: p.mul_(1 + lr * wd)), ["error"]),
        (adding(lambda p, lr, wd: -wd * p), ["error"]),
        (decaying(lambda p, lr, wd: p.mul_(1 - lr * wd) if p.dim() > 1 else p), ["warning"]),
        (decaying(lambda p, lr, wd: p.mul_(1 - lr**2 * wd)), ["warning"]),
        (adamish(visit=before_the_gradient_is_asked_for), ["error"]),
        (torch.optim.LBFGS, "not applicable"),
    ],
)
def test_without_a_definition_decay_has_to_be_consistent(thing, expected):
    assert severities(thing, "O206") == expected


def test_decay_after_the_step_and_in_float32_is_decay():
    def visit(self, p, group):
        if p.grad is not None:
            p.sub_(group["lr"] * self.direction(p, p.grad, group))
            p.copy_(p.float() * (1 - group["lr"] * group["weight_decay"]))

    assert severities(adamish(visit=visit), "O206", definition="adamw") == "passed"


def test_an_author_s_own_switch_between_the_two_is_believed():
    class AdamP(Adamish):
        def __init__(self, params, lr=1e-3, weight_decay=0.0, decoupled_l2=True):
            super().__init__(params, lr, weight_decay=weight_decay)

    assert severities(AdamP, "O206", definition="adam") == "passed"


# O207: nothing comes of nothing.


def raising(self, p, group):
    p.sub_(group["lr"] * p.grad.data)


def moving(self, p, group):
    p.sub_(1e-3)


@pytest.mark.parametrize(
    ("thing", "expected"),
    [
        (Adamish, "passed"),
        (adamish(visit=raising), ["warning"]),  # AttributeError where a parameter has no gradient
        (adamish(visit=moving), ["error", "warning", "warning"]),
        (adamish(gradient=lambda self, p, group: p.grad + 1), ["warning"]),
        (fixed(lr=1e-3), ["warning"]),
        (torch.optim.Adagrad, ["note"]),
        (torch.optim.ASGD, ["warning"]),
        (torch.optim.Rprop, ["warning"]),
    ],
)
def test_nothing_comes_of_nothing(thing, expected):
    assert severities(thing, "O207") == expected


@pytest.mark.parametrize("thing", [torch.optim.ASGD, torch.optim.Rprop])
def test_what_the_definition_does_is_a_note(thing):
    assert severities(thing, "O207", definition=None) == ["note"]


def test_a_way_through_float32_is_no_move():
    through = adamish(decay=lambda self, p, group: p.copy_(p.float()))
    assert severities(through, "O207") == "passed"


# O208: a learning rate that is a tensor.


def in_place(self, p, group):
    if p.grad is not None:
        rate = group["lr"]
        rate *= 0.5
        p.sub_(rate * p.grad)


def refusing(self, p, group):
    if not isinstance(group["lr"], float):
        raise ValueError("lr: expected a number")
    Adamish.visit(self, p, group)


@pytest.mark.parametrize(
    ("thing", "expected"),
    [
        (Adamish, "passed"),
        (adamish(visit=in_place), ["warning"]),
        (adamish(visit=refusing), "not applicable"),
    ],
)
def test_a_tensor_does_what_its_number_does(thing, expected):
    assert severities(thing, "O208", tier="full") == expected


# O209: laws.


@pytest.mark.parametrize(
    ("thing", "definition", "expected"),
    [
        (Adamish, "adamw", "passed"),
        (torch.optim.SGD, "sgd", "passed"),
        (torch.optim.Adagrad, "adagrad", "passed"),
        (fixed(lr=1e-3), "adamw", ["warning"]),
        (adamish(gradient=lambda self, p, group: p.grad.clamp(-1, 1)), "adamw", ["warning"]),
        (adamish(direction=lambda self, p, grad, group: grad / (grad.abs() + p.abs())), "adamw", ["warning"]),
        (Adamish, "none", "not applicable"),
    ],
)
def test_steps_scale_as_the_equations_do(thing, definition, expected):
    assert severities(thing, "O209", tier="full", definition=definition) == expected
