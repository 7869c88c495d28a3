"""Reading the settings file and the environment, with errors that say what to do."""

from __future__ import annotations

import difflib
import json
import os
import tomllib
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from vta_stream.settings.model import Settings

ENVIRONMENT_PREFIX = "VTA_STREAM__"


class SettingsError(ValueError):
    """The settings cannot be used; the text names each key and what exists."""


def load_settings(file: Path | None = None, environment: dict[str, str] | None = None) -> Settings:
    """Settings from `file` (by its suffix: .yaml, .yml, .toml, .json), then from the environment, which wins.

    Environment: `VTA_STREAM__` and the path of the key, joined by two underscores, in capitals; values are
    read as YAML. Raises SettingsError for a missing file, bad syntax, an unknown key or a bad value.
    """
    values = _read(file) if file else {}
    for name, text in (os.environ if environment is None else environment).items():
        if name.startswith(ENVIRONMENT_PREFIX):
            _set(values, name.removeprefix(ENVIRONMENT_PREFIX).lower().split("__"), yaml.safe_load(text), name)
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        where = str(file) if file else "the environment"
        raise SettingsError(f"{where}: " + "; ".join(_explain(item) for item in error.errors())) from error


def _read(file: Path) -> dict[str, Any]:
    try:
        text = file.read_text(encoding="utf-8")
        match file.suffix:
            case ".yaml" | ".yml":
                values = yaml.safe_load(text)
            case ".toml":
                values = tomllib.loads(text)
            case ".json":
                values = json.loads(text)
            case other:
                raise SettingsError(f"{file}: unknown kind {other!r}; .yaml, .yml, .toml and .json are read")
    except OSError as error:
        raise SettingsError(f"{file}: cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, tomllib.TOMLDecodeError, json.JSONDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{file}: is not valid: {error}") from error
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise SettingsError(f"{file}: has to hold keys and values, not a {type(values).__name__}")
    return values


def _set(values: dict[str, Any], path: list[str], value: Any, variable: str) -> None:
    for part in path[:-1]:
        values = values.setdefault(part, {})
        if not isinstance(values, dict):
            raise SettingsError(f"{variable}: {part} is a value, not a group of settings")
    values[path[-1]] = value


def _explain(item: Any) -> str:
    path = [str(part) for part in item["loc"]]
    key = ".".join(path)
    if item["type"] != "extra_forbidden":
        return f"{key}: {item['msg']} (got {item['input']!r})"
    known = sorted(_fields(path[:-1]))
    close = difflib.get_close_matches(path[-1], known, n=1)
    hint = f"; did you mean {close[0]}?" if close else ""
    return (
        f"unknown key {key}{hint} Known here: {', '.join(known)}"
        if hint
        else (f"unknown key {key}. Known here: {', '.join(known)}")
    )


def _fields(path: list[str]) -> list[str]:
    model: type[BaseModel] = Settings
    for part in path:
        annotation = model.model_fields[part].annotation
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            model = annotation
    return list(model.model_fields)
