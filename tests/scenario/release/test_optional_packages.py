"""Each package that is not needed for everything is taken away: what needs it is refused in one line, all else works."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from pyskopeo.model.digest import Digest
from pyskopeo.signatures.simple_signing import SimplePayload
from tests.support.commands import ROOT, environment
from tests.support.gates import BearerGate
from tests.support.images import ImageSpec, LayerSpec, build
from tests.support.keys import write_keys
from tests.support.measurement import processes_unmeasured
from tests.support.openpgp import Signatory
from tests.support.outputs import write_dir, write_layout
from tests.support.referring import referring
from tests.support.sigstore_authority import EMAIL, ISSUER, new_key, public_pem
from tests.support.sigstore_authority import Authority as SigstoreAuthority
from tests.support.sigstore_bundles import MEDIA_TYPE, BundleMaker, statement, trusted_root
from tests.support.sigstore_keys import write_sigstore_key
from tests.support.sigstore_log import TransparencyLog
from tests.support.sigstore_services import CLIENT, SigstoreServices
from tests.support.sigstore_signatures import Signed, payload_for
from tests.support.simulator import Simulator
from tests.support.tls import Authority
from tests.support.token_server import TokenServer

KEY = new_key()
# The modules of each distribution that pyproject.toml names.
MODULES = {
    "backports-zstd": ("backports.zstd",),
    "bcrypt": ("bcrypt",),
    "cryptography": ("cryptography",),
    "distributed": ("distributed", "dask"),
    "h11": ("h11",),
    "httptools": ("httptools",),
    "isal": ("isal",),
    "prometheus-client": ("prometheus_client",),
    "publicsuffixlist": ("publicsuffixlist",),
    "pysequoia": ("pysequoia",),
    "pynacl": ("nacl",),
    "pyyaml": ("yaml", "_yaml"),
    "rich": ("rich",),
    "sigstore": ("sigstore",),
    "starlette": ("starlette",),
    "uvicorn": ("uvicorn",),
    # What they bring along.
    "certifi": ("certifi",),
    "click": ("click",),
    "httpcore": ("httpcore",),
    "socksio": ("socksio",),
    "trio": ("trio",),
}
NEEDED = {"anyio", "httpx"}
# What is refused, by the package that it needs and the command in `COMMANDS`; everything else succeeds.
REFUSED = {
    ("cryptography", "sign"): "manifests of schema 1 are signed with the package cryptography, which is not installed",
    ("cryptography", "encrypt"): "layers are encrypted and decrypted with the package cryptography, which is not installed",
    **{
        (package, "verify a signature"): f"OpenPGP signatures are verified with the package {package}, which is not installed: "
        "pip install 'pyskopeo[openpgp]'"
        for package in ("cryptography", "pysequoia")
    },
    # The package sigstore needs certifi.
    **{(package, "check a certificate"): "bundles with certificates need the package sigstore: pip install 'pyskopeo[sigstore]'"
       for package in ("sigstore", "certifi")},
    **{("cryptography", name): "signatures of sigstore are verified with the package cryptography, which is not installed"
       for name in ("check a key", "check a certificate")},
    **{(package, name): "private keys of sigstore need pynacl and cryptography: pip install 'pyskopeo[signing]'"
       for package in ("cryptography", "pynacl") for name in ("make a key", "sign with a key")},
    ("pyyaml", "sign as parameters say"): "parameters.yaml: YAML files need the package PyYAML, which is not installed",
    ("cryptography", "sign as parameters say"): "certificates need the package cryptography, which is not installed",
    ("pyyaml", "sync yaml"): "images.yaml: YAML files need the package PyYAML, which is not installed",
    ("pyyaml", "tls details"): "tls.yaml: YAML files need the package PyYAML, which is not installed",
}
if sys.version_info < (3, 14):
    ZSTD = "zstd layers need the package backports.zstd, which is not installed"
    REFUSED |= {("backports-zstd", name): ZSTD for name in ("zstd to an archive", "compress with zstd")}
    REFUSED |= {("backports-zstd", "verify zstd"): "1 fault (1 unverifiable) in 1 image"}

# Without arguments of its own: words of commands, as JSON, on standard input; results on standard output.
DRIVER = """
import io, json, sys
sys.modules.update(dict.fromkeys(sys.argv[1].split(",")))
from contextlib import redirect_stderr, redirect_stdout
from pyskopeo.cli.main import main
results = {}
for name, words in json.load(sys.stdin).items():
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = main(words)
    results[name] = [code, err.getvalue()]
