"""Trains the eyes of the small world: a CoCa of open_clip's format that matches, embeds and captions.

`python -m vta_stream.toyworld.training.sight --work FOLDER`. In the order of the work:

- `model`: the network, the tokenizer, and the folder that they are shipped in
- `facts`: what holds of a picture as numbers, and the truth of any statements of any pictures at once
- `pool`: pictures rendered once, with their facts
- `drawing`: statements that hold of a picture, and statements that nearly do
- `losses`: the truth table, the patches, the captions
- `loop`: steps, checkpoints, the learning curve
"""
