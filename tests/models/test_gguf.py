"""A GGUF file becomes a plain folder, once, wherever it lies, and computes what it did before."""

import hashlib
import importlib.util
import json
import math
import os
import struct
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
import yaml

from pipeline.errors import BadInput
from pipeline.models import gguf
from pipeline.models.checkpoint import Checkpoint
from pipeline.models.origin import locate
from tests.conftest import ROOT
from tests.models import gguf_files

TEXT = "the film 12\n\n3  4\nthe  the"


@pytest.fixture(scope="module")
def model() -> transformers.LlamaForCausalLM:
    return gguf_files.llama()


@pytest.fixture
def file(model: transformers.LlamaForCausalLM, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HYDRATUNE_CACHE", str(tmp_path / "cache"))
    (tmp_path / "lies").mkdir()
    return gguf_files.write(model, tmp_path / "lies" / "tiny.gguf")


def problem(checkpoint: Path | str, **options: Any) -> str:
    with pytest.raises(BadInput) as raised:
        Checkpoint(checkpoint=str(checkpoint), **options).locate()
    return str(raised.value)


def test_the_model_computes_what_the_original_does(file: Path, model: transformers.LlamaForCausalLM) -> None:
    checkpoint = Checkpoint(checkpoint=str(file))
    folder = checkpoint.locate().folder
    loaded, report = checkpoint.build(folder, ["causal_lm"], checkpoint.config(folder))
    assert not report.initialised and not report.unexpected
    ids = torch.randint(0, model.config.vocab_size, (2, 9))
    torch.testing.assert_close(loaded.eval()(ids).logits, model(ids).logits)
    plain = transformers.AutoModelForCausalLM.from_pretrained(folder)
    assert plain.dtype == torch.float32
    assert plain.lm_head.weight is plain.model.embed_tokens.weight
    assert "title" not in (Path(folder) / "config.json").read_text()


def test_the_tokenizer_keeps_every_byte_and_its_chat_template(file: Path) -> None:
    folder = locate(str(file), None, None).folder
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    for text in (TEXT, " 你好 مرحبا 😀", "a\r\nb\tc"):
        assert tokenizer.decode(tokenizer(text)["input_ids"]) == text
    assert (tokenizer.bos_token, tokenizer.eos_token, tokenizer.pad_token) == (
        "<|im_start|>",
        "<|im_end|>",
        "<|im_end|>",
    )
    chat = tokenizer.apply_chat_template([{"role": "user", "content": "the film"}], tokenize=False)
    assert chat == "<|im_start|>user\nthe film<|im_end|>\n"
    assert Checkpoint(checkpoint=str(file)).tokenizer(folder).model_max_length == 64


@pytest.mark.parametrize(("pre", "words"), [("smollm", ["ĊĊ", "1"]), ("gpt-2", ["Ċ", "Ċ", "1"])])
def test_digits_stand_alone_where_the_file_says_so(
    pre: str, words: list[str], model: transformers.LlamaForCausalLM, tmp_path: Path
) -> None:
    tokenizer = gguf._tokenizer(gguf_files.write(model, tmp_path / "a.gguf", pre))
    assert tokenizer.tokenize("\n\n1") == words


def test_it_is_made_once_and_known_by_its_bytes(
    file: Path, model: transformers.LlamaForCausalLM, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = locate(str(file), None, None)
    monkeypatch.setattr(gguf, "_convert", lambda *_: pytest.fail("converted again"))
    assert locate(str(file), None, None) == first
    assert locate(str(file.parent), None, None) == first, "a folder with nothing else is the file"
    moved = tmp_path / "elsewhere" / "tiny.gguf"
    moved.parent.mkdir()
    file.rename(moved)
    assert locate(str(moved), None, None) == first


def test_a_file_of_a_package_and_of_the_hub(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.fetch.package_index.fetch", lambda *_, **__: file)
    packaged = locate("pypi:a@1/x/tiny.gguf", None, "0" * 64)
    asked: list[Any] = []

    def snapshot(repo_id: str, revision: str | None, **options: Any) -> tuple[Path, str]:
        asked.append((repo_id, revision, options["patterns"]))
        return file.parent, "abc"

    monkeypatch.setattr("pipeline.fetch.hub.snapshot", snapshot)
    of_hub = locate("org/name/tiny.gguf", "v1", None)
    assert asked == [("org/name", "v1", ["tiny.gguf"])]
    assert of_hub.commit == "abc"
    names = ("model.safetensors", "tokenizer.json", "chat_template.jinja", "config.json")
    digests = [
        [hashlib.sha256((Path(located.folder) / name).read_bytes()).hexdigest() for name in names]
        for located in (packaged, of_hub)
    ]
    assert digests[0] == digests[1]


def test_which_of_several_files_is_asked(file: Path) -> None:
    (file.parent / "other.gguf").write_bytes(b"")
    message = problem(file.parent)
    assert "holds 2 GGUF files" in message and "other.gguf, tiny.gguf" in message


@pytest.mark.parametrize("broken", [b"", b"no GGUF at all" * 10, None])
def test_a_broken_file_is_refused_and_leaves_nothing(
    broken: bytes | None, file: Path, tmp_path: Path
) -> None:
    file.write_bytes(file.read_bytes()[:6000] if broken is None else broken)
    assert f"the GGUF file {file} cannot be read" in problem(file)
    assert not [entry for entry in (tmp_path / "cache" / "gguf").iterdir() if entry.is_dir()]


@pytest.mark.parametrize(
    ("there", "broken"),
    [
        # A text that is said to be longer than anything, and a number that is said to be a fraction.
        (struct.pack("<Q", 10) + b"<|im_end|>", struct.pack("<Q", 10 | 253 << 56) + b"<|im_end|>"),
        (b"llama.block_count\4\0\0\0\2", b"llama.block_count\6\0\0\0\2"),
    ],
    ids=["length", "type"],
)
def test_a_file_with_a_wrong_byte_is_refused(there: bytes, broken: bytes, file: Path) -> None:
    data = file.read_bytes()
    assert data.count(there) == 1
    file.write_bytes(data.replace(there, broken))
    assert f"the GGUF file {file} cannot be read" in problem(file)


def test_code_beside_the_file_is_never_run_nor_asked_about(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("asked on the terminal"))
    written = {"auto_map": {"AutoTokenizer": ["theirs.Theirs", None]}, "tokenizer_class": "Theirs"}
    (file.parent / "tokenizer_config.json").write_text(json.dumps(written))
    (file.parent / "theirs.py").write_text(f"open({str(tmp_path / 'exploded')!r}, 'w')\n")
    assert "contains custom code" in problem(file)
    assert not (tmp_path / "exploded").exists()


def test_without_the_extra_it_says_what_to_install(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    there = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *a: None if name == "gguf" else there(name, *a)
    )
    message = problem(file)
    assert "needs the package gguf" in message and "pip install 'hydratune[gguf]'" in message


def smollm2() -> tuple[Checkpoint, str]:
    values = yaml.safe_load((ROOT / "conf/model/smollm2.yaml").read_text())
    del values["_target_"]
    checkpoint = Checkpoint(**values)
    return checkpoint, checkpoint.locate().folder


@pytest.mark.slow
def test_the_packaged_smollm2_speaks_english() -> None:
    checkpoint, folder = smollm2()
    tokenizer = checkpoint.tokenizer(folder)
    model: Any = checkpoint.build(folder, ["causal_lm"], checkpoint.config(folder))[0].eval()
    question = [{"role": "user", "content": "What is the capital of France? Answer in one short sentence."}]
    prompt = tokenizer.apply_chat_template(
        question, add_generation_prompt=True, return_tensors="pt", return_dict=True
    )
    said = model.generate(**prompt, max_new_tokens=20, do_sample=False)[0, prompt["input_ids"].shape[1] :]
    assert "Paris" in tokenizer.decode(said)
    assert said[-1] == tokenizer.eos_token_id


@pytest.mark.acceptance
@pytest.mark.skipif("HYDRATUNE_DATA" not in os.environ, reason="needs HYDRATUNE_DATA")
def test_the_packaged_smollm2_knows_english() -> None:
    checkpoint, folder = smollm2()
    text = (Path(os.environ["HYDRATUNE_DATA"]) / "hf_samples/sample_text.txt").read_text(encoding="utf-8")
    ids = checkpoint.tokenizer(folder)(text, return_tensors="pt")["input_ids"]
    model: Any = checkpoint.build(folder, ["causal_lm"], checkpoint.config(folder))[0].eval()
    with torch.inference_mode():
        assert math.exp(model(ids, labels=ids).loss) < 70  # 59.4
