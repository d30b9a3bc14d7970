"""A ``config.yaml`` to fill in: every setting with what it is for and what it is otherwise."""

from __future__ import annotations

import dataclasses
import inspect
import re
import textwrap

import yaml

from bv_robot.config import Config

WIDTH = 110
HEAD = """\
# Settings of bv-robot: a copy of this file is config.yaml in the robot's home. Each line that is taken out of its
# comment counts, unless the environment (BV_ROBOT_ and the name in capitals) or a flag says otherwise.
# `bv-robot config` shows what counts and where it comes from.
"""


def helps() -> dict[str, str]:
    """What each setting is for, by its name, in the order of ``Config``."""
    told = inspect.getdoc(Config) or ""
    _, _, listed = told.partition("Attributes:\n")
    parts = re.split(r"^ {4}(\w+): ", listed, flags=re.MULTILINE)[1:]
    return {name: " ".join(text.split()) for name, text in zip(parts[::2], parts[1::2], strict=True)}


def text() -> str:
    """The whole template. As it is, it sets nothing."""
    known = helps()
    sections = [_section(field.name, known[field.name]) for field in dataclasses.fields(Config)]
    return "\n".join([HEAD, *sections])


def _section(name: str, told: str) -> str:
    comment = textwrap.indent(textwrap.fill(told, WIDTH), "# ")
    value = yaml.safe_dump(getattr(Config(), name), default_flow_style=True, width=WIDTH)
    spelled = value.strip().removesuffix("...").strip()
    return f"{comment}\n# {name}: {spelled}\n"
