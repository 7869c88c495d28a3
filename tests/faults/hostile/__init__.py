"""Videos that somebody damaged or that lie about themselves: each has to end with clips or with a reason.

    python -m tests.faults.hostile --mutants 10000 --seed 7

A mutant is a small video of `originals.py` with one of the damages of `mutants.py`, and follows from a number alone.
It goes through what looks at foreign media (`examining.py`), in children that may be killed, as in the stages.
"""
