"""The lines of ``ls --long`` for a repository, at the widths of terminals and in a pipe."""

from __future__ import annotations

import pytest

from pyskopeo.cli.ls_tags import details_lines
from pyskopeo.cli.text_output import TextOutput
from pyskopeo.model.digest import Digest
from pyskopeo.model.platform import Platform
from pyskopeo.model.tag_details import TagDetails

DIGEST = Digest.of(b"image")
PLATFORMS = tuple(Platform("linux", one) for one in ("386", "amd64", "arm64", "ppc64le", "riscv64", "s390x"))
LISTED = TagDetails("1.10", DIGEST, "index", 5 * 1024 * 1024, "2026-01-31T12:13:14.5Z", PLATFORMS)
LONG = TagDetails("a" * 128, DIGEST, "image", None)
EVIL = TagDetails("evil", DIGEST, "artifact", 5, artifact_type="a\x1b[2J\nb")
WRONG = TagDetails("gone", problem="not\x1b there")


def lines(width: int | None, *details: TagDetails) -> list[str]:
    return list(details_lines(details, TextOutput(width)))


@pytest.mark.parametrize("width", [40, 60, 80, 120, 200])
def test_lines_fit_the_terminal(width: int) -> None:
    assert max(map(len, lines(width, LISTED, LONG, EVIL, WRONG))) <= width


@pytest.mark.parametrize(
    ("width", "shown"),
    [
        (None, f"1.10  {DIGEST}  5.0 MiB  2026-01-31 12:13  {','.join(map(str, PLATFORMS))}"),
        (59, f"1.10  {str(DIGEST)[:19]}  5.0 MiB  linux/386 +5"),
        (80, f"1.10  {str(DIGEST)[:19]}  5.0 MiB  2026-01-31  linux/386,linux/amd64 +4"),
        (120, f"1.10  {str(DIGEST)[:19]}  5.0 MiB  2026-01-31 12:13  linux/386,linux/amd64,linux/arm64,linux/ppc64le,linux/riscv64 +1"),
        (47, f"1.10  {str(DIGEST)[:19]}  5.0 MiB  6"),
    ],
)
def test_as_much_is_shown_as_fits(width: int | None, shown: str) -> None:
    assert lines(width, LISTED)[1] == shown


def test_what_is_not_known_is_a_dash() -> None:
    assert lines(None, LONG)[1] == f"{'a' * 128}  {DIGEST}     -  -        -"


def test_texts_of_the_registry_are_printable() -> None:
    assert [line.split("  ")[-1] for line in lines(None, EVIL, WRONG)[1:]] == ["a [2J b", "(not there)"]


def test_no_tags_are_a_head() -> None:
    assert lines(80) == ["TAG  DIGEST  SIZE  CREATED  PLATFORMS"]
