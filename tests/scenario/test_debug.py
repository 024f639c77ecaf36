"""``--debug``: what is asked of whom, and never a secret."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.support import faults as f
from tests.support.cli import Done, pyskopeo_here
from tests.support.images import build
from tests.support.simulator import BasicGate, BearerGate, Simulator
from tests.support.token_server import TokenServer

pytestmark = pytest.mark.usefixtures("no_machine_policy")

IMAGE = build("docker")


class TestDebug:
    """``--debug``: what is asked of whom, with whose credentials, by which files; and never a secret."""

    SECRETS = ("pa55w0rd", "dXNlcjpwYTU1dzByZA", "s1gnatur3", "t0k3n")

    def told(self, done: Done) -> list[str]:
        for secret in self.SECRETS:
            assert secret not in done.stderr
        lines = [line for line in done.lines if " level=debug " in line]
        return [json.loads(line.partition("msg=")[2]) for line in lines]

    def test_requests_credentials_and_files(self, tmp_path: Path, no_machine_policy: Path) -> None:
        gate = BasicGate({"user": "pa55w0rd"})
        layer = IMAGE.layer_digests()[0]
        with Simulator(IMAGE, gate=gate) as registry:
            registry.on_blob(layer, f.Redirect("/storage/{name}?X-Amz-Signature=s1gnatur3"))
            authfile = tmp_path / "auth.json"
            authfile.write_text(json.dumps({"auths": {registry.host: {"auth": "dXNlcjpwYTU1dzByZA=="}}}))
            words = ("copy", f"--src-authfile={authfile}", "--src-tls-verify=false", registry.name(), f"dir:{tmp_path}/o")
            told = self.told(pyskopeo_here("--debug", *words))
            requests = [re.sub(r" after \d+ ms$", "", line) for line in told if " after " in line]
            assert f"GET {registry.url}/v2/: 401" in requests
            assert f"GET {registry.url}/v2/test/image/manifests/latest: 200" in requests
            assert f"GET {registry.url}/storage/{layer}?X-Amz-Signature=***: 200" in requests
            assert f"GET https://{registry.host}/v2/: no answer" in requests
            assert len(requests) - 1 == len(registry.log)
            assert f"credentials for {registry.host}: user user ({authfile})" in told
            assert f"the policy is in {no_machine_policy}" in told
            assert f"registries are configured in {no_machine_policy.with_name('registries.conf')}" in told
            # And without it, nothing.
            assert self.told(pyskopeo_here(*words)) == []
            assert self.told(pyskopeo_here("--debug=false", *words)) == []

    @pytest.mark.parametrize("progress", ["plain", "json", "none"])
    def test_with_any_progress(self, progress: str, registry: Simulator, tmp_path: Path) -> None:
        words = ("copy", f"--progress={progress}", "--src-tls-verify=false", registry.name(), f"dir:{tmp_path}/o")
        loud, quiet = pyskopeo_here("--debug", *words), pyskopeo_here(*words)
        assert (loud.code, quiet.code) == (0, 0)
        if progress == "json":
            events = [json.loads(line)["event"] for line in loud.lines]
            assert {"Requested", "Explained"} <= set(events)
            assert not {"Requested", "Explained"} & {json.loads(line)["event"] for line in quiet.lines}
        else:
            assert self.told(loud)
            assert self.told(quiet) == []

    def test_no_secret(self, tmp_path: Path, token_server: TokenServer) -> None:
        gate = BearerGate(f"{token_server.realm}?state=s1gnatur3", lambda token, scope: False)
        with Simulator(IMAGE, gate=gate) as registry:
            name = registry.name()
            for flags in (
                ("--creds=user:pa55w0rd",), ("--registry-token=t0k3n",), ("--username=user", "--password=pa55w0rd"),
            ):  # fmt: skip
                done = pyskopeo_here("--debug", "inspect", "--tls-verify=false", "--retry-times=0", *flags, name)
                assert done.code == 1
                told = self.told(done)
                assert any(" after " in line for line in told)
                assert not [line for line in told if re.search("[?&](account|state)=(?![*])", line)]

    def test_other_commands(self, registry: Simulator, tmp_path: Path) -> None:
        repository = registry.name().removesuffix(":latest")
        for words in (("list-tags", repository), ("delete", registry.name())):
            told = self.told(pyskopeo_here("--debug", words[0], "--tls-verify=false", *words[1:]))
            assert any(f" {registry.url}/v2/test/image/" in line for line in told)
        with Simulator(IMAGE) as other:
            done = pyskopeo_here(
                "--debug", "sync", "--src=docker", "--dest=dir", "--src-tls-verify=false",
                f"{other.host}/test/image:latest", str(tmp_path),
            )  # fmt: skip
            assert any(f" {other.url}/v2/test/image/" in line for line in self.told(done))
