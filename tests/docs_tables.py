"""The generated tables of the docs: `make docs` writes them between their markers, `--check` says which are untrue.

A table lives between `<!-- table:NAME -->` and `<!-- /table:NAME -->` in any of DOCUMENTS.
"""

from __future__ import annotations

import dataclasses
import importlib
import re
import sys
import types
import typing
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

ROOT = Path(__file__).parents[1]
DOCUMENTS = ("README.md", "CONTRIBUTING.md", "vta_stream/REFERENCE.md")
MARKED = re.compile(r"(<!-- table:([a-z-]+) -->\n).*?(<!-- /table:\2 -->)", re.DOTALL)


def table(*header: str, rows: Iterator[tuple[str, ...]]) -> str:
    """A Markdown table; bars within cells are escaped."""
    lines = [header, tuple("---" for _ in header), *rows]
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines)


def metrics() -> str:
    """Every metric of the registry, in the order of the file."""
    from prometheus_client import Counter, Gauge, Histogram

    from vta_stream import metrics as module

    def rows() -> Iterator[tuple[str, ...]]:
        for metric in vars(module).values():
            if isinstance(metric, Counter | Gauge | Histogram):
                (family,) = metric.describe()
                name = f"{family.name}_total" if family.type == "counter" else family.name
                labels = ", ".join(f"`{label}`" for label in metric._labelnames)
                yield f"`{name}`", family.type, labels, family.documentation

    return table("metric", "type", "labels", "meaning", rows=rows())


def commands() -> str:
    """Every command and the options it takes, groups walked down."""
    import click

    from vta_stream.cli import main

    def rows(command: click.Command, path: str) -> Iterator[tuple[str, ...]]:
        takes = []
        for parameter in command.params:
            if isinstance(parameter, click.Option) and not parameter.hidden:
                takes.append(f"`{'`/`'.join([*parameter.opts, *parameter.secondary_opts])}`")
            elif isinstance(parameter, click.Argument):
                takes.append(f"`{parameter.make_metavar(click.Context(command))}`")
        yield f"`{path}`", command.get_short_help_str(200), " ".join(takes)
        if isinstance(command, click.Group):
            context = click.Context(command)
            for name in command.list_commands(context):
                child = command.get_command(context, name)
                assert child is not None, f"{path} lists {name} but has no such command"
                yield from rows(child, f"{path} {name}")

    return table("command", "what it does", "takes", rows=rows(main, "vta-stream"))


def settings() -> str:
    """Every key of the settings with its type, default and meaning."""
    from vta_stream.settings import Settings

    return table("key", "type", "default", "meaning", rows=setting_rows(Settings, ""))


def setting_rows(model: type[BaseModel], path: str, given: BaseModel | None = None) -> Iterator[tuple[str, ...]]:
    """Walk a model; `given` is the instance that is the default of the place where the model stands."""
    for name, field in model.model_fields.items():
        default = getattr(given, name) if given is not None else field.get_default(call_default_factory=True)
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from setting_rows(kind, f"{path}{name}.", default)
        else:
            yield f"`{path}{name}`", type_name(kind), default_name(default), field.description or ""


def type_name(kind: Any) -> str:
    """A type as a person writes it: `a or b`, `list of text`, `text, unset`."""
    plain = {
        str: "text",
        int: "integer",
        float: "number",
        bool: "true or false",
        Path: "path",
        type(None): "unset",
        Any: "any",
    }
    if kind in plain:
        return plain[kind]
    origin, parts = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Literal:
        return ", ".join(f"`{part}`" for part in parts)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(type_name(part) for part in parts)
    if origin is tuple:
        return f"list of {type_name(parts[0])}"  # tuple[X, ...]
    if origin is dict:
        return f"map of {type_name(parts[0])} to {type_name(parts[1])}"
    raise TypeError(f"no name for the type {kind!r}; add one here")


def default_name(value: Any) -> str:
    """A default as it would stand in the YAML file."""
    if value is PydanticUndefined or value is dataclasses.MISSING:
        return "(required)"
    if value is None:
        return "unset"
    if isinstance(value, dict) and not any(value.values()):
        return ", ".join(f"`{key}`" for key in value)
    if isinstance(value, tuple):
        return f"`[{', '.join(str(item) for item in value)}]`"
    if isinstance(value, bool):
        return "`true`" if value else "`false`"
    if isinstance(value, float):
        return f"`{value:.4g}`"
    return f"`{value}`"


def topics() -> str:
    """Every topic contract, in the order of the flow."""
    from vta_stream.stream.contracts import contracts

    def rows() -> Iterator[tuple[str, ...]]:
        for contract in contracts().values():
            days = "for ever" if contract.retention_ms < 0 else f"{contract.retention_ms / 86_400_000:g} days"
            link = f"[`{contract.name}`](../topics/{contract.name}.yaml)"
            yield (
                link,
                f"`{contract.record}`",
                contract.description.strip(),
                str(contract.partitions),
                days,
                contract.cleanup_policy,
            )

    return table("topic", "record", "what it carries", "partitions", "kept", "clean-up", rows=rows())


def plug_ins() -> str:
    """Every scorer, filter and captioner, with its options and their defaults."""
    from vta_stream.plugins import plugin_names

    def rows() -> Iterator[tuple[str, ...]]:
        for room in ("scorers", "filters", "captioners"):
            for name in plugin_names(room):
                module = importlib.import_module(f"vta_stream.{room}.{name}")
                fields = (field for field in dataclasses.fields(module.PLUGIN) if field.init)
                options = (f"`{field.name}` {default_name(field.default)}" for field in fields)
                yield f"`{room}.{name}`", (module.__doc__ or "").partition("\n")[0], ", ".join(options)

    return table("key", "what it does", "options and defaults", rows=rows())


TABLES: dict[str, Callable[[], str]] = {
    "metrics": metrics,
    "commands": commands,
    "settings": settings,
    "plug-ins": plug_ins,
    "topics": topics,
}


def rewrite(text: str) -> str:
    """The document with every marked table made anew. A marker of an unknown table is an error."""

    def fill(match: re.Match[str]) -> str:
        if match[2] not in TABLES:
            raise ValueError(f"no such table: {match[2]}; there are {', '.join(TABLES)}")
        return f"{match[1]}{TABLES[match[2]]()}{match[3]}"

    return MARKED.sub(fill, text)


def main() -> int:
    """0 if every table is true, or has been made so."""
    untrue = []
    for name in DOCUMENTS:
        old = (ROOT / name).read_text(encoding="utf-8")
        new = rewrite(old)
        if new != old and "--check" in sys.argv:
            untrue.append(name)
        elif new != old:
            (ROOT / name).write_text(new, encoding="utf-8")
    if untrue:
        print(f"tables out of date in {', '.join(untrue)}; run: make docs", file=sys.stderr)
    return 1 if untrue else 0


if __name__ == "__main__":
    sys.exit(main())
