"""Several runs that vote, compared with the mean of what each of them says by itself."""

import json
import shutil
from pathlib import Path

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from sklearn import metrics as sklearn

from pipeline import Run
from pipeline.errors import BadInput
from pipeline.evaluate import main
from tests.models import families
from tests.outcomes import code_of

SAMPLES = Path(__file__).parents[1] / "tasks/samples"


@pytest.fixture
def other(finished: Path, tmp_path: Path) -> Path:
    """The finished run with another head."""
    target = shutil.copytree(finished, tmp_path / "other")
    weights = load_file(target / "model/model.safetensors")
    weights["classifier.weight"] = weights["classifier.weight"].flip(1) * 3
    save_file(weights, target / "model/model.safetensors", metadata={"format": "pt"})
    return target


def test_the_mean_of_probabilities_is_scored(finished: Path, other: Path, tmp_path: Path, capsys):
    output = tmp_path / "scores.json"
    assert code_of(main, f"run=[{finished},{other}]", f"output={output}") == 0
    assert "test/members" in capsys.readouterr().out
    rows = [json.loads(line) for line in (finished / "predictions/test.jsonl").open()]
    texts, truth = (
        [row["text"] for row in rows],
        torch.tensor([row["label"] == "good" for row in rows]).long(),
    )
    said = [
        torch.tensor([[each["scores"]["bad"], each["scores"]["good"]] for each in Run(run).predict(texts)])
        for run in (finished, other)
    ]
    together = (said[0] + said[1]) / 2
    content = json.loads(output.read_text())
    metrics, table = content["metrics"], content["tables"]["test/members"]
    assert metrics["test/accuracy"] == pytest.approx(float((together.argmax(1) == truth).double().mean()))
    assert metrics["test/auroc"] == pytest.approx(sklearn.roc_auc_score(truth, together[:, 1]))
    loss = torch.nn.functional.nll_loss(together.log(), truth)
    assert metrics["test/loss"] == pytest.approx(float(loss), abs=1e-5)
    (shown,) = [row for row in table if row[0] == "accuracy"]
    alone = [float((each.argmax(1) == truth).double().mean()) for each in said]
    assert list(map(float, shown[1:])) == pytest.approx([*alone, metrics["test/accuracy"]], abs=5e-5)
    assert alone[0] != alone[1]
    assert Run(finished).evaluate(others=[Run(other)]) == pytest.approx(metrics)


def test_what_cannot_vote_is_refused_by_name(finished: Path, other: Path, capsys):
    manifest = other / "manifest.json"
    text = manifest.read_text()
    manifest.write_text(text.replace('"good"', '"nice"'))
    assert code_of(main, f"run=[{finished},{other}]") == 2
    assert "have different labels: bad, nice; bad, good" in capsys.readouterr().err
    manifest.write_text(text)
    assert code_of(main, f"run=[{finished},{other}x,{finished}y]") == 2
    assert capsys.readouterr().err.count("run: there is no folder") == 2
    assert code_of(main, f"run=[{finished},{{]") == 2
    assert "is no list of folders" in capsys.readouterr().err


def test_rows_that_one_was_trained_on_are_no_test(finished: Path, other: Path, reviews: Path):
    """The other run held out other rows of the same file."""
    config = other / "config.yaml"
    config.write_text(config.read_text().replace("    seed: 0", "    seed: 1"))
    with pytest.raises(BadInput, match="the model was trained on a part of the others"):
        Run(finished).evaluate(others=[Run(other)])


def train(task: str, model: str, folder: Path) -> Run:
    return Run.train(
        [
            f"task={task}",
            "model=auto",
            f"model.checkpoint={model}",
            "data=files",
            f"data.train={SAMPLES / f'{task}.jsonl'}",
            f"data.test={SAMPLES / f'{task}.jsonl'}",
            "data.audit=off",
            "trainer.max_steps=1",
            "optimizer.lr=0.1",
            "hardware=cpu",
            "hardware.threads=1",
            "logger=none",
            f"paths.outputs={folder}",
        ]
    )


@pytest.mark.slow
def test_tags_of_models_with_other_tokenizers(tiny_bert: Path, tmp_path: Path):
    """BERT cuts words into pieces, the other model knows whole words only."""
    words = families.with_head("roberta", "AutoModelForMaskedLM", tmp_path / "roberta")
    runs = [train("token_classification", str(model), tmp_path) for model in (tiny_bert, words)]
    metrics = runs[0].evaluate(others=runs[1:])
    rows = [json.loads(line) for line in (SAMPLES / "token_classification.jsonl").open()]
    parts = []
    for run in runs:
        tokenizer = transformers.AutoTokenizer.from_pretrained(run.folder / "model")
        model = transformers.AutoModelForTokenClassification.from_pretrained(run.folder / "model")
        said = []
        for row in rows:
            encoded = tokenizer(row["tokens"], is_split_into_words=True, return_tensors="pt")
            of_word = encoded.word_ids()
            first = [of_word.index(word) for word in range(len(row["tokens"]))]
            with torch.inference_mode():
                said.append(model(**encoded).logits[0, first].softmax(-1))
        parts.append(torch.cat(said))
    together = (parts[0] + parts[1]) / 2
    tags = torch.tensor([model.config.label2id[tag] for row in rows for tag in row["tags"]])
    assert metrics["test/loss"] == pytest.approx(
        float(torch.nn.functional.nll_loss(together.log(), tags)), abs=1e-5
    )
    assert metrics["test/accuracy"] == pytest.approx(float((together.argmax(1) == tags).double().mean()))
