"""Predict with a finished run: csv, tsv, jsonl, parquet or txt in and out, or `-` for a pipe."""

import sys
from pathlib import Path

from pipeline.compose.command_line import outcome, parse
from pipeline.errors import BadInput, Problem


def main() -> None:
    """`run=DIR input=FILE output=FILE`; columns as in training or as `data.columns.text=NAME` says."""
    call = parse(sys.argv[1:], command="predict")
    from pipeline.compose.using import open_finished

    used = open_finished(call.given("run"), call.overrides, call.config_dir, "predict")
    from pipeline.launch.inference import Trained
    from pipeline.reporting.prediction_files import check_output, writing
    from pipeline.sources.rows import read_rows

    check_output(used.output)
    check_apart(used.input, used.output)
    rows = read_rows(used.input, used.data)
    trained = Trained(used.run, used.spec, used.hardware)
    with writing(used.output) as write:
        for row, said in trained.predict(rows, used.columns, used.data):
            write(row, said)
    if warning := trained.unanswered.told():
        print(warning, file=sys.stderr)
    if trained.truncated:
        print(f"rows cut short to what the model was trained to take: {trained.truncated:,}", file=sys.stderr)


def check_apart(given: str | None, output: str | None) -> None:
    """Raises BadInput where the predictions would take the place of the rows that they are made of."""
    from pipeline.sources.reading.locating import locate

    if given in (None, "-") or output in (None, "-") or not Path(output).exists():
        return
    for file in locate(given, "input"):
        if Path(file.path).exists() and Path(output).samefile(file.path):
            what = f"{output} is the input too: it would be overwritten"
            raise BadInput(Problem("output", what, "a file of another name"))


if __name__ == "__main__":
    outcome(main)
