"""Names, wrong usage, global flags, configuration files, the environment."""

from __future__ import annotations

from tests.interop.differential.row import Row

_REJECT = '{"default": [{"type": "reject"}]}'
_ACCEPT = '{"default": [{"type": "insecureAcceptAnything"}]}'
_SCOPED = (
    '{"default": [{"type": "reject"}], "transports": {"docker": {"{http}/diff/oci": [{"type": "insecureAcceptAnything"}]},'
    ' "dir": {"": [{"type": "insecureAcceptAnything"}]}}}'
)
_SIGNED = '{"default": [{"type": "signedBy", "keyType": "GPGKeys", "keyPath": "/none"}]}'
_CONF = "home/.config/containers/registries.conf"
_CERTS = "home/.config/containers/certs.d"
_MIRRORED = """[[registry]]
location = "elsewhere.example/team"
{more}
[[registry.mirror]]
location = "{http}/diff"
insecure = true
"""


def _conf(text: str) -> dict[str, str]:
    return {_CONF: text}


_USAGE = (
    Row("", 1, "skopeo COMMAND'\nTry '", called="skopeo"),
    Row("bogus", 1, "skopeo bogus`\nTry '"),
    Row("--bogus", 1, "unknown flag: --bogus"),
    Row("copy", 1, ("Exactly two arguments expected", "At least two arguments expected")),
    Row("copy dir:in/oci", 1, ("Exactly two arguments expected", "At least two arguments expected")),
    Row("copy --all true dir:in/oci dir:new", 1, ("Exactly two arguments expected", "true is no image name")),
    Row("copy --bogus dir:in/oci dir:new", 1, "unknown flag: --bogus"),
    Row("copy -z dir:in/oci dir:new", 1, "unknown shorthand flag: 'z' in -z"),
    Row("copy dir:in/oci dir:new --format", 1, "flag needs an argument: --format"),
    Row("copy dir:in/oci dir:new -f", 1, "flag needs an argument: 'f' in -f"),
    Row("copy --all=maybe dir:in/oci dir:new", 1, 'invalid argument "maybe" for "-a, --all" flag'),
    Row("copy -q --retry-times=x dir:in/oci dir:new", 1, 'invalid argument "x" for "--retry-times" flag'),
    Row("copy -q -- dir:in/oci dir:new"),
    Row("copy dir:in/oci -q dir:new"),
    Row("copy -qf oci dir:in/docker dir:new"),
    Row("copy -qfoci dir:in/docker dir:new"),
    Row("--version", differs=("version",)),
    Row("-v", differs=("version",)),
    Row("--help", differs=("help-text",), called="skopeo"),
    Row("copy --help", differs=("help-text",), called="skopeo"),
    Row("help inspect", differs=("help-text",), called="skopeo"),
    Row("sync --bogus", 1, "unknown flag: --bogus"),
)

_NAMES = (
    Row("copy -q alpine dir:new", 1,
        'Invalid source name alpine: Invalid image name "alpine", expected colon-separated'),
    Row("copy -q ftp:alpine dir:new", 1,
        'Invalid source name ftp:alpine: Invalid image name "ftp:alpine", unknown transport "ftp"'),
    Row("copy -q dir:in/oci nonsense", 1, "Invalid destination name nonsense: Invalid image name"),
    Row("copy -q docker:alpine dir:new", 1, "docker: image reference alpine does not start with //"),
    Row("copy -q docker://alpine/Upper dir:new", 1, "invalid reference format: repository name must be lowercase"),
    Row("copy -q docker://UPPER/x dir:new", 1, "invalid reference format: repository name must be lowercase"),
    Row("copy -q docker:// dir:new", 1, "invalid reference format"),
    Row("copy -q docker://a:b:c dir:new", 1, "invalid reference format"),
    Row("copy -q docker://a@sha256:123 dir:new", 1, "invalid"),
    Row("copy -q docker-archive:in/docker.tar:UPPER:1 dir:new", 1, "must be lowercase"),
    Row("copy -q docker-archive:in/docker.tar:none:1 dir:new", 1, 'Tag "docker.io/library/none:1" not found',
        differs=("left-behind",)),
    Row("copy -q docker-archive:in/docker.tar:@7 dir:new", 1, "Invalid source index @7", differs=("left-behind",)),
    Row("copy -q oci:in/layout:none dir:new", 2, "no descriptor found for reference",
        differs=("left-behind",)),
    Row("copy -q dir:none dir:new", 1, "no such file or directory", differs=("left-behind",)),
    Row("copy -q dir:in/oci docker-daemon:name@{oci}", 1, "{oci}"),
    Row("inspect docker://UPPER", 1, 'Error parsing image name "docker://UPPER": invalid reference format'),
    Row("copy -q dir:in/oci dir:mine", 1,
        "not a containers image directory, don't want to overwrite important data", files={"mine/thesis": "years"}),
    Row("copy -q dir:in/oci docker-archive:old.tar", 1, "docker-archive doesn't support modifying existing images",
        files={"old.tar": "something"}),
    Row("copy -q dir:in/oci oci-archive:old.tar", 0, "is there and is no OCI archive",
        files={"old.tar": "something"}, differs=("archive-over-file",)),
    Row("copy -q {S} --retry-times=0 docker://127.0.0.1:1/x dir:new", 1, "connection refused",
        differs=("left-behind",)),
    Row("copy -q {S} docker://{http}/diff/oci:none dir:new", 2, "manifest unknown",
        differs=("left-behind",)),
)

