"""Models of other sizes and tokenizers of the run's data: made once, seeded, saved, and nothing wrong passes."""

import json
import random
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from pipeline import Run
from pipeline.compose.composing import compose
from pipeline.compose.run_spec import load
from pipeline.errors import BadInput
from pipeline.models.checkpoint import Checkpoint
from pipeline.models.from_scratch import follow_vocabulary, resized, trained_tokenizer
from tests.models import families
from tests.models.families import FAMILIES, WORDS

SIZES = {"hidden_size": 48, "num_hidden_layers": 3, "num_attention_heads": 4}
TEXTS = [
    "A good film: naïve, dull & great!",
    "电影很好 😀 مرحبا",
    "the plot was boring and the acting was bad",
] * 9


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HYDRATUNE_CACHE", str(tmp_path / "cache"))


def tokenizers() -> dict[str, transformers.PreTrainedTokenizerFast]:
    """One of each kind, with its special tokens at the front."""
    special = ["<pad>", "<s>", "</s>", "<unk>", "<mask>"]
    named = dict(
        zip(("pad_token", "bos_token", "eos_token", "unk_token", "mask_token"), special, strict=True)
    )
    around = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> $B </s>", special_tokens=[("<s>", 1), ("</s>", 2)]
    )
    piece = Tokenizer(models.WordPiece(unk_token="<unk>"))
    piece.normalizer, piece.pre_tokenizer = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
    piece.decoder = decoders.WordPiece()
    pairs = Tokenizer(models.BPE())
    pairs.pre_tokenizer, pairs.decoder = (
        pre_tokenizers.ByteLevel(add_prefix_space=False),
        decoders.ByteLevel(),
    )
    unigram = Tokenizer(models.Unigram())
    unigram.pre_tokenizer, unigram.decoder = pre_tokenizers.Metaspace(), decoders.Metaspace()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    made = {
        "wordpiece": (piece, trainers.WordPieceTrainer(vocab_size=60, special_tokens=special)),
        "byte-level BPE": (
            pairs,
            trainers.BpeTrainer(vocab_size=280, special_tokens=special, initial_alphabet=alphabet),
        ),
        "unigram": (
            unigram,
            trainers.UnigramTrainer(vocab_size=60, special_tokens=special, unk_token="<unk>"),
        ),
    }
    for words, trainer in made.values():
        words.train_from_iterator(["some quite other words of no use here"] * 3, trainer)
        words.post_processor = around
    return {
        name: transformers.PreTrainedTokenizerFast(tokenizer_object=words, **named)
        for name, (words, _) in made.items()
    }


@pytest.mark.parametrize("kind", ["wordpiece", "byte-level BPE", "unigram"])
def test_a_tokenizer_of_the_same_kind_is_trained(kind: str, tmp_path: Path) -> None:
    before = tokenizers()[kind]
    before.chat_template = "{{ messages }}"
    before.model_max_length = 77
    now = trained_tokenizer(before, iter(TEXTS), 330)
    assert len(before) < len(now) <= 330
    assert type(now.backend_tokenizer.model) is type(before.backend_tokenizer.model)
    assert now.chat_template == "{{ messages }}" and now.model_max_length == 77
    assert now.special_tokens_map == before.special_tokens_map
    ids = now("the plot was boring")["input_ids"]
    assert [ids[0], ids[-1]] == [now.bos_token_id, now.eos_token_id]
    assert now.unk_token_id not in ids and len(ids) <= len(before("the plot was boring")["input_ids"])
    assert now.decode(ids, skip_special_tokens=True).strip() == "the plot was boring"
    now.save_pretrained(tmp_path)
    again = transformers.AutoTokenizer.from_pretrained(tmp_path)
    assert again(TEXTS)["input_ids"] == now(TEXTS)["input_ids"]
    if kind == "byte-level BPE":
        assert now.decode(now(TEXTS[1])["input_ids"], skip_special_tokens=True) == TEXTS[1]


