"""One file a scorer: it measures clips and decides nothing.

To add a scorer, write `vta_stream/scorers/<name>.py` (or a module of your own, named with its dots):

    @dataclass(frozen=True)
    class ColourfulnessScorer(ClipScorer):
        \"\"\"Mean distance of the pixels from grey, 0.0 to 1.0.\"\"\"

        name: ClassVar[str] = "colourfulness"

        def measure(self, inputs: ClipInputs) -> float | None:
            return float(np.mean([np.ptp(image, axis=2).mean() for image in inputs.images]) / 255)

    PLUGIN = ColourfulnessScorer

and one line of settings, `scorers: {colourfulness: {}}`. The fields are the options. `measure` raises
MeasurementError where measuring fails, which is recorded for that clip alone, and returns None where the
measurement does not apply (recognition confidence of subtitles, say): then the name stays out of the
scores, and the filter that needs it says so in `not_applicable`. There are no numbers that mean "failed".
`tests/scorers/test_contract.py` finds every file here.
"""
