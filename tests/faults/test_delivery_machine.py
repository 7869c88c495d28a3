"""Ordered acks and the store together, under any order of events and any death, against a plain model."""

from __future__ import annotations

import tempfile
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tests.faults.machine_world import AFTER_COMMIT, BEFORE_COMMIT, CLIPS, PARTITIONS, Place, World, letter_key
from vta_stream.domain.clip import Clip, SegmentedVideo
from vta_stream.domain.delivery import DeadLetter
from vta_stream.stores.verifying import verify
from vta_stream.stream.acks import Partition, Seen

VIDEOS = st.integers(0, 3).map("vid-{}".format)


class DeliveryMachine(RuleBasedStateMachine):
    """The model: which clips, letters and ends of videos are in the dataset, and of which records they are."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World(Path(tempfile.mkdtemp()))
        self.clips: dict[str, bool] = {}
        self.letters: dict[tuple[str, int, int], str | None] = {}
        self.segmented: set[str] = set()
        self.settled: set[Place] = set()
        """Records whose effect is in the dataset, or whose dead letter is with the broker."""

    @rule(video_id=VIDEOS)
    def publish(self, video_id: str) -> None:
        self.world.publish(video_id)

    @rule(video_id=VIDEOS)
    def lose_media(self, video_id: str) -> None:
        self.world.media.remove_video(video_id)

    @rule(partition=st.sampled_from(PARTITIONS), count=st.integers(1, 3))
    def deliver(self, partition: Partition, count: int) -> None:
        for _ in range(count):
            offset = self.world.read[partition]
            if offset == len(self.world.logs[partition]):
                return
            place = (partition, offset)
            in_hand = place in self.world.in_hand
            seen = self.world.arrive(partition)
            assert offset >= self.world.committed[partition], "a repeat of what was committed"
            assert (seen is Seen.IN_WORK) == in_hand
            if seen is Seen.FINISHED:
                assert place in self.settled, "taken for finished, and it is not"

    @precondition(lambda self: self.world.in_hand)
    @rule(count=st.integers(1, 6))
    def finish(self, count: int) -> None:
        """One commit of the store, and what the shell makes of it: dead letters, then acknowledgements."""
        places = self.world.in_hand[:count]
        failures = self.world.lake.commit(self.world.deliveries(places)).failures
        failed = [places[index] for index in failures]
        self.take_in([place for place in places if place not in failed])
        for place in failed:
            self.world.bury(place)
            self.settled.add(place)
        self.world.acknowledge(places)

    def take_in(self, places: list[Place]) -> None:
        """What the dataset has once these are in it."""
        self.settled.update(places)
        for place in places:
            record = self.world.record(place)
            if isinstance(record, Clip):
                self.clips[record.clip_id] = record.accepted
            elif isinstance(record, SegmentedVideo):
                self.segmented.add(record.video_id)
            elif isinstance(record, DeadLetter):
                self.letters[letter_key(record)] = record.clip_id

    @precondition(lambda self: self.world.in_hand)
    @rule(count=st.integers(1, 6), point=st.sampled_from((*BEFORE_COMMIT, *AFTER_COMMIT)))
    def die_in_a_commit(self, count: int, point: str) -> None:
        places = self.world.in_hand[:count]
        with self.world.dying_at(point) as images:
            failures = self.world.lake.commit(self.world.deliveries(places)).failures
        if not (images and point in BEFORE_COMMIT):
            self.take_in([place for index, place in enumerate(places) if index not in failures])
        self.world.die(images[0] if images else None)

    @rule()
    def die(self) -> None:
        self.world.die()

    @rule(times=st.integers(1, 2))
    def die_in_recovery(self, times: int) -> None:
        """A start that dies as well."""
        self.world.lake.close()
        with self.world.dying_at(f"store.recovering:{times}") as images:
            self.world.start()
        self.world.die(images[0] if images else None)

    @rule(lost=st.booleans())
    def commit_to_the_broker(self, lost: bool) -> None:
        commits = self.world.acks.take_commits()
        if lost:
            self.world.acks.put_back(commits)
            return
        self.world.committed.update(commits)
        self.world.acks.confirm(commits)

    @rule(partition=st.sampled_from(PARTITIONS), kept=st.booleans())
    def rebalance(self, partition: Partition, kept: bool) -> None:
        self.world.acks.rebalance()
        if not kept:
            self.world.acks.forget([partition])
            self.world.in_hand = [place for place in self.world.in_hand if place[0] != partition]
        self.world.read[partition] = self.world.committed[partition]

    @invariant()
    def the_broker_is_never_ahead(self) -> None:
        for partition, offset in self.world.committed.items():
            assert all((partition, below) in self.settled for below in range(offset)), "committed, and not done"

    @invariant()
    def the_dataset_is_never_ahead(self) -> None:
        for topic, offset in self.world.lake.lake.rows("SELECT topic, next_offset FROM offsets"):
            assert all((Partition(topic, 0), below) in self.settled for below in range(offset)), "skipped, and not in"

    @invariant()
    def the_dataset_is_the_model(self) -> None:
        lake = self.world.lake.lake
        assert sorted(lake.rows("SELECT clip_id, accepted FROM clips")) == sorted(self.clips.items())
        letters = lake.rows("SELECT input_topic, input_partition, input_offset, clip_id FROM dead_letters")
        assert sorted(letters) == sorted((*key, clip_id) for key, clip_id in self.letters.items())
        ended = {video_id: set[str]() for video_id in self.segmented}
        for clip_id in {*self.clips, *filter(None, self.letters.values())}:
            ended.setdefault(clip_id.partition("_")[0], set()).add(clip_id)
        expected = [
            (video_id, "done" if len(ended[video_id]) >= CLIPS else "processing") for video_id in self.segmented
        ]
        assert sorted(lake.rows("SELECT video_id, status FROM videos")) == sorted(expected)

    def teardown(self) -> None:
        """All comes in the end, and then all is there, to the byte."""
        try:
            while any(self.world.read[partition] < len(self.world.logs[partition]) for partition in PARTITIONS):
                for partition in PARTITIONS:
                    self.deliver(partition, 3)
                while self.world.in_hand:
                    self.finish(6)
            self.commit_to_the_broker(lost=False)
            self.the_dataset_is_the_model()
            assert self.world.committed == {partition: len(log) for partition, log in self.world.logs.items()}
            self.world.lake.close()
            findings = verify(self.world.dataset_dir)
            assert not findings, [str(finding) for finding in findings]
        finally:
            self.world.close()


TestDelivery = pytest.mark.slow(pytest.mark.timeout(20_000)(DeliveryMachine.TestCase))
TestDelivery.settings = settings(
    max_examples=10, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)
