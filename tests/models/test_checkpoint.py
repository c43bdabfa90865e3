"""Tokenizers and models come as transformers makes them, and what is wrong with a checkpoint is said."""

import json
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
import yaml

from pipeline.compose.validation import validate
from pipeline.errors import BadInput
from pipeline.models.checkpoint import Checkpoint
from pipeline.strategies.parts import linear_modules
from tests.models import families
from tests.models.families import CLASSIFIERS, FAMILIES

CLASSIFIER = ["sequence_classification"]
MODELS = Path(__file__).parents[2] / "conf" / "model"


def build(folder: str, *, labels: int = 3, seed: int = 0, **options: Any) -> Any:
    checkpoint = Checkpoint(checkpoint=folder, **options)
    config = checkpoint.config(folder, id2label={number: f"label {number}" for number in range(labels)})
    torch.manual_seed(seed)
    return checkpoint.build(folder, CLASSIFIER, config)


def problem(call: Any, *arguments: Any, **options: Any) -> str:
    with pytest.raises(BadInput) as raised:
        call(*arguments, **options)
    return str(raised.value)


@pytest.mark.parametrize("family", CLASSIFIERS)
def test_every_family_loads_in_float32_with_a_new_head(family: str, tmp_path: Path) -> None:
    folder = families.pretrained(family, tmp_path / "checkpoint")
    # transformers 5 would load these in bfloat16.
    half = transformers.AutoModel.from_pretrained(folder, dtype=torch.bfloat16)
    half.save_pretrained(folder)
    model, report = build(folder)
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    assert model.config.num_labels == 3
    heads = {name.split(".")[0] for name in report.initialised}
    assert heads == set(FAMILIES[family].heads)
    backbone = model.base_model.state_dict()
    for name, weight in half.state_dict().items():
        if name in backbone:
            assert torch.equal(backbone[name], weight.float()), name


@pytest.mark.parametrize("family", CLASSIFIERS)
def test_the_meta_device_has_the_same_weights_without_their_values(family: str, tmp_path: Path) -> None:
    folder = families.pretrained(family, tmp_path / "checkpoint")
    model, loaded = build(folder)
    checkpoint = Checkpoint(checkpoint=folder)
    config = checkpoint.config(folder, id2label={0: "a", 1: "b", 2: "c"})
    meta, report = checkpoint.build(folder, CLASSIFIER, config, meta=True)
    assert {name: p.shape for name, p in meta.named_parameters()} == {
        name: p.shape for name, p in model.named_parameters()
    }
    assert all(parameter.is_meta for parameter in meta.parameters())
    assert report == loaded and report.initialised


@pytest.mark.parametrize("family", CLASSIFIERS)
def test_padding_does_not_change_an_example(family: str, tmp_path: Path) -> None:
    folder = families.pretrained(family, tmp_path / "checkpoint")
    model, _ = build(folder)
    tokenizer = Checkpoint(checkpoint=folder).tokenizer(folder)
    short, long = "a good film", "the plot of this film was not very good and it is dull"
    both = model(**tokenizer([short, long], padding=True, return_tensors="pt")).logits[0]
    alone = model(**tokenizer([short], return_tensors="pt")).logits[0]
    torch.testing.assert_close(both, alone, atol=1e-5, rtol=1e-4)


def test_a_new_head_depends_on_the_seed_alone(tmp_path: Path) -> None:
    folder = families.pretrained("bert", tmp_path / "checkpoint")
    one, again, other = (build(folder, seed=seed)[0].classifier.weight for seed in (0, 0, 1))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)
    torch.manual_seed(0)
    by_hand = transformers.AutoModelForSequenceClassification.from_pretrained(
        folder, num_labels=3, dtype=torch.float32
    )
    assert torch.equal(one, by_hand.classifier.weight)


