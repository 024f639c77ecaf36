"""The real skopeo beside ours, on the same images: the same files, byte for byte, and each reads the other's."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.commands import Done, pyskopeo, pyskopeo_here, skopeo, succeed, tree
from tests.support.images import KINDS, ArtifactSpec, ImageSpec, IndexSpec, build, digest_of
from tests.support.outputs import blob_path, write_dir
from tests.support.peers import Registry

pytestmark = pytest.mark.peer("skopeo")

OCI_INDEX = "application/vnd.oci.image.index.v1+json"
SOURCE = "--src-tls-verify=false"
# skopeo 1.9.3 knows nothing of these: the program that reads sha512 and nested indexes came later.
UNREADABLE = {"oci-sha512", "oci-index-sha512", "nested-index", "docker-zstd"}
READABLE = sorted(set(KINDS) - UNREADABLE)
IMAGES = [kind for kind in READABLE if isinstance(KINDS[kind], ImageSpec)]
INDEXES = [kind for kind in READABLE if isinstance(KINDS[kind], IndexSpec)]
ARTIFACTS = [kind for kind in READABLE if isinstance(KINDS[kind], ArtifactSpec)]
# skopeo 1.9.3 writes lists anew and loses the fields it does not know; ours stay as they are.
LISTS = [kind for kind in INDEXES if kind != "index-with-artifact"]
# What docker-archive takes from skopeo: it cannot convert zstd layers; ours inflates them (see below).
ARCHIVABLE = [kind for kind in IMAGES if kind != "oci-zstd"]
# skopeo compresses these on their way into a layout, to bytes no other compressor makes.
RECOMPRESSED = {"oci-uncompressed", "docker-uncompressed"}
PLATFORMS = [
    ("amd64", "", "linux"), ("arm", "v6", "linux"), ("arm", "v7", "linux"), ("arm", "", "linux"),
    ("arm64", "v8", "linux"), ("arm64", "", "linux"), ("s390x", "", "linux"), ("amd64", "", "windows"),
]  # fmt: skip


@pytest.fixture
def name(registry: Registry, request: pytest.FixtureRequest) -> str:
    """``docker://`` name of an image of the kind the test is parametrized with."""
    kind: str = request.getfixturevalue("kind")
    registry.push(build(kind), f"skopeo/{kind}")
    return registry.name(f"skopeo/{kind}")


def overrides(platform: tuple[str, str, str]) -> list[str]:
    architecture, variant, system = platform
    flags = [f"--override-arch={architecture}", f"--override-os={system}"]
    return [*flags, f"--override-variant={variant}"] if variant else flags


def both(*words: str, out: Path) -> tuple[Path, Path]:
    """Both programs carry out ``words``, where ``{}`` stands for the folder each writes to."""
    theirs, ours = out / "theirs", out / "ours"
    for folder, program in ((theirs, skopeo), (ours, pyskopeo_here)):
        folder.mkdir()
        succeed(program(*(word.replace("{}", str(folder)) for word in words)))
    return theirs, ours


def index_entry(folder: Path) -> tuple[dict[str, object], dict[str, object]]:
    """The layout's ``index.json`` without the media type that this skopeo does not yet write, and its layout file."""
    content = json.loads((folder / "index.json").read_bytes())
    assert content.pop("mediaType", OCI_INDEX) == OCI_INDEX
    return content, json.loads((folder / "oci-layout").read_bytes())


def same_layout(theirs: Path, ours: Path) -> None:
    assert tree(ours / "blobs") == tree(theirs / "blobs")
    assert index_entry(ours) == index_entry(theirs)


