"""The examples for Kubernetes, GitHub and Slurm: what they run plans, copies every shard, and merges the reports.

Their shells write down the words of each call of the program, which is then called within this process.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.cli import pyskopeo_here, succeed
from tests.support.commands import ROOT, environment
from tests.support.images import ImageSpec, LayerSpec, build
from tests.support.simulator import Simulator

_FOLDER = ROOT / "integrations"
_IMAGES = [build(ImageSpec(layers=(LayerSpec("base", base=True), LayerSpec(f"own{n}", size=500)))) for n in range(5)]
_SHARDS = 2
# In the place of the program.
_NOTES = '#!/bin/sh\n{ printf "%s\\0" "$@"; printf "\\n"; } >>"$CALLS"\n'
# In the place of Slurm's: runs an array at once, and what depends on it after that.
_SBATCH = """#!/bin/sh
for word; do
  case "$word" in
    --array=*) array=${word#--array=1-} ;;
    --wrap=*) sh -c "${word#--wrap=}"; exit ;;
    *) script=$word ;;
  esac
done
for number in $(seq "$array"); do
  SLURM_ARRAY_TASK_ID=$number SLURM_ARRAY_TASK_COUNT=$array sh "$script"
done
echo 17
"""


class Place:
    """A directory with ``images.yaml``, a registry with its images, and another one that is their mirror."""

    def __init__(self, folder: Path, registry: Simulator, mirror: Simulator) -> None:
        self.folder, self.registry, self.mirror = folder, registry, mirror
        (folder / "images.yaml").write_text(f"{registry.host}:\n  images:\n    team/app: []\n")
        programs = folder / "programs"
        programs.mkdir()
        for name, text in (("pyskopeo", _NOTES), ("sbatch", _SBATCH)):
            (programs / name).write_text(text)
            (programs / name).chmod(0o755)
        self._calls = folder / "calls"

    def shell(self, *words: str, env: Mapping[str, str] = {}) -> int:
        """Run a command of an example, then what it has called; return the last exit code."""
        variables = {**environment({}), **env, "CALLS": str(self._calls)}
        variables["PATH"] = f"{self.folder}/programs:{os.environ['PATH']}"
        subprocess.run(words, cwd=self.folder, env=variables, check=True, capture_output=True)
        code = 0
        for line in self._calls.read_text().splitlines():
            code = self.call(line.split("\0")[:-1])
        self._calls.unlink()
        return code

    def call(self, words: list[str]) -> int:
        """Call the program as an example does, with the directory and the mirror of this test in place of its own."""
        # Registries of tests have no TLS, and no port in a name below another one.
        extra = {"--plan": ["--src-tls-verify=false"], "--run": ["--src-tls-verify=false", "--dest-tls-verify=false"]}
        words = [word.replace("mirror.example.com", self.mirror.host) for word in words if word != "--scoped"]
        words += next((more for flag, more in extra.items() if any(word.split("=")[0] == flag for word in words)), [])
        if words[:2] == ["report", "merge"] and any("*" in word for word in words):  # what the shell found nothing for
            pattern = next(word for word in words if "*" in word)
            words = [
                one for word in words
                for one in (sorted(map(str, Path(self.folder).glob(Path(pattern).name))) if word == pattern else [word])
            ]  # fmt: skip
        return succeed(pyskopeo_here(*words)).code

    def check(self) -> None:
        """Assert that everything is at the mirror, and that one report says so."""
        report = json.loads((self.folder / "report.json").read_text())
        assert (report["copied"], report["exitCode"]) == (len(_IMAGES), 0)
        assert {self.mirror.manifest(f"v{n}", "hub/app") for n in range(5)} == {
            self.registry.manifest(f"v{n}", "team/app") for n in range(5)
        }
        assert len(list(self.folder.glob("shard-*.json"))) == _SHARDS


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    monkeypatch.chdir(tmp_path)
    with Simulator() as registry, Simulator() as mirror:
        for n, image in enumerate(_IMAGES):
            registry.add(image, "team/app", f"v{n}")
        yield Place(tmp_path, registry, mirror)


def test_kubernetes(place: Place) -> None:
    documents = list(yaml.safe_load_all((_FOLDER / "kubernetes" / "mirror.yaml").read_text()))
    jobs: dict[str, Any] = {one["metadata"]["name"]: one["spec"] for one in documents if one["kind"] == "Job"}
    volumes = {one["metadata"]["name"] for one in documents if one["kind"] != "Job"}
    assert volumes == {"mirror-images", "mirror"}
    run = jobs["mirror-run"]
    assert (run["completionMode"], run["completions"]) == ("Indexed", 8)
    for name, job in jobs.items():
        (container,) = job["template"]["spec"]["containers"]
        mounted = {one["name"] for one in container["volumeMounts"]}
        assert mounted == {one["name"] for one in job["template"]["spec"]["volumes"]}
        variables = {one["name"]: one["value"] for one in container.get("env", [])}
        assert variables.get("SHARDS") in (None, str(job.get("completions")))
        folders = {"/mirror/": f"{place.folder}/", "/images/": f"{place.folder}/"}
        words = [*container.get("command", []), *container["args"]]
        for old, new in folders.items():
            words = [word.replace(old, new) for word in words]
        if "command" not in container:
            assert place.call(words) == 0
            continue
        for index in range(_SHARDS if name == "mirror-run" else 1):
            env = {"SHARDS": str(_SHARDS), "JOB_COMPLETION_INDEX": str(index)}
            assert place.shell(*words, env=env) == 0
    place.check()


def test_github(place: Place) -> None:
    workflow = yaml.safe_load((_FOLDER / "github-actions" / "mirror.yml").read_text())
    jobs: dict[str, Any] = workflow["jobs"]
    assert list(jobs) == ["plan", "run", "report"]
    assert [jobs[name].get("needs") for name in jobs] == [None, "plan", "run"]
    shards = jobs["run"]["strategy"]["matrix"]["shard"]
    assert shards == list(range(1, len(shards) + 1))
    for name, job in jobs.items():
        for number in range(1, _SHARDS + 1 if name == "run" else 2):
            given = {"${{ matrix.shard }}": str(number), "${{ strategy.job-total }}": str(_SHARDS)}
            for step in job["steps"]:
                if "run" not in step:
                    continue
                assert "${{" not in step["run"]
                env = {key: given[value] for key, value in step.get("env", {}).items()}
                assert place.shell("sh", "-e", "-c", step["run"], env=env) == 0
    place.check()


def test_slurm(place: Place) -> None:
    script = _FOLDER / "slurm" / "mirror.sh"
    assert os.access(script, os.X_OK)
    assert place.shell(str(script), "images.yaml", "mirror.example.com/hub", str(_SHARDS)) == 0
    place.check()
    assert shlex.split((_FOLDER / "slurm" / "shard.sbatch").read_text(), comments=True)[0] == "exec"
