"""The rules on an optimizer's checkpoints, state dicts and copies: what they find, how bad it is, what they pass."""

import contextlib
import copy
import functools
import io
from collections import deque

import pytest
import torch

import torchstone
from torchstone.check.api import check
from torchstone.check.rule import find


def found(thing, code, **settings):
    """What a rule found, with its outcome."""
    settings.setdefault("definition", "none")
    (subject,) = check(thing, select=[code], **settings).subjects
    (result,) = [each for each in subject.results if each.code == code]
    assert result.outcome != "fault", result.reason
    return result


def severities(thing, code, **settings):
    """The severities of what a rule found, or the outcome where it found nothing."""
    result = found(thing, code, **settings)
    return [finding.severity for finding in result.findings] or result.outcome


class Ball(torch.optim.Optimizer):
    """Momentum, whose parts the others change."""

    def __init__(self, params, lr=0.01, momentum=0.9):
        super().__init__(params, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    self.advance(p, group)

    def advance(self, p, group):
        state = self.state[p]
        if not state:
            state["velocity"] = torch.zeros_like(p)
        state["velocity"].mul_(group["momentum"]).add_(p.grad)
        p.sub_(group["lr"] * state["velocity"])


class CountsInNumbers(Ball):
    """The step count is a plain number, and the mean a list of plain numbers: both can be saved."""

    def advance(self, p, group):
        state = self.state[p]
        state["step"] = state.get("step", 0) + 1
        state["past"] = [*state.get("past", [1.0]), float(p.grad.norm())][-3:]
        p.sub_(p.grad, alpha=group["lr"] * sum(state["past"]) / state["step"] ** 0.5)


class Eager(Ball):
    """All state is there from the beginning."""

    def __init__(self, params, lr=0.01, momentum=0.9):
        super().__init__(params, lr, momentum)
        for group in self.param_groups:
            for p in group["params"]:
                self.state[p]["velocity"] = torch.zeros_like(p)


class Noisy(Ball):
    """Random numbers from PyTorch's own stream."""

    def advance(self, p, group):
        p.sub_(group["lr"] * (p.grad + 0.1 * torch.randn_like(p)))


class WatchesItself(Ball):
    """A counter and a list for the user's eyes only."""

    def __init__(self, params, lr=0.01, momentum=0.9):
        super().__init__(params, lr, momentum)
        self.steps_done, self.history = 0, []

    def step(self, closure=None):
        self.steps_done += 1
        self.history.append(self.steps_done)
        super().step(closure)


class SingleState(Ball):
    """The state is float32 whatever the parameters are; loading casts it to theirs."""

    def advance(self, p, group):
        state = self.state[p]
        if not state:
            state["velocity"] = torch.zeros_like(p, dtype=torch.float32)
        state["velocity"].mul_(group["momentum"]).add_(p.grad.float())
        p.sub_(group["lr"] * state["velocity"].to(p.dtype))


class KeepsItsDtypes(SingleState):
    """Loading copies, and casts nothing."""

    def load_state_dict(self, state_dict):
        super().load_state_dict({**state_dict, "state": {}})
        parameters = [p for group in self.param_groups for p in group["params"]]
        for index, state in state_dict["state"].items():
            self.state[parameters[index]] = {key: value.clone() for key, value in state.items()}


class Lookahead:
    """A wrapper that saves what is its own, too."""

    def __init__(self, params, lr=0.01, k=3):
        self.inner = torch.optim.SGD(params, lr=lr, momentum=0.9)
        self.k, self.count = k, 0
        self.slow = [p.detach().clone() for p in self.parameters]

    @property
    def param_groups(self):
        return self.inner.param_groups

    @property
    def parameters(self):
        return [p for group in self.inner.param_groups for p in group["params"]]

    def zero_grad(self):
        self.inner.zero_grad()

    @torch.no_grad()
    def step(self, closure=None):
        self.inner.step()
        self.count += 1
        if self.count % self.k == 0:
            for p, slow in zip(self.parameters, self.slow, strict=True):
                slow.lerp_(p, 0.5)
                p.copy_(slow)

    def state_dict(self):
        return {"inner": self.inner.state_dict(), "count": self.count, "slow": self.slow, "k": self.k}

    def load_state_dict(self, state):
        self.inner.load_state_dict(state["inner"])
        self.count, self.k = state["count"], state["k"]
        self.slow = [each.clone() for each in state["slow"]]


@pytest.mark.parametrize(
    "thing",
    [Ball, CountsInNumbers, Eager, Noisy, WatchesItself, KeepsItsDtypes, Lookahead, torch.optim.SparseAdam],
    ids=lambda each: each.__name__,
)
@pytest.mark.parametrize("code", ["O401", "O402"])
def test_what_is_saved_in_an_unusual_way_passes(thing, code):
    assert severities(thing, code) == "passed"


@pytest.mark.parametrize("code", ["O401", "O402", "O403"])
def test_without_a_state_dict_there_is_nothing_to_ask(code):
    class Plain:
        def __init__(self, parameters, learning_rate=0.1):
            self.parameters, self.learning_rate = list(parameters), learning_rate

        def zero_grad(self):
            for p in self.parameters:
                p.grad = None

        @torch.no_grad()
        def step(self):
            for p in self.parameters:
                p.sub_(self.learning_rate * p.grad)

    result = found(Plain, code)
    assert result.outcome == "not applicable"
    assert "state_dict" in result.reason
    assert severities(Plain, "O404") == "passed"


class ForgetsTheSlowOnes(Lookahead):
    def state_dict(self):
        return self.inner.state_dict()

    def load_state_dict(self, state):
        self.inner.load_state_dict(state)


class StartsAgainOnTheFirstStep(Ball):
    """A flag on the object decides when the state is made."""

    def __init__(self, params, lr=0.01, momentum=0.9):
        super().__init__(params, lr, momentum)
        self.ready = False

    def step(self, closure=None):
        if not self.ready:
            for group in self.param_groups:
                for p in group["params"]:
                    self.state[p] = {"velocity": torch.zeros_like(p)}
            self.ready = True
        super().step(closure)


class OnTheParameter(Ball):
    def advance(self, p, group):
        p.velocity = getattr(p, "velocity", 0) * group["momentum"] + p.grad
        p.sub_(group["lr"] * p.velocity)


class Elsewhere(Ball):
    """A list beside the state, by position."""

    def __init__(self, params, lr=0.01, momentum=0.9):
        super().__init__(params, lr, momentum)
        self.buffers = {}

    def advance(self, p, group):
        self.buffers[p] = self.buffers.get(p, 0) * group["momentum"] + p.grad
        p.sub_(group["lr"] * self.buffers[p])


class EveryTenth(Ball):
    """What the counter does shows late."""

    def __init__(self, params, lr=0.01, momentum=0.9):
        super().__init__(params, lr, momentum)
        self.count = 0

    def step(self, closure=None):
        self.count += 1
        super().step(closure)

    def advance(self, p, group):
        if self.count % 25 == 0:
            p.mul_(0.5)
        super().advance(p, group)


@pytest.mark.parametrize(
    ("thing", "told"),
    [
        (ForgetsTheSlowOnes, "self.slow"),
        (StartsAgainOnTheFirstStep, "self.ready (True then, False after loading)"),
        (OnTheParameter, "p.velocity"),
        (Elsewhere, "self.buffers"),
        (EveryTenth, "self.count (4 then, 0 after loading)"),
    ],
    ids=lambda each: getattr(each, "__name__", ""),
)
def test_what_a_checkpoint_forgets_is_named(thing, told):
    result = found(thing, "O401")
    assert [finding.severity for finding in result.findings] == ["error"]
    assert told in result.findings[0].cause
    hidden = found(thing, "O402")
    assert hidden.findings[0].severity == "warning"
    assert told in hidden.findings[0].message


def wrong_loading(change):
    """A class whose `load_state_dict` changes the state that it loads."""

    class Wrong(torchstone.optimizers.Adam):
        def load_state_dict(self, state_dict):
            state_dict = copy.deepcopy(state_dict)
            for index, state in state_dict["state"].items():
                change(index, state)
            super().load_state_dict(state_dict)

    return Wrong


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda index, state: state.update(step=torch.tensor(0.0)), 'state["step"]'),
        (lambda index, state: state["exp_avg_sq"].zero_(), 'state["exp_avg_sq"]'),
        (lambda index, state: state["exp_avg"].copy_(state["exp_avg"].half()), 'state["exp_avg"]'),
        (lambda index, state: index or state.clear(), "state["),
        (lambda index, state: "max_exp_avg_sq" in state and state["max_exp_avg_sq"].zero_(), 'state["max_exp_avg_sq"]'),
    ],
    ids=["step", "second moment", "half", "first", "amsgrad"],
)
def test_what_loading_does_not_restore_is_named(change, told):
    (finding,) = found(wrong_loading(change), "O401", definition="adam").findings
    assert finding.severity == "error"
    assert told in finding.cause
    assert severities(wrong_loading(change), "O402", definition="adam") == "passed"


