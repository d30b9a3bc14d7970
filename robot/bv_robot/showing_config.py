"""``bv-robot config``: every setting, its value and where it comes from. A secret is only said to be there."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import httpx
from rich.markup import escape
from rich.table import Table

from bv_robot import config, telling
from bv_robot.config import Home, Identity, Setting

OWN_VARIABLES = {"BV_ROBOT_HOME"}
"""Variables of this name space that are no settings."""


def show(home: Home, environ: Mapping[str, str], *, home_flag: bool, flags: Mapping[str, Any]) -> None:
    """Print the settings: a table for a person, an object for a program.

    Raises:
        ConfigError: when a setting cannot be used.
    """
    settings = _all_settings(home, environ, home_flag=home_flag, flags=flags)
    for variable in _unknown_variables(environ):
        telling.complain(f"{variable}: there is no such setting, so this variable has no effect")
    if telling.is_for_a_person():
        telling.console.print(_table(settings))
        return
    told = {
        setting.name: {part: getattr(setting, part) for part in ("value", "source", "origin")} for setting in settings
    }
    telling.say("config", settings=told)


def _all_settings(
    home: Home, environ: Mapping[str, str], *, home_flag: bool, flags: Mapping[str, Any]
) -> list[Setting]:
    identity = config.read_identity(home)
    settings = [_as_enrolled(setting, home, identity) for setting in config.settings_of(home, environ, **flags)]
    return [
        _home(home, environ, home_flag=home_flag),
        *map(_without_password, settings),
        *_secrets(home, environ, identity),
    ]


def _home(home: Home, environ: Mapping[str, str], *, home_flag: bool) -> Setting:
    if home_flag:
        return Setting("home", str(home.root), "flag", "--home")
    if environ.get("BV_ROBOT_HOME"):
        return Setting("home", str(home.root), "environment", "BV_ROBOT_HOME")
    return Setting("home", str(home.root))


def _as_enrolled(setting: Setting, home: Home, identity: Identity | None) -> Setting:
    """Address and name are remembered from the enrolment where nothing else sets them."""
    if identity is None or setting.value or setting.name not in {"url", "name"}:
        return setting
    return Setting(setting.name, getattr(identity, setting.name), "enrolment", str(home.identity_file))


def _without_password(setting: Setting) -> Setting:
    if setting.name != "url" or not (address := httpx.URL(setting.value)).password:
        return setting
    return dataclasses.replace(setting, value=str(address.copy_with(username=address.username, password="***")))


def _secrets(home: Home, environ: Mapping[str, str], identity: Identity | None) -> list[Setting]:
    key, token = Setting("key", "not set"), Setting("token", "not set")
    if environ.get("ORCHESTRATOR_API_KEY"):
        key = Setting("key", "set", "environment", "ORCHESTRATOR_API_KEY")
    if identity and identity.api_token:
        token = Setting("token", "set", "enrolment", str(home.identity_file))
    return [key, token]


def _unknown_variables(environ: Mapping[str, str]) -> list[str]:
    known = {f"BV_ROBOT_{field.name.upper()}" for field in dataclasses.fields(config.Config)} | OWN_VARIABLES
    return sorted(name for name in environ if name.startswith("BV_ROBOT_") and name not in known)


def _table(settings: list[Setting]) -> Table:
    table = Table("setting", "value", "from", box=None)
    for setting in settings:
        source = f"{setting.source} ({setting.origin})" if setting.origin else setting.source
        table.add_row(f"[bold]{setting.name}[/]", escape(_shown(setting.value)), escape(source))
    return table


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return "\n".join(value) or "–"
    return str(value) if value != "" else "–"
