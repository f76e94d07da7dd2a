"""Asks a server whether it is ready, by a real request. Each probe answers at once and never raises."""

from __future__ import annotations

import socket

import httpx
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from pymongo import MongoClient
from pymongo.errors import PyMongoError

from veilocity.kafka import client_config
from veilocity.settings import Settings

__all__ = ["cassandra_answers", "elasticsearch_answers", "http_answers", "kafka_answers", "mongodb_answers", "port_answers"]

_TIMEOUT_S = 2.0
_OK = 200


def kafka_answers(settings: Settings) -> bool:
    """Return whether a broker is registered: metadata that lists none comes from a broker that still starts."""
    if not any(_accepts(address) for address in settings.kafka_bootstrap.split(",")):
        return False  # asked first, because the client would print its failure
    try:
        return bool(AdminClient({**client_config(settings), "log_level": 0}).list_topics(timeout=_TIMEOUT_S).brokers)
    except KafkaException:
        return False


def port_answers(port: int) -> bool:
    """Return whether something on this machine accepts connections to a port."""
    return _accepts(f"127.0.0.1:{port}")


def cassandra_answers(port: int) -> bool:
    """Return whether a Cassandra node of this machine says which protocols it speaks, which it does when it takes clients.

    Asked in its own binary protocol (version 4, OPTIONS, no body): its driver is an extra that not everybody has.
    """
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=_TIMEOUT_S) as connection:
            connection.sendall(b"\x04\x00\x00\x00\x05\x00\x00\x00\x00")
            answer = connection.recv(9)
    except OSError:
        return False
    return answer[:1] == b"\x84" and answer[4:5] == b"\x06"


def elasticsearch_answers(settings: Settings) -> bool:
    """Return whether the cluster is formed and its known shards are there."""
    login = (settings.elasticsearch_username, settings.elasticsearch_password.get_secret_value())
    url = f"{settings.elasticsearch_url.rstrip('/')}/_cluster/health?wait_for_status=yellow&timeout=1s"
    return http_answers(url, login if login[0] else None)


def mongodb_answers(settings: Settings) -> bool:
    """Return whether the server takes a write."""
    client: MongoClient[dict[str, object]] = MongoClient(
        settings.mongodb_uri.get_secret_value(), serverSelectionTimeoutMS=500, connectTimeoutMS=500, socketTimeoutMS=5000
    )
    try:
        client.admin.command("ping")
        client["veilocity_devstack"]["ready"].replace_one({"_id": "probe"}, {"_id": "probe"}, upsert=True)
    except PyMongoError:
        return False
    finally:
        client.close()
    return True


def http_answers(url: str, login: tuple[str, str] | None = None) -> bool:
    """Return whether a GET of `url` is answered by 200."""
    try:
        # Not through a proxy of the environment: this machine asks itself.
        return httpx.get(url, timeout=_TIMEOUT_S, auth=login, trust_env=False).status_code == _OK
    except httpx.HTTPError:
        return False


def _accepts(address: str) -> bool:
    host, _, port = address.strip().rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=_TIMEOUT_S):
            return True
    except OSError:
        return False