def with_state(value):
    class WithState(Ball):
        def advance(self, p, group):
            super().advance(p, group)
            self.state[p]["more"] = value()

    return WithState


class Refuses(Ball):
    def load_state_dict(self, state_dict):
        raise NotImplementedError("checkpoints come with the next version")


class Chokes(Ball):
    def load_state_dict(self, state_dict):
        super().load_state_dict(state_dict["optimizer"])


class OwnStream(Ball):
    def __init__(self, params, lr=0.01, momentum=0.9):
        super().__init__(params, lr, momentum)
        self.stream = torch.Generator().manual_seed(0)

    def advance(self, p, group):
        p.sub_(group["lr"] * (p.grad + torch.randn(p.shape, generator=self.stream, dtype=p.dtype)))


class LoadsIntoSingle(Ball):
    def load_state_dict(self, state_dict):
        state_dict = copy.deepcopy(state_dict)
        for state in state_dict["state"].values():
            state["velocity"] = state["velocity"].float()
        super().load_state_dict(state_dict)


@pytest.mark.parametrize(
    ("thing", "severity", "told"),
    [
        (with_state(lambda: lambda x: x), "error", "cannot be saved"),
        (with_state(lambda: deque([1.0])), "warning", "weights_only=True"),
        (Refuses, "note", "NotImplementedError"),
        (Chokes, "error", "does not load into a fresh optimizer: KeyError"),
        (OwnStream, "warning", "from a checkpoint after step 4"),
        (LoadsIntoSingle, "warning", "after the first step"),
        (torch.optim.NAdam, "note", "from a checkpoint"),
    ],
    ids=["lambda", "deque", "refuses", "chokes", "own stream", "float32", "NAdam"],
)
def test_how_bad_a_checkpoint_is(thing, severity, told):
    (finding,) = found(thing, "O401").findings
    assert finding.severity == severity
    assert told in finding.message


