"""Pooled models: what they read of the tokens, where their backbones come from, and that nobody's code is run."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import peft
import pytest
import torch
import transformers

from pipeline.errors import BadInput
from pipeline.models import pooled_loading
from pipeline.models.checkpoint import Checkpoint
from pipeline.models.pooled import AttentionPooling, pool
from pipeline.strategies.base import trained_keys
from pipeline.strategies.frozen_backbone import FrozenBackbone
from pipeline.strategies.lora import Lora
from tests.models import families

HIDDEN = torch.randn(2, 4, 3, generator=torch.Generator().manual_seed(0))
# The first text is padded on the right, the second on the left; what is there is as large as can be.
MASK = torch.tensor([[1, 1, 1, 0], [0, 0, 1, 1]])
TEXTS = [HIDDEN[0, :3].numpy(), HIDDEN[1, 2:].numpy()]
PADDED = HIDDEN.masked_fill(MASK.unsqueeze(-1) == 0, 1e30)
FACTS = {"id2label": {0: "a", 1: "b"}, "label2id": {"a": 0, "b": 1}, "problem_type": None}
CLASSIFIER, TAGGER = ("sequence_classification",), ("token_classification",)


def head(pooling: str | None, *layers: int, dropout: float | None = None) -> dict[str, Any]:
    return {"pooling": pooling, "head_layers": list(layers), "head_dropout": dropout}


def build(folder: Any, pooled: Any, heads: tuple[str, ...] = CLASSIFIER, **options: Any) -> Any:
    checkpoint = Checkpoint(checkpoint=str(folder), **options)
    torch.manual_seed(0)
    config = checkpoint.config(str(folder))
    return checkpoint.build(str(folder), heads, config, facts=FACTS, pooled=pooled)


def saved(model: Any, folder: Path, family: str = "bert") -> Path:
    model.save_pretrained(folder)
    families.tokenizer(kind=families.FAMILIES[family].kind).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A pretrained BERT whose first token was never trained to say anything."""
    return families.with_head("bert", "AutoModelForMaskedLM", tmp_path_factory.mktemp("bert"))


@pytest.mark.parametrize(
    ("pooling", "expected"),
    [
        ("mean", lambda text: text.mean(0)),
        ("max", lambda text: text.max(0)),
        ("cls", lambda text: text[0]),
        ("last", lambda text: text[-1]),
    ],
)
def test_pooling_is_of_the_text_whichever_side_is_padded(pooling: str, expected: Any) -> None:
    found = pool(PADDED, MASK, pooling).numpy()
    np.testing.assert_allclose(found, np.stack([expected(text) for text in TEXTS]), rtol=1e-6)


def test_attention_weighs_the_tokens_of_the_text_alone() -> None:
    torch.manual_seed(0)
    module = AttentionPooling(3)
    weight, bias = module.project.weight.detach().numpy(), module.project.bias.detach().numpy()
    query = module.query.weight.detach().numpy()[0]
    expected = []
    for text in TEXTS:
        scores = np.exp(np.tanh(text @ weight.T + bias) @ query)
        expected.append((scores / scores.sum()) @ text)
    with torch.no_grad():
        np.testing.assert_allclose(module(PADDED, MASK).numpy(), np.stack(expected), rtol=1e-5)


@pytest.mark.parametrize(
    ("family", "pretrained", "auto"),
    [
        ("bert", "AutoModelForPreTraining", "AutoModel"),
        ("distilbert", "AutoModelForMaskedLM", "AutoModel"),
        ("xlnet", "AutoModel", "AutoModel"),
        ("gpt2", "AutoModelForCausalLM", "AutoModel"),
        ("llama", "AutoModelForSequenceClassification", "AutoModel"),
        ("t5", "AutoModelForSeq2SeqLM", "AutoModelForTextEncoding"),
    ],
)
def test_any_backbone_is_taken_from_any_head_and_comes_back(
    family: str, pretrained: str, auto: str, tmp_path: Path
) -> None:
    folder = families.with_head(family, pretrained, tmp_path / "checkpoint")
    plain = getattr(transformers, auto).from_pretrained(folder).eval()
    model, report = build(folder, head("mean", 8))
    assert not report.missing and {name.split(".")[0] for name in report.initialised} == {"head"}
    batch = families.batch()
    with torch.inference_mode():
        hidden, logits = plain(**batch).last_hidden_state, model(**batch).logits
        torch.testing.assert_close(model.features(**batch), pool(hidden, batch["attention_mask"], "mean"))
        again, report = build(saved(model, tmp_path / "pooled", family), head("mean", 8))
        assert not report.lines()
        torch.testing.assert_close(again(**batch).logits, logits)
        # Its backbone serves other heads too: one that reads something else, and a bare one.
        other, report = build(tmp_path / "pooled", head("attention"))
        assert {name.split(".")[0] for name in report.initialised} == {"head", "pool"}
        torch.testing.assert_close(other.backbone(**batch).last_hidden_state, hidden)
        bare, report = build(tmp_path / "pooled", None, ("backbone", "text_encoding"))
        assert set(report.initialised) <= {"pooler.dense.weight", "pooler.dense.bias"}
        torch.testing.assert_close(bare(**batch).last_hidden_state, hidden)


