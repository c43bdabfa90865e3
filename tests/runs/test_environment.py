"""What the manifest says of versions and machine."""

import json
import os
import platform
import subprocess
import sys
from importlib.metadata import version

import pytest

from pipeline.runs import environment
from tests.conftest import ROOT


def test_it_says_what_is_installed_here():
    found = environment.environment()
    assert found["python"] == platform.python_version()
    assert found["packages"]["torch"] == version("torch")
    assert found["machine"]["cpus"] >= 1
    json.dumps(found)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="only Linux says which cores are allowed")
def test_only_the_cores_that_are_allowed_count():
    code = (
        "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))});"
        "from pipeline.runs.environment import usable_cpus; print(usable_cpus())"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["1"]


@pytest.mark.parametrize("name", [environment.GRANTED_CPUS, "SLURM_CPUS_PER_TASK"])
def test_what_a_cluster_grants_without_binding_counts(name: str, monkeypatch: pytest.MonkeyPatch):
    there = environment.usable_cpus()
    monkeypatch.setenv(name, "1")
    assert environment.usable_cpus() == 1
    monkeypatch.setenv(name, "4096")
    assert environment.usable_cpus() == there


def test_a_package_that_is_not_there_is_none():
    assert environment.version_of("no-such-package-at-all") is None


def test_the_commit_is_that_of_the_checkout():
    found = environment._commit()
    head = subprocess.run(["git", "-C", str(ROOT), "rev-parse", "HEAD"], capture_output=True, text=True)
    if head.returncode == 0:
        assert found is not None and found.removesuffix("+changes") == head.stdout.strip()
    else:
        assert found is None


def test_it_imports_nothing_heavy():
    code = "from pipeline.runs.environment import environment; environment(); import sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert {"torch", "transformers", "lightning"} & set(done.stdout.split()) == set()
