"""Show what `train` would do: data, parameters, steps, memory, machine; with -m models side by side, or a search."""

import sys

from pipeline.compose import locations
from pipeline.compose.command_line import check, outcome, parse


def main() -> None:
    """Plan one run; with -m compare several, with --matrix show what goes together. Trains nothing, writes no run."""
    call = parse(sys.argv[1:], command="plan")
    if call.matrix:
        from pipeline.compose.matrix import table
        from pipeline.reporting.tables import show_rows

        with locations.using(call.config_dir):
            return show_rows("what goes together", table())
    if call.multirun:
        from pipeline.comparison import apart, compare
        from pipeline.reporting.tables import show_pairs, show_rows
        from pipeline.sweep_plan import notes_of_seeds, plan_of_search

        with locations.using(call.config_dir):
            if searched := plan_of_search(call.overrides):
                return show_pairs("plan of the sweep", searched, error=False)
            rows, notes = compare(call.overrides)
            rows, alike = apart(rows)
            notes = [*notes, *alike, *notes_of_seeds(call.overrides)]
        return show_rows("comparison (tokens/s in training: an estimate)", rows, notes)

    stages = check(call)
    from pipeline.chain import prepare_chain
    from pipeline.reporting.audit import show_audit
    from pipeline.reporting.tables import show_pairs

    chain = prepare_chain(stages)
    for (title, pairs), ready in zip(chain.plans(), chain.ready, strict=True):
        show_pairs(title, pairs, error=False)
        show_audit(ready.audit, error=False)


if __name__ == "__main__":
    outcome(main)
