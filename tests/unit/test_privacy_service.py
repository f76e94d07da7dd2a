import re
from pathlib import Path

import pytest
from pydantic import SecretStr

from privacy import session
from privacy.policy import Policy
from privacy.runner import _newest
from privacy.service import _only_one
from privacy.session import kafka_source_options
from veilocity import settings as kernel_settings
from veilocity.errors import FencedError


def test_a_second_stage_in_the_same_folder_is_refused(tmp_path: Path) -> None:
    with _only_one(tmp_path), pytest.raises(FencedError, match="another privacy stage"), _only_one(tmp_path):
        pass
    with _only_one(tmp_path):
        pass


def test_the_newest_micro_batch_of_a_checkpoint_ignores_sparks_other_files(tmp_path: Path) -> None:
    assert _newest(tmp_path / "commits") == -1
    for name in ("0", "9", "10", ".10.crc", "metadata"):
        (tmp_path / name).touch()
    assert _newest(tmp_path) == 10


def test_the_source_reads_committed_records_from_the_beginning_and_loses_none_silently() -> None:
    options = kafka_source_options(kernel_settings.load({}), ["a", "b"])
    assert options["kafka.isolation.level"] == "read_committed"
    assert options["startingOffsets"] == "earliest"
    assert options["failOnDataLoss"] == "true"
    assert options["subscribe"] == "a,b"


def test_a_password_with_quotes_stays_one_value_of_the_login() -> None:
    settings = kernel_settings.load(
        {},
        kafka_security_protocol="SASL_SSL",
        kafka_username="jo",
        kafka_password=SecretStr('p"; user="x\\'),
        kafka_ca_file="/ca.pem",
    )
    options = kafka_source_options(settings, ["a"])
    assert options["kafka.sasl.jaas.config"] == (
        'org.apache.kafka.common.security.scram.ScramLoginModule required username="jo" password="p\\"; user=\\"x\\\\";'
    )
    assert options["kafka.ssl.truststore.location"] == "/ca.pem"


def test_the_password_is_hidden_where_spark_prints_options(tmp_path: Path) -> None:
    configuration = session._configuration(kernel_settings.load({}), tmp_path, tmp_path / "log4j2.properties")
    for option in ("kafka.sasl.jaas.config", "kafka.ssl.key.password"):
        assert re.search(configuration["spark.redaction.regex"].replace("(?i)", ""), option)
    assert configuration["spark.eventLog.enabled"] == configuration["spark.ui.enabled"] == "false"


def test_jars_are_fetched_only_when_none_are_given() -> None:
    assert "spark.jars.packages" in session._jars("", local=True)
    assert session._jars("/a.jar,/b.jar", local=True) == {"spark.driver.extraClassPath": "/a.jar:/b.jar"}
    assert session._jars("/a.jar,/b.jar", local=False) == {"spark.jars": "/a.jar,/b.jar"}


def test_the_promise_is_made_of_the_settings() -> None:
    policy = Policy.of(kernel_settings.load({}, privacy_window_minutes=30, privacy_delay_s=5), partitions=3, key_check="abcd")
    assert (policy.windows.width_ms, policy.windows.delay_ms, policy.windows.partitions) == (1_800_000, 5_000, 3)
    assert policy.k == 5
