"""Go templates for ``inspect --format``: ``text/template`` and the functions that skopeo adds to it."""

from __future__ import annotations

from ..go_time import GoTime
from .lexer import UnknownField
from .report import is_json, render
from .values import Field, Struct, json_value

__all__ = ["Field", "GoTime", "Struct", "UnknownField", "is_json", "json_value", "render"]