def test_transformers_itself_stays_silent(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    folder = families.pretrained("xlnet", tmp_path / "checkpoint")
    capfd.readouterr()
    build(folder)
    Checkpoint(checkpoint=folder).tokenizer(folder)
    assert capfd.readouterr() == ("", "")


def test_a_head_for_other_classes_starts_anew(tmp_path: Path) -> None:
    folder = tmp_path / "five"
    families.classifier("bert", num_labels=5).save_pretrained(folder)
    families.tokenizer().save_pretrained(folder)
    model, report = build(str(folder), labels=3)
    assert model.classifier.weight.shape == (3, 32)
    assert set(report.initialised) == {"classifier.weight", "classifier.bias"}
    assert ("classifier.weight", (5, 32), (3, 32)) in report.mismatched
    assert not report.missing
    assert any("classifier.weight [5, 32] -> [3, 32]" in line for line in report.lines())


def test_what_is_unused_or_missing_is_reported(tmp_path: Path) -> None:
    folder = tmp_path / "masked"
    torch.manual_seed(0)
    # A masked language model has a head of its own, and no pooler.
    transformers.BertForMaskedLM(families.config("bert")).save_pretrained(folder)
    families.tokenizer().save_pretrained(folder)
    _, report = build(str(folder))
    assert set(report.missing) == {"bert.pooler.dense.weight", "bert.pooler.dense.bias"}
    assert set(report.initialised) - set(report.missing) == {"classifier.weight", "classifier.bias"}
    assert "cls.predictions.bias" in report.unexpected
    lines = report.lines()
    assert "newly initialised: classifier.bias, classifier.weight" in lines
    assert any(line.startswith("missing from the checkpoint's backbone") for line in lines)


def test_weights_of_another_architecture_are_refused(tmp_path: Path) -> None:
    folder = families.pretrained("bert", tmp_path / "checkpoint")
    families.classifier("llama").save_pretrained(tmp_path / "llama")
    (tmp_path / "llama" / "model.safetensors").rename(Path(folder) / "model.safetensors")
    assert "are not those of BertForSequenceClassification" in problem(build, folder)


def test_weights_of_another_size_are_refused(tmp_path: Path) -> None:
    folder = families.pretrained("bert", tmp_path / "checkpoint")
    path = Path(folder) / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "intermediate_size": 64}))
    message = problem(build, folder)
    assert "do not fit its config.json" in message
    assert "[48, 32] instead of [64, 32]" in message


def test_torch_files_are_read_as_data(tmp_path: Path) -> None:
    folder = Path(families.pretrained("bert", tmp_path / "checkpoint"))
    expected, _ = build(str(folder))
    weights = folder / "model.safetensors"
    model = transformers.AutoModel.from_pretrained(folder)
    torch.save(model.state_dict(), folder / "pytorch_model.bin")
    weights.unlink()
    model, _ = build(str(folder))
    assert torch.equal(model.classifier.weight, expected.classifier.weight)
    assert torch.equal(model.bert.pooler.dense.weight, expected.bert.pooler.dense.weight)


class Bomb:
    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (Path(__file__).parent / "exploded",)


def test_pickled_code_is_never_run(tmp_path: Path) -> None:
    folder = Path(families.pretrained("bert", tmp_path / "checkpoint"))
    (folder / "model.safetensors").unlink()
    torch.save({"bert.embeddings": Bomb()}, folder / "pytorch_model.bin", pickle_module=pickle)
    assert f"the weights in {folder} cannot be read" in problem(build, str(folder))
    assert not (Path(__file__).parent / "exploded").exists()


def test_broken_safetensors_are_refused(tmp_path: Path) -> None:
    folder = Path(families.pretrained("bert", tmp_path / "checkpoint"))
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:2000])
    assert f"the weights in {folder} cannot be read" in problem(build, str(folder))


def test_a_folder_without_weights(tmp_path: Path) -> None:
    folder = Path(families.pretrained("bert", tmp_path / "checkpoint"))
    (folder / "model.safetensors").unlink()
    message = problem(build, str(folder))
    assert "there are no weights" in message and "config.json" in message


def write_config(folder: Path, **values: Any) -> str:
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(values))
    return str(folder)


def test_code_of_a_checkpoint_is_never_run(tmp_path: Path) -> None:
    auto_map = {"AutoConfig": "mine.MyConfig"}
    folder = write_config(tmp_path / "custom", model_type="mine", auto_map=auto_map)
    (Path(folder) / "mine.py").write_text(f"open({str(tmp_path / 'exploded')!r}, 'w')")
    assert "trust_remote_code" in problem(Checkpoint(checkpoint=folder).config, folder)
    assert not (tmp_path / "exploded").exists()


def test_an_unknown_architecture_names_the_nearest(tmp_path: Path) -> None:
    folder = write_config(tmp_path / "unknown", model_type="robrta")
    message = problem(Checkpoint(checkpoint=folder).config, folder)
    assert "no model_type 'robrta'" in message and "did you mean: roberta" in message


