"""The set-up scripts: what is there is left alone, and what is missing is named with its remedy."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.house import ROOT

SCRIPT = ROOT / "deploy/setup/debian.sh"
BASE = ("bash", "dirname", "head", "sed", "mkdir", "rm", "mv")
PROGRAMS = ("ffmpeg", "kcat", "mvn", "prometheus", "promtool", "initdb", "dpkg")


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A repository with the scripts, on a PATH where every program is there and nobody is root."""
    shutil.copytree(ROOT / "deploy/setup", tmp_path / "deploy/setup")
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in BASE:
        (programs / name).symlink_to(shutil.which(name) or pytest.fail(f"no {name} here"))
    for name in PROGRAMS:
        write_program(programs / name, "exit 0")
    write_program(programs / "id", "echo 1000")
    write_program(programs / "ldconfig", "echo ' libespeak-ng.so.1 (libc6,x86-64) => /usr/lib/libespeak-ng.so.1'")
    write_program(programs / "java", """echo 'openjdk version "17.0.15" 2025-04-15' >&2""")
    return tmp_path


def write_program(path: Path, line: str) -> None:
    path.write_text(f"#!/bin/bash\n{line}\n")
    path.chmod(0o755)


def run(machine: Path, group: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = ["bash", str(machine / "deploy/setup/debian.sh"), group]
    return subprocess.run(command, env={"PATH": str(machine / "bin"), **environment}, capture_output=True, text=True)


@pytest.mark.parametrize("group", ["run", "kafka", "test"])
def test_with_everything_there_it_says_nothing(machine: Path, group: str) -> None:
    done = run(machine, group, CI="true")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize(
    ("gone", "group", "package"),
    [
        ("ffmpeg", "run", "ffmpeg"),
        ("kcat", "run", "kcat"),
        ("java", "kafka", "openjdk-17-jre-headless"),
        ("mvn", "kafka", "maven"),
        ("promtool", "test", "prometheus"),
    ],
)
def test_what_is_missing_is_named(machine: Path, gone: str, group: str, package: str) -> None:
    (machine / "bin" / gone).unlink()
    done = run(machine, group)
    assert done.returncode == 0, "much works without it"
    assert f"sudo apt-get install --no-install-recommends {package}\n" in done.stderr
    assert run(machine, group, CI="true").returncode == 1, "in CI it is an error"


@pytest.mark.parametrize(("program", "line"), [("ldconfig", "echo 'libc.so.6 (libc6)'"), ("dpkg", "exit 1")])
def test_espeak_is_a_library_and_its_data(machine: Path, program: str, line: str) -> None:
    write_program(machine / "bin" / program, line)
    done = run(machine, "test")
    assert "sudo apt-get install --no-install-recommends libespeak-ng1 espeak-ng-data\n" in done.stderr


def test_a_java_that_is_too_old_is_missing(machine: Path) -> None:
    write_program(machine / "bin/java", """echo 'openjdk version "11.0.2" 2019-01-15' >&2""")
    assert "openjdk-17-jre-headless" in run(machine, "kafka").stderr


def test_what_a_group_does_not_need_may_be_missing(machine: Path) -> None:
    (machine / "bin/java").unlink()
    assert run(machine, "run", CI="true").stderr == ""


def test_an_unpacked_prometheus_is_enough(machine: Path) -> None:
    (machine / "bin/promtool").unlink()
    unpacked = machine / ".cache/prometheus/usr/bin"
    unpacked.mkdir(parents=True)
    write_program(unpacked / "promtool", "exit 0")
    assert run(machine, "test", CI="true").returncode == 0


def test_the_scripts_can_be_run() -> None:
    assert all(os.access(path, os.X_OK) for path in (*(ROOT / "deploy").rglob("*.sh"), ROOT / ".ci/run"))


def test_lock_files_hold_hashes_and_no_host() -> None:
    for file in (ROOT / "constraints.txt", ROOT / "deploy/setup/uv.txt"):
        text = file.read_text(encoding="utf-8")
        pinned = re.findall(r"^[a-z0-9][\w.\-\[\]]*==\S+(?: ;[^\\]*)? \\\n    --hash=sha256:", text, re.MULTILINE)
        assert len(pinned) == len(re.findall(r"^[a-z0-9]", text, re.MULTILINE)) > 0
        assert "://" not in text
