"""Schema 1 as it is read: layers and history, the content below the signatures, and what hostile servers make of it."""

import base64
import json
import random
from collections.abc import Callable
from typing import Any

import pytest

from pyskopeo.errors import ContentMismatch, InvalidContent, InvalidDigest, PyskopeoError, TooLarge
from pyskopeo.model import mediatype
from pyskopeo.model.descriptor import UNKNOWN_SIZE, Descriptor
from pyskopeo.model.digest import Digest
from pyskopeo.model.manifest import Manifest
from pyskopeo.model.schema1 import non_empty_layers
from tests.support.schema1 import HISTORY, IDS, SUMS, document, dumped, encoded, parts, signature, signed

PLAIN = dumped(document(*HISTORY))


def test_nulls_are_absent_as_in_go() -> None:
    raw = dumped(document(*HISTORY, name=None, tag=None, architecture=None, signatures=None, mediaType=None))
    assert len(Manifest.parse(raw).layers) == len(HISTORY)


@pytest.mark.parametrize(
    "more", [{"FsLayers": []}, {"Name": "x"}, {"TAG": "x"}, {"fsLayers": [{"blobSum": SUMS[0], "BlobSum": SUMS[1]}]}]
)
def test_names_that_go_takes_for_a_field(more: dict[str, Any]) -> None:
    with pytest.raises(InvalidContent, match="by case only"):
        Manifest.parse(dumped(document(*HISTORY[:1], **more)))


@pytest.mark.parametrize("where", ["signature", "header"])
def test_two_signed_parts(where: str) -> None:
    """Which of them a program reads decides what the digest is of."""
    content = dumped(document(*HISTORY))
    (block,) = json.loads(signed(content))["signatures"]
    if where == "signature":
        block["Protected"] = block["protected"]
    else:
        protected = json.loads(base64.urlsafe_b64decode(block["protected"] + "=="))
        block["protected"] = encoded(dumped(protected | {"FormatLength": 5}))
    with pytest.raises(InvalidContent, match="by case only"):
        Manifest.parse(signed(content, block))


def test_an_unsigned_one() -> None:
    manifest = Manifest.parse(PLAIN, content_type=mediatype.SCHEMA1)
    assert (manifest.media_type, manifest.is_schema1, manifest.is_image) == (mediatype.SCHEMA1, True, False)
    assert (manifest.raw, manifest.digest, manifest.config) == (PLAIN, Digest.of(PLAIN), None)
    assert manifest.layers == tuple(
        Descriptor(mediatype.DOCKER_LAYER_GZIP, Digest.parse(digest), UNKNOWN_SIZE) for digest in SUMS[:3]
    )
    assert manifest.blobs == manifest.layers
    assert manifest.document == json.loads(PLAIN)


@pytest.mark.parametrize("content_type", ["", "text/plain", "application/json", mediatype.SCHEMA1, mediatype.SCHEMA1_SIGNED])
def test_the_signatures_decide_which_type_it_is(content_type: str) -> None:
    assert Manifest.parse(PLAIN, content_type=content_type).media_type == mediatype.SCHEMA1
    assert Manifest.parse(signed(PLAIN), content_type=content_type).media_type == mediatype.SCHEMA1_SIGNED
    unsigned = dumped(document(*HISTORY, signatures=None, mediaType=mediatype.SCHEMA1_SIGNED))
    assert Manifest.parse(unsigned, content_type=content_type).media_type == mediatype.SCHEMA1


@pytest.mark.parametrize("indent", [None, 3])
@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_a_signed_one_is_asked_for_by_the_digest_of_its_content(indent: int | None, algorithm: str) -> None:
    content = dumped(document(*HISTORY), indent)
    raw = signed(content)
    wanted = Digest.of(content, algorithm)
    manifest = Manifest.parse(raw, expected=wanted)
    assert (manifest.digest, manifest.raw, manifest.document) == (wanted, raw, json.loads(content))
    assert manifest.descriptor == Descriptor(mediatype.SCHEMA1_SIGNED, wanted, len(raw))
    for other in (Digest.of(raw, algorithm), Digest.of(b"other", algorithm)):
        with pytest.raises(ContentMismatch, match="manifest digest mismatch"):
            Manifest.parse(raw, expected=other)
    with pytest.raises(ContentMismatch, match="manifest digest mismatch"):
        Manifest.parse(content, expected=Digest.of(raw, algorithm))


