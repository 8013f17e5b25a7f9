"""How long each judge takes, and torch-judge beside torchstone: `make benchmark`.

Every subject is given to every judge in turn, round after round, so that a slow moment of the machine hits all alike.
The result is Markdown; `--write PAGE` puts it between the page's markers.
"""

import argparse
import os
import platform
import re
import statistics
import sys
import time
from importlib import import_module
from pathlib import Path

import torch
from judges import Component, torch_judge, torchstone
from matrix import PARTS, Part, part_of

from torchstone.check.mutants import mutants

BLOCK = re.compile(r"(<!-- make benchmark -->\n).*?(<!-- end -->)", re.DOTALL)
OURS, EXERCISES = "`torchstone check`", "torch-judge 0.1.1"
Verdicts = dict[str, dict[int, tuple[bool, float]]]  # by judge and subject: whether it found something, and its time


def measured(rounds: int, part: Part, components: list[Component]) -> Verdicts:
    """For each judge and each subject that it can judge: whether it found something, and its median time."""
    judges = {OURS: torchstone, **part.judges, EXERCISES: torch_judge}
    try:
        import_module("torch_judge.tasks")
    except ImportError:
        del judges[EXERCISES]
        print("torch-judge is left out: it is not installed (pip install torch-judge==0.1.1)", file=sys.stderr)
    found: Verdicts = {name: {} for name in judges}
    for number, component in enumerate(components):
        times: dict[str, list[float]] = {name: [] for name in judges}
        for _ in range(rounds):
            for name, judge in judges.items():
                started = time.perf_counter()
                verdict = judge(component)
                times[name].append(time.perf_counter() - started)
                if verdict is not None:
                    found[name][number] = (verdict, statistics.median(times[name]))
    return found


def tables(rounds: int) -> str:
    """The tables of all parts."""
    every = [Component(each) for each in mutants()]
    texts = []
    for part in PARTS:
        components = [each for each in every if part_of(each) is part]  # understood before the clock runs
        found = measured(rounds, part, components)
        texts.append(f"{part.title}:\n\n{table(found, [each.is_wrong for each in components])}")
    return "\n\n".join(texts)


def table(found: Verdicts, wrong: list[bool]) -> str:
    """The times, and the subjects of torch-judge's tasks; `wrong` says of each subject whether it is."""
    lines = ["| | subjects | median time of one |", "|---|---|---|"]
    for name, verdicts in found.items():
        seconds = statistics.median(each for _, each in verdicts.values()) if verdicts else float("nan")
        lines.append(f"| {name} | {len(verdicts)} | {1000 * seconds:.3g} ms |")
    both = found.get(EXERCISES)
    if both:
        lines += ["", "On the subjects that one of torch-judge's tasks asks for:", ""]
        lines += ["| | wrong ones found | false alarms on clean ones |", "|---|---|---|"]
        for name in (EXERCISES, OURS):
            hits = [found[name][number][0] for number in both if wrong[number]]
            alarms = [found[name][number][0] for number in both if not wrong[number]]
            lines.append(f"| {name} | {sum(hits)} of {len(hits)} | {sum(alarms)} of {len(alarms)} |")
    return "\n".join(lines)


def machine(rounds: int) -> str:
    """What it was measured on."""
    return (
        f"{platform.machine()} {platform.system()}, {os.cpu_count()} cores, one thread; Python "
        f"{platform.python_version()}, torch {torch.__version__}; median of {rounds} rounds."
    )


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--write", type=Path, help="a page with the markers")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    text = f"{tables(chosen.rounds)}\n\n{machine(chosen.rounds)}\n"
    if chosen.write is not None:
        page = chosen.write.read_text(encoding="utf-8")
        chosen.write.write_text(BLOCK.sub(lambda match: f"{match[1]}{text}{match[2]}", page), encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
