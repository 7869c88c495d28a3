"""What the documents say is true: tables, commands, targets, links."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from pydantic import BaseModel

from tests import docs_tables
from tests.builders import clip
from tests.house import ROOT
from vta_stream import filters
from vta_stream.cli import main
from vta_stream.domain.scores import Scores
from vta_stream.plugins import load_filters
from vta_stream.settings import Settings, load_settings

DOCUMENTS = [*docs_tables.DOCUMENTS, "vta_stream/ARCHITECTURE.md", "CHANGELOG.md"]
CODE = re.compile(r"```.*?```|`[^`\n]+`|^ {4}.*$", re.DOTALL | re.MULTILINE)


def text_of(document: str) -> str:
    return (ROOT / document).read_text(encoding="utf-8")


def code_lines(document: str) -> Iterator[str]:
    """The lines of code blocks and code spans, comments cut off."""
    for block in CODE.findall(text_of(document)):
        yield from (re.sub(r"\s#.*", "", line).strip("` ") for line in block.splitlines())


@pytest.mark.parametrize("document", docs_tables.DOCUMENTS)
def test_the_generated_tables_are_true(document: str) -> None:
    assert docs_tables.rewrite(text_of(document)) == text_of(document), "run: make docs"


def test_every_table_stands_somewhere() -> None:
    marked = {
        name for document in docs_tables.DOCUMENTS for _, name, _ in docs_tables.MARKED.findall(text_of(document))
    }
    assert marked == set(docs_tables.TABLES)


def test_an_unknown_table_is_an_error() -> None:
    with pytest.raises(ValueError, match="no such table: nonsense"):
        docs_tables.rewrite("<!-- table:nonsense -->\n<!-- /table:nonsense -->")


def undocumented(model: type[BaseModel], path: str = "") -> Iterator[str]:
    for name, field in model.model_fields.items():
        if not field.description:
            yield path + name
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from undocumented(field.annotation, f"{path}{name}.")


def test_every_setting_has_a_description() -> None:
    assert list(undocumented(Settings)) == []


def test_every_command_and_option_has_help() -> None:
    missing = []
    for path, command in walk(main, ("vta-stream",)):
        if not command.get_short_help_str():
            missing.append(" ".join(path))
        options = (parameter for parameter in command.params if isinstance(parameter, click.Option))
        missing += [f"{' '.join(path)} {option.opts[0]}" for option in options if not option.help]
    assert missing == []


def walk(command: click.Command, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            assert child is not None
            yield from walk(child, (*path, name))


def untrue_call(words: list[str]) -> str | None:
    """What is wrong with `vta-stream WORDS…`, None if nothing is."""
    command: click.Command = main
    known: dict[str, bool] = {"--help": False, "-h": False, "--version": False}
    rest = iter(words)
    for word in rest:
        for option in (parameter for parameter in command.params if isinstance(parameter, click.Option)):
            known |= dict.fromkeys((*option.opts, *option.secondary_opts), not (option.is_flag or option.count))
        if word == "-":
            continue  # standard input
        if word.startswith("-"):
            name, _, value = word.partition("=")
            if name not in known:
                return f"no option {word}"
            if known[name] and not value:
                next(rest, None)
        elif isinstance(command, click.Group):
            child = command.get_command(click.Context(command), word)
            if child is None:
                return f"no command {word}"
            command = child
    return None


@pytest.mark.parametrize("document", DOCUMENTS)
def test_the_commands_that_are_named_exist(document: str) -> None:
    wrong = []
    for line in code_lines(document):
        for call in re.findall(r"(?:^|[|;&] *|bin/)vta-stream((?: +[^|;&>]+)?)", line):
            problem = untrue_call(re.split(r"[ |]+", call.strip())) if call.strip() else None
            if problem:
                wrong.append(f"{line}: {problem}")
    assert wrong == []


def test_a_wrong_command_would_be_found() -> None:
    assert untrue_call(["frobnicate"]) == "no command frobnicate"
    assert untrue_call(["--settings", "file.yaml", "demo", "--frobnicate"]) == "no option --frobnicate"


@pytest.mark.parametrize("document", DOCUMENTS)
def test_the_make_targets_that_are_named_exist(document: str) -> None:
    targets = set(re.findall(r"^([a-z][a-z-]*):", text_of("Makefile"), re.MULTILINE))
    named = {name for line in code_lines(document) for name in re.findall(r"(?:^|[;&] *)make ([a-z][a-z-]*)", line)}
    assert named <= targets


def test_every_target_has_its_line_of_help() -> None:
    makefile = text_of("Makefile")
    for target in re.findall(r"^\.PHONY: (\S+)", makefile, re.MULTILINE):
        assert re.search(rf"^{target}:.*## \S", makefile, re.MULTILINE), target


@pytest.mark.parametrize("document", DOCUMENTS)
def test_the_links_lead_somewhere(document: str) -> None:
    links = re.findall(r"\]\(([^)#\s]+)", text_of(document))
    folder = (ROOT / document).parent
    assert [link for link in links if "://" not in link and not (folder / link).exists()] == []


def test_the_filter_of_the_guide_works_as_it_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The guide's file, put where the guide says, and the guide's lines of settings."""
    guide = text_of("CONTRIBUTING.md")
    (name,) = set(re.findall(r"`vta_stream/filters/(\w+)\.py`", guide))
    (source,) = re.findall(r"```python\n(.*?)```", guide, re.DOTALL)
    (lines,) = re.findall(r"```yaml\n(.*?)```", guide, re.DOTALL)
    (tmp_path / f"{name}.py").write_text(source, encoding="utf-8")
    (tmp_path / "settings.yaml").write_text(lines, encoding="utf-8")
    monkeypatch.setattr(filters, "__path__", [*filters.__path__, str(tmp_path)])
    monkeypatch.delitem(sys.modules, f"vta_stream.filters.{name}", raising=False)

    loaded = {one.name: one for one in load_filters(load_settings(tmp_path / "settings.yaml", {}).filters)}
    verdicts = [loaded[name].judge(clip(scores=Scores({"motion": motion}))) for motion in (49.0, 51.0)]

    assert loaded.keys() == ({*Settings().filters, name} - {"words_per_second"})
    assert [verdict.keep for verdict in verdicts] == [True, False]
    assert verdicts[1].reason == "motion is 51 levels/s, above the maximum of 50 levels/s"
    monkeypatch.delattr(filters, name)
