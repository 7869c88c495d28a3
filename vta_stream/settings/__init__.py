"""The settings: one typed model of the settings file (YAML, TOML or JSON) and of the environment."""

from vta_stream.settings.load import SettingsError, load_settings
from vta_stream.settings.model import Settings

__all__ = ["Settings", "SettingsError", "load_settings"]
