"""Killing the daemon for as long as you like, and counting what the dataset holds afterwards.

    python -m tests.faults.chaos --kills 1000 --seed 7

A real Kafka, several worker processes through the real command line, the real stages, store and children; only
what looks at pictures and sound is made by code (`world.py`, `parts.py`). A schedule (`schedule.py`) says what goes
wrong and when: the same seed gives the same schedule. IDs are published all the while, some of them twice, and
some are made to fail. In the end the dataset has to hold exactly what their IDs say (`oracle.py`).
"""
