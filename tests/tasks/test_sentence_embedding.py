"""Embeddings are those of sentence-transformers' recipe, a run learns every form of data, and scores do not depend
on how rows are cut into batches."""

import dataclasses
import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from datasets import Dataset, DatasetDict
from transformers import AutoModel, AutoModelForTextEncoding

from pipeline import Run
from pipeline.errors import BadInput
from pipeline.models.checkpoint import Checkpoint
from pipeline.strategies.lora import Lora
from pipeline.tasks.sentence_embedding import SentenceEmbedding
from tests.conftest import Command
from tests.models import families
from tests.tasks.parts import NO_TOKENIZER, answers

SAMPLES = Path(__file__).parent / "samples/sentence_embedding.jsonl"
PAIRS = [json.loads(line) for line in SAMPLES.read_text("utf-8").splitlines()]
TEXTS = [row["text"] for row in PAIRS]
LABELLED = [{"text": row["text"], "label": f"c{i % 4}"} for i, row in enumerate(PAIRS)]
TRIPLETS = [{**row, "negative": [PAIRS[i - 1]["text"], PAIRS[i - 2]["text"]]} for i, row in enumerate(PAIRS)]
SCORED = [
    {"text": row["text"], "text_pair": row["positive"], "score": float(i % 6)} for i, row in enumerate(PAIRS)
]
FORMS = {"pairs": PAIRS, "triplets": TRIPLETS, "scored": SCORED, "labelled": LABELLED}


def columns_of(rows: list[dict[str, Any]]) -> dict[str, list[Any]]:
    return {name: [row[name] for row in rows] for name in rows[0]}


def prepared(folder: str, rows: list[dict[str, Any]], **options: Any) -> Any:
    """Task, head, model and tokenizer."""
    task, checkpoint = SentenceEmbedding(**options), Checkpoint(checkpoint=folder)
    data = DatasetDict(train=Dataset.from_list(rows))
    head = task.learn(data, checkpoint.config(folder))
    torch.manual_seed(0)
    model, _ = task.load(checkpoint, folder, head)
    return task, head, model.eval(), checkpoint.tokenizer(folder)


def batch_of(task: Any, head: Any, tokenizer: Any, rows: list[dict[str, Any]]) -> Any:
    features = task.encode(columns_of(rows), tokenizer, head)
    return task.collate([{n: v[i] for n, v in features.items()} for i in range(len(rows))], tokenizer)


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> str:
    return families.pretrained("bert", tmp_path_factory.mktemp("bert"))


@pytest.mark.parametrize("family", ["bert", "xlnet", "gpt2", "llama", "t5"])
def test_texts_are_embedded_as_by_hand(family: str, tmp_path: Path) -> None:
    """Each text alone through plain transformers, its hidden states pooled by numpy."""
    folder = families.pretrained(family, tmp_path / "checkpoint")
    task, head, model, tokenizer = prepared(folder, TRIPLETS)
    found = task.predict(model, batch_of(task, head, tokenizer, TRIPLETS[:3]))
    auto = AutoModelForTextEncoding if family == "t5" else AutoModel
    plain = auto.from_pretrained(folder, dtype=torch.float32).eval()
    assert head["pooling"] == {"gpt2": "last", "llama": "last"}.get(family, "mean")
    for row, embeddings in zip(TRIPLETS, found, strict=False):
        texts = [row["text"], row["positive"], *row["negative"]]
        assert len(embeddings) == len(texts) == 4
        for text, embedding in zip(texts, embeddings, strict=True):
            inputs = {
                name: value
                for name, value in tokenizer(text, return_tensors="pt").items()
                if name in tokenizer.model_input_names
            }
            with torch.inference_mode():
                hidden = plain(**inputs).last_hidden_state[0].double().numpy()
            pooled = hidden[-1] if head["pooling"] == "last" else hidden.mean(0)
            np.testing.assert_allclose(embedding.detach(), pooled / np.linalg.norm(pooled), atol=1e-5)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("objective", [None, "triplet", "cosent"])
def test_every_objective_has_a_gradient_for_every_weight(form: str, objective: Any, bert: str) -> None:
    """As DDP needs it; also of BERT's pooler, which pools nothing here."""
    if objective is not None and (form, objective) not in (("triplets", "triplet"), ("scored", "cosent")):
        with pytest.raises(BadInput, match="objective"):
            prepared(bert, FORMS[form], objective=objective)
        return
    task, head, model, tokenizer = prepared(bert, FORMS[form], objective=objective)
    output = task.loss(model, batch_of(task, head, tokenizer, FORMS[form][:8]))
    (output.loss / output.weight).backward()
    assert output.loss.isfinite() and output.weight == 8
    assert all(weight.grad is not None and weight.grad.isfinite().all() for weight in model.parameters())


