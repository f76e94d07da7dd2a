"""Producers as the reference systems have them: paced replay of CSV files, profiles of payers, one persona among a crowd."""

from ingest.produce.csv_feed import CsvPlay, play_csv
from ingest.produce.mapping import Mapping, mapping_named
from ingest.produce.sustained import Reached, sustain

__all__ = ["CsvPlay", "Mapping", "Reached", "mapping_named", "play_csv", "sustain"]