def test_folders_that_are_no_checkpoint(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "has no config.json" in problem(Checkpoint(checkpoint=str(empty)).config, str(empty))
    (empty / "adapter_config.json").write_text("{}")
    assert "holds an adapter" in problem(Checkpoint(checkpoint=str(empty)).config, str(empty))
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "config.json").write_text("{")
    assert "config.json: is not JSON" in problem(Checkpoint(checkpoint=str(broken)).config, str(broken))
    (broken / "config.json").write_text('{"model_type": "bert", "hidden_size": "wide"}')
    message = problem(Checkpoint(checkpoint=str(broken)).config, str(broken))
    assert "config.json cannot be read" in message and "hidden_size" in message


def test_an_architecture_without_the_task_says_which_have_it(tmp_path: Path) -> None:
    folder = tmp_path / "vision"
    transformers.ViTConfig().save_pretrained(folder)
    checkpoint = Checkpoint(checkpoint=str(folder))
    message = problem(checkpoint.build, str(folder), CLASSIFIER, checkpoint.config(str(folder)))
    assert "vit cannot do SequenceClassification" in message
    assert "no AutoModelForSequenceClassification" in message and "roberta" in message


def test_a_checkpoint_without_tokenizer(tmp_path: Path) -> None:
    folder = tmp_path / "bare"
    families.classifier("bert").save_pretrained(folder)
    assert "there is no tokenizer" in problem(Checkpoint(checkpoint=str(folder)).tokenizer, str(folder))


def test_a_decoder_pads_with_the_end_of_text_and_its_model_knows(tmp_path: Path) -> None:
    folder = families.pretrained("gpt2", tmp_path / "checkpoint")
    tokenizer = Checkpoint(checkpoint=folder).tokenizer(folder)
    assert tokenizer.pad_token == tokenizer.eos_token == "[SEP]"
    model, _ = build(folder)
    assert model.config.pad_token_id == tokenizer.pad_token_id == 3


def test_a_tokenizer_that_cannot_pad(tmp_path: Path) -> None:
    folder = families.pretrained("gpt2", tmp_path / "checkpoint")
    tokenizer = families.tokenizer(decoder=True)
    tokenizer.eos_token = None
    tokenizer.save_pretrained(folder)
    assert "neither a padding" in problem(Checkpoint(checkpoint=folder).tokenizer, folder)


def test_a_padding_token_that_the_model_has_no_room_for_is_not_used(tmp_path: Path) -> None:
    folder = families.pretrained("llama", tmp_path / "checkpoint")
    families.tokenizer(decoder=True, pad_token="<added>").save_pretrained(folder)
    tokenizer = Checkpoint(checkpoint=folder).tokenizer(folder)
    assert tokenizer.pad_token == tokenizer.eos_token


def test_the_model_decides_what_is_padding(tmp_path: Path) -> None:
    folder = families.pretrained("bert", tmp_path / "checkpoint")
    families.tokenizer().save_pretrained(folder)
    wrong = transformers.AutoTokenizer.from_pretrained(folder)
    wrong.pad_token = "[UNK]"
    wrong.save_pretrained(folder)
    assert Checkpoint(checkpoint=folder).tokenizer(folder).pad_token == "[PAD]"


@pytest.mark.parametrize(
    ("family", "options", "expected"),
    [
        ("bert", {"max_position_embeddings": 40}, 40),
        # 66 positions of which the first is the padding token's (number 0).
        ("roberta", {}, 65),
        ("gpt2", {"n_positions": 40}, 40),
        ("llama", {"max_position_embeddings": 50}, 50),
        ("xlnet", {}, None),
    ],
)
def test_the_longest_input_is_what_the_model_can_take(
    family: str, options: dict[str, int], expected: int | None, tmp_path: Path
) -> None:
    folder = families.pretrained(family, tmp_path / "checkpoint", **options)
    longest = Checkpoint(checkpoint=folder).tokenizer(folder).model_max_length
    if expected is None:
        assert longest > 10**9
        return
    assert longest == expected
    model, _ = build(folder)
    if family != "llama":  # Rotary positions are not bounded by a table.
        model(input_ids=torch.full((1, longest), 5))
        with pytest.raises((IndexError, RuntimeError)):
            model(input_ids=torch.full((1, longest + 1), 5))


def test_only_inputs_that_the_model_accepts(tmp_path: Path) -> None:
    folder = families.pretrained("distilbert", tmp_path / "checkpoint")
    assert "token_type_ids" in transformers.AutoTokenizer.from_pretrained(folder).model_input_names
    assert Checkpoint(checkpoint=folder).tokenizer(folder).model_input_names == [
        "input_ids",
        "attention_mask",
    ]


