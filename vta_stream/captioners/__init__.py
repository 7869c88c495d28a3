"""One file a captioner: it writes texts for clips.

To add one, write `vta_stream/captioners/<name>.py` (or a module of your own, named with its dots) with a
frozen dataclass that has `setup(models)` and `caption(batch)`, name it with `PLUGIN = …`, and add one line
of settings, `captioners: {<name>: {}}`. `Caption.model` names the model that wrote the text, and is None
for a text that no model wrote for the picture (the transcript): only the former are judged by
`caption_match`. `tests/captioners/test_contract.py` finds every file here.
"""
