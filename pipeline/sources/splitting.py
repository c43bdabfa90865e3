"""Holding out validation and test rows where the source does not give them; few-shot training rows; limits.

Rows that are held out are drawn with ``split.seed``, which is not the run's: runs of other seeds are scored
on the same rows.
"""

from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.data.cells import distinct
from pipeline.data.origins import visible
from pipeline.errors import BadInput, Problem, listing, nearest
from pipeline.sources.base import Split
from pipeline.sources.few_shot import draw_examples
from pipeline.sources.reading.numbers import is_fractions
from pipeline.sources.stratified import stratified_halves

if TYPE_CHECKING:
    from datasets import Dataset, DatasetDict

Indices = np.ndarray
# Groups are dealt into this many folds where they are to be stratified too.
FINE = 20


def split(
    data: "DatasetDict",
    split: Split,
    *,
    examples_per_class: int | None = None,
    examples_seed: int = 0,
    limit: int | None = None,
    overfit: int | None = None,
) -> "DatasetDict":
    """``data`` with what it lacks of ``validation`` and ``test`` held out of ``train``.

    Call it when columns are already named by their roles. A split that the source gives stays as it is; any
    split named ``validation…`` counts as validation. Without ``train`` there is nothing to hold out.

    - ``stratify_by`` null: by ``label`` where there is one, not continuous, with 2 rows of each value.
    - ``group_by``: the fractions are of groups. Stratified too only if ``stratify_by`` is set.
    - ``folds``: after the test rows are held out, fold number ``fold`` of the others is ``validation``.
    - ``examples_per_class``: as many rows of each class of ``train`` remain, drawn with ``examples_seed``.
    - ``limit``: as many rows of every split; ``overfit``: as many of ``train``, in every split.

    Raises BadInput for a column that is not there, a fold that is not there, too few rows, a limit below what
    was asked for by class.
    """
    from datasets import DatasetDict

    splits = dict(data)
    if "train" in splits:
        splits |= _Holding(splits["train"], split, given=set(splits)).all_splits()
    if examples_per_class and "train" in splits:
        splits["train"] = draw_examples(splits["train"], examples_per_class, examples_seed)
        if limit and not overfit and limit < len(splits["train"]):
            what = f"{limit} is less than the {len(splits['train'])} rows of data.examples_per_class"
            raise BadInput(Problem("data.limit", what, f"at least {len(splits['train'])}, or null"))
    if overfit and "train" in splits:
        validation = [name for name in splits if name.startswith("validation")] or ["validation"]
        rows = _draw(splits["train"], overfit, split.seed)
        splits = dict.fromkeys(("train", *validation, "test"), rows)
    elif limit:
        splits = {name: _draw(rows, limit, split.seed) for name, rows in splits.items()}
    return DatasetDict(splits)


def _draw(rows: "Dataset", count: int, seed: int) -> "Dataset":
    """Drawn, not the first ones: many files are sorted by label. A smaller count draws a part of the same."""
    order = np.random.default_rng(seed).permutation(len(rows))
    return rows.select(np.sort(order[:count]))


