"""`torchstone check` on packages that nobody here wrote: what docs/findings.md is made from.

Packages that are not installed are left out. `python benchmarks/wild.py timm kornia` runs some of them, and
`--only NAME` the subjects whose target contains that.
"""

import argparse
import importlib
import time
import traceback
import warnings
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version

import torch
from wild_subjects import SUBJECTS, Told

from torchstone.check import check
from torchstone.check.result import SubjectReport


def checked(packages: list[str], only: str) -> Iterator[tuple[str, str, SubjectReport, float]]:
    """The report of each subject, with its package and its seconds."""
    for package in packages:
        try:
            version(package)
        except PackageNotFoundError:
            print(f"{package}: not installed")
            continue
        for target, told in SUBJECTS[package].items():
            if only in target:
                began = time.perf_counter()
                try:
                    yield package, target, report(target, told), time.perf_counter() - began
                except Exception:
                    print(f"{target}: not checked\n{traceback.format_exc(limit=-3)}")


def report(target: str, told: Told) -> SubjectReport:
    """What is found of one."""
    module, _, name = target.partition(":")
    thing = getattr(importlib.import_module(module), name)
    return check(thing, **told).subjects[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("packages", nargs="*", help="names on PyPI; all of them by default")
    parser.add_argument("--only", default="", help="part of a target")
    parser.add_argument("--quiet", action="store_true", help="no notes, inputs or scripts")
    parser.add_argument("--scripts", action="store_true", help="the script of each finding")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    counts: dict[str, dict[str, int]] = {}
    for package, target, found, seconds in checked(arguments.packages or list(SUBJECTS), arguments.only):
        severities = [each.severity or "error" for each in found.findings]
        verdict = next((each for each in ("error", "warning") if each in severities), "clean")
        if not any(result.outcome == "passed" for result in found.results):
            verdict = "not judged"
        counted = counts.setdefault(package, {})
        counted[verdict] = counted.get(verdict, 0) + 1
        ran = sum(result.outcome in ("passed", "failed") for result in found.results)
        faults = [result for result in found.results if result.outcome == "fault"]
        print(f"\n{target}: {verdict}; {found.knowledge}, {ran} rules, {seconds:.1f} s", flush=True)
        for result in faults:
            print(f"  FAULT {result.code}: {result.reason}")
        for each in found.findings:
            if each.severity != "note" or not arguments.quiet:
                print(f"  {each.severity} {each.rule} {each.name}: {each.message}")
                if arguments.scripts:
                    print(each.repro)
    print()
    for package, verdicts in counts.items():
        print(f"{package} {version(package)}: {verdicts}")


if __name__ == "__main__":
    main()