_GLOBAL = (
    Row("--insecure-policy copy -q dir:in/oci dir:new", files={"home/.config/containers/policy.json": _REJECT}),
    Row("copy -q --insecure-policy dir:in/oci dir:new", files={"home/.config/containers/policy.json": _REJECT}),
    Row("copy -q dir:in/oci dir:new", 1, "Source image rejected",
        files={"home/.config/containers/policy.json": _REJECT}, differs=("left-behind",)),
    Row("--policy p.json copy -q dir:in/oci dir:new", 1, "Source image rejected: Running image dir:",
        files={"p.json": _REJECT}, differs=("left-behind",)),
    Row("--policy p.json copy -q dir:in/oci dir:new", files={"p.json": _ACCEPT}),
    Row("--policy p.json copy -q {S} docker://{http}/diff/oci:v1 dir:new", files={"p.json": _SCOPED}),
    Row("--policy p.json copy -q {S} docker://{http}/diff/docker:v1 dir:new", 1, "Source image rejected",
        files={"p.json": _SCOPED}, differs=("left-behind",)),
    Row("--policy p.json copy -q dir:in/oci dir:new", 1, "A signature was required",
        files={"p.json": _SIGNED}, differs=("left-behind",)),
    Row("--policy p.json copy -q dir:in/oci dir:new", 1, "Error loading trust policy", files={"p.json": '{"x": 1}'}),
    Row("--policy none.json copy -q dir:in/oci dir:new", 1, "Error loading trust policy: open none.json"),
    Row("--policy p.json inspect --raw dir:in/oci", files={"p.json": _REJECT}),
    Row("--command-timeout=1m inspect --raw dir:in/oci"),
    Row("--command-timeout=1ns inspect {T} --raw docker://{http}/diff/oci:v1", 1,
        ("context deadline exceeded", "as --command-timeout says")),
    Row("--command-timeout=soon inspect --raw dir:in/oci", 1, 'invalid argument "soon" for "--command-timeout" flag'),
    Row("--tmpdir=in copy -q oci-archive:in/oci.tar:v1 dir:new"),
    Row("--tmpdir=none copy -q oci-archive:in/oci.tar:v1 dir:new", 1, "none", differs=("tmpdir-unused",)),
    Row("--debug inspect {T} --raw docker://{http}/diff/oci:v1"),
    Row("--registries.d=d inspect --raw dir:in/oci", files={"d/x.yaml": "docker: {}\n"}),
)

