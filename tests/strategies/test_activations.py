"""What eva begins with explains what varies in what modules read as well as scikit-learn's principal components."""

from typing import Any

import pytest
import torch
import transformers
from sklearn.decomposition import PCA

from pipeline.errors import BadInput
from pipeline.strategies import activations
from pipeline.strategies.lora import Lora
from tests.models import families

RANK = 3


def batches(count: int, rows: int = 8) -> list[dict[str, torch.Tensor]]:
    draw = torch.Generator().manual_seed(0)
    found = []
    for _ in range(count):
        lengths = torch.randint(6, 12, (rows, 1), generator=draw)
        ids = torch.randint(5, 24, (rows, 12), generator=draw)
        found.append({"input_ids": ids, "attention_mask": (torch.arange(12) < lengths).long()})
    return found


def read(model: Any, name: str, inputs: list[dict[str, torch.Tensor]]) -> torch.Tensor:
    """(tokens, width): what a module of a plain model reads where there is text."""
    found: list[torch.Tensor] = []
    module = model.get_submodule(name)
    hook = module.register_forward_pre_hook(lambda _, given: found.append(given[0]))
    with torch.no_grad():
        for batch in inputs:
            model(**batch)
    hook.remove()
    masks = [batch["attention_mask"].bool() for batch in inputs]
    return torch.cat([one[mask] for one, mask in zip(found, masks, strict=True)])


@pytest.mark.parametrize(
    ("family", "name"),
    [
        ("bert", "bert.encoder.layer.1.attention.self.query"),
        ("llama", "model.layers.0.self_attn.v_proj"),
        ("gpt2", "transformer.h.1.attn.c_attn"),
    ],
)
def test_a_holds_the_principal_directions_of_the_inputs(family: str, name: str) -> None:
    plain, given = families.classifier(family).eval(), batches(12)
    inputs = read(plain, name, given)
    best = PCA(RANK).fit(inputs.numpy()).explained_variance_.sum()
    before = plain(**given[0]).logits.detach()
    strategy = Lora(modules=[name.rsplit(".", 1)[-1]], r=RANK, init="eva")
    adapted = strategy.adapt(plain)
    torch.manual_seed(0)
    strategy.start(adapted, given)
    a = next(w for key, w in adapted.named_parameters() if f"{name}.lora_A" in key).detach()
    torch.testing.assert_close(a @ a.T, torch.eye(RANK), atol=1e-3, rtol=0)
    # They settle before all batches are read, and in noise some are as good as others: what they explain is compared.
    assert 0.9 < float((inputs @ a.T).var(0).sum()) / best < 1.001
    drawn = torch.linalg.qr(torch.randn(a.T.shape)).Q
    assert float((inputs @ drawn).var(0).sum()) / best < 0.7
    # Nothing is added to what the model computes before the first step.
    torch.testing.assert_close(adapted.eval()(**given[0]).logits, before)


def test_what_a_batch_cannot_show_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for family, name in (("bert", "query"), ("gpt2", "c_attn")):
        with pytest.raises(BadInput, match=r"looks for 200 directions, and what .* reads has 32") as raised:
            Lora(modules=[name], r=200, init="eva").adapt(families.classifier(family).to("meta"))
        assert raised.value.problems[0].allowed == "1 to 32"
    with pytest.raises(BadInput, match=r"looks for 20 directions, and a batch .* has 17 tokens"):
        strategy = Lora(modules=["query"], r=20, init="eva")
        strategy.start(strategy.adapt(families.classifier("bert")), batches(1, rows=2))
    monkeypatch.setattr(activations, "MOST", 2)
    with pytest.raises(BadInput, match="have not settled after 2 batches"):
        strategy = Lora(modules=["query"], r=RANK, init="eva")
        strategy.start(strategy.adapt(families.classifier("bert")), batches(2))


def test_a_module_that_reads_too_little_of_a_batch_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    # Were it not refused, it would never settle.
    monkeypatch.setattr(activations, "MOST", 20)
    strategy = Lora(modules=["query", "dense"], r=12, init="eva")
    with pytest.raises(
        BadInput, match=r"12 directions, and bert\.pooler\.dense reads 8 vectors of a batch"
    ) as raised:
        strategy.start(strategy.adapt(families.classifier("bert")), batches(4))
    assert raised.value.problems[0].allowed == (
        "a smaller strategy.r, a larger trainer.evaluation_batch_size, or strategy.modules without bert.pooler.dense"
    )
    strategy = Lora(modules=["query", "dense"], r=8, init="eva")
    with pytest.raises(BadInput, match="have not settled"):
        # What a later batch lacks is counted by the passes that it takes.
        strategy.start(strategy.adapt(families.classifier("bert")), [*batches(1), *batches(9, rows=7)])


def test_a_module_that_is_never_called_is_named() -> None:
    config = transformers.LongformerConfig(
        **families.BERT, vocab_size=25, pad_token_id=0, attention_window=4, max_position_embeddings=66
    )
    model = transformers.AutoModelForMaskedLM.from_config(config)  # without global attention
    strategy = Lora(modules=["query_global"], r=RANK, init="eva")
    with pytest.raises(BadInput, match=r"layer\.0\.attention\.self\.query_global reads 0 vectors") as raised:
        strategy.start(strategy.adapt(model), batches(2))
    assert raised.value.problems[0].allowed.startswith("strategy.modules without longformer.")


def test_rows_of_added_tokens_do_not_matter() -> None:
    """However long the texts of a batch are, and with fewer of them than directions."""
    found = []
    for added in ([], [5, 6]):
        model: Any = families.classifier("bert")
        model.config.added_token_ids = added
        strategy = Lora(modules=["query"], r=9, init="eva")
        adapted = strategy.adapt(model)
        short = [{name: value[:, :9] for name, value in batch.items()} for batch in batches(2)]
        strategy.start(adapted, [*batches(2), *short])
        found.append({n: w for n, w in adapted.named_parameters() if ".lora_A." in n})
    assert found[0] and found[0].keys() == found[1].keys()
    for name, expected in found[0].items():
        torch.testing.assert_close(found[1][name], expected)


def test_ranks_are_equal_and_only_weights_that_are_taken_apart_exclude_dora() -> None:
    with pytest.raises(ValueError, match="no rank_pattern"):
        Lora(modules=["query"], init="eva", rank_pattern={"query": 4})
    assert Lora(modules=["query"], init="eva", use_dora=True).looks_at == 1_024
    assert Lora(modules=["query"]).looks_at == 0
