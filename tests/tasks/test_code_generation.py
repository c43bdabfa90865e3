"""From a description to code, with both kinds of model; tests run only if that is asked for."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset, DatasetDict

from pipeline import Run
from pipeline.compose.composing import compose
from pipeline.compose.run_spec import load
from pipeline.errors import BadInput
from pipeline.tasks.code import sandbox
from pipeline.tasks.code_generation import CodeGeneration
from pipeline.tasks.writing.generation import Generation
from tests.models import families
from tests.tasks.chat_parts import bpe
from tests.tasks.parts import NO_TOKENIZER, answers

SAMPLES = Path(__file__).parent / "samples" / "code_generation.jsonl"
HEADS = {"llama": "AutoModelForCausalLM", "t5": "AutoModelForSeq2SeqLM"}


class Config:
    is_encoder_decoder = False


def learn(rows: dict[str, list[Any]], **options: Any) -> Any:
    data = DatasetDict({split: Dataset.from_dict(rows) for split in ("train", "test")})
    return CodeGeneration(**options).learn(data, Config())  # type: ignore[arg-type]


def overrides(family: str, folder: Path, *more: str) -> list[str]:
    place = families.with_head(family, HEADS[family], folder / "model")
    return [
        "task=code_generation",
        "task.generation.max_new_tokens=24",
        "model=auto",
        f"model.checkpoint={place}",
        "data=files",
        f"data.train={SAMPLES}",
        "hardware=cpu",
        "hardware.threads=1",
        "logger=csv",
        f"paths.outputs={folder}",
        "data.overfit=6",
        *more,
    ]


def test_a_run_from_rows_to_code(tmp_path: Path) -> None:
    run = Run.train(overrides("llama", tmp_path, "trainer.max_steps=2", "task.run_tests=true"))
    assert {"test/exact_match", "test/syntax_valid", "test/pass_at_1", "test/loss"} <= set(run.metrics)
    found = run.predict([{"prompt": "a good film"}, {"prompt": "it is dull"}])
    assert [list(said) for said in found] == [["code"], ["code"]]
    assert run.evaluate()["test/loss"] == pytest.approx(run.metrics["test/loss"], abs=1e-5)


def test_nothing_is_run_unless_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the other kind of model."""

    def fail(*_: object) -> None:
        raise AssertionError("something was run")

    monkeypatch.setattr(sandbox.Sandbox, "_run", fail)
    run = Run.train(overrides("t5", tmp_path, "trainer.max_steps=2"))
    assert "test/syntax_valid" in run.metrics and not any("pass_at" in name for name in run.metrics)
    assert [list(said) for said in run.predict([{"prompt": "it is dull"}])] == [["code"]]


def test_what_is_read_and_learned() -> None:
    rows = {
        "prompt": ["Add two.\r\nNumbers."],
        "code": ["def add(a, b):\r\n\treturn a + b \r\n"],
        "tests": [["assert add(1, 2) == 3", "assert add(0, 0) == 0"]],
    }
    task = CodeGeneration(tests_in_prompt=1)
    head = learn(rows, tests_in_prompt=1)
    features = task.encode(rows, bpe(), head)
    (ids,), (prompt,) = features["input_ids"], features["prompt_length"]
    asked = "Add two.\nNumbers.\nassert add(1, 2) == 3\n"
    assert bpe().decode(ids[:prompt]) == asked
    assert bpe().decode(ids[prompt:]) == "def add(a, b):\n\treturn a + b<|end|>"
    found = task.encode_inputs({"prompt": rows["prompt"], "tests": rows["tests"]}, bpe(), head)
    assert bpe().decode(found["input_ids"][0]) == asked
    found = task.encode_inputs({"prompt": rows["prompt"]}, bpe(), head)
    assert bpe().decode(found["input_ids"][0]) == "Add two.\nNumbers.\n"


def test_what_is_said_of_a_row() -> None:
    texts = ["```python\ndef f():\n    return 1\n```", "    x = 1\n\n"]
    ids = [bpe()(text, add_special_tokens=False)["input_ids"] for text in texts]
    head = {"encoder_decoder": False}
    assert CodeGeneration().decode(answers([[ids[0]]]), bpe(), head) == [{"code": "def f():\n    return 1"}]
    task = CodeGeneration(
        generation=Generation(num_return_sequences=2, do_sample=True), run_tests=True, pass_at=[2]
    )
    (said,) = task.decode(answers([ids]), bpe(), head)
    assert said == {"code": "def f():\n    return 1", "codes": ["def f():\n    return 1", "    x = 1"]}
    assert task.directions(head) == {
        "loss": False,
        "exact_match": True,
        "syntax_valid": True,
        "pass_at_2": True,
    }


def test_bad_rows_are_told_together() -> None:
    rows = {"prompt": ["a", " ", "c"], "code": ["x", "y", ""], "tests": [["1"], [], ["2"]]}
    with pytest.raises(BadInput) as raised:
        learn(rows)
    assert {problem.where for problem in raised.value.problems} == {
        "data.columns.prompt",
        "data.columns.code",
    }
    assert any("row 3 of train ('c')" in problem.what for problem in raised.value.problems)
    with pytest.raises(BadInput, match=r"no tests to run in row 1 of test \('b'\)"):
        learn({"prompt": ["b"], "code": ["x"]}, run_tests=True)
    with pytest.raises(BadInput, match=r"data\.columns\.code: has no text"):
        CodeGeneration().encode({"prompt": ["a"], "code": [None]}, NO_TOKENIZER, {"encoder_decoder": False})


def test_more_passes_than_programs_are_refused() -> None:
    with pytest.raises(BadInput, match="pass_at 5 needs as many programs for each row"):
        load(compose(["task=code_generation", "task.run_tests=true", "task.pass_at=[1,5]"]))


def test_where_processes_cannot_be_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "name", "nt")
    CodeGeneration().check()
    with pytest.raises(BadInput, match="programs cannot be limited"):
        CodeGeneration(run_tests=True).check()


@pytest.mark.acceptance
@pytest.mark.skipif(
    "HYDRATUNE_DATA" not in os.environ, reason="HYDRATUNE_DATA names no folder with data sets"
)
def test_mbpp_answers_pass_their_own_tests() -> None:
    from pipeline.tasks.code.metrics import PassAtK, SyntaxValid
    from pipeline.tasks.code.programs import right_code
    from pipeline.tasks.code.sandbox import Sandbox

    path = Path(os.environ["HYDRATUNE_DATA"]) / "mbpp/validation.jsonl"
    rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    named = [
        {"code": row["code"], "tests": row["test_list"], "setup": row["test_setup_code"]} for row in rows
    ]
    said = [{"code": right_code(row["code"])[0]} for row in rows]
    passed, syntax = PassAtK([1], Sandbox()), SyntaxValid(prediction="code", reference="code")
    passed.update(said, named)
    syntax.update(said, named)
    assert passed.compute() == {"pass_at_1": 1.0} and syntax.compute() == {"syntax_valid": 1.0}
