"""Templates that would run forever, or fill the memory, end in an error; and none ends in anything else."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyskopeo.errors import InvalidInput
from pyskopeo.gocompat.template import GoTime, Struct, render

VALUE = Struct(
    "T", {"A": "text", "L": ["x", "y"], "M": {"k": "v"}, "N": None, "C": GoTime(2020, 1, 1), "I": {"d": [1, None]}}
)


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        ("{{range 1000000000}}{{end}}", "too many steps"),
        ("{{range 3000}}{{range 3000}}{{end}}{{end}}", "too many steps"),
        ('{{define "x"}}{{template "x"}}{{end}}{{range .}}{{template "x"}}{{end}}', "maximum template depth"),
        ("{{" + "(" * 5000 + "1" + ")" * 5000 + "}}", "nested more than 100"),
        ("{{if 1}}" * 5000 + "{{end}}" * 5000, "nested more than 100"),
        ("{{if 0}}" + "{{else if 0}}" * 5000 + "{{end}}", "nested more than 100"),
        ('{{printf "%9999999999d" 1}}', "over the limit"),
        ('{{printf "%.1000001f" 1.0}}', "over the limit"),
        ('{{printf "' + "%1000000d" * 20 + '"' + " 1" * 20 + "}}", "over the limit"),
        ('{{range 100}}{{printf "%1000000d" 1}}{{end}}', "the output is over the limit"),
        ('{{$x := "aa"}}{{range 100}}{{$x = print $x $x}}{{end}}', "over the limit"),
        ('{{pad "a" 999999999 1}}', "over the limit"),
        ('{{$l := split (pad "a" 100 0) ""}}{{printf "%1000000s" $l}}', "over the limit"),
        ('{{$x := pad "a" 9000000 1}}{{join (split $x "a") $x}}{{join (split "a a a" " ") $x}}', "over the limit"),
    ],
)
def test_bounds(template: str, reason: str) -> None:
    with pytest.raises(InvalidInput, match=reason) as caught:
        render(template, VALUE)
    assert len(str(caught.value)) < 500
    assert "\n" not in str(caught.value)


def test_what_is_within_the_bounds() -> None:
    assert render("{{" + "(" * 90 + "1" + ")" * 90 + "}}", VALUE) == "1\n"
    assert render("{{" + "print (" * 90 + "1" + ")" * 90 + "}}", VALUE) == "1\n"
    assert render("{{" + "and (" * 90 + "1" + ")" * 90 + "}}", VALUE) == "1\n"
    assert render("{{if 1}}" * 90 + "x" + "{{end}}" * 90, VALUE) == "x\n"
    assert len(render('{{printf "%1000000d" 1}}', VALUE)) == 1_000_001


def test_deeply_nested_values() -> None:
    deep: object = "x"
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(InvalidInput, match="nested too deeply"):
        render("{{.}}", {"deep": deep})


PIECES = st.sampled_from(
    [
        *"{{ }} {{- -}} ( ) | . $ , := = : \n \t \\n \\t \" ` ' \\ é % # @".split(" "),
        *"{{.A}} {{.L}} {{end}} {{else}} {{else if .N}} {{range .L}} {{range .}} {{if .A}} {{with .M}}".split(),
        *".A .L .M .N .C .M.k .I.d $x $x:= $. nil true 0 1 -1 1.5 0x1F 'a' 1i 08 \"s\" `r` x".split(),
        *"and or not len index slice print printf println html js urlquery call eq ne lt le gt ge".split(),
        *"json join split lower upper title pad truncate define template block break continue end".split(),
        *'"%d" "%v %s" "%5.2q" "%[2]*[1]d" "%x" "%+v" "%#v" "%T" table /* */ {{/* .Format .Year .Month'.split(),
    ]
)


def outcome(template: str) -> str:
    try:
        return render(template, VALUE)
    except InvalidInput as error:
        return f"error: {error}"


@settings(max_examples=300, deadline=None)
@given(st.lists(PIECES, max_size=24), st.sampled_from(["", " "]))
def test_no_template_breaks_us(pieces: list[str], separator: str) -> None:
    found = outcome(separator.join(pieces))
    assert found.encode().decode() == found
    assert not found.startswith("error: ") or (found.startswith("error: template: inspect:") and "\n" not in found)


@settings(max_examples=300, deadline=None)
@given(st.lists(PIECES, min_size=1, max_size=6))
def test_no_action_breaks_us(pieces: list[str]) -> None:
    found = outcome("{{" + " ".join(pieces) + "}}")
    assert not found.startswith("error: ") or (found.startswith("error: template: inspect:") and "\n" not in found)
