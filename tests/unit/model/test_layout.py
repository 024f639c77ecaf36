"""The grammar of OCI layouts."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyskopeo.errors import InvalidContent, InvalidName, NotFound, PathNotFound
from pyskopeo.model import mediatype
from pyskopeo.model.descriptor import Descriptor
from pyskopeo.model.layout import REF_NAME, LayoutIndex, check_layout_file, check_name
from pyskopeo.model.manifest import Manifest
from tests.support.images import build

CONTAINERD = "io.containerd.image.name"


def entry(number: int, name: str = "", *, platform: str = "", **more: Any) -> dict[str, Any]:
    found: dict[str, Any] = {"mediaType": mediatype.OCI_MANIFEST, "digest": f"sha256:{number:064x}", "size": number}
    if name:
        found["annotations"] = {REF_NAME: name}
    if platform:
        os, architecture = platform.split("/")
        found["platform"] = {"os": os, "architecture": architecture}
    return found | more


def index(*entries: dict[str, Any], **more: Any) -> LayoutIndex:
    return LayoutIndex.parse(json.dumps({"schemaVersion": 2, "manifests": entries} | more).encode())


def with_image(before: LayoutIndex, image: Manifest, name: str) -> bytes:
    return (before.with_images({name: image}) if name else before.with_images({}, [image])).raw


def position(found: object, parsed: LayoutIndex) -> int:
    return next(n for n, descriptor in enumerate(parsed.descriptors) if descriptor is found)


def test_nulls_are_absent_as_in_go() -> None:
    assert index(manifests=None).descriptors == ()
    found = index(entry(1) | {"annotations": {REF_NAME: None}}, mediaType=None, annotations=None)
    assert found.find("", "here") is found.descriptors[0]
    with pytest.raises(InvalidContent, match="imageLayoutVersion is None"):
        check_layout_file(b'{"imageLayoutVersion":null}', "here")


@pytest.mark.parametrize(
    "more",
    [{"Manifests": []}, {"SCHEMAVERSION": 2}, {"manifests": [entry(1) | {"Digest": "sha256:" + "a" * 64}]}],
)
def test_names_that_go_takes_for_a_field(more: dict[str, Any]) -> None:
    with pytest.raises(InvalidContent, match="by case only"):
        index(**more)
    with pytest.raises(InvalidContent, match="by case only"):
        check_layout_file(b'{"imageLayoutVersion":"1.0.0","ImageLayoutVersion":"2"}', "here")


@pytest.mark.parametrize("more", [{"schemaVersion": 2.0}, {"manifests": 0}, {"manifests": ""}, {"manifests": False}])
def test_values_that_go_does_not_decode(more: dict[str, Any]) -> None:
    with pytest.raises(InvalidContent, match=r"index\.json is not an image index"):
        index(**more)


def root() -> Manifest:
    return Manifest.parse(build("oci").root.raw)


@pytest.mark.parametrize(
    "name", ["latest", "v1.2.3", "a/b/c", "docker.io/library/alpine:3", "a--b", "a@b+c", "sha256:abc", "A_b-c", "x/y:z"]
)
def test_names(name: str) -> None:
    assert check_name(name) == name


@pytest.mark.parametrize("name", ["", "-a", "a-", "a---b", "a..b", "a//b", "/a", "a b", "a\n", "é", "a:", "@1", "a_/b"])
def test_names_refused(name: str) -> None:
    with pytest.raises(InvalidName, match="Invalid image"):
        check_name(name)


@given(st.text(alphabet="aA0-._:@+/", max_size=40))
def test_checking_a_name_takes_no_time(name: str) -> None:
    try:
        assert check_name(name) == name
    except InvalidName:
        pass


def test_the_layout_file() -> None:
    check_layout_file(b'{"imageLayoutVersion": "1.0.0"}\n', "x")
    for raw in (b"{}", b'{"imageLayoutVersion":"1.1.0"}', b'{"imageLayoutVersion":1}', b"1.0.0"):
        with pytest.raises(InvalidContent, match="x"):
            check_layout_file(raw, "x")


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"[]", "not a JSON object"),
        (b"{}", "not an image index"),
        (b'{"schemaVersion":1,"manifests":[]}', "not an image index"),
        (b'{"schemaVersion":2,"manifests":{"a":1}}', "not an image index"),
        (b'{"schemaVersion":2,"manifests":[{}]}', r"size|digest"),
        (b'{"schemaVersion":2,"manifests":[', "not valid JSON"),
    ],
)
def test_an_index_that_is_none(raw: bytes, reason: str) -> None:
    with pytest.raises(InvalidContent, match=reason):
        LayoutIndex.parse(raw, "here")


class TestWriting:
    def test_the_first_entry_is_as_skopeo_writes_it(self) -> None:
        image = root()
        described = f'"mediaType":"{image.media_type}","digest":"{image.digest}","size":{len(image.raw)}'
        head = '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[{'
        named = head + described + ',"annotations":{"org.opencontainers.image.ref.name":"t"}}]}'
        assert LayoutIndex.empty().with_images({"t": image}).raw == named.encode()
        assert LayoutIndex.empty().with_images({}, [image]).raw == (head + described + "}]}").encode()

    @pytest.mark.parametrize(
        ("before", "name", "kept"),
        [
            ([entry(1, "a"), entry(2, "b")], "c", [0, 1]),
            ([entry(1, "a"), entry(2, "b")], "a", [1]),
            ([entry(1, "a"), entry(1, "a")], "a", []),
            ([entry(1), entry(2, "a")], "a", [0]),
            ([entry(1), entry(2, "a")], "", [0, 1]),
        ],
    )
    def test_which_entries_stay(self, before: list[dict[str, Any]], name: str, kept: list[int]) -> None:
        image = root()
        written = json.loads(with_image(index(*before), image, name))
        assert written["manifests"][:-1] == [before[n] for n in kept]
        assert written["manifests"][-1]["digest"] == str(image.digest)
        assert written["manifests"][-1].get("annotations", {}).get(REF_NAME, "") == name

    def test_an_unnamed_entry_of_the_same_digest_is_replaced(self) -> None:
        image = root()
        same = entry(1) | {"digest": str(image.digest)}
        named = entry(1, "x") | {"digest": str(image.digest)}
        written = json.loads(with_image(index(same, named), image, ""))
        assert [e.get("annotations") for e in written["manifests"]] == [{REF_NAME: "x"}, None]

    def test_writing_twice_changes_nothing(self) -> None:
        for name in ("t", ""):
            once = LayoutIndex.parse(with_image(LayoutIndex.empty(), root(), name))
            assert once.with_images({name: root()} if name else {}, [] if name else [root()]) is once

    def test_what_others_wrote_survives(self) -> None:
        empty = {"digest": "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", "size": 0}
        entries = [entry(1, "a", artifactType="x", foo={"bar": None}, data="") | empty]
        head = '{"annotations":{"x":"é\\ud800 <&>"},"schemaVersion":2,"foo":[1.5],"manifests":'
        raw = head + json.dumps(entries) + "}"
        before = json.loads(raw)
        written = with_image(LayoutIndex.parse(raw.encode()), root(), "b")
        after = json.loads(written)
        assert after["manifests"][:-1] == before["manifests"]
        assert {k: after[k] for k in ("annotations", "foo")} == {k: before[k] for k in ("annotations", "foo")}
        assert with_image(LayoutIndex.parse(written), root(), "b") == written

    def test_several_at_once(self) -> None:
        before = index(entry(1, "a"), entry(2, "b"), entry(3))
        after = before.with_images({"b": root(), "c": root()}, [root()])
        names = [e.get("annotations", {}).get(REF_NAME) for e in json.loads(after.raw)["manifests"]]
        assert names == ["a", None, "b", "c", None]
        assert after.entries == LayoutIndex.parse(after.raw).entries
        assert after.descriptors == LayoutIndex.parse(after.raw).descriptors

    def test_sorting_some(self) -> None:
        before = index(entry(1, "c"), entry(2, "x"), entry(3, "a"), entry(4), foo=1)
        after = before.with_sorted(set(before.images) - {before.images[1]})
        assert json.loads(after.raw)["manifests"] == [entry(3, "a"), entry(2, "x"), entry(1, "c"), entry(4)]
        assert (json.loads(after.raw)["foo"], after.positions("c")) == (1, [2])
        assert after.with_sorted(after.images[2:]) is after

    def test_without_some(self) -> None:
        before = index(entry(1, "a"), entry(2, "b"), entry(3), foo=1)
        after = before.without([0, 2])
        assert json.loads(after.raw)["manifests"] == [entry(2, "b")]
        assert json.loads(after.raw)["foo"] == 1
        assert after.positions("b") == [0]
        assert after.positions("a") == ()


class TestFinding:
    def test_by_name(self) -> None:
        found = index(entry(1, "a"), entry(2, "b"))
        assert position(found.find("b", "w"), found) == 1

    def test_the_only_one(self) -> None:
        assert index(entry(7, "a")).find("", "w") == index(entry(7, "a")).descriptors[0]

    def test_one_digest_under_two_names_is_one_image(self) -> None:
        found = index(entry(1, "a"), entry(1, "b"))
        assert position(found.find("", "w"), found) == 0

    def test_by_position(self) -> None:
        found = index(entry(1, "a"), entry(2, mediaType="application/x"))
        assert position(found.find("@1", "w"), found) == 1
        with pytest.raises(NotFound, match="index 2 is too large, only 2 entries available"):
            found.find("@2", "w")

    @pytest.mark.parametrize(
        ("name", "expected"),
        [
            ("alpine", 1),  # the exact name first
            ("docker.io/library/alpine:3", 0),
            ("3", 0),  # then the end of a full name
            ("ctr", 4),  # then containerd's
            ("docker.io/library/busybox:1", 3),
            ("1", 3),
        ],
    )
    def test_full_and_containerd_names(self, name: str, expected: int) -> None:
        found = index(
            entry(1, "docker.io/library/alpine:3"),
            entry(2, "alpine"),
            entry(3, "x"),
            entry(4, annotations={CONTAINERD: "docker.io/library/busybox:1"}),
            entry(5, annotations={CONTAINERD: "ctr"}),
        )
        assert position(found.find(name, "w"), found) == expected

    def test_long_names_cost_no_more_than_their_length(self) -> None:
        found = index(entry(1, ":" * 1_000_000 + "1"), entry(2, "a"), entry(3, annotations={CONTAINERD: ":" * 1_000_000}))
        assert position(found.find("a", "w"), found) == 1
        assert position(found.find("1", "w"), found) == 0
        with pytest.raises(NotFound):
            found.find("b", "w")

    def test_a_missing_media_type_will_do_and_what_is_no_manifest_will_not(self) -> None:
        bare = {name: value for name, value in entry(1, "a").items() if name != "mediaType"}
        found = index(entry(2, "a", mediaType="application/vnd.example"), bare)
        assert position(found.find("a", "w"), found) == 1
        assert position(found.find("", "w"), found) == 1

    def test_what_is_not_there(self) -> None:
        with pytest.raises(NotFound, match='no descriptor found for reference "x"') as caught:
            index(entry(1, "a")).find("x", "where")
        assert str(caught.value) == 'where: no descriptor found for reference "x"; there are: a'
        assert caught.value.exit_code == 2
        with pytest.raises(NotFound) as caught:
            index(*(entry(n, f"n{n}") for n in range(12)), entry(12, "\x1b[2J" + "n" * 1000)).find("x", "where")
        assert str(caught.value).endswith('"x"; there are: n0, n1, n2, n3, n4, n5, n6, n7, n8, n9, ...')
        with pytest.raises(NotFound) as caught:
            index(entry(1, "\x1b[2J" + "n" * 1000)).find("x", "where")
        assert len(str(caught.value)) < 250
        assert str(caught.value).isprintable()
        with pytest.raises(NotFound, match="no images in this layout"):
            index().find("", "w")

    def test_what_refers_to_an_image_is_no_image(self) -> None:
        """Lists of the tag schema, and cosign's images."""
        names = [f"sha256-{'ab' * 32}{ending}" for ending in ("", ".sig", ".att", ".sbom")]
        others = [entry(number, name) for number, name in enumerate(names)]
        found = index(others[0], entry(7), *others[1:]).find("", "w")
        assert found == Descriptor.from_json(entry(7), "entry")
        assert index(entry(7, "sha256-ab"), *others).find("", "w") == Descriptor.from_json(entry(7, "sha256-ab"), "entry")
        assert index(others[1]).find("", "w") == Descriptor.from_json(others[1], "entry")
        assert index(entry(7), *others).find(names[2], "w") == Descriptor.from_json(others[2], "entry")
        with pytest.raises(PathNotFound, match="choose an image: @1, a$"):
            index(others[0], entry(7), entry(8, "a")).find("", "w")

    def test_a_position_beyond_the_end(self) -> None:
        with pytest.raises(PathNotFound, match="where: index 7 is too large, only 2 entries available") as caught:
            index(entry(1, "a"), entry(2)).find("@7", "where")
        assert caught.value.exit_code == 1

    def test_more_than_one(self) -> None:
        entries = [entry(1, "a"), entry(2), *(entry(n, f"n{n}") for n in range(3, 15))]
        with pytest.raises(PathNotFound, match=r"more than one image in oci, choose an image: a, @1, n3") as caught:
            index(*entries).find("", "w")
        assert str(caught.value).endswith(", ...")
        assert caught.value.exit_code == 1


