"""Predictions from and to every format, and what is said of input that cannot be predicted."""

import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.predict import main
from tests.conftest import environment
from tests.outcomes import code_of

TEXTS = ["a wonderful film", "the plot, dreadful", "dreadful music, dreadful camera, no story"]
LABELS = ["good", "bad", "bad"]
COLUMN = "review body"


def write_rows(path: Path, column: str = COLUMN) -> Path:
    rows = [{column: text, "id": number} for number, text in enumerate(TEXTS)]
    if path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    elif path.suffix == ".parquet":
        import pyarrow as pa
        import pyarrow.parquet as pq

        pq.write_table(pa.Table.from_pylist(rows), path)
    elif path.suffix == ".txt":
        path.write_text("\n".join(TEXTS) + "\n")
    else:
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, [column, "id"], delimiter="\t" if path.suffix == ".tsv" else ",")
            writer.writeheader()
            writer.writerows(rows)
    return path


def read_labels(path: Path) -> list[str]:
    if path.suffix == ".txt":
        return path.read_text().splitlines()
    if path.suffix == ".jsonl":
        return [json.loads(line)["label"] for line in path.read_text().splitlines()]
    if path.suffix == ".parquet":
        import pyarrow.parquet as pq

        return pq.read_table(path)["label"].to_pylist()
    with path.open(newline="") as file:
        return [
            row["label"] for row in csv.DictReader(file, delimiter="\t" if path.suffix == ".tsv" else ",")
        ]


@pytest.mark.parametrize("kind", [".csv", ".tsv", ".jsonl", ".parquet", ".txt"])
def test_from_every_format_to_the_same(finished: Path, tmp_path: Path, kind: str):
    given, output = write_rows(tmp_path / f"in{kind}"), tmp_path / f"out{kind}"
    assert code_of(main, f"run={finished}", f"input={given}", f"output={output}") == 0
    assert read_labels(output) == LABELS
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"in{kind}", f"out{kind}"]


def test_rows_keep_their_columns_and_order(finished: Path, tmp_path: Path):
    output = tmp_path / "out.jsonl"
    given = write_rows(tmp_path / "in.csv", "Text der Kritik")
    words = [f"run={finished}", f"input={given}", f"output={output}", "data.columns.text='Text der Kritik'"]
    assert code_of(main, *words) == 0
    rows = [json.loads(line) for line in output.read_text().splitlines()]
    assert [(row["Text der Kritik"], row["id"], row["label"]) for row in rows] == list(
        zip(TEXTS, "012", LABELS, strict=True)
    )
    for row in rows:
        assert sum(row["scores"].values()) == pytest.approx(1)
        assert row["score"] == max(row["scores"].values())


@pytest.mark.parametrize("kind", ["csv", "tsv"])
def test_other_columns_come_out_as_they_were_written(finished: Path, tmp_path: Path, kind: str):
    by = "," if kind == "csv" else "\t"
    cells = [["1.50", "1234567890.12345678901", "1e3", "7", ""], ["2", "0.1", "10", "08", "5"]]
    lines = [
        ["text", *"abcde"],
        *([text, *each] for text, each in zip(["wonderful", "2024"], cells, strict=True)),
    ]
    given, output = tmp_path / f"in.{kind}", tmp_path / f"out.{kind}"
    given.write_text("".join(by.join(line) + "\n" for line in lines))
    assert code_of(main, f"run={finished}", f"input={given}", f"output={output}") == 0
    written = [line.split(by)[:6] for line in output.read_text().splitlines()]
    assert written == lines


def test_a_column_named_as_a_prediction_is_kept(finished: Path, reviews: Path, tmp_path: Path):
    given = tmp_path / "in.csv"
    given.write_text("text,label\na wonderful film,mine\n")
    output = tmp_path / "out.csv"
    assert code_of(main, f"run={finished}", f"input={given}", f"output={output}") == 0
    with output.open() as file:
        (row,) = csv.DictReader(file)
    assert row["label"] == "mine" and row["predicted_label"] == "good"