print(json.dumps(results))
"""


def signed_by_key(directory: Path) -> Path:
    """An image with a signature, and the key beside it."""
    image = build("oci")
    (directory.parent / "key1.pub").write_bytes(public_pem(KEY))
    write_dir(image, directory)
    (directory / "signature-1").write_bytes(Signed.by(KEY, payload_for(image.digest)).signature.to_bytes())
    return directory


def with_certificate(directory: Path) -> Path:
    """An image with a bundle, and the trusted root for its certificate beside it."""
    image, log = build("oci"), TransparencyLog()
    fulcio = SigstoreAuthority()
    made = BundleMaker.of(KEY, statement(image.digest)).certified(fulcio.issue(KEY.public_key())).logged(log)
    write_layout(image, directory)
    write_layout(referring(image, MEDIA_TYPE, made.signature.content), directory, tag=None)
    (directory.parent / "trusted_root.json").write_bytes(trusted_root(fulcio, log))
    return directory


def commands(
    registry: Simulator, secure: Simulator, services: SigstoreServices, certificates: Path, folder: Path
) -> dict[str, list[str]]:
    """What users do, by its name here."""
    plain = ["--src-tls-verify=false"]
    gzip = write_dir(build("docker"), folder / "gzip")
    keys, identity = write_sigstore_key(folder), "--sign-identity=example.com/a:b"
    services.rules.pending = 0
    fulcio = {"fulcioURL": services.url, "oidcMode": "deviceGrant", "oidcIssuerURL": services.url, "oidcClientID": CLIENT}
    (folder / "parameters.yaml").write_text(json.dumps({"fulcio": fulcio, "rekorURL": services.url}))
    zstd = write_dir(build(ImageSpec(layers=(LayerSpec("a", base=True, compression="zstd"),))), folder / "zstd")
    layout = write_layout(build("oci"), folder / "layout")
    images = folder / "images.yaml"
    images.write_text(f"{registry.host}:\n  images: {{test/image: [latest]}}\n  tls-verify: false\n")
    in_json = folder / "images.json"
    in_json.write_text(json.dumps({registry.host: {"images": {"test/image": ["latest"]}, "tls-verify": False}}))
    (folder / "passphrase").write_text("secret")
    (folder / "tls.yaml").write_text("minVersion: '1.2'\n")
    (folder / "signature").write_bytes((signatory := Signatory("signer")).sign(SimplePayload("app:1", str(Digest.of(b"secret"))).to_bytes()))
    (folder / "keys").write_bytes(signatory.public)
    repository = registry.name().removeprefix("docker://").rpartition(":")[0]
    return {
        "pull": ["copy", *plain, registry.name(), f"oci:{folder}/pulled:x"],
        "pull by tls": ["copy", f"--src-cert-dir={certificates}", secure.name(), f"oci:{folder}/pulled-by-tls:x"],
        "to an archive": ["copy", f"dir:{gzip}", f"docker-archive:{folder}/gzip.tar:a:b"],
        "zstd to an archive": ["copy", f"dir:{zstd}", f"docker-archive:{folder}/zstd.tar:a:b"],
        "zstd as it is": ["copy", f"dir:{zstd}", f"oci:{folder}/zstd-layout:x"],
        "compress with zstd": ["copy", "--dest-compress-format=zstd", "--dest-force-compress-format", f"dir:{gzip}", f"oci:{folder}/compressed:x"],
        "bars": ["copy", "--progress=bars", f"dir:{gzip}", f"dir:{folder}/bars"],
        "sign": ["copy", "--format=v2s1", f"dir:{gzip}", f"dir:{folder}/signed"],
        "encrypt": ["copy", f"--encryption-key=jwe:{write_keys(folder, 'RSA')[0]}", f"dir:{gzip}", f"dir:{folder}/secret"],
        "make a key": ["generate-sigstore-key", f"--output-prefix={folder}/key", f"--passphrase-file={folder}/passphrase"],
        "verify a signature": [
            "standalone-verify", f"--public-key-file={folder}/keys", f"{folder}/passphrase", "app:1", "any", f"{folder}/signature"
        ],
        "check a key": ["verify", "--signatures-only", f"--key={folder}/key1.pub", f"dir:{signed_by_key(folder / 'by-key')}"],
        "check a certificate": [
            "verify", "--signatures-only", f"--certificate-identity={EMAIL}", f"--certificate-oidc-issuer={ISSUER}",
            f"--trusted-root={folder}/trusted_root.json", f"oci:{with_certificate(folder / 'certified')}:latest",
        ],
        "sign with a key": ["copy", f"--sign-by-sigstore-private-key={keys.private}", f"--sign-passphrase-file={keys.passphrase}", identity, f"dir:{gzip}", f"dir:{folder}/signed-with-a-key"],
        "sign as parameters say": ["copy", f"--sign-by-sigstore={folder}/parameters.yaml", identity, f"dir:{gzip}", f"dir:{folder}/signed-as-parameters-say"],
        "tls details": [f"--tls-details={folder}/tls.yaml", "inspect", "--tls-verify=false", registry.name()],
        "inspect": ["inspect", "--tls-verify=false", registry.name()],
        "list tags": ["list-tags", "--tls-verify=false", f"docker://{repository}"],
        "sync": ["sync", *plain, "--src", "docker", "--dest", "dir", "--scoped", repository, f"{folder}/synced"],
        "sync yaml": ["sync", "--src", "yaml", "--dest", "dir", str(images), f"{folder}/synced-by-yaml"],
        "sync json": ["sync", "--src", "yaml", "--dest", "dir", str(in_json), f"{folder}/synced-by-json"],
        "lock": ["lock", str(in_json), "-o", f"{folder}/images.lock"],
        "log in": ["login", "--tls-verify=false", "--username=user", "--password=pass", f"--authfile={folder}/auth.json", registry.host],
        "verify": ["verify", "--deep", "--tls-verify=false", registry.name()],
        "verify zstd": ["verify", "--deep", f"dir:{zstd}"],
        "verify a layout": ["layout", "verify", "--deep", f"oci:{layout}"],
        "log out": ["logout", f"--authfile={folder}/auth.json", registry.host],
    }  # fmt: skip


def fatal_lines(stderr: str) -> list[str]:
    return [json.loads(line.partition("msg=")[2]) for line in stderr.splitlines() if " level=fatal " in line]


def test_every_dependency_is_taken_away() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = ("serve", "metrics", "cluster", "socks", "openpgp", "sigstore", "signing")
    texts = project["dependencies"] + [text for extra in extras for text in project["optional-dependencies"][extra]]
    declared = {re.sub(r"[-_.]+", "-", Requirement(text).name).lower() for text in texts}
    assert declared - NEEDED <= MODULES.keys()
    assert {package for package, _ in REFUSED} <= MODULES.keys()


@pytest.mark.parametrize("package", [*MODULES, "all of them"])
def test_it_is_not_needed(package: str, authority: Authority, tmp_path: Path) -> None:
    packages = list(MODULES) if package == "all of them" else [package]
    blocked = ",".join(module for one in packages for module in MODULES[one])
    image = build("oci")
    with (
        TokenServer(tmp_path / "tokens") as tokens,
        Simulator(image, gate=BearerGate(tokens.realm, lambda token, scope: True)) as registry,
        Simulator(image, tls=authority.server("secure")) as secure,
        SigstoreServices() as services,
    ):
        certificates = tmp_path / "certificates"
        certificates.mkdir()
        (certificates / "ca.crt").write_bytes(authority.path.read_bytes())
        wanted = commands(registry, secure, services, certificates, tmp_path)
        # Where nothing is refused, what runs is what runs elsewhere.
        refuses = any(one in packages for one, _ in REFUSED)
        with nullcontext() if refuses else processes_unmeasured():
            done = subprocess.run(
                [sys.executable, "-c", DRIVER, blocked], input=json.dumps(wanted), env=environment(),
                capture_output=True, text=True, timeout=120, check=False,
            )  # fmt: skip
    assert done.returncode == 0, done.stderr
    results = json.loads(done.stdout)
    assert results.keys() == wanted.keys()
    for name, (code, stderr) in results.items():
        assert "Traceback" not in stderr
        reasons = [REFUSED[one, name] for one in packages if (one, name) in REFUSED]
        if reasons:
            (line,) = fatal_lines(stderr)
            assert code == 1
            assert any(reason in line for reason in reasons), line
        else:
            assert (code, fatal_lines(stderr)) == (0, []), name


def on_a_terminal(blocked: str, words: Sequence[str]) -> tuple[int, str]:
    """Run a command on a terminal without the modules ``blocked``; return its exit code and what it showed."""
    ours, theirs = pty.openpty()
    start = f"import sys; sys.modules.update(dict.fromkeys({blocked.split(',')})); from pyskopeo.cli.main import run; run()"
    process = subprocess.Popen(
        [sys.executable, "-c", start, *words], stdin=theirs, stdout=theirs, stderr=theirs, env=environment({"TERM": "xterm"})
    )
    os.close(theirs)
    shown = b""
    try:
        while piece := os.read(ours, 65536):
            shown += piece
    except OSError:  # the other end is closed
        pass
    os.close(ours)
    return process.wait(timeout=30), shown.decode()


@pytest.mark.parametrize("command", ["copy", "sync", "verify"])
def test_a_terminal_without_rich_shows_lines(command: str, tmp_path: Path) -> None:
    layout = write_layout(build("oci"), tmp_path / "layout", tag="x")
    words = {
        "copy": ["copy", f"oci:{layout}:x", f"dir:{tmp_path}/new"],
        "sync": ["sync", "--src", "oci", "--dest", "dir", str(layout), str(tmp_path / "new")],
        "verify": ["layout", "verify", f"oci:{layout}"],
    }[command]
    code, shown = on_a_terminal("rich", words)
    assert code == 0, shown
    assert "\x1b" not in shown
    expected = {"copy": r"Copying blob sha256:[0-9a-f]{64} done", "sync": "copied ", "verify": "no faults"}[command]
    assert re.search(expected, shown), shown


@pytest.mark.parametrize("package", ["uvicorn", "starlette", "h11", "click"])
def test_serving_without_its_packages(package: str, tmp_path: Path) -> None:
    layout = write_layout(build("oci"), tmp_path / "layout")
    start = f"import sys; sys.modules[{package!r}] = None; from pyskopeo.cli.main import run; run()"
    words = ["serve", f"oci:{layout}", "--listen", "127.0.0.1:0"]
    done = subprocess.run([sys.executable, "-c", start, *words], env=environment(), capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert fatal_lines(done.stderr) == ["serving a layout needs uvicorn and starlette: pip install 'pyskopeo[serve]'"]
    assert "Traceback" not in done.stderr


def test_a_socks_proxy_without_its_package(tmp_path: Path) -> None:
    start = "import sys; sys.modules['socksio'] = None; from pyskopeo.cli.main import run; run()"
    words = ["inspect", "docker://registry.example.com/a/b"]
    done = subprocess.run(
        [sys.executable, "-c", start, *words], env=environment({"https_proxy": "socks5://127.0.0.1:9"}),
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    (line,) = fatal_lines(done.stderr)
    assert line.endswith("proxy socks5://127.0.0.1:9 needs socksio: pip install 'pyskopeo[socks]'")
