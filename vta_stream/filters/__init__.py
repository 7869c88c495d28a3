"""One file a filter: a frozen dataclass with its limits and `judge(clip) -> Verdict`.

To add a filter, write `vta_stream/filters/<name>.py` (or a module of your own, named with its dots):

    @dataclass(frozen=True)
    class SteadinessFilter(LimitFilter):
        \"\"\"Rejects shaky clips. The default is 0.4, after <the paper, with the place in it>.\"\"\"

        name: ClassVar[str] = "steadiness"
        needs: ClassVar[str] = "steadiness"
        minimum: float | None = 0.4

    PLUGIN = SteadinessFilter

and one line of settings, `filters: {steadiness: {minimum: 0.5}}`. The fields are the options. `needs` names
the score that is judged: a scorer of the same settings measures it (see `vta_stream/scorers`), or segment
put it in. `settings.filters` names all filters that judge: what is not named there does not judge.
Add the class to nothing: the contract suite in `tests/filters/test_contract.py` finds every file here.
"""
