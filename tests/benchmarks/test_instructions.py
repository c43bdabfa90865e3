"""Both sides learn the same answers of the same rows, and are scored by the same code."""

import json
import math
from pathlib import Path

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from benchmarks.instructions import COLUMNS, OURS, PACKED, TRL, TRL_PACKED, check, held_out_loss, main, table
from tests.tasks.chat_parts import CHATML, bpe


@pytest.fixture
def tiny_chat(tmp_path: Path) -> Path:
    """A narrow Llama of random weights that chats."""
    tokenizer = bpe(CHATML)
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    model = LlamaForCausalLM(LlamaConfig(vocab_size=len(tokenizer), **sizes))
    for saved in (model, tokenizer):
        saved.save_pretrained(tmp_path / "chat")
    return tmp_path / "chat"


def run(side: str, seconds: float, loss: float = 2.0) -> dict:
    return {
        "round": 0,
        "side": side,
        "seconds": seconds,
        "cpu_seconds": 2 * seconds,
        "memory": 2**30,
        "steps": 7,
        "loss": loss,
    }


def test_ratios_are_of_one_round():
    found = table([run(OURS, 10), run(TRL, 25)])
    assert found[1] == (TRL, "25", "2.50 ×", "50", "2.50 ×", "1,024", "7", "2.000")
    assert len(found[0]) == len(COLUMNS)


def test_other_losses_are_no_comparison():
    check([run(OURS, 10), run(TRL, 25, 2.15)])
    with pytest.raises(RuntimeError, match="other losses"):
        check([run(OURS, 10), run(TRL, 25, 2.25)])


def test_no_rows_are_no_benchmark(capsys: pytest.CaptureFixture):
    with pytest.raises(SystemExit) as left:
        main(["--rows", "0"])
    assert left.value.code == 2 and "at least 1" in capsys.readouterr().err


def test_the_loss_is_of_answers_alone(tiny_chat: Path, tmp_path: Path):
    (tmp_path / "rows.jsonl").write_text(json.dumps({"prompt": "Hello", "response": "a"}) + "\n")
    model, tokenizer = LlamaForCausalLM.from_pretrained(tiny_chat), bpe(CHATML)
    before, answer = "<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n", "a<|im_end|>"
    ids = torch.tensor([tokenizer(before + answer, add_special_tokens=False)["input_ids"]])
    labels = ids.clone()
    labels[:, : len(tokenizer(before, add_special_tokens=False)["input_ids"])] = -100
    expected = model(input_ids=ids, labels=labels).loss.item()
    assert held_out_loss(tiny_chat, tmp_path / "rows.jsonl") == pytest.approx(expected, rel=1e-5)


@pytest.mark.slow
def test_both_sides_train(tiny_chat: Path, tmp_path: Path, warm: object):
    pytest.importorskip("trl")
    output = tmp_path / "result.json"
    main(["--rows", "24", "--threads", "1", "--checkpoint", str(tiny_chat), "--output", str(output)])
    done = json.loads(output.read_text())["runs"]
    assert [each["side"] for each in done] == [OURS, TRL, PACKED, TRL_PACKED]
    assert all(0 < each["loss"] < 2 * math.log(500) and each["steps"] >= 1 for each in done)
    assert TRL_PACKED in output.with_suffix(".md").read_text()
