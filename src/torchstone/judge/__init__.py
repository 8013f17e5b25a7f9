"""Is it so? A claim about two expressions is proven, refuted with an exact counterexample, or left open."""

from torchstone.judge.judge import judge
from torchstone.judge.slip import suggest
from torchstone.judge.verdict import Claim, Counterexample, Verdict

__all__ = ["Claim", "Counterexample", "Verdict", "judge", "suggest"]
