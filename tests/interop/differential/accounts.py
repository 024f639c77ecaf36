"""``login``, ``logout`` and ``sync``."""

from __future__ import annotations

from tests.interop.differential.row import Row

_AUTH = {"home/run/containers/auth.json": '{"auths": {"{basic}": {"auth": "dXNlcjpwYXNz"}}, "more": 1}'}

_LOGIN = (
    Row("login {T} -u user -p pass {basic}"),
    Row("login {T} -u user -p pass {token}"),
    Row("login --cert-dir=in/ca -u user -p pass {tls}"),
    Row("login {T} -u user -p wrong {basic}", 1, 'logging into "{basic}": invalid username/password'),
    Row("login {T} -u user -p pass -v {basic}"),
    Row("login {T} -u user --password-stdin {basic}", stdin="pass\n"),
    Row("login {T} --password-stdin {basic}", 1, "ust provide --username with --password-stdin", stdin="pass"),
    Row("login {T} -u user -p pass --authfile=mine.json {basic}"),
    Row("login {T} -u user -p pass {basic}", env={"REGISTRY_AUTH_FILE": "mine.json"}),
    Row("login {T} -u user -p pass {basic}/team/app"),
    Row("login {T} -u user -p pass http://{basic}"),
    Row("login {T} {basic}", files=_AUTH),
    Row("login --get-login {basic}", files=_AUTH),
    Row("login --get-login {basic}", 1, "not logged into {basic}"),
    Row("login", 1, "please provide a registry to log"),
    Row("login a b", 1, "accepts only one registry"),
    Row("login {T} {basic}", 1, "username", stdin=""),
    Row("login -u user -p pass {basic}", 1, "{basic}"),
    Row("logout {basic}", files=_AUTH, differs=("credential-fields",)),
    Row("logout --all", files=_AUTH, differs=("credential-fields",)),
    Row("logout {http}", 1, "not logged into {http}", files=_AUTH, differs=("credential-file-kept",)),
    Row("logout --authfile=mine.json {basic}", files={"mine.json": '{"auths": {"{basic}": {"auth": "dXNlcjpwYXNz"}}}'}),
    Row("logout --authfile=none.json {basic}", 1, "credential file is not accessible: faccessat none.json: no such file or directory"),
    Row("logout", 1, "please provide a registry to log"),
    Row("logout --all {basic}", 1, "arguments"),
    Row("logout {T} {basic}", files=_AUTH, differs=("credential-fields",)),
    Row("login {T} -u user -p pass {basic}",
        files={"home/run/containers/auth.json": '{"auths": {"x.example": {"auth": "eDp5"}}, "credHelpers": {"y.example": "z"}}'}),
)

_YAML = """
{http}:
  tls-verify: false
  images:
    diff/tags: [v1, v2]
    diff/oci: []
{basic}:
  tls-verify: false
  credentials: {username: user, password: pass}
  images-by-tag-regex:
    diff/docker: ^v
"""

