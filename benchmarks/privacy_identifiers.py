"""What tokens, FF1 and card tokens do on one core, beside the standard library's HMAC in the same run and, where given, the package ff3."""

from __future__ import annotations

import hmac
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.figures import Figure
from privacy.identifiers.card_tokens import CardCipher
from privacy.identifiers.cards import luhn_digit
from privacy.identifiers.ff1 import FF1
from privacy.identifiers.keyring import ALWAYS_MS, KeyRing
from privacy.identifiers.pseudonyms import Pseudonymiser
from privacy.tokens import TokenKind

__all__ = ["ff3_cards_per_s", "figures"]

_CARDS = 200_000
_PEER_CARDS = 20_000
_ROUNDS = 5
_WEEK_MS = 7 * 86_400_000
_RING = KeyRing([(1, ALWAYS_MS, bytes(range(32)))])
_PEER_PROGRAM = """
import sys, time
from ff3 import FF3Cipher
numbers = sys.stdin.read().split()
cipher = FF3Cipher("2B7E151628AED2A6ABF7158809CF4F3CEF4359D8D580AA4F7F036D6F04FC6A94", "CBD09280979564")
best = 0.0
for _ in range(3):
    began = time.process_time()
    for number in numbers:
        cipher.encrypt(number)
    best = max(best, len(numbers) / (time.process_time() - began))
print(best)
"""


def _numbers(count: int) -> list[str]:
    bodies = [f"411111{number * 7_919 % 10**9:09}" for number in range(count)]
    return [body + luhn_digit(body) for body in bodies]


def ff3_cards_per_s(python: Path) -> float:
    """Measure the package ff3 with a Python that has it (`pip install ff3` in an environment of its own); 16 digits, AES-256.

    Raises:
        subprocess.CalledProcessError: it has no ff3.
    """
    numbers = "\n".join(_numbers(_PEER_CARDS))
    found = subprocess.run([str(python), "-c", _PEER_PROGRAM], input=numbers, capture_output=True, text=True, check=True)
    return float(found.stdout)


def _rate(work: Callable[[], object], count: int) -> float:
    """Return items per second of processor time: others on the machine do not count."""
    began = time.process_time()
    work()
    return count / (time.process_time() - began)


def _works(distinct: list[str]) -> dict[str, Callable[[], object]]:
    """Return what is measured; each takes as many items as there are in `distinct`, and starts without a cache."""
    key = _RING.key("benchmark")
    repeated = [distinct[place % (len(distinct) // 10)] for place in range(len(distinct))]
    ff1, cards = FF1(key), CardCipher(_RING, "mongodb/card")

    def pseudonymiser() -> Pseudonymiser:
        return Pseudonymiser(_RING, "mongodb", _WEEK_MS)

    return {
        "stdlib": lambda: [hmac.digest(key, number.encode(), "sha256") for number in distinct],
        "hmac.distinct_per_s": lambda: pseudonymiser().tokens(TokenKind.CARD, [*distinct], 0),
        "hmac.ten_times_each_per_s": lambda: pseudonymiser().tokens(TokenKind.CARD, [*repeated], 0),
        "ff1.cards_per_s": lambda: ff1.encrypt_column([*distinct], b"card"),
        "ff1.card_tokens_per_s": lambda: cards.encrypt_column([*distinct], 0),
    }


def figures(peer_python: Path | None = None) -> list[Figure]:
    """Measure: the best of some rounds each, in turn, since noise only ever slows a run down.

    Args:
        peer_python: a Python with ff3 installed, to compare with it too.
    """
    works = _works(_numbers(_CARDS))
    best = dict.fromkeys(works, 0.0)
    for _ in range(_ROUNDS):
        for name, work in works.items():
            best[name] = max(best[name], _rate(work, _CARDS))
    stdlib = best.pop("stdlib")
    ratio, repeated = (round(best[name] / stdlib, 2) for name in ("hmac.distinct_per_s", "hmac.ten_times_each_per_s"))
    found = [
        Figure("hmac.ratio_to_stdlib", ratio, "times", ">= 1", "hmac.digest in a loop, distinct identifiers", ratio),
        Figure("hmac.ratio_to_stdlib_repeated", repeated, "times", ">= 1", "hmac.digest in a loop, each identifier ten times", repeated),
    ]
    for name, rate in best.items():
        found.append(Figure(name, round(rate, 1), "items/s", ">= 250000" if name == "ff1.cards_per_s" else "none"))
    if peer_python is not None:
        theirs = ff3_cards_per_s(peer_python)
        ratio = round(best["ff1.cards_per_s"] / theirs, 1)
        found.append(Figure("ff1.ratio_to_ff3", ratio, "times", ">= 30", f"ff3, {theirs:.0f} cards/s", ratio))
    return found
