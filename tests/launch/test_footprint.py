"""Bytes of memory and of network, against what torch holds and against published arithmetic."""

import dataclasses

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from pipeline.launch.footprint import Shape, Split, memory, sent

LLAMA = Shape(
    total=8_030_261_248, trainable=8_030_261_248, layers=32, hidden=4096, heads=32, vocabulary=128_256
)
ALONE = Split(processes=1, rows=1, tokens=4096, width=2)
CUT = dataclasses.replace(ALONE, processes=64, sharded=True)


def test_parts_of_a_cut_model_are_what_is_left_of_it():
    whole, part = memory(LLAMA, ALONE), memory(LLAMA, CUT)
    assert whole.weights == whole.gradients == 4 * LLAMA.total and whole.optimizer == 8 * LLAMA.total
    assert part.optimizer == pytest.approx(whole.optimizer / 64, rel=1e-6)
    # An embedding and what is in no layer, and two layers, in 16 bits: beside the part.
    gathered = 2 * (LLAMA.total - 30 * LLAMA.layer)
    assert part.weights == pytest.approx(4 * LLAMA.total / 64 + gathered, rel=1e-6)
    assert part.gradients == pytest.approx(4 * LLAMA.total / 64 + 2 * LLAMA.layer, rel=0.1)
    assert part.activations == whole.activations


def test_a_layer_is_as_large_as_torchs():
    sizes = {"hidden_size": 64, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 160}
    with torch.device("meta"):
        model = LlamaForCausalLM(LlamaConfig(vocab_size=500, tie_word_embeddings=True, **sizes))
    total = sum(weight.numel() for weight in model.parameters())
    layer = sum(weight.numel() for weight in model.model.layers[0].parameters())
    found = Shape(total, total, layers=3, hidden=64, heads=4, vocabulary=500).layer
    assert found == pytest.approx(layer, rel=0.01)


def test_what_is_computed_again_is_not_kept():
    kept, again = memory(LLAMA, ALONE), memory(LLAMA, dataclasses.replace(ALONE, recompute=True))
    one = kept.activations // 32
    assert one == 4096 * 4096 * (34 + 5 * 32 * 4096 // 4096)  # s·b·h·(34 + 5·a·s/h)
    assert again.activations == one + 32 * 2 * 4096 * 4096
    assert memory(LLAMA, dataclasses.replace(ALONE, recompute=True, offload=True)).activations == one
    logits = memory(LLAMA, ALONE, language=True).activations - kept.activations
    assert logits == 4096 * 128_256 * 8


def test_network_of_gradients_and_of_weights():
    two = Shape(total=100, trainable=10, layers=1, hidden=1, heads=1)
    # A ring of n: each sends n-1 parts of n twice.
    assert sent(two, Split(processes=4, rows=1, tokens=1)) == 2 * 3 * 10 // 4 * 4
    # ZeRO, section 7: 1.5 times as much when weights and gradients are equally wide and all are trained.
    full = Shape(total=128, trainable=128, layers=1, hidden=1, heads=1)
    whole, cut = (Split(processes=4, rows=1, tokens=1, sharded=sharded) for sharded in (False, True))
    assert sent(full, cut) == 1.5 * sent(full, whole)
    assert sent(full, cut, micro_batches=3) == 3 * sent(full, cut)
    assert sent(full, dataclasses.replace(cut, processes=1)) == 0
