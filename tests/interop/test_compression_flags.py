"""The flags that say in which form a copy is written, beside the real skopeo's: the same results, or a reason why not."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from tests.interop import forms
from tests.interop.conversions import OldRegistry
from tests.interop.differences import CASES, DIFFERENCES, INDEXES, Case, Difference
from tests.interop.forms import IMAGES, Written
from tests.support.cli import Done, pyskopeo_here, succeed
from tests.support.commands import skopeo
from tests.support.images import digest_of
from tests.support.layers import custom
from tests.support.outputs import write_dir
from tests.support.peers import Registry
from tests.support.require import require_peer
from tests.support.trees import tree

pytestmark = pytest.mark.peer("skopeo")


class Copies:
    """Copies by either program, each into a place of its own."""

    def __init__(self, folder: Path, registry: Registry) -> None:
        self._folder, self._registry = folder, registry
        self._images = {name: make() for name, make in IMAGES.items()}
        for name, image in self._images.items():
            write_dir(image, folder / name)
        self._number = 0

    def source(self, image: str) -> str:
        return f"dir:{self._folder / image}"

    def skopeo(self, case: Case, *steps: str) -> Written:
        """In several steps, if need be."""
        source, one = self.source(case.image), "--multi-arch system " if "--multi-arch system" in case.flags else ""
        for step in steps[:-1]:
            through = f"dir:{self._place()}"
            done = skopeo("copy", *self._words(case.image, one + step), source, through)
            assert done.code == 0, done.stderr
            source = through
        return self._copy(skopeo, case, one + steps[-1] if steps else case.flags, source)

    def pyskopeo(self, case: Case, flags: str | None = None) -> Written:
        words = case.flags if flags is None else flags
        made = self._copy(pyskopeo_here, case, words, self.source(case.image), "--retry-times=0")
        assert not [text for _, text in made.manifests if "lost" in text]
        return made

    def _place(self) -> Path:
        self._number += 1
        return self._folder / str(self._number)

    def _words(self, image: str, flags: str) -> list[str]:
        many = [] if "--multi-arch" in flags or image not in INDEXES else ["--all"]
        return [*many, *flags.split()]

    def _copy(self, program: Callable[..., Done], case: Case, flags: str, source: str, *more: str) -> Written:
        place, image = self._place(), self._images[case.image]
        repository = f"forms/{place.name}"
        name = {
            "dir": f"dir:{place}", "oci": f"oci:{place}:v1", "docker-archive": f"docker-archive:{place}:a/b:c",
            "docker": self._registry.name(repository, "v1"),
        }[case.to]  # fmt: skip
        plain = ["--dest-tls-verify=false"] if case.to == "docker" else []
        done = program("copy", *more, *plain, *self._words(case.image, flags), source, name)
        if done.code:
            return forms.failed(done)
        if case.to == "docker":
            return forms.read_registry(image, self._registry, repository)
        readers = {"dir": forms.read_dir, "oci": forms.read_layout, "docker-archive": forms.read_archive}
        return readers[case.to](image, place)


class LenientRegistry(Registry):
    """One that takes manifests whose layers are elsewhere."""

    def _config(self) -> dict[str, object]:
        return super()._config() | {"validation": {"manifests": {"urls": {"allow": ["^https?://"]}}}}


@pytest.fixture(scope="module")
def copies(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Copies]:
    require_peer("docker-registry")
    with LenientRegistry() as registry:
        yield Copies(tmp_path_factory.mktemp("forms"), registry)


@pytest.fixture(autouse=True)
def forgetful(monkeypatch: pytest.MonkeyPatch) -> None:
    """skopeo's memory of blobs is in the home of the test, though root runs it."""
    monkeypatch.setenv("_CONTAINERS_ROOTLESS_UID", "1000")


def both(copies: Copies, case: Case) -> tuple[Written, Written]:
    with ThreadPoolExecutor(1) as thread:
        theirs = thread.submit(copies.skopeo, case)
        return theirs.result(), copies.pyskopeo(case)


def same(theirs: Written, ours: Written) -> bool:
    """The same files; or the same refusal, perhaps with more advice in ours."""
    if theirs.code and ours.code:
        gist = re.sub(r"^((creating an updated image manifest|copying image \d+/\d+ from manifest list"
                      r"|initializing destination \S+|Error during manifest conversion): )*", "", theirs.message)
        return theirs.code == ours.code and gist.lower() in ours.message.lower()
    return theirs == ours


def explain(case: Case, copies: Copies, theirs: Written, ours: Written) -> None:
    """Fails for a difference that is not one of those above."""
    known = [difference for difference in DIFFERENCES if difference.covers(case)]
    if theirs.code or ours.code:
        known = [difference for difference in known if difference.agrees(theirs, ours)]
        assert known, (theirs, ours)
        if ours.code or not known[0].steps:
            return
    steps, at = next(((difference.steps, difference.at) for difference in known if difference.steps), ((), ""))
    if steps:
        theirs = copies.skopeo(replace(case, to=at or case.to), *steps)
        assert not theirs.code, theirs
    flags, lost = case.flags, [field for difference in known for field in difference.lost]
    for old, new in (difference.changed for difference in known if difference.changed):
        flags = flags.replace(old, new) if old else f"{flags} {new}"
    if flags != case.flags:
        ours = copies.pyskopeo(case, flags)
    assert ours.without(*lost) == theirs.without(*lost) if lost else ours == theirs


