"""Words left out, exchanged and masked: by hand on a few tokens, and the same however the data is read."""

from collections import Counter

import numpy as np
import pytest
import torch
from datasets import Dataset
from transformers import AutoTokenizer

from pipeline.data.augmentation import WordChanges, Words, changes
from pipeline.data.module import TextData
from pipeline.errors import BadInput
from pipeline.sources.base import Augmentation
from pipeline.tasks.text_classification import TextClassification
from pipeline.training.trainer_spec import TrainerSpec

TEXT = "unbelievable acting in a gripping film"


@pytest.fixture(scope="module")
def tokenizer(tiny_bert):
    return AutoTokenizer.from_pretrained(tiny_bert)


def made(tokenizer, seed: int = 0, **options: float) -> WordChanges:
    return WordChanges(Augmentation(**options), tokenizer, seed)


def words_of(tokenizer, ids: list[int]) -> list[str]:
    return tokenizer.decode(ids, skip_special_tokens=True).split()


def row(tokenizer, text: str, pair: str | None = None) -> dict:
    found = tokenizer(text, pair)
    return {name: found[name] for name in ("input_ids", "token_type_ids")} | {
        "length": len(found["input_ids"]),
        "label": 1,
    }


def test_words_are_what_the_tokenizer_says(tokenizer):
    ids = tokenizer("unbelievable films, xylophonists", "dull")["input_ids"]
    expected = tokenizer("unbelievable films, xylophonists", "dull").word_ids()
    found = Words(tokenizer).texts(ids)
    assert len(found) == 2
    place = [n for n, word in enumerate(expected) if word is not None]
    assert [p for text in found for word in text for p in word] == place
    pieces = [Counter(len(word) for word in text) for text in found]
    assert pieces[0] == Counter(Counter(w for w in expected[1 : place[-2] + 1] if w is not None).values())


def test_words_of_tokenizers_that_mark_beginnings():
    class Marked:
        model_input_names = ("input_ids",)
        bos_token_id = eos_token_id = pad_token_id = 0
        unk_token_id = sep_token_id = cls_token_id = 0
        all_special_ids = (0,)

        def get_vocab(self):
            return {"<s>": 0, "▁the": 1, "▁film": 2, "s": 3, "▁": 4}

    assert Words(Marked()).texts([0, 1, 2, 3, 0, 3, 4]) == [
        [range(1, 2), range(2, 4)],
        [range(5, 6), range(6, 7)],
    ]


def test_an_unknown_word_is_a_word(tokenizer):
    ids = [tokenizer.cls_token_id, tokenizer.unk_token_id, tokenizer.unk_token_id, tokenizer.sep_token_id]
    assert Words(tokenizer).texts(ids) == [[range(1, 2), range(2, 3)]]


def test_deletion_leaves_out_whole_words_at_its_rate_and_never_all(tokenizer):
    change, given = made(tokenizer, deletion=0.3), row(tokenizer, TEXT, "dull")
    whole = TEXT.split()
    kept = []
    for number in range(500):
        ids = change(given, 0, number)["input_ids"]
        first = ids[: ids.index(tokenizer.sep_token_id)]
        assert ids[0] == tokenizer.cls_token_id and ids[-1] == tokenizer.sep_token_id
        words = words_of(tokenizer, first)
        assert words == [word for word in whole if word in words] and words
        assert words_of(tokenizer, ids[len(first) :]) == ["dull"]
        kept.append(len(words))
    assert np.mean(kept) / len(whole) == pytest.approx(0.7, abs=0.03)


def test_deletion_by_hand(tokenizer):
    """The draws of the documented generator, applied without the program's code."""
    given = row(tokenizer, TEXT)
    draw = np.random.default_rng([7, 2, 5, 1_901_11196])
    out = draw.random(6) < 0.5
    expected = [word for word, left_out in zip(TEXT.split(), out, strict=True) if not left_out]
    assert 0 < len(expected) < 6
    found = made(tokenizer, seed=7, deletion=0.5)(given, 2, 5)
    assert words_of(tokenizer, found["input_ids"]) == expected
    assert found["length"] == len(found["input_ids"]) == len(found["token_type_ids"])
    assert found["label"] == 1


def test_swaps_keep_every_word_of_each_text(tokenizer):
    change, given = made(tokenizer, swap=0.4), row(tokenizer, TEXT, "very dull story")
    moved = 0
    for number in range(50):
        found = change(given, 0, number)
        ids = found["input_ids"]
        cut = ids.index(tokenizer.sep_token_id)
        words = words_of(tokenizer, ids[:cut])
        assert sorted(words) == sorted(TEXT.split())
        assert sorted(words_of(tokenizer, ids[cut:])) == ["dull", "story", "very"]
        assert found["token_type_ids"] == given["token_type_ids"]
        moved += words != TEXT.split()
    assert moved > 40


