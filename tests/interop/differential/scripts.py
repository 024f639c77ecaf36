"""Command lines as they are in public CI scripts, Makefiles and manuals, where the program is called ``skopeo``."""

from __future__ import annotations

from tests.interop.differential.row import Row

_CONF = "home/.config/containers/registries.conf"
_YAML = "{http}:\n  tls-verify: false\n  images:\n    diff/tags: [v1, v2]\n  images-by-tag-regex:\n    diff/docker: ^v.*$\n"
_AUTH = {"home/run/containers/auth.json": '{"auths": {"{basic}": {"auth": "dXNlcjpwYXNz"}}}'}
_TRUSTED = {_CONF: '[[registry]]\nlocation = "{http}"\ninsecure = true\n'}
_BOTH_CREDS = "--src-creds user:pass --dest-creds user:pass"

_COPY = (
    Row("copy docker://{http}/diff/oci:v1 docker://{http}/ci1/{me}:v1", files=_TRUSTED),
    Row("copy --all {S} {D} docker://{http}/diff/oci-index:v1 docker://{http}/ci2/{me}:v1"),
    Row("copy --multi-arch=all {S} {D} docker://{http}/diff/docker-list:v1 docker://{http}/ci3/{me}:v1"),
    Row("copy --all --preserve-digests {S} {D} docker://{http}/diff/oci-index:v1 docker://{http}/ci4/{me}:v1"),
    Row("copy --src-tls-verify=false --dest-tls-verify=false " + _BOTH_CREDS
        + " docker://{basic}/diff/docker:v1 docker://{token}/ci/{me}:v1"),
    Row("copy {S} {D} --screds user:pass --dcreds user:pass docker://{basic}/diff/oci:v1 docker://{basic}/ci2/{me}:v1"),
    Row("copy --authfile in/auth.json {S} {D} docker://{token}/private/oci:v1 docker://{basic}/ci3/{me}:v1"),
    Row("--insecure-policy copy {D} docker-archive:in/docker.tar docker://{http}/ci5/{me}:v1"),
    Row("--insecure-policy copy {D} oci-archive:in/oci.tar docker://{http}/ci6/{me}:v1"),
    Row("copy {D} --format v2s2 dir:in/oci docker://{http}/ci7/{me}"),
    Row("copy {D} oci:in/layout:oci-zstd docker://{http}/ci8/{me}:v1"),
    Row("copy {S} docker://{http}/diff/oci:v1 dir:out"),
    Row("copy {S} docker://{http}/diff/oci:v1 oci:out:v1"),
    Row("copy {S} docker://{http}/diff/oci-zstd:v1 oci:out:v1"),
    Row("copy {S} docker://{http}/diff/docker:v1 oci:out:v1"),
    Row("copy {S} docker://{http}/diff/docker:v1 docker-archive:out.tar:app:v1"),
    Row("copy {S} --additional-tag app:latest docker://{http}/diff/oci:v1 docker-archive:out.tar:app:v1"),
    Row("copy {S} docker://{http}/diff/docker:v1 oci-archive:new.oci.tar:v1"),
    Row("copy {S} --dest-daemon-host {daemon} docker://{http}/diff/oci:v1 docker-daemon:ci/{me}:v1"),
    Row("copy -q {S} --digestfile digest docker://{http}/diff/oci:v1 dir:out"),
    Row("--override-os linux --override-arch arm64 copy {S} docker://{http}/diff/docker-list:v1 dir:out"),
    Row("copy --retry-times 3 --remove-signatures {S} docker://{http}/diff/docker-list:v1 dir:out"),
    Row("copy --tls-verify=false docker://{http}/diff/oci:v1 dir:out"),
    Row("--tls-verify=false copy docker://{http}/diff/oci:v1 dir:out"),
    Row("copy --dest-precompute-digests --dest-tls-verify=false dir:in/docker docker://{http}/ci9/{me}:v1"),
)

