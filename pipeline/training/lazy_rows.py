"""AdamW that updates rows of an embedding when they are read, instead of all of them in every step.

A step reads a few hundred of the 30,000 to 250,000 rows of an embedding, and only these have a gradient. AdamW moves
all others too, by what is left of their momentum and by weight decay, which is most of what it does. Until a row is
read again this follows from the rates of the steps in between, so that it is done at once then, and for all rows before
anybody else looks. Of a row w with moments m and v after step a, AdamW (Loshchilov and Hutter 2019) makes without
gradients until step t

    w·kept − m / (√v + ε·held) · moved        m·β1^(t−a)        v·β2^(t−a)

    kept  = Π (1 − η_r·λ)                                                  r from a + 1 to t
    moved = Σ moved_s = Σ η_s · (β1/√β2)^(s−a) · √(1 − β2^s) / (1 − β1^s) · Π (1 − η_r·λ)    r from s + 1 to t
    held  = Σ moved_s · √(1 − β2^s) / β2^((s−a)/2) / moved                 s from a + 1 to t

with rates η and decay λ. That is exact but for rounding and for ε, which differs from step to step: here it is the mean
over them, exact to the first order in ε/√v.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.adamw import adamw

# A term of `moved` below this share of the first one is nothing in float32.
_NOTHING = 1e-12
# Rows that are brought up to date at once, where all are: what is computed of them needs memory.
_AT_ONCE = 4096


class LazyAdamW(torch.optim.AdamW):
    """AdamW, of whose groups one holds the weight of ``embedding``, [rows, width].

    Between :meth:`follow` and :meth:`leave` the embedding has its rows brought up to date before they are read: those
    of a batch in training, all of them without gradients. Its weight as it lies there is behind until :meth:`settle`.
    Raises ValueError for betas with which momentum would outlive the second moment.
    """

    def __init__(self, groups: list[dict[str, Any]], embedding: nn.Embedding, **options: Any) -> None:
        super().__init__(groups, **options)
        if not fades(self.defaults["betas"]):
            raise ValueError(f"betas {self.defaults['betas']}: momentum does not fade")
        self.embedding, self.weight = embedding, embedding.weight
        self.steps = 0
        # The step after which each row was last up to date.
        self.at = torch.zeros(len(self.weight), dtype=torch.int64, device=self.weight.device)
        self._elapsed = _Elapsed(0, self.defaults["betas"], self.weight.device)
        self._undo: Callable[[], None] | None = None

    # What it follows

    def follow(self) -> None:
        """From here on, bring rows up to date when they are read; their gradients come as sparse tensors."""
        handle = self.embedding.register_forward_pre_hook(self._before)
        self.embedding.sparse = True
        self._undo = handle.remove

    def leave(self) -> None:
        """Bring all rows up to date, and undo :meth:`follow`."""
        self.settle()
        if self._undo is not None:
            self._undo()
            self.embedding.sparse, self._undo = False, None

    def _before(self, embedding: nn.Module, arguments: tuple[Any, ...]) -> None:
        if torch.is_grad_enabled():
            self._catch_up(arguments[0].detach().reshape(-1))
        else:
            self.settle()

    # Steps

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One step; the gradient of the embedding may be a coalesced sparse tensor of some rows."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        gradient, self.weight.grad = self.weight.grad, None
        super().step()
        if gradient is not None:
            self._step_rows(gradient)
            self.weight.grad = gradient
        return loss

    def _step_rows(self, gradient: Tensor) -> None:
        if gradient.is_sparse:
            rows, values = gradient.indices()[0], gradient.values()
        else:  # of an embedding with a forward pass of its own
            rows, values = torch.arange(len(gradient), device=gradient.device), gradient
        self._catch_up(rows)
        group, state = self._group(), self._moments()
        every = (self.weight, state["exp_avg"], state["exp_avg_sq"])
        weights, means, squares = (tensor[rows] for tensor in every)
        (beta1, beta2), lr, decay = group["betas"], float(group["lr"]), group["weight_decay"]
        adamw(
            [weights],
            [values],
            [means],
            [squares],
            [],
            [state["step"]],
            fused=group["fused"],
            amsgrad=False,
            beta1=beta1,
            beta2=beta2,
            lr=lr,
            weight_decay=decay,
            eps=group["eps"],
            maximize=False,
        )
        for tensor, new in zip(every, (weights, means, squares), strict=True):
            tensor[rows] = new
        self.steps += 1
        self.at[rows] = self.steps
        self._elapsed.step(self.steps, lr, decay)

    def _group(self) -> dict[str, Any]:
        return next(g for g in self.param_groups if any(one is self.weight for one in g["params"]))

    def _moments(self) -> dict[str, Any]:
        """Of all rows, as AdamW keeps them; memory that no row has been written into is not taken."""
        state: dict[str, Any] = self.state[self.weight]
        if not state:
            where = self.weight.device if self._group()["fused"] else "cpu"
            state["step"] = torch.zeros((), dtype=torch.float32, device=where)
            for name in ("exp_avg", "exp_avg_sq"):
                state[name] = torch.zeros_like(self.weight)
        return state

    # Rows that are behind

    @torch.no_grad()
    def _catch_up(self, rows: Tensor) -> None:
        behind = rows[self.at[rows] < self.steps]
        if len(behind):
            self._bring(behind.unique())

    @torch.inference_mode(False)
    @torch.no_grad()
    def settle(self) -> None:
        """Bring all rows up to date."""
        if self._elapsed.first == self.steps:
            return
        for rows in (self.at < self.steps).nonzero()[:, 0].split(_AT_ONCE):
            self._bring(rows)
        self._elapsed = _Elapsed(self.steps, self._group()["betas"], self.weight.device)

    def _bring(self, rows: Tensor) -> None:
        group, state, since = self._group(), self._moments(), self.at[rows]
        beta1, beta2 = group["betas"]
        kept, moved, held = self._elapsed.of(since)
        means, squares = state["exp_avg"][rows], state["exp_avg_sq"][rows]
        direction = means / squares.sqrt().add_((group["eps"] * held).to(squares)[:, None])
        self.weight[rows] = self.weight[rows] * kept.to(means)[:, None] - direction * moved.to(means)[:, None]
        gone = (self.steps - since).double()
        state["exp_avg"][rows] = means * (beta1**gone).to(means)[:, None]
        state["exp_avg_sq"][rows] = squares * (beta2**gone).to(means)[:, None]
        self.at[rows] = self.steps

    # To continue from

    def state_dict(self) -> dict[str, Any]:
        """Of weights that are behind, as they lie there: continued, a run computes the same to the last bit."""
        return {**super().state_dict(), "rows": {"at": self.at, "steps": self.steps, **self._elapsed.state()}}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Also of a plain AdamW, all of whose rows are up to date."""
        rows = state_dict.get("rows")
        super().load_state_dict({name: value for name, value in state_dict.items() if name != "rows"})
        state = self.state.get(self.weight, {})
        self.steps = rows["steps"] if rows else int(state["step"]) if state else 0
        self._elapsed = _Elapsed(self.steps, self._group()["betas"], self.weight.device)
        if rows:
            self.at.copy_(rows["at"])
            self._elapsed.load(rows)
        else:
            self.at.fill_(self.steps)


