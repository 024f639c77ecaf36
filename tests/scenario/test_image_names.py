"""Image names that are not complete: the error says what may have been meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.cli import pyskopeo_here, said
from tests.support.images import build
from tests.support.outputs import write_dir

ALL = "; the transports are dir, docker, docker-archive, docker-daemon, oci, oci-archive, tarball"
PATH = "; put dir:, oci:, oci-archive: or docker-archive: before a path"


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("alpine", '; did you mean "docker://alpine"?'),
        ("quay.io/a/b", '; did you mean "docker://quay.io/a/b"?'),
        ("alpine:3.20", '; did you mean "docker://alpine:3.20"?'),
        ("localhost:5000/a:1", '; did you mean "docker://localhost:5000/a:1"?'),
        ("https://quay.io/a/b", '; did you mean "docker://quay.io/a/b"?'),
        ("dcoker://a/b", '; did you mean "docker://a/b"?'),
        ("docker-archvie:a.tar", '; did you mean "docker-archive:a.tar"?'),
        ("ocii:a:b", '; did you mean "oci:a:b"?'),
        ("sif:a", "; sif: is not supported, copy the image with the program that stored it"),
        ("/some/path", PATH),
        ("./path", PATH),
        ("README.md", PATH),
        ("Not A Name", ALL),
        ("", ALL),
    ],
)  # fmt: skip
@pytest.mark.parametrize(
    "words", [("inspect",), ("copy", "dir:x"), ("delete",), ("tag",), ("list-tags",)], ids=lambda words: words[0]
)
def test_what_may_have_been_meant(
    name: str, hint: str, words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(Path(__file__).parents[2])
    command = ("tag", name, "v1") if words[0] == "tag" else (*words, name)
    done = pyskopeo_here(*command)
    assert (done.code, done.stdout) == (1, b"")
    assert said(done.stderr).endswith(hint)


def test_docker_without_slashes() -> None:
    for words in (("inspect", "docker:alpine"), ("list-tags", "docker:alpine")):
        assert said(pyskopeo_here(*words).stderr).endswith('; did you mean "docker://alpine"?')


def test_a_file_where_a_directory_is_wanted(tmp_path: Path) -> None:
    source = write_dir(build("oci"), tmp_path / "source")
    (tmp_path / "file").write_text("x")
    for destination in ("oci:{}/file:x", "dir:{}/file", "oci:{}/file/below:x", "dir:{}/file/below"):
        done = pyskopeo_here("copy", "-q", f"dir:{source}", destination.format(tmp_path))
        assert done.code == 1
        assert f"{tmp_path}/file" in said(done.stderr)
        assert "not a directory" in said(done.stderr) or "is a file" in said(done.stderr)
    assert (tmp_path / "file").read_text() == "x"
