"""One comparison as data: what is asked of the subject, of PyTorch's own and of the oracle, and how it is judged."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from torchstone.compare.result import Cost, Training
from torchstone.compare.task import Reply, Task
from torchstone.compare.training import TITLES
from torchstone.compare.truths import Question

SIZES = (1_000, 30_000, 1_000_000)
NOTHING = Reply()
_ENDS_ELSEWHERE = 0.05  # of PyTorch's first loss: nothing that rounding alone makes of a run


class Study(ABC):
    """Tasks and questions by key; a key's truth and replies belong together.

    `tasks` go to the subject, those whose key is in `both` to PyTorch's own as well, `questions` to the oracle.
    """

    _BESIDE = " beside its kinks"  # ends the key of a further question about a batch

    def __init__(self) -> None:
        self.tasks: dict[str, Task] = {}
        self.both: set[str] = set()
        self.questions: dict[str, list[Question]] = {}

    def open_questions(self, replies: Mapping[str, Reply]) -> dict[str, list[Question]]:
        """The questions about what the subject has answered: of the rest, the truth is of no use."""
        answered = {key for key, reply in replies.items() if reply.tensors}
        return {key: asked for key, asked in self.questions.items() if key.removesuffix(self._BESIDE) in answered}

    @abstractmethod
    def findings(
        self, replies: Mapping[str, Reply], theirs: Mapping[str, Reply], right: Mapping[str, Sequence[Any]]
    ) -> dict[str, Any]:
        """The fields of the row: whatever could be found out, and the problems."""

    def _add_costs_and_runs(self, parts: Collection[str], runs: Sequence[str]) -> None:
        for part, doing in (("speed", "being timed"), ("memory", "its memory was being measured")):
            for size in SIZES if part in parts else ():
                self.tasks[f"{part} {size}"] = Task(part, doing, {"size": size})
        for run in runs if "training" in parts else ():
            self.tasks[f"training {run}"] = Task("training", "training a network", {"task": run})
            self.both.add(f"training {run}")

    def _costs(self, part: str, replies: Mapping[str, Reply]) -> tuple[Cost, ...]:
        found = {size: replies.get(f"{part} {size}", NOTHING).facts for size in SIZES}
        return tuple(
            Cost(size, *(float(facts[name]) for name in ("ratio", "ours", "torch")))
            for size, facts in found.items()
            if "ratio" in facts
        )

    def _trainings(self, replies: Mapping[str, Reply], theirs: Mapping[str, Reply]) -> tuple[Training, ...]:
        found = []
        for key in (key for key in self.tasks if key.startswith("training ")):
            mine, other = (each.get(key, NOTHING).facts for each in (replies, theirs))
            if "losses" in mine and "losses" in other:
                run = key.removeprefix("training ")
                found.append(
                    Training(
                        run,
                        TITLES[run],
                        losses=tuple(map(float, mine["losses"])),
                        torch_losses=tuple(map(float, other["losses"])),
                        final=float(mine["final"]),
                        torch_final=float(other["final"]),
                        path=tuple((float(x), float(y)) for x, y in mine["path"]),
                        torch_path=tuple((float(x), float(y)) for x, y in other["path"]),
                    )
                )
        return tuple(found)


def run_problems(runs: Sequence[Training]) -> list[str]:
    """A sentence for each run that ends elsewhere than PyTorch's."""
    return [
        f"training: {run.task} ends at a loss of {run.final:.4g}, with PyTorch's at {run.torch_final:.4g}"
        for run in runs
        if not abs(run.final - run.torch_final) <= _ENDS_ELSEWHERE * abs(run.torch_losses[0])
    ]


def failures(tasks: Mapping[str, Task], replies: Mapping[str, Reply]) -> list[str]:
    """A sentence for each error, with what it came in the way of."""
    found: dict[str, list[str]] = {}
    for key, task in tasks.items():
        error = replies.get(key, NOTHING).error
        if error:
            found.setdefault(error, []).append(task.doing)
    more = {error: f", and {len(doing) - 1} times more" * (len(doing) > 1) for error, doing in found.items()}
    return [f"{error} (while {doing[0]}{more[error]})" for error, doing in found.items()]
