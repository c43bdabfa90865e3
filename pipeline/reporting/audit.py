"""What an audit of data found, for a person to read: in the terminal and in the model card."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.reporting.tables import show_pairs

Report = Mapping[str, Any]


def show_audit(report: Report | None, *, error: bool = True, lengths: bool = True) -> None:
    """A table with a row a split and one a finding; on standard error, unless it is what was asked for.

    lengths: false leaves out the splits, so that nothing is shown where nothing was found.
    """
    if report is None:
        return
    rows = [*(_length_rows(report) if lengths else []), *_finding_rows(report["findings"])]
    if lengths and not report["findings"]:
        rows.append(("findings", "none"))
    if rows:
        show_pairs("audit of the data", rows, error=error)


def _length_rows(report: Report) -> list[tuple[str, str]]:
    return [
        (
            split,
            f"{found['rows']:,} rows; tokens: median {found['median']:,}, 95 % up to {found['95%']:,}, longest "
            f"{found['longest']:,}" + (f"; {found['cut']:,} rows cut" if found["cut"] else ""),
        )
        for split, found in report["lengths"].items()
    ] + [(split, "texts looked at in a sample") for split in report["sampled"]]


def _finding_rows(findings: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    return [
        (
            f"{finding['severity']}: {finding['check']}",
            finding["what"] + (f": {finding['places']}" if finding["places"] else ""),
        )
        for finding in findings
    ]


def audit_lines(report: Report) -> list[str]:
    """The findings as a list in Markdown; rows are in audit.json."""
    return [
        f"- {finding['check']} ({finding['severity']}): {finding['what']}" for finding in report["findings"]
    ]
