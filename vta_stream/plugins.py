"""Plug-ins by name: a scorer, a filter or a captioner is one file and one line of settings.

A name without dots is a file of the package's own folder (`motion` is `vta_stream/filters/motion.py`); a
name with dots is any module that can be imported (`my_package.my_filter`), so that nobody has to change
this package to bring their own. The module's `PLUGIN` is a frozen dataclass, and its fields are its options.
"""

from __future__ import annotations

import dataclasses
import difflib
import importlib
import pkgutil
from collections.abc import Mapping
from typing import Any, cast, get_type_hints

from pydantic import TypeAdapter, ValidationError

from vta_stream.ports import Captioner, Filter, Scorer
from vta_stream.settings import SettingsError

_NOT_PLUGINS = {"base"}


def load_scorers(options: Mapping[str, Mapping[str, Any]]) -> dict[str, Scorer]:
    """The scorers of `settings.scorers`, by name, in its order. Raises SettingsError like `load_plugins`."""
    return cast("dict[str, Scorer]", load_plugins("scorers", options, ("setup", "score")))


def load_filters(options: Mapping[str, Mapping[str, Any]]) -> tuple[Filter, ...]:
    """The filters of `settings.filters`, in its order. Raises SettingsError like `load_plugins`.

    Verdicts are told apart by `Filter.name` alone, so two filters of one name are an error too.
    """
    filters = cast("dict[str, Filter]", load_plugins("filters", options, ("name", "needs", "after", "judge")))
    keys: dict[str, str] = {}
    for key, plugin in filters.items():
        if plugin.after not in ("score", "caption"):
            raise SettingsError(f"filters.{key}: `after` has to be score or caption, not {plugin.after!r}")
        if plugin.name in keys:
            raise SettingsError(f"filters.{key} and filters.{keys[plugin.name]} both call themselves {plugin.name}")
        keys[plugin.name] = key
    return tuple(filters.values())


def load_captioners(options: Mapping[str, Mapping[str, Any]]) -> dict[str, Captioner]:
    """The captioners of `settings.captioners`, by name, in its order. Raises SettingsError like `load_plugins`."""
    return cast("dict[str, Captioner]", load_plugins("captioners", options, ("setup", "caption")))


def plugin_names(package: str) -> list[str]:
    """What exists in `package` (scorers, filters or captioners), sorted."""
    folder = importlib.import_module(f"vta_stream.{package}")
    return sorted(module.name for module in pkgutil.iter_modules(folder.__path__) if module.name not in _NOT_PLUGINS)


def load_plugins(package: str, options: Mapping[str, Mapping[str, Any]], offers: tuple[str, ...]) -> dict[str, object]:
    """One object for each name of `options`, built from its options.

    Every object has the attributes `offers`. Raises SettingsError, naming the key and what exists, for a
    name that is no plug-in, for an option that the plug-in does not have, and for a value of a wrong type
    or that the plug-in itself refuses with ValueError.
    """
    return {name: _build(package, name, values or {}, offers) for name, values in options.items()}


def _build(package: str, name: str, values: Mapping[str, Any], offers: tuple[str, ...]) -> object:
    key = f"{package}.{name}"
    plugin = _find(package, name, key)
    fields = {field.name: field for field in dataclasses.fields(plugin) if field.init}
    types = get_type_hints(plugin)
    arguments: dict[str, Any] = {}
    for option, value in values.items():
        if option not in fields:
            raise SettingsError(f"unknown key {key}.{option}{_hint(option, sorted(fields), 'It has no options.')}")
        try:
            arguments[option] = TypeAdapter(types[option]).validate_python(value)
        except ValidationError as error:
            reasons = "; ".join(item["msg"] for item in error.errors())
            raise SettingsError(f"{key}.{option}: {reasons} (got {value!r})") from error
    missing = [
        field.name
        for field in fields.values()
        if field.name not in arguments
        and field.default is dataclasses.MISSING
        and field.default_factory is dataclasses.MISSING
    ]
    if missing:
        raise SettingsError(f"{key}: {', '.join(missing)} has to be set")
    try:
        built = plugin(**arguments)
    except ValueError as error:
        raise SettingsError(f"{key}: {error}") from error
    lacking = [offer for offer in offers if not hasattr(built, offer)]
    if lacking:
        raise SettingsError(f"{key}: {plugin.__name__} is none of the {package}: it has no {', '.join(lacking)}")
    return built


def _find(package: str, name: str, key: str) -> type[Any]:
    if "." not in name and name not in plugin_names(package):
        raise SettingsError(f"unknown key {key}{_hint(name, plugin_names(package), 'There are none.')}")
    path = name if "." in name else f"vta_stream.{package}.{name}"
    try:
        module = importlib.import_module(path)
    except ImportError as error:
        raise SettingsError(f"{key}: {path} cannot be imported: {error}") from error
    plugin = getattr(module, "PLUGIN", None)
    if not (isinstance(plugin, type) and dataclasses.is_dataclass(plugin)):
        raise SettingsError(f"{key}: {path} has no `PLUGIN = SomeClass` that names a frozen dataclass")
    return plugin


def _hint(word: str, known: list[str], nothing: str) -> str:
    close = difflib.get_close_matches(word, known, n=1)
    return (f"; did you mean {close[0]}?" if close else ".") + (
        f" Known here: {', '.join(known)}" if known else nothing
    )