class TestFlat:
    """index.json lists the platforms of one image itself."""

    def test_unnamed(self) -> None:
        found = index(entry(1, platform="linux/amd64"), entry(2, platform="linux/arm64"))
        image = found.find("", "w")
        assert isinstance(image, Manifest)
        assert image.raw == found.raw
        assert image.is_index
        assert [str(d.platform) for d in image.manifests] == ["linux/amd64", "linux/arm64"]

    def test_with_attestations(self) -> None:
        found = index(
            entry(1, platform="linux/amd64"), entry(2, platform="linux/arm64"),
            entry(3, platform="unknown/unknown"), entry(4, platform="unknown/unknown"),
        )  # fmt: skip
        assert isinstance(found.find("", "w"), Manifest)

    def test_all_of_one_name(self) -> None:
        found = index(
            entry(1, "v1", platform="linux/amd64"), entry(2, "v1", platform="linux/arm64"), entry(3, "v2")
        )
        image = found.find("v1", "w")
        assert isinstance(image, Manifest)
        assert [d.size for d in image.manifests] == [1, 2]
        assert image.media_type == mediatype.OCI_INDEX
        assert isinstance(found.find("v2", "w"), type(found.descriptors[2]))

    @pytest.mark.parametrize(
        "entries",
        [
            [entry(1, platform="linux/amd64"), entry(2, platform="linux/amd64")],
            [entry(1, platform="linux/amd64"), entry(2)],
            [entry(1, "a", platform="linux/amd64"), entry(2, "b", platform="linux/arm64")],
        ],
    )
    def test_what_is_not_flat(self, entries: list[dict[str, Any]]) -> None:
        with pytest.raises(PathNotFound, match="choose an image"):
            index(*entries).find("", "w")


def test_annotations_of_an_entry_go_when_it_is_written_without_them() -> None:
    image, notes = root(), {"containerd.io/distribution.source.example.com": "team/app"}
    noted = LayoutIndex.empty().with_images({"a": image}, [image], {("a", image.digest): notes, ("", image.digest): notes})
    assert [dict(one.annotations) for one in noted.descriptors] == [{**notes, REF_NAME: "a"}, notes]
    plain = noted.with_images({"a": image}, [image])
    assert [dict(one.annotations) for one in plain.descriptors] == [{REF_NAME: "a"}, {}]
