"""The study of a loss or an activation: value, gradient, and what is plotted."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import torch

from torchstone.compare import accuracy, points, truths
from torchstone.compare.actions import as_tensors
from torchstone.compare.catalogue import FunctionEntry
from torchstone.compare.curve import curve
from torchstone.compare.reading import Reading
from torchstone.compare.study import Study, failures, run_problems
from torchstone.compare.task import Reply, Task
from torchstone.definitions import Function


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
        by_hand = dict.fromkeys(
            str(each.reply.facts["backward"]) for each in readings if "backward" in each.reply.facts
        )
        problems = [*accuracy.shapeless(readings), *wrong_values, *wrong_gradients, *wrong_by_hand]
        problems += [f"backward: it {error}" for error in by_hand]
        return {
            "value": value,
            "gradient": gradient,
            "speed": self._costs("speed", replies),
            "memory": self._costs("memory", replies),
            "training": runs,
            "curve": curve(self._reading("curve", replies, theirs, right), self._note()) if "curve" in right else None,
            "problems": [*failures(self.tasks, replies), *problems, *run_problems(runs)],
            "notes": [*self._notes(readings), *accuracy.notes(readings)],
        }

    def _reading(
        self, key: str, replies: Mapping[str, Reply], theirs: Mapping[str, Reply], right: Mapping[str, Sequence[Any]]
    ) -> Reading:
        batch = self._plotted if key == "curve" else self._batches[key]
        assert batch is not None
        value, gradient = truths.joined(batch, right[key])
        accepted = truths.accepted(self._function, batch, right[key + self._BESIDE])
        names = truths.names(self._function)
        return Reading(batch, value, gradient, replies[key], theirs[key], names, accepted)

    def _note(self) -> str:
        entry, vector = self._entry, self._function.is_vector
        held = ["the other two logits 0"] * vector
        if entry.target:
            target = ", ".join(f"{each:g}" for each in entry.target)
            held.append(f"target [{target}]" if vector else f"target {target}")
        return "; ".join(held)

    def _notes(self, readings: Sequence[Reading]) -> list[str]:
        if any(reading.reply.facts.get("one_by_one") for reading in readings):
            return ["it has no reduction='none': its elements were evaluated one by one"]
        return []
