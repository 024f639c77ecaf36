"""Whatever a template looks like, it is rendered or refused with one line."""

from __future__ import annotations

from hypothesis import example, given, settings
from hypothesis import strategies as st

from pyskopeo.errors import InvalidInput
from pyskopeo.gocompat.template import Field, GoTime, Struct, render

TOKENS = st.sampled_from(
    ["{{", "}}", "{{- ", " -}}", "{{/*", "*/}}", "if ", "else ", "end", "range ", "with ", "define ", "template ",
     "block ", "break", "continue", "nil", "true", ".", ".Name", ".Labels", ".Inner", ".Foo", ".Labels.a", "$", "$x",
     ":=", "=", ",", "|", "(", ")", '"a"', "`b`", "'c'", "'", '"', "`", "0", "-1", "0x1p-2", "1i", "1e999", "1_000",
     "json ", "join ", "split ", "lower ", "printf ", "index ", "slice ", "len ", "eq ", "lt ", "and ", "or ", "not ",
     "html ", "js ", "urlquery ", "call ", "truncate ", "pad ", "%v", "%[2]d", "%*d", "%!", "%T", "table ", "\\n", "\\t",
     " ", "\n", "é", "\0", "\udcff"]
)  # fmt: skip
ACTIONS = st.lists(TOKENS, max_size=8).map(lambda tokens: "{{" + "".join(tokens) + "}}")
TEMPLATES = st.one_of(
    st.text(max_size=200),
    st.lists(st.one_of(TOKENS, ACTIONS), max_size=20).map("".join),
    st.lists(ACTIONS, min_size=1, max_size=6).map("".join),
)
VALUE = Struct(
    "inspect.Output",
    {
        "Name": Field("a<b>", "string"),
        "Labels": Field({"a": "1", "b": "\u2028"}, "map[string]string"),
        "Tags": Field(["x", "y"], "[]string"),
        "None": Field(None, "[]string"),
        "Created": Field(GoTime.parse("2024-01-02T03:04:05.6Z"), "*time.Time"),
        "Inner": Field(Struct("Inner", {"Size": Field(3, "int64")}), embedded=True),
    },
)


@given(TEMPLATES)
@example("{{.}}")
@example("{{range .Tags}}{{.}}{{end}}")
@example('{{printf "%*d %[2]*[1]d" 1000001 2}}')
@example("{{" * 2000)
@example("{{if true}}" * 2000)
@example("{{(" * 2000)
@settings(deadline=None, max_examples=800)
def test_rendered_or_refused(template: str) -> None:
    refusal = ""
    try:
        render(template, VALUE).encode()
    except InvalidInput as error:
        refusal = str(error)
    assert "\n" not in refusal