_ASK = (
    Row("inspect {T} docker://{http}/diff/tags"),
    Row("inspect {T} docker://{http}/diff/docker-list:v1"),
    Row("inspect docker://{http}/diff/oci:v1 --tls-verify=false --format '{{.Digest}}'"),
    Row("inspect {T} --format '{{ .Name }}@{{ .Digest }}' docker://{http}/diff/oci:v1"),
    Row("inspect {T} --format '{{json .Labels}} {{index .Labels \"a\"}}' docker://{http}/diff/oci:v1"),
    Row("inspect {T} --raw docker://{http}/diff/oci-index:v1"),
    Row("inspect {T} --config docker://{http}/diff/docker:v1"),
    Row("inspect {T} --config --raw docker://{http}/diff/docker:v1"),
    Row("inspect {T} --override-os linux --override-arch arm64 --format '{{.Digest}}' docker://{http}/diff/oci-index:v1"),
    Row("inspect {T} --authfile in/auth.json docker://{token}/private/oci:v1"),
    Row("inspect {T} --creds user:pass --no-tags docker://{basic}/diff/oci:v1"),
    Row("inspect --raw oci-archive:in/oci.tar"),
    Row("inspect docker-archive:in/docker.tar"),
    Row("list-tags {T} docker://{http}/diff/tags"),
    Row("list-tags {T} --creds user:pass docker://{token}/private/oci"),
    Row("manifest-digest in/oci/manifest.json"),
    Row("delete {T} docker://{http}/ci10/{me}:v1", before=("copy -q {D} dir:in/oci docker://{http}/ci10/{me}:v1",)),
    Row("delete docker://{token}/ci2/{me}:v1 --tls-verify=false --creds user:pass",
        before=("copy -q {D} --dest-creds=user:pass dir:in/oci docker://{token}/ci2/{me}:v1",)),
    Row("login {T} -u user -p pass {basic}"),
    Row("login {T} --username user --password-stdin {token}", stdin="pass\n"),
    Row("login {T} --authfile mine.json -u user --password pass {basic}"),
    Row("login --get-login {basic}", files=_AUTH),
    Row("logout {basic}", files=_AUTH),
    Row("logout --all", files=_AUTH),
)

_SYNC = (
    Row("sync --all --insecure-policy {S} {D} --override-arch amd64 --override-os linux --src docker --dest dir"
        " {http}/diff/oci-index:v1 out"),
    Row("sync --src docker --dest dir --scoped {S} {http}/diff/docker:v1 out"),
    Row("sync --src docker --dest dir {S} {http}/diff/tags out"),
    Row("sync --src docker --dest docker --tls-verify=false {http}/diff/oci:v1 {http}/ci11/{me}"),
    Row("sync --all --retry-times 5 --src docker --dest docker {S} {D} {http}/diff/docker-list {http}/ci12/{me}"),
    Row("sync --src docker --dest docker {S} {D} {http}/diff/oci:v1 {http}/ci13/{me}",
        before=("sync --src docker --dest docker {S} {D} {http}/diff/oci:v1 {http}/ci13/{me}",)),
    Row("sync --scoped --src yaml --dest dir sync.yaml out", files={"sync.yaml": _YAML}),
    Row("sync --src yaml --dest docker {D} --keep-going sync.yaml {http}/ci14/{me}", files={"sync.yaml": _YAML}),
    Row("sync --src dir --dest docker {D} in/docker {http}/ci15/{me}"),
    Row("sync --dry-run --src docker --dest docker {S} {D} {http}/diff/oci:v1 {http}/ci16/{me}"),
    Row("sync --remove-signatures --src docker --dest dir {S} {http}/diff/docker:v1 out"),
    Row("sync -s docker -d docker {S} {D} --append-suffix=-mirror {http}/diff/oci:v1 {http}/ci17/{me}"),
)

