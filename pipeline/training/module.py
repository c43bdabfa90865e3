"""The one LightningModule: any task, any strategy; exact weighting of examples, checkpoints of what is trained."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import torch
from lightning.pytorch import LightningModule
from lightning.pytorch.trainer.states import TrainerFn

from pipeline.runs.splits import prefix_of
from pipeline.training import interruption
from pipeline.training.averaging import Averages
from pipeline.training.company import Company
from pipeline.training.divergence import check_weights, diverged
from pipeline.training.document_attention import by_document
from pipeline.training.frozen_weights import AUTOCAST, Lowered
from pipeline.training.gradients import changeable, clip_by_norm, drop_gradients
from pipeline.training.lazy_rows import LazyAdamW
from pipeline.training.mixup import Mixup
from pipeline.training.optimizers import AdamW, set_rates, undo_scale_before
from pipeline.training.quick_dropout import QuickDropout
from pipeline.training.schedulers import follow_validation
from pipeline.training.scoring import Scorer, Sink
from pipeline.training.sharding import cut_like
from pipeline.training.step_sums import StepSums

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torch.optim import Optimizer

    from pipeline.strategies.base import Strategy
    from pipeline.strategies.stand_ins import StandIns
    from pipeline.tasks.base import Head, Scores, Task
    from pipeline.training.sharding import Sharding
    from pipeline.training.specs import BuildsOptimizer, BuildsScheduler


class FineTuning(LightningModule):
    """Trains and scores an adapted model.

    A task's loss is a sum with its weight. Gradients of the sums are accumulated as they are and divided by the
    weight of the whole optimizer step, over accumulation steps and processes, before clipping: how a step is cut
    into batches does not change it.
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        task: Task,
        strategy: Strategy,
        optimizer: BuildsOptimizer,
        scheduler: BuildsScheduler,
        head: Head,
        trained: set[str],
        total_steps: int,
        log_every: int,
        monitor: str | None,
        mode: str,
        validation_names: Sequence[str],
        on_scores: Callable[[str, Scores, int], None] | None = None,
        mixup: Mixup | None = None,
        stand_ins: StandIns | None = None,
        quick_dropout: bool = False,
        sharding: Sharding | None = None,
        lazily: nn.Embedding | None = None,
        attend_by_document: bool = False,
    ) -> None:
        super().__init__()
        self.model: nn.Module = model
        self.task, self.strategy, self.head = task, strategy, head
        self.optimizer_spec, self.scheduler_spec = optimizer, scheduler
        self.trained = {f"model.{name}" for name in trained}
        self.total_steps, self.log_every = total_steps, log_every
        self.monitor, self.mode = monitor, mode
        self.validation_names, self.on_scores = list(validation_names), on_scores
        self.mixup = mixup
        self.stand_ins = stand_ins
        self.quick_dropout = quick_dropout
        self.sharding = sharding  # how the model is cut over processes
        self.lazy_embedding = lazily  # whose rows are updated when they are read
        self.lazy_optimizer: LazyAdamW | None = None
        self.attend_by_document = attend_by_document
        self.company: Company | None = None
        self.averages: Averages | None = None  # which are scored and kept in place of the weights
        self.scorers: dict[str, Scorer] = {}
        self.test_sink: Sink | None = None  # gets what the model says of every test row
        self.validated: dict[str, Scores] = {}  # by prefix, of the last validation
        self.best: tuple[int, dict[str, Scores]] | None = None  # its step, and what was scored then
        self.ended: dict[str, int] | None = (
            None  # the last step and epoch, where training was over before this start
        )
        self.sums = StepSums()
        self._lowered: Lowered | None = None

    # Where it computes

    def configure_model(self) -> None:
        if self.sharding is not None:
            self.sharding.cut(self.model, self.device_mesh["data_parallel"])  # type: ignore[index]
            self.company = Company()

    def setup(self, stage: str) -> None:
        # Before Lightning moves the model to the GPU, and teardown is after it has come back.
        if dtype := AUTOCAST.get(str(self.trainer.precision)):
            self._lowered = Lowered(self.model, dtype)

    def teardown(self, stage: str) -> None:
        if self._lowered is not None:
            self._lowered.restore()
            self._lowered = None
        if self.lazy_optimizer is not None:
            self.lazy_optimizer.leave()
            self.lazy_optimizer = None

    # Training

    def on_train_start(self) -> None:
        # Not at the start of an epoch: a run that goes on inside one does not pass there.
        self.strategy.train_mode(self.model)
        interruption.listen_alone()

    def training_step(self, batch: dict[str, Any], batch_idx: int) -> Tensor:
        with self._dropping():
            total, counted = self._loss(batch)
        self.sums.add(total, counted)
        return total

    def _dropping(self) -> AbstractContextManager[Any]:
        return QuickDropout() if self.quick_dropout else nullcontext()

    def _loss(self, batch: dict[str, Any]) -> tuple[Tensor, Tensor]:
        if self.mixup is not None:
            return self.mixup.loss(self.task, self.model, batch, self.current_epoch)
        with self._given(batch):
            output = self.task.loss(self.model, batch["inputs"])
        return output.loss, output.weight

    @contextmanager
    def _given(self, batch: dict[str, Any]) -> Iterator[None]:
        """Within, the frozen part of the model hands on what the batch has of it, and packed documents attend by
        themselves."""
        frozen = nullcontext() if self.stand_ins is None else self.stand_ins.given(batch.get("frozen"))
        with frozen, by_document(batch["inputs"]) if self.attend_by_document else nullcontext():
            yield

    def on_before_optimizer_step(self, optimizer: Optimizer) -> None:
        step, epoch = self.trainer.global_step, self.current_epoch
        drop_gradients(
            group for group in optimizer.param_groups if self.strategy.is_frozen(group, step, epoch)
        )
        loss, weight = self.sums.take(self.trainer)
        # A step may have nothing to learn, such as blank rows alone: its gradients are 0, and stay so.
        divisor = torch.where(weight == 0, torch.ones_like(weight), weight)
        # Lightning has divided every loss by the accumulation count, and averaged gradients over processes.
        factor = self.trainer.accumulate_grad_batches * self.trainer.world_size / divisor
        gradients = changeable(weight for group in optimizer.param_groups for weight in group["params"])
        torch._foreach_mul_(gradients, factor)
        number = self.trainer.global_step + 1
        # Lightning's bookkeeping takes longer than a small head's step.
        if number == 1 or number % self.log_every == 0 or number == self.total_steps:
            self._log_loss(loss / divisor, number, learned=bool(weight))

    def _log_loss(self, loss: Tensor, number: int, *, learned: bool) -> None:
        """That of an optimizer step; a step without targets has none. Raises Diverged where it is not finite."""
        if learned:
            self.log("train/loss", loss, logger=False)
        if number % self.log_every == 0 or number == self.total_steps:
            # Reading a number waits for the GPU, so what diverges is noticed at the steps that wait anyway.
            value = float(loss)
            if not math.isfinite(value):
                raise diverged(self, f"loss is {value}", number)
            if learned:
                self.log_metrics({"train/loss": value}, number)

    def configure_gradient_clipping(
        self,
        optimizer: Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        if gradient_clip_val:
            # Not all of the module's: to find those takes longer than a small head's step.
            weights = (weight for group in optimizer.param_groups for weight in group["params"])
            clip_by_norm(weights, gradient_clip_val, over_processes=self.sharding is not None)

    def on_train_epoch_end(self) -> None:
        # Of the last epoch before anything is saved or written of the model.
        if self.lazy_optimizer is not None:
            self.lazy_optimizer.settle()

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        # The loss tells it a step later than the weights, and nobody can go on from these.
        check_weights(self)

    def log_metrics(self, metrics: Mapping[str, float], step: int) -> None:
        """Numbers to every logger, under the optimizer step that they belong to."""
        for logger in self.loggers:
            logger.log_metrics(dict(metrics), step)

    def configure_optimizers(self) -> Any:
        groups = self.strategy.parameter_groups(self.model, self.optimizer_spec.weight_decay)
        if self.lazy_embedding is None:
            optimizer = self.optimizer_spec.build(groups)
        else:
            assert isinstance(self.optimizer_spec, AdamW)
            optimizer = self.lazy_optimizer = self.optimizer_spec.build_lazily(groups, self.lazy_embedding)
            optimizer.follow()
        set_rates(optimizer)
        undo_scale_before(optimizer)
        schedulers = self.scheduler_spec.build(
            optimizer, self.total_steps, monitor=self.monitor or "train/loss", mode=self.mode
        )
        return [optimizer], schedulers

    # Scoring

    def _score(self, split: str, batch: dict[str, Any], sink: Sink | None = None) -> None:
        if split not in self.scorers:
            data: Any = self.trainer.datamodule  # type: ignore[attr-defined]
            self.scorers[split] = Scorer(
                self.task,
                self.head,
                self.device,
                answers=data.answers(split),
                tokenizer=data.collate.tokenizer,
                sink=sink,
            )
        score = self.task.score if split == "test" else self.task.score_validation
        with self._given(batch):
            output = score(self.model, batch["inputs"])
        if self.company is not None:
            self.company.passed(split, lambda: score(self.model, batch["inputs"]))
        self.scorers[split].update(output, batch["index"])

    def _finish(self, split: str) -> Scores:
        if self.company is not None:
            self.company.keep(split)
        scores = self.scorers[split].compute(self.trainer.strategy)
        prefix = prefix_of(split)
        at = self.ended or {"step": self.trainer.global_step, "epoch": self.trainer.current_epoch}
        step = at["step"]
        named = {f"{prefix}/{name}": value for name, value in scores.values.items()}
        self.log_dict(named, logger=False)
        self.log_metrics({**named, "epoch": float(at["epoch"])}, step)
        for logger in self.loggers:
            if hasattr(logger, "log_table"):
                for name, rows in scores.tables.items():
                    logger.log_table(f"{prefix}/{name}", rows, step)
        if self.on_scores is not None:
            self.on_scores(prefix, scores, step)
        return scores

    def validation_step(self, batch: dict[str, Any], batch_idx: int, dataloader_idx: int = 0) -> None:
        self._score(self.validation_names[dataloader_idx], batch)

    def on_validation_start(self) -> None:
        # Scores of such weights look like scores: accuracy counts how often the first class is right.
        if self.trainer.state.fn == TrainerFn.FITTING:
            check_weights(self)
            if self.averages is not None:
                self.averages.put()

    def on_validation_epoch_start(self) -> None:
        self._meet(self.validation_names, self.trainer.num_val_batches)

    def on_test_epoch_start(self) -> None:
        self._meet(["test"], self.trainer.num_test_batches)

    def _meet(self, splits: Sequence[str], batches: Sequence[float]) -> None:
        """Where all have to compute equally often: how often that is."""
        if self.company is not None:
            counts = torch.tensor(batches, device=self.device)
            most = self.trainer.strategy.reduce(counts, reduce_op="max")
            self.company.expect(dict(zip(splits, map(int, most.tolist()), strict=True)))

    def on_validation_epoch_end(self) -> None:
        named: dict[str, float] = {}
        for split in self.validation_names:
            scores = self._finish(split)
            self.validated[prefix_of(split)] = scores
            named |= {f"{prefix_of(split)}/{name}": value for name, value in scores.values.items()}
            del self.scorers[split]
        if self.trainer.state.fn == TrainerFn.FITTING:
            follow_validation(self.trainer.lr_scheduler_configs, named)

    def on_validation_model_train(self) -> None:
        # After all that callbacks do at the end of a validation: the best checkpoint is written then.
        if self.averages is not None:
            self.averages.put_back()
        self.strategy.train_mode(self.model)

    def test_step(self, batch: dict[str, Any], batch_idx: int) -> None:
        self._score("test", batch, self.test_sink)

    def on_test_epoch_end(self) -> None:
        self._finish("test")

    # What is saved

    def state_dict(self, *args: Any, **kwargs: Any) -> dict[str, Any]:  # type: ignore[override]
        """Only what was trained; everything else comes from the pretrained checkpoint again."""
        state = super().state_dict(*args, **kwargs)
        return {name: value for name, value in state.items() if name in self.trained}

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> Any:
        """Restore what :meth:`state_dict` gave.

        Raises RuntimeError unless the keys are exactly the trained ones: a lost head must never pass.
        """
        missing, unexpected = self.trained - state_dict.keys(), state_dict.keys() - self.trained
        if missing or unexpected:
            raise RuntimeError(
                f"the checkpoint does not hold what this run trains: missing {sorted(missing)[:5]} "
                f"({len(missing)} in all), unexpected {sorted(unexpected)[:5]} ({len(unexpected)} in all)"
            )
        if self.sharding is not None:
            own = super().state_dict()
            state_dict = {name: cut_like(value, own[name]) for name, value in state_dict.items()}
        return super().load_state_dict(state_dict, strict=False, assign=assign)
