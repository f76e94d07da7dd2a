"""Apicurio, the registry of schemas: the application that Maven Central has, with its database as a file in the state folder. Optional."""

from __future__ import annotations

from collections.abc import Mapping

from devstack import java, probes
from devstack.install import Installer
from devstack.process import Folders, ProcessSpec
from veilocity.settings import Settings

__all__ = ["API", "apicurio"]

API = "/apis/ccompat/v7"
"""Where it speaks as Confluent's registry does, which is what Kafka clients know."""


def apicurio(settings: Settings, folders: Folders, ports: Mapping[str, int], base: Mapping[str, str], installer: Installer) -> ProcessSpec:
    """Return one Apicurio registry.

    Raises:
        DependencyError: no fitting Java.
    """
    machine = java.choose(java.APICURIO, java.installed(base))
    home = installer.apicurio()
    data = settings.data_dir.absolute() / "apicurio"
    data.mkdir(parents=True, exist_ok=True)
    options = (
        "-Xms128m",
        "-Xmx384m",
        "-XX:TieredStopAtLevel=1",
        "-XX:+ExitOnOutOfMemoryError",
        "-XX:-UsePerfData",
        f"-Djava.io.tmpdir={folders.temporary}",
        "-Dquarkus.http.host=127.0.0.1",
        f"-Dquarkus.http.port={ports['apicurio']}",
        "-Dquarkus.management.host=127.0.0.1",
        f"-Dquarkus.management.port={ports['apicurio_management']}",
        f"-Dapicurio.datasource.url=jdbc:h2:file:{data}/registry",
        # One line for each request is no news.
        "-Dquarkus.log.level=WARN",
    )
    address = f"http://127.0.0.1:{ports['apicurio']}{API}/subjects"
    argv = (str(machine.binary), *options, "-jar", str(home / "quarkus-run.jar"))
    return ProcessSpec("apicurio", argv, lambda: probes.http_answers(address), base)
