"""Image configurations; Docker's as OCI ones, compared with what skopeo 1.9.3 made of them."""

import json
import re
from pathlib import Path

import pytest

from pyskopeo.errors import InvalidContent, InvalidDigest
from pyskopeo.model.digest import Digest
from pyskopeo.model.image_config import ImageConfig, to_oci
from tests.support.images import build

REAL: dict[str, dict[str, str]] = json.loads(Path(__file__).with_name("real_configs.json").read_text())
DIGEST = "sha256:" + "a" * 64


@pytest.mark.parametrize("name", REAL)
def test_as_skopeo_converts_it(name: str) -> None:
    assert to_oci(REAL[name]["docker"].encode()).decode() == REAL[name]["oci"]


@pytest.mark.parametrize("name", REAL)
def test_converting_twice_changes_nothing_more(name: str) -> None:
    assert to_oci(REAL[name]["oci"].encode()).decode() == REAL[name]["oci"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[]", "not a JSON object"),
        ('{"author":5}', "author is not a string"),
        ('{"created":"yesterday"}', "created: 'yesterday' is not a time"),
        ('{"created":5}', "created is not a string"),
        ('{"os.features":"x"}', "os.features is not a list"),
        ('{"os.features":[1]}', "os.features is not a string"),
        ('{"config":[]}', "config is not an object"),
        ('{"config":{"Env":"A=1"}}', "config.Env is not a list"),
        ('{"config":{"Labels":["a"]}}', "config.Labels is not an object"),
        ('{"config":{"Labels":{"a":1}}}', "config.Labels is not a string"),
        ('{"config":{"Volumes":{"/":1}}}', "config.Volumes is not an object of objects"),
        ('{"config":{"ArgsEscaped":"yes"}}', "config.ArgsEscaped is not true or false"),
        ('{"rootfs":[]}', "rootfs is not an object"),
        ('{"history":{}}', "history is not a list"),
        ('{"history":["x"]}', "history is not an object"),
        ('{"a":1,"a":2}', "duplicate"),
        ('{"os":"linux","OS":"windows"}', "has 'os' twice, in different case"),
        ('{"config":{"Env":[],"env":["A=1"]}}', "config has 'Env' twice"),
        ('{"history":[{"created_by":"a","Created_By":"b"}]}', "history has 'created_by' twice"),
    ],
)
def test_what_cannot_be_converted(text: str, reason: str) -> None:
    with pytest.raises(InvalidContent, match=re.escape(reason)) as caught:
        to_oci(text.encode())
    assert "\n" not in str(caught.value)


def test_diff_ids() -> None:
    image = build("docker-repeated")
    config = ImageConfig.parse(image.config())
    tars = [image.tars[digest] for digest in image.layer_digests()]
    assert config.diff_ids == tuple(Digest.of(tar) for tar in tars)
    assert config.document["docker_version"] == "20.10.24"
    assert ImageConfig.parse(b"{}").diff_ids == ()
    assert ImageConfig.parse(b'{"rootfs":null}').diff_ids == ()


@pytest.mark.parametrize("text", ['{"rootfs":[1]}', '{"rootfs":{"diff_ids":"x"}}', '{"rootfs":"x"}', "x"])
def test_a_root_file_system_of_the_wrong_type(text: str) -> None:
    with pytest.raises(InvalidContent):
        ImageConfig.parse(text.encode())


def test_names_are_read_as_go_reads_them() -> None:
    text = f'{{"OS":"linux","RootFS":{{"Diff_IDs":["{DIGEST}"]}},"Config":{{"labels":{{"a":"1","A":"2"}}}},"x":{{"a":1,"A":2}}}}'
    config = ImageConfig.parse(text.encode())
    assert config.diff_ids == (Digest.parse(DIGEST),)
    assert config.document["os"] == "linux"
    assert config.document["config"] == {"Labels": {"a": "1", "A": "2"}}
    assert json.loads(to_oci(text.encode()))["config"]["Labels"] == {"a": "1", "A": "2"}


@pytest.mark.parametrize(
    "text",
    [
        f'{{"rootfs":{{"diff_ids":[]}},"RootFS":{{"diff_ids":["{DIGEST}"]}}}}',
        f'{{"rootfs":{{"diff_ids":["{DIGEST}"],"diff_id\u017f":[]}}}}',
        '{"config":{},"CONFIG":null}',
        '{"config":{"User":"root","user":"nobody"}}',
    ],
)
def test_two_names_of_one_field(text: str) -> None:
    with pytest.raises(InvalidContent, match="twice, in different case"):
        ImageConfig.parse(text.encode())


def test_a_malformed_diff_id() -> None:
    with pytest.raises(InvalidDigest):
        ImageConfig.parse(json.dumps({"rootfs": {"diff_ids": [DIGEST, "../x"]}}).encode())
