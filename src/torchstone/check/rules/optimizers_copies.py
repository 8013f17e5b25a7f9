"""Rules on an optimizer's state dicts as records, and on its copies."""

from collections.abc import Iterator

import torch

from torchstone.check.optimizers.resumption import (
    COPYING,
    STEPS,
    asked,
    forgotten,
    listed,
    occupied,
    ordinal,
    parted,
    script,
)
from torchstone.check.optimizers.subject import OptimizerSubject
from torchstone.check.result import Finding
from torchstone.check.rule import NotApplicable, rule


@rule("O403", "dict-hygiene", kinds=("optimizer",), severity="note")
def dict_hygiene(subject: OptimizerSubject) -> Iterator[Finding]:
    """A state dict is a record: asking for it changes nothing, and what loads it leaves it as it was.

    Why: a checkpoint in memory (of the best epoch, of a fold of cross-validation) that later steps write into is
        another one when it is needed.
    How: `state_dict()` is called before each step, and the run has to be the same as without. A dict is loaded by a
        fresh optimizer, which then takes steps: the dict must not change. It has to hold tensors, numbers and text
        alone. Under bfloat16 parameters, the state has to have the dtype after loading that it had before.
    False alarms: PyTorch's own base class gives a loader the dict's tensors, and casts every state to its parameter's
        dtype; where a subject inherits that, it is a note, but for a float32 state that is lost so: a warning.
    Instead: `copy.deepcopy(optimizer.state_dict())` where it is to be kept. In a `load_state_dict` of its own, clone.
    """
    subject.needs("state_dict", "load_state_dict")
    subject.must(subject.ordinary(1))
    plan = occupied(subject, subject.ordinary(8))
    answer = asked(subject, "checkpoints", plan)
    if not answer.ok:
        raise NotApplicable("no state dict of it loads: see O401")
    facts = answer.facts
    apart = parted(answer, "plain", "asked", list(plan.start))
    if apart is not None:
        yield Finding(
            f"asking for the state dict changes the run: with state_dict() before each step a parameter is "
            f"{apart.got:.9g} after {ordinal(apart.step)}, without it {apart.expected:.9g}",
            expected=apart.expected,
            got=apart.got,
            severity="error",
        )
    if facts["written"]:
        yield Finding(f"loading a state dict changes it: {listed(facts['written'])}", severity="warning")
    if facts["stepped"]:
        inherited = "" if facts["own"] else " (so does PyTorch's own base class)"
        yield Finding(
            f"steps after loading write into the dict that was loaded ({listed(facts['stepped'])}): two optimizers "
            f"that load it share their state{inherited}",
            severity="warning" if facts["own"] else "note",
        )
    if facts["odd"]:
        place, kind = facts["odd"][0]
        yield Finding(f"the state dict holds more than tensors, numbers and text: {place} is {kind}")
    yield from _cast(subject)


def _cast(subject: OptimizerSubject) -> Iterator[Finding]:
    """What loading makes of a state whose dtype is not its parameter's."""
    answer = asked(subject, "checkpoints", subject.ordinary(8, torch.bfloat16))
    cast = answer.facts.get("dtypes", {}) if answer.ok else {}
    for key, (before, after, count) in cast.items():
        lost = before in ("float32", "float64") and after in ("bfloat16", "float16") and count > 1
        yield Finding(
            f"under bfloat16 parameters, {key} is {before}, and {after} after loading: a resumed run goes on "
            "with rounded state" + ("" if answer.facts["own"] else " (PyTorch's base class casts it)"),
            expected=before,
            got=after,
            severity="warning" if lost else "note",
        )
        return


@rule("O404", "copy", kinds=("optimizer",), severity="warning")
def copied(subject: OptimizerSubject) -> Iterator[Finding]:
    """A copy of parameters and optimizer goes on as the original does, and leaves that alone.

    Why: line searches, population-based training, look-aheads and averaged models copy both, and step the copy.
    How: after four steps `copy.deepcopy((parameters, optimizer))`, and the same through pickle; the copy goes on with
        the gradients that the original gets in a run that nothing interrupted, and has to be where that is, bit by bit.
        Then the original goes on, and has to be there, too: what it shares with its copy shows.
    False alarms: PyTorch's base class copies `state`, `param_groups` and `defaults` alone, and so attributes of a
        subclass are missing in its copies, unless it has a `__getstate__`. What cannot be pickled is a note.
    Instead: state by parameter, not by `id(parameter)`, which is another one in the copy; no lambda as an attribute.
    """
    subject.must(subject.ordinary(1))
    plan = occupied(subject, subject.ordinary(STEPS))
    for how, text in (("copy", "copy.deepcopy"), ("pickle", "a round trip through pickle")):
        answer = asked(subject, "copied", plan, how=how)
        if not answer.ok:
            raised = "raises" if answer.during == how else "gives an optimizer that cannot step: it raises"
            yield Finding(f"{text} {raised} {answer.error}", severity="note" if how == "pickle" else None)
            return
        for run, said in (
            ("copy", f"after {text} the copy"),
            ("after", f"after {text} and steps of the copy, the original"),
        ):
            apart = parted(answer, "whole", run, list(plan.start))
            if apart is not None:
                lost = forgotten(answer)
                told = f"{said} is at {apart.got:.9g} after {ordinal(apart.step)}"
                yield Finding(
                    f"{told}; without a copy it is at {apart.expected:.9g}",
                    expected=apart.expected,
                    got=apart.got,
                    cause=f"not the same in the copy: {listed(lost)}" if lost else "",
                    repro=script(subject, plan, COPYING, "copied", ("whole", "copy"), how=how) if run == "copy" else "",
                )
                return
