"""The outside world to Kafka: validate, normalise, reject with a reason.

The room promises: every item that reaches the gateway is accepted, rejected or (readings of other sensors) ignored, and counted; an answer
of 200 means that all of it is in Kafka; a bad item costs nothing but itself. The parsers are pure; only the gateway, the replayers and the
simulator's feed touch a network or a clock.
"""

from ingest.directory import Directory
from ingest.fields import Arrival
from ingest.outcome import Outcome
from ingest.sensor_logger import parse as parse_sensor_logger
from ingest.transactions import parse as parse_transactions

__all__ = ["Arrival", "Directory", "Outcome", "parse_sensor_logger", "parse_transactions"]
