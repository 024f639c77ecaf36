"""Certificates of one registry: which directory, and what its files are for."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from pyskopeo.config.certificates import CertificateFiles, locate, read, search_path
from pyskopeo.errors import InvalidInput, StorageFailed


@pytest.fixture
def roots(tmp_path: Path) -> list[Path]:
    return [tmp_path / name for name in ("user", "system", "docker")]


def test_the_directories_in_order() -> None:
    assert search_path(Path("/home/u")) == (
        Path("/home/u/.config/containers/certs.d"),
        Path("/etc/containers/certs.d"),
        Path("/etc/docker/certs.d"),
    )


def test_the_first_directory_for_the_host_and_port_counts(roots: list[Path]) -> None:
    assert locate("quay.io:5000", roots) is None
    (roots[2] / "quay.io:5000").mkdir(parents=True)
    (roots[0] / "quay.io").mkdir(parents=True)
    assert locate("quay.io:5000", roots) == roots[2] / "quay.io:5000"
    assert locate("quay.io", roots) == roots[0] / "quay.io"
    (roots[1] / "quay.io:5000").mkdir(parents=True)
    assert locate("quay.io:5000", roots) == roots[1] / "quay.io:5000"
    assert locate("[::1]:5000", roots) is None


def test_a_directory_that_cannot_be_read_is_passed_over(roots: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    for root in roots:
        (root / "quay.io").mkdir(parents=True)
    scandir = os.scandir

    def guarded(path: Path) -> Any:
        if path.is_relative_to(roots[0]):
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    with monkeypatch.context() as patch:
        patch.setattr(os, "scandir", guarded)
        assert locate("quay.io", roots) == roots[1] / "quay.io"


def test_a_file_in_place_of_a_directory_is_passed_over(roots: list[Path]) -> None:
    roots[0].write_text("")
    roots[1].mkdir()
    (roots[1] / "quay.io").write_text("")
    (roots[2] / "quay.io").mkdir(parents=True)
    assert locate("quay.io", roots) == roots[2] / "quay.io"


def test_other_failures_are_told(roots: list[Path]) -> None:
    roots[0].symlink_to(roots[0])
    with pytest.raises(StorageFailed, match="looking for certificates in .*user/quay.io"):
        locate("quay.io", roots)


@pytest.mark.parametrize("host", ["", ".", "..", "../etc", "a/b", "/etc", "a\0b"])
def test_a_host_never_leads_elsewhere(host: str, roots: list[Path]) -> None:
    roots[0].mkdir()
    with pytest.raises(InvalidInput, match="no registry's host"):
        locate(host, roots)


def test_a_named_directory_serves_every_host(roots: list[Path], tmp_path: Path) -> None:
    (roots[0] / "quay.io").mkdir(parents=True)
    named = tmp_path / "named"
    assert locate("quay.io", roots, named) is None
    named.touch()
    with pytest.raises(InvalidInput, match=f"certificate directory {named} is not a directory"):
        locate("quay.io", roots, named)
    with pytest.raises(StorageFailed, match="Not a directory|not a directory"):
        locate("quay.io", roots, named / "below")
    named.unlink()
    named.mkdir()
    assert locate("quay.io", roots, named) == named


def test_files_by_the_ends_of_their_names(tmp_path: Path) -> None:
    for name in ("b.crt", "a.crt", "client.cert", "client.key", "a.b.cert", "a.b.key", "README", "x.pem", "crt"):
        (tmp_path / name).touch()
    (tmp_path / "folder.crt").mkdir()
    (tmp_path / "gone.crt").symlink_to(tmp_path / "nowhere")
    (tmp_path / "link.crt").symlink_to(tmp_path / "a.crt")
    assert read(tmp_path) == CertificateFiles(
        # All that have the name of one: what cannot be read is warned of where they are loaded.
        authorities=tuple(tmp_path / f"{name}.crt" for name in ("a", "b", "folder", "gone", "link")),
        clients=((tmp_path / "a.b.cert", tmp_path / "a.b.key"), (tmp_path / "client.cert", tmp_path / "client.key")),
    )


def test_an_empty_directory(tmp_path: Path) -> None:
    assert read(tmp_path) == CertificateFiles()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("x.cert", r"x\.cert: a client certificate without its key x\.key; .*\.crt"),
        ("x.key", r"x\.key: a key without its client certificate x\.cert"),
    ],
)
def test_half_a_pair_is_an_error(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / name).touch()
    (tmp_path / "x.crt").touch()
    with pytest.raises(InvalidInput, match=message) as caught:
        read(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_directory_that_cannot_be_listed(tmp_path: Path) -> None:
    with pytest.raises(StorageFailed, match="reading certificates in .*gone"):
        read(tmp_path / "gone")
