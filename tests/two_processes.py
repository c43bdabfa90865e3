"""Work of two real processes that talk by gloo.

They are forked from a server that has imported the libraries, never from pytest itself: what other tests have started
there has threads, and a fork that meets one of them holding a lock waits for ever.
"""

import multiprocessing
import socket
from collections.abc import Callable
from typing import Any

import torch
from torch.multiprocessing.spawn import start_processes

PRELOADED = ["torch", "torchmetrics", "pipeline.tasks.text_classification", "pipeline.tasks.regression"]


def in_two_processes(work: Callable[..., None], *arguments: Any) -> None:
    """Call ``work(rank, *arguments)`` in both, as ranks of one process group. work: a function of a module."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    multiprocessing.set_forkserver_preload(PRELOADED)
    start_processes(_joined, (port, work, arguments), nprocs=2, start_method="forkserver")


def _joined(rank: int, port: int, work: Callable[..., None], arguments: tuple) -> None:
    address = f"tcp://127.0.0.1:{port}"
    torch.distributed.init_process_group("gloo", init_method=address, rank=rank, world_size=2)
    work(rank, *arguments)
    torch.distributed.destroy_process_group()
