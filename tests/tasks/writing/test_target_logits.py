"""The loss is transformers' own for every kind of model, and only a decoder's targets have one."""

from typing import Any

import pytest
import torch
import transformers

from pipeline.tasks.token_loss import IGNORED, token_loss
from pipeline.tasks.writing.target_logits import target_logits
from tests.models import families

LABELS = torch.tensor([[5, 6, 7, 3], [9, 3, IGNORED, IGNORED]])
SMALL: dict[str, Any] = {
    "vocab_size": 30,
    "pad_token_id": 0,
    "eos_token_id": 3,
    "decoder_start_token_id": 3,
    **families.BART,
}


def seq2seq(name: str) -> Any:
    torch.manual_seed(0)
    if name in families.FAMILIES:
        made = families.config(name)
    else:
        config = {"m2m_100": transformers.M2M100Config, "mbart": transformers.MBartConfig}[name]
        made = config(**SMALL)
    return transformers.AutoModelForSeq2SeqLM.from_config(made).eval()


@pytest.mark.parametrize("name", ["t5", "flan_t5", "bart", "marian", "m2m_100", "mbart"])
def test_an_encoder_decoders_loss_is_its_own(name: str) -> None:
    model, source = seq2seq(name), families.batch()
    batch = {**{key: value[:2] for key, value in source.items()}, "labels": LABELS}
    loss, weight = token_loss(target_logits(model, batch), LABELS)
    torch.testing.assert_close(loss / weight, model(**batch).loss)
    assert weight == 6


@pytest.mark.parametrize("name", ["gpt2", "llama", "mistral", "gemma3"])
def test_a_decoders_loss_is_its_own_over_the_target(name: str) -> None:
    torch.manual_seed(0)
    model = transformers.AutoModelForCausalLM.from_config(families.config(name)).eval()
    ids = torch.tensor([[5, 6, 7, 8, 9, 3], [7, 8, 9, 3, 3, 3]])
    mask = torch.tensor([[1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 0, 0]])
    # Prompts of 3 and 2 tokens: labels are for positions 2 to 5.
    labels = torch.tensor([[IGNORED, 8, 9, 3], [9, 3, IGNORED, IGNORED]])
    batch = {"input_ids": ids, "attention_mask": mask, "labels": labels, "prompt_ids": ids[:, :3]}
    logits = target_logits(model, batch)
    assert logits.shape[:2] == labels.shape
    loss, weight = token_loss(logits, labels)
    whole = torch.full_like(ids, IGNORED)
    whole[:, 2:] = labels
    torch.testing.assert_close(loss / weight, model(input_ids=ids, attention_mask=mask, labels=whole).loss)
    # The same from all logits, as where a model cannot leave any out.
    every = model(input_ids=ids, attention_mask=mask).logits[:, 1:-1]
    torch.testing.assert_close(logits, every)
