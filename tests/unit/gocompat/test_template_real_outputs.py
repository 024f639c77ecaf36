"""Templates against the outputs that real programs gave for them."""

import json
from pathlib import Path

import pytest

from pyskopeo.errors import InvalidInput
from pyskopeo.gocompat.template import Field, GoTime, Struct, render

RECORDED = json.loads(Path(__file__).with_name("real_outputs.json").read_text())
CASES = [(program, template, output) for program, cases in RECORDED["cases"].items() for template, output in cases]


def image() -> Struct:
    """What skopeo's ``inspect.Output`` was for the recorded outputs."""
    seen = RECORDED["image"]
    types = {"RepoTags": "[]string", "Labels": "map[string]string", "Layers": "[]string", "Env": "[]string"}
    names = "Name Tag Digest RepoTags Created DockerVersion Labels Architecture Os Layers Env".split()
    fields = {name: Field(seen.get(name, ""), types.get(name, "string"), omitempty=name in "NameTag") for name in names}
    return Struct("inspect.Output", {**fields, "Created": Field(GoTime.parse(seen["Created"]), "*time.Time")})


def run(template: str, value: object) -> str:
    try:
        return render(template, value)
    except InvalidInput as error:
        return f"E {error}"


@pytest.mark.parametrize(("program", "template", "output"), CASES)
def test_as_the_real_program(program: str, template: str, output: str) -> None:
    values = {
        "skopeo": image(),
        "docker": Struct("*formatter.clientContextContext", {"Name": "default"}),
        "kubectl": RECORDED["object"],
    }
    found = run(template, values[program])
    if program == "kubectl":
        # It adds no newline.
        found = found.removesuffix("\n")
    assert found == output


def test_there_are_many_cases() -> None:
    assert len(CASES) > 450
    assert sum(output.startswith("E ") for _, _, output in CASES) > 150
