"""The checks of the matrix see what they are for: each promise that is broken is noticed."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from pathlib import Path

import pytest

from pyskopeo.model.verifier import Verifier
from pyskopeo.storage import partial_files

from .cases import Case, random_case
from .images import LARGE, NEW, OLD
from .invariants import Violated, check_between, check_final, check_sound
from .scenes import opened, undisturbed
from .states import State

BEFORE = State(dict(OLD.blobs) | {d: m.raw for d, m in OLD.manifests.items()}, {"image:old": OLD.digest, "file": b"x"})
FINAL = State(
    BEFORE.blobs | dict(NEW.blobs) | {d: m.raw for d, m in NEW.manifests.items()}, BEFORE.names | {"image:new": NEW.digest}
)
Break = Callable[[State], object]


def half(state: State) -> None:
    """The copy has brought a blob."""
    state.blobs[LARGE] = NEW.blobs[LARGE]


def test_what_may_be_there_after_a_failure() -> None:
    check_between(BEFORE, deepcopy(BEFORE), FINAL)
    check_between(BEFORE, deepcopy(FINAL), FINAL)
    state = deepcopy(BEFORE)
    half(state)
    check_between(BEFORE, state, FINAL)
    state.temporary[".a.partial"] = b"x"
    check_between(BEFORE, state, FINAL, killed=True)


BROKEN: dict[str, tuple[Break, str]] = {
    "wrong byte": (lambda s: s.blobs.update({LARGE: b"x" + NEW.blobs[LARGE][1:]}), "content is what its digest says"),
    "cut off": (lambda s: s.blobs.update({LARGE: NEW.blobs[LARGE][:-1]}), "content is what its digest says"),
    "tag too early": (lambda s: s.names.update({"image:new": NEW.digest}), "all of image:new is there"),
    "tag lost": (lambda s: s.names.pop("image:old"), "no name is lost"),
    "tag moved": (lambda s: s.names.update({"image:old": NEW.config_digest()}), "all of image:old|old content or its new"),
    "blob lost": (lambda s: s.blobs.pop(OLD.config_digest()), "all of image:old is there"),
    "file changed": (lambda s: s.names.update({"file": b"y"}), "old content or its new one"),
    "stranger": (lambda s: s.names.update({"other": b"y"}), "old content or its new one"),
    "unasked": (lambda s: s.blobs.update({"sha256:2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881": b"x"}),
                "nobody has asked"),
    "litter": (lambda s: s.temporary.update({".a.partial": b""}), "no litter"),
    "upload": (lambda s: s.uploads.add("a"), "no upload stays open"),
    "empty directory": (lambda s: s.empty.add("image"), "no empty directories"),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_what_may_not(name: str) -> None:
    state = deepcopy(BEFORE)
    half(state)
    break_, promise = BROKEN[name]
    break_(state)
    with pytest.raises(Violated, match=promise):
        check_between(BEFORE, state, FINAL)


@pytest.mark.parametrize("name", [name for name in BROKEN if name not in ("tag too early", "tag moved")])
def test_what_may_not_be_there_after_success(name: str) -> None:
    state = deepcopy(FINAL)
    BROKEN[name][0](state)
    with pytest.raises(Violated):
        check_final(state, FINAL, BEFORE)


def test_a_directory_that_a_killed_copy_has_moved_away() -> None:
    tree = {"manifest.json": b"{}", "version": b"1"}
    before, final = State({}, {"image": tree}), State({}, {"image": {"manifest.json": b"{} "}})
    after = State({}, {}, {f".image.0123456789ab.partial.old/{name}": content for name, content in tree.items()})
    check_between(before, after, final, killed=True)
    after.temporary.popitem()
    with pytest.raises(Violated, match="no name is lost"):
        check_between(before, after, final, killed=True)


@pytest.mark.parametrize("destination", ["oci", "dir", "oci-archive", "docker-archive", "docker"])
def test_images_that_are_not_whole_are_noticed(destination: str, tmp_path: Path) -> None:
    with opened("docker", destination, tmp_path, fresh=True) as scene:
        assert scene.run().error is None
        state = scene.state()
        check_sound(state)
        content = next(data for data in NEW.blobs.values() if len(data) > 100_000)
        if destination in ("oci", "docker"):
            del state.blobs[LARGE]
        elif destination == "dir":
            del state.names["image"][LARGE[7:]]
        else:
            content = NEW.tars[LARGE][5_000:6_000] if destination == "docker-archive" else NEW.blobs[LARGE][-1000:]
            whole = state.names["image.tar"]
            assert whole.count(content) == 1
            state.names["image.tar"] = whole.replace(content, bytes(1000))
        with pytest.raises(Violated):
            check_sound(state)


def test_without_verification_cases_fail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = Case("docker", "oci", (("wrong-byte",),))
    undisturbed("docker", "oci", fresh=True)
    undisturbed("docker", "oci", fresh=False)
    monkeypatch.setattr(Verifier, "finish", lambda self: None)
    with pytest.raises(Violated):
        case.run(tmp_path)


def test_with_litter_cases_fail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partial_files, "_remove_leftover", lambda *arguments: None)

    def kill_in_turn() -> None:
        for number in range(60):  # not every kill leaves something
            Case("docker", "oci", (("killed",),), number).run(tmp_path / str(number))

    with pytest.raises(Violated, match="no litter: "):
        kill_in_turn()


def test_a_case_is_made_again_from_its_seed() -> None:
    cases = [random_case(seed) for seed in range(50)]
    assert cases == [random_case(seed) for seed in range(50)]
    assert len(set(map(str, cases))) == 50
    assert {len(case.rounds) for case in cases} == {1, 2, 3}
