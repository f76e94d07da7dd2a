"""Streaming reports: counts over decisions and browsing events, each window given out once, of k people (docs/reports.md)."""

__all__: list[str] = []
