# syntax=docker/dockerfile:1
# One image for every service of ours and for Spark's master and worker, so that driver and executors always fit.

FROM ghcr.io/astral-sh/uv:0.13.9 AS uv

# Spark's Kafka connector, as devstack/spark.lock pins it.
FROM scratch AS connector
ADD --checksum=sha256:6d3bd18df8410f3e31b031aca582cc109342358a62a2759ebd0c4cdf30d06f8b \
  https://repo1.maven.org/maven2/org/apache/commons/commons-pool2/2.12.0/commons-pool2-2.12.0.jar /
ADD --checksum=sha256:7568b998572d256f0b7bc0afdc1b7a2588b8b08415c62ce314c864a6851ae9d9 \
  https://repo1.maven.org/maven2/org/apache/kafka/kafka-clients/3.9.1/kafka-clients-3.9.1.jar /
ADD --checksum=sha256:33a3b8b04df4a2e43c9d5bf8ca5972936a1ac662f2714e014d00ef6f27468bf3 \
  https://repo1.maven.org/maven2/org/apache/spark/spark-sql-kafka-0-10_2.13/4.0.0/spark-sql-kafka-0-10_2.13-4.0.0.jar /
ADD --checksum=sha256:f2be3b76f9e6cbe63379d4e4e0dc14f59dbf056ae2ad16ff15ac108004c86767 \
  https://repo1.maven.org/maven2/org/apache/spark/spark-token-provider-kafka-0-10_2.13/4.0.0/spark-token-provider-kafka-0-10_2.13-4.0.0.jar /

FROM python:3.11-slim-trixie AS build
COPY --from=uv /uv /usr/local/bin/uv
ENV UV_PROJECT_ENVIRONMENT=/opt/veilocity UV_LINK_MODE=copy UV_COMPILE_BYTECODE=1 UV_PYTHON_DOWNLOADS=never
WORKDIR /src
# What changes seldom first: the dependencies stay in their layer when only our code changed.
COPY pyproject.toml uv.lock README.md LICENSE ./
RUN uv sync --locked --no-dev --all-extras --no-install-project
COPY dashboard dashboard
COPY devstack devstack
COPY ingest ingest
COPY privacy privacy
COPY rules rules
COPY sketches sketches
COPY storage storage
COPY veilocity veilocity
RUN uv sync --locked --no-dev --all-extras --no-editable

FROM python:3.11-slim-trixie
RUN apt-get update \
  && apt-get install --yes --no-install-recommends openjdk-21-jre-headless procps \
  && rm -rf /var/lib/apt/lists/* \
  && ln -s /usr/lib/jvm/java-21-openjdk-* /opt/java \
  && groupadd --gid 10001 veilocity \
  && useradd --uid 10001 --gid veilocity --no-create-home --home-dir /var/lib/veilocity --shell /usr/sbin/nologin veilocity \
  && install --directory --owner=veilocity --group=veilocity --mode=0700 /var/lib/veilocity
COPY --from=connector --chmod=0444 / /opt/connector/
COPY --from=build /opt/veilocity /opt/veilocity
ENV PATH=/opt/veilocity/bin:$PATH \
  JAVA_HOME=/opt/java \
  PYTHONDONTWRITEBYTECODE=1 \
  PYTHONUNBUFFERED=1 \
  VEILOCITY_STATE_DIR=/var/lib/veilocity
WORKDIR /var/lib/veilocity
USER 10001:10001
ENTRYPOINT ["veilocity"]
