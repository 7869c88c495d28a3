"""Settings of the delivery: broker, worker, retries, metrics."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from vta_stream.settings.section import Section


class KafkaSettings(Section):
    """The broker. Without `bootstrap_servers` the worker starts the embedded one."""

    bootstrap_servers: str | None = Field(
        None, description="host:port[,host:port…] of Kafka; unset: the embedded broker is started"
    )
    topic_prefix: str = Field(
        "vta", pattern=r"^[A-Za-z0-9_-]+$", description="first part of every topic and consumer group name"
    )
    replication_factor: int = Field(1, ge=1, description="copies of each partition that `topics apply` asks for")
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        "PLAINTEXT", description="how to talk to the broker"
    )
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field(
        "SCRAM-SHA-512", description="SASL mechanism, for the SASL protocols"
    )
    sasl_username: str | None = Field(None, description="SASL user")
    sasl_password: str | None = Field(None, description="SASL password; better in the environment than in a file")
    ssl_cafile: str | None = Field(None, description="PEM file of the authority that signed the broker's certificate")
    session_timeout_s: float = Field(
        45, gt=0, description="a worker that is silent for so long has its partitions given to others"
    )


class WorkerSettings(Section):
    """One worker process."""

    name: str | None = Field(
        None,
        pattern=r"^[A-Za-z0-9_.-]{1,64}$",
        description="stable and unique name, for static membership; unset: host name and the first free slot",
    )
    shutdown_grace_s: float = Field(
        8,
        gt=0,
        description="work in progress has so long to finish after Ctrl-C; the rest is delivered again",
    )
    stuck_after_s: float = Field(
        4 * 3600,
        gt=0,
        description="a message in work for so long, or waiting in its topic while none before it ends, makes /healthz "
        "fail and is named there",
    )


class RetrySettings(Section):
    """Transient failures: full-jitter exponential back-off through the retries topics."""

    attempts_max: int = Field(6, ge=1, description="attempts before a transient failure goes to the dead letters")
    base_s: float = Field(2.0, gt=0, description="mean first wait; doubles with each attempt")
    max_s: float = Field(900.0, gt=0, description="longest wait")
    crashes_max: int = Field(3, ge=1, description="a message that killed the process so often goes to the dead letters")


class MetricsSettings(Section):
    """The HTTP endpoint with /metrics, /healthz and /readyz."""

    host: str = Field("127.0.0.1", description="address to listen on; 0.0.0.0 in a container")
    port: int = Field(9464, ge=0, le=65535, description="port; 0 takes a free one; the next free one if taken")
