"""Certificates kept for one registry: ``certs.d/host[:port]`` (containers-certs.d(5)).

Finds files and never opens one: what is in them is for TLS to judge.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from ..errors import InvalidInput, StorageFailed
from ..fast_dataclass import dataclass


@dataclass(frozen=True, slots=True)
class CertificateFiles:
    """PEM files: ``authorities`` go on top of the system's, ``clients`` are (certificate, key) pairs."""

    authorities: tuple[Path, ...] = ()
    clients: tuple[tuple[Path, Path], ...] = ()


def search_path(home: Path) -> tuple[Path, ...]:
    """The ``certs.d`` directories, the most important first."""
    return (home / ".config/containers/certs.d", Path("/etc/containers/certs.d"), Path("/etc/docker/certs.d"))


def locate(host_port: str, roots: Iterable[Path], cert_dir: Path | None = None) -> Path | None:
    """The directory of certificates for ``host[:port]``; None where there is none.

    ``cert_dir`` is one that the caller named: it serves every host, and `InvalidInput` is raised
    when it is not there. Otherwise the first of ``roots`` (see `search_path`) with a readable
    subdirectory for the host counts. Raises `StorageFailed` when the system fails us.
    """
    if cert_dir is not None:
        try:
            if cert_dir.is_dir():
                return cert_dir
        except OSError as error:
            raise StorageFailed.of(error, f"looking for certificates in {cert_dir}") from None
        raise InvalidInput(f"certificate directory {cert_dir} is not there: create it, or name another")
    if host_port in {"", ".", ".."} or "/" in host_port or "\0" in host_port:
        raise InvalidInput(f"{host_port!a} is no registry's host: want host or host:port")
    for root in roots:
        directory = root / host_port
        try:
            os.scandir(directory).close()
        except (FileNotFoundError, NotADirectoryError, PermissionError):
            continue
        except OSError as error:
            raise StorageFailed.of(error, f"looking for certificates in {directory}") from None
        return directory
    return None


def read(directory: Path) -> CertificateFiles:
    """Sort a directory's files by their names' ends, in order of name; others are passed over.

    ``*.crt`` are authorities, ``X.cert`` with ``X.key`` a client's pair. Raises `InvalidInput` for
    half a pair, and `StorageFailed` when the directory cannot be listed.
    """
    try:
        # A link that leads nowhere is a certificate which has been taken away.
        files = [path for path in sorted(directory.iterdir()) if path.is_file()]
    except OSError as error:
        raise StorageFailed.of(error, f"reading certificates in {directory}") from None
    for path in files:
        key, certificate = path.with_suffix(".key"), path.with_suffix(".cert")
        if path == certificate and key not in files:
            raise InvalidInput(
                f"{path}: a client certificate without its key {key.name}; "
                "add the key, or call it .crt if it is an authority"
            )
        if path == key and certificate not in files:
            raise InvalidInput(f"{path}: a key without its client certificate {certificate.name}; add the certificate")
    return CertificateFiles(
        authorities=tuple(path for path in files if path.suffix == ".crt"),
        clients=tuple((path, path.with_suffix(".key")) for path in files if path.suffix == ".cert"),
    )
