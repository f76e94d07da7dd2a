"""One Cassandra node, made of its own jars: on loopback, with little memory, its data in the state folder. Optional.

There is no archive of Cassandra on Maven Central, only the server and what it is linked with; so configuration and start are here. The
Java options are those that Cassandra's own `jvm17-server.options` gives for modules.
"""

from __future__ import annotations

from collections.abc import Mapping

from devstack import artifacts, java, probes
from devstack.install import Installer
from devstack.process import Folders, ProcessSpec
from veilocity.settings import Settings

__all__ = ["cassandra", "configuration"]

_EXPORTS = (
    "java.base/java.lang.ref",
    "java.base/jdk.internal.misc",
    "java.management.rmi/com.sun.jmx.remote.internal.rmi",
    "java.rmi/sun.rmi.registry",
    "java.rmi/sun.rmi.server",
    "java.sql/java.sql",
    "jdk.attach/sun.tools.attach",
    "jdk.compiler/com.sun.tools.javac.file",
    "jdk.unsupported/sun.misc",
)
_OPENS = (
    "java.base/java.io",
    "java.base/java.lang",
    "java.base/java.lang.module",
    "java.base/java.lang.reflect",
    "java.base/java.nio",
    "java.base/java.util",
    "java.base/java.util.concurrent",
    "java.base/java.util.concurrent.atomic",
    "java.base/jdk.internal.loader",
    "java.base/jdk.internal.math",
    "java.base/jdk.internal.module",
    "java.base/jdk.internal.ref",
    "java.base/jdk.internal.reflect",
    "java.base/jdk.internal.util.jar",
    "java.base/sun.nio.ch",
    "jdk.compiler/com.sun.tools.javac",
    "jdk.management/com.sun.management.internal",
)
_OPTIONS = (
    "-Xms512m",
    "-Xmx512m",
    # As for the other servers: a node that lives for minutes never earns what the second compiler costs.
    "-XX:TieredStopAtLevel=1",
    "-XX:+ExitOnOutOfMemoryError",
    "-XX:-UsePerfData",
    "-Djdk.attach.allowAttachSelf=true",
    "-Dio.netty.tryReflectionSetAccessible=true",
    "-Dcassandra.native.epoll.enabled=false",
    # A node that is alone waits for nobody.
    "-Dcassandra.ring_delay_ms=100",
    "-Dcassandra.skip_wait_for_gossip_to_settle=0",
    "-Dcassandra-foreground=yes",
)


def configuration(data: str, ports: Mapping[str, int]) -> str:
    """Return `cassandra.yaml` of a node that is alone.

    Args:
        data: folder of everything it keeps.
        ports: `cassandra` for clients, `cassandra_storage` for other nodes.
    """
    return artifacts.resource_text("cassandra.yaml").format(data=data, port=ports["cassandra"], storage_port=ports["cassandra_storage"])


def cassandra(settings: Settings, folders: Folders, ports: Mapping[str, int], base: Mapping[str, str], installer: Installer) -> ProcessSpec:
    """Return one Cassandra node.

    Raises:
        DependencyError: no fitting Java.
    """
    machine = java.choose(java.CASSANDRA, java.installed(base))
    jars = installer.cassandra()
    data = settings.data_dir.absolute() / "cassandra"
    data.mkdir(parents=True, exist_ok=True)
    config, log = folders.run / "cassandra.yaml", folders.run / "cassandra-logback.xml"
    config.write_text(configuration(str(data), ports), encoding="utf-8")
    log.write_text(artifacts.resource_text("cassandra-logback.xml"), encoding="utf-8")
    modules = [word for package in _EXPORTS for word in ("--add-exports", f"{package}=ALL-UNNAMED")]
    modules += [word for package in _OPENS for word in ("--add-opens", f"{package}=ALL-UNNAMED")]
    places = (
        f"-Dcassandra.config=file://{config}",
        f"-Dcassandra.storagedir={data}",
        f"-Dlogback.configurationFile={log}",
        f"-Djava.io.tmpdir={folders.temporary}",
        f"-Djna.tmpdir={folders.temporary}",
    )
    class_path = ":".join(str(jar) for jar in jars)
    argv = (str(machine.binary), *_OPTIONS, *modules, *places, "-cp", class_path, "org.apache.cassandra.service.CassandraDaemon")
    return ProcessSpec("cassandra", argv, lambda: probes.cassandra_answers(ports["cassandra"]), base)
