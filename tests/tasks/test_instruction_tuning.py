"""Only answers are learned, exactly; the loss is transformers' own; and a run goes from rows to answers."""

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import Dataset, DatasetDict
from transformers import MambaConfig

from pipeline import Run
from pipeline.errors import BadInput
from pipeline.models.checkpoint import Checkpoint
from pipeline.strategies.lora import Lora
from pipeline.tasks.instruction_tuning import InstructionTuning
from pipeline.tasks.token_loss import IGNORED
from tests.models import families
from tests.tasks.chat_parts import ANSWERS, CHATML, CONVERSATION, bpe
from tests.tasks.parts import NO_MODEL, answers

SAMPLES = Path(__file__).parent / "samples" / "instruction_tuning.jsonl"
MESSAGES = {"form": "messages", "latin": True}
PLAIN = {"form": "prompt_response", "latin": True}
LONG = [{"role": role, "content": f"{word} {word} {word}"} for word in ("film", "plot", "acting")
        for role in ("user", "assistant")]  # fmt: skip


def learned(features: dict[str, Any], tokenizer: Any, row: int = 0) -> str:
    return tokenizer.decode([token for token in features["labels"][row] if token != IGNORED])


def encoded(
    rows: dict[str, Any], tokenizer: Any = None, head: Any = MESSAGES, **options: Any
) -> dict[str, Any]:
    return InstructionTuning(**options).encode(rows, tokenizer or bpe(CHATML), head)


# What is learned


@pytest.mark.parametrize(
    ("learn_from", "expected"),
    [
        ("answers", "".join(f"{answer}<|im_end|>" for answer in ANSWERS)),
        ("last_answer", f"{ANSWERS[-1]}<|im_end|>"),
        ("all", None),
    ],
)
def test_what_is_learned_decodes_to_the_answers(learn_from: Any, expected: str | None) -> None:
    features = encoded({"messages": [CONVERSATION]}, learn_from=learn_from)
    whole = bpe().apply_chat_template(CONVERSATION, chat_template=CHATML, tokenize=False)
    assert bpe().decode(features["input_ids"][0]) == whole
    assert learned(features, bpe()) == (expected or whole)
    assert features["length"] == [len(features["input_ids"][0])] and features["truncated"] == [False]
    # A token that is learned is learned as itself.
    pairs = zip(features["input_ids"][0], features["labels"][0], strict=True)
    assert all(label in (IGNORED, token) for token, label in pairs)


def test_prompts_ask_for_the_last_answer() -> None:
    features = encoded({"messages": [CONVERSATION]})
    asked = bpe().apply_chat_template(
        CONVERSATION[:-1], chat_template=CHATML, tokenize=False, add_generation_prompt=True
    )
    assert bpe().decode(features["prompt_ids"][0]) == asked
    found = InstructionTuning().encode_inputs({"messages": [CONVERSATION]}, bpe(CHATML), MESSAGES)
    assert found["prompt_ids"] == found["input_ids"] == features["prompt_ids"]


def test_a_model_is_asked_in_any_form() -> None:
    task, expected = InstructionTuning(), "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"
    turn = [{"role": "user", "content": "Hi"}]
    for rows in [
        {"prompt": ["Hi"]},
        {"instruction": ["Hi"], "input": [""]},
        {"instruction": ["Hi"]},
        {"messages": [turn]},
        {"messages": [json.dumps(turn)]},
        {"conversations": [[{"from": "human", "value": "Hi"}]]},
    ]:
        found = task.encode_inputs(rows, bpe(CHATML), PLAIN)
        assert bpe().decode(found["input_ids"][0]) == expected
    with pytest.raises(BadInput, match=r"data\.columns\.messages: turn 1 \(user\) is empty"):
        task.encode_inputs({"messages": [[{"role": "user", "content": ""}]]}, bpe(CHATML), PLAIN)


def test_long_conversations_keep_whole_turns() -> None:
    whole = encoded({"messages": [LONG]})
    ends = [place for place, label in enumerate(whole["labels"][0], 1)
            if label == bpe().convert_tokens_to_ids("<|im_end|>")]  # fmt: skip
    for limit in (ends[1], ends[1] + 1, ends[2] - 1):
        cut = encoded({"messages": [LONG]}, max_length=limit)
        assert cut["input_ids"][0] == whole["input_ids"][0][: ends[1]] and cut["truncated"] == [True]
        assert learned(cut, bpe()).count("<|im_end|>") == 2
    # The last answer is what is learned, so the oldest exchanges go.
    last = encoded({"messages": [LONG]}, max_length=len(whole["input_ids"][0]) - 1, learn_from="last_answer")
    assert learned(last, bpe()) == "acting acting acting<|im_end|>" and last["truncated"] == [True]
    assert bpe().decode(last["input_ids"][0]).startswith("<|im_start|>user\nplot plot plot")