class TestDockerArchive:
    """Identical by every byte, so that recorded hashes of archives still hold."""

    @pytest.mark.parametrize("kind", ARCHIVABLE)
    def test_each_kind(self, name: str, kind: str, tmp_path: Path) -> None:
        theirs, ours = both("copy", SOURCE, name, "docker-archive:{}/x.tar:lib/multi:latest", out=tmp_path)
        assert (ours / "x.tar").read_bytes() == (theirs / "x.tar").read_bytes()

    @pytest.mark.parametrize("tag", ["", ":short", ":short:v1", ":host.example:5000/a/b:V.1-x"])
    @pytest.mark.parametrize("kind", ["docker"])
    def test_each_form_of_name(self, name: str, kind: str, tag: str, tmp_path: Path) -> None:
        theirs, ours = both("copy", SOURCE, name, f"docker-archive:{{}}/x.tar{tag}", out=tmp_path)
        assert (ours / "x.tar").read_bytes() == (theirs / "x.tar").read_bytes()

    @pytest.mark.parametrize("tag", ["", ":lib/x:1"])
    @pytest.mark.parametrize("kind", ["oci"])
    def test_additional_tags(self, name: str, kind: str, tag: str, tmp_path: Path) -> None:
        more = ("--additional-tag", "zoo:2", "--additional-tag=lib/x:0,lib/x:2", "--additional-tag", "a.example/x:9")
        theirs, ours = both("copy", *more, SOURCE, name, f"docker-archive:{{}}/x.tar{tag}", out=tmp_path)
        assert (ours / "x.tar").read_bytes() == (theirs / "x.tar").read_bytes()

    @pytest.mark.parametrize("platform", PLATFORMS, ids=str)
    @pytest.mark.parametrize("kind", ["docker-list", "oci-index", "oci-index-attested"])
    def test_each_platform_of_a_list(
        self, name: str, kind: str, platform: tuple[str, str, str], tmp_path: Path
    ) -> None:
        words = (*overrides(platform), "copy", SOURCE, name, "docker-archive:{}/x.tar:a:1")
        theirs, ours = both(*words, out=tmp_path)
        assert (ours / "x.tar").read_bytes() == (theirs / "x.tar").read_bytes()

    @pytest.mark.parametrize("kind", ["docker", "oci", "docker-repeated", "docker-odd-text"])
    def test_from_a_directory(self, kind: str, tmp_path: Path) -> None:
        source = write_dir(build(kind), tmp_path / "source")
        theirs, ours = both("copy", f"dir:{source}", "docker-archive:{}/x.tar:a:1", out=tmp_path)
        assert (ours / "x.tar").read_bytes() == (theirs / "x.tar").read_bytes()

    @pytest.mark.parametrize("kind", ["docker", "oci-repeated", "oci-uncompressed"])
    def test_from_an_archive(self, name: str, kind: str, tmp_path: Path) -> None:
        succeed(skopeo("copy", SOURCE, name, f"docker-archive:{tmp_path}/first.tar:a:1"))
        words = ("copy", f"docker-archive:{tmp_path}/first.tar", "docker-archive:{}/x.tar:b:2")
        theirs, ours = both(*words, out=tmp_path)
        assert (ours / "x.tar").read_bytes() == (theirs / "x.tar").read_bytes()

    @pytest.mark.parametrize("kind", ["docker"])
    def test_on_standard_output(self, name: str, kind: str, tmp_path: Path) -> None:
        succeed(skopeo("copy", SOURCE, name, f"docker-archive:{tmp_path}/x.tar:a:1"))
        for stream in ("/dev/stdout", "-"):
            done = succeed(pyskopeo("copy", SOURCE, name, f"docker-archive:{stream}:a:1"))
            assert done.stdout == (tmp_path / "x.tar").read_bytes()

    @pytest.mark.parametrize("kind", ["oci-zstd"])
    def test_zstd_layers_which_skopeo_refuses(self, name: str, kind: str, tmp_path: Path) -> None:
        assert "zstd" in skopeo("copy", SOURCE, name, f"docker-archive:{tmp_path}/x.tar").stderr
        succeed(pyskopeo_here("copy", SOURCE, name, f"docker-archive:{tmp_path}/ours.tar:a:1"))
        image = build(kind)
        succeed(skopeo("copy", f"docker-archive:{tmp_path}/ours.tar", f"dir:{tmp_path}/read"))
        assert tree(tmp_path / "read")[digest_of(image.config())[7:]] == image.config()


