"""The contenders of the benchmark: their jobs, and skopeo's command line, which is ours as well, for each."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from tests.support.peers import Registry

from .images import Image
from .target import Target


@dataclass(frozen=True, slots=True)
class Job:
    """One task with an image of ``registry``, which is reached at ``host``.

    ``kind`` is ``oci``, ``docker-archive``, ``zstd`` (to ``oci:``, recompressed), ``docker`` (to another registry),
    ``sync`` (all images of the repository), ``sync-file`` (the same images, named in a file), ``inspect``,
    ``inspect-all`` and ``plan-all`` (of all images of the repository, what a copy would do), ``version``,
    ``oci-pinned`` (to ``oci:``, by digest), ``oci-four`` (to ``oci:``, by four processes at once, as 1 to 4),
    ``prefetch`` (all images of the repository to one ``oci:``, by a lock file if the program has them), ``lock`` (to
    write that), ``blobs`` (all blobs of the image as files, for libraries that write no layout) or ``extract-one``
    (the file with the path ``file``). The result is written to ``path``, or to ``target`` for ``docker``. ``tag`` is
    that of the image, and its name in a layout, ``digest`` that of its manifest, ``store`` the content store.
    """

    kind: str
    registry: Registry
    host: str
    image: Image
    path: Path
    target: Target | None = None
    tag: str = "1"
    digest: str = ""
    store: Path | None = None
    file: str = ""

    @property
    def name(self) -> str:
        """The image's name, without a transport."""
        pinned = self.kind == "oci-pinned"
        return f"{self.host}/{self.image.repository}" + (f"@{self.digest}" if pinned else f":{self.tag}")

    @property
    def certs(self) -> Path | None:
        """The directory with the registry's CA certificate; None for plain HTTP."""
        return self.registry.tls.authority.parent if self.registry.tls else None


@dataclass(frozen=True, slots=True)
class Command:
    """A command line, and variables to add to its environment."""

    argv: list[str]
    environ: dict[str, str] = field(default_factory=dict)


Contender = Callable[[Job], Command | None]


def like_skopeo(program: str, *copy_flags: str, own: bool = False) -> Contender:
    """Return a contender with skopeo's command line; ``program`` is the command, with flags, as for a shell.

    ``copy_flags`` are added to ``copy``. ``own`` is whether to use what only pyskopeo has: lock files, ``extract``,
    several images in one ``inspect``.
    """

    def command(job: Job) -> Command | None:
        base = shlex.split(program)
        trust = ["cert-dir", str(job.certs)] if job.certs else ["tls-verify=false"]
        if job.kind == "lock" and not own:
            return None
        if (found := _without_copy(base, trust, job, own=own)) is not None:
            return Command(found)
        flags, target = _copy_destination(job)
        copy = [*base, "copy", *copy_flags, f"--src-{trust[0]}", *trust[1:], *flags, f"docker://{job.name}"]
        environ = {"PYSKOPEO_STORE": str(job.store)} if job.store else {}
        if job.kind == "oci-four":
            return Command(["sh", "-c", _all_at_once([[*copy, f"oci:{job.path}:{n}"] for n in range(1, 5)])], environ)
        if job.kind == "extract-one":
            return Command(["sh", "-c", f"{shlex.join([*copy, target])} && {_unpack_file(job)}"])
        if job.kind == "prefetch":
            source = f"docker://{job.host}/{job.image.repository}"
            copies = [[*copy[:-1], f"{source}:{tag}", f"oci:{job.path}:{tag}"] for tag in job.image.manifests]
            return Command(["sh", "-c", " && ".join(map(shlex.join, copies))])
        return Command([*copy, target], environ)

    return command


