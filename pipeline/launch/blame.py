"""Why several processes ended: which of their reports is the cause, and what of it a person is told."""

from __future__ import annotations

import re
import signal
from collections.abc import Mapping, Sequence

from pipeline.errors import BadInput, Problem, RunFailed
from pipeline.runs.directory import RunDirectory
from pipeline.runs.ranks import Report, log_path

# What gloo says when another process has gone. NCCL's errors have a class.
_LOST = re.compile(
    r"Connection (closed|reset)|gloo.*(pair|transport)|Broken pipe|recvBytes|wait timeout", re.DOTALL
)


def is_lost(error: BaseException) -> bool:
    """Whether it tells of another process that went away, which is then what failed."""
    import torch

    return isinstance(error, torch.distributed.DistError) or (
        isinstance(error, RuntimeError) and bool(_LOST.search(str(error)))
    )


def can_start_again(reports: Sequence[Report]) -> bool:
    """Whether none failed by itself: what an error or a hang ended would end the same way again."""
    return all(report.kind in ("", "lost") for report in reports)


def cause(
    run: RunDirectory, reports: Sequence[Report], codes: Mapping[int, int]
) -> tuple[str, BadInput | RunFailed]:
    """What the manifest keeps of it, and what is raised.

    codes: exit codes of the processes that ended badly here, negative for a signal.
    """
    kinds = {kind: [each for each in reports if each.kind == kind] for kind in ("bad_input", "error", "hang")}
    if kinds["bad_input"]:
        problems = [Problem(**problem) for problem in kinds["bad_input"][0].problems]
        return f"BadInput: {kinds['bad_input'][0].error}", BadInput(problems)
    if kinds["error"]:
        return _failed(_of_error(run, kinds["error"], len(reports)))
    if kinds["hang"]:
        return _failed(_of_hang(run, kinds["hang"], reports))
    if killed := [(rank, code) for rank, code in sorted(codes.items()) if code < 0]:
        # When one has gone, the others are asked to go too.
        rank, code = next((each for each in killed if each[1] != -signal.SIGTERM), killed[0])
        name = signal.Signals(-code).name
        why = ", as the system does when memory runs out" if name == "SIGKILL" else ""
        return _failed(f"rank {rank} was killed ({name}{why}); its log: {log_path(run, rank)}")
    lost = [each for each in reports if each.kind == "lost"]
    if lost:
        where = f"{log_path(run, lost[0].rank)}"
        return _failed(f"rank {lost[0].rank} lost the others: {lost[0].error}; its log: {where}")
    rank, code = min(codes.items(), default=(0, 1))
    return _failed(f"rank {rank} ended with code {code}; its log: {log_path(run, rank)}")


def _failed(text: str) -> tuple[str, RunFailed]:
    return text, RunFailed(text)


def _of_error(run: RunDirectory, failed: Sequence[Report], count: int) -> str:
    first = failed[0]
    if len(failed) == count and len({each.error for each in failed}) == 1:
        return first.error  # All of them noticed, as when the loss is no number any more.
    at = f" ({first.at})" if first.at else ""
    return f"rank {first.rank}: {first.error}{at}; its log: {log_path(run, first.rank)}"


def _of_hang(run: RunDirectory, hung: Sequence[Report], reports: Sequence[Report]) -> str:
    """Names the processes that did not arrive where the others wait."""
    least = min(each.marks for each in reports)
    behind = [each for each in reports if each.marks == least]
    if len(behind) == len(reports):
        # All passed the same places, so what they do now decides.
        behind = [each for each in reports if not each.waits] or behind
    names = ", ".join(str(each.rank) for each in behind)
    plural = "s" if len(behind) > 1 else ""
    lines = [f"the processes hang: rank{plural} {names} did not arrive where the others wait"]
    if len(behind) == len(reports):
        lines = ["the processes hang, and none is behind the others"]
    for each in reports:
        lines.append(f"  rank {each.rank}: after '{each.last}', now in {each.at or 'a place it cannot tell'}")
    lines.append(f"stacks of all threads: {log_path(run, hung[0].rank).with_name('rank*.log')}")
    return "\n".join(lines)
