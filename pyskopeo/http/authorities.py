"""Load trusted authorities from PEM files. What can be read of a file or a directory counts, as in Go's programs."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from .client_context import HASHED

if TYPE_CHECKING:
    import ssl

Warn = Callable[[str], None]

_CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)
_SUFFIXES = (".crt", ".pem", ".cer")
# Bytes.
_LIMIT = 16 * 1024 * 1024

# The warnings of this process: the same files are read for each registry, and should be named once.
_warned: set[str] = set()


def load_file(context: ssl.SSLContext, path: Path, warn: Warn) -> None:
    """Trust the authorities in a PEM file; warn of a file that cannot be read, or of which a part cannot."""
    if problem := _load(context, path):
        warn_once(f"certificate file {path} is {problem}", warn)


def load_directory(context: ssl.SSLContext, directory: Path, warn: Warn) -> None:
    """Trust the authorities in all files of a directory in ``SSL_CERT_DIR``, whatever the names of the files.

    OpenSSL finds those whose names are hashes of their subjects by itself, so these are not read here. Other files may
    be something else; a file with the name of a certificate that holds none is warned of.
    """
    try:
        names = sorted(os.listdir(directory))
    except OSError as error:
        warn_once(f"certificate directory {directory} (SSL_CERT_DIR) is not used: {error.strerror}", warn)
        return
    found = {name for name in names if HASHED.fullmatch(name)}
    for name in list(found):
        with suppress(OSError):  # not a link
            found.add(os.readlink(directory / name))
    for name in names:
        path = directory / name
        if name in found or path.is_dir():
            continue
        problem = _load(context, path)
        if problem and name.endswith(_SUFFIXES):
            warn_once(f"certificate file {path} is {problem}", warn)


def check_default_file(context: ssl.SSLContext, path: Path, warn: Warn, *, had: int = 0) -> None:
    """Load what OpenSSL has not loaded of ``SSL_CERT_FILE``, in silence: all after the first broken certificate.

    ``had`` is the number of certificates that ``context`` had before that.
    """
    try:
        expected = _read(path).count(b"-----BEGIN CERTIFICATE-----")
    except OSError:
        expected = -1
    if not 0 < expected <= context.cert_store_stats()["x509"] - had:
        load_file(context, path, warn)


def warn_once(message: str, warn: Warn) -> None:
    """Call ``warn`` with ``message``, once in a process."""
    if message not in _warned:
        _warned.add(message)
        warn(message)


def _load(context: ssl.SSLContext, path: Path) -> str:
    """Trust the authorities in a file; return that and why it, or a part of it, is not used, "" if all is."""
    import ssl

    try:
        if not stat.S_ISREG(os.stat(path).st_mode):  # opening a FIFO would block
            return "not used: it is not a regular file"
        context.load_verify_locations(path)
    except ssl.SSLError:
        return _load_each(context, path)
    except OSError as error:
        return f"not used: {error.strerror or type(error).__name__}"
    return ""


def _load_each(context: ssl.SSLContext, path: Path) -> str:
    """Trust each of the certificates in a file that OpenSSL does not accept as a whole."""
    import ssl

    try:
        found = _CERTIFICATE.findall(_read(path))
    except OSError as error:
        return f"not used: {error.strerror or type(error).__name__}"
    broken = 0
    for certificate in found:
        try:
            context.load_verify_locations(cadata=certificate.decode("ascii"))
        except (ssl.SSLError, ValueError):
            broken += 1
    if broken == len(found):
        return "not used: no PEM certificate in it can be read" if found else "not used: no PEM certificate in it"
    return f"used in part: {broken} of its {len(found)} certificates cannot be read" if broken else ""


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_LIMIT)
