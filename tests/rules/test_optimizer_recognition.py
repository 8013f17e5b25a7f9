"""What is an optimizer, what its name says that it computes, and how its hyper-parameters are spelled."""

import functools
import json
import textwrap

import nbformat
import pytest
import torch

import torchstone
from torchstone.check.api import check
from torchstone.check.examine import case_here
from torchstone.check.optimizers.build import is_optimizer
from torchstone.check.optimizers.names import meant
from torchstone.check.session import check_target
from torchstone.report.check import data, page, terminal

MEANT = {
    "adam": [
        *("Adam", "MyAdam", "AdamOptimizer", "adam_from_scratch", "ADAM", "CustomAdam", "StudentAdam", "Adam_v2"),
        *("AdamScratch", "TorchAdam", "ForeachAdam", "FusedAdam", "HW3Adam", "Task7AdamOptimizer", "make_adam"),
        *("AdamL2", "AMSGrad", "AdamAMSGrad", "AMSGradAdam", "AdaptiveMomentEstimation"),
    ],
    "adamw": ["AdamW", "adamw_from_scratch", "MyAdamW", "AdamWOptimizer", "DecoupledAdam", "AdamWBf16", "build_adamw"],
    "sgd": [
        *("SGD", "CustomSGD", "SGDOptimizer", "SGDMomentum", "MomentumSGD", "SGDWithMomentum", "NesterovSGD", "NAG"),
        *("SGDNesterov", "NesterovAcceleratedGradient", "StochasticGradientDescent", "VanillaSGD", "SGDM"),
    ],
    "gradient_descent": ["GradientDescent", "GradientDescentOptimizer", "GD"],
    "momentum": ["Momentum", "MomentumOptimizer", "HeavyBall", "HeavyBallOptimizer"],
    "rmsprop": ["RMSprop", "RMSProp", "MyRMSProp", "rms_prop", "CenteredRMSprop", "RMSPropMomentum"],
    "adagrad": ["Adagrad", "AdaGrad", "adagrad_from_scratch"],
    "adadelta": ["Adadelta", "AdaDelta", "ADADELTA"],
    "adamax": ["Adamax", "AdaMax"],
    "nadam": ["NAdam", "Nadam", "NesterovAdam"],
    "radam": ["RAdam", "RectifiedAdam"],
    "rprop": ["Rprop", "RProp", "ResilientPropagation"],
    "asgd": ["ASGD", "AveragedSGD"],
    "sparse_adam": ["SparseAdam"],
    "lion": ["Lion", "MyLion", "LionOptimizer"],
    "signsgd": ["SignSGD", "Signum"],
    "lamb": ["LAMB", "Lamb"],
    "lbfgs": ["LBFGS", "MyLBFGS"],
    "muon": ["Muon"],
    "adafactor": ["Adafactor", "AdaFactor"],
}
UNKNOWN = [
    *("Optimizer", "MyOptimizer", "Opt", "create_optimizer", "Lookahead", "SAM", "Ranger", "AdaBelief", "AdaBound"),
    *("Adan", "Sophia", "LARS", "Yogi", "Prodigy", "SGLD", "Apollo", "Tiger"),
]
# Names that say more than a definition's: not held against it where they go another way.
LOOSE = [
    *("AdamNoBias", "LookaheadAdam", "ScheduleFreeAdamW", "CautiousAdamW", "ClippedSGD", "NoisySGD", "AdamP"),
    *("StableAdamW", "AdamMini", "AdamWithWarmup", "MuonWithAuxAdam", "RMSpropTF"),
]


@pytest.mark.parametrize(("name", "known"), [(name, known) for known, names in MEANT.items() for name in names])
def test_names_that_people_give(name, known):
    found = meant(name)
    assert found[0].definition.name == known
    assert not any(each.loose for each in found)


@pytest.mark.parametrize("name", UNKNOWN)
def test_names_that_say_nothing_known(name):
    assert meant(name) == ()


