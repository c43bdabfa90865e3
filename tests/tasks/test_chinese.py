"""Chinese reviews are learned, by a small model whose tokenizer knows the characters, and predicted one by one."""

from collections import Counter
from pathlib import Path

import pytest
import torch

from pipeline import Run


def character_model(folder: Path, texts: list[str]) -> None:
    """A BERT of two narrow layers with random weights, and a tokenizer of the frequent characters."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    frequent = [character for character, _ in Counter("".join(texts)).most_common(3_000) if character.strip()]
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    vocabulary = {token: number for number, token in enumerate([*special, *frequent])}
    characters = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    characters.normalizer = normalizers.BertNormalizer()  # It parts Chinese characters.
    characters.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    characters.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    names = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    PreTrainedTokenizerFast(tokenizer_object=characters, **names).save_pretrained(folder)
    torch.manual_seed(0)
    sizes = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 128}
    BertModel(BertConfig(vocab_size=len(vocabulary), **sizes)).save_pretrained(folder)


@pytest.mark.slow
def test_chinese_reviews_are_learned(tmp_path: Path) -> None:
    from pipeline.sources.chinese_reviews import ChineseReviews

    character_model(tmp_path / "model", ChineseReviews().load()["train"]["text"][:])
    words = ["data=chinese_reviews", "model=auto", f"model.checkpoint={tmp_path / 'model'}", "logger=none"]
    words += ["hardware=cpu", "hardware.threads=1", "task.max_length=64", f"paths.outputs={tmp_path}"]
    run = Run.train([*words, "optimizer.lr=1e-3", "trainer.max_epochs=1", "data.limit=6000"])
    assert run.metrics["test/accuracy"] > 0.7
    said = run.predict(["质量很好，很喜欢！", "太差了，非常失望，不推荐。"])
    assert [row["label"] for row in said] == ["positive", "negative"]
    line = (run.folder / "predictions/test.jsonl").read_text(encoding="utf-8").splitlines()[0]
    assert any("\u4e00" <= character <= "\u9fff" for character in line)
