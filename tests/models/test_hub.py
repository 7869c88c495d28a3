"""What we say of the Hugging Face hub, and what it says itself."""

from __future__ import annotations

import logging

import huggingface_hub
import pytest

from vta_stream.models import hub


@pytest.mark.parametrize(
    ("revision", "folder", "command"),
    [
        (None, None, "hf download owner/name"),
        ("abc", None, "hf download owner/name --revision abc"),
        ("abc", "here", "hf download owner/name --revision abc --local-dir here"),
    ],
)
def test_the_command_to_fetch_by_hand(revision: str | None, folder: str | None, command: str) -> None:
    assert hub.download_command("owner/name", revision, folder) == command


def test_a_line_of_the_hub_comes_once(
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = logging.getLogger(huggingface_hub.__name__)
    monkeypatch.setattr(theirs, "handlers", [logging.StreamHandler()])  # what it does when it is imported
    theirs.warning("said twice: here and in our log")
    assert "said twice" in capsys.readouterr().err
    hub.say_once()
    theirs.warning("said once")
    assert "said once" not in capsys.readouterr().err
    assert "said once" in caplog.text
