"""Files of credentials as they are replaced: modes, links, several writers, helpers that keep the secret."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from pyskopeo.errors import CredentialsFailed, InvalidInput, StorageFailed
from tests.support.logins import QUAY, USER, file, found, read
from tests.support.trees import leftovers

pytestmark = pytest.mark.anyio


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


# --- files ---


async def test_a_new_file_and_its_directories_are_the_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "a/b/auth.json"
    before = os.umask(0)
    try:
        assert await file(path).put(QUAY, USER) == str(path)
    finally:
        os.umask(before)
    assert (mode(path), mode(path.parent), mode(path.parent.parent)) == (0o600, 0o700, 0o700)
    assert found(path) == USER
    assert leftovers(tmp_path) == []


async def test_a_file_that_others_could_read_is_made_private(tmp_path: Path) -> None:
    path = tmp_path / "auth.json"
    path.write_text('{"auths": {}, "other": 1}')
    path.chmod(0o666)
    tmp_path.chmod(0o755)
    await file(path).put(QUAY, USER)
    assert mode(path) == 0o600
    assert mode(tmp_path) == 0o755
    assert read(path)["other"] == 1


async def test_the_old_file_is_replaced_not_written_into(tmp_path: Path) -> None:
    path, link = tmp_path / "auth.json", tmp_path / "hard link"
    path.write_text("{}")
    os.link(path, link)
    await file(path).put(QUAY, USER)
    assert link.read_text() == "{}"
    assert found(path) == USER


@pytest.mark.parametrize("target", ["elsewhere/real.json", "missing.json"])
async def test_a_link_stays_and_what_it_leads_to_is_replaced(target: str, tmp_path: Path) -> None:
    real = tmp_path / target
    real.parent.mkdir(exist_ok=True)
    if "elsewhere" in target:
        real.write_text('{"other": 1}')
    first, second = tmp_path / "first", tmp_path / "second"
    first.symlink_to("second")
    second.symlink_to(target)
    await file(first).put(QUAY, USER)
    assert os.readlink(first) == "second"
    assert os.readlink(second) == target
    assert not real.is_symlink()
    assert mode(real) == 0o600
    assert found(real) == USER
    assert await file(first).remove(QUAY)
    assert found(real) is None
    assert first.is_symlink()


async def test_removing_what_is_not_there_touches_nothing(tmp_path: Path) -> None:
    path = tmp_path / "auth.json"
    assert not await file(path).remove(QUAY)
    assert not path.exists()
    path.write_text("{ }")
    assert not await file(path).remove(QUAY)
    assert path.read_text() == "{ }"


async def test_clearing(tmp_path: Path) -> None:
    path = tmp_path / "auth.json"
    await file(path).put(QUAY, USER)
    await file(path).clear()
    assert path.read_text() == '{\n\t"auths": {}\n}'


@pytest.mark.parametrize("content", [b"{", b"\xff", b" " * (1024 * 1024 + 1)])
async def test_a_damaged_file_stays_as_it_is(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "auth.json"
    path.write_bytes(content)
    for work in (file(path).put(QUAY, USER), file(path).remove(QUAY), file(path).clear()):
        with pytest.raises(CredentialsFailed, match=f"^{path}"):
            await work
    assert path.read_bytes() == content
    assert leftovers(tmp_path) == []


async def test_what_is_no_file_is_not_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path in (pipe, tmp_path, Path("/dev/null")):
        with pytest.raises(CredentialsFailed, match="is not a regular file"):
            await file(path).put(QUAY, USER)
    assert stat.S_ISFIFO(pipe.stat().st_mode)


async def test_a_directory_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageFailed, match="creating .*/file/below"):
        await file(tmp_path / "file/below/auth.json").put(QUAY, USER)


async def test_the_oldest_format_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="legacy format are not supported"):
        await file(tmp_path / ".dockercfg").put(QUAY, USER)
