"""Packed documents do not see each other, losses are the models' own, and no token or byte is lost."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from datasets import Dataset, DatasetDict

from pipeline import Run
from pipeline.errors import BadInput
from pipeline.models.checkpoint import Checkpoint
from pipeline.tasks.causal_lm import CausalLM
from tests.models import families
from tests.tasks.parts import answers

SAMPLES = Path(__file__).parent / "samples" / "causal_lm.jsonl"
TEXTS = ["the film was good", "a very dull plot and a boring film", " \n", "it is great acting " * 9]
KERNELS = ["eager", "sdpa"]
DECODERS = ["gpt2", "llama", "gemma3"]


def prepared(
    family: str, folder: Path, attention: str | None = None, sizes: Any = None, **options: Any
) -> Any:
    """Task, head, model and tokenizer."""
    path = families.with_head(family, "AutoModelForCausalLM", folder, **(sizes or {}))
    checkpoint, task = Checkpoint(checkpoint=path, attention=attention), CausalLM(max_length=16, **options)
    head = task.learn(DatasetDict(train=Dataset.from_dict({"text": TEXTS})), checkpoint.config(path))
    return task, head, task.load(checkpoint, path, head)[0], checkpoint.tokenizer(path)


def features(task: CausalLM, head: Any, tokenizer: Any, texts: list[str]) -> list[dict[str, Any]]:
    columns = task.encode({"text": texts}, tokenizer, head)
    return [{name: values[i] for name, values in columns.items()} for i in range(len(columns["length"]))]


@pytest.mark.parametrize("attention", KERNELS)
@pytest.mark.parametrize("family", DECODERS)
def test_a_packed_document_does_not_see_another(family: str, attention: str, tmp_path: Path) -> None:
    task, head, model, tokenizer = prepared(family, tmp_path, attention)
    assert head["packed"] and model.config._attn_implementation == attention

    def of_second(first: str) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits of the second document, and the gradient of their loss; a longer block is in the batch too."""
        (block,) = features(task, head, tokenizer, [first, "a very dull plot"])
        batch = task.collate([block, *features(task, head, tokenizer, [TEXTS[3]])], tokenizer)
        # It is the shorter one, so it lies behind the other.
        places = [place for place, position in enumerate(block["position_ids"]) if position == 0]
        second = slice(places[1], len(block["position_ids"]))
        logits = model(**task.forward_inputs(batch), use_cache=False).logits[0, second]
        model.zero_grad()
        torch.nn.functional.cross_entropy(logits, batch["targets"][0, second]).backward()
        gradients = [
            weight.grad.flatten().clone() for weight in model.parameters() if weight.grad is not None
        ]
        return logits.detach(), torch.cat(gradients)

    one, other = of_second("the film was good and great"), of_second("not that boring is it was")
    torch.testing.assert_close(one[0], other[0], rtol=0, atol=1e-6)
    torch.testing.assert_close(one[1], other[1], rtol=0, atol=1e-6)


@pytest.mark.parametrize("packing", [True, False])
@pytest.mark.parametrize("family", DECODERS)
def test_the_loss_is_the_models_own(family: str, packing: bool, tmp_path: Path) -> None:
    """Of each document by itself, whatever it shares a block with."""
    task, head, model, tokenizer = prepared(family, tmp_path, packing=packing)
    assert head["packed"] is packing
    output = task.loss(model, task.collate(features(task, head, tokenizer, TEXTS[:2]), tokenizer))
    expected, count = 0.0, 0
    for text in TEXTS[:2]:
        ids = torch.tensor([[3, *tokenizer(text, add_special_tokens=False)["input_ids"], 3]])
        asked = ids.shape[1] - 1
        expected += float(model(input_ids=ids, labels=ids).loss.detach()) * asked
        count += asked
    assert float(output.loss.detach()) == pytest.approx(expected, rel=1e-6) and output.weight == count


def test_a_batch_is_the_sum_of_its_parts_and_padding_changes_nothing(tmp_path: Path) -> None:
    task, head, model, tokenizer = prepared("llama", tmp_path)
    blocks = features(task, head, tokenizer, TEXTS)
    whole = task.loss(model, task.collate(blocks, tokenizer))
    parts = [task.loss(model, task.collate([block], tokenizer)) for block in blocks]
    torch.testing.assert_close(sum(part.loss for part in parts), whole.loss)
    assert sum(part.weight for part in parts) == whole.weight
    wide = CausalLM(max_length=16, pad_to_multiple_of=64).collate(blocks, tokenizer)
    assert wide["input_ids"].shape[1] == 64
    torch.testing.assert_close(task.loss(model, wide).loss, whole.loss)


def test_no_token_and_no_byte_is_lost(tmp_path: Path) -> None:
    task, head, _, tokenizer = prepared("gpt2", tmp_path)
    blocks = features(task, head, tokenizer, TEXTS)
    asked = sorted(token for block in blocks for token in block["targets"])
    there = [[*tokenizer(text)["input_ids"], tokenizer.eos_token_id] for text in TEXTS if text.strip()]
    assert asked == sorted(token for ids in there for token in ids)
    assert sum(block["bytes"] for block in blocks) == sum(len(t.encode()) for t in TEXTS if t.strip())
    assert max(block["length"] for block in blocks) == 16 and not any(block["truncated"] for block in blocks)
    assert head["documents"] == {"train": 3} and head["empty"] == {"train": 1}
    assert "1 rows without text" in task.describe(head)["documents"]


def test_rows_without_text_alone_make_a_block_that_counts_nothing(tmp_path: Path) -> None:
    task, head, model, tokenizer = prepared("gpt2", tmp_path)
    output = task.loss(model, task.collate(features(task, head, tokenizer, ["", "\r\n"]), tokenizer))
    assert output.loss == output.weight == output.targets["bytes"] == 0


