"""Show what `train` would do: data, parameters, steps, memory, machine. Trains nothing, writes no run."""

import sys

from pipeline.compose.command_line import check, outcome, parse


def main() -> None:
    """Plan one run."""
    checked = check(parse(sys.argv[1:], command="plan"))
    from pipeline.reporting.tables import show_pairs
    from pipeline.starting import prepare_start

    show_pairs("plan", prepare_start(*checked).ready.plan(), error=False)


if __name__ == "__main__":
    outcome(main)
