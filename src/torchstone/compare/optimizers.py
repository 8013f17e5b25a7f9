"""The study of an optimizer: its trajectory under every set of options."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import torch

from torchstone.compare import paths, truths
from torchstone.compare.catalogue import OptimizerEntry, Setting
from torchstone.compare.result import Trajectory
from torchstone.compare.study import NOTHING, Study, failures, run_problems
from torchstone.compare.task import Reply, Task
from torchstone.compare.walk import Walk
from torchstone.definitions import UpdateRule

_STATE_OF = 1_000_000  # parameters
_BUDGET = 1e-12


class OptimizerStudy(Study):
    """An optimizer."""

    def __init__(self, entry: OptimizerEntry, rule: UpdateRule, parts: Collection[str]) -> None:
        super().__init__()
        self._settings = {}
        self._course = paths.course()
        if "accuracy" in parts:
            self._settings = {f"path {n}": setting for n, setting in enumerate(entry.settings)}
            self.tasks["state"] = Task("state", "its state was being measured", {"elements": _STATE_OF})
            self.both = {"state", *self._settings}
        arrays = {"start": self._course.start, "gradients": self._course.gradients}
        tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
        for key, setting in self._settings.items():
            options = {"options": setting.options, "rates": paths.rates(setting), "absent": paths.absent(setting)}
            self.tasks[key] = Task("trajectory", f"taking {paths.STEPS} steps with {setting}", options, tensors)
            self.questions[key] = [truths.path_question(rule, entry, setting, self._course)]
        self._add_costs_and_runs(parts, list(entry.rates))

    def findings(
        self, replies: Mapping[str, Reply], theirs: Mapping[str, Reply], right: Mapping[str, Sequence[Any]]
    ) -> dict[str, Any]:
        """The fields of the row."""
        runs = self._trainings(replies, theirs)
        trajectory, problems, notes = self._trajectory(replies, theirs, right)
        return {
            "trajectory": trajectory,
            "speed": self._costs("speed", replies),
            "memory": self._costs("memory", replies),
            "training": runs,
            "problems": [*failures(self.tasks, replies), *problems, *run_problems(runs)],
            "notes": notes,
        }

    def _trajectory(
        self, replies: Mapping[str, Reply], theirs: Mapping[str, Reply], right: Mapping[str, Sequence[Any]]
    ) -> tuple[Trajectory | None, list[str], list[str]]:
        walked, skipped = [], {}
        for key, setting in self._settings.items():
            reply = replies.get(key, NOTHING)
            if "unsupported" in reply.facts:
                skipped[str(setting)] = reply.facts["unsupported"]
            elif "path" in reply.tensors:
                (path,) = right[key]
                walked.append(
                    Walk(self._course.start, path, setting, reply.tensors["path"], theirs[key].tensors["path"])
                )
        reasons = "; ".join(dict.fromkeys(skipped.values()))
        notes = [f"{len(skipped)} of {len(self._settings)} sets of options were not run: {reasons}"] if skipped else []
        if not walked:
            refused = skipped.get(str(Setting()))
            return None, [f"trajectory: not run: {refused}"] if refused else [], notes
        worst = max(walked, key=lambda walk: walk.to_oracle)
        found = Trajectory(
            steps=paths.STEPS,
            to_oracle=worst.to_oracle,
            torch_to_oracle=max(walk.torch_to_oracle for walk in walked),
            to_torch=max(walk.to_torch for walk in walked),
            worst_option=str(worst.setting),
            budget=_BUDGET,
            options=len(walked),
            state_bytes=int(replies.get("state", NOTHING).facts.get("bytes", 0)),
            torch_state_bytes=int(theirs["state"].facts.get("bytes", 0)),
        )
        return found, _path_problems(worst, walked), notes


def _path_problems(worst: Walk, walked: Sequence[Walk]) -> list[str]:
    """One sentence about all sets of options that led off the exact path."""
    beyond = [walk for walk in walked if not walk.to_oracle <= _BUDGET]
    if not beyond:
        return []
    others = f", and under {len(beyond) - 1} more of {len(walked)} sets of options" * (len(beyond) > 1)
    return [
        f"trajectory: {worst.to_oracle:.2g} off the exact recurrence with {worst.setting} "
        f"(budget {_BUDGET:g}), first beyond it at step {worst.first_beyond(_BUDGET)}{others}"
    ]
