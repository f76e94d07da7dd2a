"""Which files the servers are made of: exact versions with checksum and size, read from the lock files beside this module.

A lock line is `group:name:version[:extension[:classifier]] sha256 bytes`. What is not in a lock is never downloaded.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import resources

__all__ = ["APICURIO", "CASSANDRA", "ELASTICSEARCH", "KAFKA", "SPARK_CONNECTOR", "Artifact", "parse_lock", "read_lock", "resource_text"]

KAFKA = "kafka.lock"
ELASTICSEARCH = "elasticsearch.lock"
SPARK_CONNECTOR = "spark.lock"
CASSANDRA = "cassandra.lock"
APICURIO = "apicurio.lock"


@dataclass(frozen=True, slots=True)
class Artifact:
    """One file in a Maven repository."""

    group: str
    name: str
    version: str
    extension: str
    sha256: str
    size_bytes: int
    classifier: str = ""
    """Which of several files of one version, where there are several."""

    @property
    def path(self) -> str:
        """Where the file lies below the root of a Maven repository.

        >>> Artifact("org.apache.kafka", "kafka-clients", "3.9.1", "jar", "00", 1).path
        'org/apache/kafka/kafka-clients/3.9.1/kafka-clients-3.9.1.jar'
        """
        folder = self.group.replace(".", "/")
        classifier = f"-{self.classifier}" if self.classifier else ""
        return f"{folder}/{self.name}/{self.version}/{self.name}-{self.version}{classifier}.{self.extension}"


def parse_lock(text: str) -> tuple[Artifact, ...]:
    """Return the artifacts that a lock file lists.

    >>> parse_lock("a.b:c:1.0 ff 3")[0].path
    'a/b/c/1.0/c-1.0.jar'
    >>> parse_lock("a.b:c:1.0:jar:native ff 3")[0].path
    'a/b/c/1.0/c-1.0-native.jar'
    """
    artifacts = []
    for line in text.splitlines():
        coordinate, sha256, size_bytes = line.split()
        group, name, version, *rest = coordinate.split(":")
        extension, classifier = (*rest, *("jar", "")[len(rest) :])
        artifacts.append(Artifact(group, name, version, extension, sha256, int(size_bytes), classifier))
    return tuple(artifacts)


@cache
def read_lock(name: str) -> tuple[Artifact, ...]:
    """Return the artifacts of one of this room's lock files."""
    return parse_lock(resource_text(name))


def resource_text(name: str) -> str:
    """Return the text of a file that lies beside this module."""
    return resources.files("devstack").joinpath(name).read_text(encoding="utf-8")