def test_several_signatures() -> None:
    head, tail = parts(PLAIN)
    same = signature(len(head), encoded(tail))
    assert Manifest.parse(signed(PLAIN, same, same)).digest == Digest.of(PLAIN)
    with pytest.raises(InvalidContent, match="the signatures disagree about what was signed"):
        Manifest.parse(signed(PLAIN, same, signature(len(head) - 1, encoded(tail))))


def test_a_signature_does_not_open_another_kind_to_a_wrong_digest() -> None:
    raw = dumped({"schemaVersion": 2, "mediaType": mediatype.OCI_INDEX, "annotations": {"signatures": "none"}})
    assert Manifest.parse(raw, expected=Digest.of(raw)).is_index
    with pytest.raises(ContentMismatch, match="manifest digest mismatch"):
        Manifest.parse(raw, expected=Digest.of(b"other"))


@pytest.mark.parametrize(
    "between",
    [
        b',"fsLayers": []',
        b',"fsLayers": [{"blobSum": "' + SUMS[5].encode() + b'"}]',
        b',"FSLayers": []',
        b',"unknown": 1',
        b',"signatures": []',
        b',"\\u0073ignatures": []',
        b"}",
        b" x",
    ],
)
def test_nothing_is_added_behind_the_signed_part(between: bytes) -> None:
    """Its digest would be that of the original, while other tools read what was added."""
    with pytest.raises(InvalidContent):
        Manifest.parse(signed(PLAIN, between=between), expected=Digest.of(PLAIN))
    assert Manifest.parse(signed(PLAIN, between=b" \n"), expected=Digest.of(PLAIN)).is_schema1


LENGTH, TAIL = len(parts(PLAIN)[0]), encoded(parts(PLAIN)[1])


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        ([], "not a list of 1 to 128 signatures"),
        ([signature(LENGTH, TAIL)] * 129, "not a list of 1 to 128 signatures"),
        ("x", "not a list"),
        ({}, "not a list"),
        (["x"], r"signatures\[0\] has no formatLength"),
        ([{}], r"signatures\[0\].protected is not base64"),
        ([{"protected": "!"}], "protected is not base64"),
        ([{"protected": "a"}], "protected is not base64"),
        ([{"protected": "e30="}], "protected is not base64"),
        ([{"protected": "e3\u00e4"}], "protected is not base64"),
        ([{"protected": encoded(b"no JSON")}], "not valid JSON"),
        ([{"protected": encoded(b"[]")}], "not a JSON object"),
        ([{"protected": encoded(b'{"a":' * 100_000)}], "not valid JSON"),
        ([{"protected": encoded(b'{"formatLength":1,"formatLength":2}')}], "duplicate name"),
        ([signature(None, TAIL)], "has no formatLength"),
        ([signature(True, TAIL)], "has no formatLength"),
        ([signature(-1, TAIL)], "has no formatLength"),
        ([signature(1.5, TAIL)], "has no formatLength"),
        ([signature(str(LENGTH), TAIL)], "has no formatLength"),
        ([signature(10**9, TAIL)], "beyond its"),
        ([signature(10**400, TAIL)], "beyond its|not valid JSON"),
        ([signature(LENGTH, None)], "formatTail is not base64"),
        ([signature(LENGTH, "?")], "formatTail is not base64"),
        ([signature(LENGTH, encoded(b',"a":1}'))], "more behind the signed part"),
        ([signature(LENGTH, "")], "more behind the signed part"),
        ([signature(LENGTH - 1, TAIL)], "more behind the signed part"),
        ([signature(0, TAIL)], "more behind the signed part"),
    ],
)
def test_signatures_that_say_nothing_of_use(found: Any, reason: str) -> None:
    head, tail = parts(PLAIN)
    with pytest.raises(InvalidContent, match=reason) as caught:
        Manifest.parse(head + b',"signatures":' + dumped(found) + tail)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


def test_what_stands_twice_in_a_row_counts_once() -> None:
    """The older one of them, as Docker and skopeo have it."""
    doubled = [HISTORY[0], HISTORY[1], HISTORY[1] | {"comment": "again"}, HISTORY[1], HISTORY[2]]
    manifest = Manifest.parse(dumped(document(*doubled)))
    assert [str(layer.digest) for layer in manifest.layers] == [SUMS[0], SUMS[1], SUMS[4]]


