"""Rules on state: copies, state dicts, what `.to()` moves, and what a call leaves behind."""

from collections.abc import Iterator
from typing import Any

from torch import Tensor

from torchstone.check.pointwise import shown as text
from torchstone.check.repro import showing
from torchstone.check.result import Finding, Severity
from torchstone.check.rule import NotApplicable, rule
from torchstone.check.rules.general import shown
from torchstone.check.subject import Subject, granted


def _asked(subject: Subject, action: str, **options: Any) -> Any:
    """The answer of an object's state; a function has none."""
    if subject.description.form in ("function", "autograd.Function"):
        raise NotApplicable("a function has no state")
    answer = granted(subject.ask(action, subject.sample(), options))
    if answer.facts.get("object") is False:
        raise NotApplicable("a function has no state")
    if answer.facts.get("module") is False:
        raise NotApplicable("it is no torch.nn.Module")
    return answer


def _other(first: Tensor, second: Tensor) -> tuple[float, float] | None:
    """The first pair of numbers that differ, if any."""
    if first.shape != second.shape:
        return float(first.sum()), float(second.sum())
    wrong = ((first != second) & ~(first.isnan() & second.isnan())).reshape(-1)
    if not bool(wrong.any()):
        return None
    place = int(wrong.int().argmax())
    return float(first.reshape(-1)[place]), float(second.reshape(-1)[place])


@rule("S101", "copy", after=("G001", "G004"))
def copied(subject: Subject) -> Iterator[Finding]:
    """A copy computes the same: by `copy.deepcopy`, by pickle, by `torch.save`.

    Why: data-parallel training, averaged models, early stopping and process pools all copy a model, its loss included.
    How: a fresh instance is copied in each way, and the copy is called with the same inputs: its result has to be equal
        bit by bit, and its parameters have to lie in memory of their own. What cannot be copied raises, and is a
        warning; where it raises only after a call, because a tensor of a graph is kept on `self`, a note.
    False alarms: a class of a notebook or of another function can be pickled here, though pickle itself cannot find it.
    Instead: no lambda and no open file as an attribute: a method, or `functools.partial` of a named function.
    """
    answer = _asked(subject, "copies", wrt=subject.predictions)
    facts, tensors = answer.facts, answer.tensors
    for way in (name.removeprefix("copy.") for name in tensors if name.startswith("copy.")):
        pair = _other(tensors["original"], tensors[f"copy.{way}"])
        if pair is not None:
            sample = subject.sample()
            yield Finding(
                f"after {way} the copy computes {text(pair[1])} where the original computes {text(pair[0])}",
                shown(sample),
                *pair,
                repro=showing(subject, sample, *_COPIED[way], "print(({fresh} - {call}).abs().max())  # expected 0"),
            )
            return
    if facts["shared"]:
        names = ", ".join(dict.fromkeys(facts["shared"]))
        shows = showing(
            subject,
            {},
            *_COPIED["copy.deepcopy"],
            "for mine, theirs in zip(subject.parameters(), fresh.parameters()):",
            "    print(mine.data_ptr() == theirs.data_ptr())  # expected False",
        )
        yield Finding(
            f"a copy shares the memory of {names} with the original: training the one changes the other", repro=shows
        )
    ways: tuple[tuple[str, str, Severity], ...] = (("raised", "", "warning"), ("raised_used", " after a call", "note"))
    for key, when, severity in ways:
        for way, error in list(facts[key].items())[:1]:
            call = ["{call}"] if when else []
            tried = ("try:", f"    {_COPIED[way][-1]}", "except Exception as error:", "    print(repr(error))")
            shows = showing(subject, subject.sample(), *_COPIED[way][:-1], *call, *tried, wrt=subject.predictions)
            yield Finding(f"{way} fails{when}: {error}", repro=shows, severity=severity)
        if facts[key]:
            return


_COPIED = {
    "copy.deepcopy": ("import copy", "fresh = copy.deepcopy(subject)"),
    "a round trip through pickle": ("import pickle", "fresh = pickle.loads(pickle.dumps(subject))"),
    "a round trip through torch.save": (
        "import io",
        "file = io.BytesIO()",
        "torch.save(subject, file) or file.seek(0)",
        "fresh = torch.load(file, weights_only=False)",
    ),
}


@rule("S102", "state-dict", after=("G001", "G004"))
def state_dict(subject: Subject) -> Iterator[Finding]:
    """The state dict holds all that the result depends on, and loads strictly into a fresh instance.

    Why: what is missing is lost with the first checkpoint, and a key that only exists after a call makes the loading
        of that checkpoint fail.
    How: the parameters of an instance are changed, its state dict is written, read with `weights_only=True` and loaded
        strictly into a fresh instance (whose random numbers start elsewhere). Both are called with the same inputs, and
        have to give the same, bit by bit. The keys have to be the same before and after a call.
    False alarms: none known. A dict that only loads with `weights_only=False`, or refuses, is a warning.
    Instead: `register_buffer` for tensors that belong to the object, in `__init__`.
    """
    answer = _asked(subject, "state_dicts")
    facts = answer.facts
    before, after = facts["keys"]
    if before != after:
        new = sorted(set(after) - set(before))
        gone = sorted(set(before) - set(after))
        change = " and ".join(
            [f"gains {', '.join(new)}"] * bool(new) + [f"loses {', '.join(gone)}"] * bool(gone) or ["is reordered"]
        )
        yield Finding(
            f"the state dict {change} by a call, so that it does not load into a fresh instance",
            expected=before,
            got=after,
        )
        return
    for key, how in (("weights_only", "is not read with weights_only=True"), ("strict", "does not load strictly")):
        if facts[key]:
            yield Finding(f"the state dict {how}: {facts[key]}", severity="warning")
    if "restored" in answer.tensors:
        pair = _other(answer.tensors["original"], answer.tensors["restored"])
        if pair is not None:
            yield Finding(
                f"with the same state dict a fresh instance computes {text(pair[1])}, the original {text(pair[0])}: "
                "something that the result depends on is not in it",
                shown(subject.sample()),
                *pair,
            )


