"""The flags that say which form a copy has."""

from __future__ import annotations

import pytest

from pyskopeo.cli.flags import UsageError, parse
from pyskopeo.cli.format_flags import FORM, form
from pyskopeo.engine.plan import Form
from pyskopeo.errors import InvalidInput


@pytest.mark.parametrize(
    ("flags", "destination", "wanted"),
    [
        ("", "oci:x", Form()),
        ("--format v2s2", "oci:x", Form("v2s2")),
        ("-f oci --dest-compress-format zstd", "oci:x", Form("oci", "zstd")),
        ("--dest-compress-format gzip --dest-compress-level 9", "dir:x", Form(compression="gzip", level=9)),
        ("--dest-compress-level 1", "dir:x", Form(level=1)),
        ("--dest-compress", "dir:x", Form(compress=True)),
        ("--dest-decompress", "dir:x", Form(decompress=True)),
        ("--dest-decompress --dest-compress=false", "dir:x", Form(decompress=True)),
        ("--preserve-digests", "dir:x", Form(preserve_digests=True)),
        ("--dest-oci-accept-uncompressed-layers", "oci:x", Form(keep_plain=True)),
        ("--dest-oci-accept-uncompressed-layers", "oci-archive:x", Form(keep_plain=True)),
        ("--dest-oci-accept-uncompressed-layers", "docker://x", Form()),
        ("--dest-compress-format zstd --dest-force-compress-format", "docker://x", Form(compression="zstd")),
    ],
)
def test_flags(flags: str, destination: str, wanted: Form) -> None:
    assert form(parse(flags.split(), FORM)[0], destination) == wanted


@pytest.mark.parametrize(
    ("flags", "destination", "wanted"),
    [
        ("", "docker://x", Form(compress=True)),
        ("", "oci:x", Form(compress=True)),
        ("", "dir:x", Form()),
        ("", "docker-daemon:x", Form()),
        ("--dest-decompress", "docker://x", Form(decompress=True)),
        ("--preserve-digests", "docker://x", Form(preserve_digests=True)),
        ("--dest-oci-accept-uncompressed-layers", "oci:x", Form(compress=True, keep_plain=True)),
    ],
)
def test_called_skopeo_plain_layers_are_compressed(
    flags: str, destination: str, wanted: Form, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["/usr/local/bin/skopeo"])
    assert form(parse(flags.split(), FORM)[0], destination) == wanted


@pytest.mark.parametrize(
    ("flags", "error", "sentence"),
    [
        ("--format OCI", UsageError, "unknown format \"OCI\". Choose one of the supported formats: 'oci', 'v2s1', or 'v2s2'"),
        ("--dest-compress-format xz", InvalidInput, 'cannot find compressor for "xz": want gzip or zstd'),
        ("--dest-compress --dest-decompress", UsageError, "Cannot compress and decompress at the same time"),
        ("--dest-force-compress-format", UsageError, "--dest-force-compress-format goes with --dest-compress-format"),
        ("--dest-compress-level 10", InvalidInput, "gzip has no compression level 10: want 1 to 9"),
        ("--dest-compress-format zstd --dest-compress-level 23", InvalidInput, "zstd has no compression level 23: want 1 to 22"),
    ],
)
def test_flags_that_are_refused(flags: str, error: type[Exception], sentence: str) -> None:
    with pytest.raises(error) as caught:
        form(parse(flags.split(), FORM)[0], "oci:x")
    assert str(caught.value) == sentence
