"""O201: what follows a rule passes, and what follows a variant of it is told by that variant's name."""

import pytest
import torch
from optimizers_of_rules import optimizer_of

from torchstone import definitions
from torchstone.check import check

RULES = [each for each in definitions.every("optimizer") if each.elementwise]
# A few of each rule's, from its whole list; ASGD's float32 scalars are PyTorch's, not the rule's.
TRIED = [(each, name) for each in RULES for name in list(each.variants)[3::23] if name not in each.accepted]
ACCEPTED = [(each, name) for each in RULES for name in each.accepted[:1]]


def findings(thing, **settings):
    report = check(thing, select=["O201"], **settings)
    assert not report.faults
    assert {each.outcome for each in report.subjects[0].results if each.code == "O201"} <= {"passed", "failed"}
    return report.findings


def named(case):
    return f"{case[0].name}: {case[1]}"


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_what_follows_the_rule_passes(rule):
    assert not findings(optimizer_of(rule, rule.name), definition=rule.name)


@pytest.mark.parametrize("case", TRIED, ids=named)
def test_a_variant_is_called_by_its_name(case):
    rule, name = case
    (finding,) = findings(optimizer_of(rule.variant(name), rule.name), definition=rule.name)
    assert finding.severity == "error"
    assert finding.cause == f"this is {rule.title} with one change: {name}"
    assert "optimizer.step()" in finding.repro


@pytest.mark.parametrize("case", ACCEPTED, ids=named)
def test_another_published_form_is_a_warning(case):
    rule, name = case
    (finding,) = findings(optimizer_of(rule.variant(name), rule.name), definition=rule.name)
    assert finding.severity == "warning"
    assert name in finding.message


class SingleAdam(torch.optim.Optimizer):
    """Right, with averages in float32 whatever the parameters are."""

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8):
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps})

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            beta1, beta2 = group["betas"]
            for p in group["params"]:
                if p.grad is None:
                    continue
                state = self.state[p]
                if not state:
                    state |= {"t": 0, "m": torch.zeros_like(p).float(), "v": torch.zeros_like(p).float()}
                state["t"] += 1
                g = p.grad.float()
                state["m"].lerp_(g, 1 - beta1)
                state["v"].mul_(beta2).addcmul_(g, g, value=1 - beta2)
                root = (state["v"] / (1 - beta2 ** state["t"])).sqrt() + group["eps"]
                p.sub_(group["lr"] * state["m"] / (1 - beta1 ** state["t"]) / root)


def test_float32_on_the_way_is_a_warning():
    (finding,) = findings(SingleAdam, definition="adam")
    assert finding.severity == "warning"
    assert "single precision" in finding.message


class CountsForAll:
    """Adam as the assignment's pupils write it: one count of steps, which is right while all have gradients."""

    every_parameter = False

    def __init__(self, parameters, learning_rate=0.001):
        self.parameters, self.learning_rate, self.t = list(parameters), learning_rate, 0
        self.m = [torch.zeros_like(p) for p in self.parameters]
        self.v = [torch.zeros_like(p) for p in self.parameters]

    def step(self):
        self.t += not self.every_parameter
        with torch.no_grad():
            for p, m, v in zip(self.parameters, self.m, self.v, strict=True):
                if p.grad is not None:
                    self.t += self.every_parameter
                    m.lerp_(p.grad, 0.1)
                    v.mul_(0.999).addcmul_(p.grad, p.grad, value=1 - 0.999)
                    root = (v / (1 - 0.999**self.t)).sqrt() + 1e-8
                    p.sub_(self.learning_rate * m / (1 - 0.9**self.t) / root)

    def zero_grad(self):
        for p in self.parameters:
            p.grad = None


class CountsForEach(CountsForAll):
    every_parameter = True


def test_one_count_in_a_plain_class_is_no_wrong_trajectory():
    assert not findings(CountsForAll, definition="adam")


def test_a_count_that_every_parameter_advances_is():
    (finding,) = findings(CountsForEach, definition="adam")
    assert finding.cause == "its step count is shared: every parameter advances it"
