"""Three worlds that share nothing: one to train on, one for the demo, one that is held out for figures.

A scene, a sentence and a voice setting each belong to one realm, decided by a stable hash of what they are.
So no choice of seeds can bring a training scene, sentence or voice into the demo.
"""

from __future__ import annotations

import hashlib
import random
from enum import StrEnum


class Realm(StrEnum):
    """Whose world something belongs to."""

    TRAINING = "training"
    DEMO = "demo"
    HELD_OUT = "held_out"


_TRAINING_SHARE, _DEMO_SHARE = 0.8, 0.1


def realm_of(key: str) -> Realm:
    """The realm of whatever `key` names: 80 % training, 10 % demo, 10 % held out. The same on every machine."""
    drawn = int.from_bytes(hashlib.sha256(key.encode()).digest()[:8]) / 2**64
    if drawn < _TRAINING_SHARE:
        return Realm.TRAINING
    return Realm.DEMO if drawn < _TRAINING_SHARE + _DEMO_SHARE else Realm.HELD_OUT


def rng_of(realm: Realm, seed: int, purpose: str) -> random.Random:
    """A source of chance of its own for each realm, seed and purpose: equal seeds of two realms have no relation."""
    return random.Random(f"vta-stream toy world/{realm}/{seed}/{purpose}")
