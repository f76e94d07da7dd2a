import re
from pathlib import Path

from pydantic import SecretStr

from veilocity import spark
from veilocity.settings import load


def test_a_password_with_quotes_stays_one_value_of_the_login() -> None:
    settings = load(
        {},
        kafka_security_protocol="SASL_SSL",
        kafka_username="jo",
        kafka_password=SecretStr('p"; user="x\\'),
        kafka_ca_file="/ca.pem",
    )
    options = spark.kafka_options(settings)
    assert options["kafka.sasl.jaas.config"] == (
        'org.apache.kafka.common.security.scram.ScramLoginModule required username="jo" password="p\\"; user=\\"x\\\\";'
    )
    assert options["kafka.ssl.truststore.location"] == "/ca.pem"


def test_the_password_is_hidden_where_spark_prints_options(tmp_path: Path) -> None:
    configuration = spark._configuration(load({}), tmp_path, tmp_path / "log4j2.properties")
    for option in ("kafka.sasl.jaas.config", "kafka.ssl.key.password"):
        assert re.search(configuration["spark.redaction.regex"].replace("(?i)", ""), option)
    assert configuration["spark.eventLog.enabled"] == configuration["spark.ui.enabled"] == "false"


def test_jars_are_fetched_only_when_none_are_given() -> None:
    assert "spark.jars.packages" in spark._jars("", local=True)
    assert spark._jars("/a.jar,/b.jar", local=True) == {"spark.driver.extraClassPath": "/a.jar:/b.jar"}
    assert spark._jars("/a.jar,/b.jar", local=False) == {"spark.jars": "/a.jar,/b.jar"}
