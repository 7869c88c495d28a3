"""One Faust app an agent, with the broker settings that held (measured; the reasons are beside them)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import faust

from vta_stream.settings.delivery import KafkaSettings
from vta_stream.stream.connection import BrokerConnection
from vta_stream.stream.quick import BytesSchema, QuietMonitor, hand_over_at_once, wait_for_no_producer

BUFFER_MAX = 384
POLL_RECORDS_MAX = 64
"""Faust stops polling a partition when its buffer is four fifths full, and what was polled already has to fit
into the rest; else one full buffer stops all topics of the app. Each poll goes to another thread and back: with 32 at
a time, seven hops cost 1.46 ms of CPU instead of 1.28."""

_WEEK_S = 7 * 86_400


def make_app(
    group: str, connection: BrokerConnection, kafka: KafkaSettings, datadir: Path, client_id: str, instance: str | None
) -> faust.App:
    """A Faust app that consumes as the consumer group `group` and does nothing else: no tables, no web.

    `instance` is the static member's id, None for a dynamic member. The parent of `datadir` is made.
    """
    datadir.parent.mkdir(parents=True, exist_ok=True)
    app = faust.App(
        group,
        broker=[f"kafka://{server}" for server in connection.bootstrap_servers.split(",")],
        broker_client_id=client_id,
        broker_credentials=_credentials(connection),
        consumer_group_instance_id=instance,
        datadir=str(datadir),
        store="memory://",
        table_standby_replicas=0,  # without tables, round robin deals the partitions; Faust's own way wants tables
        web_enabled=False,
        autodiscover=False,
        key_serializer="raw",
        value_serializer="raw",
        topic_allow_declare=False,  # the embedded broker has no CreateTopics; elsewhere `topics apply` makes them
        topic_disable_leader=True,
        consumer_auto_offset_reset="earliest",
        consumer_max_fetch_size=1024 * 1024,
        # A stage may hold back for hours; past this interval aiokafka leaves the group and never comes back.
        # Our own watchdog looks for what is stuck.
        broker_max_poll_interval=_WEEK_S,
        broker_max_poll_records=POLL_RECORDS_MAX,
        stream_buffer_maxsize=BUFFER_MAX,
        broker_session_timeout=kafka.session_timeout_s,
        broker_heartbeat_interval=min(3.0, kafka.session_timeout_s / 4),
        broker_request_timeout=max(90.0, 2 * kafka.session_timeout_s),
        broker_rebalance_timeout=60.0,
        # Faust's own commits find nothing to do, since nothing is acknowledged to it; the agent commits.
        broker_commit_interval=3600.0,
        stream_wait_empty=False,
        stream_processing_timeout=_WEEK_S,
        broker_commit_livelock_soft_timeout=_WEEK_S,
        Monitor=QuietMonitor,
    )
    hand_over_at_once(app.consumer)
    wait_for_no_producer(app)
    return app


def raw_topic(app: faust.App, names: Sequence[str]) -> Any:
    """A channel over the topics with these full names: bytes, empty values too, and no acknowledging by Faust."""
    schema = BytesSchema(
        key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw", allow_empty=True
    )
    return app.topic(*names, schema=schema, acks=False)


def _credentials(connection: BrokerConnection) -> Any:
    context = connection.ssl_context()
    if connection.sasl_mechanism:
        return faust.SASLCredentials(
            username=connection.sasl_username,
            password=connection.sasl_password,
            mechanism=connection.sasl_mechanism,
            ssl_context=context,
        )
    return faust.SSLCredentials(context=context) if context else None
