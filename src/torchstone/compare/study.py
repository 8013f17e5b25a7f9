"""One comparison as data: what is asked of the subject, of PyTorch's own and of the oracle, and how it is judged."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import torch

from torchstone.compare import accuracy, paths, points, truths
from torchstone.compare.actions import as_tensors
from torchstone.compare.catalogue import Entry, FunctionEntry, OptimizerEntry, Setting
from torchstone.compare.result import Cost, Training, Trajectory
from torchstone.compare.task import Reply, Task
from torchstone.compare.training import TITLES
from torchstone.compare.walk import Walk
from torchstone.definitions import Definition, Function, UpdateRule

SIZES = (1_000, 30_000, 1_000_000)
_STATE_OF = 1_000_000  # parameters
_PATH_BUDGET = 1e-12
_NOTHING = Reply()
_ENDS_ELSEWHERE = 0.05  # of PyTorch's first loss: nothing that rounding alone makes of a run


class Study(ABC):
    """Tasks and questions by key; a key's truth and replies belong together.

    `tasks` go to the subject, those whose key is in `both` to PyTorch's own as well, `questions` to the oracle.
    """

    _BESIDE = " beside its kinks"  # ends the key of a further question about a batch

    def __init__(self) -> None:
        self.tasks: dict[str, Task] = {}
        self.both: set[str] = set()
        self.questions: dict[str, list[truths.Question]] = {}

    def open_questions(self, replies: Mapping[str, Reply]) -> dict[str, list[truths.Question]]:
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
        found = {size: replies.get(f"{part} {size}", _NOTHING).facts for size in SIZES}
        return tuple(
            Cost(size, *(float(facts[name]) for name in ("ratio", "ours", "torch")))
            for size, facts in found.items()
            if "ratio" in facts
        )

    def _trainings(self, replies: Mapping[str, Reply], theirs: Mapping[str, Reply]) -> tuple[Training, ...]:
        found = []
        for key in (key for key in self.tasks if key.startswith("training ")):
            mine, other = (each.get(key, _NOTHING).facts for each in (replies, theirs))
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


def _run_problems(runs: Sequence[Training]) -> list[str]:
    return [
        f"training: {run.task} ends at a loss of {run.final:.4g}, with PyTorch's at {run.torch_final:.4g}"
        for run in runs
        if not abs(run.final - run.torch_final) <= _ENDS_ELSEWHERE * abs(run.torch_losses[0])
    ]


def _failures(tasks: Mapping[str, Task], replies: Mapping[str, Reply]) -> list[str]:
    """A sentence for each error, with what it came in the way of."""
    found: dict[str, list[str]] = {}
    for key, task in tasks.items():
        error = replies.get(key, _NOTHING).error
        if error:
            found.setdefault(error, []).append(task.doing)
    more = {error: f", and {len(doing) - 1} times more" * (len(doing) > 1) for error, doing in found.items()}
    return [f"{error} (while {doing[0]}{more[error]})" for error, doing in found.items()]


class FunctionStudy(Study):
    """A loss or an activation."""

    def __init__(self, entry: FunctionEntry, function: Function, parts: Collection[str]) -> None:
        super().__init__()
        self._entry, self._function = entry, function
        self._batches = {}
        if "accuracy" in parts:
            self._batches = {f"batch {n}": batch for n, batch in enumerate(points.batches(entry))}
        self._plotted = points.plotted(entry) if "curve" in parts else None
        asked = self._batches if self._plotted is None else {**self._batches, "curve": self._plotted}
        for key, batch in asked.items():
            arrays = dict(batch.inputs) if batch.cotangent is None else {**batch.inputs, "cotangent": batch.cotangent}
            tensors = as_tensors(entry, arrays, getattr(torch, batch.form))
            doing = f"value and gradient were computed in {batch.form}"
            self.tasks[key] = Task("values", doing, {"reduction": batch.reduction}, tensors)
            self.questions[key] = truths.questions(function, batch)
            self.questions[key + self._BESIDE] = truths.side_questions(function, batch)
        self.both = set(asked)
        self._add_costs_and_runs(parts, ["digits"])

    def findings(
        self, replies: Mapping[str, Reply], theirs: Mapping[str, Reply], right: Mapping[str, Sequence[Any]]
    ) -> dict[str, Any]:
        """The fields of the row."""
        readings = [self._reading(key, replies, theirs, right) for key in self._batches if key in right]
        value, wrong_values = accuracy.judge("value", readings)
        gradient, wrong_gradients = accuracy.judge("gradient", readings)
        _, wrong_by_hand = accuracy.judge("backward", readings)
        runs = self._trainings(replies, theirs)
        problems = [*accuracy.shapeless(readings), *wrong_values, *wrong_gradients, *wrong_by_hand]
        curve = None
        if "curve" in right:
            curve = accuracy.curve(self._reading("curve", replies, theirs, right), self._note())
        return {
            "value": value,
            "gradient": gradient,
            "speed": self._costs("speed", replies),
            "memory": self._costs("memory", replies),
            "training": runs,
            "curve": curve,
            "problems": [*_failures(self.tasks, replies), *problems, *_run_problems(runs)],
            "notes": [*self._notes(readings), *accuracy.notes(readings)],
        }

    def _reading(
        self, key: str, replies: Mapping[str, Reply], theirs: Mapping[str, Reply], right: Mapping[str, Sequence[Any]]
    ) -> accuracy.Reading:
        batch = self._plotted if key == "curve" else self._batches[key]
        assert batch is not None
        value, gradient = truths.joined(batch, right[key])
        accepted = truths.accepted(self._function, batch, right[key + self._BESIDE])
        names = truths.names(self._function)
        return accuracy.Reading(batch, value, gradient, replies[key], theirs[key], names, accepted)

    def _note(self) -> str:
        entry, vector = self._entry, self._function.is_vector
        held = ["the other two logits 0"] * vector
        if entry.target:
            target = ", ".join(f"{each:g}" for each in entry.target)
            held.append(f"target [{target}]" if vector else f"target {target}")
        return "; ".join(held)

    def _notes(self, readings: Sequence[accuracy.Reading]) -> list[str]:
        if any(reading.reply.facts.get("one_by_one") for reading in readings):
            return ["it has no reduction='none': its elements were evaluated one by one"]
        return []


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
            "problems": [*_failures(self.tasks, replies), *problems, *_run_problems(runs)],
            "notes": notes,
        }

    def _trajectory(
        self, replies: Mapping[str, Reply], theirs: Mapping[str, Reply], right: Mapping[str, Sequence[Any]]
    ) -> tuple[Trajectory | None, list[str], list[str]]:
        walked, skipped, problems = [], {}, []
        for key, setting in self._settings.items():
            reply = replies.get(key, _NOTHING)
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
        beyond = [walk for walk in walked if not walk.to_oracle <= _PATH_BUDGET]
        if beyond:
            others = f", and under {len(beyond) - 1} more of {len(walked)} sets of options" * (len(beyond) > 1)
            problems.append(
                f"trajectory: {worst.to_oracle:.2g} off the exact recurrence with {worst.setting} "
                f"(budget {_PATH_BUDGET:g}), first beyond it at step {worst.first_beyond(_PATH_BUDGET)}{others}"
            )
        found = Trajectory(
            steps=paths.STEPS,
            to_oracle=worst.to_oracle,
            torch_to_oracle=max(walk.torch_to_oracle for walk in walked),
            to_torch=max(walk.to_torch for walk in walked),
            worst_option=str(worst.setting),
            budget=_PATH_BUDGET,
            options=len(walked),
            state_bytes=int(replies.get("state", _NOTHING).facts.get("bytes", 0)),
            torch_state_bytes=int(theirs["state"].facts.get("bytes", 0)),
        )
        return found, problems, notes


def study(entry: Entry, definition: Definition, parts: Collection[str]) -> Study:
    """The study of an entry."""
    if isinstance(entry, FunctionEntry):
        assert isinstance(definition, Function)
        return FunctionStudy(entry, definition, parts)
    assert isinstance(entry, OptimizerEntry)
    assert isinstance(definition, UpdateRule)
    return OptimizerStudy(entry, definition, parts)