@pytest.mark.parametrize("family", CLASSIFIERS)
def test_dropout_reaches_every_module(family: str, tmp_path: Path) -> None:
    folder = families.pretrained(family, tmp_path / "checkpoint")
    model, _ = build(folder, dropout=0.0)
    model.train()
    inputs = {"input_ids": torch.tensor([[2, 4, 5, 3]])}
    assert torch.equal(model(**inputs).logits, model(**inputs).logits)


def test_no_dropout_drops_no_layers_and_reaches_the_configuration_inside(tmp_path: Path) -> None:
    bart = families.config("bart", encoder_layerdrop=0.1)
    bart.save_pretrained(tmp_path / "bart")
    found = {
        value: Checkpoint(checkpoint="x", dropout=value).config(str(tmp_path / "bart"))
        for value in (0.0, 0.2)
    }
    assert (found[0.0].encoder_layerdrop, found[0.2].encoder_layerdrop) == (0.0, 0.1)
    assert (found[0.2].dropout, found[0.2].attention_dropout, found[0.2].classifier_dropout) == (0.2,) * 3
    text = {"hidden_size": 32, "num_hidden_layers": 1, "attention_dropout": 0.1}
    transformers.Gemma3Config(text_config=text).save_pretrained(tmp_path / "gemma3")
    inside = Checkpoint(checkpoint="x", dropout=0.0).config(str(tmp_path / "gemma3")).get_text_config()
    assert inside.attention_dropout == 0.0


def test_the_attention_kernel_can_be_chosen(tmp_path: Path) -> None:
    folder = families.pretrained("bert", tmp_path / "checkpoint")
    assert build(folder, attention="eager")[0].config._attn_implementation == "eager"
    assert build(folder)[0].config._attn_implementation == "sdpa"
    assert "cannot be loaded" in problem(build, folder, attention="no_such_kernel")
    checkpoint = Checkpoint(checkpoint=folder, attention="no_such_kernel")
    config = checkpoint.config(folder)
    assert "cannot be made" in problem(checkpoint.build, folder, CLASSIFIER, config, meta=True)


@pytest.mark.parametrize("option", sorted(file.stem for file in MODELS.glob("*.yaml")))
def test_a_shipped_model_is_a_checkpoint_whose_lora_modules_exist(option: str) -> None:
    text = (MODELS / f"{option}.yaml").read_text()
    assert text.startswith("# "), "the first line describes the option"
    values = yaml.safe_load(text)
    assert values.pop("_target_") == "pipeline.models.checkpoint.Checkpoint"
    if option == "auto":
        assert values["checkpoint"] == "???" and values["lora_modules"] == "all-linear"
        assert values["heads"] is None
        return
    checkpoint = Checkpoint(**values)
    assert checkpoint.licence
    model = families.random_model(families.family_of(option), "AutoModel")
    linear = set(linear_modules(model))
    adapted = {full for full in linear for name in checkpoint.lora_modules if f".{full}".endswith(f".{name}")}
    for name in checkpoint.lora_modules:
        assert [full for full in adapted if f".{full}".endswith(f".{name}")], name
    if option not in ("deberta_v3_base", "electra_base"):  # What they leave out is not in the layers.
        assert {full for full in linear - adapted if "pooler" not in full} == set()


def test_where_texts_are_filled_up_can_be_chosen(tmp_path: Path) -> None:
    folder = families.pretrained("llama", tmp_path / "checkpoint")
    assert Checkpoint(checkpoint=folder).tokenizer(folder).padding_side == "right"
    assert Checkpoint(checkpoint=folder, padding_side="left").tokenizer(folder).padding_side == "left"


def test_a_head_that_there_is_not_is_told_of() -> None:
    _, (problem,) = validate(Checkpoint, {"checkpoint": "a/b", "heads": ["masked_ml"]}, "model")
    assert problem.where == "model.heads.0" and "'masked_ml' is not allowed" in problem.what
    assert problem.nearest == "masked_lm" and "seq2seq_lm" in problem.allowed


def test_the_packaged_checkpoint() -> None:
    values = yaml.safe_load((MODELS / "bert.yaml").read_text())
    values.pop("_target_")
    checkpoint = Checkpoint(**values)
    located = checkpoint.locate()
    tokenizer = checkpoint.tokenizer(located.folder)
    assert tokenizer.model_max_length == 512
    ids = tokenizer("A gripping film.")["input_ids"]
    assert tokenizer.convert_ids_to_tokens(ids) == ["[CLS]", "a", "gripping", "film", ".", "[SEP]"]
    model, report = build(located.folder)
    assert set(report.initialised) == {"classifier.weight", "classifier.bias"}
    assert not report.unexpected
    assert sum(p.numel() for p in model.bert.parameters()) == 22_713_216
