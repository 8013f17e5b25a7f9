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
from pathlib import Path

import torch
from judges import Component, gradcheck, one_example, torch_judge, torchstone

from torchstone.check.mutants import mutants

BLOCK = re.compile(r"(<!-- make benchmark -->\n).*?(<!-- end -->)", re.DOTALL)
JUDGES = {
    "`torchstone check`": torchstone,
    "`torch.autograd.gradcheck`": gradcheck,
    "one example beside PyTorch's": one_example,
    "torch-judge 0.1.1": torch_judge,
}


def measured(rounds: int) -> dict[str, dict[int, tuple[bool, float]]]:
    """For each judge and each subject that it can judge: whether it found something, and its median time."""
    components = [Component(each) for each in mutants()]
    judges = dict(JUDGES)
    try:
        import torch_judge.tasks  # noqa: F401
    except ImportError:
        del judges["torch-judge 0.1.1"]
        print("torch-judge is left out: it is not installed (pip install torch-judge==0.1.1)", file=sys.stderr)
    found: dict[str, dict[int, tuple[bool, float]]] = {name: {} for name in judges}
    for number, component in enumerate(components):
        assert component.subject  # understood before the clock runs
        times: dict[str, list[float]] = {name: [] for name in judges}
        for _ in range(rounds):
            for name, judge in judges.items():
                started = time.perf_counter()
                verdict = judge(component)
                times[name].append(time.perf_counter() - started)
                if verdict is not None:
                    found[name][number] = (verdict, statistics.median(times[name]))
    return found


def table(found: dict[str, dict[int, tuple[bool, float]]]) -> str:
    """The times, and the subjects of torch-judge's tasks."""
    wrong = {number for number, each in enumerate(mutants()) if each.fires}
    lines = ["| | subjects | median time of one |", "|---|---|---|"]
    for name, verdicts in found.items():
        seconds = statistics.median(each for _, each in verdicts.values())
        lines.append(f"| {name} | {len(verdicts)} | {1000 * seconds:.3g} ms |")
    tried = found.get("torch-judge 0.1.1")
    if tried:
        both = sorted(tried)
        lines += [
            "",
            "On the subjects that one of torch-judge's tasks asks for (ReLU, softmax, GELU, cross-entropy):",
            "",
        ]
        lines += ["| | wrong ones found | false alarms on clean ones |", "|---|---|---|"]
        for name in ("torch-judge 0.1.1", "`torchstone check`"):
            hits = sum(found[name][number][0] for number in both if number in wrong)
            alarms = sum(found[name][number][0] for number in both if number not in wrong)
            of_wrong, of_clean = len(wrong & set(both)), len(set(both) - wrong)
            lines.append(f"| {name} | {hits} of {of_wrong} | {alarms} of {of_clean} |")
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
    text = f"{table(measured(chosen.rounds))}\n\n{machine(chosen.rounds)}\n"
    if chosen.write is not None:
        page = chosen.write.read_text(encoding="utf-8")
        chosen.write.write_text(BLOCK.sub(lambda match: f"{match[1]}{text}{match[2]}", page), encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
