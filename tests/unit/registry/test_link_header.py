"""The next page in Link headers: RFC 8288 as it is written, and what registries make of it."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyskopeo.errors import UnsafeAddress
from pyskopeo.registry.link_header import MAX_LENGTH, Link, NextPage, find_next_page, parse_links

HERE = "https://registry.example.com/v2/a/b/tags/list"
NEXT = f"{HERE}?page=2"
PAGE = "</v2/a/b/tags/list?page=2>"


@pytest.mark.parametrize(
    "header",
    [
        f'{PAGE}; rel="next"',
        f"{PAGE};rel=next",
        f'{PAGE}; Rel="Next"',
        f"{PAGE}; REL=NEXT",
        f"{PAGE} ;\trel = next",
        f'{PAGE};\t rel\t=\t"next" ;',
        f'{PAGE}; rel="prefetch next"',
        f'{PAGE}; rel="NEXT\tlast"',
        rf'{PAGE}; rel="ne\xt"',
        f"{PAGE}; rel='next'",
        f"{PAGE}; rel=next; rel=prev",
        f'{PAGE}; title="a, b; rel=prev"; rel="next"',
        rf'{PAGE}; title="\"; rel=\"prev"; rel=next',
        f"{PAGE}; title*=UTF-8'de'n%c3%a4chste; rel=next",
        f"{PAGE}; crossorigin; rel=next",
        f"{PAGE};; ;rel=next",
        f'{PAGE}; rel="next"; anchor="/v2/a/b/tags/list"',
        f'{PAGE}; anchor=""; rel="next"',
        f'{PAGE}; anchor="#page"; rel="next"',
        f'</v2/a/b/tags/list?page=1>; rel="prev", {PAGE}; rel="next"',
        f"</v2/a/b/tags/list?page=1>;rel=prev,{PAGE};rel=next",
        f', ,{PAGE}; rel="next",, ',
        f'</first>; rel=first; title="<x>, </y>; rel=next", {PAGE}; rel=next',
        f'</x>; rel=next; anchor="/elsewhere", {PAGE}; rel=next',
        f"{PAGE}; rel=next, </v2/a/b/tags/list?page=9>; rel=next",
        f'<{NEXT}>; rel="next"',
        '<//registry.example.com/v2/a/b/tags/list?page=2>; rel="next"',
        '<?page=2>; rel="next"',
        '<list?page=2>; rel="next"',
        '< ?page=2 >; rel="next"',
        # Without the angle brackets.
        f"{NEXT}; rel=next",
        '/v2/a/b/tags/list?page=2; rel="next"',
        '</v2/a/b/tags/list?page=2; rel="next"',
        '/v2/a/b/tags/list?page=2>; rel="next"',
        "?page=2; rel=next",
        '</first; rel="first", </v2/a/b/tags/list?page=2; rel="next"',
        # Without the closing quote.
        f'{PAGE}; rel="next',
        f'{PAGE}; rel="next; title="x"',
        f'{PAGE}; rel="next, </x>; rel="last"',
        f'{PAGE}; rel=next; title="x',
    ],
)
def test_the_next_page(header: str) -> None:
    assert find_next_page([header], HERE) == NextPage(NEXT)


def test_several_headers() -> None:
    assert find_next_page(["</>; rel=up", f"{PAGE}; rel=next", ", ,"], HERE) == NextPage(NEXT)


@pytest.mark.parametrize(
    ("headers", "unread"),
    [
        ([f"garbage, {PAGE}; rel=next"], "garbage"),
        ([f"garbage; rel=next {PAGE}; rel=next"], "garbage; rel=next"),
        ([f"<<<, {PAGE}; rel=next"], "<"),
        ([f'{PAGE}; title="unquoted " quote"; rel="next"'], 'quote"'),
        ([f'</x>; title="a "b, c" d"; rel=prev, {PAGE}; rel=next'], 'b, c" d"'),
        ([f'</x>; rel="prev" next, {PAGE}; rel=next'], "next"),
        ([f'{PAGE}; rel="next" more'], "more"),
        ([f'{PAGE}; rel=next, </x>; rel="prev" more'], "more"),
        ([f"{PAGE}; rel=next", "<<<"], "<"),
    ],
)
def test_a_next_page_beside_what_cannot_be_read(headers: list[str], unread: str) -> None:
    assert find_next_page(headers, HERE) == NextPage(NEXT, f"cannot be read in part ({unread})")


def test_blanks_in_a_target_are_encoded() -> None:
    assert find_next_page(["<?q=a b&page=2>; rel=next"], HERE).url == f"{HERE}?q=a%20b&page=2"


def test_commas_and_semicolons_belong_to_the_target() -> None:
    assert find_next_page(['<?last=a,b;rel="prev"&n=1>; rel="next"'], HERE).url == f'{HERE}?last=a,b;rel="prev"&n=1'


@pytest.mark.parametrize("headers", [[], ["</x>; rel=prev"], ["</v2/a/b/tags/list>"], ["</x>; rel=first, </y>; rel=last"], ["</x>; rel=nextish"]])
def test_no_next_page(headers: list[str]) -> None:
    assert find_next_page(headers, HERE) == NextPage()


@pytest.mark.parametrize(
    ("header", "problem"),
    [
        ("<>; rel=next", "has a next page without an address: there may be more pages"),
        ("nonsense", r"cannot be read \(nonsense\): there may be more pages"),
        ('nonsense; rel="next"', "cannot be read"),
        ("<<<>;;rel=,next", "cannot be read"),
        ("</x rel=next", "cannot be read"),
        ("<>; rel=prev, <<<", "cannot be read"),
        ("garbage, </x>; rel=prev", "cannot be read"),
        ('</x>; rel="prev" next', "cannot be read"),
        ("</x>; rel=prev, rel=next", "cannot be read"),
        ("\x1b[31m\u202e", r"cannot be read \( ?\[31m ?\)"),
        ("</x>", "has no relation: there may be more pages"),
        ('</x>; rel=""', "has no relation: there may be more pages"),
        (f'{PAGE}; rel=next; anchor="/v2/other/tags/list"', "is about another resource: there may be more pages"),
        ("<" + "x" * MAX_LENGTH + ">; rel=next", f"is longer than {MAX_LENGTH} characters"),
    ],
)
def test_what_cannot_be_read_is_told(header: str, problem: str) -> None:
    found = find_next_page([header], HERE)
    assert found.url == ""
    assert re.match(problem, found.problem)


def test_a_link_without_a_relation_to_the_same_list() -> None:
    assert find_next_page([PAGE], HERE) == NextPage(NEXT, "has no relation, and is taken for that of the next page")
    assert find_next_page([f"{PAGE}, </v2/a/b/tags/list?page=3>"], HERE).url == ""


@pytest.mark.parametrize("target", ["https://[::1", "http://a b/", "\x7f"])
def test_a_target_that_is_no_url(target: str) -> None:
    with pytest.raises(UnsafeAddress):
        find_next_page([f"<{target}>; rel=next"], HERE)


def test_what_a_header_is_made_of() -> None:
    links, rest = parse_links('</a>; rel="x Y"; anchor=/b, </c>;rel="z" garbage')
    assert links == [Link("/a", frozenset({"x", "y"}), "/b"), Link("/c", frozenset({"z"}))]
    assert rest == "garbage"


quoted = st.text(st.sampled_from('ab ,;<>="\\'), max_size=8).map(
    lambda text: '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
)
parameters = st.lists(
    st.tuples(st.sampled_from(["title", "type", "x"]), st.one_of(quoted, st.just("token"))), max_size=3
)


@given(parameters, parameters, st.sampled_from(["next", '"next"', '"prev NEXT"']))
def test_other_parameters_do_not_matter(
    before: list[tuple[str, str]], after: list[tuple[str, str]], relation: str
) -> None:
    words = [f"{name}={value}" for name, value in (*before, ("rel", relation), *after)]
    header = f"</y>; title=\"<z>; rel=next\"; rel=prev, {PAGE}; {'; '.join(words)}, </x>; rel=up"
    assert find_next_page([header], HERE) == NextPage(NEXT)


@given(st.text(st.sampled_from('<>;,="\\ \tnextrel/'), max_size=200))
def test_any_text_is_read_or_told(header: str) -> None:
    links, rest = parse_links(header)
    try:
        found = find_next_page([header], HERE)
    except UnsafeAddress:
        return
    assert found.url or found.problem or not rest
    assert len(links) <= header.count("<") + header.count("/")


@pytest.mark.parametrize("unit", ["<", "<>;", "<>,", ">;", "<>;a", '<>;a="', '<>;a="\\', "<>;a= ", " ;", "/;", '"', "</", '<>;rel="', "<> ,", "<>x ,", "<>x;"])
def test_hostile_headers_take_linear_time(unit: str) -> None:
    value = unit * (MAX_LENGTH // len(unit))
    started = time.process_time()
    for _ in range(5):
        find_next_page([value], HERE)
    assert time.process_time() - started < 5
