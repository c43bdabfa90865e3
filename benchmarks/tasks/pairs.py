"""What is compared: a task, its data, and the numbers that both sides report."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Pair:
    """One comparison.

    data: folder of the data set inside the folder of data sets. overrides: what the run is started with.
    scores: this program's test metrics, and whether higher is better. The peer reports the same names.
    peer: the module of `benchmarks.tasks.peers`.
    """

    name: str
    data: str
    overrides: tuple[str, ...]
    scores: dict[str, bool]
    peer: str


def _files(folder: str, train: str = "train.jsonl", test: str = "test.jsonl") -> tuple[str, ...]:
    return ("data=files", f"data.train={{data}}/{folder}/{train}", f"data.test={{data}}/{folder}/{test}")


def _validated(folder: str) -> tuple[str, ...]:
    return (*_files(folder), f"data.validation={{data}}/{folder}/validation.jsonl")


_BERT = ("model=bert", "trainer.max_epochs=2", "trainer.batch_size=16")

PAIRS = {
    pair.name: pair
    for pair in (
        Pair(
            "stsb_regression",
            "glue_stsb",
            (
                "task=regression",
                *_validated("glue_stsb"),
                "data.columns={text:sentence1,text_pair:sentence2,label:score}",
                *_BERT,
                "data.limit=2000",
                "task.max_length=128",
            ),
            {"pearson": True, "spearman": True},
            "regression",
        ),
        Pair(
            "wnut17_entities",
            "wnut17",
            ("task=token_classification", *_validated("wnut17"), *_BERT, "optimizer.lr=1e-4"),
            {"f1": True},
            "token_classification",
        ),
        Pair(
            "codah_choices",
            "codah",
            ("task=multiple_choice", *_validated("codah"), *_BERT, "optimizer.lr=1e-4"),
            {"accuracy": True},
            "multiple_choice",
        ),
        Pair(
            "squad_answers",
            "squad",
            (
                "task=question_answering",
                *_files("squad", test="validation.jsonl"),
                *_BERT,
                "optimizer.lr=1e-4",
                "trainer.max_epochs=2",
            ),
            {"exact_match": True, "f1": True},
            "question_answering",
        ),
        Pair(
            "shakespeare_masked",
            "tinyshakespeare",
            (
                "task=masked_lm",
                "data=files",
                "data.train={data}/tinyshakespeare/train.txt",
                "data.test={data}/tinyshakespeare/validation.txt",
                *_BERT,
                "task.max_length=128",
                "data.limit=8000",
            ),
            {"loss": False},
            "masked_lm",
        ),
        Pair(
            "shakespeare_causal",
            "tinyshakespeare",
            (
                "task=causal_lm",
                "data=files",
                "data.train={data}/tinyshakespeare/train.txt",
                "data.test={data}/tinyshakespeare/validation.txt",
                "model=smollm2",
                "trainer.max_steps=60",
                "trainer.batch_size=8",
                "task.max_length=128",
                "data.limit=8000",
            ),
            {"loss": False},
            "causal_lm",
        ),
    )
}