def test_scores() -> None:
    task = CausalLM()
    metric = task.metrics({})
    for tokens, size in ((10, 30), (6, 50)):
        metric.update(None, {"tokens": torch.tensor(tokens), "bytes": torch.tensor(size)})
    scores = task.scores({"loss": 2.0, **metric.compute()}, {}).values
    assert scores == {
        "perplexity": pytest.approx(math.exp(2.0)),
        "bits_per_byte": pytest.approx(2.0 * 16 / math.log(2) / 80),
    }
    assert scores.keys() | {"loss"} == task.directions({}).keys()


def test_models_that_would_mix_documents_pad_them_and_say_so(tmp_path: Path) -> None:
    config = transformers.OPTConfig(
        vocab_size=25,
        hidden_size=32,
        num_hidden_layers=2,
        ffn_dim=32,
        num_attention_heads=2,
        word_embed_proj_dim=32,
    )
    transformers.AutoModelForCausalLM.from_config(config).save_pretrained(tmp_path)
    families.tokenizer(kind="decoder").save_pretrained(tmp_path)
    checkpoint, task = Checkpoint(checkpoint=str(tmp_path)), CausalLM(max_length=16)
    head = task.learn(DatasetDict(train=Dataset.from_dict({"text": TEXTS})), checkpoint.config(str(tmp_path)))
    assert head["packed"] is False
    assert "opt does not keep packed documents apart" in task.describe(head)["blocks"]
    blocks = features(task, head, checkpoint.tokenizer(str(tmp_path)), TEXTS)
    assert [block["row"] for block in blocks] == [0, 1, 3, 3, 3] and "position_ids" not in blocks[0]
    batch = task.collate(blocks, checkpoint.tokenizer(str(tmp_path)))
    assert batch["attention_mask"].sum() == sum(block["length"] for block in blocks)


def test_kernels_that_would_mix_documents_are_refused(tmp_path: Path) -> None:
    task, head, model, _ = prepared("llama", tmp_path)
    model.config._attn_implementation = "flash_attention_2"
    stand_in: Any = type("Made", (), {"build": lambda *a, **o: (model, None), "config": lambda *a: None})()
    with pytest.raises(BadInput, match=r"model\.attention.*see each other"):
        task.load(stand_in, "", head)


def test_what_cannot_be_learned_from_is_refused_by_row() -> None:
    def learn(config: Any = None, **splits: list[Any]) -> Any:
        data = DatasetDict({name: Dataset.from_dict({"text": texts}) for name, texts in splits.items()})
        return CausalLM().learn(data, config or families.config("gpt2"))

    with pytest.raises(BadInput) as raised:
        learn(train=["good", None], validation=["", " "])
    assert "row 2 of train" in str(raised.value) and "data (validation split): has no text" in str(
        raised.value
    )
    with pytest.raises(BadInput, match="xlnet sees the tokens that it should predict"):
        learn(families.config("xlnet"), train=["good"])
    assert learn(train=["电影很好 😀", "مرحبا\r\nبالعالم"])["documents"] == {"train": 2}


def test_prompts_are_cut_in_front_and_continuations_follow_them(tmp_path: Path) -> None:
    generation = {"max_new_tokens": 60, "num_beams": 2, "num_return_sequences": 2}
    task, head, model, tokenizer = prepared(
        "gpt2", tmp_path, sizes={"n_positions": 64}, generation=generation
    )
    asked = task.encode_inputs({"text": ["good", "the film was very good", ""]}, tokenizer, head)
    start = asked["prompt_ids"][2]
    assert asked["prompt_ids"][1] == tokenizer("film was very good", add_special_tokens=False)["input_ids"]
    assert asked["truncated"] == [False, True, False] and len(start) == 1
    rows = [{name: values[i] for name, values in asked.items()} for i in range(3)]
    raw = task.predict(model, task.collate(rows, tokenizer))
    given = answers(raw)
    for answer, row in zip(given, rows, strict=True):
        answer.features[0].update(row)  # type: ignore[attr-defined]
    said = task.decode(given, tokenizer, head)
    assert all(
        len(one["continuations"]) == 2 and one["continuation"] == one["continuations"][0] for one in said
    )


def test_from_rows_to_a_trained_model(tmp_path: Path) -> None:
    folder = families.with_head("llama", "AutoModelForCausalLM", tmp_path / "llama")
    keys = [
        "model=auto",
        f"model.checkpoint={folder}",
        "task=causal_lm",
        "data=files",
        f"data.train={SAMPLES}",
    ]
    keys += [
        "hardware=cpu",
        "hardware.threads=1",
        "logger=csv",
        "trainer.max_epochs=10",
        "trainer.batch_size=2",
    ]
    keys += ["task.max_length=32", "optimizer.lr=1e-2", "task.generation.max_new_tokens=4"]
    # Words that were drawn can only be learned by heart.
    keys += [f"data.validation={SAMPLES}", f"data.test={SAMPLES}", f"paths.outputs={tmp_path / 'outputs'}"]
    run = Run.train(keys)
    assert (
        1 < run.metrics["test/perplexity"] < len(families.VOCABULARY) / 2
        and run.metrics["test/bits_per_byte"] > 0
    )
    again = run.evaluate()
    assert again["test/loss"] == pytest.approx(run.metrics["test/loss"], rel=1e-5)
    said = run.predict(["the film was", "", "电影 مرحبا 😀"])
    assert all(isinstance(one["continuation"], str) for one in said)
    assert len(json.loads((run.folder / "metrics.json").read_text())) > 5
