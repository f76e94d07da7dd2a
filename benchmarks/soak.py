"""The whole system for long, with crashes: the city plays at full speed while a service is killed every half minute, then all must add up.

Bounded by `--minutes`; it ends only what it started. Run it with `make soak`, or `make soak ARGS="--minutes 60"`.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from pathlib import Path

from rich.progress import track

from devstack import SERVICES, Simulation, Stack
from veilocity import settings as kernel_settings
from veilocity.cli.doctor import Examination, examine

_KILL_EVERY_S = 30
_SETTLE_S = 300.0


def _settled(stack: Stack) -> Examination:
    deadline = time.monotonic() + _SETTLE_S
    while True:
        found = examine(stack.settings)
        if found.conservation.complete or found.conservation.violated or time.monotonic() > deadline:
            return found
        time.sleep(1.0)


def main() -> int:
    """Run, kill, add up; return 0 when nothing was lost or doubled."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    dice = random.Random(options.seed)  # noqa: S311  # chooses what to kill, no secret
    with tempfile.TemporaryDirectory(prefix="veilocity-soak-") as folder, Stack(kernel_settings.load({}, state_dir=Path(folder))) as stack:
        stack.simulate(Simulation(people=2_000, speed=60.0, seed=options.seed))
        for _ in track(range(int(options.minutes * 60 / _KILL_EVERY_S)), "killing a service every 30 s"):
            time.sleep(_KILL_EVERY_S)
            stack.kill(dice.choice(SERVICES))
        stack.end("simulate")
        found = _settled(stack)
        restarts = {name: stack.restarts(name) for name in SERVICES}
    for equation in found.conservation.equations:
        print(f"{equation.state.value:10} {equation.name}")
    print(f"services came back: {restarts}")
    return 0 if found.conservation.complete else 1


if __name__ == "__main__":
    raise SystemExit(main())
