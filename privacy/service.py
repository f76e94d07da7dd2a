"""The privacy stage as a process: start, stop within seconds, and fail loudly.

A failed query ends the process with a non-zero code, and the supervisor starts it again on the same checkpoint and ledger. Being killed
at any moment is safe, so a stop that takes too long ends by leaving.
"""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

from privacy.identifiers.keyring import KeyRing
from privacy.policy import compiled_policy
from privacy.process import STOP_WITHIN_S, leave_after, only_one, stop_on_signals
from privacy.session import start_session
from veilocity.settings import Settings

__all__ = ["run"]


def run(settings: Settings) -> None:
    """Run until SIGTERM or SIGINT, or until the query fails.

    Raises:
        VeilocityError: what ended the query.
    """
    stop = threading.Event()
    stop_on_signals(stop)
    # Before Spark starts, so that a fault is told within a second.
    compiled_policy(settings)
    KeyRing.from_file(settings.token_key_file)
    with only_one(settings.privacy_dir), ThreadPoolExecutor(max_workers=1, thread_name_prefix="spark") as pool:
        # Spark takes longest: it boots, in a thread so that it leaves SIGINT to us, while the rest is imported and the servers come up.
        booting = pool.submit(start_session, settings)
        from privacy.runner import run_query  # noqa: PLC0415  # imported while Spark boots: two seconds earlier at the first batch

        spark = booting.result()
        try:
            run_query(settings, spark, stop)
        except BaseException:
            leave_after(STOP_WITHIN_S, code=1)
            raise
        finally:
            spark.stop()
