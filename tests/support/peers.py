"""Real programs on loopback: `Registry` (docker-registry), `Nginx`, `Dockerd`."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .images import BuiltImage
from .outputs import push
from .processes import Peer, PeerFailed, free_port
from .require import find_program

if TYPE_CHECKING:
    from .tls import ServerCertificate
    from .token_server import TokenServer

__all__ = ["Dockerd", "Nginx", "Peer", "PeerFailed", "Registry", "proxy_to", "static_files"]


class Registry(Peer):
    """docker-registry with the given options, on a port of its own choice.

    ``htpasswd`` maps users to passwords. ``storage`` is kept; without it the images go with the registry.
    """

    def __init__(
        self,
        *,
        tls: ServerCertificate | None = None,
        htpasswd: Mapping[str, str] | None = None,
        token: TokenServer | None = None,
        delete: bool = True,
        storage: Path | None = None,
    ) -> None:
        super().__init__()
        self.tls = tls
        self._htpasswd = dict(htpasswd or {})
        self._token = token
        self._delete = delete
        self._storage = storage or self.folder / "storage"
        self.port = 0

    @property
    def host(self) -> str:
        """``127.0.0.1:PORT``, as it stands in image names."""
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """The origin, without a slash at its end."""
        return f"{'https' if self.tls else 'http'}://{self.host}"

    def name(self, repository: str, tag: str = "latest") -> str:
        """``docker://HOST/REPOSITORY:TAG``."""
        return f"docker://{self.host}/{repository}:{tag}"

    def push(self, image: BuiltImage, repository: str, tag: str | None = "latest") -> str:
        """Push ``image`` as the first known user; returns its digest."""
        credentials = next(iter(self._htpasswd.items()), None)
        token = self._token.token_for(f"repository:{repository}:pull,push") if self._token else None
        context = self.tls.client_context() if self.tls else None
        return push(image, self.url, repository, tag, credentials=credentials, token=token, context=context)

    def command(self) -> Sequence[str]:
        """Serve; JSON is YAML too."""
        path = self.folder / "config.yml"
        path.write_text(json.dumps(self._config()))
        return ("docker-registry", "serve", str(path))

    def is_ready(self) -> bool:
        """It tells its port when it listens: nothing else can be mistaken for it."""
        told = re.search(r"listening on 127\.0\.0\.1:(\d+)", self.log)
        if told is None:
            return False
        self.port = int(told[1])
        return True

    def _config(self) -> dict[str, object]:
        http: dict[str, object] = {"addr": "127.0.0.1:0", "secret": "not a secret", "http2": {"disabled": True}}
        if self.tls:
            clients = [str(self.tls.client_authority)] if self.tls.client_authority else []
            pair = self.tls.pair
            http["tls"] = {"certificate": str(pair.certificate), "key": str(pair.key), "clientcas": clients}
        config: dict[str, object] = {
            "version": "0.1",
            "log": {"level": "info"},
            "storage": {
                "filesystem": {"rootdirectory": str(self._storage)},
                "delete": {"enabled": self._delete},
                "maintenance": {"uploadpurging": {"enabled": False}},
            },
            "http": http,
        }
        if self._htpasswd:
            config["auth"] = {"htpasswd": {"realm": "test", "path": str(self._write_htpasswd())}}
        if self._token:
            rules = self._token.rules
            config["auth"] = {
                "token": {
                    "realm": self._token.realm,
                    "service": rules.service,
                    "issuer": rules.issuer,
                    "rootcertbundle": str(self._token.root_bundle),
                }
            }
        return config

    def _write_htpasswd(self) -> Path:
        program = find_program("htpasswd")
        if program is None:
            raise PeerFailed("the program htpasswd is not installed")
        lines = [
            subprocess.run([program, "-niBC5", user], input=password.encode(), capture_output=True, check=True).stdout
            for user, password in self._htpasswd.items()
        ]
        path = self.folder / "htpasswd"
        path.write_bytes(b"\n".join(line.strip() for line in lines) + b"\n")
        return path