class _Holding:
    """One division of the training rows."""

    def __init__(self, rows: "Dataset", split: Split, given: set[str]) -> None:
        self.rows, self.split = rows, split
        self.held_test = split.test if "test" not in given else 0.0
        has_validation = any(name.startswith("validation") for name in given)
        self.held_validation = split.validation if not has_validation and not split.folds else 0.0
        self._check(has_validation)
        self.groups = distinct(rows, split.group_by).codes if split.group_by else None
        self.strata = self._strata()

    def all_splits(self) -> dict[str, "Dataset"]:
        total = len(self.rows)
        everything = np.arange(total, dtype=np.int32)
        rest, test = self._hold_out(everything, self.held_test, total, "test")
        if self.split.folds:
            rest, validation = self._fold(rest, self.split.folds)
        else:
            rest, validation = self._hold_out(rest, self.held_validation, total, "validation")
        found = {"train": rest, "validation": validation, "test": test}
        if len(rest) == total:
            return {}
        if not len(rest):
            raise BadInput(self._too_few(f"nothing is left to train on out of {total} rows"))
        return {name: self.rows.select(indices) for name, indices in found.items() if len(indices)}

    def _check(self, has_validation: bool) -> None:
        problems: list[Problem] = []
        there = visible(self.rows.column_names)
        for key in ("stratify_by", "group_by"):
            name = getattr(self.split, key)
            if name is not None and name not in there:
                what = f"the data has no column {name!r}"
                close = nearest(name, there)
                problems.append(Problem(f"data.split.{key}", what, allowed=listing(there), nearest=close))
        folds, fold = self.split.folds, self.split.fold
        if folds and fold >= folds:
            what = f"there is no fold {fold} of {folds}"
            problems.append(Problem("data.split.fold", what, allowed=f"0 to {folds - 1}"))
        if folds and has_validation:
            what = f"{folds} folds make the validation split, and the data has one already"
            problems.append(
                Problem("data.split.folds", what, allowed="null, or data without a validation split")
            )
        if self.held_test + self.held_validation >= 1:
            what = (
                f"{self.held_validation} for validation and {self.held_test} for test leave nothing to train"
            )
            problems.append(Problem("data.split", what, allowed="fractions below 1 together"))
        if problems:
            raise BadInput(problems)

    def _strata(self) -> Indices | None:
        """A number for each row's class; None where the rows are not stratified."""
        name = self.split.stratify_by
        if name is None and (self.split.group_by or "label" not in self.rows.column_names):
            return None
        found = distinct(self.rows, name or "label")
        if name is None and any(isinstance(value, float | list | dict) for value in found.values):
            return None
        # The same rows are held out whether the task reads such a column as numbers or does not read it.
        if name is None and is_fractions(found.values):
            return None
        return found.codes

    def _hold_out(self, indices: Indices, fraction: float, total: int, name: str) -> tuple[Indices, Indices]:
        """``indices`` in two parts, the second with ``fraction`` of ``total`` rows (at least one)."""
        if not fraction:
            return indices, indices[:0]
        if self.groups is not None:
            return self._hold_out_groups(indices, fraction * total / len(indices), name)
        count = max(1, round(fraction * total))
        if count >= len(indices):
            raise BadInput(self._too_few(f"{count} rows for {name} cannot be held out of {len(indices)}"))
        strata = self._strata_of(indices, least=2, parts=min(count, len(indices) - count))
        if strata is not None:
            rest, held = stratified_halves(strata, count, self.split.seed)
            return indices[rest], indices[held]
        from sklearn.model_selection import train_test_split

        rest, held = train_test_split(indices, test_size=count, random_state=self.split.seed)
        return rest, held

    def _hold_out_groups(self, indices: Indices, fraction: float, name: str) -> tuple[Indices, Indices]:
        from sklearn.model_selection import GroupShuffleSplit, StratifiedGroupKFold

        assert self.groups is not None
        groups = self.groups[indices]
        count = len(np.unique(groups))
        if count < 2 or fraction >= 1:
            raise BadInput(self._too_few(f"{name} cannot be held out of {count} groups"))
        if self.strata is None:
            held = min(count - 1, max(1, round(fraction * count)))
            shuffle = GroupShuffleSplit(n_splits=1, test_size=held, random_state=self.split.seed)
            rest, chosen = next(shuffle.split(indices, groups=groups))
            return self._shuffled(indices[rest]), self._shuffled(indices[chosen])
        strata = self._strata_of(indices, least=2, parts=len(indices))
        folds = min(FINE, count, np.bincount(self.strata[indices]).max())
        dealt = StratifiedGroupKFold(folds, shuffle=True, random_state=self.split.seed)
        parts = [chosen for _, chosen in dealt.split(indices, strata, groups)]
        held = min(folds - 1, max(1, round(fraction * folds)))
        chosen, rest = np.concatenate(parts[:held]), np.concatenate(parts[held:])
        return self._shuffled(indices[rest]), self._shuffled(indices[chosen])

    def _fold(self, indices: Indices, folds: int) -> tuple[Indices, Indices]:
        from sklearn.model_selection import GroupKFold, KFold, StratifiedGroupKFold, StratifiedKFold

        units = len(indices) if self.groups is None else len(np.unique(self.groups[indices]))
        if units < folds:
            kind = "rows" if self.groups is None else "groups"
            raise BadInput(self._too_few(f"{units} {kind} cannot be dealt into {folds} folds"))
        strata = self._strata_of(indices, least=folds, parts=len(indices))
        groups = None if self.groups is None else self.groups[indices]
        options: dict[str, Any] = {"shuffle": True, "random_state": self.split.seed}
        if groups is None:
            dealt = KFold(folds, **options) if strata is None else StratifiedKFold(folds, **options)
        else:
            dealt = GroupKFold(folds, **options) if strata is None else StratifiedGroupKFold(folds, **options)
        rest, held = list(dealt.split(indices, strata, groups))[self.split.fold]
        return self._shuffled(indices[rest]), self._shuffled(indices[held])

    def _strata_of(self, indices: Indices, least: int, parts: int) -> Indices | None:
        """Classes of these rows, where each has ``least`` rows and the smaller part has room for each."""
        if self.strata is None:
            return None
        strata = self.strata[indices]
        counts = np.unique(strata, return_counts=True)[1]
        if counts.min() >= least and len(counts) <= parts:
            return strata
        if self.split.stratify_by is None:
            return None
        what = (
            f"cannot keep the shares of {self.split.stratify_by!r}: of {len(counts)} values the rarest has "
            f"{counts.min()} rows, and the smaller part has {parts}"
        )
        raise BadInput(
            Problem("data.split.stratify_by", what, allowed=f"at least {least} rows of each value, or null")
        )

    def _shuffled(self, indices: Indices) -> Indices:
        return np.random.default_rng(self.split.seed).permutation(indices)

    def _too_few(self, what: str) -> Problem:
        return Problem("data.split", what, allowed="more rows, or smaller data.split.validation and .test")