class TestLayouts:
    """Blobs, conversion included, and the entry of the index; and archives of them."""

    @pytest.mark.parametrize("kind", [kind for kind in READABLE if kind not in RECOMPRESSED])
    def test_each_kind(self, name: str, kind: str, tmp_path: Path) -> None:
        same_layout(*both("copy", SOURCE, name, "oci:{}:v1", out=tmp_path))

    @pytest.mark.parametrize("kind", ["docker", "oci"])
    def test_without_a_name(self, name: str, kind: str, tmp_path: Path) -> None:
        same_layout(*both("copy", SOURCE, name, "oci:{}", out=tmp_path))

    @pytest.mark.parametrize("kind", [*LISTS, "docker"])
    def test_all_of_a_list(self, name: str, kind: str, tmp_path: Path) -> None:
        same_layout(*both("copy", "--all", SOURCE, name, "oci:{}:v1", out=tmp_path))

    @pytest.mark.parametrize("kind", ["oci-index", "oci-index-attested", "oci"])
    def test_index_only(self, name: str, kind: str, tmp_path: Path) -> None:
        same_layout(*both("copy", "--multi-arch", "index-only", SOURCE, name, "oci:{}:v1", out=tmp_path))

    @pytest.mark.parametrize("kind", ["docker-list", "oci-index"])
    @pytest.mark.parametrize("platform", PLATFORMS, ids=str)
    def test_each_platform(self, name: str, kind: str, platform: tuple[str, str, str], tmp_path: Path) -> None:
        same_layout(*both(*overrides(platform), "copy", SOURCE, name, "oci:{}:v1", out=tmp_path))

    @pytest.mark.parametrize("kind", ["docker", "oci-index"])
    def test_several_names_in_one_layout(self, registry: Registry, name: str, kind: str, tmp_path: Path) -> None:
        registry.push(build("oci-history"), "skopeo/other")
        other = registry.name("skopeo/other")
        theirs, ours = both("copy", "--all", SOURCE, name, "oci:{}:v1", out=tmp_path)
        for folder, program in ((theirs, skopeo), (ours, pyskopeo_here)):
            succeed(program("copy", SOURCE, other, f"oci:{folder}:v2"))
            succeed(program("copy", "--all", SOURCE, name, f"oci:{folder}:v3"))
        same_layout(theirs, ours)

    @pytest.mark.parametrize("kind", ["docker"])
    def test_again_by_a_name_that_is_there(self, name: str, kind: str, tmp_path: Path) -> None:
        theirs, ours = both("copy", SOURCE, name, "oci:{}:v1", out=tmp_path)
        for folder, program in ((theirs, skopeo), (ours, pyskopeo_here)):
            succeed(program("copy", SOURCE, name, f"oci:{folder}:v2"))
            succeed(program("copy", SOURCE, name, f"oci:{folder}:v1"))
        same_layout(theirs, ours)

    @pytest.mark.parametrize("kind", ["docker", "docker-odd-text", "oci", "oci-zstd", "artifact", *LISTS])
    def test_archives_of_layouts(self, name: str, kind: str, tmp_path: Path) -> None:
        import tarfile

        theirs, ours = both("copy", "--all", SOURCE, name, "oci-archive:{}/x.tar:v1", out=tmp_path)
        for folder in (theirs, ours):
            with tarfile.open(folder / "x.tar") as tar:
                tar.extractall(folder, filter="data")
                assert {(member.uid, member.gid) for member in tar} == {(0, 0)}
        same_layout(theirs, ours)

    @pytest.mark.parametrize("kind", ["docker", "docker-odd-text", "oci", "docker-repeated"])
    def test_from_an_archive_of_docker(self, name: str, kind: str, tmp_path: Path) -> None:
        """The layers are plain there, so skopeo compresses them: the configuration must be the same."""
        succeed(skopeo("copy", SOURCE, name, f"docker-archive:{tmp_path}/x.tar:a:1"))
        theirs, ours = both("copy", f"docker-archive:{tmp_path}/x.tar", "oci:{}:v1", out=tmp_path)
        configs = []
        for folder in (theirs, ours):
            (entry,) = json.loads((folder / "index.json").read_bytes())["manifests"]
            manifest = json.loads(blob_path(folder, entry["digest"]).read_bytes())
            configs.append(blob_path(folder, manifest["config"]["digest"]).read_bytes())
        assert configs[0] == configs[1]


class TestDirectories:
    """The same files with the same content."""

    @pytest.mark.parametrize("kind", READABLE)
    def test_each_kind(self, name: str, kind: str, tmp_path: Path) -> None:
        theirs, ours = both("copy", SOURCE, name, "dir:{}/image", out=tmp_path)
        assert tree(ours) == tree(theirs)

    @pytest.mark.parametrize("kind", LISTS)
    def test_all_of_a_list(self, name: str, kind: str, tmp_path: Path) -> None:
        theirs, ours = both("copy", "--all", SOURCE, name, "dir:{}/image", out=tmp_path)
        assert tree(ours) == tree(theirs)

    @pytest.mark.parametrize("kind", LISTS)
    def test_index_only(self, name: str, kind: str, tmp_path: Path) -> None:
        words = ("copy", "--multi-arch=index-only", SOURCE, name, "dir:{}/image")
        theirs, ours = both(*words, out=tmp_path)
        assert tree(ours) == tree(theirs)

    @pytest.mark.parametrize("kind", ["docker-list"])
    def test_by_digest(self, registry: Registry, name: str, kind: str, tmp_path: Path) -> None:
        pinned = f"docker://{registry.host}/skopeo/{kind}@{build(kind).child(3).digest}"
        theirs, ours = both("copy", SOURCE, pinned, "dir:{}/image", out=tmp_path)
        assert tree(ours) == tree(theirs)

    @pytest.mark.parametrize("kind", ["oci"])
    def test_over_an_older_image(self, registry: Registry, name: str, kind: str, tmp_path: Path) -> None:
        registry.push(build("docker"), "skopeo/older")
        theirs, ours = both("copy", SOURCE, registry.name("skopeo/older"), "dir:{}/image", out=tmp_path)
        for folder, program in ((theirs, skopeo), (ours, pyskopeo_here)):
            succeed(program("copy", SOURCE, name, f"dir:{folder}/image"))
        assert tree(ours) == tree(theirs)