_SYNC = (
    Row("sync -s docker -d dir {S} {http}/diff/oci:v1 out", differs=("progress", "sync-record")),
    Row("sync -s docker -d dir {S} {http}/diff/tags out", differs=("progress", "sync-record")),
    Row("sync --src docker --dest dir {S} --scoped {http}/diff/oci:v1 out", differs=("progress", "sync-record")),
    Row("sync --src docker --dest dir {S} --all {http}/diff/oci-index:v1 out", differs=("progress", "sync-record")),
    Row("sync --src docker --dest docker {S} {D} {http}/diff/tags {http}/sync/{me}",
        differs=("progress", "moved-once", "sync-head")),
    Row("sync --src docker --dest docker {S} {D} --dest-creds=user:pass --scoped {http}/diff/oci:v1 {basic}/sync/{me}", 1,
        "Cannot obtain a valid image reference for transport"),
    Row("sync --src docker --dest docker {S} {D} --dest-creds=user:pass {http}/diff/oci:v1 {basic}/sync/{me}",
        differs=("progress", "sync-head")),
    Row("sync --src docker --dest docker {S} {D} --src-creds=user:pass --dest-creds=user:pass {token}/private/oci {basic}/sync2/{me}",
        differs=("progress", "sync-head")),
    Row("sync --src docker --dest docker {S} {D} {http}/diff/tags {http}/sync3/{me}",
        before=("sync --src docker --dest docker {S} {D} {http}/diff/tags {http}/sync3/{me}",),
        differs=("progress", "moved-once")),
    Row("sync --src dir --dest docker {D} in/oci {http}/sync4/{me}", differs=("progress", "sync-head")),
    Row("sync --src yaml --dest dir y.yaml out", files={"y.yaml": _YAML},
        differs=("progress", "sync-record", "moved-once")),
    Row("sync --src yaml --dest docker {D} --dest-creds=user:pass y.yaml {basic}/sync5/{me}",
        files={"y.yaml": _YAML}, differs=("progress", "moved-once", "sync-head")),
    Row("sync --src docker --dest dir --dry-run {S} {http}/diff/oci:v1 out", differs=("sync-dry-run",)),
    Row("sync --src docker --dest docker --dry-run {S} {D} {http}/diff/oci:v1 {http}/sync6/{me}"),
    Row("sync --src docker --dest dir {S} {http}/diff/oci:v1 out",
        1, "Refusing to overwrite", before=("sync --src docker --dest dir {S} {http}/diff/oci:v1 out",),
        differs=("sync-update",)),
    Row("sync --src yaml --dest dir --keep-going y.yaml out", 1, "Sync failed due to previous reported error(s)",
        files={"y.yaml": "{http}:\n  tls-verify: false\n  images: {diff/oci: [none, v1]}\n"},
        differs=("progress", "left-behind", "sync-record")),
    Row("sync --src yaml --dest dir y.yaml out",
        files={"y.yaml": "{http}:\n  tls-verify: false\n  images: {diff/none: [], diff/oci: [v1]}\n"},
        says="Sync failed due to", differs=("progress", "sync-record", "sync-listing")),
    Row("sync --src yaml --dest dir y.yaml out",
        files={"y.yaml": "{http}:\n  tls-verify: false\n  images-by-tag-regex: {diff/tags: '('}\n  images: {diff/oci: [v1]}\n"},
        says="Sync failed due to", differs=("progress", "sync-record", "sync-listing")),
    Row("sync --src docker --dest dir {S} {http}/diff/none out", 1, "Error determining repository tags for "),
    Row("sync --src docker --dest dir {S} {http}/diff/oci:none out", 2,
        "reading manifest none in {http}/diff/oci: manifest unknown", differs=("left-behind",)),
    Row("sync --src dir --dest dir a b", 1, "sync from 'dir' to 'dir' not implemented"),
    Row("sync --src oci --dest dir in/layout out", 1, '"oci" is not a valid source transport', differs=("sync-oci",)),
    Row("sync --src rsync --dest dir a b", 1, '"rsync" is not a valid source transport'),
    Row("sync --src docker a b", 1, "A destination transport must be specified"),
    Row("sync --dest docker a b", 1, "A source transport must be specified"),
    Row("sync --src docker --dest dir a", 1, "Exactly two arguments expected"),
    Row("sync --src yaml --dest dir none.yaml out", 1, "none.yaml"),
    Row("sync --src docker --dest dir {S} --format=oci {http}/diff/docker:v1 out", differs=("progress", "sync-record")),
    Row("sync --src docker --dest dir {S} --preserve-digests --format=oci {http}/diff/docker:v1 out",
        says="Instructed to preserve digests", differs=("preserve-digests",)),
    Row("sync --src docker --dest dir {S} --override-arch=arm64 {http}/diff/oci-index:v1 out",
        differs=("progress", "sync-record")),
)

ROWS = (*_LOGIN, *_SYNC)
