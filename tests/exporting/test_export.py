"""What is exported computes what the run does, in the hands of those who load it."""

import json
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

from pipeline import Run
from pipeline.errors import BadInput, RunFailed
from pipeline.export import main
from pipeline.exporting import export as exporting
from pipeline.exporting.adapter import hub_id
from pipeline.models.checkpoint import Checkpoint
from pipeline.strategies.qlora import QLora
from tests.models import families
from tests.outcomes import code_of

SAMPLES = Path(__file__).parents[1] / "tasks/samples"
IDS = torch.tensor([[5, 9, 7, 12], [6, 4, 8, 10]])


@pytest.fixture(scope="module")
def adapted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A LoRA run on a Llama whose embedding and last layer are one matrix. Read it only."""
    folder = tmp_path_factory.mktemp("llama")
    families.with_head("llama", "AutoModelForCausalLM", folder / "base", tie_word_embeddings=True)
    words = [
        "task=causal_lm",
        "task.generation.max_new_tokens=2",
        "strategy=lora",
        "strategy.modules=all-linear",
        "optimizer.lr=0.1",
        "model=auto",
        f"model.checkpoint={folder / 'base'}",
        "model.licence=Apache-2.0",
        "data=files",
        f"data.train={SAMPLES / 'causal_lm.jsonl'}",
        "trainer.max_steps=2",
        "hardware=cpu",
        "hardware.threads=1",
        "logger=none",
        f"paths.outputs={folder}",
    ]
    return Run.train(words).folder


def code_of_card(folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the card's example makes, in the folder."""
    monkeypatch.chdir(folder)
    names: dict[str, Any] = {}
    exec((folder / "README.md").read_text().split("```python\n")[1].split("```")[0], names)
    return names


def test_a_plain_folder(finished: Path, tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch):
    target = tmp_path / "out/model"
    assert code_of(main, f"run={finished}", f"output={target}") == 0
    assert "differs from the trained model by at most 0.0e+00" in capsys.readouterr().out
    again = code_of_card(target, monkeypatch)["model"]
    assert again.config.id2label == {0: "bad", 1: "good"}
    assert (
        load_file(target / "model.safetensors").keys()
        == load_file(finished / "model/model.safetensors").keys()
    )
    assert code_of(main, f"run={finished}", f"output={target}") == 2
    assert "is not empty" in capsys.readouterr().err


