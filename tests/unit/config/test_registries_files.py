"""Which files make up registries.conf, in which order, and what happens when they cannot be read."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from pyskopeo.config import registries_files
from pyskopeo.config.registries import Registries
from pyskopeo.config.registries_files import ConfigPaths, load, locations
from pyskopeo.errors import InvalidInput, PyskopeoError, StorageFailed, TooLarge

HOME = Path("/home/u")
USER, ETC, SHARE = Path("/home/u/.config/containers"), Path("/etc/containers"), Path("/usr/share/containers")
MAIN = tuple(folder / "registries.conf" for folder in (USER, ETC, SHARE))
ROOT_FOLDERS = (
    USER / "registries.conf.d",
    ETC / "registries.rootful.conf.d",
    ETC / "registries.conf.d",
    SHARE / "registries.rootful.conf.d",
    SHARE / "registries.conf.d",
)
USER_FOLDERS = (
    USER / "registries.conf.d",
    ETC / "registries.rootless.conf.d/1000",
    ETC / "registries.rootless.conf.d",
    ETC / "registries.conf.d",
    SHARE / "registries.rootless.conf.d/1000",
    SHARE / "registries.rootless.conf.d",
    SHARE / "registries.conf.d",
)
ENV, OVERRIDE = "CONTAINERS_REGISTRIES_CONF", "CONTAINERS_REGISTRIES_CONF_OVERRIDE"


@pytest.mark.parametrize(
    ("environ", "named", "uid", "expected"),
    [
        ({}, None, 0, ConfigPaths(MAIN, folders=ROOT_FOLDERS)),
        ({}, None, 1000, ConfigPaths(MAIN, folders=USER_FOLDERS)),
        ({ENV: "/e"}, None, 0, ConfigPaths((Path("/e"),), must_exist=True)),
        ({ENV: ""}, None, 0, ConfigPaths(MAIN, folders=ROOT_FOLDERS)),
        ({OVERRIDE: "/o"}, None, 0, ConfigPaths(MAIN, folders=ROOT_FOLDERS, last=Path("/o"))),
        ({OVERRIDE: ""}, None, 0, ConfigPaths(MAIN, folders=ROOT_FOLDERS)),
        ({ENV: "/e", OVERRIDE: "/o"}, None, 0, ConfigPaths((Path("/e"),), must_exist=True, last=Path("/o"))),
        ({}, Path("/n"), 0, ConfigPaths((Path("/n"),), must_exist=True, folders=ROOT_FOLDERS)),
        ({ENV: "/e"}, Path("/n"), 0, ConfigPaths((Path("/n"),), must_exist=True, folders=ROOT_FOLDERS)),
        (
            {OVERRIDE: "/o"},
            Path("/n"),
            0,
            ConfigPaths((Path("/n"),), must_exist=True, folders=ROOT_FOLDERS, last=Path("/o")),
        ),
    ],
)
def test_where_to_look(environ: dict[str, str], named: Path | None, uid: int, expected: ConfigPaths) -> None:
    assert locations(environ, HOME, named, uid=uid) == expected


def test_the_users_folder_follows_xdg() -> None:
    found = locations({"XDG_CONFIG_HOME": "/xdg"}, HOME)
    assert found.main[0] == Path("/xdg/containers/registries.conf")
    assert found.folders[0] == Path("/xdg/containers/registries.conf.d")
    assert locations({"XDG_CONFIG_HOME": ""}, HOME) == locations({}, HOME)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Registries]:
    """Write files below a root of its own, then load as user 1000 does there."""

    def in_root(environ: dict[str, str], home: Path, named: Path | None = None, *, uid: int = 0) -> ConfigPaths:
        found = locations(environ, home, named, uid=1000)

        def moved(path: Path) -> Path:
            return path if path.is_relative_to(tmp_path) else tmp_path / path.relative_to("/")

        main, folders = tuple(map(moved, found.main)), tuple(map(moved, found.folders))
        return ConfigPaths(main, found.must_exist, folders, moved(found.last) if found.last else None)

    monkeypatch.setattr(registries_files, "locations", in_root)

    def loaded(files: dict[str, str], environ: dict[str, str] | None = None, named: str | None = None) -> Registries:
        for name, text in files.items():
            path = tmp_path / name.lstrip("/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return load(environ or {}, HOME, Path(named) if named else None)

    return loaded


def short(found: Registries, root: Path) -> list[str]:
    return [file.removeprefix(str(root)) for file in found.files]


def entry(name: str, *, insecure: bool = False) -> str:
    return f'[[registry]]\nlocation = "{name}"\ninsecure = {str(insecure).lower()}\n'


def test_nothing_there_is_nothing_configured(machine: Callable[..., Registries]) -> None:
    assert machine({}) == Registries()


@pytest.mark.parametrize("first", [0, 1, 2])
def test_only_the_first_main_file_is_read(machine: Callable[..., Registries], tmp_path: Path, first: int) -> None:
    found = machine({str(path): entry(f"{number}.org") for number, path in enumerate(MAIN) if number >= first})
    assert short(found, tmp_path) == [str(MAIN[first])]
    assert [one.prefix for one in found.registries] == [f"{first}.org"]


def test_drop_ins_come_by_name_and_the_closer_one_hides_its_namesakes(
    machine: Callable[..., Registries], tmp_path: Path
) -> None:
    found = machine(
        {
            "/etc/containers/registries.conf": entry("main.org") + entry("x.org"),
            "/etc/containers/registries.conf.d/20.conf": entry("x.org", insecure=True),
            "/etc/containers/registries.conf.d/50.conf": "broken =",
            "/etc/containers/registries.conf.d/readme.txt": "broken =",
            "/etc/containers/registries.conf.d/folder.conf/x": "",
            "/usr/share/containers/registries.conf.d/99.conf": entry("vendor.org"),
            "/usr/share/containers/registries.conf.d/20.conf": "broken =",
            "/etc/containers/registries.rootless.conf.d/30.conf": entry("rootless.org"),
            "/etc/containers/registries.rootless.conf.d/1000/40.conf": entry("mine.org"),
            "/etc/containers/registries.rootful.conf.d/00.conf": "broken =",
            "/home/u/.config/containers/registries.conf.d/50.conf": entry("user.org"),
            "/home/u/.config/containers/registries.conf.d/10.conf": entry("x.org"),
        }
    )
    assert short(found, tmp_path) == [
        "/etc/containers/registries.conf",
        "/home/u/.config/containers/registries.conf.d/10.conf",
        "/etc/containers/registries.conf.d/20.conf",
        "/etc/containers/registries.rootless.conf.d/30.conf",
        "/etc/containers/registries.rootless.conf.d/1000/40.conf",
        "/home/u/.config/containers/registries.conf.d/50.conf",
        "/usr/share/containers/registries.conf.d/99.conf",
    ]
    assert found.is_insecure("x.org")  # 20 after 10
    assert {one.prefix for one in found.registries} >= {
        "main.org",
        "user.org",
        "vendor.org",
        "mine.org",
        "rootless.org",
    }


def test_a_link_is_read_and_one_to_nothing_at_all_hides(machine: Callable[..., Registries], tmp_path: Path) -> None:
    folder = tmp_path / "etc/containers/registries.conf.d"
    folder.mkdir(parents=True)
    (tmp_path / "store").write_text(entry("linked.org"))
    (folder / "link.conf").symlink_to(tmp_path / "store")
    (folder / "dangling.conf").symlink_to(tmp_path / "gone")
    (folder / "quiet.conf").symlink_to("/dev/null")
    found = machine({"/usr/share/containers/registries.conf.d/quiet.conf": entry("vendor.org")})
    assert [one.prefix for one in found.registries] == ["linked.org"]


def test_the_environments_file_stands_alone(machine: Callable[..., Registries], tmp_path: Path) -> None:
    files = {
        "/etc/containers/registries.conf": entry("main.org"),
        "/etc/containers/registries.conf.d/1.conf": entry("drop.org"),
        "/e": entry("e.org"),
        "/o": entry("e.org", insecure=True),
    }
    assert short(machine(files, {ENV: "/e"}), tmp_path) == ["/e"]
    found = machine(files, {ENV: "/e", OVERRIDE: "/o"})
    assert short(found, tmp_path) == ["/e", "/o"]
    assert found.is_insecure("e.org")
    assert short(machine(files, {OVERRIDE: "/o"}), tmp_path) == [
        "/etc/containers/registries.conf", "/etc/containers/registries.conf.d/1.conf", "/o",
    ]  # fmt: skip
    # The command line comes before the environment, and leaves the drop-ins.
    assert short(machine(files, {ENV: "/gone"}, "/e"), tmp_path) == ["/e", "/etc/containers/registries.conf.d/1.conf"]


@pytest.mark.parametrize(
    ("environ", "named"), [({ENV: "/gone"}, None), ({OVERRIDE: "/gone"}, None), ({}, "/gone"), ({}, "/gone/x")]
)
def test_what_was_named_must_be_there(
    machine: Callable[..., Registries], tmp_path: Path, environ: dict[str, str], named: str | None
) -> None:
    path = tmp_path / (named or "/gone").lstrip("/")
    with pytest.raises(StorageFailed) as caught:
        machine({}, environ, named)
    expected = f'loading registries configuration "{path}": open {path}: no such file or directory'
    assert str(caught.value) == expected


def test_without_a_home_there_are_no_files_of_the_users(machine: Callable[..., Registries]) -> None:
    assert machine({"/home/u": "no folder, as /dev/null is none"}) == Registries()


@pytest.mark.parametrize("name", ["/etc/containers/registries.conf", "/etc/containers/registries.conf.d/1.conf"])
@pytest.mark.parametrize(
    ("content", "kind", "problem"),
    [
        (b"a =", InvalidInput, "toml: "),
        (b"a = '\xff'", InvalidInput, "not UTF-8 at byte 5"),
        (b"#" * (1024 * 1024 + 1), TooLarge, "over the limit of 1048576 bytes"),
    ],
)
def test_errors_name_the_file(
    machine: Callable[..., Registries],
    tmp_path: Path,
    name: str,
    content: bytes,
    kind: type[PyskopeoError],
    problem: str,
) -> None:
    path = tmp_path / name.lstrip("/")
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    with pytest.raises(kind) as caught:
        machine({})
    message = str(caught.value)
    assert message.startswith(f'loading registries configuration "{path}": ')
    assert problem in message
    assert "\n" not in message


def test_one_mebibyte_and_a_byte_order_mark_are_fine(machine: Callable[..., Registries], tmp_path: Path) -> None:
    path = tmp_path / "etc/containers/registries.conf"
    path.parent.mkdir(parents=True)
    start = "\ufeff".encode() + entry("bom.org").encode()
    path.write_bytes(start + b"#" * (1024 * 1024 - len(start)))
    assert [one.prefix for one in machine({}).registries] == ["bom.org"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_that_may_not_be_read_is_an_error(machine: Callable[..., Registries], tmp_path: Path) -> None:
    path = tmp_path / "etc/containers/registries.conf"
    path.parent.mkdir(parents=True)
    path.touch(mode=0)
    with pytest.raises(StorageFailed, match="permission denied"):
        machine({})


def test_a_directory_in_the_main_files_place_is_an_error(machine: Callable[..., Registries], tmp_path: Path) -> None:
    (tmp_path / "etc/containers/registries.conf").mkdir(parents=True)
    with pytest.raises(StorageFailed, match="is a directory"):
        machine({})


def test_a_file_in_the_drop_ins_place_is_an_error(machine: Callable[..., Registries], tmp_path: Path) -> None:
    with pytest.raises(StorageFailed, match=r"reading .*/registries\.conf\.d: not a directory"):
        machine({"/etc/containers/registries.conf.d": ""})
