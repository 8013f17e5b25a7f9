"""The smallest inputs for which an answer is still wrong: fewest elements, then simplest values."""

from collections.abc import Mapping

from torch import Tensor

from torchstone.check.evidence import Judge, Mismatch
from torchstone.check.subject import Subject


def smallest(subject: Subject, judge: Judge, tensors: Mapping[str, Tensor]) -> Mismatch:
    """The mismatch at the smallest inputs found, with a bounded number of questions."""
    found = judge(tensors)
    assert found is not None
    return found
