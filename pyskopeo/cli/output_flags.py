"""The flags of the commands that get content of a registry: where it is written, and where else it may be."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from .flags import Flag, Parsed, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..model.reference import Reference

OUTPUT = Flag("output", "file to write, or - for standard output", short="o", value="FILE", group="output")
SOURCES = Flag(
    "source", "another place of the same content, asked before the named one, in the order given; can be repeated",
    value="REPOSITORY@HOST", read=lambda text: [_source(text)], repeat=True, group="source",
)  # fmt: skip


def _source(text: str) -> Reference:
    from ..errors import InvalidName
    from ..model.reference import parse_source

    try:
        return parse_source(text)
    except InvalidName as error:
        raise ValueError(str(error)) from None


def sources(parsed: Parsed) -> tuple[Reference, ...]:
    """Return the values of ``--source``."""
    if "source" not in parsed.given:
        return ()
    from ..model.reference import Reference

    return parsed.repeated("source", Reference)


def output(parsed: Parsed) -> str:
    """Return the value of ``--output``; raises `UsageError` without one."""
    text = parsed.optional("output", str)
    if not text:
        raise UsageError("--output is required: the file to write, or - for standard output")
    return text


def outputs(text: str, names: Sequence[str]) -> dict[str, Path]:
    """Return the file for each blob name, REPOSITORY@DIGEST; raises `UsageError` and `InvalidName`.

    Of several names of one blob, the first counts.
    ``{algorithm}`` and ``{hex}`` in the path stand for the parts of the digest. In a directory, which is there or whose
    path ends with a slash, a file is named by the hexadecimal digits.
    """
    from ..api.blobs import parse_blob_name

    if text != "-" and (text.endswith("/") or Path(text).is_dir()):
        text = f"{text.rstrip('/') or '/'}/{{hex}}"
    found: dict[str, Path] = {}
    taken: dict[Path, object] = {}
    for name in names:
        digest = parse_blob_name(name).digest
        assert digest is not None
        path = Path(text.replace("{algorithm}", digest.algorithm).replace("{hex}", digest.hex))
        known = taken.setdefault(path, digest)
        if known != digest:
            raise UsageError(f"several blobs for one file: want --output DIR/, or a path with {{hex}}, not {text}")
        if known is digest:
            found[name] = path
    return found
