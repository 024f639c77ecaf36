"""``inspect``, ``list-tags``, ``manifest-digest``, ``delete``."""

from __future__ import annotations

from tests.interop.differential.row import Row

_INSPECT = (
    Row("inspect {T} docker://{http}/diff/oci:v1"),
    Row("inspect {T} --raw docker://{http}/diff/oci:v1"),
    Row("inspect {T} --raw docker://{http}/diff/oci-index:v1"),
    Row("inspect {T} --config docker://{http}/diff/docker:v1"),
    Row("inspect {T} --config --raw docker://{http}/diff/docker:v1"),
    Row("inspect {T} --config --raw docker://{http}/diff/oci-index:v1"),
    Row("inspect {T} -n --format '{{.Digest}} {{.Name}} {{.RepoTags}}' docker://{http}/diff/tags"),
    Row("inspect {T} -f '{{.RepoTags}}' docker://{http}/diff/tags:v1"),
    Row("inspect {T} -f '{{.Digest}}' docker://{http}/diff/oci@{oci}"),
    Row("inspect {T} -f '{{.Digest}}' docker://{http}/diff/oci-index:v1"),
    Row("inspect {T} -f '{{.Nothing}}' docker://{http}/diff/oci:v1", 1, "Nothing"),
    Row("inspect {T} -f '{{' docker://{http}/diff/oci:v1", 1, "template"),
    Row("inspect {T} --raw --format x docker://{http}/diff/oci:v1", 1, "raw output does not support format option"),
    Row("inspect {T} --config -f '{{.Architecture}} {{.OS}}' docker://{http}/diff/oci:v1"),
    Row("inspect {T} --override-arch=arm64 -n -f '{{.Architecture}} {{.Layers}}' docker://{http}/diff/docker-list:v1"),
    Row("inspect {T} --override-os=plan9 -n docker://{http}/diff/docker-list:v1", 1, "no image found in"),
    Row("inspect {T} docker://{http}/diff/artifact:v1", 1, "artifact", differs=("artifact",)),
    Row("inspect {T} --raw docker://{http}/diff/artifact:v1"),
    Row("inspect --cert-dir=in/ca --raw docker://{tls}/diff/oci:v1"),
    Row("inspect --raw docker://{tls}/diff/oci:v1", 1, "certificate"),
    Row("inspect {T} --creds=user:pass --raw docker://{basic}/diff/oci:v1"),
    Row("inspect {T} --raw docker://{basic}/diff/oci:v1", 1, "{basic}"),
    Row("inspect {T} --creds=user:pass -f '{{.RepoTags}}' docker://{token}/private/oci:v1"),
    Row("inspect {T} --raw docker://{token}/public/oci:v1"),
    Row("inspect {T} --raw docker://{http}/diff/oci:none", 2, "manifest unknown"),
    Row("inspect {T} --raw docker://{http}/diff/none", 2, "reading manifest latest in {http}/diff/none"),
    Row("inspect {T} --raw docker://{http}/diff/oci@{none}", 2, "manifest unknown"),
    Row("inspect --raw dir:in/oci"),
    Row("inspect --raw oci:in/layout:oci-index"),
    Row("inspect --config oci:in/layout:oci"),
    Row("inspect --raw oci-archive:in/oci.tar:v1"),
    Row("inspect -f '{{.Digest}} {{.Name}}' docker-archive:in/docker.tar"),
    Row("inspect --config docker-archive:in/docker.tar:example.com/team/app:1"),
    Row("inspect --daemon-host={daemon} --config docker-daemon:example.com/team/app:1"),
    Row("inspect dir:in/docker"),
    Row("inspect -n dir:in/oci-zstd"),
    Row("inspect dir:none", 1, "no such file or directory"),
    Row("inspect oci:in/layout:none", 2, "no descriptor found for reference"),
    Row("inspect oci:in/layout", 1, "more than one image in oci, choose an image"),
    Row("inspect docker-archive:in/notes.txt", 1, "in/notes.txt"),
    Row("inspect --retry-times=2 --raw dir:in/oci"),
    Row("inspect --raw --bogus dir:in/oci", 1, "unknown flag: --bogus"),
    Row("inspect", 1, "Exactly one argument expected"),
    Row("inspect dir:in/oci dir:in/docker", 1, "Exactly one argument expected"),
)

_TAGS = (
    Row("list-tags {T} docker://{http}/diff/tags"),
    Row("list-tags {T} docker://{http}/diff/none", 1, "Error listing repository tags: "),
    Row("list-tags {T} docker://{http}/diff/tags:v1", 1, "No tag or digest allowed in reference"),
    Row("list-tags {T} --creds=user:pass docker://{basic}/diff/oci"),
    Row("list-tags {T} --authfile=in/auth.json docker://{basic}/diff/oci"),
    Row("list-tags {T} --authfile=in/wrong-auth.json docker://{basic}/diff/oci", 1, "Error listing repository tags: "),
    Row("list-tags {T} --creds=user:pass docker://{token}/private/oci"),
    Row("list-tags --cert-dir=in/ca docker://{tls}/diff/oci"),
    Row("list-tags docker-archive:in/docker.tar"),
    Row("list-tags docker-archive:in/untagged.tar"),
    Row("list-tags docker-archive:none.tar", 1, "none.tar"),
    Row("list-tags dir:in/oci", 1, "dir"),
    Row("list-tags oci", 1, "oci"),
    Row("list-tags", 1, ("Exactly one non-option argument expected", "Exactly one argument expected")),
    Row("list-tags a b", 1, ("Exactly one non-option argument expected", "Exactly one argument expected")),
)

_DIGEST = (
    Row("manifest-digest in/manifest.json"),
    Row("manifest-digest in/docker/manifest.json"),
    Row("manifest-digest in/oci-index/manifest.json"),
    Row("manifest-digest in/notes.txt"),
    Row("manifest-digest none.json", 1, "none.json: no such file or directory"),
    Row("manifest-digest", 1,
        ("Usage: skopeo manifest-digest manifest", "Exactly one argument expected: MANIFEST-FILE")),
)

_DELETE = (
    Row("delete {T} docker://{http}/gone/{me}:v1", before=("copy -q {D} dir:in/oci docker://{http}/gone/{me}:v1",)),
    Row("delete {T} docker://{http}/gone2/{me}:v1",
        before=("copy -q {D} dir:in/oci docker://{http}/gone2/{me}:v1", "copy -q {D} dir:in/oci docker://{http}/gone2/{me}:v2")),
    Row("delete {T} docker://{http}/gone3/{me}@{docker}",
        before=("copy -q {D} dir:in/docker docker://{http}/gone3/{me}:v1",), differs=("delete-unread",)),
    Row("delete {T} --creds=user:pass docker://{token}/gone/{me}:v1",
        before=("copy -q {D} --dest-creds=user:pass dir:in/oci docker://{token}/gone/{me}:v1",),
        differs=("delete-scope",)),
    Row("delete {T} docker://{http}/diff/none:v1", 1, "Unable to delete"),
    Row("delete {T} docker://{basic}/diff/oci:v1", 1, "{basic}"),
    Row("delete dir:in/oci", 1, "dir"),
    Row("delete oci:in/layout:none", 2, "no descriptor found for reference"),
    Row("delete", 1, ("Usage: delete imageReference", "Exactly one argument expected: IMAGE-NAME")),
)  # fmt: skip

ROWS = (*_INSPECT, *_TAGS, *_DIGEST, *_DELETE)
