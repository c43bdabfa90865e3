"""Download, check, split, encode and cache the data and the model of a run. Trains nothing."""

import sys

from pipeline.compose.command_line import check, outcome, parse


def main() -> None:
    """Prepare one run."""
    _, spec = check(parse(sys.argv[1:], command="prepare"))
    from pipeline.launch.ready import get_ready
    from pipeline.reporting.tables import show_pairs

    prepared = get_ready(spec).prepared
    rows = [("data", prepared.folder), ("model", prepared.checkpoint["folder"])]
    rows += [(name, f"{count:,} rows, {prepared.tokens[name]:,} tokens") for name, count in prepared.rows.items()]
    show_pairs("prepared", rows, error=False)


if __name__ == "__main__":
    outcome(main)
