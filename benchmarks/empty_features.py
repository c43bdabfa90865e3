"""Runs of a frozen backbone as if it were the first time on this machine."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def empty_features() -> Iterator[Path]:
    """Within, the cache has all that the machine's has, but nothing of frozen backbones; where these come to lie."""
    with cache_without_features() as folder:
        before = os.environ.get("HYDRATUNE_CACHE")
        os.environ["HYDRATUNE_CACHE"] = str(folder)
        try:
            yield folder / "features"
        finally:
            os.environ.pop("HYDRATUNE_CACHE")
            if before is not None:
                os.environ["HYDRATUNE_CACHE"] = before


@contextmanager
def cache_without_features() -> Iterator[Path]:
    """A cache folder with what the machine's has of packages and their rows."""
    from pipeline.fetch.cache import cache_folder

    with tempfile.TemporaryDirectory() as folder:
        real = cache_folder()
        for name in ("packages", "rows", "fingerprints", "digests"):
            (real / name).mkdir(parents=True, exist_ok=True)
            (Path(folder) / name).symlink_to(real / name)
        yield Path(folder)
