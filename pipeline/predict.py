"""Predict with a finished run: csv, tsv, jsonl, parquet or txt in and out, or `-` for a pipe."""

import sys

from pipeline.compose.command_line import outcome, parse


def main() -> None:
    """`run=DIR input=FILE output=FILE`; columns as in training or as `data.columns.text=NAME` says."""
    call = parse(sys.argv[1:], command="predict")
    from pipeline.compose.using import open_finished

    used = open_finished(call.given("run"), call.overrides, call.config_dir, "predict")
    from pipeline.launch.inference import Trained
    from pipeline.reporting.prediction_files import check_output, writing
    from pipeline.sources.rows import read_rows

    check_output(used.output)
    rows = read_rows(used.input, used.data)
    with writing(used.output) as write:
        for row, said in Trained(used.run, used.spec, used.hardware).predict(rows, used.columns):
            write(row, said)


if __name__ == "__main__":
    outcome(main)