def test_layers_without_files() -> None:
    history = [HISTORY[0] | {"throwaway": False}, HISTORY[1] | {"throwaway": True}, HISTORY[2]]
    manifest = Manifest.parse(dumped(document(*history, sums=[SUMS[0], SUMS[1], SUMS[0]])))
    assert [str(layer.digest) for layer in manifest.layers] == [SUMS[0], SUMS[1], SUMS[0]]
    assert [str(layer.digest) for layer in non_empty_layers(manifest)] == [SUMS[0], SUMS[0]]


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in document(*HISTORY).items() if key != name}


@pytest.mark.parametrize(
    ("found", "error", "reason"),
    [
        (document(), InvalidContent, "0 fsLayers and 0 history entries"),
        (document(*HISTORY, fsLayers=[{"blobSum": SUMS[0]}]), InvalidContent, "1 fsLayers and 3 history"),
        (document(*HISTORY, history=[]), InvalidContent, "3 fsLayers and 0 history"),
        (without("fsLayers"), InvalidContent, "fsLayers is not a list of at most 20000"),
        (without("history"), InvalidContent, "history is not a list"),
        (document(*HISTORY, history=None), InvalidContent, "history is not a list"),
        (document(*HISTORY, fsLayers={}), InvalidContent, "fsLayers is not a list"),
        (document(*HISTORY, fsLayers=[{"blobSum": SUMS[0]}] * 20_001), InvalidContent, "fsLayers is not a list of at most"),
        (document(*HISTORY, fsLayers=[5, 6, 7]), InvalidContent, r"fsLayers\[0\] has no blobSum"),
        (document(*HISTORY, history=[{"v1Compatibility": {}}] * 3), InvalidContent, r"history\[0\] has no v1Compat"),
        (document(*HISTORY, sums=["sha256:../../x", *SUMS]), InvalidDigest, "invalid digest"),
        (document(*HISTORY, name=5), InvalidContent, "name is not a string"),
        (document(*HISTORY, tag=[]), InvalidContent, "tag is not a string"),
        (document(*HISTORY, architecture={}), InvalidContent, "architecture is not a string"),
        (document("not JSON"), InvalidContent, r"history\[0\].v1Compatibility is not valid JSON"),
        (document("[]"), InvalidContent, "v1Compatibility is not a JSON object"),
        (document("\ud800"), InvalidContent, "v1Compatibility is not valid Unicode"),
        (document('{"a":' * 100_000), InvalidContent, "v1Compatibility is not valid JSON"),
        (document("[" * 100_000), InvalidContent, "v1Compatibility is not valid JSON"),
        (document('{"id":"x","id":"y"}'), InvalidContent, "duplicate name 'id'"),
        (document({}), InvalidContent, "id is '', want 64"),
        (document({"id": 5}), InvalidContent, "id is not a string"),
        (document({"id": "A" * 64}), InvalidContent, "want 64 lower-case hex digits"),
        (document({"id": "1" * 64 + "\n"}), InvalidContent, "want 64 lower-case hex digits"),
        (document({"id": "../" * 20_000}), InvalidContent, "want 64 lower-case hex digits"),
        (document(HISTORY[0], HISTORY[2]), InvalidContent, "parent is '2222"),
        (document(HISTORY[1]), InvalidContent, "want none in the base layer"),
        (document(HISTORY[0], {"id": IDS[1]}), InvalidContent, "parent is '', want 1111"),
        (document(*HISTORY[:2], HISTORY[0] | {"parent": IDS[1]}), InvalidContent, "id 1111.* more than once"),
        (document({"id": IDS[0], "created": "yesterday"}), InvalidContent, "not a time as in RFC 3339"),
        (document({"id": IDS[0], "throwaway": "yes"}), InvalidContent, "throwaway is not true or false"),
        (document({"id": IDS[0], "container_config": {"Cmd": "x"}}), InvalidContent, "Cmd is not a list"),
        (document({"id": IDS[0], "container_config": []}), InvalidContent, "container_config is not an object"),
        (document(*HISTORY, schemaVersion=True), InvalidContent, "schemaVersion is True, want 1"),
        (document(*HISTORY, schemaVersion=2), InvalidContent, "schemaVersion is 2, want 1"),
        (document(*HISTORY, schemaVersion="1"), InvalidContent, "schemaVersion is '1', want 1"),
        (document(*HISTORY, mediaType=mediatype.DOCKER_MANIFEST), InvalidContent, "its keys say otherwise"),
        (document(*HISTORY, mediaType=5), InvalidContent, "mediaType is not a string"),
        (document(*HISTORY, mediaType=["x"]), InvalidContent, "mediaType is not a string"),
        (document(*HISTORY, layers=[]), InvalidContent, "keys of more than one kind"),
        (document(*HISTORY, manifests=[]), InvalidContent, "keys of more than one kind"),
        ({"schemaVersion": 1, "config": {}}, InvalidContent, "its keys say otherwise"),
        ({"schemaVersion": 1, "manifests": []}, InvalidContent, "its keys say otherwise"),
        ({"schemaVersion": 1}, InvalidContent, "fsLayers is not a list"),
    ],
)
def test_what_is_refused(found: Any, error: type[Exception], reason: str) -> None:
    with pytest.raises(error, match=reason) as caught:
        Manifest.parse(dumped(found))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("content_type", sorted(mediatype.IMAGES))
