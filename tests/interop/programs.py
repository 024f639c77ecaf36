"""The two programs whose signatures are compared, called alike: each command line runs as skopeo's and as ours."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

from tests.support.cli import Done, pyskopeo_here, succeed
from tests.support.require import require_peer

Program: TypeAlias = Callable[..., Done]
"""Runs the words that it is given, to their end."""


def real_skopeo(*words: object) -> Done:
    """``skopeo WORDS``; unlike `commands.skopeo` with the policy that the words name."""
    command = [require_peer("skopeo"), *map(str, words)]
    done = subprocess.run(command, env=os.environ, capture_output=True, stdin=subprocess.DEVNULL, timeout=60, check=False)
    return Done(done.returncode, done.stdout, done.stderr.decode())


PROGRAMS: dict[str, Program] = {"skopeo": real_skopeo, "pyskopeo": pyskopeo_here}


def copied(program: Program, *words: object, policy: Path | None = None) -> Done:
    """``copy WORDS`` under ``policy``, without one accepting every image; must succeed."""
    return succeed(program(*_policy(policy), "copy", "-q", *words))


def refused(program: Program, *words: object, policy: Path | None = None) -> str:
    """``copy WORDS``, which must fail with exit code 1 and nothing on standard output; returns the message."""
    done = program(*_policy(policy), "copy", "-q", *words)
    assert (done.code, done.stdout) == (1, b""), (done.code, done.stdout, done.stderr)
    return message(done)


def message(done: Done) -> str:
    """The text of the last line on standard error."""
    said: str = json.loads(done.lines[-1].partition("msg=")[2])
    return said


def write_policy(path: Path, document: dict[str, Any]) -> Path:
    """Write a policy; a list of requirements is that of every image."""
    path.write_text(json.dumps(document))
    return path


def signed_by(*keyrings: Path, **more: object) -> dict[str, Any]:
    """The requirement of a simple signature by a key of one of ``keyrings``."""
    return {"type": "signedBy", "keyType": "GPGKeys", "keyPaths": list(map(str, keyrings)), **more}


def exact_repository(name: str) -> dict[str, str]:
    """The ``signedIdentity`` of a repository, for images whose own name is none of a registry."""
    return {"type": "exactRepository", "dockerRepository": name}


def _policy(policy: Path | None) -> tuple[str, ...]:
    return ("--insecure-policy",) if policy is None else ("--policy", str(policy))


def sigstore_signed(*keys: Path, **more: object) -> dict[str, Any]:
    """The requirement of a signature of sigstore by one of ``keys``."""
    return {"type": "sigstoreSigned", "keyPaths": list(map(str, keys)), **more}
