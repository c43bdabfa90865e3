"""What transformers does while it loads is over when it has loaded, also where several threads load at once; and
weights that are not a model's are never taken for it, with a head or without."""

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import transformers
from safetensors.torch import load_file, save_file
from transformers.utils import logging

from pipeline.errors import BadInput
from pipeline.launch.trained_before import check_trained_before
from pipeline.models import loading
from pipeline.models.checkpoint import Checkpoint
from tests.models import families


def test_threads_that_load_at_once_tie_what_is_tied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "llama"
    families.with_head("llama", "AutoModelForCausalLM", folder, tie_word_embeddings=True)
    config: Any = transformers.AutoConfig.from_pretrained(folder)
    there, verbosity = transformers.PreTrainedModel.tie_weights, logging.get_verbosity()
    # Put back after this test, whatever it finds.
    monkeypatch.setattr(transformers.PreTrainedModel, "tie_weights", there)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(4) as several:
            auto = transformers.AutoModelForCausalLM
            models = list(
                several.map(lambda _: loading.with_weights(auto, str(folder), config)[0], range(12))
            )
    finally:
        sys.setswitchinterval(interval)
    assert transformers.PreTrainedModel.tie_weights is there
    assert all(model.lm_head.weight is model.model.embed_tokens.weight for model in models)
    assert logging.get_verbosity() == verbosity


# Models of which transformers names no backbone: they are one, or its parts lie beside their head.
WHOLE = [
    ("bert", "AutoModel", "backbone", "intermediate_size"),
    ("llama", "AutoModelForCausalLM", "backbone", "intermediate_size"),
    ("t5", "AutoModelForSeq2SeqLM", "text_encoding", "d_ff"),
    ("t5", "AutoModelForSeq2SeqLM", "seq2seq_lm", "d_ff"),
    ("t5", "AutoModelForSeq2SeqLM", "question_answering", "d_ff"),
]


def build(folder: Path, head: str) -> Any:
    checkpoint = Checkpoint(checkpoint=str(folder))
    return checkpoint.build(str(folder), [head], checkpoint.config(str(folder)))


@pytest.mark.parametrize(("family", "auto", "head", "size"), WHOLE)
def test_weights_that_are_not_the_models_are_refused(
    family: str, auto: str, head: str, size: str, tmp_path: Path
) -> None:
    families.with_head(family, auto, tmp_path)
    assert not build(tmp_path, head)[1].missing
    config, weights = tmp_path / "config.json", tmp_path / "model.safetensors"
    written = config.read_text()
    config.write_text(json.dumps(json.loads(written) | {size: 40}))
    with pytest.raises(BadInput, match=r"do not fit its config\.json.*48.* instead of .*40"):
        build(tmp_path, head)
    config.write_text(written)
    renamed = {f"other.{name}": weight for name, weight in load_file(weights).items()}
    save_file(renamed, weights, metadata={"format": "pt"})
    with pytest.raises(BadInput, match="they have none of its backbone"):
        build(tmp_path, head)


def test_an_architecture_with_two_backbones_is_loaded_with_a_head(tmp_path: Path) -> None:
    sizes: Any = {"block_sizes": [1, 1], "d_model": 32, "n_head": 2, "d_head": 16, "d_inner": 48}
    config = transformers.FunnelConfig(vocab_size=24, num_decoder_layers=1, pad_token_id=0, **sizes)
    transformers.FunnelForMaskedLM(config).save_pretrained(tmp_path)
    families.tokenizer().save_pretrained(tmp_path)
    model, report = build(tmp_path, "token_classification")
    assert type(model).__name__ == "FunnelForTokenClassification" and not report.missing


def test_what_is_scored_as_it_is_may_lack_nothing_but_a_pooler(tmp_path: Path) -> None:
    folder = tmp_path / "masked"
    families.with_head("bert", "AutoModelForMaskedLM", folder)
    model, report = build(folder, "backbone")
    assert set(report.missing) == {"pooler.dense.weight", "pooler.dense.bias"}
    check_trained_before(model, report)
    config = folder / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"num_hidden_layers": 3}))
    with pytest.raises(BadInput, match=r"encoder\.layer\.2\..* would be random"):
        check_trained_before(*build(folder, "backbone"))