def test_it_is_what_it_is_whatever_image_it_is_served_as(content_type: str) -> None:
    manifest = Manifest.parse(PLAIN, content_type=content_type)
    assert (manifest.media_type, manifest.served_as) == (mediatype.SCHEMA1, content_type)
    assert Manifest.parse(PLAIN, content_type=mediatype.SCHEMA1_SIGNED).served_as == ""


@pytest.mark.parametrize("content_type", sorted(mediatype.INDEXES))
def test_it_is_not_served_as_another_kind(content_type: str) -> None:
    with pytest.raises(InvalidContent, match="schema 1, but it was served as"):
        Manifest.parse(PLAIN, content_type=content_type)


def test_others_are_not_served_as_schema_1() -> None:
    raw = dumped({"schemaVersion": 2, "mediaType": mediatype.OCI_INDEX, "manifests": []})
    for content_type in mediatype.SCHEMA1_IMAGES:
        with pytest.raises(InvalidContent, match="but it was served as"):
            Manifest.parse(raw, content_type=content_type)


def test_the_limit_is_that_of_every_manifest() -> None:
    with pytest.raises(TooLarge):
        Manifest.parse(signed(PLAIN).ljust(4 * 1024 * 1024 + 1))


def test_as_many_layers_as_there_may_be() -> None:
    ids = [f"{number:064x}" for number in range(20_000)]
    history = [json.dumps({"id": id, "parent": ids[n - 1] if n else ""}) for n, id in enumerate(ids)]
    raw = json.dumps(document(*history, sums=[SUMS[0]] * len(ids)), separators=(",", ":")).encode()
    with pytest.raises(TooLarge):
        Manifest.parse(raw)
    half = document(*history[:10_000], sums=[SUMS[0]] * 10_000)
    assert len(Manifest.parse(json.dumps(half, separators=(",", ":")).encode()).layers) == 10_000


def test_a_size_below_zero_is_no_size_in_any_document() -> None:
    with pytest.raises(InvalidContent, match="size is not a size"):
        Descriptor.from_json({"mediaType": "x", "digest": SUMS[0], "size": UNKNOWN_SIZE}, "layer")


def test_the_types_stay_out_of_the_others() -> None:
    """What takes any image, a layout or an archive, must not be handed one of these."""
    assert not mediatype.SCHEMA1_IMAGES & (mediatype.IMAGES | mediatype.MANIFESTS)


MUTATIONS: list[Callable[[random.Random, bytearray], None]] = [
    lambda dice, raw: raw.__setitem__(dice.randrange(len(raw)), dice.randrange(256)),
    lambda dice, raw: raw.__delitem__(slice(start := dice.randrange(len(raw)), start + dice.randrange(1, 9))),
    lambda dice, raw: raw.insert(dice.randrange(len(raw)), dice.choice(b'{}[]",:\\0-')),
]


@pytest.mark.parametrize("seed", range(8))
def test_broken_bytes_end_in_one_of_our_errors_and_never_in_another_content(seed: int) -> None:
    dice = random.Random(seed)
    raw = signed(dumped(document(*HISTORY), 3 if seed % 2 else None))
    wanted = Manifest.parse(raw)
    for _ in range(150):
        broken = bytearray(raw)
        for _ in range(dice.randrange(1, 4)):
            dice.choice(MUTATIONS)(dice, broken)
        try:
            found = Manifest.parse(bytes(broken), expected=wanted.digest)
        except PyskopeoError:
            continue
        # Only in the signatures may there be a difference, never in what is read.
        assert (found.layers, found.document) == (wanted.layers, wanted.document)
