"""Our credential helper under `oci_pull` of rules_oci (github.com/bazel-contrib/rules_oci), which uses Bazel's downloader.

Runs where ``PYSKOPEO_RULES_OCI`` names a checkout of it: no Debian package has one. `test_bazel.py` has a rule that
downloads in the same way.
"""

from __future__ import annotations

import json
import os
import shutil
from base64 import b64encode
from pathlib import Path

import pytest

from tests.support.bazel import Bazel, without_registry
from tests.support.images import ImageSpec, build
from tests.support.sid_root import SidRoot
from tests.support.simulator import BearerGate, Simulator
from tests.support.specs import layers
from tests.support.token_server import TokenServer

CHECKOUT = os.environ.get("PYSKOPEO_RULES_OCI", "")
pytestmark = [
    pytest.mark.peer("sid-bazel"),
    pytest.mark.skipif(not CHECKOUT, reason="needs a checkout of rules_oci, named by PYSKOPEO_RULES_OCI"),
]

IMAGE = build(ImageSpec(layers=layers(18)))
MODULE = """
module(name = "app")
bazel_dep(name = "rules_oci")
oci_pull = use_repo_rule("@rules_oci//oci/private:pull.bzl", "oci_pull")
oci_pull(
    name = "many",
    scheme = "http",
    registry = "{host}",
    repository = "private/many",
    identifier = "{digest}",
    target_name = "many",
)
"""
RULES_OCI = """
module(name = "rules_oci")
bazel_dep(name = "aspect_bazel_lib")
bazel_dep(name = "bazel_skylib")
bazel_dep(name = "package_metadata")
"""
# What oci_pull loads from other modules, as far as it needs it here.
STUBS = {
    "aspect_bazel_lib/lib/base64.bzl": "base64 = None",
    "aspect_bazel_lib/lib/repo_utils.bzl": """
repo_utils = struct(get_env_var = lambda rctx, name, default: rctx.os.environ.get(name, default))
""",
    "aspect_bazel_lib/lib/copy_to_directory.bzl": """
def copy_to_directory(name, srcs, visibility, **kwargs):
    native.filegroup(name = name, srcs = srcs, visibility = visibility)
""",
    "aspect_bazel_lib/lib/BUILD.bazel": "",
    "package_metadata/rules/package_metadata.bzl": """
def package_metadata(name, visibility, **kwargs):
    native.filegroup(name = name, visibility = visibility, applicable_licenses = [])
""",
    "package_metadata/rules/BUILD.bazel": "",
}
HELPER = """#!/bin/sh
exec python3 -I -S {program} credential-helper --tls-verify=false --authfile={logins} "$@"
"""


def modules(folder: Path) -> list[str]:
    """Write the modules beside the main one; return the options that name them."""
    for name, text in STUBS.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    for name in ("aspect_bazel_lib", "package_metadata"):
        (folder / name / "MODULE.bazel").write_text(f'module(name = "{name}")\n')
    shutil.copytree(Path(CHECKOUT) / "oci", folder / "rules_oci" / "oci")
    (folder / "rules_oci" / "MODULE.bazel").write_text(RULES_OCI)
    (folder / "rules_oci" / "oci" / "private" / "BUILD.bazel").write_text("")
    return [f"--override_module={path.name}={path}" for path in folder.iterdir()]


def test_one_token_for_an_image(single_file: Path, tmp_path: Path) -> None:
    options = [*without_registry(tmp_path / "unused"), *modules(tmp_path / "modules")]
    with (
        TokenServer(tmp_path) as tokens,
        Simulator(IMAGE, "private/many", "1", gate=BearerGate(tokens.realm, tokens.accepts)) as registry,
        SidRoot({path: path for path in (tmp_path, single_file.parent)}) as sid,
        Bazel(sid.run, tmp_path, options=options) as bazel,
    ):
        login = {"auth": b64encode(b"user:pass").decode()}
        logins = bazel.write("logins.json", json.dumps({"auths": {registry.host: login}}))
        bazel.write("MODULE.bazel", MODULE.format(host=registry.host, digest=IMAGE.digest))
        bazel.write("BUILD.bazel", "")
        bazel.write("credentials", HELPER.format(program=single_file, logins=logins), mode=0o755)
        helper = "--credential_helper=127.0.0.1=%workspace%/credentials"
        bazel.succeed("build", "@many//:many", helper, "--credential_helper_timeout=60s")
        pulled = {request.path.rpartition("/")[2] for request in registry.requests}
        assert pulled >= {IMAGE.digest, *IMAGE.blobs}
        assert len(tokens.requests) == 1
