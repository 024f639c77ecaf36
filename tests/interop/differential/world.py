"""What the command lines meet: four registries with the same images, and a folder of images in files."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from tests.support.cli import succeed
from tests.support.commands import skopeo
from tests.support.fake_daemon import FakeDaemon
from tests.support.images import build
from tests.support.outputs import write_dir, write_layout, write_layout_archive
from tests.support.peers import Registry
from tests.support.tls import Authority
from tests.support.token_server import TokenServer

KINDS = ("docker", "oci", "docker-list", "oci-index", "oci-index-attested", "artifact", "oci-history", "oci-zstd")
_ACCESS = re.compile(r'"([A-Z]+) (\S+) HTTP/1\.1" (\d+) \d+ "[^"]*" "([^"]*)"')
_ROUTE = re.compile(r"/v2/(.+)/(manifests|blobs|tags)/(.+)")

Request = tuple[str, str, str, str]


@dataclass(frozen=True, slots=True)
class World:
    """The places, and what the tables call them."""

    registries: dict[str, Registry]
    tokens: TokenServer
    daemon: FakeDaemon
    folder: Path

    @property
    def names(self) -> dict[str, str]:
        """What stands for ``{...}`` in a row, but for what belongs to it alone."""
        index, listed = build("oci-index"), build("docker-list")
        return {
            **{name: registry.host for name, registry in self.registries.items()},
            "oci": build("oci").digest,
            "docker": build("docker").digest,
            "index": index.digest,
            "list": listed.digest,
            "child": index.child(0).digest,
            "none": f"sha256:{'0' * 64}",
            "daemon": self.daemon.host,
            "image-id": build("docker").config_digest(),
            "S": "--src-tls-verify=false",
            "D": "--dest-tls-verify=false",
            "T": "--tls-verify=false",
        }

    def filled(self, text: str, **more: str) -> str:
        """``text`` with `names` in it, and ``more`` of them."""
        for name, value in (self.names | more).items():
            text = text.replace(f"{{{name}}}", value)
        return text

    def marks(self) -> dict[str, int]:
        """Where the logs end now; for `requests`."""
        return {name: registry.log_path.stat().st_size for name, registry in self.registries.items()} | {
            "token server": len(self.tokens.requests)
        }

    def requests(self, since: dict[str, int], agent: str) -> frozenset[Request]:
        """What ``agent`` read and wrote since then: of what was refused only what is not there."""
        found: set[Request] = set()
        for name, registry in self.registries.items():
            with registry.log_path.open("rb") as log:
                log.seek(since[name])
                text = log.read().decode(errors="replace")
            for method, target, status, sender in _ACCESS.findall(text):
                if sender.startswith(agent) and (request := _meaning(method, target, int(status))):
                    found.add((name, *request))
        for asked in self.tokens.requests[since["token server"] :]:
            if (asked.header("User-Agent") or "").startswith(agent):
                found.update(("token server", "scope", scope, "") for scope in asked.query.get("scope", ()))
        return frozenset(found)


def _meaning(method: str, target: str, status: int) -> tuple[str, str, str] | None:
    parts = urlsplit(target)
    route = _ROUTE.fullmatch(unquote(parts.path))
    if route is None:
        return None
    repository, kind, what = route.groups()
    done = status < 400
    if kind == "tags":
        return ("tags" if done else "tags refused", repository, "") if status != 401 else None
    if kind == "manifests":
        if done:
            return {"GET": "read", "HEAD": "read", "PUT": "put", "DELETE": "delete"}[method], repository, what
        return ("not there", repository, what) if method == "GET" and status == 404 else None
    query = parse_qs(parts.query)
    if what.startswith("uploads") and status == 201:
        return "upload", repository, (query.get("digest") or query["mount"])[0]
    return ("download", repository, what) if method == "GET" and done and not what.startswith("uploads") else None


def fill(folder: Path, registries: dict[str, Registry], authority: Authority) -> bytes:
    """Put the images where the tables look for them; returns the archive a Docker daemon would give of one."""
    for kind in KINDS:
        image = build(kind)
        for name, registry in registries.items():
            registry.push(image, f"public/{kind}" if name == "token" else f"diff/{kind}", "v1")
        write_dir(image, folder / kind)
        if kind not in ("docker", "docker-list"):
            write_layout(image, folder / "layout", tag=kind)
    for tag in ("v1", "v2", "latest"):
        registries["http"].push(build("oci"), "diff/tags", tag)
    registries["http"].push(build("oci"), "diff/oci", "latest")
    registries["token"].push(build("oci"), "private/oci", "v1")
    write_layout(build("oci"), folder / "single", tag="v1")
    write_layout_archive(build("oci"), folder / "oci.tar", tag="v1")
    archive = folder / "docker.tar"
    succeed(skopeo("copy", f"dir:{folder}/docker", f"docker-archive:{archive}:example.com/team/app:1"))
    succeed(skopeo("copy", f"dir:{folder}/docker", f"docker-archive:{folder}/untagged.tar"))
    oci = build("oci")
    (folder / "layer.tar").write_bytes(oci.tars[oci.layer_digests()[0]])
    (folder / "manifest.json").write_bytes(oci.root.raw)
    (folder / "notes.txt").write_text("no image\n")
    for name, certificate in (("ca", authority.path), ("other-ca", Authority.create(folder / "other").path)):
        (folder / name).mkdir()
        shutil.copy(certificate, folder / name / "ca.crt")
    basic = {registries["basic"].host: "user:pass", registries["token"].host: "user:pass"}
    for name, secrets in (("auth", basic), ("wrong-auth", dict.fromkeys(basic, "user:wrong"))):
        (folder / f"{name}.json").write_text(auth_json(secrets))
        (folder / f"{name}.json").chmod(0o600)
    return archive.read_bytes()


def auth_json(secrets: dict[str, str]) -> str:
    """A credentials file."""
    import base64

    return json.dumps({"auths": {host: {"auth": base64.b64encode(s.encode()).decode()} for host, s in secrets.items()}})
