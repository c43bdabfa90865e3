"""Download, check, split, encode and cache the data and the model of a run. Trains nothing."""

import sys

from pipeline.compose.command_line import check, outcome, parse


def main() -> None:
    """Prepare one run."""
    checked = check(parse(sys.argv[1:], command="prepare"))
    from pipeline.reporting.audit import show_audit
    from pipeline.reporting.tables import show_pairs
    from pipeline.starting import prepare_start

    ready = prepare_start(*checked).ready
    show_pairs("prepared", ready.prepared.table(), error=False)
    show_audit(ready.audit, error=False)


if __name__ == "__main__":
    outcome(main)
