"""What a subject is: its kind, its definition, its counterpart and its inputs, from what is told and from its names.

Nothing here runs the subject's code but through its home.
"""

from torchstone.check.recognise.claims import Request
from torchstone.check.recognise.understand import understand

__all__ = ["Request", "understand"]