def test_too_small_a_vocabulary_is_refused() -> None:
    with pytest.raises(BadInput, match=r"model\.vocab_size: 20 is less than") as raised:
        trained_tokenizer(tokenizers()["byte-level BPE"], TEXTS, 20)
    assert "at least 261" in str(raised.value)
    with pytest.raises(BadInput, match=r"model\.vocab_size: .* not large enough to contain all chars"):
        trained_tokenizer(tokenizers()["unigram"], TEXTS, 10)


def test_numbers_of_special_tokens_follow_the_vocabulary() -> None:
    before = families.tokenizer()
    now = trained_tokenizer(before, TEXTS, 60)
    config = families.config(
        "bert", eos_token_id=[families.SEP, families.CLS], decoder_start_token_id=families.CLS
    )
    follow_vocabulary(config, before, now)
    assert config.vocab_size == len(now)
    assert config.eos_token_id == [now.sep_token_id, now.cls_token_id]
    assert config.pad_token_id == now.pad_token_id and config.decoder_start_token_id == now.cls_token_id


@pytest.mark.parametrize("family", [name for name, one in FAMILIES.items() if one.kind != "encoder_decoder"])
def test_every_architecture_takes_other_sizes(family: str) -> None:
    names = {"num_key_value_heads": 2} if family in ("llama", "mistral", "gemma3", "qwen3") else {}
    config = resized(families.config(family), {**SIZES, **names})
    model = transformers.AutoModel.from_config(config)
    assert (config.hidden_size, config.num_hidden_layers, config.num_attention_heads) == (48, 3, 4)
    assert model(**families.batch()).last_hidden_state.shape[-1] == 48


def test_what_followed_from_old_sizes_follows_from_new_ones() -> None:
    config = transformers.Gemma3TextConfig(
        num_hidden_layers=4, hidden_size=64, num_attention_heads=4, head_dim=16
    )
    assert len(resized(config, {"num_hidden_layers": 7}).layer_types) == 7
    llama = transformers.LlamaConfig(hidden_size=64, num_attention_heads=4)
    assert llama.num_key_value_heads == 4
    new = resized(llama, {"hidden_size": 48, "num_attention_heads": 2})
    assert (new.num_key_value_heads, new.head_dim) == (2, 24)


def test_wrong_sizes_are_refused() -> None:
    def refused(sizes: dict[str, Any], family: str = "gpt2") -> str:
        with pytest.raises(BadInput) as raised:
            resized(families.config(family), sizes)
        return str(raised.value)

    said = refused({"hiden_size": 1, "n_layers": 2, "vocab_size": 9})
    assert "model.sizes.hiden_size" in said and "did you mean: hidden_size" in said and "n_layer" in said
    assert "model.vocab_size" in said
    assert "4 attention heads cannot share 3" in refused(
        {"num_attention_heads": 4, "num_key_value_heads": 3}, "llama"
    )
    with pytest.raises(ValueError, match=r"sizes and vocab_size only matter with model\.from_scratch=true"):
        Checkpoint(checkpoint="a/b", sizes={"n_layer": 1}, vocab_size=100)


@pytest.mark.parametrize(
    ("family", "sizes"),
    [
        ("bert", {"hidden_act": "geluu"}),
        ("bert", {"num_attention_heads": 0}),
        ("bert", {"layer_norm_eps": None}),
        ("bert", {"hidden_size": -8}),
        ("gpt2", {"n_head": 0}),
        ("t5", {"num_heads": 0}),
    ],
)
def test_values_that_the_architecture_cannot_be_made_with_are_refused(
    family: str, sizes: dict[str, Any], tmp_path: Path
) -> None:
    folder = families.pretrained(family, tmp_path / family)
    checkpoint = Checkpoint(checkpoint=folder, from_scratch=True, sizes=sizes)
    with pytest.raises(BadInput):
        located = checkpoint.blueprint(checkpoint.locate(), "", list)
        checkpoint.tokenizer(located.folder)
        checkpoint.build(located.folder, ["backbone", "text_encoding"], checkpoint.config(located.folder))


