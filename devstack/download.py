"""Downloads locked files: in parallel, verified by SHA-256, and visible under their name only when they are right.

A file that lies in the folder with its right size was verified when it was written, because nothing is renamed into place before. So a
complete cache is used without asking anyone.
"""

from __future__ import annotations

import hashlib
import os
import ssl
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from pathlib import Path

import certifi
import httpx

from devstack.artifacts import Artifact
from devstack.cancellation import Cancellation
from devstack.report import Reporter
from veilocity.errors import DependencyError, ServiceUnavailableError

__all__ = ["fetch", "location", "missing"]

_ATTEMPTS = 3
_PARALLEL = 8
_TIMEOUT = httpx.Timeout(30.0, connect=10.0)


def location(folder: Path, artifact: Artifact) -> Path:
    """Return where the file of `artifact` lies in the cache."""
    return folder / artifact.path


def missing(artifacts: Sequence[Artifact], folder: Path) -> list[Artifact]:
    """Return those of `artifacts` that are not in the cache with their right size."""
    return [artifact for artifact in artifacts if not _is_complete(location(folder, artifact), artifact)]


def fetch(what: str, artifacts: Sequence[Artifact], folder: Path, base_url: str, reporter: Reporter, cancellation: Cancellation) -> None:
    """Download what the cache lacks.

    Args:
        what: name of it all, for people.
        artifacts: the files wanted.
        folder: the cache; laid out as a Maven repository.
        base_url: root of a Maven repository.
        reporter: told how it goes.
        cancellation: looked at between pieces.

    Raises:
        ServiceUnavailableError: the repository does not answer, or not with the file.
        DependencyError: a file has another checksum than the lock says.
        Cancelled: somebody asked to stop.
    """
    wanted = missing(artifacts, folder)
    if not wanted:
        return
    total_bytes = sum(artifact.size_bytes for artifact in wanted)
    # Threads of a failed download end at their next piece, because this flag of their own says so.
    failed = Cancellation()
    client = httpx.Client(timeout=_TIMEOUT, follow_redirects=True, verify=_certificates())
    with reporter.downloading(what, total_bytes) as advance, client:

        def one(artifact: Artifact) -> None:
            _download(client, artifact, location(folder, artifact), base_url, advance, (cancellation, failed))

        with ThreadPoolExecutor(_PARALLEL, thread_name_prefix="download") as pool:
            futures = [pool.submit(one, artifact) for artifact in wanted]
            done, _ = wait(futures, return_when=FIRST_EXCEPTION)
            failed.cancel()
        cancellation.check()
        for future in done:
            future.result()


def _certificates() -> ssl.SSLContext:
    """Trust the operating system's authorities (a company's own is there) and the usual ones (some systems keep none)."""
    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    return context


def _is_complete(path: Path, artifact: Artifact) -> bool:
    return path.is_file() and path.stat().st_size == artifact.size_bytes


def _download(
    client: httpx.Client,
    artifact: Artifact,
    target: Path,
    base_url: str,
    advance: Callable[[int], None],
    cancellations: Sequence[Cancellation],
) -> None:
    url = f"{base_url.rstrip('/')}/{artifact.path}"
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f"{target.name}.part")
    for attempt in range(1, _ATTEMPTS + 1):
        received_bytes = 0
        try:
            digest = hashlib.sha256()
            with client.stream("GET", url) as answer, partial.open("wb") as file:
                answer.raise_for_status()
                for piece in answer.iter_bytes(1 << 18):
                    for cancellation in cancellations:
                        cancellation.check()
                    file.write(piece)
                    digest.update(piece)
                    received_bytes += len(piece)
                    advance(len(piece))
            break
        except httpx.HTTPError as cause:
            advance(-received_bytes)
            if attempt == _ATTEMPTS or (isinstance(cause, httpx.HTTPStatusError) and cause.response.status_code < 500):
                raise ServiceUnavailableError(
                    f"{url} could not be downloaded ({_reason(cause)}): check the connection, or set VEILOCITY_MAVEN_URL to a mirror"
                ) from cause
            cancellations[0].wait(0.5 * 2**attempt)
        finally:
            if received_bytes != artifact.size_bytes:
                partial.unlink(missing_ok=True)
    if digest.hexdigest() != artifact.sha256:
        partial.unlink(missing_ok=True)
        raise DependencyError(
            f"{url} is not the file that devstack locks (its SHA-256 differs): "
            "try again, or set VEILOCITY_MAVEN_URL to a repository you trust"
        )
    os.replace(partial, target)


def _reason(cause: httpx.HTTPError) -> str:
    if isinstance(cause, httpx.HTTPStatusError):
        return f"answer {cause.response.status_code}"
    return type(cause).__name__