class TestReadingEachOther:
    """What one writes, the other reads, as an image like any other."""

    @pytest.mark.parametrize("transport", ["dir:{}/x", "oci:{}/x:v1", "oci-archive:{}/x.tar:v1"])
    @pytest.mark.parametrize("kind", ["docker-list", "oci-index-attested", "oci-zstd", "oci-without-media-type"])
    def test_lists(self, name: str, kind: str, transport: str, tmp_path: Path) -> None:
        self.exchange(name, transport, tmp_path, "--all")

    @pytest.mark.parametrize("transport", ["dir:{}/x", "oci:{}/x:v1", "oci-archive:{}/x.tar", "docker-archive:{}/x:a:1"])
    @pytest.mark.parametrize("kind", ["docker", "oci", "docker-repeated", "docker-odd-text", "oci-no-layers"])
    def test_images(self, name: str, kind: str, transport: str, tmp_path: Path) -> None:
        self.exchange(name, transport, tmp_path)

    def exchange(self, name: str, transport: str, folder: Path, *more: str) -> None:
        for label, writer in (("theirs", skopeo), ("ours", pyskopeo_here)):
            (folder / label).mkdir()
            made = transport.format(folder / label)
            succeed(writer("copy", *more, SOURCE, name, made))
            theirs, ours = both("copy", *more, made, "dir:{}/read", out=folder / label)
            assert tree(ours) == tree(theirs)
            told = json.loads(succeed(pyskopeo_here("inspect", made)).stdout)["Digest"]
            assert told == digest_of(succeed(skopeo("inspect", "--raw", made)).stdout)

    @pytest.mark.parametrize("reference", ["a.example/x:1", "a.example/x:2", "@0", "@1"])
    def test_an_archive_of_several_images(self, reference: str, tmp_path: Path) -> None:
        archive = several(tmp_path)
        theirs, ours = both("copy", f"docker-archive:{archive}:{reference}", "dir:{}/image", out=tmp_path)
        assert tree(ours) == tree(theirs)


def several(folder: Path) -> Path:
    """An archive of two images, as ``docker save`` writes them: joined from two of one."""
    import io
    import tarfile

    items, files = [], {}
    for number, kind in enumerate(("docker", "docker-history"), 1):
        source = write_dir(build(kind), folder / kind)
        succeed(skopeo("copy", f"dir:{source}", f"docker-archive:{folder}/{kind}.tar:a.example/x:{number}"))
        with tarfile.open(folder / f"{kind}.tar") as tar:
            for member in tar:
                content = tar.extractfile(member)
                if member.name == "manifest.json" and content is not None:
                    items += json.loads(content.read())
                elif member.isreg() and content is not None and "/" not in member.name:
                    files[member.name] = content.read()
    archive = folder / "several.tar"
    with tarfile.open(archive, "w") as tar:
        for name, data in {**files, "manifest.json": json.dumps(items).encode()}.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return archive


