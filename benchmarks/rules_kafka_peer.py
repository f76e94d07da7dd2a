"""The naive rule everybody ships, on quixstreams: runs in a virtual environment of its own and imports nothing of this project.

State (the last place of each subject) with its changelog, exactly once. Arguments: bootstrap, topic prefix, folder for state.
"""

from __future__ import annotations

import math
import sys
from typing import Any

_SPEED_LIMIT_MPS = 900.0 / 3.6


def judge(event: dict[str, Any], state: Any) -> dict[str, Any]:
    """Return the event's verdict: distance over time since the last event above 900 km/h."""
    at_s = event["fix_ns"] / 1e9 if "fix_ns" in event else event["authorised_ms"] / 1e3
    here = (math.radians(event["lat"]), math.radians(event["lon"]), at_s)
    last = state.get("last")
    state.set("last", here)
    if last is None or at_s <= last[2]:
        return {"flagged": False}
    half = math.sin((here[0] - last[0]) / 2) ** 2 + math.cos(last[0]) * math.cos(here[0]) * math.sin((here[1] - last[1]) / 2) ** 2
    speed_mps = 2 * 6_371_008.8 * math.asin(math.sqrt(half)) / (at_s - last[2])
    return {"flagged": speed_mps > _SPEED_LIMIT_MPS, "subject": event["subject"]}


def main(bootstrap: str, prefix: str, folder: str) -> None:
    """Work until killed."""
    from quixstreams import Application  # type: ignore[import-not-found]  # noqa: PLC0415  # it is not installed where this file is checked

    app = Application(
        broker_address=bootstrap,
        consumer_group=f"{prefix}quixstreams",
        auto_offset_reset="earliest",
        processing_guarantee="exactly-once",
        commit_interval=0.1,
        state_dir=folder,
        loglevel="WARNING",
    )
    fixes, payments = (app.topic(f"{prefix}{name}", value_deserializer="json") for name in ("fixes", "transactions"))
    judged = app.dataframe(fixes).concat(app.dataframe(payments)).apply(judge, stateful=True)
    judged.filter(lambda verdict: verdict["flagged"]).to_topic(app.topic(f"{prefix}alerts", value_serializer="json"))
    app.run()


if __name__ == "__main__":
    main(*sys.argv[1:])
