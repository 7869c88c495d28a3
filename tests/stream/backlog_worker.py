"""A worker with one stage that waits until a file appears: a process whose memory is looked at.

python -m tests.stream.backlog_worker ADDRESS PREFIX FOLDER GATE
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.stream import chain
from vta_stream.domain.delivery import Delivery
from vta_stream.ports import Outcome
from vta_stream.stream.connection import BrokerConnection
from vta_stream.stream.worker import leave, run_worker


class GatedScore(chain.Score):
    """Scores as the chain does, but nothing before the gate is open."""

    batch_max, batch_wait_s, concurrency = 16, 0.05, 2

    def __init__(self, gate: Path) -> None:
        super().__init__("score")
        self._gate = gate

    async def process(self, deliveries: Sequence[Delivery[Any]]) -> Sequence[Outcome]:
        while not self._gate.exists():  # noqa: ASYNC110 - a file offers no event to wait for
            await asyncio.sleep(0.1)
        return [await self.work(delivery) for delivery in deliveries]


if __name__ == "__main__":
    address_, prefix_, folder_, gate_ = sys.argv[1:5]
    settings_ = chain.make_settings(address_, prefix_, Path(folder_))
    leave(run_worker({"score": GatedScore(Path(gate_))}, settings_, BrokerConnection(address_)))
