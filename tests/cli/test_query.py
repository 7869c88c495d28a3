from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.stores.lakes import Logs, dataset, embedded, rejected
from vta_stream.cli import main
from vta_stream.stores.dataset import LakeDataset


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("query")
    lake: LakeDataset = dataset(folder)
    lake.open()
    lake.commit(Logs().deliver(embedded(folder, "vid", 0, 2), rejected("vid", 1, 2)))
    lake.close()
    return folder


def query(folder: Path, *arguments: str, stdin: str | None = None) -> Result:
    return CliRunner().invoke(main, ["--data-dir", str(folder), "query", *arguments], input=stdin)


def test_a_table_for_people(folder: Path) -> None:
    result = query(folder, "SELECT filter, count(*) AS rejected FROM verdicts WHERE NOT keep GROUP BY filter")
    assert result.exit_code == 0, result.output
    assert "│ motion │ 1        │" in result.stdout
    assert "1 rows" in result.stderr


def test_many_columns_stand_upright_and_long_values_are_cut(folder: Path) -> None:
    result = query(folder, "SELECT * FROM clips", "--limit", "1")
    assert "│ clip_id " in result.stdout
    assert "…" in result.stdout
    assert "there are more" in result.stderr


def test_json_for_programs(folder: Path) -> None:
    result = query(folder, "SELECT clip_id, scores, words, judged_at FROM clips ORDER BY clip_index", "--json")
    first, second = (json.loads(line) for line in result.stdout.splitlines())
    assert first["scores"] == {"clip_match": 0.3, "motion": 1.5}
    assert first["words"][1]["start_s"] == 1.2
    assert first["judged_at"] == "2023-11-14T22:13:20+00:00"
    assert second["judged_at"] is None


def test_csv_from_standard_input(folder: Path) -> None:
    result = query(folder, "-", "--csv", stdin="SELECT clip_index, text, language, NULL AS n FROM clips ORDER BY 1")
    assert list(csv.reader(result.stdout.splitlines())) == [
        ["clip_index", "text", "language", "n"],
        ["0", "A red circle moves.", "en", ""],
        ["1", "A red circle moves.", "en", ""],
    ]


@pytest.mark.parametrize(
    ("sql", "words"),
    [("SELEC 1", "syntax error"), ("SELECT * FROM clipz", "Did you mean"), ("DELETE FROM clips", "read-only")],
)
def test_bad_sql_is_explained_without_a_traceback(folder: Path, sql: str, words: str) -> None:
    result = query(folder, sql)
    assert result.exit_code == 1
    assert words in result.stderr
    assert "Traceback" not in result.stderr


def test_no_dataset_yet(tmp_path: Path) -> None:
    result = query(tmp_path, "SELECT 1")
    assert result.exit_code == 1
    assert "no dataset yet" in result.stderr
    assert "vta-stream run" in result.stderr
