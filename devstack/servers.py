"""The three servers as processes: Kafka, Elasticsearch and SecantusDB, each on loopback with its data in the state folder.

Those of the extras are beside this module.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from devstack import artifacts, java, probes
from devstack.apicurio import API
from devstack.environment import changed
from devstack.install import Installer
from devstack.mosquitto import BRIDGE, find, make_password
from devstack.mosquitto import mosquitto as broker
from devstack.process import Folders, ProcessSpec
from veilocity.errors import DependencyError
from veilocity.settings import Settings

__all__ = ["OPTIONAL", "PORTS", "SERVERS", "as_nobody", "elasticsearch", "kafka", "mongodb", "mosquitto", "point_at", "point_at_mosquitto"]

SERVERS = ("kafka", "elasticsearch", "mongodb")
OPTIONAL = ("mosquitto", "cassandra", "apicurio", "postgres")
"""Servers that run where they were asked for."""
PORTS = {
    "kafka": ("kafka", "kafka_controller"),
    "elasticsearch": ("elasticsearch", "elasticsearch_transport"),
    "mongodb": ("mongodb",),
    "mosquitto": ("mosquitto",),
    "cassandra": ("cassandra", "cassandra_storage"),
    "apicurio": ("apicurio", "apicurio_management"),
    "postgres": ("postgres",),
}
"""The ports that each server listens on, by the name under which they are remembered."""

_CLUSTER_ID = "dmVpbG9jaXR5LWRldnN0YQ"
_UNPRIVILEGED = 65534
"""User and group `nobody`: Elasticsearch refuses to run as root."""

# Formats the folder the first time. One shell that becomes Kafka, so that there is one process to record. Stopping at C1 takes 3.2 instead
# of 5.3 s of processor time at start, and half of it per event in the first minute at 1,500 events/s.
_KAFKA_SCRIPT = """
java=$1 libs=$2 config=$3 data=$4 log4j=$5 temporary=$6
set -- -cp "$libs" "-Dlog4j2.configurationFile=$log4j" "-Djava.io.tmpdir=$temporary" -XX:-UsePerfData
if [ ! -e "$data/meta.properties" ]; then
  "$java" -Xmx128m -XX:TieredStopAtLevel=1 "$@" kafka.tools.StorageTool format -t CLUSTER_ID -c "$config" || exit 1
