"""Chains of stages through the whole program, with a model so small that it only shows what is kept and what is new."""

import hashlib
import json
import signal
import subprocess
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from pipeline import Run
from pipeline.chain import table
from pipeline.errors import BadInput, Diverged
from tests.conftest import kill, small_keys, start

STAGES = {
    "read": ("masked_lm", "task: {max_length: 24}\n"),
    "read_more": ("masked_lm", "task: {max_length: 24}\noptimizer: {lr: 5e-4}\n"),
    "sort": ("text_classification", "task: {max_length: 24}\n"),
}


def words(tiny_bert: Path, reviews: Path) -> list[str]:
    """A chain on the made-up reviews of a model from scratch; only the last stage is told where the labels are."""
    keys = [key for key in small_keys(tiny_bert, reviews) if not key.startswith("data.columns.label")]
    return [
        *keys,
        "stages=[read,read_more,sort]",
        "stage.sort.data.columns.label=verdict",
        # As the task that reads the labels does by itself: so all stages hold out the same rows.
        "stage.read.data.split.stratify_by=verdict",
        "stage.read_more.data.split.stratify_by=verdict",
        "model.from_scratch=true",
        "model.sizes.num_hidden_layers=1",
        "model.vocab_size=120",
        "trainer.max_epochs=1",
        "logger=none",
    ]


def write_stages(folder: Path) -> None:
    (folder / "conf/stage").mkdir(parents=True)
    for name, (task, values) in STAGES.items():
        text = f"# @package _global_\n# A stage.\ndefaults:\n  - override /task: {task}\n  - _self_\n{values}"
        (folder / f"conf/stage/{name}.yaml").write_text(text)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's folder with three stages."""
    folder = tmp_path_factory.mktemp("chain")
    write_stages(folder)
    return folder


@pytest.fixture(autouse=True)
def there(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)


@pytest.fixture
def chain(tiny_bert: Path, reviews: Path) -> list[str]:
    return words(tiny_bert, reviews)