def test_options_that_older_checkpoints_lack_are_a_note_where_pytorch_takes_them():
    class Adam(torch.optim.Adam):
        def __setstate__(self, state):
            torch.optim.Optimizer.__setstate__(self, state)

    (finding,) = found(Adam, "O401", definition="adam").findings
    assert finding.severity == "note"
    assert "have no 'maximize'" in finding.message


class ChosenOnce(Ball):
    def __init__(self, params, lr=0.01, momentum=0.9, k=2):
        super().__init__(params, lr, momentum)
        self.lr, self.k = lr, k

    def advance(self, p, group):
        p.sub_(self.lr * p.grad * self.k)


def test_hyper_parameters_outside_the_state_dict_are_named():
    messages = [finding.message for finding in found(ChosenOnce, "O402").findings]
    assert [message.partition(" ")[0] for message in messages] == ["lr", "k"]
    assert severities(ChosenOnce, "O402") == ["warning", "warning"]
    declared = torchstone.traits(ctor_only={"lr", "k"})(ChosenOnce)
    try:
        assert severities(declared, "O402") == "passed"
    finally:
        del ChosenOnce.__torchstone_traits__


class TakesTheTensors(Ball):
    def load_state_dict(self, state_dict):
        parameters = [p for group in self.param_groups for p in group["params"]]
        self.state.update({parameters[index]: state for index, state in state_dict["state"].items()})


class EmptiesTheDict(Ball):
    def load_state_dict(self, state_dict):
        super().load_state_dict(copy.deepcopy(state_dict))
        state_dict["state"].clear()


class AsksByActing(Ball):
    def state_dict(self):
        found = copy.deepcopy(super().state_dict())
        for state in self.state.values():
            state["velocity"].zero_()
        return found


