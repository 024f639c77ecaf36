"""Schema 1 beside the real skopeo: what old Dockers wrote, what a registry serves, and where we differ on purpose."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

from pyskopeo.errors import PyskopeoError
from pyskopeo.model import mediatype
from pyskopeo.model.digest import Digest
from pyskopeo.model.manifest import Manifest
from pyskopeo.model.manifest_conversion import image_to_docker
from pyskopeo.model.schema1 import from_docker
from tests.interop.conversions import FORMATS, OldRegistry, compare, rewritten, unsigned
from tests.support.cli import succeed
from tests.support.commands import pyskopeo, skopeo
from tests.support.images import ImageSpec, LayerSpec, build, digest_of
from tests.support.outputs import write_dir
from tests.support.specs import ODD_TEXT
from tests.support.trees import tree

pytestmark = pytest.mark.peer("skopeo")


@pytest.mark.parametrize("layers", [2, 4])
def test_a_history_that_tells_of_other_layers(layers: int, tmp_path: Path) -> None:
    """Of too many layers skopeo forgets some without a word; that is nothing to imitate."""
    image = build("docker")
    config = json.loads(image.config())
    config["history"] = [{"created_by": str(number)} for number in range(layers)]
    content = json.dumps(config).encode()
    source = rewritten(image, tmp_path / "source", config=content)
    done = skopeo("copy", "--format", "v2s1", f"dir:{source}", f"dir:{tmp_path}/out")
    assert done.code == (1 if layers > 3 else 0)
    with pytest.raises(PyskopeoError, match=f"its history tells of {layers} layers, the manifest has 3"):
        from_docker(Manifest.parse((source / "manifest.json").read_bytes()), content, "", "")


def test_a_configuration_that_names_a_parent(tmp_path: Path) -> None:
    """Where there is no layer below, skopeo writes what it then cannot read itself."""
    image = build(ImageSpec(layers=(LayerSpec("only"),)))
    config = json.dumps(json.loads(image.config()) | {"parent": "y"}).encode()
    source = rewritten(image, tmp_path / "source", config=config)
    succeed(skopeo("copy", "--format", "v2s1", f"dir:{source}", f"dir:{tmp_path}/theirs"))
    assert "parent ID" in skopeo("copy", f"dir:{tmp_path}/theirs", f"oci:{tmp_path}/unreadable").stderr
    ours, _ = from_docker(image_to_docker(Manifest.parse((source / "manifest.json").read_bytes())), config, "", "")
    (source / "manifest.json").write_bytes(ours.raw)
    compare(source, "oci", tmp_path / "out")
    assert (tmp_path / "out" / "manifest.json").exists()


def test_the_name_inside_a_schema_1_manifest(tmp_path: Path) -> None:
    image = build("docker-history")
    source = write_dir(image, tmp_path / "source")
    with OldRegistry() as registry:
        for format in ("v2s1", "v2s2"):
            name = registry.name("library/old", tag=format)
            succeed(skopeo("copy", "--format", format, "--dest-tls-verify=false", f"dir:{source}", name))
        theirs = succeed(skopeo("inspect", "--raw", "--tls-verify=false", registry.name("library/old", "v2s1"))).stdout
        url = f"{registry.url}/v2/library/old/manifests/v2s1"
        with urlopen(Request(url, headers={"Accept": mediatype.SCHEMA1_SIGNED})) as answer:
            served, told = answer.read(), answer.headers
    ours, extra = from_docker(Manifest.parse(image.root.raw), image.config(), "library/old", "v2s1")
    assert unsigned(theirs) == ours.raw
    assert [digest_of(content) for _, content in extra] == [str(extra[0][0].digest)]
    # Asked by its digest, the manifest is that of its content, whatever the type it is served as.
    found = Manifest.parse(served, content_type=told["Content-Type"], expected=Digest.parse(told["Docker-Content-Digest"]))
    assert (found.media_type, found.digest, found.layers[0].size) == (mediatype.SCHEMA1_SIGNED, ours.digest, -1)


def test_a_registry_takes_what_we_sign(tmp_path: Path) -> None:
    """It verifies the signature, and gives away the same content; skopeo reads it, and so do we."""
    image = build("docker-history")
    source = write_dir(image, tmp_path / "source")
    with OldRegistry() as registry:
        name, digestfile = registry.name("library/old", "v1"), tmp_path / "digest"
        words = ("--format", "v2s1", "--dest-tls-verify=false", "--digestfile", digestfile, f"dir:{source}", name)
        succeed(pyskopeo("copy", *words))
        theirs = registry.name("library/theirs", "v1")
        succeed(skopeo("copy", "--format", "v2s1", "--dest-tls-verify=false", f"dir:{source}", theirs))
        for program, plain in ((skopeo, "theirs"), (pyskopeo, "ours")):
            succeed(program("copy", "--format", "v2s2", "--src-tls-verify=false", name, f"dir:{tmp_path}/{plain}"))
        found = Manifest.parse(succeed(skopeo("inspect", "--raw", "--tls-verify=false", name)).stdout)
    assert found.media_type == mediatype.SCHEMA1_SIGNED
    assert str(found.digest) == digestfile.read_text()
    # skopeo copies the empty layer, too, which this image does not name.
    assert tree(tmp_path / "ours").items() <= tree(tmp_path / "theirs").items()


def test_what_we_sign_is_in_a_dir_as_skopeo_has_it(tmp_path: Path) -> None:
    source = write_dir(build("oci-history"), tmp_path / "source")
    for program, folder in ((skopeo, "theirs"), (pyskopeo, "ours")):
        succeed(program("copy", "--format", "v2s1", f"dir:{source}", f"dir:{tmp_path}/{folder}"))
    ours, theirs = ((tmp_path / folder / "manifest.json").read_bytes() for folder in ("ours", "theirs"))
    assert ours != theirs
    assert unsigned(ours) == unsigned(theirs)

    def shape(raw: bytes) -> Any:
        """The signature but for its values."""
        (block,) = json.loads(raw)["signatures"]
        protected = json.loads(base64.urlsafe_b64decode(block["protected"] + "=="))
        return [list(block), list(block["header"]), list(block["header"]["jwk"]), list(protected), len(raw)]

    assert shape(ours) == shape(theirs)


OLD_CONFIG: dict[str, Any] = {
    "Hostname": "h", "Env": ["PATH=/<bin>"], "Cmd": "one", "Entrypoint": ["a"], "ExposedPorts": {"80/tcp": {}},
    "Volumes": None, "Labels": {"b": "<", "a": ""}, "PortSpecs": None, "unknown": 1, "OnBuild": [], "ArgsEscaped": True,
    "StopSignal": "9", "MacAddress": "m", "NetworkDisabled": True, "Shell": ["/bin/sh"],
    "Healthcheck": {"Test": ["NONE"], "Interval": 5, "Retries": 2},
}  # fmt: skip


@pytest.mark.parametrize("indent", [None, 3])
@pytest.mark.parametrize(
    "version", [None, "", "1.8.2", "1.8.3", "1.8", "1.8.3-rc1", "1.8.0-rc2", "0.9.1", "1.10.0", "20.10.7", "dev", "1.8.3.1"]
)
def test_schema_1_by_old_dockers(version: str | None, indent: int | None, tmp_path: Path) -> None:
    """Unsigned, with empty layers, a layer that stands twice, and fields that are no longer in use."""
    image = build("docker")
    layers = [*image.layer_digests(), image.layer_digests()[-1]]
    ids = [letter * 64 for letter in "abcc"]
    texts: list[Any] = [
        {"id": ids[0], "created": "2015-01-02T03:04:05.6Z", "container_config": {"Cmd": ["/bin/sh", "-c", "<a>"]}},
        {"id": ids[1], "parent": ids[0], "throwaway": True, "author": "me", "comment": ODD_TEXT},
        {
            "id": ids[2], "parent": ids[1], "os": "linux", "variant": "v1", "created": "2015-01-02T03:04:05+02:00",
            "config": OLD_CONFIG, "container_config": OLD_CONFIG | {"Cmd": ["x"]}, "Size": 5, "parent_id": "p",
            "layer_id": "l", "container": "c", "unknown": {"z": "<&>", "a": [1.0]}, "throwaway": False,
        },
        {"id": ids[2], "parent": ids[1], "created": "2016-01-01T00:00:00Z", "comment": "the same again"},
    ]  # fmt: skip
    if version is not None:
        texts[2]["docker_version"] = version
    document = {
        "schemaVersion": 1, "name": "library/x", "tag": "latest", "architecture": "amd64", "unknown": "<",
        "fsLayers": [{"blobSum": digest} for digest in reversed(layers)],
        "history": [{"v1Compatibility": json.dumps(text, ensure_ascii=False)} for text in reversed(texts)],
    }  # fmt: skip
    source = write_dir(image, tmp_path / "source")
    (source / "manifest.json").write_text(json.dumps(document, indent=indent))
    for format in FORMATS[:2]:
        compare(source, format, tmp_path / format)
