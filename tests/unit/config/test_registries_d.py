"""registries.d: what is said of an image's signatures, and by which file."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from pyskopeo.config import registries_d
from pyskopeo.config.registries_d import RegistriesD, Section, load, locations
from pyskopeo.errors import InvalidInput, PyskopeoError, StorageFailed, TooLarge
from pyskopeo.model.reference import Reference
from tests.support.registries_d import REFUSED

DIGEST = "sha256:" + "a1" * 32
CONFIG = RegistriesD.parse(
    f"""
    default-docker:
      lookaside: https://default
      lookaside-staging: file:///default
      use-sigstore-attachments: true
    docker:
      example.com:
        lookaside: https://host
        use-sigstore-attachments: false
      example.com/team:
        lookaside-staging: file:///team
      example.com/team/app:
        sigstore: https://app
        sigstore-staging: file:///app
      example.com/team/app:1.0:
        lookaside: https://tag
        sigstore: https://older-name
      example.com/team/app@{DIGEST}:
        lookaside: https://digest
      "example.com:5000":
        lookaside: https://port
      "*.example.com":
        lookaside: https://wildcard
      docker.io/library/alpine:
        lookaside: https://alpine
    """,
    "F",
)


def ref(name: str) -> Reference:
    return Reference.parse(name)


@pytest.mark.parametrize(
    ("name", "read", "write"),
    [
        ("example.com/x", "https://host", "https://host"),
        ("example.com/team/x", "https://host", "file:///team"),
        ("example.com/team/deep/x", "https://host", "file:///team"),
        ("example.com/teams/x", "https://host", "https://host"),
        ("example.com/team/app", "https://app", "file:///app"),
        ("example.com/team/app/sub", "https://app", "file:///app"),
        ("example.com/team/app:1.0", "https://tag", "https://tag"),
        (f"example.com/team/app@{DIGEST}", "https://digest", "https://digest"),
        (f"example.com/team/app:1.0@{DIGEST}", "https://digest", "https://digest"),
        ("example.com:5000/x", "https://port", "https://port"),
        ("example.com:5001/x", "https://default", "file:///default"),
        ("a.b.example.com/x", "https://wildcard", "https://wildcard"),
        ("alpine", "https://alpine", "https://alpine"),
        ("docker.io/other/x", "https://default", "file:///default"),
    ],
)
def test_the_most_precise_section_that_says_something_counts(name: str, read: str, write: str) -> None:
    assert CONFIG.lookaside(ref(name)) == read
    assert CONFIG.lookaside(ref(name), write=True) == write


def test_attachments_are_looked_up_on_their_own() -> None:
    assert CONFIG.uses_attachments(ref("alpine"))
    assert not CONFIG.uses_attachments(ref("example.com/team/app"))
    assert not RegistriesD().uses_attachments(ref("alpine"))


def test_sections_come_most_specific_first() -> None:
    found = [one.lookaside or one.lookaside_staging for one in CONFIG.sections(ref("example.com/team/app:1.0"))]
    assert found == ["https://tag", "https://app", "file:///team", "https://host", "https://default"]


def test_nothing_said() -> None:
    for text in ("", "# x", "docker:\ndefault-docker:\n", "docker: {}", "bogus: [1]", "Docker: [1]"):
        found = RegistriesD.parse(text, "F")
        assert found == RegistriesD(files=("F",))
        assert (found.lookaside(ref("alpine")), found.lookaside(ref("alpine"), write=True)) == ("", "")


def test_every_key_and_unknown_ones() -> None:
    found = RegistriesD.parse(
        "docker:\n a.b:\n  zz: 5\n  lookaside: 5\n  lookaside-staging: x\n  use-sigstore-attachments: yes\n c.d:\n", "F"
    )
    assert found.namespaces == {"a.b": Section("5", "x", True, "F"), "c.d": Section(where="F")}


@pytest.mark.parametrize(("text", "message"), REFUSED)
def test_what_is_refused(text: str, message: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        RegistriesD.parse(text, "F")
    assert str(caught.value) == message


def test_a_namespace_twice_in_one_file_is_refused() -> None:
    with pytest.raises(InvalidInput, match=r"^parsing F: line 3, column 2: the key 'a\.b' is there already$"):
        RegistriesD.parse("docker:\n a.b: {}\n a.b: {}\n", "F")


def test_two_files_may_not_speak_of_the_same_namespace() -> None:
    one, other = (RegistriesD.parse("docker:\n a.b: {}\n", name) for name in ("A", "B"))
    with pytest.raises(InvalidInput) as caught:
        RegistriesD.merge((one, other))
    assert str(caught.value) == (
        'Error parsing signature storage configuration: "docker" namespace "a.b" defined both in "A" and "B"; '
        "keep one of them"
    )
    one, other = (RegistriesD.parse("default-docker: {}", name) for name in ("A", "B"))
    with pytest.raises(InvalidInput, match='"default-docker" defined both in "A" and "B"'):
        RegistriesD.merge((one, other))


def test_files_add_up() -> None:
    texts = {"A": "docker:\n a.b: {lookaside: x}", "B": "default-docker: {lookaside: y}", "C": "docker:\n a.b/c: {}"}
    found = RegistriesD.merge(RegistriesD.parse(text, name) for name, text in texts.items())
    assert found == RegistriesD(
        default=Section("y", where="B"),
        namespaces={"a.b": Section("x", where="A"), "a.b/c": Section(where="C")},
        files=("A", "B", "C"),
    )
    assert RegistriesD.merge(()) == RegistriesD()


def test_where_to_look() -> None:
    home = Path("/home/u")
    shared = (Path("/etc/containers/registries.d"), Path("/usr/share/containers/registries.d"))
    assert locations({}, home) == (home / ".config/containers/registries.d", *shared)
    assert locations({"XDG_CONFIG_HOME": "/x"}, home) == (Path("/x/containers/registries.d"), *shared)
    assert locations({}, home, Path("/named")) == (Path("/named"),)


@pytest.fixture
def roots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    folders = [tmp_path / name for name in ("user", "etc", "share")]
    monkeypatch.setattr(
        registries_d, "locations", lambda environ, home, named=None: (named,) if named else tuple(folders)
    )
    return folders


def test_the_first_folder_alone_is_read(roots: list[Path], tmp_path: Path) -> None:
    own = Path("/var/lib/containers/sigstore") if os.geteuid() == 0 else tmp_path / ".local/share/containers/sigstore"
    assert load({}, tmp_path) == RegistriesD(lookaside_directory=own.as_uri())
    for number, root in reversed(list(enumerate(roots))):
        root.mkdir()
        (root / "x.yaml").write_text(f"docker:\n a{number}.org: {{}}\n")
        assert list(load({}, tmp_path).namespaces) == [f"a{number}.org"]
    (roots[0] / "x.yaml").unlink()
    own = Path("/var/lib/containers/sigstore") if os.geteuid() == 0 else tmp_path / ".local/share/containers/sigstore"
    assert load({}, tmp_path) == RegistriesD(lookaside_directory=own.as_uri())
    assert list(load({}, tmp_path, roots[2]).namespaces) == ["a2.org"]
    assert load({}, tmp_path, tmp_path / "not there") == RegistriesD(lookaside_directory=own.as_uri())


def test_only_yaml_files_count(roots: list[Path], tmp_path: Path) -> None:
    roots[1].mkdir()
    (roots[1] / "b.yaml").write_text("docker:\n b.org: {}")
    (roots[1] / "a.yaml").write_text("docker:\n a.org: {}")
    (roots[1] / "c.yml").write_text("broken: [")
    (roots[1] / "gone.yaml").symlink_to(tmp_path / "gone")
    found = load({}, tmp_path)
    assert found.files == (str(roots[1] / "a.yaml"), str(roots[1] / "b.yaml"))


@pytest.mark.parametrize(
    ("content", "kind", "problem"),
    [
        (b"a: [", InvalidInput, "parsing {path}: not valid YAML"),
        (b"a: \xff", InvalidInput, "{path}: not UTF-8 at byte 3"),
        (b"#" * (1024 * 1024 + 1), TooLarge, "{path} is over the limit"),
    ],
)
def test_errors_name_the_file(
    roots: list[Path], tmp_path: Path, content: bytes, kind: type[PyskopeoError], problem: str
) -> None:
    roots[0].mkdir()
    path = roots[0] / "x.yaml"
    path.write_bytes(content)
    with pytest.raises(kind, match="^" + re.escape(problem.format(path=path))):
        load({}, tmp_path)


def test_what_cannot_be_listed_or_read(roots: list[Path], tmp_path: Path) -> None:
    roots[0].write_text("")
    with pytest.raises(StorageFailed, match="not a directory"):
        load({}, tmp_path)
    (roots[1] / "x.yaml").mkdir(parents=True)
    roots[0].unlink()
    with pytest.raises(StorageFailed, match="is a directory"):
        load({}, tmp_path)