def test_a_single_long_answer_is_cut_and_has_no_end() -> None:
    rows = {"prompt": ["a"], "response": ["film " * 3_000]}
    features = encoded(rows, head=PLAIN, max_length=40)
    assert features["length"] == [40] and features["truncated"] == [True]
    assert "<|im_end|>" not in learned(features, bpe()) and learned(features, bpe()).startswith("film film")
    assert encoded(rows, head=PLAIN)["length"] == [1_024]


def test_rows_without_room_for_an_answer_are_refused_by_name() -> None:
    rows = {"prompt": ["a", "film " * 500], "response": ["b", "c"]}
    with pytest.raises(BadInput, match=r"takes all 64 tokens of max_length") as raised:
        encoded(rows, head=PLAIN, max_length=64)
    assert "task.max_length" in raised.value.problems[0].allowed


def test_long_questions_to_a_trained_model_keep_their_end() -> None:
    rows = {"prompt": ["film " * 5_000 + "was it good?"]}
    found = InstructionTuning(max_length=50).encode_inputs(rows, bpe(CHATML), PLAIN)
    assert found["truncated"] == [True] and found["length"] == [50]
    assert bpe().decode(found["input_ids"][0]).endswith("was it good?<|im_end|>\n<|im_start|>assistant\n")


def test_faults_in_what_is_encoded_name_their_column() -> None:
    with pytest.raises(BadInput, match=r"data\.columns\.response: the answer is empty"):
        encoded({"prompt": ["why is that?"], "response": [" "]}, head=PLAIN)
    with pytest.raises(BadInput, match=r"task\.extract finds nothing in the right answer"):
        encoded({"prompt": ["a", "b"], "response": ["#### 1", "2"]}, head=PLAIN, extract="#### (.*)")


def test_a_system_prompt_for_all() -> None:
    features = encoded({"prompt": ["a"], "response": ["b"]}, head=PLAIN, system_prompt="Be kind.")
    assert bpe().decode(features["input_ids"][0]).startswith("<|im_start|>system\nBe kind.<|im_end|>\n")


# Learning


def prepared(family: str, folder: Path, **options: Any) -> Any:
    """Task, head, model, tokenizer and one batch of the first rows, of different lengths."""
    place = families.with_head(family, "AutoModelForCausalLM", folder)
    task, checkpoint = InstructionTuning(template="plain", **options), Checkpoint(checkpoint=place)
    rows = [json.loads(line) for line in SAMPLES.read_text().splitlines()[:6]]
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    head = task.learn(DatasetDict(train=Dataset.from_dict(columns)), NO_MODEL)
    model, _ = task.load(checkpoint, place, head)
    tokenizer = checkpoint.tokenizer(place)
    features = task.encode(columns, tokenizer, head)
    examples = [{name: values[i] for name, values in features.items()} for i in range(len(rows))]
    return task, head, model, tokenizer, task.collate(examples, tokenizer)


DECODERS = [name for name in families.FAMILIES if families.is_decoder(name)]


@pytest.mark.parametrize("family", DECODERS)
@pytest.mark.parametrize("learn_from", ["answers", "all"])
def test_the_loss_is_transformers_own(family: str, learn_from: Any, tmp_path: Path) -> None:
    task, _, model, _, batch = prepared(family, tmp_path / "model", learn_from=learn_from)
    found = task.loss(model, batch)
    own = model(**task.forward_inputs(batch), labels=batch["labels"])
    torch.testing.assert_close(found.loss / found.weight, own.loss, atol=1e-6, rtol=1e-6)
    assert found.weight == (batch["labels"][:, 1:] != IGNORED).sum()
    # In parts it is the same.
    parts = [
        task.loss(model, {name: value[rows] for name, value in batch.items()})
        for rows in ([0], [1, 2, 3, 4, 5])
    ]
    torch.testing.assert_close(sum(part.loss for part in parts), found.loss)
    assert sum(part.weight for part in parts) == found.weight


