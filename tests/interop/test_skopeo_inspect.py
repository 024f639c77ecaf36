"""The real skopeo beside ours: the same output of ``inspect``, the same phrases, the same digest files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.interop.beside_skopeo import (
    ARTIFACTS,
    PLATFORMS,
    READABLE,
    SOURCE,
    both,
    overrides,
)
from tests.support.cli import Done, pyskopeo_here, succeed
from tests.support.commands import skopeo
from tests.support.images import build
from tests.support.outputs import write_dir
from tests.support.peers import Registry
from tests.support.trees import tree

pytestmark = pytest.mark.peer("skopeo")


@pytest.fixture
def name(registry: Registry, request: pytest.FixtureRequest) -> str:
    """``docker://`` name of an image of the kind the test is parametrized with."""
    kind: str = request.getfixturevalue("kind")
    registry.push(build(kind), f"skopeo/{kind}")
    return registry.name(f"skopeo/{kind}")


class TestInspect:
    """Standard output is the same."""

    def facts(self, *words: str) -> tuple[dict[str, object], dict[str, object]]:
        theirs = json.loads(succeed(skopeo("inspect", *words)).stdout)
        ours = json.loads(succeed(pyskopeo_here("inspect", *words)).stdout)
        return theirs, ours

    @pytest.mark.parametrize("kind", [kind for kind in READABLE if kind not in ARTIFACTS])
    def test_facts(self, name: str, kind: str) -> None:
        theirs, ours = self.facts("--tls-verify=false", name)
        assert (ours, list(ours)) == (theirs, list(theirs))

    @pytest.mark.parametrize("kind", ["docker", "oci-odd-text", "oci-no-layers"])
    def test_layout_of_the_output(self, name: str, kind: str) -> None:
        """Indentation, escapes and order."""
        words = ("inspect", "--tls-verify=false", name)
        assert succeed(pyskopeo_here(*words)).stdout == succeed(skopeo(*words)).stdout

    @pytest.mark.parametrize("kind", READABLE)
    def test_raw(self, name: str, kind: str) -> None:
        words = ("inspect", "--raw", "--tls-verify=false", name)
        ours = succeed(pyskopeo_here(*words)).stdout
        assert ours == succeed(skopeo(*words)).stdout == build(kind).root.raw

    @pytest.mark.parametrize("kind", [kind for kind in READABLE if kind not in ARTIFACTS])
    def test_config(self, name: str, kind: str) -> None:
        for words in (("--config",), ("--config", "--raw")):
            ours = succeed(pyskopeo_here("inspect", *words, "--tls-verify=false", name)).stdout
            assert ours == succeed(skopeo("inspect", *words, "--tls-verify=false", name)).stdout

    @pytest.mark.parametrize("platform", PLATFORMS, ids=str)
    @pytest.mark.parametrize("kind", ["docker-list", "oci-index"])
    def test_each_platform(self, name: str, kind: str, platform: tuple[str, str, str]) -> None:
        theirs, ours = self.facts("--no-tags", "--tls-verify=false", *overrides(platform), name)
        assert ours == theirs

    @pytest.mark.parametrize(
        "template",
        [
            "{{.Digest}}", "{{.Name}} {{.Architecture}}/{{.Os}}", "{{.Labels}}", "{{.Created}}", "{{len .Layers}}",
            "{{range .Layers}}{{.}}\\n{{end}}", "{{range $i, $e := .Env}}{{$i}}={{$e}};{{end}}", "plain text",
            "{{.DockerVersion}}|{{index .Env 0}}", "{{if .Labels}}labelled{{else}}bare{{end}}", "{{.RepoTags}}",
            '{{printf "%q %5d" .Os (len .Env)}}', "{{.Created.Year}}",
            "{{json .Labels}}", '{{join .Layers ","}}', "{{.LayersData}}", "{{json .LayersData}}", "{{.}}",
        ],
    )  # fmt: skip
    @pytest.mark.parametrize("kind", ["docker", "oci"])
    def test_templates(self, name: str, kind: str, template: str) -> None:
        words = ("inspect", "--tls-verify=false", "--format", template, name)
        assert succeed(pyskopeo_here(*words)).stdout == succeed(skopeo(*words)).stdout

    @pytest.mark.parametrize("template", ["{{.Architecture}} {{.OS}}", "{{.RootFS.DiffIDs}}", "{{.Config.Env}}",
                                          "{{range .History}}{{.CreatedBy}}\\n{{end}}"])  # fmt: skip
    @pytest.mark.parametrize("kind", ["docker-history", "oci-history"])
    def test_templates_of_the_configuration(self, name: str, kind: str, template: str) -> None:
        words = ("inspect", "--config", "--tls-verify=false", "--format", template, name)
        assert succeed(pyskopeo_here(*words)).stdout == succeed(skopeo(*words)).stdout

    @pytest.mark.parametrize(
        "transport",
        ["dir:{}/x", "oci:{}/x:v1", "oci-archive:{}/x.tar:v1", "docker-archive:{}/x", "docker-archive:{}/x:team/x:v1"],
    )
    @pytest.mark.parametrize("kind", ["docker", "oci"])
    def test_other_transports(self, name: str, kind: str, transport: str, tmp_path: Path) -> None:
        made = transport.format(tmp_path)
        succeed(skopeo("copy", SOURCE, name, made))
        theirs, ours = self.facts(made)
        assert ours == theirs
        for words in (("--raw",), ("--config",), ("--config", "--raw")):
            assert (
                succeed(pyskopeo_here("inspect", *words, made)).stdout
                == succeed(skopeo("inspect", *words, made)).stdout
            )

    @pytest.mark.parametrize("kind", ["oci"])
    def test_tags(self, registry: Registry, name: str, kind: str) -> None:
        image = build(kind)
        for tag in ("b", "a", "v1.0", "latest"):
            registry.push(image, "skopeo/tagged", tag)
        theirs, ours = self.facts("--tls-verify=false", registry.name("skopeo/tagged", "b"))
        assert ours == theirs
        tags = ours["RepoTags"]
        assert isinstance(tags, list)
        assert sorted(tags) == ["a", "b", "latest", "v1.0"]