_CONFIGURED = (
    Row("inspect --raw docker://elsewhere.example/team/oci:v1", files=_conf(_MIRRORED.replace("{more}", ""))),
    Row("copy -q docker://elsewhere.example/team/oci:v1 dir:new", files=_conf(_MIRRORED.replace("{more}", ""))),
    Row("inspect -n docker://elsewhere.example/team/oci:v1 -f '{{.Name}} {{.Digest}}'",
        files=_conf(_MIRRORED.replace("{more}", ""))),
    Row("inspect --raw docker://elsewhere.example/team/oci@{oci}",
        files=_conf(_MIRRORED.replace("{more}", "mirror-by-digest-only = true"))),
    Row("list-tags docker://elsewhere.example/team/oci", 1, "elsewhere.example",
        files=_conf(_MIRRORED.replace("{more}", "")), differs=("mirrored-tags",)),
    Row("inspect --raw docker://short.example/oci:v1",
        files=_conf('[[registry]]\nprefix = "short.example"\nlocation = "{http}/diff"\ninsecure = true\n')),
    Row("inspect --raw docker://any.short.example/diff/oci:v1",
        files=_conf('[[registry]]\nprefix = "*.short.example"\nlocation = "{http}"\ninsecure = true\n')),
    Row("inspect --raw docker://{http}/diff/oci:v1",
        files=_conf('[[registry]]\nlocation = "{http}"\ninsecure = true\n')),
    Row("copy -q dir:in/oci docker://{http}/conf/{me}:v1",
        files=_conf('[[registry]]\nlocation = "{http}"\ninsecure = true\n')),
    Row("inspect {T} --raw docker://{http}/diff/oci:v1", 1, "is blocked in",
        files=_conf('[[registry]]\nlocation = "{http}"\nblocked = true\n')),
    Row("copy -q {D} dir:in/oci docker://{http}/conf2/{me}:v1", 1, "is blocked in",
        files=_conf('[[registry]]\nlocation = "{http}"\nblocked = true\n')),
    Row("delete {T} docker://{http}/diff/oci:v1", 1, "is blocked in",
        files=_conf('[[registry]]\nlocation = "{http}"\nblocked = true\n')),
    Row("inspect {T} --raw docker://{http}/diff/oci:v1", 1, "registries.conf", files=_conf("[[registry]\n")),
    Row("inspect {T} --raw docker://{http}/diff/oci:v1", says="must be in v2 format but is in v1",
        files=_conf('[registries.search]\nregistries = ["docker.io"]\n'), differs=("v1-registries",)),
    Row("--registries-conf=r.conf inspect --raw docker://{http}/diff/oci:v1",
        files={"r.conf": '[[registry]]\nlocation = "{http}"\ninsecure = true\n'}),
    Row("--registries-conf=none.conf inspect {T} --raw docker://{http}/diff/oci:v1", 1, "none.conf"),
    Row("inspect --raw docker://{http}/diff/oci:v1",
        files={f"{_CONF}.d/50-mine.conf": '[[registry]]\nlocation = "{http}"\ninsecure = true\n'}),
    Row("inspect {T} --raw docker://{basic}/diff/oci:v1",
        files={"home/run/containers/auth.json": '{"auths": {"{basic}": {"auth": "dXNlcjpwYXNz"}}}'}),
    Row("inspect {T} --raw docker://{basic}/diff/oci:v1",
        files={"home/.config/containers/auth.json": '{"auths": {"{basic}": {"auth": "dXNlcjpwYXNz"}}}'}),
    Row("inspect {T} --raw docker://{basic}/diff/oci:v1",
        files={"home/.docker/config.json": '{"auths": {"http://{basic}/v2/": {"auth": "dXNlcjpwYXNz"}}}'}),
    Row("inspect {T} --raw docker://{basic}/diff/oci:v1",
        files={"home/.dockercfg": '{"{basic}": {"auth": "dXNlcjpwYXNz"}}'}),
    Row("inspect {T} --raw docker://{basic}/diff/oci:v1", env={"DOCKER_CONFIG": "{here}/c"},
        files={"c/config.json": '{"auths": {"{basic}": {"auth": "dXNlcjpwYXNz"}}}'}),
    Row("inspect {T} --raw docker://{basic}/diff/oci:v1",
        files={"home/run/containers/auth.json": '{"auths": {"{basic}/diff/oci": {"auth": "dXNlcjpwYXNz"}, "{basic}": {"auth": "eDp5"}}}'}),
    Row("inspect {T} --raw --authfile=bad.json docker://{basic}/diff/oci:v1", 1, "bad.json", files={"bad.json": "{"}),
    Row("inspect {T} --raw --authfile=none.json docker://{http}/diff/oci:v1"),
    Row("inspect --raw docker://{tls}/diff/oci:v1", env={"SSL_CERT_FILE": "in/ca/ca.crt"}),
    Row("inspect {T} --raw docker://{http}/diff/oci:v1", env={"TMPDIR": "in"}),
    Row("inspect {T} --raw docker://{http}/diff/oci:v1", env={"HTTP_PROXY": "http://127.0.0.1:1"}),
    Row("inspect {T} --raw docker://{http}/diff/oci:v1", env={"CONTAINERS_POLICY_JSON": "none.json"}),
    Row("inspect --raw docker-daemon:example.com/team/app:1", 1, "docker.sock",
        env={"DOCKER_HOST": "{daemon}"}, differs=("docker-host",)),
)  # fmt: skip

ROWS = (*_USAGE, *_NAMES, *_GLOBAL, *_CONFIGURED)
