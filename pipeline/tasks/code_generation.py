"""Writing Python from a description: a docstring, a sentence.

    a row of data   {"prompt": "Return the sum of two numbers.", "code": "def add(a, b):\\n    return a + b"}
    a prediction    {"code": "def add(a, b):\\n    return a + b"}

With tests, which are run on what was written if that is asked for:

    {"prompt": …, "code": …, "tests": ["assert add(1, 2) == 3"], "setup": "import math"}
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field, model_validator

from pipeline.component import component
from pipeline.tasks.base import Column, Head
from pipeline.tasks.code.sandbox import Sandbox
from pipeline.tasks.text_to_text import Row, TextToText
from pipeline.tasks.writing.generation import Generation

if TYPE_CHECKING:
    from datasets import DatasetDict
    from torchmetrics import Metric
    from transformers import PretrainedConfig, PreTrainedTokenizerBase

    from pipeline.training.answers import Answer


@component
class CodeGeneration(TextToText):
    """Scored by exact match, by whether it is Python at all, and by its tests (pass@k)."""

    # Run what the model writes on this machine, in a sandbox, with the tests of its row.
    run_tests: bool = False
    # The k of pass@k: of so many programs one must pass. At most generation.num_return_sequences.
    pass_at: Annotated[list[Annotated[int, Field(ge=1)]], Field(min_length=1)] = Field(
        default_factory=lambda: [1]
    )
    # So many tests of a row stand in its prompt, where they tell the name of the function.
    tests_in_prompt: Annotated[int, Field(ge=0)] = 0
    # What a program may take while its tests run.
    sandbox: Sandbox = Field(default_factory=Sandbox)
    generation: Generation = Field(default_factory=lambda: Generation(max_new_tokens=256))

    columns: ClassVar[dict[str, Column]] = {
        "prompt": Column("what the code is to do"),
        "code": Column("the code; a list where several are right"),
        "tests": Column(
            "a list of assert statements (or Python text) that right code passes",
            required=False,
            may_be_empty=True,
        ),
        "setup": Column("Python that must run before the tests", required=False, may_be_empty=True),
    }
    targets: ClassVar[tuple[str, ...]] = ("code",)
    identified_by: ClassVar[tuple[str, ...]] = ("prompt",)
    best_by: ClassVar[str] = "loss"

    @model_validator(mode="after")
    def _fits_samples(self) -> "CodeGeneration":
        if self.run_tests and max(self.pass_at) > self.generation.num_return_sequences:
            raise ValueError(
                f"pass_at {max(self.pass_at)} needs as many programs for each row: "
                f"generation.num_return_sequences={max(self.pass_at)} generation.do_sample=true"
            )
        return self

    def check(self) -> None:
        """Raises BadInput where tests are to be run and no process can be limited."""
        if self.run_tests:
            self.sandbox.check()

    def source_of(self, row: Row) -> str:
        from pipeline.tasks.code.programs import description

        return description(row, self.tests_in_prompt)

    def references_of(self, row: Row) -> list[str]:
        from pipeline.tasks.code.programs import right_code

        return right_code(row.get("code"))

    def learn(self, data: "DatasetDict", config: "PretrainedConfig") -> Head:
        """Raises BadInput for rows without a prompt or code, and without tests where these are run."""
        from pipeline.errors import BadInput
        from pipeline.tasks.code.programs import faults

        if problems := faults(self, data):
            raise BadInput(problems)
        return {"encoder_decoder": bool(config.is_encoder_decoder), "latin": True}

    def describe(self, head: Head) -> dict[str, str]:
        shown = super().describe(head)
        if self.run_tests:
            shown["tests"] = (
                f"what the model writes is run here, kept in by {', '.join(self.sandbox.protections())}"
            )
        return shown

    def encode(
        self, rows: Mapping[str, list[Any]], tokenizer: "PreTrainedTokenizerBase", head: Head
    ) -> dict[str, list[Any]]:
        from pipeline.tasks.code.programs import check_batch

        check_batch(self, rows)
        return super().encode(rows, tokenizer, head)

    def _has_targets(self, rows: Mapping[str, list[Any]]) -> bool:
        return "code" in rows

    def decode(
        self, answers: "Sequence[Answer]", tokenizer: "PreTrainedTokenizerBase", head: Head
    ) -> list[dict[str, Any]]:
        """``code``; with several for each row the first of them, and all in ``codes``. Of a text with fenced code
        (as chat models write) the code."""
        from pipeline.tasks.code.programs import code_of
        from pipeline.tasks.writing.generation import texts_of

        written = [
            [code_of(text) for text in texts_of(tokenizer, answer.predictions[0])] for answer in answers
        ]
        if self.generation.num_return_sequences == 1:
            return [{"code": codes[0]} for codes in written]
        return [{"code": codes[0], "codes": codes} for codes in written]

    def text_metrics(self, head: Head) -> "list[Metric]":
        from pipeline.tasks.code.metrics import CodeMatch, PassAtK, SyntaxValid

        where: dict[str, Any] = {"prediction": "code", "reference": self.references_of}
        metrics: list[Metric] = [CodeMatch(**where), SyntaxValid(**where)]
        return [*metrics, PassAtK(self.pass_at, self.sandbox)] if self.run_tests else metrics

    def directions(self, head: Head) -> dict[str, bool]:
        from pipeline.tasks.code.metrics import name_of

        passed = [name_of(k) for k in self.pass_at] if self.run_tests else []
        return {"loss": False, **dict.fromkeys(["exact_match", "syntax_valid", *passed], True)}