def test_masks_tokens_at_their_rate_but_no_special_ones(tokenizer):
    change, given = made(tokenizer, mask=0.25), row(tokenizer, TEXT, "x")
    ids = np.array(given["input_ids"])
    found = np.array([change(given, 0, number)["input_ids"] for number in range(1_000)])
    masked = found == tokenizer.mask_token_id
    assert (found[~masked] == np.broadcast_to(ids, found.shape)[~masked]).all()
    special = np.isin(ids, tokenizer.all_special_ids)
    assert not masked[:, special].any()
    assert not masked[:, -2].any(), "the only token of a text is never masked"
    assert masked[:, 1:-3].mean() == pytest.approx(0.25, abs=0.02)


def test_no_mask_token_is_refused(tokenizer):
    other = AutoTokenizer.from_pretrained(tokenizer.name_or_path)
    other.mask_token = None
    with pytest.raises(BadInput, match=r"data\.augmentation\.mask.*no mask token"):
        made(other, mask=0.1)


def test_nested_inputs_change_each_for_itself(tokenizer):
    one = row(tokenizer, TEXT)
    nested = {name: [one[name], one[name]] for name in ("input_ids", "token_type_ids")}
    found = made(tokenizer, deletion=0.5)({**nested, "length": 2 * one["length"]}, 0, 0)
    assert found["input_ids"][0] != found["input_ids"][1]
    assert found["length"] == sum(map(len, found["input_ids"]))


def test_off_is_nothing_at_all(tokenizer):
    assert changes(Augmentation(), tokenizer, 0) is None
    assert changes(Augmentation(mixup=0.4), tokenizer, 0) is None


@pytest.fixture
def splits(tokenizer) -> dict[str, Dataset]:
    rows = [row(tokenizer, f"{TEXT} {'film ' * (n % 5)}{n}") for n in range(21)]
    columns = {name: [each[name] for each in rows] for name in rows[0]}
    return dict.fromkeys(("train", "validation"), Dataset.from_dict({**columns, "truncated": [False] * 21}))


def data(splits, tokenizer, augmentation: Augmentation, **options) -> TextData:
    settings = {"seed": 3, "micro_batch": 2, "workers": 0, "world_size": 1, "rank": 0, **options}
    made = changes(augmentation, tokenizer, settings["seed"])
    return TextData(
        splits, TextClassification(), tokenizer, TrainerSpec(batch_size=4), changes=made, **settings
    )


def read(loader) -> dict[int, list[int]]:
    """Row number -> its tokens as they were read."""
    found = {}
    for batch in loader:
        inputs = batch["inputs"]
        for number, ids, mask in zip(
            batch["index"].tolist(), inputs["input_ids"], inputs["attention_mask"], strict=True
        ):
            found[number] = ids[mask.bool()].tolist()
    return found


CHANGED = Augmentation(deletion=0.2, swap=0.2, mask=0.1)


def test_the_same_changes_for_any_workers_processes_and_micro_batches(splits, tokenizer):
    expected = read(data(splits, tokenizer, CHANGED).train_dataloader())
    assert expected != dict(enumerate(splits["train"]["input_ids"]))
    assert read(data(splits, tokenizer, CHANGED, workers=2).train_dataloader()) == expected
    found = {}
    for rank in range(2):
        module = data(splits, tokenizer, CHANGED, world_size=2, rank=rank, micro_batch=None)
        found |= read(module.train_dataloader())
    assert found == expected


def test_drawn_anew_each_epoch_and_the_same_after_a_resume(splits, tokenizer):
    loader = data(splits, tokenizer, CHANGED).train_dataloader()
    first, second = read(loader), read(loader)
    assert first != second
    again = data(splits, tokenizer, CHANGED)
    again.load_state_dict({"epoch": 1, "batch": 4})
    rest = read(again.train_dataloader())
    assert 0 < len(rest) < 21 and all(second[number] == ids for number, ids in rest.items())


def test_validation_rows_stay_as_they_are(splits, tokenizer):
    (loader,) = data(splits, tokenizer, CHANGED).val_dataloader()
    assert read(loader) == dict(enumerate(splits["validation"]["input_ids"]))


def test_off_gives_the_batches_of_before(splits, tokenizer):
    plain = TextData(
        splits, TextClassification(), tokenizer, TrainerSpec(batch_size=4),
        seed=3, micro_batch=2, workers=0, world_size=1, rank=0,
    )  # fmt: skip
    for one, other in zip(
        plain.train_dataloader(), data(splits, tokenizer, Augmentation()).train_dataloader(), strict=True
    ):
        assert torch.equal(one["inputs"]["input_ids"], other["inputs"]["input_ids"])
        assert torch.equal(one["index"], other["index"])
