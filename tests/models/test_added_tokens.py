"""Words that become tokens: read whole, beginning as what they were, learned by full fine-tuning and by LoRA."""

from pathlib import Path

import pytest
import torch
import transformers

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


def test_not_with_a_model_from_scratch():
    with pytest.raises(ValueError, match="set vocab_size"):
        Checkpoint(checkpoint="org/name", from_scratch=True, added_tokens=NEW)
