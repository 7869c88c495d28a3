"""The topic contracts agree with the code, and travel with the package."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests import builders
from tests.stream.contract_schemas import BY_HAND, FOLDER, schema_of
from vta_stream.domain.delivery import DeadLetter
from vta_stream.domain.request import parse_request
from vta_stream.stream.acks import Partition
from vta_stream.stream.backlog import agent_topics
from vta_stream.stream.codec import decode, encode
from vta_stream.stream.contracts import ContractError, check_record, contract_of, contracts
from vta_stream.stream.message import Message, Origin, retry_of
from vta_stream.stream.records import INPUTS, RECORDS, RETRIED_IN_PLACE

ROOT = Path(__file__).parents[2]
RETRIES = {f"{stage}.retries": inputs[0] for stage, inputs in INPUTS.items() if stage not in RETRIED_IN_PLACE}

DEAD_LETTER = DeadLetter(
    "download", "videos", 0, 7, None, "x", False, None, None, "terminal", "bad_message", "what?", None, 1, 1.5
)
EXAMPLES: dict[str, Any] = {
    "videos": builders.request(),
    "videos.downloaded": builders.video(),
    "videos.transcribed": builders.transcribed(),
    "videos.done": builders.segmented_video(),
    **{name: builders.clip() for name in RECORDS if name.startswith("clips.")},
    "dead-letters": DEAD_LETTER,
}


def test_there_is_one_contract_a_topic_and_none_besides() -> None:
    assert contracts().keys() == RECORDS.keys() | RETRIES.keys()


def test_what_an_agent_reads_has_a_contract() -> None:
    """On a real Kafka only those topics exist; an agent that reads another never starts."""
    from vta_stream.stream.agents import topics_of

    for stage, inputs in INPUTS.items():
        assert set(topics_of(stage, inputs)) <= contracts().keys()
        assert set(topics_of(stage, inputs)) == set(agent_topics()[stage])


@pytest.mark.parametrize("name", sorted(RECORDS.keys() - BY_HAND))
def test_the_schema_is_the_records(name: str) -> None:
    contract = contracts()[name]
    assert contract.record == RECORDS[name].__name__
    assert contract.schema == schema_of(RECORDS[name]), "run: python -m tests.stream.contract_schemas"


@pytest.mark.parametrize("name", sorted(RETRIES))
def test_retries_carry_the_input_and_say_when(name: str) -> None:
    contract, source = contracts()[name], contracts()[RETRIES[name]]
    assert (contract.record, contract.schema) == (source.record, source.schema)
    message = Message(Partition("x", 0), 0, b"k", b"v", 0.0, Origin(RETRIES[name], 0, 0))
    assert contract.headers.keys() == dict(retry_of(message, name, 2, 1.0, "why").headers).keys()


@pytest.mark.parametrize("name", sorted(contracts()))
def test_every_schema_is_a_valid_schema(name: str) -> None:
    jsonschema.Draft202012Validator.check_schema(contracts()[name].schema)


@pytest.mark.parametrize("name", sorted(RECORDS))
def test_what_the_codec_writes_satisfies_the_contract(name: str) -> None:
    value = encode(name, EXAMPLES[name])
    check_record(name, value)
    check_record(f"some-prefix.{name}", value)
    assert decode(name, value) == EXAMPLES[name]


@pytest.mark.parametrize(
    ("topic", "value", "why"),
    [
        ("videos", None, "without a value"),
        ("videos", b"too short", "neither"),
        ("videos", b'{"id": "dQw4w9WgXcQ", "prio": 3}', "prio"),
        ("videos", b'{"priority": 3}', "not valid under any"),
        ("videos", b"\xff\xfe", "UTF-8"),
        ("download.retries", b"", "empty"),
        ("clips.scored", b"{", "not JSON"),
        ("clips.scored", b"\xff\xfe", "not JSON"),
        ("clips.scored", b'{"clip_id": 3}', "required property"),
        ("clips.unheard-of", b"{}", "no topic contract"),
    ],
)
def test_what_breaks_a_contract_is_said(topic: str, value: bytes | None, why: str) -> None:
    with pytest.raises(ContractError, match=why):
        check_record(topic, value)


@pytest.mark.parametrize("value", [b"dQw4w9WgXcQ", b" https://example.org/a.mp4\n", b'{"id":"-Qw4w9WgXcQ"}'])
def test_people_may_write_bare_text(value: bytes) -> None:
    check_record("videos", value)
    check_record("x.download.retries", value)


_TEXT = st.one_of(st.none(), st.text(max_size=20), st.sampled_from(["dQw4w9WgXcQ", "https://example.org/a.mp4", "en"]))


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # a busy machine
@given(
    st.fixed_dictionaries(
        {},
        optional={
            "id": _TEXT,
            "video_id": _TEXT,
            "url": _TEXT,
            "source": st.sampled_from(["youtube", "url", None, "x"]),
            "priority": st.one_of(st.none(), st.integers(), st.text(max_size=2)),
            "labels": st.one_of(st.none(), st.dictionaries(st.text(max_size=5), st.text(max_size=5))),
            "language": _TEXT,
        },
    )
)
def test_the_contract_takes_whatever_the_parser_takes(fields: dict[str, Any]) -> None:
    value = json.dumps(fields).encode()
    try:
        parse_request(value)
    except ValueError:
        return
    check_record("videos", value)


def test_prefixes_with_dots_in_the_rest_are_understood() -> None:
    assert contract_of("vta.clips.scored") is contracts()["clips.scored"]
    assert contracts()["clips.scored"].topic("vta") == "vta.clips.scored"


@pytest.mark.slow
def test_the_wheel_carries_the_contracts(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for name in ("pyproject.toml", "vta_stream", "topics", "LICENSE"):
        (source / name).symlink_to(ROOT / name)
    (source / "README.md").write_text("x")
    build = "from setuptools import build_meta; print(build_meta.build_wheel('..'))"
    done = subprocess.run([sys.executable, "-c", build], cwd=source, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    installed = tmp_path / "installed"
    zipfile.ZipFile(wheel).extractall(installed)
    ask = "from vta_stream.stream import contracts as c; print(c.__file__, *c.contracts())"
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    told = subprocess.run([sys.executable, "-c", ask], cwd=installed, env=environment, capture_output=True, text=True)
    file, *names = told.stdout.split()
    assert Path(file).is_relative_to(installed)
    assert set(names) == {file.stem for file in FOLDER.glob("*.yaml")}