def test_an_adapter_and_its_base_are_the_merged_model(
    adapted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    adapter = Run(adapted).export(tmp_path / "adapter", "adapter")
    merged = Run(adapted).export(tmp_path / "merged", "merged")
    assert not (merged / "adapter").exists() and "license: apache-2.0" in (merged / "README.md").read_text()
    weights = load_file(merged / "model.safetensors")
    assert "lm_head.weight" not in weights and "model.embed_tokens.weight" in weights
    plain = code_of_card(merged, monkeypatch)["model"]
    assert plain.lm_head.weight is plain.model.embed_tokens.weight
    written = json.loads((adapter / "adapter_config.json").read_text())
    assert written["base_model_name_or_path"] == "base"
    tuned = code_of_card(adapter, monkeypatch)["model"]
    base = transformers.AutoModelForCausalLM.from_pretrained(adapter / "base")
    with torch.inference_mode():
        torch.testing.assert_close(tuned(IDS).logits, plain(IDS).logits, atol=1e-5, rtol=0)
        assert (base(IDS).logits - plain(IDS).logits).abs().max() > 1e-2, "it has learned something"
    tokenizers = [transformers.AutoTokenizer.from_pretrained(f)("the film") for f in (adapter, merged)]
    assert tokenizers[0]["input_ids"] == tokenizers[1]["input_ids"]


def test_graphs_take_other_sizes_than_they_were_traced_with(
    finished: Path, adapted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    import onnxruntime

    for run, auto, name in (
        (finished, transformers.AutoModelForSequenceClassification, "classifier"),
        (adapted, transformers.AutoModelForCausalLM, "writer"),
    ):
        folder = Run(run).export(tmp_path / name, "onnx")
        model = auto.from_pretrained(run / "model")
        session = onnxruntime.InferenceSession(folder / "model.onnx")
        for shape in ((1, 3), (5, 17)):
            ids = torch.randint(4, 20, shape, generator=torch.Generator().manual_seed(0))
            mask = torch.ones_like(ids)
            mask[0, -1] = 0
            batch = {"input_ids": ids, "attention_mask": mask, "token_type_ids": torch.zeros_like(ids)}
            feed = {each.name: batch[each.name] for each in session.get_inputs()}
            (logits,) = session.run(["logits"], {name: value.numpy() for name, value in feed.items()})
            with torch.inference_mode():
                expected = model(**feed).logits
            torch.testing.assert_close(torch.from_numpy(logits), expected, atol=1e-5, rtol=0)
    made = code_of_card(tmp_path / "classifier", monkeypatch)["outputs"]
    assert made["logits"].shape == (2, 2)


def changed(run: Path, target: Path, amount: float) -> Path:
    """A copy of a run whose weights are all larger."""
    shutil.copytree(run, target)
    file = target / "model/model.safetensors"
    weights = {name: value + amount for name, value in load_file(file).items()}
    save_file(weights, file, metadata={"format": "pt"})
    return target


def test_the_mean_of_runs(finished: Path, tmp_path: Path):
    others = [changed(finished, tmp_path / f"run{n}", 0.01 * n) for n in (1, 5)]
    target = tmp_path / "mean"
    runs = ",".join(map(str, [finished, *others]))
    assert code_of(main, f"run=[{runs}]", f"output={target}") == 0
    before, after = (load_file(folder / "model.safetensors") for folder in (finished / "model", target))
    assert before.keys() == after.keys()
    for name, value in before.items():
        torch.testing.assert_close(after[name], value + 0.02, atol=1e-6, rtol=0)
    assert str(tmp_path) not in (target / "config.json").read_text()


def test_runs_without_a_mean(finished: Path, adapted: Path, tmp_path: Path, capsys):
    other = changed(finished, tmp_path / "other", 0.0)
    for what, old, new in (
        ("have different labels: bad, nice; bad, good", '"good"', '"nice"'),
        ("differ in more than their weights: hidden_act", '"hidden_act": "gelu"', '"hidden_act": "relu"'),
    ):
        file = "manifest.json" if "labels" in what else "model/config.json"
        text = (finished / file).read_text()
        assert old in text
        (other / file).write_text(text.replace(old, new))
        assert code_of(main, f"run=[{finished},{other}]", f"output={tmp_path / 'mean'}") == 2
        assert what in capsys.readouterr().err
        (other / file).write_text(text)
    assert code_of(main, f"run=[{finished},{adapted}]", f"output={tmp_path / 'mean'}") == 2
    assert "are of different tasks: text_classification, causal_lm" in capsys.readouterr().err
    assert code_of(main, f"run=[{finished},{finished}]", f"output={tmp_path / 'mean'}") == 2
    assert "is named twice" in capsys.readouterr().err
    assert not (tmp_path / "mean").exists()


def test_what_computes_something_else_is_not_there(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
):
    """A format that loses a digit of a weight."""
    write = exporting.plain.write

    def careless(subject: Any, folder: Path) -> Any:
        written = write(subject, folder)
        weights = load_file(folder / "model.safetensors")
        weights["classifier.bias"] += 0.02
        save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
        return written

    monkeypatch.setattr(exporting.plain, "write", careless)
    assert code_of(main, f"run={finished}", f"output={tmp_path / 'model'}") == 1
    assert "they differ by 2.00e-02, allowed is 1e-03" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(RunFailed, match="differ by"):
        Run(finished).export(tmp_path / "model")


def test_what_cannot_be_exported_is_refused_by_name(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
):
    words = [f"run={finished}", f"output={tmp_path / 'x'}"]
    for word, said in (
        ("format=adapter", "strategy=full leaves no adapter"),
        ("format=onxn", "did you mean: onnx"),
        ("optimizer.lr=1", "belongs to how the run was trained"),
    ):
        assert code_of(main, *words, word) == 2
        assert said in capsys.readouterr().err
    assert code_of(main, f"run={finished}") == 2
    assert "where to?" in capsys.readouterr().err
    monkeypatch.setattr("pipeline.exporting.onnx.find_spec", lambda name: None)
    with pytest.raises(BadInput, match=r"onnx and onnxruntime, which are not installed\n.*hydratune\[onnx\]"):
        Run(finished).export(tmp_path / "x", "onnx")
    monkeypatch.setattr("pipeline.strategies.full.Full.mergeable", False)
    for format in ("huggingface", "merged", "onnx"):
        with pytest.raises(BadInput, match="strategy=full trains cannot be folded"):
            Run(finished).export(tmp_path / "x", format)
    assert not (tmp_path / "x").exists()


def test_an_adapter_for_quantised_weights_has_no_base(
    adapted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Which is told of the strategy, before any work: there is no GPU here to train one."""
    assert QLora.quantises
    monkeypatch.setattr("pipeline.strategies.lora.Lora.quantises", True)
    with pytest.raises(BadInput, match="its adapter is for quantised weights") as refused:
        Run(adapted).export(tmp_path / "adapter", "adapter")
    assert [problem.allowed for problem in refused.value.problems] == ["format=merged"]
    assert not (tmp_path / "adapter").exists()


@pytest.mark.parametrize("model", [{"from_scratch": True}, {"added_tokens": ["<e1>"]}])
def test_what_a_hub_does_not_have_is_not_looked_for_there(model: dict[str, Any]):
    def trained(**values: Any) -> Any:
        checkpoint = Checkpoint(checkpoint="org/name", **values)
        return SimpleNamespace(
            spec=SimpleNamespace(model=checkpoint), prepared={"checkpoint": {"commit": "abc", "folder": ""}}
        )

    assert hub_id(trained()) == "org/name"
    assert hub_id(trained(**model)) is None


@pytest.mark.slow
@pytest.mark.parametrize("words", [["strategy=prefix_tuning"], ["strategy=lora", "task.pooling=mean"]])
def test_an_adapter_of_what_transformers_has_no_class_for(words: list[str], tmp_path: Path):
    """Of a run that was saved in two parts, and of a model that brings its own code."""
    families.with_head("bert", "AutoModelForMaskedLM", tmp_path / "base")
    run = Run.train(
        [
            "task=text_classification",
            "task.max_length=32",
            *words,
            "model=bert",
            f"model.checkpoint={tmp_path / 'base'}",
            "model.sha256=null",
            "data=files",
            f"data.train={SAMPLES / 'text_classification.jsonl'}",
            "trainer.max_steps=2",
            "hardware=cpu",
            "hardware.threads=1",
            "logger=none",
            f"paths.outputs={tmp_path / 'outputs'}",
        ]
    )
    run.export(str(tmp_path / "adapter"), "adapter")
    assert (tmp_path / "adapter/adapter_model.safetensors").is_file() and (tmp_path / "adapter/base").is_dir()
    if "strategy=prefix_tuning" in words:
        with pytest.raises(BadInput, match="cannot be folded") as refused:
            run.export(str(tmp_path / "plain"), "merged")
        assert refused.value.problems[0].allowed == "format=adapter" and not (tmp_path / "plain").exists()
