"""Download, check, split, encode and cache the data and the model of a run. Trains nothing."""

import sys

from pipeline.compose.command_line import check, outcome, parse


def main() -> None:
    """Prepare one run, or every stage of a chain."""
    stages = check(parse(sys.argv[1:], command="prepare"))
    from pipeline.chain import prepare_chain
    from pipeline.reporting.audit import show_audit
    from pipeline.reporting.tables import show_pairs

    chain = prepare_chain(stages)
    for title, ready in chain.titled("prepared"):
        show_pairs(title, ready.table(), error=False)
        show_audit(ready.audit, error=False)
    # The weights of later stages are yet to be trained.
    chain.start.ready.compute_once()


if __name__ == "__main__":
    outcome(main)
