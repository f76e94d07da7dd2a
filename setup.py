"""The optional compilation of the engine; everything else about the build is in pyproject.toml.

VEILOCITY_COMPILE=1 pip install .     compiles the modules in which the engine spends its time, with mypyc; it takes a C compiler and half a
minute. Without it the same source runs as it is, with equal results (tests/integration/test_rules_compiled.py).
"""

from __future__ import annotations

import os
from pathlib import Path

from setuptools import setup

COMPILED = [
    "rules/packed.py",
    "rules/sight.py",
    "rules/travel.py",
    "rules/subject.py",
    "rules/glance.py",
    "rules/engine.py",
    "rules/views.py",
    "rules/forgetting.py",
    "rules/judgement.py",
    "rules/ruling.py",
    "rules/motion/clock.py",
    "rules/motion/stays.py",
    "rules/motion/track.py",
    "rules/motion/trace.py",
]
"""Modules without classes that msgspec must read at run time: those stay as they are."""

if os.environ.get("VEILOCITY_COMPILE") == "1":
    from mypyc.build import mypycify

    root = Path(__file__).parent
    setup(ext_modules=mypycify([str(root / name) for name in COMPILED], opt_level="3"))
else:
    setup()