@pytest.mark.parametrize("name", LOOSE)
def test_names_that_say_more(name):
    assert all(each.loose for each in meant(name))


@pytest.mark.parametrize(
    ("name", "implied"),
    [
        ("NesterovSGD", {"nesterov": True, "momentum": 0.9}),
        ("NAG", {"nesterov": True, "momentum": 0.9}),
        ("AMSGrad", {"amsgrad": True}),
        ("AdamAmsgrad", {"amsgrad": True}),
        ("CenteredRMSprop", {"centered": True}),
        ("SGDMomentum", {}),
        ("Adam", {}),
    ],
)
def test_what_a_name_sets(name, implied):
    assert meant(name)[0].implied == implied


# Styles.


class Plain:
    """Gradient descent in the style of a course."""

    def __init__(self, parameters, learning_rate=0.1):
        self.parameters, self.learning_rate = list(parameters), learning_rate

    def zero_grad(self):
        for p in self.parameters:
            p.grad = None

    @torch.no_grad()
    def step(self):
        for p in self.parameters:
            if p.grad is not None:
                p.sub_(self.learning_rate * p.grad)


class OnlySteps:
    def __init__(self, params, lr):
        self.params, self.lr = list(params), lr

    def step(self):
        with torch.no_grad():
            for p in self.params:
                p -= self.lr * p.grad  # noqa: PLW2901 (in place)


class NeedsAClosure(Plain):
    def step(self, closure):
        closure()
        super().step()


class Environment:
    def __init__(self, params):
        self.params = params

    def step(self, action):
        return action


class Trainer:
    def __init__(self, model, optimizer):
        self.model, self.optimizer = model, optimizer

    def zero_grad(self):
        self.optimizer.zero_grad()

    def step(self, batch):
        return self.model(batch)


class TakesGradients:
    def __init__(self, params):
        self.params = params

    def zero_grad(self):
        pass

    def step(self, gradients):
        return gradients


class Network(torch.nn.Module):
    def __init__(self, parameters=()):
        super().__init__()

    def step(self):
        pass

    def zero_grad(self, set_to_none=True):
        pass


class Walker:
    def __init__(self, start):
        self.at = start

    def step(self):
        self.at += 1


def makes_sgd(params):
    return torch.optim.SGD(params, lr=0.1)


def makes_adam(params, lr):
    return torch.optim.Adam(params, lr=lr)


def no_factory(params):
    return sum(p.sum() for p in params)


def of_something_else(x):
    return x


def parameter():
    return torch.nn.Parameter(torch.ones(2))


@pytest.mark.parametrize(
    "thing",
    [
        *(torch.optim.SGD, torch.optim.LBFGS, torch.optim.SGD([parameter()], lr=0.1)),
        *(Plain, Plain([parameter()]), OnlySteps, NeedsAClosure),
        *(makes_sgd, makes_adam, functools.partial(torch.optim.Adam, lr=0.1), functools.partial(Plain)),
        *(functools.partial(makes_adam, lr=0.1), torchstone.optimizers.Adam, torchstone.assignment.SGDOptimizer),
    ],
    ids=lambda each: getattr(each, "__name__", type(each).__name__),
)
def test_what_is_an_optimizer(thing):
    assert is_optimizer(thing)
    assert case_here(thing).subject.kind == "optimizer"


@pytest.mark.parametrize(
    "thing",
    [
        *(torch.optim.Optimizer, torch.optim.lr_scheduler.StepLR, torch.optim.lr_scheduler.ReduceLROnPlateau),
        *(torch.optim.lr_scheduler.StepLR(makes_sgd([parameter()]), 1), torch.amp.GradScaler, Environment, Trainer),
        *(TakesGradients, Network, Network(), Walker, no_factory, of_something_else, torch.nn.Linear, dict, len, 3),
        *(torch.optim.swa_utils.AveragedModel, torch.nn.utils.clip_grad_norm_),
    ],
    ids=lambda each: getattr(each, "__name__", type(each).__name__),
)
def test_what_is_none(thing):
    assert not is_optimizer(thing)


