"""Score a finished run, or several that vote, on their own validation and test data, or on any other."""

import sys

from pipeline.compose.command_line import outcome, parse


def main() -> None:
    """`run=DIR`, for several that vote `'run=[DIR,DIR]'`, for other data `data=files data.test=new.csv`, for scores as
    JSON `output=scores.json`."""
    call = parse(sys.argv[1:], command="evaluate")
    from pipeline.compose.several import open_several

    used = open_several(call.given("run"), call.overrides, call.config_dir, "evaluate")
    from pipeline.launch.ensemble import Ensemble
    from pipeline.launch.inference import Trained
    from pipeline.reporting.audit import show_audit
    from pipeline.reporting.tables import show_scores
    from pipeline.runs.score_file import check_score_file, write_scores

    asked = used[0]
    check_score_file(asked.output)
    members = [Trained(each.run, each.spec, asked.hardware) for each in used]
    scored = Ensemble(members) if len(members) > 1 else members[0]
    metrics, tables = scored.evaluate(asked.data)
    show_audit(members[0].audit(asked.data), lengths=False)
    show_scores(metrics, tables)
    if asked.output is not None:
        write_scores(asked.output, metrics, tables)


if __name__ == "__main__":
    outcome(main)
