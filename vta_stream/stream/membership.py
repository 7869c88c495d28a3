"""Two live workers of one name, on different machines: Kafka lets the newer one push the older one out.

aiokafka then joins again, and so on in turns. So a worker looks first whether its name is taken, and looks
again now and then whether it has been pushed out.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping

from vta_stream.stream.connection import BrokerConnection
from vta_stream.stream.slots import WorkerError

log = logging.getLogger(__name__)

REQUEST_TIMEOUT_MS = 15_000
UUID_CHARACTERS = 36
POLL_S = 2.0


class Membership:
    """The static members that a worker wants to be: of each consumer group, the instance's id."""

    def __init__(self, connection: BrokerConnection, worker: str, client_id: str, instances: Mapping[str, str]) -> None:
        self._connection = connection
        self._worker = worker
        self._client_id = client_id
        self._instances = instances

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
        """Who else is a member under our name; None too where the broker does not say.

        Asked by aiokafka, since librdkafka aborts the process when the broker dies during this request (2.16).
        """
        from aiokafka.admin import AIOKafkaAdminClient
        from aiokafka.errors import KafkaError

        admin = AIOKafkaAdminClient(**self._connection.aiokafka_options(), request_timeout_ms=REQUEST_TIMEOUT_MS)
        try:
            async with asyncio.timeout(2 * REQUEST_TIMEOUT_MS / 1000):
                await admin.start()
                # One group a request: aiokafka 0.14 cannot read an answer of several.
                answers = [await admin.describe_consumer_groups([group]) for group in self._instances]
        except (KafkaError, OSError, TimeoutError) as error:
            log.debug("the members of %s are not known now: %r", ", ".join(self._instances), error)
            return None
        finally:
            await admin.close()
        for instance, (answer,) in zip(self._instances.values(), answers, strict=True):
            for member in answer.to_object()["groups"][0]["members"]:
                # The broker names a static member by its instance's id, a hyphen and a UUID.
                ours = member["member_id"][:-UUID_CHARACTERS] == f"{instance}-"
                if ours and member["client_id"] != self._client_id:
                    return f"client {member['client_id']} at {member['client_host']}"
        return None
