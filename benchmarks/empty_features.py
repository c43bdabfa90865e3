"""Runs of a frozen backbone as if it were the first time on this machine."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def empty_features() -> Iterator[Path]:
    """A cache with all that the machine's has, but nothing of frozen backbones; where these come to lie."""
    from pipeline.fetch.cache import cache_folder

    with tempfile.TemporaryDirectory() as folder:
        real = cache_folder()
        for name in ("packages", "rows", "fingerprints", "digests"):
            (real / name).mkdir(parents=True, exist_ok=True)
            (Path(folder) / name).symlink_to(real / name)
        before = os.environ.get("HYDRATUNE_CACHE")
        os.environ["HYDRATUNE_CACHE"] = folder
        try:
            yield Path(folder) / "features"
        finally:
            os.environ.pop("HYDRATUNE_CACHE")
            if before is not None:
                os.environ["HYDRATUNE_CACHE"] = before