@pytest.mark.parametrize("pooling", ["mean", "attention", None])
def test_what_the_head_reads_can_be_computed_before(pooling: str | None, bert: str) -> None:
    model, _ = build(bert, head(pooling, 8, 4), TAGGER if pooling is None else CLASSIFIER)
    batch = families.batch()
    features = model.features(**batch)
    assert features.shape == ((4, 32) if pooling == "mean" else (4, 6, 32))
    logits = model.classify(features, batch["attention_mask"])
    assert torch.equal(logits, model(**batch).logits)
    assert logits.shape == ((4, 6, 2) if pooling is None else (4, 2))
    assert [part.out_features for part in model.head if hasattr(part, "out_features")] == [8, 4, 2]


@pytest.mark.parametrize("pooling", ["mean", None])
def test_it_has_the_loss_of_transformers(pooling: str | None, bert: str) -> None:
    model, _ = build(bert, head(pooling), TAGGER if pooling is None else CLASSIFIER)
    batch = families.batch()
    labels = torch.zeros((4, 6) if pooling is None else (4,), dtype=torch.long)
    outputs = model(**batch, labels=labels)
    expected = torch.nn.functional.cross_entropy(outputs.logits.flatten(0, -2), labels.flatten())
    torch.testing.assert_close(outputs.loss, expected)


def test_it_can_begin_with_random_weights(bert: str) -> None:
    model, report = build(bert, head("mean"), from_scratch=True)
    assert report.notes == ("all are random (model.from_scratch)",)
    again, _ = build(bert, head("mean"), from_scratch=True)
    assert torch.equal(model(**families.batch()).logits, again(**families.batch()).logits)


def test_dropout_is_the_heads_own_the_models_or_a_tenth(bert: str) -> None:
    found = [
        build(bert, head("mean", dropout=dropout), dropout=of_model)[0].head[0].p
        for dropout, of_model in ((None, None), (None, 0.3), (0.0, 0.3))
    ]
    assert found == [0.1, 0.3, 0.0]


def test_a_frozen_backbone_trains_pooling_and_head(bert: str) -> None:
    model = FrozenBackbone().adapt(build(bert, head("attention"))[0])
    assert {name.split(".")[0] for name in trained_keys(model)} == {"pool", "head"}
    FrozenBackbone().train_mode(model)
    assert model.head.training and not model.backbone.training


def test_lora_adapts_the_backbone_and_its_adapter_goes_on_the_pretrained_one(
    bert: str, tmp_path: Path
) -> None:
    strategy, batch = Lora(modules=["query", "value"]), families.batch()
    model: Any = strategy.adapt(build(bert, head("attention"))[0])
    trained = [name for name, weight in model.named_parameters() if weight.requires_grad]
    assert {part for part in ("lora_", ".head.", ".pool.") if any(part in name for name in trained)} == {
        "lora_", ".head.", ".pool."
    }  # fmt: skip
    optimizer = torch.optim.AdamW([w for w in model.parameters() if w.requires_grad], lr=0.05)
    model(**batch, labels=torch.tensor([0, 1, 0, 1])).loss.backward()
    optimizer.step()
    with torch.inference_mode():
        expected = model.eval()(**batch).logits
        strategy.save(model, str(tmp_path / "adapter"))
        merged: Any = strategy.merge(model)
        torch.testing.assert_close(merged(**batch).logits, expected)
        whole = transformers.AutoModelForSequenceClassification.from_config(merged.config)
        whole.backbone = transformers.AutoModel.from_pretrained(bert)
        loaded = peft.PeftModel.from_pretrained(whole, str(tmp_path / "adapter")).eval()
        torch.testing.assert_close(loaded(**batch).logits, expected)


