"""Training of the toy world's Whisper: `python -m vta_stream.toyworld.training.hearing --help`.

`recordings` lets many voices speak, `windows` makes windows of a batch from that, `pieces` writes down what is said in
them, `network` computes the losses, `course` steps through the curriculum, and `export` writes the CTranslate2 folder.
"""
