"""Structs, maps and times as templates and JSON see them."""

import pytest

from pyskopeo.errors import InvalidInput
from pyskopeo.gocompat.go_json import dumps
from pyskopeo.gocompat.template import Field, GoTime, Struct, json_value, render

PLATFORM = Struct("v1.Platform", {"Architecture": Field("arm64", json="architecture"), "OS": Field("linux", json="os")})
IMAGE = Struct(
    "v1.Image",
    {
        "Created": Field(None, "*time.Time", json="created", omitempty=True),
        "Author": Field("", "string", json="author", omitempty=True),
        "Platform": Field(PLATFORM, embedded=True),
        "Config": Field(
            Struct("v1.ImageConfig", {"Env": Field(["b", "a"], json="Env", omitempty=True)}), json="config"
        ),
    },
)


def test_embedded_fields() -> None:
    assert render("{{.OS}} {{.Platform.Architecture}} {{.Config.Env}}", IMAGE) == "linux arm64 [b a]\n"
    assert dumps(json_value(IMAGE)) == '{"architecture":"arm64","os":"linux","config":{"Env":["b","a"]}}'


def test_nil_pointer() -> None:
    assert render("{{.Created}}{{if .Created}}x{{end}}{{json .Created}}", IMAGE) == "<nil>null\n"
    assert render("{{eq .Created nil}} {{printf `%v %s %T` .Created .Created .Created}}", IMAGE) == (
        "true <nil> <nil> *time.Time\n"
    )
    with pytest.raises(InvalidInput, match=r"nil pointer evaluating \*time\.Time\.Year"):
        render("{{.Created.Year}}", IMAGE)
    with pytest.raises(InvalidInput, match=r"can't evaluate field Nope in type \*time\.Time"):
        render("{{.Created.Nope}}", IMAGE)


def test_struct_against_map() -> None:
    assert render("{{.nope}} {{.nope.deeper}}", {"a": 1}) == "<no value> <no value>\n"
    with pytest.raises(InvalidInput, match="can't evaluate field nope in type T"):
        render("{{.x.nope}}", Struct("S", {"x": Struct("T", {})}))


def test_plain() -> None:
    assert json_value({"b": [GoTime(2020, 1, 2), None], "a": Struct("T", {"z": 1, "y": 2.5})}) == {
        "a": {"z": 1, "y": 2.5},
        "b": ["2020-01-02T00:00:00Z", None],
    }
    assert list(json_value({"b": 1, "a": 2})) == ["a", "b"]  # type: ignore[call-overload]
    assert list(json_value(Struct("T", {"b": 1, "a": 2}))) == ["b", "a"]  # type: ignore[call-overload]
