"""Which copies are compared with skopeo's, and where ours differ on purpose: each difference with its reason."""

from __future__ import annotations

import re
from dataclasses import dataclass

from tests.interop.forms import IMAGES, Written

EVERYWHERE = (
    "", "--format oci", "--format v2s2", "--format v2s1", "--dest-compress", "--dest-decompress",
    "--dest-compress-format zstd", "--preserve-digests", "--preserve-digests --format oci",
)  # fmt: skip
FLAGS = {
    "dir": [
        *EVERYWHERE, "--dest-compress --dest-compress-format zstd", "--format v2s2 --dest-decompress",
        "--format v2s1 --dest-compress", "--preserve-digests --format v2s2",
    ],
    "oci": [
        *EVERYWHERE, "--dest-compress-format gzip", "--dest-oci-accept-uncompressed-layers",
        "--dest-oci-accept-uncompressed-layers --dest-compress-format zstd", "--format oci --dest-compress-format zstd",
        "--dest-compress-level 1",
    ],
    "docker-archive": [*EVERYWHERE, "--dest-compress --dest-compress-format zstd", "--preserve-digests --format v2s2"],
    "docker": [
        "", "--format oci", "--format v2s2", "--dest-compress", "--dest-compress-format gzip",
        "--dest-compress-format zstd", "--preserve-digests", "--format v2s2 --dest-compress-format gzip",
    ],
}  # fmt: skip
# A copy to a registry takes longer than the others; into archives go images only.
MOST = tuple(image for image in IMAGES if image not in ("oci-zstd", "oci-plain", "docker-gzip"))
LESS = {
    "dir": MOST, "oci": tuple(image for image in MOST if image not in ("oci-odd", "oci-no-layers", "oci-unknown")),
    "docker": ("docker", "docker-foreign", "docker-list", "oci", "oci-zstd", "oci-foreign", "oci-encrypted",
               "oci-index", "artifact"),
    "docker-archive": ("docker", "docker-gzip", "docker-foreign", "docker-list", "oci", "oci-zstd", "oci-encrypted",
                       "oci-odd", "artifact"),
}  # fmt: skip
# What is refused before an image is looked at.
CONTRADICTIONS = (
    "--preserve-digests --dest-compress-format gzip", "--format v2s2 --dest-compress-format zstd",
    "--dest-compress --dest-decompress",
)  # fmt: skip
INDEXES = ("docker-list", "oci-index", "oci-attested")
ONE_OF_THEM = ("", "--format oci", "--format v2s2", "--format v2s1")


@dataclass(frozen=True, slots=True)
class Case:
    to: str
    image: str
    flags: str

    def __str__(self) -> str:
        return f"{self.image}-{self.to} {self.flags}"


