"""Viewers without a screen: each reads the stream of events as a page does and throws it away."""

from __future__ import annotations

import sys
import threading
import time

import httpx

__all__ = ["view"]


def view(url: str, viewers: int, seconds: float) -> int:
    """Read as so many viewers for so long; return how many bytes came."""
    over = time.monotonic() + seconds
    read = [0] * viewers

    def one(number: int) -> None:
        with httpx.stream("GET", f"{url}/events", timeout=30.0, headers={"Accept-Encoding": "gzip"}) as answer:
            answer.raise_for_status()
            for part in answer.iter_raw():
                read[number] += len(part)
                if time.monotonic() > over:
                    return

    threads = [threading.Thread(target=one, args=(number,)) for number in range(viewers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(read)


if __name__ == "__main__":
    print(view(sys.argv[1], int(sys.argv[2]), float(sys.argv[3])))
