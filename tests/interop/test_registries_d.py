"""registries.d beside the real skopeo: the same files are refused."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from pyskopeo.config.registries_d import load
from pyskopeo.errors import InvalidInput
from tests.support.registries_d import REFUSED
from tests.support.require import require_peer


@pytest.mark.peer("skopeo")
@pytest.mark.parametrize(
    ("files", "right"),
    [
        *(((text,), False) for text, _ in REFUSED),
        (("docker:\n a.b: {}", "docker:\n a.b: {}"), False),
        (("default-docker: {}", "default-docker: {}"), False),
        (("docker:\n a.b: {}", "docker:\n a.b/c: {}"), True),
        (("docker:\ndefault-docker:\n", "default-docker: {}"), True),
        (("bogus: 1\ndocker:\n a.b: {zz: 5, lookaside: 5, use-sigstore-attachments: yes}",), True),
        (("x: &x {lookaside: q}\ndocker:\n a.b:\n  <<: *x\n",), True),
    ],
)
def test_skopeo_judges_alike(tmp_path: Path, files: tuple[str, ...], right: bool) -> None:
    for number, text in enumerate(files):
        (tmp_path / f"{number}.yaml").write_text(text)
    command = [require_peer("skopeo"), "--registries.d", str(tmp_path), "inspect", "docker://127.0.0.1:1/x"]
    environ = {"HOME": str(tmp_path), "PATH": os.environ["PATH"]}
    said = subprocess.run(command, env=environ, check=False, capture_output=True, text=True, timeout=60).stderr
    assert ("connection refused" in said) is right, said
    if right:
        load({}, tmp_path, tmp_path)
    else:
        with pytest.raises(InvalidInput):
            load({}, tmp_path, tmp_path)