CASES = [
    *(Case(to, image, flags) for to in FLAGS for flags in FLAGS[to] for image in LESS[to]),
    *(Case("oci", "oci-plain", flags) for flags in FLAGS["oci"]),
    *(Case(to, image, flags) for to in ("dir", "oci") for flags in CONTRADICTIONS
      for image in ("docker", "oci", "oci-gzip", "oci-encrypted")),
    *(Case(to, image, f"--multi-arch system {flags}".strip()) for to in ("dir", "oci", "docker-archive")
      for image in INDEXES for flags in ONE_OF_THEM),
    *(Case(to, image, f"--multi-arch index-only {flags}".strip()) for to in ("dir", "oci") for image in INDEXES[:2]
      for flags in ONE_OF_THEM[:3]),
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Difference:
    """What we do differently on purpose, and why; ``example`` is one of the cases that it covers.

    ``theirs`` and ``ours`` are what is said by who refuses, "" when it must not be refused, None for either.
    Where neither refuses, or skopeo alone: ours is what skopeo writes in these ``steps``, all but the last one into a
    ``dir:``, the last one there too if ``at`` says so; or with our flags ``changed``, from one to the other, we write
    what skopeo does. The fields that are ``lost`` there do not count.
    """

    why: str
    example: Case
    to: str = ".*"
    image: str = ".*"
    flags: str = ""
    theirs: str | None = ""
    ours: str | None = ""
    steps: tuple[str, ...] = ()
    at: str = ""
    changed: tuple[str, str] | None = None
    lost: tuple[str, ...] = ()

    def covers(self, case: Case) -> bool:
        return (
            re.fullmatch(self.to, case.to) is not None
            and re.fullmatch(self.image, case.image) is not None
            and re.search(self.flags, case.flags) is not None
        )

    def agrees(self, theirs: Written, ours: Written) -> bool:
        return all(
            wanted is None or (found.code == 0 if not wanted else found.code == 1 and wanted in found.message)
            for wanted, found in ((self.theirs, theirs), (self.ours, ours))
        )


ZSTD = "oci|oci-zstd|oci-chunked|oci-unknown"
NO_ZSTD = "zstd compression is not supported for"
DIFFERENCES = (
    # --- both write ---
    Difference(
        "docs/coming-from/skopeo.md: a layer that its manifest calls plain stays so, and its digest too, unless compression is asked for",
        Case("oci", "oci", ""), "oci|docker", changed=("", "--dest-compress"),
        flags="^(?!.*(--dest-compress(?!-level)|--dest-decompress|--dest-oci|--preserve))",
    ),
    Difference(
        "skopeo decompresses for dir: only, and says nothing elsewhere; a flag that is given counts",
        Case("oci", "oci-gzip", "--dest-decompress"), "oci|docker", flags="--dest-decompress",
        changed=("--dest-decompress", "--dest-compress"),
    ),
    Difference(
        "plain layers may stay plain; skopeo then leaves the others as they are too, whatever format is asked for",
        Case("oci", "oci-gzip", "--dest-oci-accept-uncompressed-layers --dest-compress-format zstd"), "oci", "(?!oci-plain).*",
        flags="--dest-oci.* zstd", changed=(" --dest-compress-format zstd", ""),
    ),
    Difference(
        "issue 3: where manifests are not converted, unknown fields survive, and annotations and URLs of layers",
        Case("dir", "oci-unknown", "--dest-compress"), image=".*-(unknown|chunked|foreign|index)",
        lost=("unknown", "annotations", "urls"),
    ),
    Difference(
        "a list of OCI images is an index; skopeo leaves it a list of Docker's",
        Case("docker", "docker-list", "--dest-compress-format zstd"), "docker", "docker-list",
        "^--dest-compress-format zstd", steps=("--format oci --dest-compress-format zstd",),
    ),
    Difference(
        "an archive has no manifest that could be preserved; skopeo then leaves the layers in it compressed",
        Case("docker-archive", "docker", "--preserve-digests"), "docker-archive", "docker.*",
        "^--preserve-digests($| --format v2s2)", steps=("",),
    ),
    Difference(
        "skopeo makes it OCI even where no layer is to be compressed",
        Case("dir", "docker", "--dest-compress-format zstd"), "dir", "docker(?!-list).*|oci-index",
        "^--dest-compress-format zstd", changed=("", "--format oci"),
    ),
    Difference(
        "the same, and the list stays one of Docker's",
        Case("dir", "docker-list", "--dest-compress-format zstd"), "dir", "docker-list", "^--dest-compress-format zstd",
        changed=("", "--format oci"), steps=("--format oci",),
    ),
    Difference(
        "a list of OCI images is an index; skopeo leaves it a list of Docker's, in a dir: as in a registry",
        Case("dir", "docker-list", "--dest-compress --dest-compress-format zstd"), "dir", "docker-list",
        "^--dest-compress .*zstd", steps=("--format oci --dest-compress --dest-compress-format zstd",),
    ),
    Difference(
        "skopeo marks the entries of an index whose images it has compressed with zstd",
        Case("oci", "oci-attested", "--dest-compress-format zstd"), "oci|dir|docker", "oci-(index|attested)|docker-list",
        "zstd", lost=("annotations",),
    ),
    # --- skopeo refuses ---
    Difference(
        "layers in archives are plain, whatever is asked for",
        Case("docker-archive", "docker", "--dest-compress-format zstd"), "docker-archive", "(?!oci-odd).*",
        "zstd",
        theirs="compression using zstd required but the destination only supports MIME types", steps=("",),
    ),
    Difference(
        "nothing has to be converted for digests to stay; layouts hold Docker's types too",
        Case("oci", "docker-list", "--preserve-digests"), "oci", "docker-list", "^--preserve-digests$",
        theirs="Manifest list must be converted", steps=("--preserve-digests",), at="dir",
    ),
    Difference(
        "an archive has no manifest, so that of its source needs no conversion",
        Case("docker-archive", "oci", "--preserve-digests"), "docker-archive", "oci(?!-odd).*", "^--preserve-digests$",
        theirs="Unsupported manifest type", steps=("--dest-decompress", ""),
    ),
    Difference(
        "only the configuration is converted",
        Case("docker-archive", "docker", "--format oci"), "docker-archive", "(?!oci-odd).*", "--format oci",
        theirs="Unsupported manifest type", steps=("--format oci --dest-decompress", ""),
    ),
    Difference(
        "what a layer is called does not matter in an archive when its content is right",
        Case("docker-archive", "oci-odd", ""), "docker-archive", "oci-odd", theirs=None,
    ),
    # --- we refuse ---
    Difference(
        "issue 3: --preserve-digests fails rather than alter",
        Case("dir", "docker", "--preserve-digests --format oci"), flags="--preserve-digests --format", theirs=None,
        ours="but we cannot modify it: Instructed to preserve digests",
    ),
    Difference(
        "the same for layers",
        Case("dir", "oci", "--preserve-digests --dest-compress-format gzip"), flags="--preserve-digests --dest-compress",
        theirs=None, ours="layers in another compression have other digests, and --preserve-digests forbids that",
    ),
    Difference(
        "flags that contradict each other; skopeo only says so where it would write zstd",
        Case("dir", "oci-gzip", "--format v2s2 --dest-compress-format zstd"), flags="v2s2 .* zstd", theirs=None,
        ours="--format v2s2 has no layers compressed with zstd",
    ),
    Difference(
        "the same; skopeo only says so for dir:",
        Case("oci", "oci", "--dest-compress --dest-decompress"), flags="--dest-compress --dest-decompress", theirs=None,
        ours="Cannot compress and decompress at the same time",
    ),
    Difference(
        "nobody looks for schema 1 in a layout",
        Case("oci", "docker", "--format v2s1"), "oci", flags="--format v2s1", theirs=None,
        ours="takes nothing of type application/vnd.docker",
    ),
    Difference(
        "no tool reads lists of schema 1; skopeo writes one whose entries have sizes of other bytes than their digests",
        Case("dir", "docker-list", "--format v2s1"), "dir|oci", ".*-(list|index|attested)", "--format v2s1", theirs=None,
        ours="schema 1 has no lists of images",
    ),
    # --- both refuse, in other words ---
    Difference(
        "ours say what to do",
        Case("dir", "oci", "--format v2s2"), "dir|oci|docker", ZSTD, "--format v2s",
        theirs="zstd compression is not officially supported for docker images", ours=NO_ZSTD,
    ),
    Difference(
        "ours names the type",
        Case("dir", "oci-encrypted", "--format v2s2"), "dir|docker|docker-archive|oci", "oci-encrypted", "--format v2s",
        theirs="which does not support encryption", ours="encrypted layers",
    ),
    Difference(
        "ours say what to do, and before a layer is read",
        Case("docker-archive", "oci-encrypted", ""), "docker-archive", "oci-encrypted", theirs=None,
        ours="holds layers decompressed, and this image has encrypted layers",
    ),
    Difference(
        "shorter",
        Case("dir", "oci-no-layers", "--format v2s1"), image="oci-no-layers", flags="--format v2s1",
        theirs="Cannot convert an image with 0 history entries to", ours="cannot convert an image with 0 history entries",
    ),
    Difference(
        "ours say what to do",
        Case("docker-archive", "docker-list", ""), "docker-archive", ".*-(list|index|attested)",
        theirs="does not support copying multiple images", ours="holds single images",
    ),
    Difference(
        "ours say what it is",
        Case("docker-archive", "artifact", ""), "docker-archive", "artifact", theirs=None,
        ours="holds images only",
    ),
    Difference(
        "ours names the type",
        Case("docker-archive", "docker", "--format v2s1"), "docker-archive", flags="--format v2s1", theirs=None,
        ours="takes nothing of type application/vnd.docker.distribution.manifest.v1",
    ),
)  # fmt: skip