class TestInspect:
    """Standard output is the same, but for the field skopeo had not yet."""

    def facts(self, *words: str) -> tuple[dict[str, object], dict[str, object]]:
        theirs = json.loads(succeed(skopeo("inspect", *words)).stdout)
        ours = json.loads(succeed(pyskopeo_here("inspect", *words)).stdout)
        assert isinstance(ours.pop("LayersData"), list)
        return theirs, ours

    @pytest.mark.parametrize("kind", [kind for kind in READABLE if kind not in ARTIFACTS])
    def test_facts(self, name: str, kind: str) -> None:
        theirs, ours = self.facts("--tls-verify=false", name)
        assert (ours, list(ours)) == (theirs, list(theirs))

    @pytest.mark.parametrize("kind", ["docker", "oci-odd-text", "oci-no-layers"])
    def test_layout_of_the_output(self, name: str, kind: str) -> None:
        """Indentation, escapes and order, up to and after the new field."""
        theirs = succeed(skopeo("inspect", "--tls-verify=false", name)).stdout.decode()
        ours = succeed(pyskopeo_here("inspect", "--tls-verify=false", name)).stdout.decode()
        before, _, rest = ours.partition('    "LayersData": ')
        after = rest.partition('    "Env": ')[2]
        assert f'{before}    "Env": {after}' == theirs

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
            # The functions of newer versions (json, join, table, ...) are not in this one.
            "{{.Digest}}", "{{.Name}} {{.Architecture}}/{{.Os}}", "{{.Labels}}", "{{.Created}}", "{{len .Layers}}",
            "{{range .Layers}}{{.}}\\n{{end}}", "{{range $i, $e := .Env}}{{$i}}={{$e}};{{end}}", "plain text",
            "{{.DockerVersion}}|{{index .Env 0}}", "{{if .Labels}}labelled{{else}}bare{{end}}", "{{.RepoTags}}",
            '{{printf "%q %5d" .Os (len .Env)}}', "{{.Created.Year}}",
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

    @pytest.mark.parametrize("transport", ["dir:{}/x", "oci:{}/x:v1", "oci-archive:{}/x.tar:v1", "docker-archive:{}/x"])
    @pytest.mark.parametrize("kind", ["docker", "oci"])
    def test_other_transports(self, name: str, kind: str, transport: str, tmp_path: Path) -> None:
        made = transport.format(tmp_path)
        succeed(skopeo("copy", SOURCE, name, made))
        theirs, ours = self.facts(made)
        assert ours == theirs
        for words in (("--raw",), ("--config",), ("--config", "--raw")):
            assert succeed(pyskopeo_here("inspect", *words, made)).stdout == succeed(skopeo("inspect", *words, made)).stdout

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
    """Exit codes and the phrases that scripts look for. skopeo has used 2 for "no such image" only since 1.14."""

    @pytest.mark.parametrize(
        ("words", "code", "phrase"),
        [
            (["inspect", "dir:{}/nowhere"], 1, "open {}/nowhere/manifest.json: no such file or directory"),
            (["inspect", "docker-archive:{}/nowhere"], 1, "open {}/nowhere: no such file or directory"),
            (["inspect", "oci-archive:{}/nowhere"], 1, "open {}/nowhere: no such file or directory"),
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
            (["inspect", "dir:{}/artifact"], 1, "unsupported image-specific operation on artifact with type"),
            (["inspect", "docker:x"], 1, "docker: image reference x does not start with //"),
            (["inspect", "docker://UPPER"], 1, "invalid reference format: repository name"),
            (["copy", "nonsense", "dir:{}/new"], 1, "Invalid source name nonsense: Invalid image name"),
            (["copy", "--multi-arch=some", "dir:{}/image", "dir:{}/new"], 1, "unknown multi-arch option"),
            (["copy", "--bogus", "dir:{}/image", "dir:{}/new"], 1, "unknown flag: --bogus"),
            (["copy", "--digestfile"], 1, "flag needs an argument: --digestfile"),
            (["copy", "--all=maybe", "a", "b"], 1, 'invalid argument "maybe" for "-a, --all" flag: '),
            (["inspect"], 1, "Exactly one argument expected"),
            (["bogus"], 1, "Unrecognized command `"),
            ([], 1, "Missing command '"),
        ],
    )  # fmt: skip
    def test_failures(
        self, registry: Registry, tmp_path: Path, words: list[str], code: int, phrase: str
    ) -> None:
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
        assert (theirs.code, ours.code) == (1, code)
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


def test_what_is_left_out_is_really_beyond_skopeo(registry: Registry, tmp_path: Path) -> None:
    """So that a newer skopeo that can read these kinds gets them into the comparison."""
    for kind in sorted(UNREADABLE - {"docker-zstd", "oci-index-sha512"}):
        source = write_dir(build(kind), tmp_path / kind)
        failed = skopeo("copy", f"dir:{source}", f"oci:{tmp_path}/theirs-{kind}:x").code
        assert failed, kind
        succeed(pyskopeo_here("copy", f"dir:{source}", f"oci:{tmp_path}/ours-{kind}:x"))


def test_a_single_platform_of_a_list_is_the_one_skopeo_takes(registry: Registry, tmp_path: Path) -> None:
    """Entries in another order, and two that fit: the first one in order of preference wins."""
    spec = KINDS["oci-index"]
    assert isinstance(spec, IndexSpec)
    image = build(replace(spec, entries=(*reversed(spec.entries), spec.entries[0])))
    registry.push(image, "skopeo/reversed")
    for platform in PLATFORMS:
        words = ("inspect", "--no-tags", "--tls-verify=false", *overrides(platform), registry.name("skopeo/reversed"))
        assert json.loads(pyskopeo_here(*words).stdout)["Layers"] == json.loads(skopeo(*words).stdout)["Layers"]
