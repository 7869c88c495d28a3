"""What the documents say is true: tables, commands, targets, links."""

from __future__ import annotations

import re
from collections.abc import Iterator

import click
import pytest
from pydantic import BaseModel

from tests import docs_tables
from tests.house import ROOT
from vta_stream.cli import main
from vta_stream.settings import Settings

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
    known = {"--help", "-h", "--version"}
    for word in words:
        known |= {name for option in command.params for name in (*option.opts, *option.secondary_opts)}
        if word.startswith("-"):
            if word.partition("=")[0] not in known:
                return f"no option {word}"
        elif isinstance(command, click.Group) and re.fullmatch(r"[a-z][a-z-]*", word):
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
