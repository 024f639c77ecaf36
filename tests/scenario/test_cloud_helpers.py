"""The helpers of cloud registries, played by scripts that answer as they do."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pyskopeo.api.login_store import CredentialFile
from pyskopeo.credentials.authfile import Credentials
from pyskopeo.credentials.authkey import AuthKey
from pyskopeo.credentials.helper_program import Programs
from pyskopeo.credentials.keychain import Keychain
from pyskopeo.errors import CredentialsFailed
from tests.support.helper_programs import HelperPrograms

pytestmark = pytest.mark.anyio

ECR = "123456789012.dkr.ecr.us-east-1.amazonaws.com"
GOOGLE = "europe-docker.pkg.dev"
AZURE = "example.azurecr.io"
HELPERS = {ECR: "ecr-login", "public.ecr.aws": "ecr-login", GOOGLE: "gcloud", "gcr.io": "gcloud", AZURE: "acr-env"}

# Each knows its own registries alone; secrets with what such tokens are made of.
SCRIPTS = {
    "ecr-login": f"""case $(cat) in
  {ECR}|public.ecr.aws) printf '{{"ServerURL":"%s","Username":"AWS","Secret":"eyJwYXlsb2FkIjoi=="}}' {ECR};;
  *) echo 'credentials not found in native keychain'; exit 1;; esac""",
    "gcloud": """case $(cat) in
  *.pkg.dev|gcr.io) printf '{\\n  "Secret": "ya29.a0-_/x",\\n  "Username": "_dcgcloud_token"\\n}\\n';;
  *) echo 'credentials not found in native keychain' >&2; exit 1;; esac""",
    "acr-env": """case $(cat) in
  *.azurecr.io) echo '{"ServerURL":"","Username":"<token>","Secret":"eyJhbGciOi.J9.x-_"}';;
  *) echo 'credentials not found in native keychain'; exit 1;; esac""",
}
FOUND = {
    ECR: Credentials("AWS", "eyJwYXlsb2FkIjoi=="),
    "public.ecr.aws": Credentials("AWS", "eyJwYXlsb2FkIjoi=="),
    GOOGLE: Credentials("_dcgcloud_token", "ya29.a0-_/x"),
    "gcr.io": Credentials("_dcgcloud_token", "ya29.a0-_/x"),
    AZURE: Credentials(identity_token="eyJhbGciOi.J9.x-_"),
}


@pytest.fixture
def helpers(tmp_path: Path) -> HelperPrograms:
    found = HelperPrograms(tmp_path / "bin")
    for name, script in SCRIPTS.items():
        found.docker(name, script)
    return found


def keychain(helpers: HelperPrograms, path: Path, warnings: list[str], *, strict: bool = False) -> Keychain:
    return Keychain(environ=helpers.environ, home=path.parent, warn=warnings.append, authfile=path, strict=strict)


@pytest.mark.parametrize("registry", FOUND)
async def test_a_helper_for_one_host(registry: str, helpers: HelperPrograms, tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"credHelpers": HELPERS}))
    assert await keychain(helpers, path, [], strict=True).resolve(registry, "team/app") == FOUND[registry]


@pytest.mark.parametrize("name", SCRIPTS)
async def test_a_helper_as_the_store_of_everything(name: str, helpers: HelperPrograms, tmp_path: Path) -> None:
    """Set up that way they are asked for every registry there is, and must not keep anybody out."""
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"credsStore": name, "auths": {"quay.io": {}}}))
    warnings: list[str] = []
    found = keychain(helpers, path, warnings, strict=True)
    for registry in (*FOUND, "quay.io", "docker.io"):
        expected = FOUND[registry] if HELPERS.get(registry) == name else None
        assert await found.resolve(registry, "library/x") == expected
    assert warnings == []


async def test_a_helper_without_its_environment(helpers: HelperPrograms, tmp_path: Path) -> None:
    helpers.docker("acr-env", "echo 'failed to get AAD token: AZURE_CLIENT_ID is not set' >&2; exit 1")
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"credHelpers": {AZURE: "acr-env"}}))
    warnings: list[str] = []
    assert await keychain(helpers, path, warnings).resolve(AZURE, "x") is None
    assert "AZURE_CLIENT_ID is not set; going on without it" in warnings[0]


async def test_helpers_that_cannot_keep_anything_say_so(helpers: HelperPrograms, tmp_path: Path) -> None:
    helpers.docker("ecr-login", "cat > /dev/null; echo 'not implemented'; exit 1")
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"credHelpers": {ECR: "ecr-login"}}))
    file = CredentialFile(path, Programs(helpers.environ))
    with pytest.raises(CredentialsFailed, match="credential helper ecr-login: .*failed with status 1: not implemented"):
        await file.put(AuthKey(ECR), Credentials("AWS", "hunter2"))