def message(done: Done) -> str:
    """What the last line says."""
    said: str = json.loads(done.lines[-1].partition("msg=")[2])
    return said


class TestEndings:
    """Exit codes and the phrases that scripts look for."""

    @pytest.mark.parametrize(
        ("words", "code", "phrase"),
        [
            (["inspect", "dir:{}/nowhere"], 1, "open {}/nowhere/manifest.json: no such file or directory"),
            (["inspect", "docker-archive:{}/nowhere"], 1, "open {}/nowhere: no such file or directory"),
            (["inspect", "oci-archive:{}/nowhere"], 1, "{}/nowhere"),
            (["inspect", "oci:{}/nowhere"], 1, "open {}/nowhere/index.json: no such file or directory"),
            (["inspect", "oci:{}/layout:nope"], 2, 'no descriptor found for reference "nope"'),
            (["inspect", "oci-archive:{}/layout.tar:nope"], 2, 'no descriptor found for reference "nope"'),
            (["inspect", "docker-archive:{}/archive.tar:nope:1"], 1, 'Tag "docker.io/library/nope:1" not found'),
            (["inspect", "docker-archive:{}/archive.tar:@7"], 1, "Invalid source index @7, only 1 manifest items available"),
            (["inspect", "--tls-verify=false", "docker://HOST/skopeo/endings:nope"], 2,
             "reading manifest nope in HOST/skopeo/endings: manifest unknown"),
            (["inspect", "--tls-verify=false", "docker://HOST/skopeo/nowhere"], 2,
             "reading manifest latest in HOST/skopeo/nowhere: manifest unknown"),
            (["copy", SOURCE, "docker://HOST/skopeo/endings:nope", "dir:{}/new"], 2,
             ("initializing source docker://HOST/skopeo/endings:nope: reading manifest nope in HOST/skopeo/endings: "
             "manifest unknown")),
            (["copy", "oci:{}/layout:nope", "dir:{}/new"], 2, "initializing source oci:{}/layout:nope: "),
            (["copy", "dir:{}/image", "dir:{}/mine"], 1, "not a containers image directory, don't want to overwrite"),
            (["copy", "dir:{}/image", "docker-archive:{}/archive.tar"], 1,
             "docker-archive doesn't support modifying existing images"),
            (["inspect", "--override-arch=riscv64", "dir:{}/index"], 1,
             "Error parsing manifest for image: choosing image instance: no image found in image index for architecture"),
            (["copy", "--override-arch=riscv64", "dir:{}/index", "dir:{}/new"], 1,
             "choosing an image from manifest list dir:{}/index: no image found in image index for architecture"),
            (["inspect", "--config", "dir:{}/artifact"], 1,
             "unsupported image-specific operation on artifact with type"),
            (["inspect", "docker:x"], 1, "docker: image reference x does not start with //"),
            (["inspect", "docker://UPPER"], 1, "invalid reference format: repository name"),
            (["copy", "nonsense", "dir:{}/new"], 1, "Invalid source name nonsense: Invalid image name"),
            (["copy", "--multi-arch=some", "dir:{}/image", "dir:{}/new"], 1, "unknown multi-arch option"),
            (["copy", "--bogus", "dir:{}/image", "dir:{}/new"], 1, "unknown flag: --bogus"),
            (["copy", "--digestfile"], 1, "flag needs an argument: --digestfile"),
            (["copy", "--all=maybe", "a", "b"], 1, 'invalid argument "maybe" for "-a, --all" flag: '),
            (["inspect"], 1, " one argument expected"),
            (["bogus"], 1, "Unrecognized command `"),
        ],
    )  # fmt: skip
    def test_failures(self, registry: Registry, tmp_path: Path, words: list[str], code: int, phrase: str) -> None:
        registry.push(build("oci"), "skopeo/endings")
        write_dir(build("oci"), tmp_path / "image")
        write_dir(build("oci-index"), tmp_path / "index")
        write_dir(build("artifact"), tmp_path / "artifact")
        succeed(skopeo("copy", f"dir:{tmp_path}/image", f"oci:{tmp_path}/layout:x"))
        succeed(skopeo("copy", f"dir:{tmp_path}/image", f"oci-archive:{tmp_path}/layout.tar:x"))
        succeed(skopeo("copy", f"dir:{tmp_path}/image", f"docker-archive:{tmp_path}/archive.tar:x:1"))
        (tmp_path / "mine").mkdir()
        (tmp_path / "mine" / "thesis").write_text("years")

        def filled(text: str) -> str:
            return text.replace("{}", str(tmp_path)).replace("HOST", registry.host)

        given = list(map(filled, words))
        theirs = skopeo(*given)
        before = tree(tmp_path)  # skopeo has begun some of the destinations
        ours = pyskopeo_here(*given)
        assert (theirs.code, ours.code) == (code, code)
        assert theirs.stdout == ours.stdout == b""
        assert filled(phrase) in message(theirs)
        assert filled(phrase) in message(ours)
        assert len(ours.lines) == 1
        assert tree(tmp_path) == before

    @pytest.mark.parametrize("kind", ["docker-list", "oci"])
    def test_digest_files(self, name: str, kind: str, tmp_path: Path) -> None:
        for number, words in enumerate((["--all", "dir:{}/x"], ["oci:{}/y:1"], ["--all", "oci:{}/z:1"])):
            folder = tmp_path / str(number)
            folder.mkdir()
            *flags, target = words
            theirs, ours = both("copy", *flags, "--digestfile={}/digest", SOURCE, name, target, out=folder)
            assert (ours / "digest").read_bytes() == (theirs / "digest").read_bytes()
            assert (ours / "digest").stat().st_mode == (theirs / "digest").stat().st_mode