def test_the_loss_through_an_adapter_and_with_smoothing(tmp_path: Path) -> None:
    task, _, model, _, batch = prepared("llama", tmp_path / "model", label_smoothing=0.1)
    expected = torch.nn.functional.cross_entropy(
        model(**task.forward_inputs(batch)).logits[:, :-1].transpose(1, 2),
        batch["labels"][:, 1:],
        label_smoothing=0.1,
    )
    adapted = Lora(modules=["q_proj"]).adapt(model)
    found = task.loss(adapted, batch)
    torch.testing.assert_close(found.loss / found.weight, expected)
    plain = task.score_validation(adapted, batch)
    assert plain.loss < found.loss and plain.predictions is not None


def test_what_is_padded_changes_nothing(tmp_path: Path) -> None:
    task, head, model, tokenizer, _ = prepared("llama", tmp_path / "model")
    tokenizer.padding_side = "left"  # as some decoders' tokenizers are
    features = task.encode(
        {"prompt": ["a film", "is it very good"], "response": ["good", "it is very good"]}, tokenizer, head
    )
    rows = [{name: values[i] for name, values in features.items()} for i in range(2)]
    both = task.loss(model, task.collate(rows, tokenizer))
    alone = [task.loss(model, task.collate([row], tokenizer)) for row in rows]
    torch.testing.assert_close(both.loss, alone[0].loss + alone[1].loss)
    assert tokenizer.padding_side == "left"


# Packed

SEVERAL = {
    "prompt": ["a film", "is it very good", "the plot", "acting"],
    "response": ["good", "it is very good", "a very dull plot", "great"],
}


