"""Tokenizers of many languages, with words of their own: what they mark, and what their models begin with."""

from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from pipeline.errors import BadInput
from pipeline.models.checkpoint import Checkpoint
from pipeline.tasks.translation import Translation
from pipeline.tasks.writing.generation import Generation
from pipeline.tasks.writing.languages import codes_of, needs_languages, set_languages
from tests.models import families
from tests.tasks.parts import answers

LETTERS = ["<s>", "<pad>", "</s>", "<unk>", *"▁abcdefghijklmnopqrstuvwxyz"]
SIZES: dict[str, Any] = {name: size for name, size in families.BART.items() if "token_id" not in name}
HEAD = {"encoder_decoder": True, "latin": True, "bleu_tokenizer": "13a"}


def tokenizer(name: str) -> Any:
    if name == "NllbTokenizer":
        return transformers.NllbTokenizer(vocab={letter: i for i, letter in enumerate(LETTERS)}, merges=[])
    return getattr(transformers, name)(vocab=[(letter, -float(i)) for i, letter in enumerate(LETTERS)])


def checkpoint(name: str, folder: Path) -> Checkpoint:
    torch.manual_seed(0)
    made = tokenizer(name)
    made.save_pretrained(folder)
    kind = "M2M100" if name == "NllbTokenizer" else "MBart"
    config = getattr(transformers, f"{kind}Config")(
        vocab_size=len(made), decoder_start_token_id=2, pad_token_id=1, **SIZES
    )
    getattr(transformers, f"{kind}ForConditionalGeneration")(config).save_pretrained(folder)
    return Checkpoint(checkpoint=str(folder))


@pytest.mark.parametrize(
    ("name", "source", "target", "begins"),
    [
        (
            "NllbTokenizer",
            ["eng_Latn", "▁", "a", "</s>"],
            ["ron_Latn", "▁", "b", "</s>"],
            "forced_bos_token_id",
        ),
        ("MBart50Tokenizer", ["en_XX", "▁", "a", "</s>"], ["ro_RO", "▁", "b", "</s>"], "forced_bos_token_id"),
        (
            "MBartTokenizer",
            ["▁", "a", "</s>", "en_XX"],
            ["▁", "b", "</s>", "ro_RO"],
            "decoder_start_token_id",
        ),
    ],
)
def test_languages_are_marked_and_written(
    name: str, source: list[str], target: list[str], begins: str, tmp_path: Path
) -> None:
    folder, made = str(tmp_path), checkpoint(name, tmp_path)
    codes = {"en": "eng_Latn", "ro": "ron_Latn"} if name == "NllbTokenizer" else {}
    task = Translation(
        source_language="en",
        target_language="ro",
        language_codes=codes,
        generation=Generation(max_new_tokens=6),
    )
    rows = {"translation": [{"en": "a", "ro": "b"}, {"en": "a c", "ro": "c b"}]}
    marking = made.tokenizer(folder)
    features = task.encode(rows, marking, HEAD)
    assert marking.convert_ids_to_tokens(features["input_ids"][0]) == source
    assert marking.convert_ids_to_tokens(features["labels"][0]) == target
    model: Any = task.load(made, folder, HEAD)[0]
    code = marking.convert_ids_to_tokens(getattr(model.generation_config, begins))
    assert code in ("ron_Latn", "ro_RO")
    batch = task.collate([{n: v[i] for n, v in features.items()} for i in (0, 1)], marking)
    output = task.loss(model, batch)
    torch.testing.assert_close(output.loss / output.weight, model(**batch).loss)
    predictions = task.predict(model, batch)
    if begins == "forced_bos_token_id":
        assert all(marking.convert_ids_to_tokens(row[0][0]) == code for row in predictions)
    assert not any(code in said["text"] for said in task.decode(answers(predictions), marking, HEAD))


def test_languages_that_are_not_there() -> None:
    made = tokenizer("MBartTokenizer")
    assert needs_languages(made) and {"en_XX", "ro_RO"} <= set(codes_of(made))
    with pytest.raises(BadInput) as raised:
        set_languages(made, None, "rom", {})
    source, target = raised.value.problems
    assert source.where == "task.source_language" and source.what.startswith("must be set")
    assert target.what == "the model's tokenizer has no language 'rom'" and "ro_RO" in target.allowed
    assert "task.language_codes={rom: CODE}" in target.allowed


def test_a_language_in_several_scripts_must_be_told_apart() -> None:
    made = tokenizer("NllbTokenizer")
    with pytest.raises(BadInput, match="'zho' could be any of the tokenizer's zho_Hans, zho_Hant"):
        set_languages(made, "eng_Latn", "zho", {})
    set_languages(made, "eng_Latn", "zho", {"zho": "zho_Hant"})
    assert (made.src_lang, made.tgt_lang) == ("eng_Latn", "zho_Hant")


def test_other_tokenizers_need_no_languages() -> None:
    assert not needs_languages(families.tokenizer(kind="encoder_decoder"))
