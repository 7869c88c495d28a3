"""One piece of work on an artifact at a time, in all processes that share the media."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.stores.lakes import media_store
from vta_stream.ports import DeferError, TransientError

HOLDER = """
import sys, time
from pathlib import Path
from tests.stores.lakes import media_store
with media_store(Path(sys.argv[1])).artifact("vid", "segment", "0").alone():
    print("in", flush=True)
    time.sleep(600)
"""


def test_who_comes_second_is_put_off_until_the_first_is_out(tmp_path: Path) -> None:
    first, second = (media_store(tmp_path).artifact("vid", "segment", "0") for _ in range(2))
    with first.alone() as folder:
        (folder / "half").write_text("half")
        with pytest.raises(DeferError) as caught, second.alone():
            pass
        assert (caught.value.reason, caught.value.scope) == ("in_work", "message")
        other = media_store(tmp_path).artifact("vid", "segment", "1")
        with other.alone():
            assert not other.exists()
    with second.alone() as folder:
        assert (folder / "half").read_text() == "half"


def test_a_failure_in_the_work_lets_the_next_one_in(tmp_path: Path) -> None:
    artifact = media_store(tmp_path).artifact("vid", "segment", "0")
    with pytest.raises(FileNotFoundError), artifact.alone() as folder:
        (folder / "not there").read_bytes()
    with artifact.alone():
        assert not artifact.exists()


def test_what_has_got_its_name_can_be_worked_on_anew(tmp_path: Path) -> None:
    media = media_store(tmp_path)
    artifact = media.artifact("vid", "segment", "0")
    with artifact.alone() as folder:
        (folder / "clip").write_text("clip")
        artifact.commit()
        assert artifact.exists()
        with media.artifact("vid", "segment", "0").alone() as again:
            assert list(again.iterdir()) == []


def test_media_in_work_are_not_removed_under_the_hands_of_another_process(tmp_path: Path) -> None:
    media = media_store(tmp_path)
    done = media.artifact("vid", "download", "0")
    (done.begin() / "video").write_bytes(b"x" * 10)
    done.commit()
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]
    ) as holder:
        try:
            assert holder.stdout is not None
            assert holder.stdout.readline() == b"in\n"
            with pytest.raises(TransientError, match="in work") as caught:
                media.remove_video("vid")
            assert caught.value.reason == "media_busy"
            assert done.exists()
            with pytest.raises(DeferError), media.artifact("vid", "segment", "0").alone():
                pass
        finally:
            holder.kill()
    with media.artifact("vid", "segment", "0").alone():
        assert done.exists(), "its death let us in"
    assert media.remove_video("vid") == 10
    assert media.videos() == ()
