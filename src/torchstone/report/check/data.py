"""The report for programs: JSON of our own, JUnit's XML for build servers, SARIF for code reviews."""

import json as encoder
from typing import Any
from xml.etree import ElementTree

import torchstone
from torchstone.check.result import SCHEMA, Finding, Report, RuleResult, SubjectReport
from torchstone.report.check.words import as_data, details, knowledge, outcome
from torchstone.report.verdicts import clean

_SARIF = "https://json.schemastore.org/sarif-2.1.0.json"


def json(report: Report) -> str:
    """The report as data."""
    content = {
        "schema": SCHEMA,
        "torch": report.torch,
        "subjects": [_subject(subject) for subject in report.subjects],
        "remarks": list(report.remarks),
    }
    return encoder.dumps(as_data(content), indent=2) + "\n"


def _subject(subject: SubjectReport) -> dict[str, Any]:
    return {
        "target": subject.target,
        "kind": subject.kind,
        "knowledge": subject.knowledge,
        "like": subject.like,
        "definition": subject.definition,
        "verdict": subject.verdict,
        "not_implemented": subject.not_implemented,
        "facts": list(subject.facts),
        "counts": dict(subject.counts),
        "findings": [_finding(finding) for finding in subject.findings],
        "not_run": [_not_run(result) for result in subject.not_run],
        "stale": list(subject.stale),
    }


def _finding(finding: Finding) -> dict[str, Any]:
    keys = ("rule", "name", "severity", "message", "input", "expected", "got", "ulp", "cause", "repro")
    return {key: getattr(finding, key) for key in keys}


def _not_run(result: RuleResult) -> dict[str, Any]:
    found = {"findings": [_finding(finding) for finding in result.findings]} if result.outcome == "expected" else {}
    return {"rule": result.code, "name": result.name, "outcome": result.outcome, "reason": result.reason, **found}


def junit(report: Report) -> str:
    """One suite for a subject, one case for a rule: what build servers show. A warning or note does not fail a case."""
    suites = ElementTree.Element("testsuites", name="torchstone")
    for subject in report.subjects:
        suite = ElementTree.SubElement(
            suites,
            "testsuite",
            name=clean(subject.target),
            tests=str(len(subject.results) + bool(subject.not_implemented)),
            failures=str(sum(map(_failures, subject.results)) + bool(subject.not_implemented)),
            errors=str(len(subject.faults)),
            skipped=str(len([result for result in subject.not_run if result.outcome != "fault"])),
            time=f"{sum(result.seconds for result in subject.results):.3f}",
        )
        for result in subject.results:
            _case(suite, subject, result)
        if subject.not_implemented:
            case = ElementTree.SubElement(suite, "testcase", classname=clean(subject.target), name="implemented")
            ElementTree.SubElement(case, "failure", message=clean(subject.not_implemented), type="error")
    ElementTree.indent(suites)
    return ElementTree.tostring(suites, encoding="unicode", xml_declaration=True) + "\n"


def _failures(result: RuleResult) -> int:
    return sum(finding.severity == "error" for finding in result.findings) if result.outcome == "failed" else 0


def _case(suite: ElementTree.Element, subject: SubjectReport, result: RuleResult) -> None:
    case = ElementTree.SubElement(
        suite,
        "testcase",
        classname=clean(subject.target),
        name=f"{result.code} {result.name}",
        time=f"{result.seconds:.3f}",
    )
    if result.outcome == "fault":
        ElementTree.SubElement(case, "error", message=outcome(result)).text = clean(result.reason)
    elif result.outcome == "failed":
        for finding in result.findings:
            if finding.severity == "error":
                failure = ElementTree.SubElement(case, "failure", message=clean(finding.message), type="error")
                failure.text = clean(_told(finding))
            else:
                output = ElementTree.SubElement(case, "system-out")
                output.text = clean(f"{finding.severity}: {finding.message}\n{_told(finding)}")
    elif result.outcome != "passed":
        ElementTree.SubElement(case, "skipped", message=clean(f"{result.outcome}: {result.reason}"))


def _told(finding: Finding) -> str:
    lines = [f"{title}: {text}" for title, text in details(finding)]
    return "\n".join([*lines, *(["", finding.repro] if finding.repro else [])])


def sarif(report: Report) -> str:
    """SARIF 2.1.0, which code reviews show beside the code."""
    found = [(subject, finding) for subject in report.subjects for finding in (*_stub(subject), *subject.findings)]
    names = {finding.rule: finding.name for _, finding in found}
    content = {
        "$schema": _SARIF,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "torchstone",
                        "semanticVersion": torchstone.__version__,
                        "rules": [_described(code, name) for code, name in sorted(names.items())],
                    }
                },
                "results": [_result(subject, finding) for subject, finding in found],
            }
        ],
    }
    return encoder.dumps(as_data(content), indent=2) + "\n"


def _stub(subject: SubjectReport) -> list[Finding]:
    """What is not implemented does not run."""
    message = f"not implemented: {subject.not_implemented}"
    return [Finding(message, severity="error", rule="G001", name="smoke")] if subject.not_implemented else []


def _described(code: str, name: str) -> dict[str, Any]:
    from torchstone.check.rule import find

    rule = find(code)
    help_text = "\n\n".join(f"{title}: {text}" for title, text in rule.sections.items())
    return {"id": code, "name": name, "shortDescription": {"text": rule.title}, "help": {"text": help_text}}


def _result(subject: SubjectReport, finding: Finding) -> dict[str, Any]:
    where, _, name = subject.target.rpartition(":")
    place: dict[str, Any] = {"logicalLocations": [{"fullyQualifiedName": subject.target, "name": name}]}
    if where.endswith((".py", ".ipynb")):
        place["physicalLocation"] = {
            "artifactLocation": {"uri": where.replace("\\", "/")},
            "region": {"startLine": subject.line or 1},
        }
    return {
        "ruleId": finding.rule,
        "level": finding.severity,
        "message": {"text": f"{subject.target}: {finding.message}" + (f" ({finding.cause})" if finding.cause else "")},
        "locations": [place],
        "properties": {"knowledge": knowledge(subject), **dict(details(finding))},
    }