def test_keys_can_be_typed() -> None:
    typed = [
        "data=files",
        "data.train=a.csv",
        "model=auto",
        "model.checkpoint=a/b",
        "model.from_scratch=true",
    ]
    one = load(compose([*typed, "model.sizes={hidden_size: 128, n_layer: 2}", "model.vocab_size=8000"])).model
    two = load(
        compose([*typed, "model.sizes.hidden_size=128", "model.sizes.n_layer=2", "model.vocab_size=8000"])
    ).model
    assert one == two and dict(one.sizes) == {"hidden_size": 128, "n_layer": 2} and one.vocab_size == 8000


def test_weights_come_from_the_seed_alone_and_need_not_be_there(tmp_path: Path) -> None:
    folder = Path(families.pretrained("gpt2", tmp_path / "gpt2"))
    (folder / "model.safetensors").unlink()
    checkpoint = Checkpoint(
        checkpoint=str(folder), from_scratch=True, sizes={"n_layer": 1, "n_positions": 32}
    )
    located = checkpoint.blueprint(checkpoint.locate(), "", list)

    def weights(seed: int) -> dict[str, torch.Tensor]:
        torch.manual_seed(seed)
        model, report = checkpoint.build(located.folder, ["causal_lm"], checkpoint.config(located.folder))
        assert report.lines() == ["all are random (model.from_scratch)"] and not model.training
        return model.state_dict()

    one, again, other = weights(0), weights(0), weights(1)
    assert all(torch.equal(one[name], again[name]) for name in one)
    assert not torch.equal(one["lm_head.weight"], other["lm_head.weight"])
    assert checkpoint.tokenizer(located.folder).model_max_length == 32
    with pytest.raises(BadInput, match="no weights"):
        Checkpoint(checkpoint=str(folder)).locate()


@pytest.mark.parametrize("task", ["causal_lm", "masked_lm"])
def test_a_run_trains_its_own_tokenizer(task: str, tmp_path: Path) -> None:
    family = {"causal_lm": "gpt2", "masked_lm": "bert"}[task]
    folder = Path(families.pretrained(family, tmp_path / family))
    draw, data = random.Random(0), tmp_path / "rows.jsonl"
    lines = [json.dumps({"text": " ".join(draw.choices([*WORDS, "naïve", "电影"], k=30))}) for _ in range(40)]
    data.write_text("\n".join(lines), encoding="utf-8")
    keys = ["model=auto", f"model.checkpoint={folder}", f"task={task}", "data=files", f"data.train={data}"]
    keys += ["hardware=cpu", "hardware.threads=1", "logger=csv", "trainer.max_epochs=1", "task.max_length=32"]
    keys += ["model.from_scratch=true", "model.vocab_size=26", "model.sizes.num_hidden_layers=1"]
    keys += [f"paths.outputs={tmp_path / 'outputs'}"]
    run = Run.train(keys)
    config = json.loads((run.folder / "model/config.json").read_text())
    tokenizer = transformers.AutoTokenizer.from_pretrained(run.folder / "model")
    assert config["vocab_size"] == len(tokenizer) <= 26 and "naïve" in tokenizer.get_vocab()
    assert 1 in (config.get("n_layer"), config.get("num_hidden_layers"))
    assert run.manifest["weights"] == ["all are random (model.from_scratch)"]
    assert run.evaluate()["test/loss"] == pytest.approx(run.metrics["test/loss"], rel=1e-5)
    # The same again from a cache that has lost what was made, and another vocabulary is another run.
    shutil.rmtree(tmp_path / "cache")
    again = Run.prepare(keys)
    assert again.checkpoint["fingerprint"] == run.manifest["prepared"]["checkpoint"]["fingerprint"]
    assert (
        Run.prepare([*keys, "model.vocab_size=25"]).checkpoint["fingerprint"]
        != again.checkpoint["fingerprint"]
    )