@pytest.mark.parametrize("case", CASES, ids=str)
def test_beside_skopeo(case: Case, copies: Copies) -> None:
    theirs, ours = both(copies, case)
    if not same(theirs, ours):
        explain(case, copies, theirs, ours)


@pytest.mark.parametrize("difference", DIFFERENCES, ids=lambda difference: str(difference.example))
def test_each_difference_is_one(difference: Difference, copies: Copies) -> None:
    """Or it would have to be struck from the list."""
    assert difference.example in CASES
    assert difference.covers(difference.example)
    theirs, ours = both(copies, difference.example)
    assert not same(theirs, ours)
    assert difference.agrees(theirs, ours)


# --- what the flags may say, and how hard it is compressed ---


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ("--format xyz", None),
        ("--dest-compress-format lz4", "cannot find compressor for lz4: want gzip or zstd"),
        ("--dest-compress-format xz", "cannot find compressor for xz: want gzip or zstd"),
        ("--dest-compress-level x", "invalid argument x for --dest-compress-level flag: want a whole number"),
    ],
)
def test_what_does_not_exist(flags: str, words: str | None, copies: Copies) -> None:
    """Ours is the same sentence, perhaps with what there is instead."""
    theirs, ours = both(copies, Case("dir", "oci", f"{flags} --dest-compress"))
    assert (theirs.code, ours.code) == (1, 1)
    assert ours.message == (words or theirs.message)
    assert theirs.message.partition(": ")[0] == ours.message.partition(": ")[0]


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ("--dest-compress-level 99", "gzip has no compression level 99: want 1 to 9"),
        ("--dest-compress-level 0", "gzip has no compression level 0: want 1 to 9"),
        ("--dest-compress-format zstd --dest-compress-level 23", "zstd has no compression level 23: want 1 to 22"),
    ],
)
def test_what_skopeo_takes_and_we_do_not(flags: str, words: str, copies: Copies) -> None:
    """Levels are refused that the compressors do not have."""
    theirs, ours = both(copies, Case("oci", "oci-gzip", flags))
    assert (theirs.code, ours.code, ours.message) == (0, 1, words)


def test_zstd_chunked_is_only_read(copies: Copies) -> None:
    ours = copies.pyskopeo(Case("oci", "oci-gzip", "--dest-compress-format zstd:chunked"))
    assert (ours.code, ours.message) == (1, "cannot find compressor for zstd:chunked: want gzip or zstd")


@pytest.mark.parametrize(("format", "easy", "hard"), [("gzip", 1, 9), ("zstd", 1, 19)])
def test_how_hard(format: str, easy: int, hard: int, tmp_path: Path) -> None:
    """More is less, as for skopeo, and each reads what the other wrote."""
    random = Random(1)
    words = [random.randbytes(random.randint(2, 9)).hex().encode() for _ in range(2000)]
    tar = b" ".join(random.choices(words, k=20_000))  # it compresses, and better if one tries
    source = write_dir(custom(tar, "application/vnd.oci.image.layer.v1.tar", tar), tmp_path / "source")
    sizes = {}
    for who, program, other in (("theirs", skopeo, pyskopeo_here), ("ours", pyskopeo_here, skopeo)):
        for level in (easy, hard):
            place = f"oci:{tmp_path}/{who}-{level}:v1"
            flags = ("--dest-compress-format", format, "--dest-compress-level", level)
            succeed(program("copy", *flags, f"dir:{source}", place))
            back = tmp_path / f"{who}-{level}-back"
            succeed(other("copy", "--dest-decompress", place, f"dir:{back}"))
            assert digest_of(tar)[7:] in tree(back)
            (layer,) = json.loads(succeed(skopeo("inspect", "--raw", place)).stdout)["layers"]
            sizes[who, level] = layer["size"]
    for who in ("theirs", "ours"):
        assert sizes[who, hard] < sizes[who, easy] < len(tar)


# --- what is remembered ---


def test_a_layer_that_is_there_in_another_compression(copies: Copies) -> None:
    """skopeo 1.9.3 takes it for the one wanted, unless --dest-force-compress-format, which it does not know; we never do."""
    before = Case("docker", "oci-gzip", "")
    after = Case("docker", "oci-gzip", "--dest-compress-format zstd")
    theirs = [copies.skopeo(case) for case in (before, after)]
    ours = [copies.pyskopeo(case) for case in (before, after)]
    assert theirs[0] == theirs[1] == ours[0]
    assert "tar+gzip" not in ours[1].manifests[0][1]
    assert copies.pyskopeo(after, f"{after.flags} --dest-force-compress-format") == ours[1]


def test_schema_1_for_a_registry_that_takes_it(tmp_path: Path) -> None:
    """Both sign, each with a new key: the digest is the same, so that what one pushed is there already for the other."""
    source = write_dir(IMAGES["docker-gzip"](), tmp_path / "x")
    with OldRegistry() as registry:
        words = ("copy", "--format", "v2s1", "--dest-tls-verify=false", f"dir:{source}")
        succeed(skopeo(*words, registry.name("forms/signed")))
        succeed(pyskopeo_here(*words, registry.name("forms/ours")))
        succeed(pyskopeo_here(*words, registry.name("forms/signed")))
        succeed(skopeo("inspect", "--tls-verify=false", registry.name("forms/ours")))
