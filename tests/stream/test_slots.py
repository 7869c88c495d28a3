from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from vta_stream.stream.slots import WorkerError, fingerprint, take_slot


def test_the_first_free_slot_is_taken_and_found_again_after_its_release(tmp_path: Path) -> None:
    first, second = take_slot(tmp_path, None), take_slot(tmp_path, None)
    assert first.name != second.name
    first.release()
    first.release()
    assert take_slot(tmp_path, None).name == first.name


def test_names_differ_between_state_folders(tmp_path: Path) -> None:
    assert take_slot(tmp_path / "a", None).name != take_slot(tmp_path / "b", None).name
    assert fingerprint(tmp_path / "a") == fingerprint(tmp_path / "b" / ".." / "a")


def test_a_name_in_use_is_refused_with_its_holder(tmp_path: Path) -> None:
    slot = take_slot(tmp_path, "gpu-1")
    with pytest.raises(WorkerError, match=rf"'gpu-1' \(process {os.getpid()}\).*worker\.name"):
        take_slot(tmp_path, "gpu-1")
    slot.release()
    take_slot(tmp_path, "gpu-1").release()


def test_a_dead_process_holds_no_name(tmp_path: Path) -> None:
    code = "import os,sys; from pathlib import Path; from vta_stream.stream.slots import take_slot\n"
    code += f"s = take_slot(Path({str(tmp_path)!r}), 'gpu-1'); os.kill(os.getpid(), 9)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -9
    take_slot(tmp_path, "gpu-1").release()
