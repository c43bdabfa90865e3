"""Compiled layers compute what the code says, and only those that are trained are compiled."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForSequenceClassification

from pipeline import Run
from pipeline.errors import BadInput
from pipeline.training.compiling import check_compiler, compile_layers, uncompiled


def tool(folder: Path, name: str) -> None:
    (folder / name).touch(mode=0o755)


def test_a_machine_without_a_compiler_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for name in ("CXX", "CC"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BadInput, match=r"hardware\.compile.*no g\+\+ or clang\+\+") as refused:
        check_compiler("cpu")
    assert "$CXX" in str(refused.value)
    tool(tmp_path, "clang++")
    check_compiler("cpu")
    with pytest.raises(BadInput, match="no gcc or clang"):
        check_compiler("gpu")
    tool(tmp_path, "gcc")
    check_compiler("gpu")
    monkeypatch.setenv("CXX", "icpx")
    with pytest.raises(BadInput, match="no icpx"):
        check_compiler("cpu")


def test_layers_that_are_trained(tiny_bert: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", "chosen")  # It is put back, and is not replaced.
    model = AutoModelForSequenceClassification.from_pretrained(tiny_bert)
    layers = model.bert.encoder.layer
    layers[0].requires_grad_(False)
    assert compile_layers(layers) == 1
    assert [layer._compiled_call_impl is not None for layer in layers] == [False, True]
    layers[1].__dict__["forward"] = layers[1].forward  # as a stand-in does
    uncompiled(model)
    assert compile_layers(layers) == 0 and not any(module._compiled_call_impl for module in model.modules())


def test_what_is_evaluated_is_not_compiled(tiny_bert: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", "chosen")
    model = AutoModelForSequenceClassification.from_pretrained(tiny_bert).eval()
    ids = torch.tensor([[5, 6, 7]])
    called = []
    monkeypatch.setattr(torch, "compile", lambda code, **options: called.append(code) or code)
    assert compile_layers(model.bert.encoder.layer) == len(called) == 2
    for layer in model.bert.encoder.layer:
        layer._call_impl = lambda *args, **kwargs: called.append("plain") or args[0]
    model(input_ids=ids)
    assert called[2:] == ["plain"] * 2
    model.train()(input_ids=ids)
    assert len(called) == 4  # What was compiled is called.


@pytest.mark.slow
def test_a_run_learns_the_same(small: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    import torch._dynamo.utils as dynamo

    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "kernels"))
    keys = [*small, "strategy=full", "model.dropout=0.0", "trainer.max_steps=4", "logger=none"]
    left = {}
    for compiled in ("false", "true"):
        before = dynamo.counters["stats"]["calls_captured"]
        run = Run.train([*keys, f"hardware.compile={compiled}", f"paths.outputs={tmp_path / compiled}"])
        assert (dynamo.counters["stats"]["calls_captured"] > before) == (compiled == "true")
        left[compiled] = load_file(run.folder / "model/model.safetensors")
    assert list((tmp_path / "kernels").rglob("*.so"))
    for name, value in left["false"].items():
        torch.testing.assert_close(left["true"][name], value, rtol=0, atol=2e-5, msg=name)
