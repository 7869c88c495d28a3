import os

import pytest

from vta_stream.toyworld.world.speech import SpeechMissing, Voice, speak


@pytest.fixture(scope="session")
def espeak() -> None:
    """Skips where espeak-ng is missing; with CI=true that is a failure instead."""
    try:
        speak("One.", Voice("en-us+m1"))
    except SpeechMissing as error:
        if os.environ.get("CI", "").lower() in ("1", "true"):
            pytest.fail(f"{error}; in CI that is a failure")
        pytest.skip(str(error))
