"""Writes the JSON Schemas of the records into the topic contracts: python -m tests.stream.contract_schemas"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import msgspec
import yaml

from vta_stream.stream.records import RECORDS

FOLDER = Path(__file__).parents[2] / "topics"
BY_HAND = {"videos"}
"""What people write themselves is looser than the record that is made of it."""


def schema_of(record: type) -> dict[str, Any]:
    """The record's JSON Schema, with each docstring's first sentence as description."""
    schema = _shortened(json.loads(json.dumps(msgspec.json.schema(record))))
    assert isinstance(schema, dict)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def _shortened(node: Any) -> Any:
    if isinstance(node, list):
        return [_shortened(item) for item in node]
    if not isinstance(node, dict):
        return node
    short = {key: _shortened(value) for key, value in node.items()}
    if isinstance(short.get("description"), str):
        short["description"] = re.sub(r"\s+", " ", short["description"].split("\n\n")[0])
    return short


def main() -> None:
    for name in RECORDS.keys() - BY_HAND:
        file = FOLDER / f"{name}.yaml"
        head, marker, _ = file.read_text().partition("\nschema:\n")
        assert marker, f"{file} has no schema"
        body = yaml.safe_dump({"schema": schema_of(RECORDS[name])}, sort_keys=False, width=110, allow_unicode=True)
        file.write_text(f"{head}\n{body}")


if __name__ == "__main__":
    main()
