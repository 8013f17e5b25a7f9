"""`torchstone check` on packages that nobody here wrote: what the pages of findings are made from.

`python benchmarks/wild.py` checks those that are installed, and `python benchmarks/wild.py timm --only loss` some of
them. `--page docs/findings.md` writes the page's table anew, and runs its scripts: each prints what the page says.
With `--optimizers` it checks the optimizers, of which docs/findings-optimizers.md tells.
"""

import argparse
import importlib
import re
import subprocess
import sys
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch
from wild_optimizers import OPTIMIZERS
from wild_subjects import SUBJECTS, Told

from torchstone.check import check
from torchstone.check.result import SubjectReport

VERDICTS = ("nothing", "notes", "warnings", "errors", "not judged")
TABLE = re.compile(r"(?<=<!-- wild -->\n).*?(?=<!-- end -->)", re.DOTALL)
SCRIPT = re.compile(r"```python\n(.*?)```\n\n```text\n(.*?)```", re.DOTALL)


def installed(package: str) -> str:
    """The version of a package that is here, or nothing."""
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def checked(
    subjects: Mapping[str, Mapping[str, Told]], packages: list[str], only: str
) -> Iterator[tuple[str, str, SubjectReport, float]]:
    """The report of each subject, with its package, its target and its seconds."""
    for package in packages:
        for target, told in subjects[package].items() if installed(package) else ():
            if only in target:
                began = time.perf_counter()
                try:
                    yield package, target, report(target, told), time.perf_counter() - began
                except Exception:
                    print(f"{target}: not checked\n{traceback.format_exc(limit=-3)}")


def report(target: str, told: Told) -> SubjectReport:
    """What is found of one."""
    module, _, name = target.partition(":")
    return check(getattr(importlib.import_module(module), name), **told).subjects[0]


def verdict(found: SubjectReport) -> str:
    """The worst that was found; a subject that does not run on its inputs is not judged."""
    outcomes = {result.outcome for result in found.results}
    if "fault" in outcomes or "passed" not in outcomes:
        return "not judged"
    worst = {each.severity or "error" for each in found.findings}
    return next((f"{each}s" for each in ("error", "warning", "note") if each in worst), "nothing")


def show(target: str, found: SubjectReport, seconds: float, notes: bool, scripts: bool) -> None:
    """Print one report."""
    ran = sum(result.outcome in ("passed", "failed") for result in found.results)
    print(f"\n{target}: {verdict(found)}; {found.knowledge}, {ran} rules, {seconds:.1f} s", flush=True)
    for result in found.results:
        if result.outcome == "fault":
            print(f"  FAULT {result.code}: {result.reason}")
    for each in found.findings:
        if notes or each.severity != "note":
            print(f"  {each.severity} {each.rule} {each.name}: {each.message}")
            if scripts:
                print(each.repro)


def table(counts: dict[str, Counter[str]]) -> str:
    """The counts of each package, in Markdown."""
    lines = [f"| package | subjects | {' | '.join(VERDICTS)} |", "|---|" + "---:|" * (len(VERDICTS) + 1)]
    every = sum(counts.values(), Counter())
    for name, found in [*((f"{each} {version(each)}", counts[each]) for each in counts), ("all", every)]:
        cells = [str(found.total()), *(str(found[each]) for each in VERDICTS)]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def differing(page: str) -> Iterator[str]:
    """What the scripts of a page print, where it is not what the page says."""
    for script, said in SCRIPT.findall(page):
        command = [sys.executable, "-W", "ignore", "-c", script]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.stdout != said:
            yield f"{script}\nprints\n{done.stdout}{done.stderr}\nand not\n{said}"


def main() -> int:
    """Check, and write the page where one is given."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("packages", nargs="*", help="names on PyPI; all of them by default")
    parser.add_argument("--optimizers", action="store_true", help="optimizers, in the place of functions")
    parser.add_argument("--only", default="", help="part of a target")
    parser.add_argument("--quiet", action="store_true", help="no notes")
    parser.add_argument("--scripts", action="store_true", help="the script of each finding")
    parser.add_argument("--page", type=Path, help="a page whose table is written and whose scripts are run")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    counts: dict[str, Counter[str]] = {}
    subjects = OPTIMIZERS if arguments.optimizers else SUBJECTS
    packages = arguments.packages or list(subjects)
    for package, target, found, seconds in checked(subjects, packages, arguments.only):
        counts.setdefault(package, Counter())[verdict(found)] += 1
        show(target, found, seconds, not arguments.quiet, arguments.scripts)
    print(f"\n{table(counts)}")
    if arguments.page is None:
        return 0
    page = TABLE.sub(lambda _: table(counts), arguments.page.read_text())
    arguments.page.write_text(page)
    wrong = list(differing(page))
    print("\n\n".join(wrong) or "every script of the page prints what the page says")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
