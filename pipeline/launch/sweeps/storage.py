"""Where a search keeps its trials: a journal in its folder, or a database that several machines share."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock
from optuna.storages.journal._file import BaseJournalFileLock

from pipeline.errors import BadInput, Problem
from pipeline.runs.redaction import redact_text

if TYPE_CHECKING:
    from optuna.storages import BaseStorage

JOURNAL = "study.journal"


class _Whole(BaseJournalFileLock):
    """A lock that ends with its process; what a killed one left half-written is cut off before the next line."""

    def __init__(self, journal: Path) -> None:
        self.journal = journal
        self.lock = FileLock(
            journal.with_name(f".{journal.name}.lock"), thread_local=False, poll_interval=0.01
        )

    def acquire(self) -> bool:
        self.lock.acquire()
        content = self.journal.read_bytes()
        if content and not content.endswith(b"\n"):
            os.truncate(self.journal, content.rfind(b"\n") + 1)
        return True

    def release(self) -> None:
        self.lock.release()


def open_storage(url: str | None, folder: Path) -> BaseStorage:
    """The storage at ``url``, or the journal in the sweep's folder. Raises BadInput where it cannot be opened."""
    import optuna
    from optuna.storages import JournalStorage, RDBStorage
    from optuna.storages.journal import JournalFileBackend

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    if url is None:
        journal = folder / JOURNAL
        return JournalStorage(JournalFileBackend(str(journal), lock_obj=_Whole(journal)))
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import SQLAlchemyError

    try:
        return RDBStorage(url)
    except ImportError as error:
        driver = make_url(url).get_driver_name()
        what = f"needs the package {driver}, which is not installed"
        raise BadInput(Problem("sweep.storage", what, f"pip install {driver}")) from error
    except (SQLAlchemyError, ValueError) as error:
        what = f"the database cannot be opened: {redact_text(str(error).splitlines()[0])}"
        raise BadInput(Problem("sweep.storage", what, "the URL of a database that can be reached")) from error
