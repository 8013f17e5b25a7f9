"""What the numbers are: definitions evaluated in ball arithmetic, and distances from them.

>>> from torchstone import definitions, oracle
>>> answer = oracle.truth(definitions.get("gelu"), {"x": -10.0})
>>> float(answer.value.high)
-7.619853024160526e-23
"""

from torchstone.oracle.balls import OracleError
from torchstone.oracle.formats import FORMATS, Format, distance, not_finite
from torchstone.oracle.functions import Answer, Truth, truth
from torchstone.oracle.points import every_value, grid, inside, rounded
from torchstone.oracle.sides import accepted
from torchstone.oracle.trajectory import Path, trajectory

__all__ = [
    "FORMATS",
    "Answer",
    "Format",
    "OracleError",
    "Path",
    "Truth",
    "accepted",
    "distance",
    "every_value",
    "grid",
    "inside",
    "not_finite",
    "rounded",
    "trajectory",
    "truth",
]