def _without_copy(base: list[str], trust: list[str], job: Job, *, own: bool) -> list[str] | None:
    """Return the command line for a job that takes no ``copy``, else None."""
    source = [f"--{trust[0]}", *trust[1:], f"docker://{job.name}"]
    if job.kind == "version":
        return [*base, "--version"]
    if job.kind == "inspect":
        return [*base, "inspect", "--raw", *source]
    if job.kind in ("inspect-all", "plan-all"):
        return _of_all(base, trust, job, own=own)
    if job.kind in ("sync", "sync-file"):
        return [*base, "sync", f"--src-{trust[0]}", *trust[1:], *_sync_source(job), str(job.path)]
    if job.kind == "lock":
        return [*base, "lock", str(_image_list(job)), "-o", str(_lock(job))]
    if job.kind == "prefetch" and own:
        return [*base, "prefetch", "--tls-verify=false", str(_lock(job)), "--dest", f"oci:{job.path}"]
    if job.kind == "extract-one" and own:
        return [*base, "extract", "--path", job.file, "--dest", str(job.path), *source]
    return None


def _of_all(base: list[str], trust: list[str], job: Job, *, own: bool) -> list[str]:
    """Return the command line of a question about all images of the repository, with the answers in a file."""
    names = [f"docker://{job.host}/{job.image.repository}:{tag}" for tag in job.image.manifests]
    before, after = [*base, "inspect", "--no-tags", f"--{trust[0]}", *trust[1:]], []
    if job.kind == "plan-all":
        before = [*base, "copy", "--dry-run", "--json", f"--src-{trust[0]}", *trust[1:]]
        after = [f"oci:{job.path}.layout"]
    calls = [[*before, *names, *after]] if own else [[*before, name, *after] for name in names]
    return ["sh", "-c", f"({' && '.join(map(shlex.join, calls))}) > {shlex.quote(str(job.path))}"]


def without_store(contender: Contender) -> Contender:
    """Return a contender that does the same without a content store."""
    return lambda job: contender(replace(job, store=None))


def _all_at_once(commands: list[list[str]]) -> str:
    """Return a shell command that runs ``commands`` concurrently and fails if one of them does."""
    started = "".join(f"{shlex.join(command)} & p{number}=$!; " for number, command in enumerate(commands))
    return started + " && ".join(f"wait $p{number}" for number in range(len(commands)))


def _unpack_file(job: Job) -> str:
    """Return a shell command that extracts the file of a job from a ``dir:``, from the uppermost layer that has it."""
    layers = [digest.partition(":")[2] for digest in job.image.blobs if digest != job.image.config]
    folder = shlex.quote(str(job.path))
    tries = (f"tar -xz -C {folder} -f {folder}.dir/{layer} {shlex.quote(job.file)}" for layer in reversed(layers))
    return f"mkdir {folder} && ({' || '.join(tries)})"


def _sync_source(job: Job) -> list[str]:
    """Return the transports of a ``sync`` to directories, and its source."""
    if job.kind == "sync":
        return ["--src", "docker", "--dest", "dir", f"{job.host}/{job.image.repository}"]
    return ["--src", "yaml", "--dest", "dir", str(_image_list(job))]


def _image_list(job: Job) -> Path:
    """Write a file that names all images of the repository; return its path."""
    file = job.path.with_name("images.yaml")
    tags = ", ".join(job.image.manifests)
    file.write_text(f"{job.host}:\n  tls-verify: false\n  images: {{{job.image.repository}: [{tags}]}}\n")
    return file


def _lock(job: Job) -> Path:
    return job.path.with_name("images.lock")


def _copy_destination(job: Job) -> tuple[list[str], str]:
    """Return the flags for the destination of a ``copy``, and its image name."""
    if job.target:
        return ["--dest-tls-verify=false"], f"docker://{job.target.name}"
    if job.kind == "extract-one":
        return [], f"dir:{job.path}.dir"
    if job.kind == "blobs":
        return [], f"dir:{job.path}"
    if job.kind == "zstd":
        return ["--dest-compress-format", "zstd"], f"oci:{job.path}:1"
    transport = job.kind.partition("-")[0] if job.kind.startswith("oci-") else job.kind
    return [], f"{transport}:{job.path}:{'bench:1' if job.kind == 'docker-archive' else job.tag}"
