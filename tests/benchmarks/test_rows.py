"""Equal rows have equal hashes, and any difference shows."""

from datasets import Dataset, DatasetDict

from benchmarks.rows import hashes_of_rows

ROWS = [{"text": "a fine film", "label": "good"}, {"text": "a bore", "label": "bad"}]


def test_the_same_rows_from_disk_or_memory(tmp_path):
    DatasetDict({"test": Dataset.from_list(ROWS)}).save_to_disk(tmp_path / "rows")
    assert hashes_of_rows(DatasetDict.load_from_disk(tmp_path / "rows")) == hashes_of_rows({"test": ROWS})


def test_order_text_and_label_count():
    changed = [ROWS[::-1], [ROWS[0], {**ROWS[1], "label": "good"}], [ROWS[0], {**ROWS[1], "text": "a bore "}]]
    hashes = {hashes_of_rows({"test": rows})["test"] for rows in [ROWS, *changed]}
    assert len(hashes) == 4
