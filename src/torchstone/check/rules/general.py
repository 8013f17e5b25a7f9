"""Rules that hold for every subject."""

from collections.abc import Iterator

from torchstone.check.result import Finding
from torchstone.check.rule import rule
from torchstone.check.subject import Subject


@rule("G001", "smoke", kinds=("loss", "activation", "optimizer"))
def smoke(subject: Subject) -> Iterator[Finding]:
    """It can be built, and runs on ordinary inputs.

    Why: what does not run cannot be right; all else waits for this.
    How: one call in float64 on moderate numbers, with a backward.
    False alarms: inputs that the subject is not made for. Say which it takes with `--inputs`.
    Instead: read the exception. If the inputs are the problem, name them.
    """
    sample = subject.sample()
    answer = subject.call(sample, wrt=subject.predictions)
    if not answer.ok:
        yield Finding(f"it raises {answer.error} on ordinary inputs", {n: t.tolist() for n, t in sample.items()})