def examples(features: dict[str, list[Any]]) -> list[dict[str, Any]]:
    return [{name: values[i] for name, values in features.items()} for i in range(len(features["input_ids"]))]


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
@pytest.mark.parametrize("family", ["gpt2", "llama", "gemma3"])
def test_packed_conversations_are_learned_as_if_each_were_alone(
    family: str, attention: str, tmp_path: Path
) -> None:
    path = families.with_head(family, "AutoModelForCausalLM", tmp_path / "model")
    checkpoint = Checkpoint(checkpoint=path, attention=attention)
    task = InstructionTuning(template="plain", max_length=14, packing=True)
    head = task.learn(DatasetDict(train=Dataset.from_dict(SEVERAL)), checkpoint.config(path))
    tokenizer, (model, _) = checkpoint.tokenizer(path), task.load(checkpoint, path, head)
    blocks = examples(task.encode_training(SEVERAL, tokenizer, head))
    assert 1 < len(blocks) < len(SEVERAL["prompt"]), "some share a block, and blocks differ in length"
    assert head["packed"] and "packed" in task.describe(head)["conversations"]

    def learned(rows: list[dict[str, Any]]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        model.zero_grad()
        found = task.loss(model, task.collate(rows, tokenizer))
        found.loss.backward()
        gradients = [w.grad.flatten().clone() for w in model.parameters() if w.grad is not None]
        return found.loss.detach(), found.weight, torch.cat(gradients)

    together = learned(blocks)
    alone = [learned([row]) for row in examples(task.encode(SEVERAL, tokenizer, head))]
    for one, parts in zip(together, zip(*alone, strict=True), strict=True):
        torch.testing.assert_close(one, sum(parts), rtol=1e-4, atol=1e-5)


def test_what_would_read_packed_conversations_as_one_is_refused(tmp_path: Path) -> None:
    task = InstructionTuning(template="plain", packing=True)
    data = DatasetDict(train=Dataset.from_dict(SEVERAL))
    with pytest.raises(BadInput, match="does not keep packed texts apart") as raised:
        task.learn(data, MambaConfig())
    assert raised.value.problems[0].allowed == "task.packing=false"
    path = families.with_head("llama", "AutoModelForCausalLM", tmp_path / "model")
    checkpoint = Checkpoint(checkpoint=path, attention="flex_attention")
    head = task.learn(data, checkpoint.config(path))
    with pytest.raises(BadInput, match="see each other"):
        task.load(checkpoint, path, head, meta=True)


def test_a_run_learns_packed_conversations_and_is_scored_by_row(tmp_path: Path) -> None:
    checkpoint = families.with_head("llama", "AutoModelForCausalLM", tmp_path / "model")
    more = ["data.overfit=12", "trainer.max_epochs=60", "trainer.batch_size=1", "optimizer.lr=1e-2"]
    more += ["task.packing=true", "task.max_length=48", "task.generate_in_validation=false"]
    run = Run.train(overrides(checkpoint, SAMPLES, tmp_path, *more))
    assert run.metrics["test/exact_match"] == 1.0
    lines = (run.folder / "predictions/test.jsonl").read_text("utf-8").splitlines()
    assert len(lines) == 12


def test_a_model_stops_where_its_template_ends_an_answer(tmp_path: Path) -> None:
    _, _, model, tokenizer, _ = prepared("gpt2", tmp_path / "model")
    assert model.generation_config.eos_token_id == [tokenizer.eos_token_id]
    tokenizer = bpe(CHATML)
    tokenizer.save_pretrained(tmp_path / "chat")
    families.random_model("llama", "AutoModelForCausalLM", vocab_size=len(tokenizer)).save_pretrained(
        tmp_path / "chat"
    )
    checkpoint = Checkpoint(checkpoint=str(tmp_path / "chat"))
    model, _ = InstructionTuning().load(checkpoint, str(tmp_path / "chat"), PLAIN)
    assert tokenizer.convert_tokens_to_ids("<|im_end|>") in model.generation_config.eos_token_id


def test_decoding_leaves_out_what_ends_an_answer() -> None:
    ids = [bpe()(" 好的 🙂\n<|im_end|>", add_special_tokens=False)["input_ids"]]
    assert InstructionTuning().decode(answers([ids[0]]), bpe(), PLAIN) == [{"response": "好的 🙂"}]


# From rows to answers


def overrides(folder: str, data: Path, outputs: Path, *more: str) -> list[str]:
    return [
        "task=instruction_tuning",
        "task.template=plain",
        "task.generation.max_new_tokens=8",
        "model=auto",
        f"model.checkpoint={folder}",
        "data=files",
        f"data.train={data}",
        "hardware=cpu",
        "hardware.threads=1",
        "logger=csv",
        f"paths.outputs={outputs}",
        *more,
    ]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A little Llama that knows its samples by heart."""
    folder = tmp_path_factory.mktemp("llama")
    checkpoint = families.with_head("llama", "AutoModelForCausalLM", folder / "model")
    more = ["data.overfit=12", "trainer.max_epochs=40", "trainer.batch_size=4", "optimizer.lr=1e-2"]
    more += ["task.generate_in_validation=false", r'task.extract="\w+$"']
    return Run.train(overrides(checkpoint, SAMPLES, folder, *more))


def test_a_run_learns_its_answers(trained: Run) -> None:
    metrics = trained.metrics
    assert metrics["test/exact_match"] == metrics["test/answer_match"] == 1.0
    assert metrics["test/rougeL"] == pytest.approx(100) and metrics["test/perplexity"] < 1.1
    assert "val/perplexity" in metrics and "val/rougeL" not in metrics
    lines = (trained.folder / "predictions/test.jsonl").read_text("utf-8").splitlines()
    assert all(row["prediction"]["response"] == row["response"] for row in map(json.loads, lines))
    again = trained.evaluate()
    assert again["test/exact_match"] == 1.0
    assert again["test/loss"] == pytest.approx(metrics["test/loss"], abs=1e-5)


def test_a_run_answers_rows_of_any_form_in_order(trained: Run) -> None:
    rows = [json.loads(line) for line in SAMPLES.read_text().splitlines()]
    known = [
        json.loads(line) for line in (trained.folder / "predictions/test.jsonl").read_text().splitlines()
    ]
    expected = [{"response": row["response"]} for row in known]
    assert trained.predict([{"prompt": row["prompt"]} for row in known]) == expected
    assert trained.predict([row["prompt"] for row in known]) == expected
    assert (
        trained.predict([{"messages": [{"role": "user", "content": row["prompt"]}]} for row in known])
        == expected
    )
    assert trained.predict([{"instruction": row["prompt"], "input": None} for row in known]) == expected
    assert len(trained.predict(rows * 4)) == 4 * len(rows)


def test_the_saved_model_answers_in_plain_transformers(trained: Run) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(trained.folder / "model")
    model = AutoModelForCausalLM.from_pretrained(trained.folder / "model")
    known = json.loads((trained.folder / "predictions/test.jsonl").read_text().splitlines()[0])
    asked = tokenizer.apply_chat_template(
        [{"role": "user", "content": known["prompt"]}],
        add_generation_prompt=True,
        return_tensors="pt",
        return_dict=True,
    )
    asked.pop("token_type_ids", None)
    written = model.generate(**asked, max_new_tokens=20, do_sample=False)[0, asked["input_ids"].shape[1] :]
    assert written[-1] == tokenizer.eos_token_id
    assert tokenizer.decode(written, skip_special_tokens=True) == known["response"]


def test_other_forms_evaluate_too(trained: Run, tmp_path: Path) -> None:
    known = [
        json.loads(line) for line in (trained.folder / "predictions/test.jsonl").read_text().splitlines()
    ]
    rows = [{"conversations": json.dumps([{"from": "human", "value": row["prompt"]},
                                          {"from": "gpt", "value": row["response"]}])} for row in known]  # fmt: skip
    Dataset.from_list(rows).to_csv(tmp_path / "shared.csv")
    metrics = trained.evaluate(["data=files", f"data.test={tmp_path / 'shared.csv'}"])
    assert metrics["test/exact_match"] == 1.0


# Bad input


@pytest.fixture(scope="module")
def gpt2(tmp_path_factory: pytest.TempPathFactory) -> str:
    return families.with_head("gpt2", "AutoModelForCausalLM", tmp_path_factory.mktemp("gpt2"))


def prepare(folder: str, data: Path, *more: str) -> Any:
    return Run.prepare([*overrides(folder, data, data.parent / "outputs"), *more])


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ("text,label\na,b\nc,d\n", "none of the columns prompt, instruction, conversations, messages"),
        ("prompt,answer\na,b\nc,d\n", "there are no conversations in the columns prompt"),
        ("prompt,response\n" + "good,film\n" * 9 + "bad,\n", r"the answer is empty: \S+rows\.csv:11 \('bad'\)"),
        ('messages\n"[{""role"": ""user"", ""content"": ""a""}]"\n' * 1, "has no turn of the assistant"),
    ],
)  # fmt: skip
def test_data_that_cannot_serve(rows: str, words: str, gpt2: str, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(rows)
    with pytest.raises(BadInput, match=words):
        prepare(gpt2, path, "data.split.validation=0", "data.split.test=0")


def test_a_model_without_a_template_and_an_unknown_one(gpt2: str) -> None:
    with pytest.raises(BadInput, match="no chat template of its own") as raised:
        prepare(gpt2, SAMPLES, "task.template=null")
    assert raised.value.problems[0].allowed == "one of: alpaca, plain"
    with pytest.raises(BadInput, match="there is no template 'plane'"):
        prepare(gpt2, SAMPLES, "task.template=plane")
    with pytest.raises(BadInput, match="is no regular expression"):
        prepare(gpt2, SAMPLES, 'task.extract="(a"')


def test_a_windows_csv_with_a_byte_order_mark(gpt2: str, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    text = "prompt,response\r\n" + '"is the film\r\ngood","it is\r\ngood"\r\n' * 20
    path.write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert sum(prepare(gpt2, path).rows.values()) == 20


@pytest.mark.acceptance
@pytest.mark.skipif(
    "HYDRATUNE_DATA" not in os.environ, reason="HYDRATUNE_DATA names no folder with data sets"
)
def test_gsm8k_with_smollm2() -> None:
    """Real questions with a real chat template: what is learned are the answers, and nothing else."""
    from pipeline.compose.composing import compose
    from pipeline.compose.run_spec import load

    spec = load(compose(["model=smollm2", "task=instruction_tuning", "data=files", "data.train=a.jsonl"]))
    folder = spec.model.locate().folder
    tokenizer = spec.model.tokenizer(folder)
    rows = [
        json.loads(line)
        for line in (Path(os.environ["HYDRATUNE_DATA"]) / "gsm8k/train.jsonl")
        .read_text("utf-8")
        .splitlines()[:500]
    ]
    columns = {"prompt": [row["question"] for row in rows], "response": [row["answer"] for row in rows]}
    features = InstructionTuning(extract=r"#### (-?[0-9.,]+)").encode(columns, tokenizer, PLAIN)
    for number, row in enumerate(rows):
        text = re.sub(r"<\|im_end\|>$", "", learned(features, tokenizer, number))
        assert text == row["answer"]
