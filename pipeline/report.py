"""Write one HTML page about a run or a sweep, readable without a network."""

import sys
from pathlib import Path

from pipeline.compose.command_line import Call, outcome, parse
from pipeline.errors import BadInput, Problem


def main() -> None:
    """`run=DIR` or `sweep=DIR`, and where to, `output=page.html`; else report.html in that folder."""
    call = parse(sys.argv[1:], command="report")
    from pipeline.reporting.report.run_page import write_run_page
    from pipeline.reporting.report.sweep_page import write_sweep_page
    from pipeline.runs.directory import open_run

    check(call)
    output = Path(given) if (given := call.given("output")) else None
    if sweep := call.given("sweep"):
        print(write_sweep_page(sweep, output))
    else:
        print(write_run_page(open_run(call.given("run") or ""), output))


def check(call: Call) -> None:
    """Raises BadInput for words that are none of the command's, unless one run or one sweep is asked for, and for a
    page that could not be written."""
    from pipeline.compose.using import not_asked_here

    problems = [problem for text in call.overrides if (problem := not_asked_here(text, call.command))]
    asked = [key for key in ("run", "sweep") if call.given(key)]
    if len(asked) != 1:
        what = "one or the other" if asked else "of which run or sweep?"
        problems.append(
            Problem("run, sweep", what, "run=DIR, a run directory; or sweep=DIR, a sweep's folder")
        )
    output = call.given("output")
    if output is not None and (Path(output).suffix not in (".html", ".htm") or Path(output).is_dir()):
        problems.append(Problem("output", f"{output!r} is no file of a page", "output=page.html"))
    elif output is not None and not Path(output).parent.is_dir():
        problems.append(Problem("output", f"there is no folder {Path(output).parent}", "an existing folder"))
    if problems:
        raise BadInput(problems)


if __name__ == "__main__":
    outcome(main)
