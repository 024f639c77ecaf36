"""Certificate files for a registry: ``certs.d/host[:port]`` (containers-certs.d(5)).

Files are only located here; `http.tls` loads them.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from pathlib import Path

from ..errors import InvalidInput, StorageFailed
from ..fast_dataclass import dataclass


@dataclass(frozen=True, slots=True)
class CertificateFiles:
    """Paths of PEM files: ``authorities`` to trust besides the system's, ``clients`` as (certificate, key) pairs."""

    authorities: tuple[Path, ...] = ()
    clients: tuple[tuple[Path, Path], ...] = ()


def search_path(home: Path) -> tuple[Path, ...]:
    """Return the ``certs.d`` directories, in order of precedence."""
    return (home / ".config/containers/certs.d", Path("/etc/containers/certs.d"), Path("/etc/docker/certs.d"))


def locate(host_port: str, roots: Iterable[Path], cert_dir: Path | None = None) -> Path | None:
    """Return the directory of certificates for ``host[:port]``, or None.

    That is ``cert_dir`` for any host if it is given (``--cert-dir``), otherwise the first readable
    subdirectory named after the host in ``roots`` (see `search_path`). A ``cert_dir`` that does not exist is none, as
    for skopeo. Raises `InvalidInput` if it is not a directory, and `StorageFailed` for errors of the operating system.
    """
    if cert_dir is not None:
        try:
            if stat.S_ISDIR(os.stat(cert_dir).st_mode):
                return cert_dir
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StorageFailed.of(error, f"looking for certificates in {cert_dir}") from None
        raise InvalidInput(f"certificate directory {cert_dir} is not a directory: name one that holds *.crt files")
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
    """Return the certificate files in a directory, sorted by name; other files are ignored.

    ``*.crt`` are authorities, whether or not they can be read; ``X.cert`` and ``X.key`` are a client's certificate and
    key. Raises `InvalidInput` if one of such a pair is missing, and `StorageFailed` if the directory cannot be listed.
    """
    try:
        paths = sorted(directory.iterdir())
        # is_file() is false for a dangling link, which is ignored as a certificate that was removed.
        files = [path for path in paths if path.is_file()]
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
        authorities=tuple(path for path in paths if path.suffix == ".crt"),
        clients=tuple((path, path.with_suffix(".key")) for path in files if path.suffix == ".cert"),
    )