# From a class to its definition.


def adam(name, **more):
    """A class of that name, which is torch's Adam but for its name and what is overridden."""
    return type(name, (torch.optim.Adam,), more)


def held_against(thing, **settings):
    return check(thing, select=["O201"], **settings).subjects[0]


def spelled(*names, **defaults):
    """A class of plain Adam whose constructor has its hyper-parameters under these names."""
    lr, beta1, beta2, eps = names
    body = f"""
class Adam:
    def __init__(self, params, {lr}=0.002, {beta1}=0.8, {beta2}=0.95, {eps}=1e-7):
        self.params = list(params)
        self.{lr}, self.{beta1}, self.{beta2}, self.{eps} = {lr}, {beta1}, {beta2}, {eps}
        self.t = 0
        self.m = [torch.zeros_like(p) for p in self.params]
        self.v = [torch.zeros_like(p) for p in self.params]

    def zero_grad(self):
        for p in self.params:
            p.grad = None

    @torch.no_grad()
    def step(self):
        self.t += 1
        for p, m, v in zip(self.params, self.m, self.v):
            if p.grad is None:
                continue
            m.mul_(self.{beta1}).add_(p.grad, alpha=1 - self.{beta1})
            v.mul_(self.{beta2}).addcmul_(p.grad, p.grad, value=1 - self.{beta2})
            m_hat, v_hat = m / (1 - self.{beta1} ** self.t), v / (1 - self.{beta2} ** self.t)
            p.sub_(self.{lr} * m_hat / (v_hat.sqrt() + self.{eps}))
"""
    space = {"torch": torch}
    exec(body, space)
    return space["Adam"]


@pytest.mark.parametrize(
    "names",
    [
        ("lr", "beta1", "beta2", "eps"),
        ("learning_rate", "beta_1", "beta_2", "epsilon"),
        ("alpha", "b1", "b2", "eps"),
        ("step_size", "beta1", "beta2", "e"),
        ("eta", "momentum_decay", "scaling_decay", "epsilon"),
    ],
    ids=lambda names: names[0],
)
def test_spellings_of_hyper_parameters(names):
    subject = case_here(spelled(*names)).subject
    if names[1] == "beta1" or names[1][0] == "b":
        assert {name: subject.hyper[name] for name in ("lr", "beta1", "beta2", "eps")} == {
            **{"lr": 0.002, "beta1": 0.8, "beta2": 0.95, "eps": 1e-7}
        }
        assert dict(subject.names) == {"lr": names[0], "beta1": names[1], "beta2": names[2], "eps": names[3]}
        assert held_against(spelled(*names)).results[-1].outcome != "fault"
    else:
        assert subject.names["lr"] == names[0]


def test_betas_are_two():
    subject = case_here(torch.optim.Adam).subject
    assert (subject.names["beta1"], subject.names["beta2"]) == ("betas[0]", "betas[1]")
    assert subject.build({"beta1": 0.5}) == {"betas": [0.5, 0.999]}


@pytest.mark.parametrize(
    ("thing", "settings", "known"),
    [
        (adam("MyAdam"), {}, "adam"),
        (adam("Something"), {"definition": "adam"}, "adam"),
        (adam("Something"), {"like": "torch.optim.Adam"}, "adam"),
        (adam("Something"), {"like": torch.optim.Adam}, "adam"),
        (adam("Something"), {}, ""),
        (adam("MyAdam"), {"definition": "none"}, ""),
        (adam("LookaheadAdam"), {}, "adam"),
        (adam("Something", __doc__="Adam, as in the paper."), {}, "adam"),
        (adam("SGDOfMine"), {"definition": "adam"}, "adam"),
        (makes_adam, {}, "adam"),
        (functools.partial(torch.optim.Adam, lr=0.5), {}, "adam"),
        (torch.optim.SGD([parameter()], lr=0.25, momentum=0.5), {}, "sgd"),
        (Plain, {"definition": "gradient_descent"}, "gradient_descent"),
        (type("GradientDescent", (Plain,), {}), {}, "gradient_descent"),
    ],
)
def test_what_it_is_held_against(thing, settings, known):
    subject = case_here(thing, **settings).subject
    assert (subject.definition.name if subject.definition else "") == known
    assert [finding.message for finding in check(thing, select=["O201"], **settings).findings] == []