def test_code_beside_the_weights_is_ours_and_never_run(bert: str, tmp_path: Path) -> None:
    folder = saved(build(bert, head("mean"))[0], tmp_path / "pooled")
    assert (folder / "pooled.py").read_bytes() == pooled_loading.code().read_bytes()
    config = json.loads((folder / "config.json").read_text())
    assert (
        config["auto_map"]["AutoModelForSequenceClassification"] == "pooled.PooledForSequenceClassification"
    )
    assert config["backbone_config"]["_name_or_path"] == "", "where it lay is nobody's business"
    assert config["id2label"] == {"0": "a", "1": "b"} and config["backbone_config"]["model_type"] == "bert"
    (folder / "pooled.py").write_text(f"open({str(tmp_path / 'exploded')!r}, 'w')")
    model, report = build(folder, head("mean"))
    assert not report.lines() and type(model).__module__ == "pipeline.models.pooled"
    Checkpoint(checkpoint=str(folder)).tokenizer(str(folder))
    assert not (tmp_path / "exploded").exists()


def test_a_model_without_a_backbone_of_its_own_is_refused(tmp_path: Path) -> None:
    folder = families.pretrained("bart", tmp_path)
    with pytest.raises(BadInput, match="bart has no backbone whose tokens could be pooled"):
        build(folder, head("mean"))


def other_sizes() -> dict[str, Any]:
    """Architectures whose backbones give vectors of another size than their layers have."""
    layers: Any = {"hidden_size": 32, "vocab_size": 24, "num_attention_heads": 2, "pad_token_id": 0}
    opt = transformers.OPTConfig(
        **layers, word_embed_proj_dim=16, num_hidden_layers=1, ffn_dim=48, do_layer_norm_before=False
    )
    reformer = transformers.ReformerConfig(
        **layers,
        attention_head_size=16,
        feed_forward_size=48,
        attn_layers=["local"],
        axial_pos_embds=False,
        max_position_embeddings=64,
        local_attn_chunk_length=4,
        is_decoder=False,
    )
    return {"opt": opt, "reformer": reformer}


@pytest.mark.parametrize(("family", "width"), [("opt", 16), ("reformer", 64)])
@pytest.mark.parametrize("pooling", ["mean", "attention"])
def test_the_head_is_as_wide_as_what_comes_out(pooling: str, family: str, width: int) -> None:
    config = pooled_loading.wrapped(other_sizes()[family], head(pooling, 8), FACTS, None)
    model = transformers.AutoModelForSequenceClassification.from_config(config).eval()
    assert model.head[1].in_features == width
    assert model(**families.batch()).logits.shape == (4, 2)


def test_a_model_with_two_backbones_is_refused() -> None:
    config = transformers.FunnelConfig(vocab_size=24, block_sizes=[1, 1], d_model=32, n_head=2)
    with pytest.raises(BadInput, match=r"task\.pooling: funnel has 2 backbones"):
        pooled_loading.wrapped(config, head("mean"), FACTS, None)


@pytest.mark.slow
def test_the_mean_is_that_of_sentence_transformers(minilm: Path) -> None:
    library = pytest.importorskip("sentence_transformers")
    models = pytest.importorskip("sentence_transformers.models")
    texts = ["A gripping film.", "Dull, and far too long for what little it has to say about love."]
    theirs = library.SentenceTransformer(
        modules=[
            encoder := models.Transformer(str(minilm)),
            models.Pooling(encoder.get_embedding_dimension(), "mean"),
        ],
        device="cpu",
    ).encode(texts)
    model, _ = build(minilm, head("mean"))
    batch = Checkpoint(checkpoint=str(minilm)).tokenizer(str(minilm))(
        texts, padding=True, return_tensors="pt"
    )
    with torch.inference_mode():
        np.testing.assert_allclose(model.features(**batch).numpy(), theirs, atol=1e-5)
