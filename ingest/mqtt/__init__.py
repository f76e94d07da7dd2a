"""The MQTT bridge: phones publish to a broker, and what they publish takes the same way as over HTTP.

A message of QoS 1 is acknowledged to the broker only when everything in it is in Kafka. So a bridge that is killed, or cut off, gets it
again; what comes twice is dropped by identity in the rules service.
"""

from ingest.mqtt.bridge import Bridge
from ingest.mqtt.session import Message, Session
from ingest.mqtt.topics import protocol_of

__all__ = ["Bridge", "Message", "Session", "protocol_of"]