def test_an_example_keeps_its_settings():
    subject = case_here(torch.optim.SGD([parameter()], lr=0.25, momentum=0.5)).subject
    assert (subject.hyper["lr"], subject.hyper["momentum"]) == (0.25, 0.5)


def test_arguments_that_are_required_are_chosen_and_told():
    subject = case_here(OnlySteps).subject
    assert subject.spec.kwargs["lr"] == 0.01
    assert any(fact.startswith("lr = 0.01: chosen here") for fact in subject.facts)
    given = case_here(OnlySteps, kwargs={"lr": 0.5}).subject
    assert given.spec.kwargs == {"lr": 0.5}


def test_arguments_that_nobody_can_choose_are_asked_for():
    class Unusual(Plain):
        def __init__(self, parameters, landscape):
            super().__init__(parameters, landscape["rate"])

    (subject,) = check(Unusual).subjects
    assert subject.verdict == "fail"
    assert any("it requires landscape: give it with kwargs" in fact for fact in subject.facts)
    assert check(Unusual, kwargs={"landscape": {"rate": 0.1}}, select=["G001"]).ok


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"inputs": "x float[N]"}, "inputs: expected none for an optimizer"),
        ({"kind": "loss"}, "kind: expected optimizer"),
        ({"like": "torch.nn.ReLU"}, "like: expected an optimizer"),
        ({"definition": "relu"}, "definition: expected that of an optimizer, got relu"),
        ({"definition": "adamm"}, "definition"),
    ],
)
def test_requests_that_mean_nothing(settings, message):
    with pytest.raises(ValueError, match=message):
        check(Plain, **settings)


class Decays(spelled("lr", "beta1", "beta2", "eps")):
    """Adam, that decays the weights itself, or adds the decay to the gradient."""

    decoupled = False

    def __init__(self, params, lr=0.002, weight_decay=0.0):
        super().__init__(params, lr)
        self.weight_decay = weight_decay

    @torch.no_grad()
    def step(self):
        for p in self.params:
            if p.grad is not None and self.decoupled:
                p.mul_(1 - self.lr * self.weight_decay)
            elif p.grad is not None:
                p.grad = p.grad + self.weight_decay * p
        super().step()


@pytest.mark.parametrize("name", ["AdamWithWeightDecay", "AdamWD"])
@pytest.mark.parametrize(("decoupled", "known"), [(False, "adam"), (True, "adamw")])
def test_adam_with_weight_decay_may_be_either(name, decoupled, known):
    assert case_here(type(name, (Decays,), {"decoupled": decoupled})).subject.definition.name == known


def test_a_name_that_goes_another_way_is_told():
    class LookaheadAdam(torch.optim.SGD):
        """Another rule altogether."""

    (subject,) = check(LookaheadAdam, select=["O201"]).subjects
    assert subject.definition == ""
    assert any("goes another way: not held against it" in fact for fact in subject.facts)


# Files, notebooks, tests, reports.

