"""Every setting, declared once: name, default, help. How they are read is in `veilocity.settings`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr

__all__ = ["Settings"]

_SERVICE = r"(ingest|rules|privacy|dashboard|reports|segments|notify)=https?://[^\s,=]+"


class Settings(BaseModel):
    """The settings of every service: each reads what concerns it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    # Files and logs
    state_dir: Path = Field(Path(".veilocity"), description="Folder for data, logs, keys and process records of a local run.")
    cache_dir: Path | None = Field(None, description="Folder for downloaded servers; by default `veilocity` in the user's cache folder.")
    maven_url: str = Field(
        "https://repo1.maven.org/maven2", description="Where the servers' files are downloaded from: Maven Central or a mirror."
    )
    metrics_host: str = Field("127.0.0.1", description="Address the metrics of rules service, privacy stage and notifier are served on.")
    log_level: str = Field("INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$", description="Lowest level that is logged.")

    # Kafka
    kafka_bootstrap: str = Field("127.0.0.1:9092", description="Kafka brokers, `host:port` separated by commas.")
    kafka_security_protocol: str = Field(
        "PLAINTEXT",
        pattern="^(PLAINTEXT|SSL|SASL_PLAINTEXT|SASL_SSL)$",
        description="How to talk to Kafka.",
    )
    kafka_sasl_mechanism: str = Field("SCRAM-SHA-512", description="SASL mechanism, where the protocol uses SASL.")
    kafka_username: str = Field("", description="SASL user name, where the protocol uses SASL.")
    kafka_password: SecretStr = Field(SecretStr(""), description="SASL password.")
    kafka_ca_file: str = Field("", description="File of the authority that signed the brokers' certificates.")
    kafka_topic_prefix: str = Field("", pattern="^[a-zA-Z0-9._-]*$", description="Put before every topic name, to share one cluster.")
    kafka_partitions: int = Field(2, ge=1, description="Partitions of every new topic; never changed later, as keys would move.")
    kafka_replication: int = Field(1, ge=1, description="Copies of every partition when a topic is created.")

    # Stores
    mongodb_uri: SecretStr = Field(
        SecretStr("mongodb://127.0.0.1:27017/?directConnection=true&w=1&journal=true"),
        description="MongoDB connection string; may hold a password.",
    )
    mongodb_database: str = Field("veilocity", description="MongoDB database.")
    mongodb_keys_database: str = Field(
        "veilocity_keys", description="MongoDB database of people's keys, without which sealed evidence stays closed; back it up apart."
    )
    elasticsearch_url: str = Field("http://127.0.0.1:9200", description="Elasticsearch address.")
    elasticsearch_username: str = Field("", description="Elasticsearch user name; empty for none.")
    elasticsearch_password: SecretStr = Field(SecretStr(""), description="Elasticsearch password.")
    elasticsearch_index_prefix: str = Field("veilocity", description="First part of every index name.")
    storage_migrate: Literal["auto", "manual"] = Field(
        "auto", description="Whether the privacy stage migrates older stores at its start or leaves it to `veilocity storage migrate`."
    )
    storage_retain_s: float = Field(3600.0, ge=0, description="Time between two deletions of old documents by the stage; 0 for never.")
    storage_keep_transactions_days: int = Field(0, ge=0, description="Days that stored payments are kept; 0 for ever.")
    storage_keep_alerts_days: int = Field(0, ge=0, description="Days that alerts are kept; 0 for ever.")
    storage_keep_releases_days: int = Field(0, ge=0, description="Days that released classes are kept; 0 for ever.")
    storage_keep_groups_days: int = Field(0, ge=0, description="Days that groups of similar payments are kept; 0 for ever.")
    storage_keep_aggregates_days: int = Field(0, ge=0, description="Days that published counts are kept; 0 for ever.")

    # PostgreSQL
    postgres_dsn: SecretStr = Field(
        SecretStr(""), description="Connection string of the PostgreSQL that keeps the sensor history; empty for none (docs/extras.md)."
    )
    history_group: str = Field("veilocity-history", min_length=1, description="Consumer group of the sinks of the sensor history.")
    history_batch_readings: int = Field(5000, ge=1, le=100_000, description="Most readings written to the sensor history at a time.")
    history_full_hours: int = Field(24, ge=1, le=8760, description="Hours that the sensor history keeps every reading; days go as a whole.")
    history_keep_days: int = Field(7, ge=1, le=3650, description="Days that the sensor history keeps a reading of each minute.")
    history_maintain_s: float = Field(300.0, gt=0, description="Time between two looks for days of the sensor history that are over.")
    history_metrics_port: int = Field(9110, ge=0, le=65535, description="Port of the metrics and health of the history's sink; 0 for none.")
    feed_postgres_dsn: SecretStr = Field(
        SecretStr(""), description="Connection string of the PostgreSQL whose table of payments is read; empty for none (docs/extras.md)."
    )
    feed_postgres_batch_rows: int = Field(
        500,
        ge=1,
        le=512,
        description="Rows written to Kafka at a time; a crash repeats no more, and the rules know 512 payments of a person.",
    )
    feed_postgres_poll_s: float = Field(0.2, gt=0, le=60, description="Pause between two looks into a change log that had nothing new.")
    feed_postgres_metrics_port: int = Field(9111, ge=0, le=65535, description="Port of the metrics and health of that feed; 0 for none.")
    # Cassandra
    cassandra_hosts: str = Field("", description="Cassandra nodes to begin with, separated by commas; empty for none (docs/extras.md).")
    cassandra_port: int = Field(9042, ge=1, le=65535, description="Port on which all Cassandra nodes take clients.")
    cassandra_username: str = Field("", description="Cassandra user name; empty for none.")
    cassandra_password: SecretStr = Field(SecretStr(""), description="Cassandra password.")
    cassandra_tls: bool = Field(False, description="Whether to speak TLS with Cassandra and to check its certificate.")
    cassandra_ca_file: str = Field("", description="File of the authority that signed Cassandra's certificate; empty for the system's.")
    cassandra_keyspace: str = Field("veilocity", pattern="^[a-z][a-z0-9_]{0,47}$", description="Cassandra keyspace, made when missing.")
    cassandra_replication: int = Field(
        1, ge=1, le=9, description="Copies of every row in each data centre, when the keyspace is made; not more than it has nodes."
    )
    cassandra_metrics_port: int = Field(9106, ge=0, le=65535, description="Port of the Cassandra sink's metrics and health; 0 for none.")

    # Ingest
    ingest_host: str = Field("127.0.0.1", description="Address the gateway listens on; 0.0.0.0 to let a phone reach it.")
    ingest_public_url: str = Field(
        "",
        pattern=r"^(https?://[^\s]+)?$",
        description="Address at which phones reach the gateway; empty for the addresses of this machine.",
    )
    ingest_port: int = Field(8088, ge=1, le=65535, description="Port the gateway listens on.")
    ingest_token: SecretStr = Field(SecretStr(""), description="Token that pushes must carry; empty lets everyone in, on loopback only.")
    ingest_max_body_bytes: int = Field(4 * 1024 * 1024, ge=1024, description="Largest request body.")
    ingest_ack_timeout_s: float = Field(1.5, gt=0, le=10, description="How long a request waits for Kafka before it answers 503.")
    ingest_future_limit_s: float = Field(300.0, ge=0, description="How far in the future an event may lie before it is refused.")
    ingest_threads: int = Field(16, ge=1, description="Requests the gateway serves at the same time.")
    ingest_directory_file: str = Field("", description="CSV or JSON lines file of kind,id,subject that fills the directory at start.")
    ingest_keys_file: str = Field(
        "", description="CSV file of device,key (Fernet): a phone that is named there is heard encrypted only (docs/phones.md)."
    )
    ingest_filter_accuracy_m: float = Field(500.0, ge=0, description="Radius from which a fix is named `accuracy`; 0 for never.")
    ingest_filter_future_s: float = Field(30.0, ge=0, description="Time ahead of the clock that names a fix `future`; 0 for never.")
    ingest_filter_distance_m: float = Field(10.0, ge=0, description="Distance to the fix before below which it is named `distance`.")
    ingest_filter_max_speed_kmh: float = Field(1100.0, ge=0, description="Speed from which a fix is named `max_speed`; 0 for never.")
    ingest_filter_min_period_s: float = Field(1.0, ge=0, description="Time to the fix before below which it is named `min_period`.")
    ingest_filter_skip_limit_s: float = Field(
        3600.0, ge=0, description="Silence after which a fix is not named `duplicate`, `static` or `distance`; 0 for never."
    )
    ingest_filter_devices: int = Field(100_000, ge=1, description="Phones whose last fix is remembered for the filters.")

    # Avro
    registry_url: str = Field(
        "",
        pattern=r"^(https?://[^\s@]+)?$",
        description="Schema registry that speaks as Confluent's does; empty for none (docs/extras.md).",
    )
    registry_username: str = Field("", description="User name at the schema registry; empty for none.")
    registry_password: SecretStr = Field(SecretStr(""), description="Password at the schema registry.")
    registry_ca_file: str = Field("", description="File of the authority that signed the registry's certificate; empty for the system's.")
    avro_instance: str = Field("avro-0", min_length=1, description="Name of this feed of Avro, different in every running process.")
    avro_batch_records: int = Field(500, ge=1, le=20_000, description="Most records in one Kafka transaction of the feeds of Avro.")
    avro_metrics_port: int = Field(9107, ge=0, le=65535, description="Port of the feeds' metrics and health; 0 for none.")
    # Messages of the bank project
    bank_zone: str = Field(
        "",
        description="IANA zone of the bank's times that state no offset, such as America/Los_Angeles; empty refuses them.",
    )
    bank_currency: str = Field("USD", pattern="^[A-Z]{3}$", description="Currency of the bank's amounts, which state none.")
    bank_online_channel: Literal["card-present", "e-commerce"] = Field(
        "card-present",
        description="Channel of the bank's online payments that state their phone and its place: only `card-present` has a place to judge.",
    )

    # MQTT
    mqtt_host: str = Field("", description="MQTT broker that the bridge reads from; empty for none (docs/phones.md).")
    mqtt_port: int = Field(1883, ge=1, le=65535, description="Port of the MQTT broker; with TLS usually 8883.")
    mqtt_username: str = Field("", description="User name at the MQTT broker; empty for none.")
    mqtt_password: SecretStr = Field(SecretStr(""), description="Password at the MQTT broker.")
    mqtt_tls: bool = Field(False, description="Whether to speak TLS with the MQTT broker and to check its certificate.")
    mqtt_ca_file: str = Field("", description="File of the authority that signed the MQTT broker's certificate; empty for the system's.")
    mqtt_client_id: str = Field("veilocity-bridge", min_length=1, description="Name of the bridge's session, different for every bridge.")
    mqtt_topics: str = Field(
        "sensor-logger,sensor-logger/+,owntracks/+/+", description="Topics to read, separated by commas; the first level names the app."
    )
    mqtt_batch_messages: int = Field(1000, ge=1, le=20_000, description="Most messages written and acknowledged at a time.")
    mqtt_metrics_port: int = Field(9104, ge=0, le=65535, description="Port of the bridge's metrics and health; 0 for none.")

    # Rules
    rules_group: str = Field("veilocity-rules", description="Consumer group of the rules service, and first part of its transactional ids.")
    rules_instance: str = Field("rules-0", description="Name of this instance, different in every running process and kept over restarts.")
    rules_commit_ms: int = Field(25, ge=5, description="Longest time results wait before their Kafka transaction commits.")
    rules_batch_events: int = Field(500, ge=1, description="Most events taken from Kafka at a time.")
    rules_folder: str = Field("", description="Folder of rule files; empty for those that Veilocity brings.")
    rules_models_dir: str = Field("", description="Folder of learned rules (docs/models.md); empty for none.")
    rules_models_policy: str = Field(
        "shadow",
        pattern=r"^(shadow|verdict)$",
        description="What a learned rule may do: `shadow` records its score, `verdict` lets it flag payments and open alerts.",
    )
    rules_state_ttl_s: int = Field(
        60 * 86_400, ge=3600, description="A subject that was silent for so long, in event time, is forgotten by the rules service."
    )
    rules_subjects_max: int = Field(
        2_000_000, ge=256, description="Most subjects remembered per partition; beyond it those silent for longest are forgotten."
    )
    rules_metrics_port: int = Field(9101, ge=0, le=65535, description="Port of the rules service's metrics and health; 0 for none.")

    # Privacy
    spark_master: str = Field("local[2]", description="Spark master of the privacy stage.")
    spark_driver_host: str = Field("127.0.0.1", description="Name or address at which Spark's executors reach the privacy stage's driver.")
    spark_driver_memory: str = Field("768m", description="Heap of the Spark driver.")
    spark_jars: str = Field("", description="Files of Spark's Kafka connector, separated by commas; empty lets Spark fetch them itself.")
    privacy_state_dir: Path | None = Field(None, description="Checkpoint, ledger and staged rows; by default `privacy` in the data folder.")
    privacy_key_file: Path | None = Field(
        None, description="File with the key ring: 32 bytes as hex, or a line for each version; by default `keys/token.key`."
    )
    privacy_policy_file: Path | None = Field(
        None,
        description="File with the privacy policy (docs/privacy-policy.md); by default the built-in one. Settings that differ win.",
    )
    privacy_policy: str = Field("default-1", description="Name of the release policy, written into every release.")
    privacy_k: int = Field(5, ge=2, description="Fewest distinct people in a released class.")
    privacy_l: int = Field(1, ge=1, le=3, description="Fewest distinct verdicts in a released class.")
    privacy_t: float = Field(
        0.3, gt=0, le=1, description="Largest distance of the verdicts of a released class from those of its window; 1 for any."
    )
    privacy_window_minutes: int = Field(60, ge=1, le=1440, description="Width of a release window in event time.")
    privacy_hold_minutes: str = Field(
        "360,1440",
        pattern=r"^(\d{1,4}(,\d{1,4})*)?$",
        description="Widths of the later windows for which payments without a class are held back; empty for none.",
    )
    privacy_hold_loss: float = Field(
        0.5, gt=0, le=1, description="A payment that would lose more than this is held for a later window, where there is one."
    )
    segments: Literal["off", "on"] = Field(
        "off",
        description="Whether customer segments run with the other services (docs/segments.md); `veilocity up` with its city turns them on.",
    )
    segments_window_hours: int = Field(
        168, ge=1, le=8_784, description="Width of a window of customer segments; windows follow each other and never overlap."
    )
    segments_most: int = Field(6, ge=2, le=12, description="Most customer segments of one window.")
    segments_fewest_payments: int = Field(3, ge=2, description="Payments in a window from which a person belongs to a segment.")
    segments_every_s: float = Field(30.0, gt=0, description="Time between two looks for windows whose segments can be released.")
    segments_keep_days: int = Field(365, ge=0, description="How long segments are kept after the end of their window; 0 for ever.")
    segments_metrics_port: int = Field(9112, ge=0, le=65535, description="Port of the segments' metrics and health; 0 for none.")
    privacy_region_rows: int = Field(50_000, ge=100, description="Payments from which a window is cut by region.")
    privacy_release_form: Literal["driver", "executors"] = Field(
        "driver", description="Where the regions of a window that was cut are anonymised: same releases."
    )
    privacy_heartbeat_s: float = Field(15.0, gt=0, description="Time between two heartbeats of a stage that waits with open windows.")
    privacy_drain_s: float = Field(
        900.0, ge=0, description="Silence of `decisions` after which all windows are closed, counted by heartbeats; 0 for never."
    )
    privacy_delay_s: int = Field(600, ge=0, description="How late an event may be and still enter its window.")
    privacy_idle_s: int = Field(86_400, ge=0, description="How far a partition may lag in event time before windows no longer wait for it.")
    privacy_trigger_ms: int = Field(0, ge=0, description="Shortest time between two micro-batches; 0 for as soon as possible.")
    privacy_batch_records: int = Field(20_000, ge=100, description="Most Kafka records in one micro-batch.")
    privacy_cell_resolution: int = Field(7, ge=0, le=9, description="H3 resolution of masked places: 7 is about 5 square kilometres.")
    privacy_sample_size: int = Field(500, ge=1, description="Records in the uniform sample.")
    privacy_bloom_capacity: int = Field(1_000_000, ge=1000, description="Places the `seen before` filter holds at its error rate.")
    privacy_bloom_error_rate: float = Field(0.001, gt=0, lt=1, description="Chance that a new place is taken for a known one.")
    privacy_similarity: float = Field(0.7, gt=0, lt=1, description="Jaccard similarity from which two payments are one group.")
    privacy_averages: bool = Field(True, description="Whether mean places of k people or more are told as metrics (docs/adr/0015).")
    privacy_audit_s: float = Field(3600.0, ge=0, description="Time between two audits of the stores by the privacy stage; 0 for never.")
    privacy_metrics_port: int = Field(9102, ge=0, le=65535, description="Port of the privacy stage's metrics and health; 0 for none.")

    # Reports
    reports: Literal["off", "on"] = Field(
        "off", description="Whether the streaming reports run with the other services (docs/reports.md); `veilocity up` turns them on."
    )
    reports_state_dir: Path | None = Field(
        None, description="Checkpoint, state and Parquet files; by default `reports` in the data folder."
    )
    reports_stretch: int = Field(
        1, ge=1, le=3600, description="How much wider short windows are and how much longer they wait: the speed of a simulated city."
    )
    reports_delay_s: int = Field(120, ge=0, description="How late an event may be and still enter the reports; later ones are counted.")
    reports_join_s: int = Field(120, ge=1, description="How long after an event of a session a payment still belongs to it.")
    reports_high_value: str = Field(
        "*=50000",
        pattern=r"^([A-Z]{3}|\*)=\d+(,([A-Z]{3}|\*)=\d+)*$",
        description="From which amount, in minor units, a payment is of high value, as `EUR=50000,JPY=80000,*=50000`; `*` for the others.",
    )
    reports_customers_file: str = Field(
        "", description="CSV file of customer_id,birthdate that gives people an age band; whoever is not in it is `unknown`."
    )
    reports_merchants_file: str = Field(
        "", description="CSV file of merchant,name,category; a merchant that is not in it has the name and category of its payments."
    )
    reports_cell_resolution: int | None = Field(
        None,
        ge=0,
        le=15,
        description="H3 resolution of the cells in the reports; by default the policy's finest, and never finer than that.",
    )
    reports_trigger_ms: int = Field(2000, ge=0, description="Shortest time between two micro-batches of the reports.")
    reports_batch_records: int = Field(20_000, ge=100, description="Most Kafka records in one micro-batch of the reports.")
    reports_idle_s: float = Field(30.0, gt=0, description="Silence of a partition after which its time goes on with the clock on the wall.")
    reports_keep_days: int = Field(0, ge=0, description="Days that documents and Parquet files of reports are kept; 0 for ever.")
    reports_spark_master: str = Field("local[1]", description="Spark master of the reports.")
    reports_driver_memory: str = Field("512m", description="Heap of the reports' Spark driver; Spark wants 450m at least.")
    reports_metrics_port: int = Field(9105, ge=0, le=65535, description="Port of the reports' metrics and health; 0 for none.")

    # Cases
    cases_role: Literal["view", "triage", "unmask", "admin"] = Field(
        "triage", description="Role of who uses `veilocity cases`, where `--role` names none; it is recorded, and proven by nobody."
    )

    # Dashboard
    dashboard_host: str = Field("127.0.0.1", description="Address the dashboard listens on.")
    dashboard_port: int = Field(8050, ge=1, le=65535, description="Port the dashboard listens on.")
    dashboard_poll_ms: int = Field(250, ge=50, description="How often the dashboard asks the store for news.")
    dashboard_stale_s: float = Field(15.0, gt=0, description="Silence after which the page says that what it shows is old.")
    dashboard_tiles_url: str = Field(
        "",
        pattern=r"^(https?://[A-Za-z0-9.:\[\]-]+(/[A-Za-z0-9._~/-]*)?/\{z\}/\{x\}/\{y\}(\.[a-z0-9]+)?)?$",
        description="Tile server for the map's ground, as `https://HOST/{z}/{x}/{y}.png`; it learns where one looks. Empty: none is asked.",
    )
    dashboard_services: str = Field(
        "",
        pattern=rf"^({_SERVICE}(,{_SERVICE})*)?$",
        description="Where the page of health finds services that run elsewhere: `rules=http://HOST:9101`, separated by commas.",
    )
    dashboard_phone: Literal["off", "on"] = Field(
        "off",
        description="Whether the page of the phone shows exact places of a paired phone (docs/adr/0022); `veilocity up` turns it on.",
    )

    dashboard_login: Literal["on", "off"] = Field(
        "on", description="Whether people must log in to the dashboard; `off` on a loopback address alone, with the role that cases have."
    )
    dashboard_https: bool = Field(
        False, description="Whether people reach the dashboard by https, through a proxy: cookies and browsers are then bound to https."
    )
    dashboard_proxies: int = Field(
        0, ge=0, le=10, description="Proxies in front of the dashboard that add to X-Forwarded-For: wrong logins are counted by address."
    )
    dashboard_idle_s: float = Field(3600.0, ge=60, description="A session that nobody used for so long is over.")
    dashboard_session_s: float = Field(43_200.0, ge=60, description="A session that is so old is over.")

    # Notifications
    notifications_file: Path | None = Field(
        None, description="YAML file that says who is told of which alerts (docs/notifications.md); nobody is told without one."
    )
    notifications_metrics_port: int = Field(9103, ge=0, le=65535, description="Port of the notifier's metrics and health; 0 for none.")

    @property
    def data_dir(self) -> Path:
        """Folder of everything that must survive a restart."""
        return self.state_dir / "data"

    @property
    def privacy_dir(self) -> Path:
        """Folder of the privacy stage's checkpoint and ledger."""
        return self.privacy_state_dir or self.data_dir / "privacy"

    @property
    def reports_dir(self) -> Path:
        """Folder of the reports' checkpoint, state and Parquet files."""
        return self.reports_state_dir or self.data_dir / "reports"

    @property
    def token_key_file(self) -> Path:
        """File of the key ring, from which tokens and all other keys are made."""
        return self.privacy_key_file or self.state_dir / "keys" / "token.key"
