"""The sink of the sensor history: fixes from Kafka, people and devices as keyed pseudonyms, into PostgreSQL."""

from privacy.history.names import Names
from privacy.history.service import run

__all__ = ["Names", "run"]