SOURCE = '''
"""Homework."""
import torch


class MyAdam(torch.optim.Optimizer):
    """Adam, with no bias correction."""

    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8):
        super().__init__(params, dict(lr=lr, betas=betas, eps=eps))

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                state = self.state[p]
                if not state:
                    state["m"], state["v"] = torch.zeros_like(p), torch.zeros_like(p)
                state["m"].lerp_(p.grad, 1 - group["betas"][0])
                state["v"].lerp_(p.grad * p.grad, 1 - group["betas"][1])
                p.sub_(group["lr"] * state["m"] / (state["v"].sqrt() + group["eps"]))


class GradientDescentOptimizer:
    def __init__(self, parameters, learning_rate):
        self.parameters, self.learning_rate = list(parameters), learning_rate

    def zero_grad(self):
        for p in self.parameters:
            p.grad = None

    def step(self):
        for p in self.parameters:
            if p.grad is not None:
                p.data -= self.learning_rate * p.grad.data


class Trainer:
    def __init__(self, model):
        self.model = model

    def zero_grad(self):
        pass

    def step(self, batch):
        raise RuntimeError("never called")


class WarmUp(torch.optim.lr_scheduler.LRScheduler):
    def get_lr(self):
        return [0.1]
'''


@pytest.fixture(scope="module")
def homework(tmp_path_factory):
    """The report on a file with a wrong optimizer and a right one, and on a notebook with the same."""
    folder = tmp_path_factory.mktemp("homework")
    (folder / "mine.py").write_text(textwrap.dedent(SOURCE))
    cells = [nbformat.v4.new_code_cell(cell) for cell in textwrap.dedent(SOURCE).split("\n\n\n")]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), folder / "mine.ipynb")
    select = ["G001", "O201", "O301", "O401"]
    return {end: check_target(str(folder / f"mine.{end}"), select=select) for end in ("py", "ipynb")}


@pytest.mark.parametrize("end", ["py", "ipynb"])
def test_what_a_file_or_a_notebook_holds(homework, end):
    found = {subject.target.rpartition(":")[2].partition(" ")[0]: subject for subject in homework[end].subjects}
    assert set(found) == {"MyAdam", "GradientDescentOptimizer"}
    assert {subject.kind for subject in found.values()} == {"optimizer"}
    assert found["GradientDescentOptimizer"].findings == ()
    (finding,) = [each for each in found["MyAdam"].findings if each.rule == "O201"]
    assert "no bias correction" in finding.cause
    compile(finding.repro, "repro", "exec")
    assert "mine" in finding.repro


def test_a_target_with_arguments(tmp_path):
    (tmp_path / "mine.py").write_text(textwrap.dedent(SOURCE))
    target = f"{tmp_path / 'mine.py'}:MyAdam"
    report = check_target(target, like="torch.optim.AdamW", kwargs={"betas": [0.5, 0.75]}, select=["O201"])
    assert report.subjects[0].definition == "adamw"
    assert "0.5, 0.75" in report.findings[0].repro


@torchstone.parametrize([Plain, torchstone.optimizers.SGD([parameter()], lr=0.5)], select=["G001", "O201", "O303"])
def test_cases_of_pytest(check):
    check()


def test_every_report_shows_an_optimizer(homework):
    report = homework["py"]
    as_data = json.loads(data.json(report))
    assert as_data
    text = terminal.text(report)
    for shown in (text, data.junit(report), data.sarif(report), page.html(report)):
        assert "MyAdam" in shown
        assert "O201" in shown


class IdleWithoutClosure(torch.optim.Optimizer):
    """A step that does nothing unless it is given a closure."""

    def __init__(self, params, lr=0.01):
        super().__init__(params, {"lr": lr})

    def step(self, closure=None):
        if closure is None:
            return None
        with torch.enable_grad():
            loss = closure()
        with torch.no_grad():
            for group in self.param_groups:
                for p in group["params"]:
                    if p.grad is not None:
                        p.sub_(group["lr"] * p.grad)
        return loss


def test_how_it_is_driven_can_be_declared():
    (finding,) = check(IdleWithoutClosure, select=["G001"]).findings
    assert "change no parameter" in finding.message
    declared = torchstone.traits(needs_closure=True)(type("Idle", (IdleWithoutClosure,), {}))
    report = check(declared, select=["G001"])
    assert not report.findings
    assert "step is given a closure" in report.subjects[0].facts
