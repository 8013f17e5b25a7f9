"""Rules on gradients that are not plain numbers: NaN, sparse, complex."""

from collections.abc import Iterator

import torch

from torchstone.check.optimizers.apart import parting
from torchstone.check.optimizers.plan import Plan
from torchstone.check.optimizers.subject import OptimizerSubject
from torchstone.check.result import Finding
from torchstone.check.rule import NotApplicable, rule

_STEPS = 5
_AT = 2  # the step, from 0, with the NaN


@rule("O307", "nan-locality", kinds=("optimizer",), tier="full", severity="warning")
def nan_locality(subject: OptimizerSubject) -> Iterator[Finding]:
    """A NaN in a gradient makes its own element NaN, and no other.

    Why: where one NaN spoils everything, nobody finds out which layer it came from; where it is swallowed, nobody
        finds out that there was one.
    How: the same steps twice, once with a NaN as one element of one gradient at step 3. Every other element has to go
        the same way, and the element itself has to be NaN.
    False alarms: methods that look at a whole tensor (a norm, a matrix) spread it by design: a note, and so it is
        where all parameters are coupled. A sign of NaN may be 0 on purpose: a note.
    Instead: compute element by element; check for NaN where you mean to, and say so.
    """
    if subject.trait("stochastic"):
        raise NotApplicable("it draws random numbers")
    plan = subject.ordinary(_STEPS)
    spoiled = plan.gradients["a"].clone()
    spoiled[_AT].reshape(-1)[0] = torch.nan
    base, answer = subject.must(plan), subject.must(plan.with_(gradients={**plan.gradients, "a": spoiled}))
    hit = {
        name: each[-1].isnan() & ~base.tensors[name][-1].isnan()
        for name, each in answer.tensors.items()
        if name in plan.start
    }
    own, others = bool(hit["a"].reshape(-1)[0]), int(hit["a"].sum()) - int(hit["a"].reshape(-1)[0])
    where = {"gradient": f"NaN in the first element of {list(plan.start['a'].shape)} at step {_AT + 1}"}
    if bool(hit["b"].any()):
        yield Finding(
            "a NaN in one parameter's gradient makes another parameter NaN",
            where,
            severity="note" if subject.trait("couples_params") else None,
        )
    elif others:
        yield Finding(
            f"a NaN in one element of a gradient makes {others} other elements of its parameter NaN",
            where,
            severity=None if subject.trait("elementwise") else "note",
        )
    elif not own:
        yield Finding("a NaN in a gradient is swallowed: its parameter stays a number", where, severity="note")


@rule("O308", "sparse-complex", kinds=("optimizer",), tier="full", severity="note")
def sparse_complex(subject: OptimizerSubject) -> Iterator[Finding]:
    """Sparse gradients act as dense ones, and a complex parameter as its two real parts; or it says that they can't.

    Why: embeddings may have sparse gradients. With complex parameters, a second moment computed as g * g is complex,
        and its root is another direction: the square of the modulus of each part is meant.
    How: the same numbers as dense and as sparse gradients, and as real and as complex parameters. What raises is left
        alone.
    False alarms: what leaves rows without a gradient as they are, moments and all, is lazy on purpose
        (`torch.optim.SparseAdam`): here every element has a gradient, so that this makes no difference. Complex
        parameters are left out where a method looks at a whole tensor.
    Instead: `p.grad.is_sparse` with a clear error; `torch.view_as_real` for complex parameters.
    """
    if subject.trait("stochastic"):
        raise NotApplicable("it draws random numbers")
    if not subject.spec.usage.get("sparse"):
        plan = subject.ordinary(_STEPS).only("a")
        yield from _like_plain(subject, plan, {"gradient.a": "sparse"}, "with sparse gradients")
    if subject.trait("elementwise"):
        pairs = subject.ordinary(_STEPS, shapes={"a": (3, 2)})
        layouts = {"start.a": "complex", "gradient.a": "complex"}
        yield from _like_plain(subject, pairs, layouts, "as part of a complex number")


def _like_plain(subject: OptimizerSubject, plan: Plan, layouts: dict[str, str], how: str) -> Iterator[Finding]:
    plain, special = subject.must(plan), subject.run(plan.with_(options={"layouts": layouts}))
    if not special.ok or special.tensors["a"].shape != plain.tensors["a"].shape:
        return
    found = parting(plan, special.tensors, plain.tensors)
    if found is not None:
        yield Finding(
            f"{how}, an element moves by {found.moved:.3g} at step {found.step + 1}, otherwise by {found.should:.3g}",
            expected=found.expected,
            got=found.got,
        )
