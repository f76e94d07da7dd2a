"""Hypothesis without deadlines: how long one example takes says more about the machine's load than about the code."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("veilocity", deadline=None, max_examples=50, print_blob=True)
settings.load_profile("veilocity")