@pytest.mark.parametrize(
    "given", ["\n".join(TEXTS), "\n\n".join(json.dumps({COLUMN: text}) for text in TEXTS)]
)
def test_standard_input_to_standard_output(finished: Path, given: str, monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdin", io.StringIO(given))
    assert code_of(main, f"run={finished}", "input=-", "output=-") == 0
    assert [json.loads(line)["label"] for line in capsys.readouterr().out.splitlines()] == LABELS


def test_empty_lines_are_texts_so_that_lines_stay_in_step(finished: Path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"\n{TEXTS[0]}\n\n{TEXTS[1]}\n"))
    assert code_of(main, f"run={finished}") == 0
    said = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["text"] for row in said] == ["", TEXTS[0], "", TEXTS[1]]
    assert [said[1]["label"], said[3]["label"]] == LABELS[:2]


ROWS_WITHOUT_TEXT = [{"text": None}, {"text": TEXTS[0]}, {"text": 7}, {"text": TEXTS[1]}]


@pytest.mark.parametrize("kind", [".jsonl", ".csv", ".parquet", ".txt"])
def test_rows_that_cannot_be_answered_keep_their_place(
    finished: Path, tmp_path: Path, monkeypatch, capsys, kind: str
):
    output = tmp_path / f"out{kind}"
    rows = ROWS_WITHOUT_TEXT if kind != ".parquet" else [r for r in ROWS_WITHOUT_TEXT if r["text"] != 7]
    monkeypatch.setattr(sys, "stdin", io.StringIO("\n".join(map(json.dumps, rows))))
    assert code_of(main, f"run={finished}", f"output={output}") == 0
    told = capsys.readouterr().err
    assert "input row 1: has no text in 'text'" in told
    assert kind == ".parquet" or "2 rows have an error instead of a prediction" in told
    said = {TEXTS[0]: LABELS[0], TEXTS[1]: LABELS[1]}
    if kind == ".txt":
        assert output.read_text().split("\n") == ["", LABELS[0], "", LABELS[1], ""]
        return
    if kind == ".csv":
        with output.open(newline="") as file:
            found = list(csv.DictReader(file))
    elif kind == ".parquet":
        import pyarrow.parquet as pq

        found = pq.read_table(output).to_pylist()
    else:
        found = [json.loads(line) for line in output.read_text().splitlines()]
    assert [row.get("label") or None for row in found] == [said.get(row["text"]) for row in rows]
    errors = ["has no text in 'text'", None, "no text, but 7 (data.columns.text)", None]
    errors = [error for error, row in zip(errors, ROWS_WITHOUT_TEXT, strict=True) if row in rows]
    assert [row.get("error") or None for row in found] == errors


def test_texts_that_are_cut_short_are_counted(finished: Path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{TEXTS[0]}\n{'film ' * 1_000}\n"))
    assert code_of(main, f"run={finished}") == 0
    told = capsys.readouterr()
    assert (
        len(told.out.splitlines()) == 2 and "cut short to what the model was trained to take: 1\n" in told.err
    )


def test_standard_input_that_is_not_utf_8(finished: Path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"good\nzu sp\xe4t\n"), "utf-8"))
    assert code_of(main, f"run={finished}") == 2
    assert "standard input:2: is not utf-8: byte 0xe4 after 'zu sp'" in capsys.readouterr().err


