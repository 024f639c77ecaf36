"""Signatures in the registry itself (``X-Registry-Supports-Signatures``), and mirrors: skopeo's own tests, of both programs.

There the registry is OpenShift's, which shares signatures between the repositories of an image, as this one does.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop.programs import Program, signed_by
from tests.interop.signing_stage import Stage, files
from tests.support.gnupg import Gnupg
from tests.support.signature_extension import ExtendedRegistry

pytestmark = [pytest.mark.peer("skopeo"), pytest.mark.peer("gpg")]
ALICE, BOB = "alice@example.com", "bob@example.com"
UNSIGNED = "Source image rejected: A signature was required, but no signature exists"


@pytest.fixture
def extended() -> Iterator[ExtendedRegistry]:
    with ExtendedRegistry() as registry:
        yield registry


@pytest.fixture
def stage(extended: ExtendedRegistry, program: Program, tmp_path: Path) -> Iterator[Stage]:
    """Where one program signs and checks; nothing is configured in ``registries.d``."""
    stage = Stage(extended, f"{extended.host}/myns", tmp_path, program)
    stage.configure({})
    yield stage
    assert not stage.unexpected.exists()


def test_it_is_used_for_what_is_signed(stage: Stage, extended: ExtendedRegistry, keys: Gnupg) -> None:
    policy = stage.policy(docker={stage.prefix: [signed_by(keys.public_key(ALICE))]})
    # A lookaside is not used besides, nor read.
    stage.configure({stage.prefix: {"lookaside": f"file://{stage.lookaside}"}})
    unsigned, signed = stage.name("app", "unsigned"), stage.name("app", "signed")
    stage.copy(stage.image(), unsigned)
    assert stage.refuse(unsigned, stage.out(), policy=policy).startswith(UNSIGNED)
    stage.copy(f"--sign-by={ALICE}", stage.image(), signed)
    assert not stage.lookaside.exists()
    (stored,) = extended.signatures[stage.built().digest]
    assert (stored["schemaVersion"], stored["type"]) == (2, "atomic")
    stage.copy(signed, stage.out(), policy=policy)
    assert "signature-1" in files(stage.folder / "out")
    # The same signature again is not added twice, another one is.
    stage.copy(signed, signed)
    assert len(extended.signatures[stage.built().digest]) == 1
    stage.copy(f"--sign-by={BOB}", signed, signed)
    assert len(extended.signatures[stage.built().digest]) == 2


def test_it_is_not_used_where_the_registry_does_not_offer_it(
    stage: Stage, extended: ExtendedRegistry, keys: Gnupg
) -> None:
    extended.supported = False
    stage.configure({stage.prefix: {"lookaside": f"file://{stage.lookaside}"}})
    stage.copy(f"--sign-by={ALICE}", stage.image(), stage.name("app"))
    assert len(files(stage.lookaside)) == 1
    assert not [line for line in extended.log if "/extensions/" in line]


class TestMirrors:
    """Policies are about the name that the user gives, not about where the image is read from."""

    @pytest.fixture
    def flags(self, stage: Stage) -> tuple[str, str]:
        """``primary`` is read from ``mirror``."""
        text = f'[[registry]]\nlocation = "{stage.prefix}/primary"\nmirror = [{{ location = "{stage.prefix}/mirror" }}]\n'
        path = stage.folder / "registries.conf"
        path.write_text(text)
        return ("--registries-conf", str(path))

    @pytest.fixture
    def policy(self, stage: Stage, keys: Gnupg) -> Path:
        requirement = signed_by(keys.public_key(ALICE))
        remap = {"type": "remapIdentity", "prefix": f"{stage.prefix}/remap", "signedPrefix": f"{stage.prefix}/primary"}
        scopes = {f"{stage.prefix}/{name}": [requirement] for name in ("primary", "mirror")}
        return stage.policy(docker={**scopes, f"{stage.prefix}/remap": [requirement | {"signedIdentity": remap}]})

    def test_a_signature_for_the_mirror(self, stage: Stage, flags: tuple[str, str], policy: Path) -> None:
        unsigned, direct = stage.name("primary", "unsigned"), stage.name("primary", "direct")
        stage.copy(stage.image(), unsigned)
        assert stage.refuse(*flags, unsigned, stage.out("no"), policy=policy).startswith(UNSIGNED)
        stage.copy(f"--sign-by={ALICE}", unsigned, direct)
        stage.copy(*flags, direct, stage.out("1"), policy=policy)
        stage.copy(f"--sign-by={ALICE}", unsigned, stage.name("mirror", "for-mirror"))
        stage.copy(*flags, stage.name("mirror", "for-mirror"), stage.out("2"), policy=policy)
        stage.copy(*flags, stage.name("primary", "for-mirror"), stage.out("3"))
        said = stage.refuse(*flags, stage.name("primary", "for-mirror"), stage.out("no"), policy=policy)
        assert reasons(stage, "primary:direct", "mirror:for-mirror") in said

    def test_a_signature_for_the_primary_name(self, stage: Stage, flags: tuple[str, str], policy: Path) -> None:
        unsigned, name = stage.name("primary", "unsigned"), stage.name("mirror", "for-primary")
        stage.copy(stage.image(), unsigned)
        said = stage.refuse(f"--sign-by={ALICE}", "--sign-identity=this-is-not-fully-specified", unsigned, name)
        assert said.startswith("Could not parse --sign-identity: repository name must be canonical")
        identity = f"{stage.prefix}/primary:for-primary"
        stage.copy(f"--sign-by={ALICE}", f"--sign-identity={identity}", unsigned, name)
        stage.copy(*flags, stage.name("primary", "for-primary"), stage.out("1"), policy=policy)
        stage.copy(*flags, name, stage.out("2"))
        assert one_reason(identity) in stage.refuse(*flags, name, stage.out("no"), policy=policy)

    def test_a_name_that_is_mapped(self, stage: Stage, flags: tuple[str, str], policy: Path) -> None:
        name, signed = stage.name("remap", "v1"), stage.name("mirror", "v2")
        stage.copy(stage.image(), name)
        stage.copy(f"--sign-by={ALICE}", stage.image(), signed)
        stage.copy(*flags, name, stage.out("1"))
        said = stage.refuse(*flags, name, stage.out("no"), policy=policy)
        assert one_reason(f"{stage.prefix}/mirror:v2") in said
        identity = f"{stage.prefix}/primary:v1"
        stage.copy(f"--sign-by={ALICE}", f"--sign-identity={identity}", name, name)
        stage.copy(*flags, name, stage.out("2"), policy=policy)
        said = stage.refuse(*flags, stage.name("primary", "v1"), stage.out("no"), policy=policy)
        assert "manifest unknown" in said or "name unknown" in said


def one_reason(identity: str) -> str:
    return f'Source image rejected: Signature for identity "{identity}" is not accepted'


def reasons(stage: Stage, *names: str) -> str:
    """What is said of several signatures, each for another image."""
    each = [f'Signature for identity "{stage.prefix}/{name}" is not accepted' for name in names]
    return f"Source image rejected: None of the signatures were accepted, reasons: {'; '.join(each)}"
