"""The files of keys that requirements name."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyskopeo.config.policy_keys import KeyFile, RequirementKeys, load_keys
from pyskopeo.config.policy_requirements import CertificateChain, Fulcio, SignedBy, SigstoreSigned
from pyskopeo.errors import InvalidInput, StorageFailed, TooLarge


@pytest.fixture
def files(tmp_path: Path) -> tuple[str, str]:
    """Two files, with the content ``a`` and ``b``."""
    for name in "ab":
        (tmp_path / name).write_text(name)
    return str(tmp_path / "a"), str(tmp_path / "b")


def test_of_simple_signatures(files: tuple[str, str]) -> None:
    a, b = files
    assert load_keys(SignedBy("GPGKeys", files)) == RequirementKeys((KeyFile(b"a", a), KeyFile(b"b", b)))
    assert load_keys(SignedBy("GPGKeys", key_data=b"x")) == RequirementKeys((KeyFile(b"x", "keyData"),))


def test_of_sigstore(files: tuple[str, str]) -> None:
    a, b = files
    assert load_keys(SigstoreSigned(files, rekor_key_data=(b"1", b"2"))) == RequirementKeys(
        (KeyFile(b"a", a), KeyFile(b"b", b)),
        rekor_keys=(KeyFile(b"1", "rekorPublicKeyData 1"), KeyFile(b"2", "rekorPublicKeyData 2")),
    )
    fulcio = Fulcio(a, None, "https://issuer", "a@b", "")
    assert load_keys(SigstoreSigned(fulcio=fulcio, rekor_key_paths=(b,))) == RequirementKeys(
        authorities=KeyFile(b"a", a), rekor_keys=(KeyFile(b"b", b),)
    )
    chain = CertificateChain("", b"roots", b, None, "a@b", "")
    assert load_keys(SigstoreSigned(pki=chain)) == RequirementKeys(
        authorities=KeyFile(b"roots", "caRootsData"), intermediates=KeyFile(b"b", b)
    )
    without = CertificateChain("", b"roots", "", None, "a@b", "")
    assert load_keys(SigstoreSigned(pki=without)).intermediates is None


def test_what_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(StorageFailed, match=f"^open {tmp_path}/none: no such file or directory"):
        load_keys(SignedBy("GPGKeys", (f"{tmp_path}/none",)))
    with pytest.raises(StorageFailed, match=f"^open {tmp_path}: "):
        load_keys(SigstoreSigned((str(tmp_path),)))
    with pytest.raises(InvalidInput, match=r'^open "a\\u0000": '):
        load_keys(SigstoreSigned(("a\0",)))
    (tmp_path / "large").write_bytes(b"12345")
    monkeypatch.setattr("pyskopeo.config.policy_keys.KEY_LIMIT", 4)
    with pytest.raises(TooLarge, match="large is over the limit of 4 bytes"):
        load_keys(SigstoreSigned((f"{tmp_path}/large",)))
