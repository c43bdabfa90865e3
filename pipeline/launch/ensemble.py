"""Several finished runs that vote: scores of the mean of what they say, beside those of each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pipeline.data.origins import visible
from pipeline.data.prepare import load_splits
from pipeline.data.skipping import warn_of_skipped
from pipeline.errors import BadInput, Problem, listing
from pipeline.runs.splits import prefix_of

if TYPE_CHECKING:
    from torch import Tensor

    from pipeline.launch.inference import Trained
    from pipeline.sources.base import Source
    from pipeline.tasks.base import Scores
    from pipeline.tasks.voting import Voting


class Ensemble:
    """Runs of one task and with the same labels; their architectures and tokenizers may differ.

    Raises BadInput for runs that cannot vote together.
    """

    def __init__(self, members: Sequence[Trained]) -> None:
        self.members, self.first = members, members[0]
        if found := self._problems():
            raise BadInput(found)

    def _problems(self) -> list[Problem]:
        first, found = self.first, []
        for other in self.members[1:]:
            whose = f"{other.run.folder.name} and {first.run.folder.name}"
            tasks = [str(member.spec.choices["task"]) for member in (other, first)]
            if tasks[0] != tasks[1]:
                found.append(
                    Problem("run", f"{whose} are of different tasks: {listing(tasks)}", "runs of one task")
                )
            elif other.labels != first.labels or other.head.get("multi_label") != first.head.get(
                "multi_label"
            ):
                what = (
                    f"{whose} have different labels: {listing(other.labels, 8)}; {listing(first.labels, 8)}"
                )
                found.append(
                    Problem("run", what, "runs with the same labels in the same order (task.labels)")
                )
        if not found and first.spec.task.voting(first.head) is None:
            what = f"runs of task={first.spec.choices['task']} cannot vote: what they say has no mean"
            found.append(Problem("run", what, "runs that say classes, tags, choices or numbers; or one run"))
        return found

    def evaluate(self, source: Source) -> tuple[dict[str, float], dict[str, Any]]:
        """Metrics of all together by full name, and tables, among them ``<split>/members``, each run's scores beside
        those of all.

        Raises BadInput for data that does not fit the task, and where the runs would not score the same rows.
        """
        prepared = [member.prepared_for(source) for member in self.members]
        encoded = [load_splits(folder, "encoded") for folder, _ in prepared]
        raw = [load_splits(folder, "raw") for folder, _ in prepared]
        warn_of_skipped(prepared[0][1]["skipped"], prepared[0][0])
        metrics: dict[str, float] = {}
        tables: dict[str, Any] = {}
        for split in prepared[0][1]["rows"]:
            _check_same_rows([each.get(split) for each in raw])
            alone = [
                self._alone(member, raw[0][split], features[split])
                for member, features in zip(self.members, encoded, strict=True)
            ]
            scores = self._together([votes for _, votes in alone], raw[0][split], encoded[0][split])
            prefix = prefix_of(split)
            metrics |= {f"{prefix}/{name}": value for name, value in scores.values.items()}
            tables[f"{prefix}/members"] = self._beside([each for each, _ in alone], scores)
            tables |= {f"{prefix}/{name}": rows for name, rows in scores.tables.items()}
        return metrics, tables

    def _alone(self, member: Trained, raw: Any, encoded: Any) -> tuple[Scores, list[Tensor]]:
        """A run's own scores of a split, and its votes on each row."""
        from pipeline.training.answers import Answers

        scorer, answers, voting = member.scorer(raw, encoded), Answers(raw, encoded), _voting(member)
        votes: dict[int, Tensor] = {}
        said: list[Tensor] = []
        hook = member.model.register_forward_hook(lambda _model, _inputs, made: said.append(made.logits))
        try:
            for inputs, index in member.batches(encoded):
                with member.machine.inference():
                    scorer.update(member.spec.task.score(member.model, inputs), index)
                rows, whole = answers.add(index.tolist(), voting.votes(said.pop(), inputs))
                votes |= zip(rows, map(voting.of_row, whole), strict=True)
        finally:
            hook.remove()
        return scorer.compute(), [votes[row] for row in range(len(raw))]

    def _together(self, votes: Sequence[list[Tensor]], raw: Any, encoded: Any) -> Scores:
        """Scores of the mean: the first run's task scores it in place of a model's outputs."""
        from pipeline.tasks.voting import mean

        first, voting = self.first, _voting(self.first)
        task, scorer, speaker = first.spec.task, first.scorer(raw, encoded), _Speaker(first.model.config)
        means = [mean(each) for each in zip(*votes, strict=True)]
        for inputs, index in first.batches(encoded):
            features = encoded[index.tolist()]
            each = [
                voting.of_feature(means[row], {name: values[place] for name, values in features.items()})
                for place, row in enumerate(features["row"])
            ]
            speaker.logits = voting.logits(each, inputs).to(first.device)
            scorer.update(task.score(speaker, voting.scored(inputs)), index)  # type: ignore[arg-type]
        return scorer.compute()

    def _beside(self, alone: Sequence[Scores], together: Scores) -> list[list[str]]:
        """A column a run."""
        ids = [str(member.run.manifest()["id"]) for member in self.members]
        names = [name for name in together.values if "/" not in name]
        rows = [[name, *(f"{each.values[name]:.4f}" for each in (*alone, together))] for name in names]
        return [["metric", *ids, "together"], *rows]


class _Speaker:
    """In place of a model: it says what it was told, whatever it is asked."""

    logits: Tensor

    def __init__(self, config: Any) -> None:
        self.config = config

    def __call__(self, **inputs: Tensor) -> _Speaker:
        return self


def _voting(member: Trained) -> Voting:
    voting = member.spec.task.voting(member.head)
    assert voting is not None
    return voting


def _check_same_rows(each: Sequence[Any]) -> None:
    """Where they were read from does not matter."""
    first, *others = [None if rows is None else _columns(rows) for rows in each]
    if any(rows is None or not rows.equals(first) for rows in others):
        what = "is not the same for all runs: they had other rows, or held out others"
        raise BadInput(Problem("data", what, "rows that none was trained on: data=files data.test=FILE"))


def _columns(rows: Any) -> Any:
    return rows.select_columns(visible(rows.column_names)).with_format("arrow")[:]