@pytest.mark.parametrize(
    ("thing", "told"),
    [
        (Ball, ["note: steps after loading write into the dict that was loaded (velocity)"]),
        (TakesTheTensors, ["warning: steps after loading write into the dict that was loaded (velocity)"]),
        (EmptiesTheDict, ["warning: loading a state dict changes it"]),
        (AsksByActing, ["error: asking for the state dict changes the run", "note: steps after loading"]),
        (SingleState, ['warning: under bfloat16 parameters, state["velocity"] is float32, and bfloat16 after']),
        (KeepsItsDtypes, []),
        (with_state(lambda: deque([1.0])), ["note: steps after", "note: the state dict holds more than"]),
    ],
    ids=["inherited", "takes", "empties", "asks", "cast", "kept", "odd"],
)
def test_state_dicts_are_records(thing, told):
    messages = [f"{finding.severity}: {finding.message}" for finding in found(thing, "O403").findings]
    assert len(messages) == len(told)
    assert all(message.startswith(start) for message, start in zip(messages, told, strict=True)), messages


class CountsOnItself(Ball):
    def __init__(self, params, lr=0.01, momentum=0.9):
        super().__init__(params, lr, momentum)
        self.count = 0

    def step(self, closure=None):
        self.count += 1
        super().step(closure)


class CountsAndCopies(CountsOnItself):
    def __getstate__(self):
        return {**super().__getstate__(), "count": self.count}


class SharesWithItsCopy(Ball):
    """Its copies have parameters of their own, and the original's state."""

    def __deepcopy__(self, memo):
        parameters = [p for group in self.param_groups for p in group["params"]]
        other = type(self)([copy.deepcopy(p, memo) for p in parameters], **self.defaults)
        for p in parameters:
            other.state[copy.deepcopy(p, memo)] = self.state[p]
        return other


class WithALambda(CountsAndCopies):
    def __init__(self, params, lr=0.01, momentum=0.9):
        super().__init__(params, lr, momentum)
        self.defaults["gate"] = lambda x: x


class WithAName(CountsAndCopies):
    def __init__(self, params, lr=0.01, momentum=0.9):
        super().__init__(params, lr, momentum)
        self.defaults["gate"] = functools.partial(torch.clamp, min=0.0)


@pytest.mark.parametrize(
    ("thing", "severity", "told"),
    [
        (CountsOnItself, "warning", "AttributeError"),
        (SharesWithItsCopy, "warning", "and steps of the copy, the original is at"),
        (WithALambda, "note", "a round trip through pickle raises"),
    ],
    ids=lambda each: getattr(each, "__name__", ""),
)
def test_copies_that_go_another_way(thing, severity, told):
    (finding,) = found(thing, "O404").findings
    assert finding.severity == severity
    assert told in finding.message


@pytest.mark.parametrize("thing", [Ball, CountsAndCopies, WithAName, Lookahead, Noisy], ids=lambda each: each.__name__)
def test_copies_that_go_on(thing):
    assert severities(thing, "O404") == "passed"


class ById(Ball):
    """A copy of a parameter has another id."""

    def advance(self, p, group):
        state = self.state.setdefault("velocity", {})
        state[id(p)] = state.get(id(p), 0) * group["momentum"] + p.grad
        p.sub_(group["lr"] * state[id(p)])


@pytest.mark.parametrize(
    ("thing", "code"), [(Elsewhere, "O401"), (Elsewhere, "O402"), (ChosenOnce, "O402"), (ById, "O404")]
)
def test_a_script_shows_it_with_torch_alone(thing, code):
    text = found(thing, code).findings[0].repro
    with contextlib.redirect_stdout(io.StringIO()) as shown:
        exec(compile(text, "script", "exec"), {thing.__name__: thing})
    assert float(shown.getvalue()) != 0


def test_the_rules_are_those_of_the_catalogue():
    listed = {code: (find(code).name, find(code).severity) for code in ("O401", "O402", "O403", "O404")}
    assert listed == {
        "O401": ("resume", "error"),
        "O402": ("hidden-state", "warning"),
        "O403": ("dict-hygiene", "note"),
        "O404": ("copy", "warning"),
    }
