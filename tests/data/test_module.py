"""Batches of tensors from prepared rows."""

import pytest
import torch
from datasets import Dataset
from transformers import AutoTokenizer

from pipeline.data.module import Numbered, TextData
from pipeline.tasks.text_classification import TextClassification
from pipeline.training.trainer_spec import TrainerSpec


@pytest.fixture
def splits(tiny_bert) -> dict[str, Dataset]:
    tokenizer = AutoTokenizer.from_pretrained(tiny_bert)

    def rows(count: int) -> Dataset:
        texts = ["film " * (n % 9 + 1) for n in range(count)]
        ids = tokenizer(texts)["input_ids"]
        columns = {"input_ids": ids, "length": list(map(len, ids)), "truncated": [False] * count}
        return Dataset.from_dict({**columns, "label": [n % 2 for n in range(count)]})

    return {"train": rows(21), "validation": rows(10), "validation_news": rows(5), "test": rows(7)}


def data(splits: dict[str, Dataset], tiny_bert, **options) -> TextData:
    settings = {"seed": 0, "micro_batch": 2, "workers": 0, "world_size": 1, "rank": 0, **options}
    tokenizer = AutoTokenizer.from_pretrained(tiny_bert)
    trainer = TrainerSpec(batch_size=4, evaluation_batch_size=3)
    return TextData(splits, TextClassification(), tokenizer, trainer, **settings)


def test_batches_hold_the_rows_that_they_number(splits, tiny_bert):
    for batch in data(splits, tiny_bert).train_dataloader():
        inputs, index = batch["inputs"], batch["index"].tolist()
        assert len(index) <= 2
        expected = [splits["train"][row] for row in index]
        assert inputs["labels"].tolist() == [row["label"] for row in expected]
        assert inputs["attention_mask"].sum(1).tolist() == [row["length"] for row in expected]
        assert batch["tokens"] == sum(row["length"] for row in expected)
        for ids, row in zip(inputs["input_ids"].tolist(), expected, strict=True):
            assert ids[: row["length"]] == row["input_ids"]


def test_every_split_is_read_whole(splits, tiny_bert):
    module = data(splits, tiny_bert)
    assert module.validation_names == ["validation", "validation_news"]
    loaders = [module.train_dataloader(), *module.val_dataloader(), module.test_dataloader()]
    for loader, rows in zip(loaders, splits.values(), strict=True):
        seen = torch.cat([batch["index"] for batch in loader])
        assert sorted(seen.tolist()) == list(range(len(rows)))


def test_workers_and_other_random_numbers_change_nothing(splits, tiny_bert):
    def batches(workers: int) -> list[list[int]]:
        torch.manual_seed(workers)
        return [
            batch["index"].tolist() for batch in data(splits, tiny_bert, workers=workers).train_dataloader()
        ]

    assert batches(0) == batches(2)


def test_starting_to_read_draws_no_random_number(splits, tiny_bert):
    loader = data(splits, tiny_bert).train_dataloader()
    before = torch.get_rng_state()
    next(iter(loader))
    assert torch.equal(before, torch.get_rng_state())


def test_a_position_is_where_reading_goes_on(splits, tiny_bert):
    module = data(splits, tiny_bert)
    loader = module.train_dataloader()
    first, second = ([batch["index"].tolist() for batch in loader] for _ in range(2))
    assert first != second
    again = data(splits, tiny_bert)
    again.load_state_dict({"epoch": 1, "batch": 3})
    assert [batch["index"].tolist() for batch in again.train_dataloader()] == second[3:]


def test_rows_one_by_one_and_together_are_the_same(splits):
    rows = Numbered(splits["train"])
    assert rows.__getitems__([4, 2]) == [rows[4], rows[2]]
    assert len(rows) == 21 and rows[4]["index"] == 4
