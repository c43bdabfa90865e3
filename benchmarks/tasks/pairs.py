"""What is compared: a task, its data, and the numbers that both sides report."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Pair:
    """One comparison.

    data: folder of the data set inside the folder of data sets. overrides: what the run is started with; {data} stands
    for the folder of data sets, {new} for a folder with the small untrained encoder-decoder of `new_seq2seq.py`.
    scores: this program's test metrics, and whether higher is better. The peer reports the same names.
    peer: the module of `benchmarks.tasks.peers`. texts: where both sides start from a new model, the columns of the
    training data that its tokenizer is made of.
    """

    name: str
    data: str
    overrides: tuple[str, ...]
    scores: dict[str, bool]
    peer: str
    texts: tuple[str, ...] = ()


def _files(
    folder: str, train: str = "train.jsonl", test: str = "test.jsonl", validation: str | None = None
) -> tuple[str, ...]:
    given = {"train": train, "validation": validation, "test": test}
    files = [f"data.{split}={{data}}/{folder}/{name}" for split, name in given.items() if name]
    return ("data=files", *files)


_VALIDATION = "validation.jsonl"
_BERT = ("model=bert", "trainer.max_epochs=3", "trainer.batch_size=16")
# Validation by the loss alone: on this side of the comparison nothing is chosen by what is written.
_WRITING = (
    "model=smollm2",
    "trainer.max_epochs=1",
    "trainer.batch_size=8",
    "trainer.evaluation_batch_size=128",
    "task.generate_in_validation=false",
    "data.limit=1000",
    "data.split.validation=0.05",
)
# Trainer computes the logits of a whole batch at once, which are 20 GB for 128 long conversations.
_LITTLE_WRITING = (
    "model=smollm2",
    "trainer.max_epochs=1",
    "trainer.batch_size=8",
    "trainer.evaluation_batch_size=32",
    "task.generate_in_validation=false",
    "data.limit=400",
    "data.split.validation=0.05",
)
_LOSS = {"loss": False}

PAIRS = {
    pair.name: pair
    for pair in (
        Pair(
            "trec_classes",
            "trec6",
            (
                "task=text_classification",
                *_files("trec6", test="test_dedup.jsonl"),
                *_BERT,
                "optimizer.lr=1e-4",
                "data.split.validation=0.05",
            ),
            {"accuracy": True},
            "text_classification",
        ),
        Pair(
            "stsb_regression",
            "glue_stsb",
            (
                "task=regression",
                *_files("glue_stsb", validation=_VALIDATION),
                "data.columns={text:sentence1,text_pair:sentence2,label:score}",
                *_BERT,
                "task.max_length=128",
            ),
            {"pearson": True, "spearman": True},
            "regression",
        ),
        Pair(
            "wnut17_entities",
            "wnut17",
            (
                "task=token_classification",
                *_files("wnut17", validation=_VALIDATION),
                *_BERT,
                "optimizer.lr=2e-4",
                "task.max_length=128",
            ),
            {"f1": True},
            "token_classification",
        ),
        Pair(
            "codah_choices",
            "codah",
            (
                "task=multiple_choice",
                *_files("codah", validation=_VALIDATION),
                *_BERT,
                "optimizer.lr=1e-4",
            ),
            {"accuracy": True, "loss": False},
            "multiple_choice",
        ),
        Pair(
            "squad_answers",
            "squad",
            (
                "task=question_answering",
                *_files("squad", test="validation.jsonl"),
                *_BERT,
                "optimizer.lr=3e-4",
                "data.split.validation=0.1",
                "task.max_length=384",
                "task.stride=128",
            ),
            {"exact_match": True, "f1": True},
            "question_answering",
        ),
        Pair(
            "shakespeare_masked",
            "tinyshakespeare",
            (
                "task=masked_lm",
                *_files("tinyshakespeare", "train.txt", "validation.txt"),
                *_BERT,
                "optimizer.lr=2e-4",
                "task.max_length=128",
                "data.limit=12000",
                "data.split.validation=0.02",
            ),
            _LOSS,
            "masked_lm",
        ),
        Pair(
            "stsb_embeddings",
            "glue_stsb",
            (
                "task=sentence_embedding",
                *_files("glue_stsb", validation=_VALIDATION),
                "data.columns={text:sentence1,text_pair:sentence2}",
                "task.score_range=[0,5]",
                *_BERT,
                "optimizer.lr=2e-5",
                "task.max_length=128",
            ),
            {"spearman": True, "pearson": True},
            "embedding",
        ),
        Pair(
            "gsm8k_embeddings",
            "gsm8k",
            (
                "task=sentence_embedding",
                *_files("gsm8k"),
                "data.columns={text:question,positive:answer}",
                *_BERT,
                "data.split.validation=0.05",
                "task.max_length=128",
            ),
            {"recall_at_1": True, "mrr_at_10": True},
            "embedding",
        ),
        Pair(
            "multi30k_translation",
            "multi30k",
            (
                "task=translation",
                *_files("multi30k", validation=_VALIDATION),
                "data.columns={source:en,target:de}",
                "task.target_language=de",
                "task.max_source_length=64",
                "task.max_target_length=64",
                "task.generation.max_new_tokens=40",
                "task.generate_in_validation=false",
                "model=auto",
                "model.checkpoint={new}",
                "optimizer.lr=1e-3",
                "trainer.max_epochs=4",
                "trainer.batch_size=64",
                "trainer.evaluation_batch_size=128",
            ),
            {"loss": False, "bleu": True},
            "seq2seq",
            texts=("en", "de"),
        ),
        Pair(
            "shakespeare_causal",
            "tinyshakespeare",
            (
                "task=causal_lm",
                *_files("tinyshakespeare", "train.txt", "validation.txt"),
                "data.txt_rows=paragraphs",
                "data.split.validation=0.05",
                "model=smollm2",
                "trainer.max_epochs=1",
                "trainer.batch_size=8",
                "task.max_length=128",
                "data.limit=3000",
            ),
            _LOSS,
            "causal_lm",
        ),
        Pair(
            "scitldr_summaries",
            "scitldr_a",
            (
                "task=summarization",
                *_files("scitldr_a"),
                "data.columns={source:document,target:summary}",
                *_WRITING,
                'task.separator="\\nTL;DR: "',
                "task.max_source_length=256",
                "task.max_target_length=64",
                "task.generation.max_new_tokens=48",
            ),
            {"loss": False, "rougeL": True},
            "summarization",
        ),
        Pair(
            "gsm8k_instructions",
            "gsm8k",
            (
                "task=instruction_tuning",
                *_files("gsm8k"),
                "data.columns={prompt:question,response:answer}",
                *_LITTLE_WRITING,
                "task.max_length=384",
                "task.generation.max_new_tokens=128",
            ),
            {"loss": False, "rougeL": True},
            "instruction_tuning",
        ),
        Pair(
            "mbpp_code",
            "mbpp",
            (
                "task=code_generation",
                *_files("mbpp"),
                "data.columns={tests:test_list,setup:test_setup_code,prompt:text}",
                *_WRITING,
                "task.tests_in_prompt=1",
                "task.max_target_length=192",
                "task.generation.max_new_tokens=128",
            ),
            {"loss": False, "syntax_valid": True},
            "code_generation",
        ),
    )
}