fi
exec "$java" -Xms128m -Xmx384m -XX:TieredStopAtLevel=1 -XX:+ExitOnOutOfMemoryError "$@" kafka.Kafka "$config"
"""


def point_at(settings: Settings, ports: Mapping[str, int]) -> Settings:
    """Return the settings with the addresses of the servers whose ports are given."""
    addresses: dict[str, str] = {}
    if "kafka" in ports:
        addresses["kafka_bootstrap"] = f"127.0.0.1:{ports['kafka']}"
    if "elasticsearch" in ports:
        addresses["elasticsearch_url"] = f"http://127.0.0.1:{ports['elasticsearch']}"
    if "mongodb" in ports:
        # Journalled: SecantusDB otherwise loses acknowledged writes when it is killed.
        addresses["mongodb_uri"] = f"mongodb://127.0.0.1:{ports['mongodb']}/?directConnection=true&w=1&journal=true"
    if "apicurio" in ports:
        addresses["registry_url"] = f"http://127.0.0.1:{ports['apicurio']}{API}"
    found: dict[str, object] = {"cassandra_hosts": "127.0.0.1", "cassandra_port": ports["cassandra"]} if "cassandra" in ports else {}
    return changed(settings, **addresses, **found)


def point_at_mosquitto(settings: Settings, port: int) -> Settings:
    """Return the settings with the address of a broker of ours, and the user who may read there."""
    password = make_password(settings.state_dir.absolute() / "keys" / f"mqtt-{BRIDGE}.password")
    return changed(settings, mqtt_host="127.0.0.1", mqtt_port=port, mqtt_username=BRIDGE, mqtt_password=password, mqtt_tls=False)


def mosquitto(
    settings: Settings, folders: Folders, ports: Mapping[str, int], base: Mapping[str, str], _installer: Installer
) -> ProcessSpec:
    """Return Mosquitto.

    Raises:
        DependencyError: it is not there.
    """
    program = find(settings)
    if program is None:
        raise DependencyError("no Mosquitto was found: run devstack/bootstrap.sh mosquitto, or install it")
    return broker(settings, folders, ports["mosquitto"], base, program)


def kafka(settings: Settings, folders: Folders, ports: Mapping[str, int], base: Mapping[str, str], installer: Installer) -> ProcessSpec:
    """Return one Kafka node that is broker and controller.

    Raises:
        DependencyError: no fitting Java.
    """
    machine = java.choose(java.KAFKA, java.installed(base))
    jars = installer.kafka()
    data = _folder(settings.data_dir.absolute() / "kafka")
    config = folders.run / "kafka.properties"
    values = {"CONTROLLER_PORT": str(ports["kafka_controller"]), "DATA_DIR": str(data), "PORT": str(ports["kafka"])}
    text = artifacts.resource_text("server.properties")
    for name, value in values.items():
        text = text.replace(name, value)
    config.write_text(text, encoding="utf-8")
    log4j = folders.run / "kafka-log4j2.properties"
    log4j.write_text(artifacts.resource_text("log4j2.properties"), encoding="utf-8")
    script = _KAFKA_SCRIPT.replace("CLUSTER_ID", _CLUSTER_ID)
    class_path = ":".join(str(jar) for jar in jars)
    arguments = (str(machine.binary), class_path, str(config), str(data), str(log4j), str(folders.temporary))
    return ProcessSpec("kafka", ("/bin/sh", "-c", script, "kafka", *arguments), lambda: probes.kafka_answers(settings), base)


def elasticsearch(
    settings: Settings, folders: Folders, ports: Mapping[str, int], base: Mapping[str, str], installer: Installer
) -> ProcessSpec:
    """Return one Elasticsearch node.

    Raises:
        DependencyError: no fitting Java, or we are root and cannot start it as somebody else.
    """
    machine = java.choose(java.ELASTICSEARCH, java.installed(base))
    home = installer.elasticsearch()
    config = folders.run / "elasticsearch"
    shutil.rmtree(config, ignore_errors=True)
    shutil.copytree(home / "config", config)
    data = _folder(settings.data_dir.absolute() / "elasticsearch")
    logs = _folder(folders.logs / "elasticsearch")
    temporary = _folder(folders.temporary / "elasticsearch")
    options = {
        "network.host": "127.0.0.1",
        "http.port": ports["elasticsearch"],
        "transport.port": ports["elasticsearch_transport"],
        "discovery.type": "single-node",
        "xpack.security.enabled": "false",
        "path.data": f'"{data}"',
        "path.logs": f'"{logs}"',
        # A nearly full disk is a warning of its own, not a reason to refuse a small index.
        "cluster.routing.allocation.disk.threshold_enabled": "false",
    }
    (config / "elasticsearch.yml").write_text("".join(f"{name}: {value}\n" for name, value in options.items()), encoding="utf-8")
    environment = {
        **base,
        "ES_JAVA_HOME": str(machine.home),
        "ES_PATH_CONF": str(config),
        "ES_TMPDIR": str(temporary),
        # Stopping at C1 was the largest gain at start: 19 to 13 s on 2 cores.
        "ES_JAVA_OPTS": "-Xms512m -Xmx512m -XX:-AlwaysPreTouch -XX:TieredStopAtLevel=1 -XX:-HeapDumpOnOutOfMemoryError "
        "-Xlog:disable -Xlog:all=warning:stderr",
    }
    prefix = as_nobody("Elasticsearch", (config, data, logs, temporary)) if os.geteuid() == 0 else ()
    argv = (*prefix, str(home / "bin" / "elasticsearch"))
    return ProcessSpec("elasticsearch", argv, lambda: probes.elasticsearch_answers(settings), environment)


def mongodb(settings: Settings, folders: Folders, ports: Mapping[str, int], base: Mapping[str, str], installer: Installer) -> ProcessSpec:
    """Return one SecantusDB node, which speaks MongoDB's protocol."""
    python = installer.mongodb()
    data = _folder(settings.data_dir.absolute() / "mongodb")
    # An empty file keeps it from reading one that lies in the user's home or in the working folder.
    config = folders.run / "secantusd.toml"
    config.write_text("", encoding="utf-8")
    place = ("--config", str(config), "--host", "127.0.0.1", "--port", str(ports["mongodb"]), "--storage-path", str(data))
    argv = (
        str(python),
        str(python.with_name("secantusd-py")),
        *place,
        "--cache-size",
        "256M",
        "--sync-on-commit",
        "--log-level",
        "WARNING",
    )
    return ProcessSpec("mongodb", argv, lambda: probes.mongodb_answers(settings), base)


def _folder(path: Path) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    return path


def as_nobody(name: str, owned: tuple[Path, ...]) -> tuple[str, ...]:
    """Return the command that starts a program as `nobody`, who then owns those folders.

    The program keeps one right, to pass folders closed to others: checkouts and caches below /root would be out of its reach.
    """
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        raise DependencyError(f"{name} refuses to run as root: start as an ordinary user, or install setpriv (package util-linux)")
    for folder in owned:
        for path in (folder, *folder.rglob("*")):
            os.chown(path, _UNPRIVILEGED, _UNPRIVILEGED)
    rights = ("--inh-caps=-all,+dac_override", "--ambient-caps=-all,+dac_override", "--securebits=+no_setuid_fixup")
    return (setpriv, f"--reuid={_UNPRIVILEGED}", f"--regid={_UNPRIVILEGED}", "--clear-groups", *rights)
