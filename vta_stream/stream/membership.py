"""Two live workers of one name, on different machines: Kafka lets the newer one push the older one out.

aiokafka then joins again, and so on in turns. So a worker looks first whether its name is taken, and looks
again now and then whether it has been pushed out.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from typing import Any

from vta_stream.stream.connection import BrokerConnection
from vta_stream.stream.slots import WorkerError

log = logging.getLogger(__name__)

REQUEST_TIMEOUT_S = 15.0
POLL_S = 2.0


class Membership:
    """The static members that a worker wants to be: of each consumer group, the instance's id."""

    def __init__(self, connection: BrokerConnection, worker: str, client_id: str, instances: Mapping[str, str]) -> None:
        self._connection = connection
        self._worker = worker
        self._client_id = client_id
        self._instances = instances
        self._admin: Any = None

    async def wait_until_free(self, session_timeout_s: float) -> None:
        """Return when nobody else is a member under our name.

        Who died without saying so is a member until the session times out, so that long is waited. Raises
        WorkerError if the other one is still there then, which means that it lives.
        """
        deadline_s = time.monotonic() + session_timeout_s + 5
        while (other := await self._other()) is not None:
            if time.monotonic() > deadline_s:
                raise WorkerError(self._taken(other))
            log.warning("the name %s is taken by %s; waiting in case that one is dead", self._worker, other)
            await asyncio.sleep(POLL_S)

    async def check(self) -> None:
        """Raise WorkerError if somebody else has become a member under our name."""
        other = await self._other()
        if other is not None:
            raise WorkerError(self._taken(other))

    def _taken(self, other: str) -> str:
        return (
            f"another live worker is called {self._worker!r}: {other}. Names have to be unique among all workers "
            "of a broker and prefix; give this one another worker.name"
        )

    async def _other(self) -> str | None:
        return await asyncio.to_thread(self._ask)

    def _ask(self) -> str | None:
        from confluent_kafka import KafkaException
        from confluent_kafka.admin import AdminClient

        if self._admin is None:
            self._admin = AdminClient({**self._connection.confluent_config(), "log_level": 0})
        answers = self._admin.describe_consumer_groups(list(self._instances), request_timeout=REQUEST_TIMEOUT_S)
        for group, answer in answers.items():
            try:
                members = answer.result(REQUEST_TIMEOUT_S + 5).members
            except (KafkaException, TimeoutError) as error:
                # A group that nobody has joined yet is an error to new brokers; one that is away says nothing.
                log.debug("%s: its members are not known now: %s", group, error)
                continue
            for member in members:
                if member.group_instance_id == self._instances[group] and member.client_id != self._client_id:
                    return f"client {member.client_id} at {member.host}"
        return None
