"""A small world with planted truth: scenes of coloured shapes, sentences about them, and voices that say them.

`composing` draws scenes, `grammar` says what holds of them, `picture` renders them, `speech` speaks.
Nothing here is random but by a seed, and what is trained on shares nothing with what is tested on (`realm`).
"""
