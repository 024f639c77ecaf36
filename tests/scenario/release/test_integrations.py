"""The GitHub action, the jobs for GitLab and the package for Nix: they are well-formed, and what they run works."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

import pyskopeo
from tests.support.commands import ROOT, environment
from tests.support.require import require_peer
from tests.support.simulator import BasicGate, Simulator

ACTION = yaml.safe_load((ROOT / "action.yml").read_text())
STEPS: list[dict[str, Any]] = ACTION["runs"]["steps"]
GITLAB = yaml.safe_load((ROOT / "integrations" / "gitlab" / "pyskopeo.gitlab-ci.yml").read_text())
# In the place of Python: makes an "environment" whose pip writes down what it was to install.
PYTHON = f"""#!/bin/sh
case "$*" in
  "-m venv "*) mkdir -p "$3/bin"; cp "$0" "$3/bin/python"; cp "$(dirname "$0")/pyskopeo" "$3/bin/pyskopeo" ;;
  "-m pip "*) printf '%s\\n' "$@" >"$RUNNER_TEMP/pip" ;;
  *) exec '{sys.executable}' "$@" ;;
esac
"""
OURS = f"#!/bin/sh\nexec '{sys.executable}' -m pyskopeo \"$@\"\n"


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """A directory with ``python3`` and ``pyskopeo``."""
    folder = tmp_path / "programs"
    folder.mkdir()
    for name, text in (("python3", PYTHON), ("pyskopeo", OURS)):
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    return folder


def test_the_action_is_well_formed() -> None:
    """Inputs reach the shell as variables: what is put into a script is run (script injection)."""
    inputs = set(ACTION["inputs"])
    assert ACTION["runs"]["using"] == "composite"
    assert all(one.keys() <= {"description", "default", "required"} and one["description"] for one in ACTION["inputs"].values())
    used = set()
    for step in STEPS:
        assert step.keys() <= {"name", "id", "if", "shell", "env", "run"}
        assert (step["shell"], "${{" in step["run"]) == ("bash", False)
        used |= set(re.findall(r"\binputs\.([\w-]+)", json.dumps([step.get("if"), step["env"]])))
    assert used == inputs
    assert set(re.findall(r"steps\.(\w+)\.", json.dumps(ACTION["outputs"]))) <= {step.get("id") for step in STEPS}


def test_the_steps_of_the_action(programs: Path, tmp_path: Path) -> None:
    """Each as GitHub runs it: bash with -e and pipefail, with files for the path, the environment and the outputs."""
    bash = require_peer("bash")
    files = {name: tmp_path / name.lower() for name in ("GITHUB_PATH", "GITHUB_ENV", "GITHUB_OUTPUT")}
    auth = tmp_path / "auth.json"
    with Simulator(gate=BasicGate({"me": "se cret"})) as registry:
        inputs = {
            **{name: one["default"] for name, one in ACTION["inputs"].items()}, "store": "/srv/store", "extras": "serve",
            "python": str(programs / "python3"), "registry": registry.host, "username": "me", "password": "se cret",
        }  # fmt: skip
        for step in STEPS:
            more = {name: inputs[value[len("${{ inputs."):-len(" }}")]] for name, value in step["env"].items()}
            env = environment(more) | {name: str(path) for name, path in files.items()} | {
                "RUNNER_TEMP": str(tmp_path / "temp"), "GITHUB_ACTION_PATH": "/action", "REGISTRY_AUTH_FILE": str(auth),
            }  # fmt: skip
            # The runner's flags; and the registry has no TLS.
            script = step["run"].replace(" login ", " login --tls-verify=false ")
            command = [bash, "--noprofile", "--norc", "-e", "-o", "pipefail", "-c", script]
            done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
    assert (tmp_path / "temp" / "pip").read_text().splitlines()[-1] == "/action[serve]"
    assert files["GITHUB_PATH"].read_text() == f"{tmp_path}/temp/pyskopeo/bin\n"
    assert files["GITHUB_OUTPUT"].read_text() == f"version={pyskopeo.__version__}\n"
    assert files["GITHUB_ENV"].read_text() == "PYSKOPEO_STORE=/srv/store\n"
    assert registry.host in json.loads(auth.read_text())["auths"]


def test_an_old_python_is_one_line(tmp_path: Path) -> None:
    old = tmp_path / "python3"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    env = os.environ | {"PYTHON": str(old), "EXTRAS": "", "RUNNER_TEMP": str(tmp_path)}
    done = subprocess.run([require_peer("bash"), "-e", "-c", STEPS[0]["run"]], env=env, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.count("\n")) == (1, 1)
    assert done.stdout.startswith("::error::pyskopeo needs Python 3.11 or newer")


def test_jobs_for_gitlab(programs: Path, tmp_path: Path) -> None:
    """What a job runs before its own script, in sh, as in images without bash."""
    assert GITLAB.keys() == {"variables", ".pyskopeo"}
    job = GITLAB[".pyskopeo"]
    assert job.keys() == {"image", "variables", "cache", "before_script"}
    auth = tmp_path / "auth.json"
    with Simulator(gate=BasicGate({"ci": "token"})) as registry:
        script = "\n".join(job["before_script"]).replace(" login ", " login --tls-verify=false ")
        env = environment(GITLAB["variables"]) | {
            "PATH": f"{programs}:{os.environ['PATH']}", "RUNNER_TEMP": str(tmp_path), "REGISTRY_AUTH_FILE": str(auth),
            "CI_REGISTRY": registry.host, "CI_REGISTRY_USER": "ci", "CI_REGISTRY_PASSWORD": "token",
        }  # fmt: skip
        done = subprocess.run(["sh", "-e", "-c", script], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "pip").read_text().splitlines()[-1] == "pyskopeo"
    assert registry.host in json.loads(auth.read_text())["auths"]


# As little of nixpkgs as the package asks for; each Python package is its name.
NIXPKGS = """
let
  lib = {
    removePrefix = prefix: text: builtins.substring (builtins.stringLength prefix) (-1) text;
    hasSuffix = suffix: text: false;
    optional = yes: one: if yes then [ one ] else [ ];
    concatMap = builtins.concatMap;
    licenses.asl20 = "Apache-2.0";
    platforms.unix = [ ];
  };
  names = builtins.fromJSON (builtins.getEnv "NAMES");
  python3Packages = builtins.listToAttrs (map (name: { inherit name; value = name; }) names) // {
    pythonOlder = version: true;
    buildPythonApplication = given: builtins.removeAttrs given [ "src" "nativeBuildInputs" ];
  };
