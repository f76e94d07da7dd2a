"""Spark's own log lines, judged by the Log4j that Spark brings along."""

import os
import subprocess
from pathlib import Path

import pyspark
import pytest

from devstack import java
from veilocity.spark import LOG_SETTINGS

PROGRAM = """
import org.apache.logging.log4j.LogManager;
public class Quote {
    public static void main(String[] texts) {
        for (String text : texts) {
            LogManager.getLogger("org.apache.spark.Demo").warn("failed for " + text + " now", new RuntimeException("quoted " + text));
        }
        LogManager.getLogger("org.apache.kafka.Demo").warn("an offset was reset");
    }
}
"""
QUOTED = (
    "4539148803436467",
    "4539 1488 0343 6467",
    "jo@example.org",
    "0123456789abcdef",
    "8f14e45f-ceea-467f-9f3b-0123456789ab",
    "51.50741",
    "-0.1278",
)


@pytest.mark.spark
def test_spark_hides_what_may_come_from_a_record(tmp_path: Path) -> None:
    settings, source = tmp_path / "log4j2.properties", tmp_path / "Quote.java"
    settings.write_text(LOG_SETTINGS)
    source.write_text(PROGRAM)
    jars = sorted((Path(pyspark.__file__).parent / "jars").glob("log4j-*.jar"))
    told = subprocess.run(
        [
            java.choose(java.SPARK, java.installed(os.environ)).binary,
            f"-Dlog4j2.configurationFile={settings.as_uri()}",
            "-cp",
            os.pathsep.join(map(str, jars)),
            source,
            *QUOTED,
        ],
        capture_output=True,
        text=True,
        check=True,
    ).stderr
    assert told.count("WARN Demo failed for [hidden] now java.lang.RuntimeException: quoted [hidden]") == len(QUOTED)
    assert not [text for text in QUOTED if text in told]
    assert "offset" not in told