class Nginx(Peer):
    """nginx with ``config`` in its one ``server`` block (locations, usually)."""

    def __init__(self, config: str, *, tls: ServerCertificate | None = None) -> None:
        super().__init__()
        self._config = config
        self.tls = tls
        self.port = 0

    @property
    def host(self) -> str:
        """``127.0.0.1:PORT``."""
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """The origin, without a slash at its end."""
        return f"{'https' if self.tls else 'http'}://{self.host}"

    def command(self) -> Sequence[str]:
        """In the foreground, with everything in its own folder."""
        self.port = free_port()
        folder = self.folder
        kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        temporary = "".join(f"  {kind}_temp_path {folder}/{kind};\n" for kind in kinds)
        tls = ""
        if self.tls:
            tls = f"    ssl_certificate {self.tls.pair.certificate};\n    ssl_certificate_key {self.tls.pair.key};\n"
        text = (
            f"{'user root;' if os.geteuid() == 0 else ''}\n"
            f"daemon off; master_process on; worker_processes 1; pid {folder}/pid; error_log stderr warn;\n"
            "events { worker_connections 256; }\nhttp {\n"
            f"  access_log {folder}/access.log;\n  client_max_body_size 0;\n{temporary}"
            f"  server {{\n    listen {self.host}{' ssl' if self.tls else ''};\n{tls}{self._config}\n  }}\n}}\n"
        )
        path = folder / "nginx.conf"
        path.write_text(text)
        return ("nginx", "-p", str(folder), "-e", "stderr", "-c", str(path))

    def is_ready(self) -> bool:
        """Whether its port answers; the pid file says that it is ours."""
        return (self.folder / "pid").exists() and _answers(self.port)

    @property
    def access_log(self) -> str:
        """The requests so far, as nginx writes them."""
        path = self.folder / "access.log"
        return path.read_text() if path.exists() else ""


def proxy_to(url: str, location: str = "/", more: str = "") -> str:
    """An nginx location that hands requests on to ``url``."""
    return f"    location {location} {{ proxy_pass {url}; proxy_set_header Host $http_host; {more} }}"


def static_files(folder: Path, location: str = "/", more: str = "") -> str:
    """An nginx location that serves the files of ``folder``."""
    return f"    location {location} {{ alias {folder}/; {more} }}"


def _answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False


class Dockerd(Peer):
    """A Docker daemon of our own: its data, its sockets and its containerd are in its folder.

    It has no network and needs root. `docker` runs the client against it. ``options`` are further ones.
    """

    ready_within = 40.0
    ends_within = 20.0

    def __init__(self, *options: str) -> None:
        super().__init__()
        self._options = options
        self.address = f"unix://{self.folder}/docker.sock"

    def command(self) -> Sequence[str]:
        """All state in the folder, nothing of the machine's network touched."""
        folder = self.folder
        (folder / "daemon.json").write_text("{}")
        return (
            *("dockerd", "--config-file", f"{folder}/daemon.json", "--host", self.address),
            *("--data-root", f"{folder}/data", "--exec-root", f"{folder}/exec", "--pidfile", f"{folder}/pid"),
            *("--storage-driver=vfs", "--iptables=false", "--ip6tables=false", "--bridge=none"),
            *("--exec-opt=native.cgroupdriver=cgroupfs", *self._options),
        )

    def is_ready(self) -> bool:
        """Whether it answers on its socket."""
        if not (self.folder / "docker.sock").exists():
            return False
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(5)
            try:
                client.connect(str(self.folder / "docker.sock"))
                client.sendall(b"GET /_ping HTTP/1.0\r\n\r\n")
                return b"200 OK" in client.recv(64)
            except OSError:
                return False

    def docker(self, *arguments: str, stdin: Path | None = None, timeout: float = 60) -> str:
        """What ``docker ARGUMENTS`` prints; raises `PeerFailed` with its complaint."""
        program = find_program("docker")
        if program is None:
            raise PeerFailed("the program docker is not installed")
        environ = {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(self.folder)}
        with (stdin or Path(os.devnull)).open("rb") as given:
            done = subprocess.run(
                [program, "--host", self.address, *arguments],
                stdin=given,
                capture_output=True,
                env=environ,
                timeout=timeout,
                check=False,
            )
        if done.returncode:
            raise PeerFailed(f"docker {' '.join(arguments)}: {done.stderr.decode(errors='replace').strip()}")
        return done.stdout.decode()

    def cleaned(self) -> None:
        """Unmount what containers left, so that the folder can be removed."""
        for _ in range(20):
            mounts = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
            ours = sorted((m for m in mounts if m.startswith(f"{self.folder}/")), reverse=True)
            if not ours:
                return
            for mount in ours:
                subprocess.run(["umount", "--lazy", mount], check=False, capture_output=True)
            time.sleep(0.1)