in import ./package.nix { inherit lib python3Packages; installShellFiles = null; EXTRAS }
"""


@pytest.mark.peer("nix-instantiate")
def test_the_package_for_nix_needs_what_the_project_needs(tmp_path: Path) -> None:
    """Evaluated with a little nixpkgs; every extra, too."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = ("serve", "metrics", "cluster", "socks", "openpgp", "sigstore", "signing")
    texts = project["dependencies"] + [text for extra in extras for text in project["optional-dependencies"][extra]]
    # httpx[socks] is a package of its own in nixpkgs.
    needed = {re.split(r"[\[><=; ]", text)[0].lower().replace(".", "-") for text in texts} | {"socksio"}
    folder = tmp_path / "integrations" / "nix"
    shutil.copytree(ROOT / "integrations" / "nix", folder)
    (tmp_path / "pyskopeo").mkdir()
    shutil.copy(ROOT / "pyskopeo" / "__init__.py", tmp_path / "pyskopeo")
    wanted = " ".join(f'"{extra}"' for extra in extras)
    (folder / "test.nix").write_text(NIXPKGS.replace("EXTRAS", f"extras = [ {wanted} ];"))
    env = os.environ | {"NAMES": json.dumps([*needed, "hatchling"]), "NIX_STATE_DIR": str(tmp_path / "state")}
    command = [require_peer("nix-instantiate"), "--eval", "--strict", "--json", "--store", "dummy://", str(folder / "test.nix")]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    package = json.loads(done.stdout)
    assert (package["version"], package["build-system"]) == (pyskopeo.__version__, ["hatchling"])
    assert set(package["dependencies"]) == needed
