"""Show what `train` would do: data, parameters, steps, memory, machine. Trains nothing, writes no run."""

import sys

from pipeline.compose.command_line import check, outcome, parse


def main() -> None:
    """Plan one run."""
    composed, spec = check(parse(sys.argv[1:], command="plan"))
    from pipeline.reporting.tables import show_pairs
    from pipeline.starting import get_ready

    show_pairs("plan", get_ready(composed, spec).plan(), error=False)


if __name__ == "__main__":
    outcome(main)
