"""Tags for the completion of a command line: as whom they are asked for, and that nothing is said of a failure."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from pyskopeo.cli import complete_tags
from tests.support import faults as f
from tests.support.cli import pyskopeo_here
from tests.support.gates import BasicGate
from tests.support.images import build
from tests.support.simulator import Simulator


def complete(line: str, registry: Simulator, monkeypatch: pytest.MonkeyPatch) -> tuple[int, list[str]]:
    """The exit code and the names that are offered; HOST is that of the registry."""
    text = io.TextIOWrapper(io.BytesIO(line.replace("HOST", registry.host).encode()), "utf-8")
    monkeypatch.setattr("sys.stdin", text)
    done = pyskopeo_here("complete-tags")
    assert done.stderr == ""
    return done.code, done.stdout.decode().replace(registry.host, "HOST").splitlines()


def with_tags(*tags: str, gate: BasicGate | None = None) -> Simulator:
    registry = Simulator(gate=gate, page_size=3)
    for tag in tags:
        registry.add(build("oci"), "a/b", tag)
    return registry


PLAIN = "--tls-verify=false"
BOTH = ["docker://HOST/a/b:v1", "docker://HOST/a/b:v2"]


@pytest.mark.parametrize(
    ("line", "names"),
    [
        (f"pyskopeo inspect {PLAIN} docker://HOST/a/b:v", BOTH),
        (f"pyskopeo {PLAIN} --debug inspect docker://HOST/a/b:v", BOTH),
        (f"pyskopeo inspect {PLAIN} 'docker://HOST/a/b:v1", BOTH[:1]),
        ("pyskopeo copy --src-tls-verify=false docker://HOST/a/b:v", BOTH),
        ("pyskopeo copy --dest-tls-verify=false docker://a/b docker://HOST/a/b:v", BOTH),
        ("pyskopeo layout repair --tls-verify=false --from docker://HOST/a/b:v oci:x", []),
    (f"pyskopeo layout repair {PLAIN} oci:x --from docker://HOST/a/b:v", BOTH),
    (f"pyskopeo layout repair {PLAIN} oci:x --from=docker://HOST/a/b:v", BOTH),
        (f"pyskopeo inspect {PLAIN} docker://HOST/a/b:none", []),
        (f"pyskopeo inspect {PLAIN} --offline docker://HOST/a/b:v", []),
        (f"pyskopeo inspect {PLAIN} --creds user docker://HOST/a/b:v", []),
        ("pyskopeo docker://HOST/a/b:v", []),
        ("pyskopeo store docker://HOST/a/b:v", []),
        ("pyskopeo store ls docker://HOST/a/b:v", []),
        ("pyskopeo", []),
        ("", []),
    ],
)
def test_what_is_offered(line: str, names: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    with with_tags("v1", "v2", "latest") as registry:
        assert complete(line, registry, monkeypatch)[1] == names


def test_one_page_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    with with_tags("v1", "v2", "v3", "v4") as registry:
        _, names = complete(f"pyskopeo inspect {PLAIN} docker://HOST/a/b:", registry, monkeypatch)
        assert len(names) == 3
        (asked,) = [request for request in registry.requests if request.path.startswith("/v2/a/b/tags/")]
        assert asked.query == {"n": ["1000"]}


def test_credentials_are_used_and_defaults_count(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with with_tags("v1", gate=BasicGate({"me": "hidden"})) as registry:
        assert complete(f"pyskopeo inspect {PLAIN} docker://HOST/a/b:", registry, monkeypatch) == (1, [])
        line = f"pyskopeo inspect {PLAIN} --creds me:hidden docker://HOST/a/b:"
        assert complete(line, registry, monkeypatch) == (0, BOTH[:1])
        path = tmp_path / "config.toml"
        path.write_text("creds = 'me:hidden'\ntls-verify = false")
        path.chmod(0o600)
        monkeypatch.setenv("PYSKOPEO_CONFIG", str(path))
        assert complete("pyskopeo inspect docker://HOST/a/b:", registry, monkeypatch) == (0, BOTH[:1])


def test_a_failure_is_silent_and_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(complete_tags, "_TIMEOUT", 0.3)
    for fault in (f.Refuse(500), f.Stall(0)):
        with with_tags("v1") as registry:
            registry.on("/v2/*", fault)
            assert complete(f"pyskopeo inspect {PLAIN} docker://HOST/a/b:", registry, monkeypatch) == (1, [])
            assert len(registry.requests) <= 2


def test_tags_that_a_shell_might_run_are_not_offered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of a list with names that no tag can have is taken."""
    for tag in ("$(touch x)", "v1\nv2"):
        with with_tags("v1") as registry:
            registry.add(build("oci"), "a/b", tag)
            assert complete(f"pyskopeo inspect {PLAIN} docker://HOST/a/b:", registry, monkeypatch) == (1, [])


def test_skopeo_has_no_such_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["skopeo"])
    done = pyskopeo_here("complete-tags")
    assert (done.code, done.stdout) == (1, b"")
    assert "Unrecognized command `skopeo complete-tags`" in done.stderr