def test_an_adapter_changes_nothing_before_it_is_trained(bert: str) -> None:
    task, head, model, tokenizer = prepared(bert, PAIRS)
    batch = batch_of(task, head, tokenizer, PAIRS[:8])
    expected = task.loss(model, batch).loss
    adapted = Lora(modules=["query", "dense"]).adapt(model).eval()
    assert {
        n.rpartition(".lora")[0] for n, p in adapted.named_parameters() if p.requires_grad and ".lora" in n
    }
    torch.testing.assert_close(task.loss(adapted, batch).loss, expected)


@pytest.mark.parametrize("form", FORMS)
def test_scores_do_not_depend_on_batches(form: str, bert: str) -> None:
    from pipeline.training.answers import Answers
    from pipeline.training.scoring import Scorer

    task, head, model, tokenizer = prepared(bert, FORMS[form])
    found = []
    for size in (1, 5, 24):
        scorer = Scorer(
            task, head, torch.device("cpu"), answers=Answers.__new__(Answers), tokenizer=tokenizer
        )
        for start in range(0, 24, size):
            batch = batch_of(task, head, tokenizer, FORMS[form][start : start + size])
            with torch.inference_mode():
                scorer.update(task.score(model, batch), torch.arange(start, start + len(batch["counts"])))
        found.append(scorer.compute().values)
    assert found[0]["loss"] > 0
    assert found[0] == pytest.approx(found[1], abs=1e-5) and found[0] == pytest.approx(found[2], abs=1e-5)
    assert found[0].keys() == task.directions(head).keys()
    assert task.monitor_for(head) in found[0]


def test_prefixes_go_before_what_asks_and_what_is_found(bert: str) -> None:
    task, head, _, tokenizer = prepared(bert, TRIPLETS, query_prefix="the film ", passage_prefix="a plot ")
    features = task.encode(columns_of(TRIPLETS[:1]), tokenizer, head)
    texts = [tokenizer.decode(ids, skip_special_tokens=True) for ids in features["input_ids"][0]]
    assert [text[:8].strip() for text in texts] == ["the film", "a plot t", "a plot g", "a plot t"]
    plain = SentenceEmbedding().encode(columns_of(TRIPLETS[:1]), tokenizer, head)
    assert plain["text_ids"] == features["text_ids"]
    asked = task.encode_inputs({"text": ["good"], "positive": ["bad"]}, tokenizer, head)
    assert tokenizer.decode(asked["input_ids"][0][0], skip_special_tokens=True) == "the film good"
    scored, head, _, tokenizer = prepared(bert, SCORED, query_prefix="the film ", passage_prefix="a plot ")
    both = scored.encode(columns_of(SCORED[:1]), tokenizer, head)["input_ids"][0]
    assert all(tokenizer.decode(ids, skip_special_tokens=True).startswith("the film") for ids in both)


def test_predictions_for_people() -> None:
    one, two = torch.tensor([[0.6, 0.8]]), torch.tensor([[0.6, 0.8], [1.0, 0.0]])
    said = SentenceEmbedding().decode(answers([one, two]), NO_TOKENIZER, {})
    assert said == [{"embedding": [0.6, 0.8]}, {"similarity": 0.6}]


@pytest.mark.parametrize(
    ("rows", "options", "said"),
    [
        (SCORED, {"score_range": (0, 4)}, r"scores outside of 0 to 4: row 6 of train"),
        (SCORED, {"score_range": (4, 0)}, r"task\.score_range"),
        ([{**row, "score": 2.0} for row in SCORED], {}, "all scores are 2"),
        ([{"text": "a"}], {}, "nothing says which texts are alike"),
        (PAIRS, {"objective": "cosent"}, "cosent does not suit pairs rows: contrastive or triplet|cosent"),
        (PAIRS, {"objective": "triplet"}, "no negative|negative"),
        ([{**LABELLED[0]}] * 3, {}, "only the label"),
        (LABELLED[:4], {}, "no label has two"),
    ],
)
def test_data_that_cannot_be_learned(rows: Any, options: Any, said: str, bert: str) -> None:
    with pytest.raises(BadInput, match=said):
        prepared(bert, rows, **options)


def test_a_text_alone_has_nothing_to_be_compared_with() -> None:
    from tests.specs import spec_of

    with pytest.raises(BadInput, match=r"trainer\.batch_size: is 1"):
        spec_of(["task=sentence_embedding", "logger=none", "trainer.batch_size=1"])
    with pytest.raises(BadInput, match=r"hardware\.micro_batch: is 1"):
        spec_of(["task=sentence_embedding", "logger=none", "hardware.micro_batch=1"])
    assert spec_of(
        ["task=sentence_embedding", "task.objective=cosine", "logger=none", "trainer.batch_size=1"]
    )


KEYS = [
    "task=sentence_embedding",
    "model=auto",
    "data=files",
    "hardware=cpu",
    "hardware.threads=1",
    "logger=csv",
]


