"""Show what `train` would do: data, parameters, steps, memory, machine. Trains nothing, writes no run."""

import sys

from pipeline.compose.command_line import check, outcome, parse


def main() -> None:
    """Plan one run."""
    _, spec = check(parse(sys.argv[1:], command="plan"))
    from pipeline.launch.ready import get_ready
    from pipeline.reporting.tables import show_pairs

    show_pairs("plan", get_ready(spec).plan(), error=False)


if __name__ == "__main__":
    outcome(main)
