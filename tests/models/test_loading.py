"""What transformers does while it loads is over when it has loaded, also where several threads load at once."""

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import transformers
from transformers.utils import logging

from pipeline.models import loading
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
