"""How to reach the broker: one frozen value, spoken in the dialects of both client libraries."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from typing import Any

from vta_stream.settings.delivery import KafkaSettings


@dataclass(frozen=True, slots=True)
class BrokerConnection:
    """An address and what it takes to be let in.

    `bootstrap_servers` is `host:port[,host:port…]`. `run_id` is set for the embedded broker only: its
    clusters all call themselves alike and have no topic ids, so each new one gets a `run_id` of its own, and
    no offset of an earlier run is taken for one of this run.
    """

    bootstrap_servers: str
    security_protocol: str = "PLAINTEXT"
    sasl_mechanism: str | None = None
    sasl_username: str | None = None
    sasl_password: str | None = field(default=None, repr=False)
    ssl_cafile: str | None = None
    run_id: str | None = None

    @classmethod
    def from_settings(
        cls, settings: KafkaSettings, bootstrap_servers: str | None = None, run_id: str | None = None
    ) -> BrokerConnection:
        """The connection that the settings ask for; `bootstrap_servers` is the embedded broker's, if it runs.

        Raises ValueError if neither names a broker.
        """
        servers = bootstrap_servers or settings.bootstrap_servers
        if not servers:
            raise ValueError("no broker: kafka.bootstrap_servers is not set and no embedded broker was given")
        sasl = settings.security_protocol.startswith("SASL")
        return cls(
            bootstrap_servers=servers,
            security_protocol=settings.security_protocol,
            sasl_mechanism=settings.sasl_mechanism if sasl else None,
            sasl_username=settings.sasl_username if sasl else None,
            sasl_password=settings.sasl_password if sasl else None,
            ssl_cafile=settings.ssl_cafile,
            run_id=run_id,
        )

    @property
    def embedded(self) -> bool:
        """True if this is librdkafka's in-process cluster, which creates topics itself and knows no topic ids."""
        return self.run_id is not None

    @property
    def uses_ssl(self) -> bool:
        """True for SSL and SASL_SSL."""
        return self.security_protocol.endswith("SSL")

    def ssl_context(self) -> ssl.SSLContext | None:
        """The context that checks the broker's certificate and name, or None without TLS."""
        return ssl.create_default_context(cafile=self.ssl_cafile) if self.uses_ssl else None

    def aiokafka_options(self) -> dict[str, Any]:
        """Keyword arguments for every aiokafka client: consumer, producer and admin."""
        options: dict[str, Any] = {
            "bootstrap_servers": self.bootstrap_servers.split(","),
            "security_protocol": self.security_protocol,
        }
        if self.uses_ssl:
            options["ssl_context"] = self.ssl_context()
        if self.sasl_mechanism:
            options["sasl_mechanism"] = self.sasl_mechanism
            options["sasl_plain_username"] = self.sasl_username
            options["sasl_plain_password"] = self.sasl_password
        return options

    def confluent_config(self) -> dict[str, Any]:
        """Configuration for every confluent_kafka client; add `group.id` and the like to the returned dict."""
        config: dict[str, Any] = {
            "bootstrap.servers": self.bootstrap_servers,
            "security.protocol": self.security_protocol.lower(),
        }
        if self.ssl_cafile:
            config["ssl.ca.location"] = self.ssl_cafile
        if self.sasl_mechanism:
            config["sasl.mechanism"] = self.sasl_mechanism
            config["sasl.username"] = self.sasl_username
            config["sasl.password"] = self.sasl_password
        return config