@pytest.fixture(scope="module")
def last(folder: Path, tiny_bert: Path, reviews: Path) -> Run:
    """The last run of a finished chain. Read it only."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        return Run.train(words(tiny_bert, reviews))


def lineage(run: Run) -> list[Run]:
    """The runs of a chain, the first one first, by what the manifests say."""
    source = run.manifest["stage"]["from"]
    return [*lineage(Run(source["folder"])), run] if source else [run]


def weights(run: Run) -> list[str]:
    """Hashes of the models of a chain, the first one first."""
    files = [one.folder / "model/model.safetensors" for one in lineage(run)]
    return [hashlib.sha256(file.read_bytes()).hexdigest() for file in files]


def test_each_stage_is_a_run_that_starts_from_the_one_before(last: Run):
    from safetensors.torch import load_file

    runs = lineage(last)
    assert [run.manifest["stage"]["name"] for run in runs] == ["read", "read_more", "sort"]
    assert [(run.manifest["stage"]["number"], run.manifest["stage"]["of"]) for run in runs] == [
        (1, 3),
        (2, 3),
        (3, 3),
    ]
    assert all(run.state == "finished" for run in runs) and len({run.manifest["id"] for run in runs}) == 3
    assert runs[1].manifest["stage"]["from"]["id"] == runs[0].manifest["id"]
    assert runs[2].config["model"]["checkpoint"] == str(runs[1].folder)
    assert "test/accuracy" in last.metrics and "val/perplexity" in runs[0].metrics
    tokenizers = {(run.folder / "model/tokenizer.json").read_bytes() for run in runs}
    assert len(tokenizers) == 1 and len(json.loads(tokenizers.pop())["model"]["vocab"]) == 120
    # What two stages have in common was loaded: new are the head, and the pooler, which masked words do not train.
    new = [line for line in runs[2].manifest["weights"] if "random" in line or "newly" in line]
    assert runs[1].manifest["weights"] == [] and len(new) == 2
    assert "classifier" in new[0] and new[1].endswith("bert.pooler.dense.bias, bert.pooler.dense.weight")
    first, second = (load_file(run.folder / "model/model.safetensors") for run in runs[:2])
    moved = max(float((first[name] - second[name]).abs().max()) for name in first)
    assert first.keys() == second.keys() and 0 < moved < 0.05


def test_the_model_card_says_where_the_weights_come_from(last: Run):
    card = (last.folder / "README.md").read_text()
    assert "stage 3 of 3 of a chain, `sort`" in card and lineage(last)[1].manifest["id"] in card


def test_what_comes_before_a_changed_stage_is_kept(
    last: Run, chain: list[str], capsys: pytest.CaptureFixture
):
    starts = [run.manifest["starts"] for run in lineage(last)]
    again = Run.train([*chain, "resume=auto", "stage.sort.seed=1"])
    assert again.folder != last.folder
    assert [run.folder for run in lineage(again)[:2]] == [run.folder for run in lineage(last)[:2]]
    assert [run.manifest["starts"] for run in lineage(last)] == starts == [1, 1, 1]
    assert capsys.readouterr().err.count("has finished before and is kept") == 2


def test_every_stage_is_planned_with_the_model_that_is_yet_to_be_trained(chain: list[str], tmp_path: Path):
    outputs = f"paths.outputs={tmp_path}"
    plan = Run.plan([*chain, outputs, "stage.sort.trainer.max_epochs=2"])
    assert plan["sort: labels"].startswith("2: ") and plan["read: steps"].startswith("4 = 1 epoch")
    assert plan["sort: steps"].startswith("12 = 2 epochs")
    assert plan["sort: starts from"] == "the model that read_more leaves" and "read: starts from" not in plan
    assert plan["sort: seen before"].startswith("no row")
    assert not any(tmp_path.iterdir())
    whole = int(plan["sort: parameters"].split(" trained")[0].replace(",", ""))
    saved = Run.prepare([*chain, outputs]).total
    assert whole == saved < 30_000  # one layer and 120 words, not the checkpoint's two and 30,522


def test_rows_that_were_trained_on_are_told(chain: list[str], reviews: Path):
    plan = Run.plan([*chain, "stage.sort.data.split.seed=1"])
    assert "rows are training rows of read" in plan["sort: seen before"]


def test_what_is_wrong_with_the_data_of_any_stage_is_said_before_the_first(chain: list[str], tmp_path: Path):
    wrong = [
        "stage.read.data.train=gone.csv",
        "stage.sort.data.columns.label=verdit",
        f"paths.outputs={tmp_path}",
    ]
    with pytest.raises(BadInput) as caught:
        Run.train([*chain, *wrong])
    found = {problem.where: problem for problem in caught.value.problems}
    assert set(found) == {"data.train (stage read)", "data.columns.label (stage sort)"}
    assert found["data.columns.label (stage sort)"].nearest == "verdict"
    assert not any(tmp_path.iterdir())


def test_a_stage_that_fails_ends_the_chain(chain: list[str], tmp_path: Path, capsys: pytest.CaptureFixture):
    with pytest.raises(Diverged):
        Run.train([*chain, "stage.read.optimizer.lr=1e30", f"paths.outputs={tmp_path}"])
    assert "stage 1 of 3, read, has failed; not started: read_more, sort" in capsys.readouterr().err
    (manifest,) = tmp_path.glob("*/*/*/manifest.json")
    assert json.loads(manifest.read_text())["state"] == "failed"


@pytest.mark.slow
def test_cut_off_and_killed_it_ends_with_the_same_weights(
    last: Run,
    chain: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
):
    write_stages(tmp_path)
    monkeypatch.chdir(tmp_path)
    often = [*chain, "callbacks.checkpoint.every_steps=2", "resume=auto"]

    def cut(stop: Callable[[subprocess.Popen], None]) -> tuple[int, str]:
        """Start, and stop it when the second stage has a new checkpoint; exit code and standard error."""
        before = checkpoints_of("read_more")
        process = start(tmp_path, *often)
        while checkpoints_of("read_more") <= before:
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.005)
        stop(process)
        said = process.communicate(timeout=300)[1]
        return process.returncode, said

    code, said = cut(subprocess.Popen.terminate)
    assert code == 75, said
    assert "stage 2 of 3, read_more" in said and "the same command with resume=auto goes on" in said
    code, said = cut(partial(kill, tmp_path))
    assert (
        code == -signal.SIGKILL and "stage 2 of 3, read_more: resuming" in said and said.count("is kept") == 1
    )
    ended = Run.train(often)
    assert capsys.readouterr().err.count("is kept") == 1
    assert [run.manifest["starts"] for run in lineage(ended)] == [1, 3, 1]
    assert weights(ended) == weights(last) and len(weights(last)) == 3


def checkpoints_of(stage: str) -> set[tuple[Path, int]]:
    """Checkpoints to go on from of one stage, below where we stand, and when they were written."""
    manifests = {
        path.parents[1] / "manifest.json": path for path in Path().glob("outputs/*/*/*/checkpoints/last.ckpt")
    }
    found = [
        path for file, path in manifests.items() if json.loads(file.read_text())["stage"]["name"] == stage
    ]
    return {(path, path.stat().st_mtime_ns) for path in found}


def test_the_table_of_stages_has_a_row_for_each_run(last: Run):
    rows = table([(run.directory, run.metrics) for run in lineage(last)])
    assert [row[0] for row in rows] == ["stage", "read", "read_more", "sort"]
    assert rows[3][1:4] == ["text_classification", "files", "6"] and rows[3][5] == str(last.folder)
    assert rows[3][4] == f"test/accuracy {last.metrics['test/accuracy']:.4f}"
    assert rows[1][4] == f"test/loss {lineage(last)[0].metrics['test/loss']:.4f}"


def test_the_shipped_chain_trains_on_no_row_that_it_is_scored_on():
    from pipeline.compose.composing import compose
    from pipeline.compose.run_spec import load
    from pipeline.data.columns import task_rows

    splits = {}
    for stage in ("adapt", "finetune"):
        spec = load(compose([f"stage={stage}"]))
        splits[stage] = spec.data.hold_out(task_rows(spec.task, spec.data, training=True))
    read = set(splits["adapt"]["train"]["text"]) | set(splits["adapt"]["validation"]["text"])
    tested = splits["finetune"]["test"]
    assert len(read) == 1_700 and len(tested) == 425 and read.isdisjoint(tested["text"])
