"""Score a finished run on its own validation and test data, or on any other."""

import sys

from pipeline.compose.command_line import outcome, parse


def main() -> None:
    """`run=DIR`, for other data `data=files data.test=new.csv`, for scores as JSON `output=scores.json`."""
    call = parse(sys.argv[1:], command="evaluate")
    from pipeline.compose.using import open_finished

    used = open_finished(call.given("run"), call.overrides, call.config_dir, "evaluate")
    from pipeline.launch.inference import Trained
    from pipeline.reporting.audit import show_audit
    from pipeline.reporting.tables import show_scores
    from pipeline.runs.score_file import check_score_file, write_scores

    check_score_file(used.output)
    trained = Trained(used.run, used.spec, used.hardware)
    metrics, tables = trained.evaluate(used.data)
    show_audit(trained.audit(used.data), lengths=False)
    show_scores(metrics, tables)
    if used.output is not None:
        write_scores(used.output, metrics, tables)


if __name__ == "__main__":
    outcome(main)
