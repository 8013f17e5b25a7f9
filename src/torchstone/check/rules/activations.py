"""Rules on activations."""

from collections.abc import Iterator

from torchstone.check.result import Finding
from torchstone.check.rule import rule
from torchstone.check.subject import Subject
from torchstone.oracle import FORMATS, distance


@rule("A101", "value", kinds=("activation",), need="definition")
def value(subject: Subject) -> Iterator[Finding]:
    """It computes the function.

    Why: ...
    How: ...
    False alarms: ...
    Instead: ...
    """
    sample = subject.sample()
    got = subject.must(sample, wrt=subject.predictions)
    truth = subject.expected(sample)
    off = distance(got.tensors["value"].numpy(), truth.value, FORMATS["float64"])
    if off.max() > 100:
        yield Finding(f"off by {off.max():.3g} ulp", ulp=float(off.max()))
