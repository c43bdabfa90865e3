"""Words that become tokens: read whole, beginning as what they were, learned by full fine-tuning and by LoRA."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from tokenizers import normalizers

from pipeline import Run
from pipeline.errors import BadInput
from pipeline.models.checkpoint import Checkpoint
from pipeline.strategies.lora import Lora
from tests.models import families
from tests.models.families import FAMILIES

NEW = ["goodfilm", "<e1>"]
TEXT = "the goodfilm was not dull"


@pytest.mark.parametrize("family", ["bert", "gpt2", "llama", "t5", "flan_t5", "bart", "xlnet"])
def test_they_start_as_the_mean_of_their_pieces(family: str, tmp_path: Path):
    folder = Path(families.pretrained(family, tmp_path / "checkpoint"))
    before = transformers.AutoTokenizer.from_pretrained(folder)
    located = Checkpoint(checkpoint=str(folder), added_tokens=NEW).locate()
    assert Checkpoint(checkpoint=str(folder), added_tokens=NEW).locate() == located
    assert (
        Checkpoint(checkpoint=str(folder), added_tokens=NEW[:1]).locate().fingerprint != located.fingerprint
    )
    assert Checkpoint(checkpoint=str(folder)).locate().folder == str(folder)
    tokenizer = transformers.AutoTokenizer.from_pretrained(located.folder)
    assert NEW[0] in tokenizer.tokenize(TEXT) and NEW[0] not in before.tokenize(TEXT)
    old, new = (
        transformers.AutoModel.from_pretrained(f).get_input_embeddings().weight
        for f in (folder, located.folder)
    )
    kept = len(before)
    assert torch.equal(new[:kept], old[:kept])
    for token in NEW:
        pieces = before(token, add_special_tokens=False).input_ids
        assert torch.allclose(new[tokenizer.convert_tokens_to_ids(token)], old[pieces].mean(0))


@pytest.mark.parametrize("family", ["bert", "llama", "gpt2"])
def test_lora_trains_their_rows_and_no_other(family: str, tmp_path: Path):
    # With what predicts words, which would be trained in full if the checkpoint lacked it.
    auto = "AutoModelForCausalLM" if FAMILIES[family].kind == "decoder" else "AutoModel"
    folder = families.with_head(family, auto, tmp_path / "checkpoint")
    checkpoint = Checkpoint(checkpoint=folder, added_tokens=NEW)
    located = checkpoint.locate()
    heads = ("causal_lm",) if FAMILIES[family].kind == "decoder" else ("sequence_classification",)
    model, _ = checkpoint.build(located.folder, heads, checkpoint.config(located.folder))
    start = {name: weight.clone() for name, weight in model.state_dict().items()}
    adapted = Lora(modules="all-linear").adapt(model)
    ids = checkpoint.tokenizer(located.folder)([TEXT, "<e1> is good"], padding=True, return_tensors="pt")
    labels = {"labels": ids.input_ids} if "causal_lm" in heads else {"labels": torch.tensor([0, 1])}
    optimizer = torch.optim.SGD([weight for weight in adapted.parameters() if weight.requires_grad], lr=1.0)
    adapted.train()(**ids, **labels).loss.backward()
    optimizer.step()
    merged = Lora(modules="all-linear").merge(adapted)
    rows = set(checkpoint.tokenizer(located.folder).convert_tokens_to_ids(NEW))
    for embedding in filter(None, (merged.get_input_embeddings(), merged.get_output_embeddings())):
        (name,) = {name for name, module in merged.named_modules() if module is embedding}
        changed = (embedding.weight != start[f"{name}.weight"]).any(-1).nonzero().flatten().tolist()
        assert set(changed) == rows


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["full", "lora"])
def test_a_run_learns_and_keeps_them(strategy: str, small: list[str], tmp_path: Path):
    keys = [*small, f"strategy={strategy}", "model.added_tokens=['<r>',filmplot]", "debug=fast"]
    run = Run.train([*keys, f"paths.outputs={tmp_path}"])
    left = transformers.AutoTokenizer.from_pretrained(run.folder / "model")
    assert left.tokenize("a <r> filmplot")[1:] == ["<r>", "filmplot"]
    model = transformers.AutoModel.from_pretrained(run.folder / "model")
    assert model.get_input_embeddings().weight.shape[0] == len(left)
    assert {row["label"] for row in run.predict([{"text": "a <r> wonderful film"}])} <= {"good", "bad"}
    if strategy == "lora":
        # Loaded by PEFT in a process of its own and compared, the rows of the new tokens with it.
        adapter = run.export(tmp_path / "adapter", "adapter")
        assert (adapter / "base/config.json").is_file()


@pytest.mark.parametrize(
    ("tokens", "said"),
    [
        (["good"], "'good': in the vocabulary already"),
        (["<x>", "<x>"], "'<x>': given twice"),
        (["", " x"], "'', ' x': empty, or blank at an end"),
    ],
)
def test_mistakes(tokens: list[str], said: str, tmp_path: Path):
    folder = families.pretrained("bert", tmp_path / "checkpoint")
    with pytest.raises(BadInput, match=r"model\.added_tokens") as raised:
        Checkpoint(checkpoint=folder, added_tokens=tokens).locate()
    assert said in str(raised.value)


@pytest.mark.parametrize("token", ["\u0301", "\u200b"])
def test_a_word_that_the_tokenizer_does_not_read_is_refused(token: str, tmp_path: Path):
    folder = families.with_head("bert", "AutoModelForMaskedLM", tmp_path / "checkpoint")
    tokenizer = families.tokenizer()
    tokenizer.backend_tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True, strip_accents=True)
    tokenizer.save_pretrained(folder)
    with pytest.raises(BadInput, match="nothing that the tokenizer would read") as raised:
        Checkpoint(checkpoint=folder, added_tokens=["<e1>", token]).locate()
    assert repr(token) in str(raised.value) and "<e1>" not in str(raised.value)


@pytest.mark.parametrize(
    ("config", "tokenizer", "said"),
    [
        ({"hidden_size": "big"}, None, "config.json cannot be read"),
        ({"model_type": "robrta"}, None, "did you mean: roberta"),
        ({"hidden_act": "geluu"}, None, "cannot be loaded: KeyError: 'geluu'"),
        ({"architectures": ["logging"]}, None, "the architecture logging is none of transformers'"),
        ({"architectures": ["BertConfig"]}, None, "the architecture BertConfig is none of transformers'"),
        ({}, {"tokenizer.json": "{}"}, "the tokenizer in .* cannot be loaded"),
        ({}, {"tokenizer_config.json": "[]"}, "the tokenizer in .* cannot be loaded"),
        ({}, {}, "there is no tokenizer in"),
    ],
)
def test_a_broken_checkpoint_is_refused(
    config: dict[str, Any], tokenizer: dict[str, str] | None, said: str, tmp_path: Path
):
    folder = tmp_path / "checkpoint"
    families.with_head("bert", "AutoModelForMaskedLM", folder)
    written = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(written | config))
    if tokenizer is not None:
        if not tokenizer:
            for file in folder.glob("tokenizer*"):
                file.unlink()
        for name, text in tokenizer.items():
            (folder / name).write_text(text)
    with pytest.raises(BadInput, match=said):
        Checkpoint(checkpoint=str(folder), added_tokens=NEW).locate()


def test_weights_of_another_model_are_refused(tmp_path: Path):
    folder = families.with_head("bert", "AutoModelForMaskedLM", tmp_path / "bert")
    other = Path(families.with_head("llama", "AutoModelForCausalLM", tmp_path / "llama"))
    (other / "model.safetensors").rename(Path(folder) / "model.safetensors")
    with pytest.raises(BadInput, match="are not those of BertForMaskedLM"):
        Checkpoint(checkpoint=folder, added_tokens=NEW).locate()


def test_a_pooled_model_is_refused_by_its_name(tmp_path: Path):
    folder = families.pretrained("bert", tmp_path / "bert")
    checkpoint = Checkpoint(checkpoint=folder)
    head = {"pooling": "mean", "head_layers": [], "head_dropout": None}
    model, _ = checkpoint.build(folder, ("sequence_classification",), checkpoint.config(folder), pooled=head)
    model.save_pretrained(tmp_path / "pooled")
    with pytest.raises(BadInput, match="PooledForSequenceClassification is none of transformers'"):
        Checkpoint(checkpoint=str(tmp_path / "pooled"), added_tokens=NEW).locate()


def test_not_with_a_model_from_scratch():
    with pytest.raises(ValueError, match="set vocab_size"):
        Checkpoint(checkpoint="org/name", from_scratch=True, added_tokens=NEW)