FAILING = (
    Row("copy docker:alpine test", 1, "Invalid source name docker:alpine: docker: image reference alpine does not start with //"),
    Row("copy {S} {D} docker://{http}/diff/oci:none docker://{http}/ci18/{me}:v1", 2,
        "initializing source docker://{http}/diff/oci:none: reading manifest none in {http}/diff/oci: manifest unknown"),
    Row("copy {S} docker://{basic}/diff/oci:v1 dir:out", 1, "authentication required"),
    Row("copy {S} --src-creds user:wrong docker://{basic}/diff/oci:v1 dir:out", 1, "authentication required"),
    Row("copy {D} dir:in/oci docker://{token}/ci3/{me}:v1", 1, "requested access to the resource is denied"),
    Row("copy docker://{http}/diff/oci:v1 dir:out", 1, "server gave HTTP response to HTTPS client"),
    Row("copy docker://{tls}/diff/oci:v1 dir:out", 1, "certificate signed by unknown authority"),
    Row("copy {S} --retry-times=0 docker://127.0.0.1:1/diff/oci:v1 dir:out", 1, "connection refused"),
    Row("copy {S} docker://{http}/diff/docker:v1 docker-archive:out.tar:app:v1", 1,
        "docker-archive doesn't support modifying existing images", files={"out.tar": "something"}),
    Row("copy oci:in/none:v1 dir:out", 1, "no such file or directory"),
    Row("copy --src-daemon-host unix:///none/docker.sock docker-daemon:none:v1 dir:out", 1,
        "Cannot connect to the Docker daemon at unix:///none/docker.sock"),
    Row("inspect {T} docker://{http}/diff/oci:none", 2,
        'Error parsing image name "docker://{http}/diff/oci:none": reading manifest none in {http}/diff/oci: manifest unknown'),
    Row("inspect {T} docker://{token}/private/oci:v1", 1, "requested access to the resource is denied"),
    Row("inspect --raw docker://{http}/diff/oci:v1", 1, "server gave HTTP response to HTTPS client"),
    Row("inspect {T} --format '{{.Nothing}}' docker://{http}/diff/oci:v1", 1, "can't evaluate field Nothing in type interface {}"),
    Row("inspect docker://UPPER/x", 1, 'Error parsing image name "docker://UPPER/x": invalid reference format'),
    Row("list-tags {T} docker://{http}/diff/none", 1, "Error listing repository tags: fetching tags list: "),
    Row("list-tags {T} docker://{http}/diff/none", 1, "repository name not known to registry"),
    Row("list-tags {T} docker://{token}/private/oci", 1,
        "Error listing repository tags: fetching tags list: requested access to the resource is denied"),
    Row("delete {T} docker://{http}/diff/oci:none", 1,
        "Unable to delete {http}/diff/oci:none. Image may not exist or is not stored with a v2 Schema in a v2 registry"),
    Row("delete {T} docker://{basic}/diff/oci:v1", 1, "deleting {basic}/diff/oci:v1: "),
    Row("login {T} -u user -p wrong {basic}", 1, 'logging into "{basic}": invalid username/password'),
    Row("login {T} -u user -p wrong {token}", 1, 'logging into "{token}": invalid username/password'),
    Row("logout {http}", 1, "not logged into {http}"),
    Row("sync --src docker --dest docker {S} {D} {http}/diff/oci:none {http}/ci19/{me}", 2,
        'Error copying ref "docker://{http}/diff/oci:none": '),
    Row("sync --src docker --dest docker {S} {D} {http}/diff/none {http}/ci20/{me}", 1,
        "Error determining repository tags for repo {http}/diff/none: fetching tags list: "),
    Row("sync --src yaml --dest docker {D} --keep-going sync.yaml {http}/ci21/{me}", 1,
        "Sync failed due to previous reported error(s) for one or more images",
        files={"sync.yaml": "{http}:\n  tls-verify: false\n  images: {diff/oci: [none, v1]}\n"}),
    Row("copy --no-such-flag docker://a/b dir:x", 1, "unknown flag: --no-such-flag"),
    Row("coppy docker://a/b dir:x", 1, "Unrecognized command `skopeo coppy`"),
    Row("copy docker://a/b", 1, "Exactly two arguments expected"),
)  # fmt: skip

ROWS = (*_COPY, *_ASK, *_SYNC)
