"""Other programs as contenders: skopeo, crane and regctl where they are installed, and the floor."""

from __future__ import annotations

import shlex

from tests.support.require import find_program

from .contenders import Command, Contender, Job, like_skopeo

# Programs with the same job as ours. A best one of them is looked for; the floor and our own variants are none of them.
PEERS = ("skopeo", "crane", "regctl")


def floor(job: Job) -> Command | None:
    """Download every blob to a file with curl, then hash them with openssl, two at a time: the least that is needed."""
    if job.kind != "oci":
        return None
    job.path.mkdir()
    lines = []
    for digest in job.image.blobs:
        path = job.path / digest.partition(":")[2]
        lines += [f'url = "{job.registry.url}/v2/{job.image.repository}/blobs/{digest}"', f'output = "{path}"']
    config = job.path.with_name(f"{job.path.name}.curl")
    config.write_text("\n".join(lines) + "\n")
    files = job.path.with_name(f"{job.path.name}.files")
    files.write_text("".join(f"{job.path / digest.partition(':')[2]}\n" for digest in job.image.blobs))
    fetch = ["curl", "--disable", "--silent", "--show-error", "--fail", "--parallel", "--parallel-max", "6"]
    if job.registry.tls:
        fetch += ["--cacert", str(job.registry.tls.authority)]
    fetch += ["--config", str(config)]
    check = f"xargs -P2 -n1 openssl dgst -sha256 < {shlex.quote(str(files))}"
    return Command(["sh", "-c", f"{shlex.join(fetch)} && {check}"])


def crane(program: str) -> Contender:
    """Return a contender with crane's command line; ``program`` is its path."""

    def command(job: Job) -> Command | None:
        trust = [] if job.certs else ["--insecure"]
        environ = _certificate_environ(job)
        if job.kind == "version":
            return Command([program, "version"])
        if job.kind == "inspect":
            return Command([program, "manifest", *trust, job.name], environ)
        if job.target:
            return Command([program, "copy", *trust, job.name, job.target.name])
        if job.kind == "extract-one":
            folder, export = shlex.quote(str(job.path)), shlex.join([program, "export", *trust, job.name, "-"])
            unpack = f"mkdir {folder} && {export} | tar -x -C {folder} {shlex.quote(job.file)}"
            return Command(["sh", "-c", unpack], environ)
        if job.kind == "oci":
            return Command([program, "pull", "--format=oci", *trust, job.name, str(job.path)], environ)
        return None

    return command


def regctl(program: str) -> Contender:
    """Return a contender with regctl's command line; ``program`` is its path."""

    def command(job: Job) -> Command | None:
        tls = "enabled" if job.certs else "disabled"
        hosts = [job.host, job.target.host] if job.target else [job.host]
        flags = [word for host in hosts for word in ("--host", f"reg={host},tls={tls}")]
        environ = _certificate_environ(job)
        if job.kind == "version":
            return Command([program, "version"])
        if job.kind == "inspect":
            return Command([program, *flags, "manifest", "get", "--format", "raw-body", job.name], environ)
        if job.kind != "oci" and not job.target:
            return None
        target = job.target.name if job.target else f"ocidir://{job.path}:1"
        return Command([program, *flags, "image", "copy", job.name, target], environ)

    return command


def _certificate_environ(job: Job) -> dict[str, str]:
    return {"SSL_CERT_FILE": str(job.registry.tls.authority)} if job.registry.tls else {}


def installed_peers(names: str) -> dict[str, Contender]:
    """Return the peers in ``names``, separated by commas, that are installed, by name.

    skopeo and crane are those of Debian sid, if `scripts/sid_skopeo` and `scripts/sid_crane` have unpacked them.
    """
    found = {name: program for name in names.split(",") if name in PEERS and (program := find_program(name))}
    made: dict[str, Contender] = {}
    for name, program in found.items():
        if name == "skopeo":
            made[name] = like_skopeo(f"{shlex.quote(program)} --insecure-policy")
        else:
            made[name] = {"crane": crane, "regctl": regctl}[name](program)
    return made
