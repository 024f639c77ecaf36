"""Splicing an image onto another base, without the content of any layer."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from pyskopeo.errors import InvalidContent, InvalidInput, Unsupported
from pyskopeo.model.digest import Digest
from pyskopeo.model.manifest import Manifest
from pyskopeo.model.rebase import BASE_DIGEST, BASE_NAME, RebaseImage, rebase_image

OCI, DOCKER = "application/vnd.oci.image", "application/vnd.docker"
LAYER = {"oci": f"{OCI}.layer.v1.tar+gzip", "docker": f"{DOCKER}.image.rootfs.diff.tar.gzip"}


def made(
    name: str, *layers: str, kind: str = "oci", history: Sequence[dict[str, Any]] | None = None, media_type: str = "",
    annotations: dict[str, str] | None = None, diff_ids: Sequence[str] = (), **config: Any,
) -> RebaseImage:  # fmt: skip
    """An image whose layers have digests and diff IDs made of these words."""
    document: dict[str, Any] = {
        "created": "2024-01-01T00:00:00Z", "architecture": "amd64", "os": "linux", "config": {"Cmd": [name]},
        "rootfs": {"type": "layers", "diff_ids": [str(Digest.of(f"plain {word}".encode())) for word in diff_ids or layers]},
        "history": [{"created_by": word} for word in layers] if history is None else history,
    } | config  # fmt: skip
    raw_config = json.dumps(document).encode()
    manifest: dict[str, Any] = {
        "schemaVersion": 2,
        "mediaType": f"{OCI}.manifest.v1+json" if kind == "oci" else f"{DOCKER}.distribution.manifest.v2+json",
        "config": {"mediaType": f"{OCI}.config.v1+json" if kind == "oci" else f"{DOCKER}.container.image.v1+json",
                   "digest": str(Digest.of(raw_config)), "size": len(raw_config)},
        "layers": [{"mediaType": media_type or LAYER[kind], "digest": str(Digest.of(word.encode())), "size": len(word),
                    "annotations": {"of": word}} for word in layers],
    }  # fmt: skip
    if annotations is not None:
        manifest["annotations"] = annotations
    return RebaseImage.of(name, Manifest.parse(json.dumps(manifest).encode()), raw_config)


def words(manifest: Manifest) -> list[str]:
    """What the layers of a result are made of."""
    return [entry["annotations"]["of"] for entry in manifest.document["layers"]]


OLD, NEW = made("old", "o1", "o2"), made("new", "n1", "n2", "n3", os_="", variant="v8", config={"Cmd": ["new"]})
APP = made("app", "o1", "o2", "a1", "a2", annotations={"mine": "1", BASE_DIGEST: "old", BASE_NAME: "old"}, author="me")


def test_layers_diff_ids_and_history_are_spliced() -> None:
    manifest, described, content = rebase_image(APP, OLD, NEW, {BASE_DIGEST: "d", BASE_NAME: "n"})
    config = json.loads(content)
    assert words(manifest) == ["n1", "n2", "n3", "a1", "a2"]
    assert config["rootfs"] == {
        "type": "layers", "diff_ids": [str(Digest.of(f"plain {word}".encode())) for word in ("n1", "n2", "n3", "a1", "a2")],
    }  # fmt: skip
    assert [entry["created_by"] for entry in config["history"]] == ["n1", "n2", "n3", "a1", "a2"]
    assert manifest.config == described
    assert (described.digest, described.size) == (Digest.of(content), len(content))
    # What runs is the image's; what it runs on is the base's.
    assert (config["config"], config["author"], config["variant"]) == ({"Cmd": ["app"]}, "me", "v8")
    assert manifest.annotations == {"mine": "1", BASE_DIGEST: "d", BASE_NAME: "n"}
    assert manifest.media_type == APP.manifest.media_type


def test_the_same_again() -> None:
    assert rebase_image(APP, OLD, NEW, {}) == rebase_image(APP, OLD, NEW, {})


def test_back_and_forth() -> None:
    """What was there before comes back, but for the annotations of the base."""
    manifest, _, content = rebase_image(APP, OLD, NEW, {})
    back, _, again = rebase_image(RebaseImage.of("app", manifest, content), NEW, OLD, {})
    assert words(back) == words(APP.manifest)
    assert json.loads(again) == APP.config.document


def test_annotations_about_the_base_that_do_not_hold_are_removed() -> None:
    assert rebase_image(APP, OLD, NEW, {BASE_DIGEST: "d"})[0].annotations == {"mine": "1", BASE_DIGEST: "d"}


def test_from_scratch() -> None:
    assert words(rebase_image(APP, None, NEW, {})[0]) == ["n1", "n2", "n3", "o1", "o2", "a1", "a2"]


def test_the_image_is_its_base() -> None:
    assert words(rebase_image(OLD, OLD, NEW, {})[0]) == ["n1", "n2", "n3"]


@pytest.mark.parametrize(
    ("original", "reason"),
    [
        (made("app", "o1"), "it has 1 layers, the old base 2"),
        (made("app", "x", "o2", "a"), f"its layer 1 is {Digest.of(b'x')}, that of the old base {Digest.of(b'o1')}"),
        (made("app", "a", "o1", "o2"), "its layer 1 is"),
        (made("app", "o1", "a", "o2"), "its layer 2 is"),
        # The same blobs, said to have another content.
        (made("app", "o1", "o2", "a", diff_ids=("o1", "x", "a")), f"its diff ID 2 is {Digest.of(b'plain x')}"),
    ],
)
def test_what_is_not_built_on_the_old_base_is_refused(original: RebaseImage, reason: str) -> None:
    with pytest.raises(InvalidInput, match="^app is not based on old: ") as caught:
        rebase_image(original, OLD, NEW, {})
    assert reason in str(caught.value)


@pytest.mark.parametrize("other", [{"architecture": "arm64"}, {"os": "windows"}])
def test_another_platform_is_refused(other: dict[str, str]) -> None:
    config: dict[str, Any] = dict(other)
    with pytest.raises(InvalidInput, match="app is for linux/amd64, and the new base new for "):
        rebase_image(APP, OLD, made("new", "n1", **config), {})


EMPTY = {"created_by": "ENV", "empty_layer": True}


@pytest.mark.parametrize(
    ("old", "original", "new", "expected"),
    [
        # Steps without a layer.
        ([{"created_by": "o"}, EMPTY], [{"created_by": "o"}, EMPTY, EMPTY, {"created_by": "a"}], [EMPTY, {"created_by": "n"}],
         ["ENV", "n", "ENV", "a"]),
        # An image whose history does not begin with that of its base, but has its layers.
        ([{"created_by": "o"}], [EMPTY, {"created_by": "squashed"}, EMPTY, {"created_by": "a"}], [{"created_by": "n"}],
         ["n", "ENV", "a"]),
        # No history, or too little of it: a layer each.
        ([], [{"created_by": "o"}, {"created_by": "a"}], [{"created_by": "n"}], ["n", "a"]),
        ([{"created_by": "o"}], [], [{"created_by": "n"}], ["n", None]),
        ([{"created_by": "o"}], [{"created_by": "o"}, {"created_by": "a"}], [], [None, "a"]),
    ],
)  # fmt: skip
def test_history(
    old: list[dict[str, Any]], original: list[dict[str, Any]], new: list[dict[str, Any]], expected: list[str | None]
) -> None:
    images = made("app", "o", "a", history=original), made("old", "o", history=old), made("new", "n", history=new)
    _, _, content = rebase_image(*images, {})
    history = json.loads(content)["history"]
    assert [entry.get("created_by") for entry in history] == expected
    assert sum(not entry.get("empty_layer") for entry in history) == 2


def test_a_history_of_more_layers_than_there_are() -> None:
    with pytest.raises(InvalidContent, match="its history mentions 2 layers, and it has 1"):
        rebase_image(made("app", "a", history=[{}, {}]), None, NEW, {})


def test_a_configuration_of_another_number_of_layers() -> None:
    with pytest.raises(InvalidContent, match="has 2 layers, its configuration names 1"):
        made("app", "a", "b", diff_ids=("a",))


class TestFormats:
    @pytest.mark.parametrize(("kind", "base"), [("oci", "docker"), ("docker", "oci"), ("docker", "docker")])
    def test_layers_get_the_types_of_the_image(self, kind: str, base: str) -> None:
        new, old = made("new", "n", kind=base), made("old", "o", kind=base)
        manifest, _, _ = rebase_image(made("app", "o", "a", kind=kind), old, new, {})
        assert {layer.media_type for layer in manifest.layers} == {LAYER[kind]}
        assert words(manifest) == ["n", "a"]

    def test_what_docker_has_no_type_for(self) -> None:
        new = made("new", "n", media_type=f"{OCI}.layer.v1.tar+zstd")
        with pytest.raises(Unsupported, match="a manifest of type application/vnd.docker.* cannot name it"):
            rebase_image(made("app", "a", kind="docker"), None, new, {})

    def test_unknown_types_stay_in_their_own_format(self) -> None:
        new = made("new", "n", media_type="application/x")
        assert rebase_image(APP, OLD, new, {})[0].layers[0].media_type == "application/x"
