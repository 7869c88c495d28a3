"""`vta-stream demo`, the first thing that anybody tries."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from vta_stream.settings import load_settings
from vta_stream.stores.reader import open_reader
from vta_stream.toyworld.videos import DEFECTS

VIDEOS = 4
WEB_ONLY = {"removed": "not_found", "forbidden": "forbidden"}


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_its_figures_are_those_of_the_dataset(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    line = [sys.executable, "-m", "vta_stream", "demo", "--json", "--folder", str(folder), "--videos", str(VIDEOS)]
    done = subprocess.run(line, capture_output=True, text=True, check=False, timeout=1000)
    log = folder / "worker.log"
    assert done.returncode == 0, f"{done.stderr}\n{log.read_text() if log.exists() else ''}"
    figures = json.loads(done.stdout)

    videos = figures["videos"]
    assert videos["published"] == VIDEOS + len(WEB_ONLY)
    assert videos["done"] == VIDEOS
    assert Counter(videos["failed"].values()) == Counter(WEB_ONLY.values())
    assert figures["unfinished"] == 0

    by_defect = figures["by_defect"]
    assert by_defect.keys() <= {*DEFECTS, *WEB_ONLY}
    assert {name for name, entry in by_defect.items() if entry["failed"]} == set(WEB_ONLY)
    assert sum(entry["videos"] for entry in by_defect.values()) == videos["published"]
    assert sum(entry["clips"] for entry in by_defect.values()) == figures["clips"]["made"]
    assert sum(entry["accepted"] for entry in by_defect.values()) == figures["clips"]["accepted"]
    assert by_defect["none"]["accepted"] > 0
    assert by_defect["static"]["accepted"] == 0, "what was planted is found"
    assert figures["clips"]["rejected_by_filter"]["motion"] >= by_defect["static"]["clips"]

    assert 1 <= figures["queried_while_writing"]["accepted"] <= figures["clips"]["accepted"]
    for layout in ("video-text", "embeddings"):
        samples = sum(shard["samples"] for shard in figures["shards"] if shard["layout"] == layout)
        assert samples == figures["clips"]["accepted"]
    with open_reader(load_settings(folder / "settings.yaml", {})) as lake:
        assert lake.execute("SELECT count(*), count(*) FILTER (accepted) FROM clips").fetchone() == (
            figures["clips"]["made"],
            figures["clips"]["accepted"],
        )


def test_a_folder_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    line = [sys.executable, "-m", "vta_stream", "demo", "--folder", str(tmp_path)]
    done = subprocess.run(line, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 1
    assert "choose another --folder" in done.stderr
    assert (tmp_path / "thesis.tex").read_text() == "years of work"