def keys(folder: str, rows: Any, tmp_path: Path) -> list[str]:
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    places = [f"model.checkpoint={folder}", f"data.train={tmp_path}/rows.jsonl", f"paths.outputs={tmp_path}"]
    return [*KEYS, *places, "data.split.validation=0.3", "data.split.test=0.3"]


@pytest.mark.parametrize(
    ("form", "strategy"),
    [
        ("triplets", "lora"),
        pytest.param("labelled", "full", marks=pytest.mark.slow),
        pytest.param("scored", "full", marks=pytest.mark.slow),
    ],
)
def test_a_run(form: str, strategy: str, bert: str, tmp_path: Path) -> None:
    words = keys(bert, FORMS[form], tmp_path)
    run = Run.train([*words, f"strategy={strategy}", "trainer.max_steps=2", "trainer.batch_size=8"])
    metrics = run.metrics
    assert metrics["monitor"] == ("val/spearman" if form == "scored" else "val/mrr_at_10")
    assert run.evaluate() == pytest.approx(
        {k: metrics[k] for k in metrics if k.startswith(("test/", "val/"))}
    )
    (said,) = run.predict(["good 猫 🐈 film\r\n"])
    assert len(said["embedding"]) == 32 and np.linalg.norm(said["embedding"]) == pytest.approx(1, abs=1e-4)
    (pair,) = run.predict([{"text": "a film", "text_pair": "a film"}])
    assert pair["similarity"] == pytest.approx(1, abs=1e-5)
    layout = {path.name for path in run.folder.glob("model/*")}
    assert {"modules.json", "1_Pooling", "config_sentence_transformers.json"} <= layout


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMS)
def test_two_processes_score_each_row_once(form: str, bert: str, tmp_path: Path, command: Command) -> None:
    """What both score together of 7 test rows is what one process alone scores."""
    words = [*keys(bert, FORMS[form], tmp_path), "trainer.max_steps=2", "trainer.batch_size=8"]
    ddp = ["hardware=ddp", "hardware.accelerator=cpu", "hardware.devices=2", "hardware.threads=1"]
    done = command("train", *words, *ddp)
    assert done.returncode == 0, done.stderr[-3000:]
    (metrics,) = tmp_path.glob("sentence_embedding/*/*/metrics.json")
    run = Run(metrics.parent)
    scores = run.evaluate()
    assert scores and scores == pytest.approx({name: run.metrics[name] for name in scores}, abs=1e-5)
    assert len((run.folder / "predictions/test.jsonl").read_text().splitlines()) == 7


def test_sentence_transformers_makes_the_same_embeddings(bert: str, tmp_path: Path) -> None:
    library = pytest.importorskip("sentence_transformers")
    words = [*keys(bert, PAIRS, tmp_path), "task.query_prefix='the film '", "trainer.max_steps=1"]
    run = Run.train(words)
    said = [row["embedding"] for row in run.predict(TEXTS)]
    theirs = library.SentenceTransformer(str(run.folder / "model"), device="cpu")
    np.testing.assert_allclose(theirs.encode(TEXTS, prompt_name="query"), said, atol=1e-5)


def test_frozen_backbone_has_nothing_to_train(bert: str, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="full"):
        Run.train([*keys(bert, PAIRS, tmp_path), "strategy=frozen_backbone"])


def test_an_encoder_and_decoder_without_an_encoder_of_its_own(tmp_path: Path) -> None:
    folder = families.pretrained("bart", tmp_path / "bart")
    with pytest.raises(BadInput, match="bart"):
        Run.prepare(keys(folder, PAIRS, tmp_path))


@pytest.mark.acceptance
@pytest.mark.slow
def test_sts_b_starts_where_minilm_is_published(minilm: Path, tmp_path: Path) -> None:
    """Cosine Spearman 82.03 on the test set, as in the results of MTEB (STSBenchmark)."""
    folder = Path(os.environ.get("HYDRATUNE_DATA", "")) / "glue_stsb"
    if not (folder / "test.jsonl").is_file():
        pytest.skip("no HYDRATUNE_DATA")
    shutil.copy(folder / "test.jsonl", tmp_path / "test.jsonl")
    run = Run.train(
        [
            *(key for key in KEYS if key != "model=auto"),
            "train=false",
            "model=bert",
            f"data.test={tmp_path}/test.jsonl",
            "data.columns={text: sentence1, text_pair: sentence2}",
            "task.score_range=[0,5]",
            f"paths.outputs={tmp_path}",
        ]
    )
    assert run.metrics["test/spearman"] == pytest.approx(0.8203, abs=2e-3)


def test_the_shipped_task_states_the_defaults_of_its_class() -> None:
    file = Path(__file__).parents[2] / "conf/task/sentence_embedding.yaml"
    values = yaml.safe_load(file.read_text(encoding="utf-8"))
    assert values.pop("_target_") == "pipeline.tasks.sentence_embedding.SentenceEmbedding"
    assert SentenceEmbedding(**values) == SentenceEmbedding()
    assert set(values) == {field.name for field in dataclasses.fields(SentenceEmbedding)}
