"""Finding a Java, and the sentence when there is none that fits."""

from __future__ import annotations

from pathlib import Path

import pytest

from devstack import java
from veilocity.errors import DependencyError


def _home(folder: Path, version: str, release: bool = True) -> Path:
    (folder / "bin").mkdir(parents=True)
    binary = folder / "bin" / "java"
    binary.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\"' >&2\n")
    binary.chmod(0o755)
    if release:
        (folder / "release").write_text(f'IMPLEMENTOR="x"\nJAVA_VERSION="{version}"\n')
    return folder


def test_the_first_that_fits_is_taken_not_the_newest() -> None:
    found = [java.Java(Path("/a"), 17), java.Java(Path("/b"), 25), java.Java(Path("/c"), 21)]
    assert java.choose(java.KAFKA, found).version == 17
    assert java.choose(java.ELASTICSEARCH, found).version == 25
    assert java.choose(java.SPARK, found[1:]).version == 21


def test_too_old_says_what_was_found_and_what_to_install() -> None:
    with pytest.raises(DependencyError) as raised:
        java.choose(java.ELASTICSEARCH, [java.Java(Path("/usr/lib/jvm/java-17"), 17)])
    sentence = str(raised.value)
    assert sentence == (
        "Elasticsearch needs Java 21 or newer; found only 17 at /usr/lib/jvm/java-17: install a JDK 21, "
        "for example `apt install openjdk-21-jdk-headless`, or set JAVA_HOME"
    )


def test_too_new_for_spark_says_the_range() -> None:
    with pytest.raises(DependencyError, match="Spark needs Java 17 to 21; found only 25 at /b"):
        java.choose(java.SPARK, [java.Java(Path("/b"), 25)])


def test_none_at_all_says_so() -> None:
    with pytest.raises(DependencyError, match="Kafka needs Java 17 or newer; found none: install a JDK 21"):
        java.choose(java.KAFKA, [])


def test_java_home_comes_before_path_and_path_before_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(java, "_FOLDERS", ())
    first = _home(tmp_path / "first", "1.8.0_392")
    second = _home(tmp_path / "second", "21.0.4")
    _home(tmp_path / "home" / ".sdkman" / "candidates" / "java" / "a", "17.0.1", release=False)
    _home(tmp_path / "home" / ".sdkman" / "candidates" / "java" / "b", "25")
    environment = {"JAVA_HOME": str(first), "PATH": str(second / "bin"), "HOME": str(tmp_path / "home")}
    assert [found.version for found in java.installed(environment)] == [8, 21, 25, 17]


def test_a_java_home_without_a_java_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(java, "_FOLDERS", ())
    assert java.installed({"JAVA_HOME": str(tmp_path), "PATH": ""}) == []
