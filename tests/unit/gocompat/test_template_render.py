"""What is done around a template: wrapping, escapes, tables, JSON, and its own functions."""

import pytest

from pyskopeo.errors import InvalidInput
from pyskopeo.gocompat.template import Field, GoTime, Struct, is_json, render

LAYER = Struct(
    "types.ImageInspectLayer",
    {
        "MIMEType": "application/x",
        "Digest": "sha256:1",
        "Size": 12,
        "Annotations": Field(None, "map[string]string"),
    },
)
IMAGE = Struct(
    "inspect.Output",
    {
        "Name": Field("", "string", omitempty=True),
        "Digest": "sha256:0",
        "RepoTags": Field([], "[]string"),
        "Created": Field(GoTime.parse("2020-01-01T00:00:00.12Z"), "*time.Time"),
        "Labels": Field({"z": "<1>", "a": "2"}, "map[string]string"),
        "Os": "linux",
        "Layers": ["sha256:1", "sha256:2"],
        "LayersData": Field([LAYER], "[]types.ImageInspectLayer"),
        "Env": Field(None, "[]string"),
    },
)
ALL_AS_JSON = (
    '{"Digest":"sha256:0","RepoTags":[],"Created":"2020-01-01T00:00:00.12Z","Labels":{"a":"2","z":"<1>"},'
    '"Os":"linux","Layers":["sha256:1","sha256:2"],"LayersData":[{"MIMEType":"application/x",'
    '"Digest":"sha256:1","Size":12,"Annotations":null}],"Env":null}\n'
)


@pytest.mark.parametrize(
    ("template", "output"),
    [
        ("", "\n"),
        ("plain", "plain\n"),
        ("{{.Os}}\n", "linux\n"),
        (r"{{.Os}}\n", "linux\n"),
        (r"{{.Os}}\t{{.Digest}}\nx", "linux\tsha256:0\nx\n"),
        # With \n made a newline this string is not closed, so the template is taken as it stands.
        (r'{{printf "a\nb"}}', "a\nb"),
        (r'{{.Os}}\n{{print "\t"}}|', "linux\n\t|\n"),
        ("{{range .}}{{.Os}}{{end}}", "linux\n"),
        ("{{ range . }}\n{{.Os}}\n{{ end -}}", "\nlinux\n"),
        ("{{range .}}{{range $i, $x := $}}{{$i}}{{$x.Os}}{{end}}{{end}}", "0linux\n"),
        ("{{len $}}", "1\n"),
        ('{{define "x"}}<{{.Os}}>{{end}}{{range .}}{{template "x" .}}{{end}}', "<linux>\n"),
        ('{{block "b" .Layers}}{{len .}}{{end}}', "2\n"),
        ("{{(index .LayersData 0).Size}} {{(index .LayersData 0).MIMEType}}", "12 application/x\n"),
        ("{{.LayersData}}", "[{application/x sha256:1 12 map[]}]\n"),
        ("{{range .LayersData}}{{.Digest}} {{.Annotations.x}}{{end}}", "sha256:1 <no value>\n"),
        ('{{printf "%+v" .LayersData}}', "[{MIMEType:application/x Digest:sha256:1 Size:12 Annotations:map[]}]\n"),
        ('{{.Created.Format "Jan 2006"}}', "Jan 2020\n"),
    ],
)
def test_render(template: str, output: str) -> None:
    assert render(template, IMAGE) == output


@pytest.mark.parametrize(
    ("template", "output"),
    [
        ("{{json .Labels}}", '{"a":"2","z":"<1>"}\n'),
        ("{{json .Env}} {{json .RepoTags}} {{json .Layers}}", 'null [] ["sha256:1","sha256:2"]\n'),
        ("{{json .Created}}", '"2020-01-01T00:00:00.12Z"\n'),
        (
            "{{json .}}",
            ALL_AS_JSON,
        ),
        ('{{join .Layers ","}}', "sha256:1,sha256:2\n"),
        ('{{join .Env ","}}|', "|\n"),
        ("{{range split .Digest `:`}}[{{.}}]{{end}}", "[sha256][0]\n"),
        (
            "{{upper .Os}} {{title .Os}} {{lower `ABC`}} {{truncate .Os 2}}|{{pad .Os 1 2}}|",
            "LINUX Linux abc li| linux  |\n",
        ),
        ("{{.Os | upper | printf `%-8s|`}}", "LINUX   |\n"),
    ],
)
def test_functions_of_skopeo(template: str, output: str) -> None:
    assert render(template, IMAGE) == output


@pytest.mark.parametrize(
    ("template", "output"),
    [
        ("table {{.Os}}", "linux\n"),
        (r"table {{.Os}}\t{{.Digest}}", "linux       sha256:0\n"),
        ("table {{.Os}} {{.Digest}}", "linux       sha256:0\n"),
        (r"table a-cell-that-is-wide\tx\n{{.Os}}\ty", "a-cell-that-is-wide  x\nlinux                y\n"),
        (r"table a\tb\nalone\nlonger-than-twelve\tc", "a           b\nalone\nlonger-than-twelve  c\n"),
        (r"table {{range .Layers}}{{.}}\t{{len .}}\n{{end}}", "sha256:1    8\nsha256:2    8\n\n"),
        ("table ", "\n"),
        ("table", "table\n"),
    ],
)
def test_table(template: str, output: str) -> None:
    assert render(template, IMAGE) == output


@pytest.mark.parametrize("template", ["json", " json ", "{{json}}", "{{ json }}", "{{json.}}", "{{ json. }}\n"])
def test_is_json(template: str) -> None:
    assert is_json(template)


@pytest.mark.parametrize("template", ["", "{{json .}}", "{{json .Labels}}", "jsonx", "{{.json}}", "table json"])
def test_is_not_json(template: str) -> None:
    assert not is_json(template)


@pytest.mark.parametrize(
    ("template", "message"),
    [
        # Where we differ from Go on purpose: the text is the user's own, without the loop around it.
        ("{{.Os", "template: inspect:1: unclosed action"),
        ("{{end}}", "template: inspect:1: unexpected {{end}}"),
        ("{{if .Os}}x", "template: inspect:1: unexpected EOF"),
        (
            "{{len nil}}",
            'template: inspect:1:2: executing "inspect" at <len nil>: error calling len: len of nil pointer',
        ),
        ("x\n{{foo}}", 'template: inspect:2: function "foo" not defined'),
        (
            "é{{.Nope}}",
            'template: inspect:1:4: executing "inspect" at <.Nope>: can\'t evaluate field Nope in type interface {}',
        ),
        (
            "table {{.Nope}}",
            'template: inspect:1:2: executing "inspect" at <.Nope>: can\'t evaluate field Nope in type interface {}',
        ),
        ('{{define "x"}}a{{end}}', "template: inspect:1: unexpected <define> in command"),
    ],
)
def test_errors(template: str, message: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        render(template, IMAGE)
    assert str(caught.value) == message


def test_characters_cut_in_two() -> None:
    value = {"x": "é"}
    assert render("{{truncate .x 1}}", value) == "\ufffd\n"
    assert render("{{slice .x 0 1}}{{slice .x 1 2}}", value) == "é\n"
    assert render("{{len (print (slice .x 0 1) (slice .x 1 2))}}", value) == "2\n"
    assert render("{{printf `%q` (slice .x 0 1)}}", value) == '"\\xc3"\n'


def test_lone_surrogates_of_a_document() -> None:
    assert render("{{.x}} {{len .x}} {{json .x}}", {"x": "\udc80"}) == '\ufffd 3 "\ufffd"\n'