def test_whole_command_in_a_pipe_that_closes(finished: Path):
    command = [sys.executable, "-m", "pipeline.predict", f"run={finished}"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, env=environment(), text=True, **pipes) as process:
        assert process.stdin and process.stdout and process.stderr
        process.stdin.write("wonderful\n" * 5_000)
        process.stdin.close()
        first = json.loads(process.stdout.readline())
        process.stdout.close()
        assert process.wait(120) == 0
        assert process.stderr.read() == ""
    assert first["label"] == "good"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["output=out.docx"], "has no known format"),
        (["output=out.jsonll"], "did you mean: .jsonl"),
        (["output=nowhere/out.csv"], "there is no folder nowhere"),
        (["input=missing.csv"], "there is no file"),
        (["input=rows.odd"], "cannot be told from its name"),
        (["input=in.csv", "data.columns.text=nothing"], "has no column 'nothing'"),
        (["input=no_text.jsonl"], "input row 1: has no text in 'review body'"),
        (["input=broken.jsonl"], "broken.jsonl:2"),
        (["input=numbers.jsonl"], "input row 1: no text, but 12"),
        (["task.max_length=4"], "belongs to how the run was trained"),
        (["inptu=in.csv"], "did you mean: input"),
        (["input=in.csv", "output=in.csv"], "in.csv is the input too"),
        (["input=*.csv", "output=in.csv"], "in.csv is the input too"),
    ],
)
def test_mistakes_are_told_with_code_2_and_leave_no_file(
    finished: Path, tmp_path: Path, words: list[str], said: str, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    write_rows(tmp_path / "in.csv")
    (tmp_path / "rows.odd").write_text("text\na\n")
    (tmp_path / "no_text.jsonl").write_text('{"review body": null, "id": 1}\n{"id": 2}\n')
    (tmp_path / "broken.jsonl").write_text('{"text": "film"}\n{"text"\n')
    (tmp_path / "numbers.jsonl").write_text('{"text": 12}\n')
    before = set(tmp_path.iterdir())
    defaults = ["output=out.csv", "input=in.csv"]
    assert code_of(main, f"run={finished}", *defaults, *words) == 2
    assert said in capsys.readouterr().err
    assert set(tmp_path.iterdir()) == before


def test_a_terminal_is_not_waited_for(finished: Path, monkeypatch, capsys):
    terminal = io.StringIO()
    terminal.isatty = lambda: True  # type: ignore[method-assign]
    monkeypatch.setattr(sys, "stdin", terminal)
    assert code_of(main, f"run={finished}") == 2
    assert "input=FILE, or - for standard input" in capsys.readouterr().err


def test_an_output_that_was_there_before_is_replaced(finished: Path, tmp_path: Path):
    given, output = write_rows(tmp_path / "in.csv"), tmp_path / "out.csv"
    output.write_text("old")
    assert code_of(main, f"run={finished}", f"input={given}", f"output={output}") == 0
    assert read_labels(output) == LABELS


def test_rows_from_standard_input_that_do_not_fit(finished: Path, tmp_path: Path, monkeypatch, capsys):
    for given, said in (
        ('{"text": "a"}\n{"txt"', "standard input:2"),
        ('{"text": "a"}\n[1]', "not an object"),
    ):
        monkeypatch.setattr(sys, "stdin", io.StringIO(given))
        assert code_of(main, f"run={finished}") == 2
        assert said in capsys.readouterr().err
    monkeypatch.setattr(sys, "stdin", io.StringIO('{"text": "a"}\n{"text": "b", "more": 1}'))
    assert code_of(main, f"run={finished}", f"output={tmp_path / 'out.csv'}") == 2
    assert "columns that the first one lacks: more" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "words", [["output=out.docx"], ["input=missing.csv"], ["optimizer.lr=1"], ["data=fils"]]
)
def test_nothing_heavy_before_the_call_is_known_to_be_good(finished: Path, tmp_path: Path, words: list[str]):
    lines = [
        "import sys",
        f"sys.argv = ['x', 'run={finished}', *{words!r}]",
        "from pipeline.errors import BadInput",
        "from pipeline.predict import main",
        "try:\n    main()\nexcept BadInput:\n    print(*sys.modules)",
    ]
    command = [sys.executable, "-c", "\n".join(lines)]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment(), capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.split())
    assert "pipeline.predict" in loaded, done.stderr
    assert loaded & {"torch", "transformers", "datasets", "lightning", "peft", "pandas", "pyarrow"} == set()