class _Elapsed:
    """What rows without a gradient missed, by the step after which they were up to date, from ``first``."""

    def __init__(self, first: int, betas: tuple[float, float], device: torch.device) -> None:
        self.first, self.betas = first, betas
        beta1, beta2 = betas
        self.kept = torch.ones(1, dtype=torch.float64, device=device)
        # Of `moved`, and of `held` times it.
        self.sums = torch.zeros(2, 1, dtype=torch.float64, device=device)
        rate = beta1 / math.sqrt(beta2) if beta2 else 0.0
        many = math.ceil(math.log(_NOTHING) / math.log(rate)) if rate else 1
        # The last of them for rows that were up to date a step ago.
        since = torch.arange(many, 0, -1, dtype=torch.float64, device=device)
        self.fading = torch.stack((rate**since, (rate / math.sqrt(beta2 or 1)) ** since))

    def step(self, number: int, lr: float, decay: float) -> None:
        beta1, beta2 = self.betas
        self.kept *= 1 - lr * decay
        self.sums *= 1 - lr * decay
        root = math.sqrt(1 - beta2**number)
        count = min(self.sums.shape[1], self.fading.shape[1])
        sizes = self.sums.new_tensor([[root], [root * root]]) * lr / (1 - beta1**number)
        self.sums[:, -count:] += sizes * self.fading[:, -count:]
        self.kept = torch.cat((self.kept, self.kept.new_ones(1)))
        self.sums = torch.cat((self.sums, self.sums.new_zeros(2, 1)), dim=1)

    def of(self, since: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """`kept`, `moved` and `held`; this is 1 of rows that nothing would have moved."""
        places = since - self.first
        moved, held = self.sums[:, places]
        return self.kept[places], moved, (held / moved).nan_to_num(1.0)

    def state(self) -> dict[str, Any]:
        # Numbers, because optimizers turn tensors into the type of their weights.
        return {"first": self.first, "kept": self.kept.tolist(), "sums": self.sums.tolist()}

    def load(self, state: dict[str, Any]) -> None:
        self.first = state["first"]
        self.kept, self.sums = self.kept.new_tensor(state["kept"]), self.sums.new_tensor(state["sums"])


def fades(betas: tuple[float, float]) -> bool:
    """Whether momentum fades faster than the root of the second moment, so that a row comes to rest."""
    return betas[0] ** 2 < betas[1] or betas[0] == 0


def largest_embedding(model: nn.Module) -> nn.Embedding | None:
    """The largest trained embedding that nothing but itself reads; None where there is none."""
    owners: dict[Tensor, set[nn.Module]] = {}
    for module in model.modules():
        for weight in module.parameters(recurse=False):
            owners.setdefault(weight, set()).add(module)
    found = [
        module
        for module in model.modules()
        if isinstance(module, nn.Embedding)
        and module.weight.requires_grad
        and owners[module.weight] == {module}
        and module.max_norm is None
        and not module.scale_grad_by_freq
    ]
    return max(found, key=lambda embedding: embedding.weight.numel(), default=None)