@rule("S103", "unregistered-tensor", severity="warning", after=("G001",))
def unregistered_tensor(subject: Subject) -> Iterator[Finding]:
    """Its tensors follow `.to()`: each is a parameter or a buffer.

    Why: a plain tensor on `self`, or a parameter in a list, stays on the CPU when the module goes to a GPU, is missing
        from the state dict, and no optimizer sees it.
    How: the module is moved to the meta device; tensors that stay behind are named, those in lists, tuples and dicts
        of its attributes, too. A plain tensor that wants a gradient (`requires_grad=True`) is a parameter that nothing
        ever trains: an error. Where a constructor takes `dtype`, its parameters have to have it.
    False alarms: tensors that the forward moves itself (a call on the meta device then runs), and tensors of a single
        number without dimensions, which PyTorch lets work on any device, are notes.
    Instead: `self.register_buffer("weight", weight)`, `nn.Parameter`, `nn.ParameterList`, `nn.ModuleList`.
    """
    facts = _asked(subject, "unregistered", takes_dtype="dtype" in subject.description.constructor).facts
    for left in facts["left"]:
        harmless = not left["parameter"] and (not left["shape"] or not facts["elsewhere"])
        raises = f"; on another device a call raises {facts['elsewhere']}" if facts["elsewhere"] else ""
        if left["learnable"] and not left["parameter"]:
            yield Finding(
                f"self.{left['name']} wants a gradient, but is a plain tensor and no nn.Parameter: no optimizer "
                f"that is given parameters() trains it, and .to() and the state dict pass it by{raises}",
                repro=showing(subject, {}, f"print(list(subject.parameters()))  # expected {left['name']} in it"),
                severity="error",
            )
            continue
        what = "a parameter that is not registered" if left["parameter"] else "a plain tensor"
        yield Finding(
            f"self.{left['name']} is {what}: .to() and the state dict pass it by{raises}",
            repro=_moving(subject, left["name"]),
            severity="note" if harmless else "warning",
        )
    wrong = {name: dtype for name, dtype in facts["dtypes"].items() if dtype != "torch.float64"}
    for name, dtype in wrong.items():
        yield Finding(
            f"with dtype=torch.float64 the parameter {name} is {dtype.removeprefix('torch.')}",
            expected="float64",
            got=dtype.removeprefix("torch."),
        )


def _moving(subject: Subject, name: str) -> str:
    if any(part.isdigit() for part in name.split(".")):
        return ""  # a place in a container: no attribute
    return showing(subject, {}, 'subject.to("meta")', f"print(subject.{name}.device)  # expected meta")


@rule("S104", "train-eval", severity="warning", after=("G001", "G004"))
def train_eval(subject: Subject) -> Iterator[Finding]:
    """Training and evaluation give the same, and a call keeps no graph.

    Why: a loss that differs between the two makes their curves incomparable. A tensor with its graph on `self` (or in a
        list of past losses) holds the memory of the whole network behind it.
    How: the same call in `train()` and in `eval()`. Three calls, after which the attributes are looked through for
        tensors that carry a graph, for other tensors, and for containers that grow with each call.
    False alarms: what draws random numbers, or updates buffers while training, may differ. A module with a `backward`
        of its own has to keep something for it: a note. Tensors without a graph are a note as well. Caches can be
        declared: `@torchstone.traits(caches=True)`.
    Instead: `self.last = loss.detach()`, or better nothing at all.
    """
    answer = _asked(subject, "keeps", wrt=subject.predictions)
    facts = answer.facts
    own = subject.description.has_backward
    if not subject.trait("caches"):
        for name in facts["graph"]:
            yield Finding(
                f"a call leaves a tensor with its graph in self.{name}: it holds the memory of the whole graph"
                + (" (its own backward needs something; a detached tensor will do)" if own else ""),
                repro=_after_a_call(subject, f"print(subject.{name})  # it has a grad_fn"),
                severity="note" if own else "warning",
            )
        for name in facts["grown"]:
            counted = f"print(len(subject.{name}))"
            shows = _after_a_call(subject, counted, "{call}", f"{counted}  # expected the same")
            yield Finding(f"self.{name} grows with each call", repro=shows)
        for name in () if own else facts["tensors"]:
            yield Finding(f"a call leaves a tensor in self.{name}", severity="note")
    if "eval" not in answer.tensors or subject.trait("stochastic") or facts["buffers"] or _random(subject):
        return
    pair = _other(answer.tensors["train"], answer.tensors["eval"])
    if pair is not None:
        yield Finding(
            f"in training mode it computes {text(pair[0])}, in evaluation mode {text(pair[1])}",
            shown(subject.sample()),
            *pair,
            repro=_after_a_call(subject, "first = {call}", "subject.eval()", "print({call} - first)  # expected 0"),
        )


def _after_a_call(subject: Subject, *lines: str) -> str:
    return showing(subject, subject.sample(), "{call}", *lines, wrt=subject.predictions)


def _random(subject: Subject) -> bool:
    return subject.definition is not None and subject.definition.random
