"""What is remembered of a sync: found again, merged, never in the way."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pyskopeo.errors import InvalidContent
from pyskopeo.model.digest import Digest
from pyskopeo.syncing.record import Entry, Record, parse_record

pytestmark = pytest.mark.anyio
ONE, TWO = (Digest.parse("sha256:" + pair * 32) for pair in ("ab", "cd"))
ENTRY = Entry("docker://h/a:1", ONE, TWO, "linux/amd64")


def quiet(text: str) -> None:
    raise AssertionError(text)


async def test_what_was_put_is_there_in_the_next_run(tmp_path: Path) -> None:
    path = tmp_path / "new" / "record.json"
    record = Record(path, quiet)
    assert record.get("a:1") is None
    await record.put("a:1", ENTRY)
    await record.put('odd "\udcff"', ENTRY)
    await record.save()
    again = Record(path, quiet)
    assert again.get("a:1") == ENTRY
    assert [name for name in path.parent.iterdir() if name != path] == []


async def test_two_runs_at_once_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    first, second = Record(path, quiet), Record(path, quiet)
    await first.put("a", ENTRY)
    await second.put("b", ENTRY)
    await first.save()
    await second.save()
    both = Record(path, quiet)
    assert (both.get("a"), both.get("b")) == (ENTRY, ENTRY)


async def test_what_others_write_between_two_writes_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    first = Record(path, quiet)
    for key in ("a", "c"):
        await first.put(key, ENTRY)
        await first.save()
        other = Record(path, quiet)
        await other.put(f"{key}-of-another", ENTRY)
        await other.save()
    assert sorted(Record(path, quiet).entries) == ["a", "a-of-another", "c", "c-of-another"]


async def test_what_only_this_run_writes_is_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record = Record(tmp_path / "record.json", quiet)
    await record.put("a", ENTRY)
    await record.save()
    monkeypatch.setattr("pyskopeo.syncing.record.read_bounded", None)
    await record.put("b", ENTRY)
    record.forget("a")
    await record.save()
    monkeypatch.undo()
    assert list(Record(tmp_path / "record.json", quiet).entries) == ["b"]


@pytest.mark.parametrize("count", [0, 1, 3, 1200])
async def test_the_file_is_json_with_one_field_a_line(count: int, tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    record = Record(path, quiet)
    await record.put("none", ENTRY)
    record.forget("none")
    keys = [f'host/"odd" \udcff\u2028/{number:04}' for number in range(count)]
    for key in reversed(keys):
        await record.put(key, ENTRY)
    await record.save()
    document = {"version": 1, "images": {key: ENTRY.to_json() for key in keys}}
    text = json.dumps(document, indent=1, ensure_ascii=False)
    assert path.read_bytes() == text.encode("utf-8", "backslashreplace") + b"\n"


async def test_nothing_new_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    record = Record(path, quiet)
    await record.put("a", ENTRY)
    await record.save()
    path.unlink()
    await record.put("a", ENTRY)
    await record.save()
    assert not path.exists()


async def test_without_a_path_it_lasts_a_run(tmp_path: Path) -> None:
    record = Record(None, quiet)
    await record.put("a", ENTRY)
    await record.save()
    assert record.get("a") == ENTRY


async def test_what_cannot_be_written_is_told_and_no_more(tmp_path: Path) -> None:
    told: list[str] = []
    (tmp_path / "file").touch()
    record = Record(tmp_path / "file" / "record.json", told.append)
    told.clear()
    await record.put("a", ENTRY)
    await record.save()
    (line,) = told
    assert "could not be written down" in line


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"version": 2, "images": {}}', b'{"version": 1}', b"\xff"])
async def test_a_damaged_one_is_told_of_and_passed_over(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "record.json"
    path.write_bytes(content)
    told: list[str] = []
    record = Record(path, told.append)
    assert (record.get("a"), len(told)) == (None, 1)
    await record.put("a", ENTRY)
    await record.save()
    assert Record(path, quiet).get("a") == ENTRY


def test_entries_that_make_no_sense_are_left_out() -> None:
    whole = {"source": "s", "sourceDigest": str(ONE), "digest": str(TWO), "how": ""}
    images = {"good": whole, "a": None, "b": {}, "c": whole | {"digest": "x"}, "d": whole | {"sourceDigest": 1}}
    found = parse_record(json.dumps({"version": 1, "images": images}).encode(), "f")
    assert list(found) == ["good"]
    with pytest.raises(InvalidContent):
        parse_record(b'{"version": 1, "images": []}', "f")
