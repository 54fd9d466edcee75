from __future__ import annotations

import pytest
from django.utils.translation import override

from tests.delivery.letter import compiled, problems
from tests.delivery.mails import HTML, MJML


def faults(body: str, kind: str) -> list[tuple[int, str]]:
    return [(line, message) for _field, line, message in problems(body, format=kind)]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (MJML, []),
        (MJML.replace("<mj-text>Здравейте", "\n<mj-txt>Здравейте", 1).replace("</a>.</mj-text>", "</a>.</mj-txt>"),
         [(7, "MJML has no <mj-txt> (line 7). Did you mean <mj-text>?")]),
        (MJML.replace("</mj-column>", ""), [(4, "<mj-column> of line 4 is not closed before </mj-section>.")]),
        ("<mjml>\n<mj-body>\n\n<mj-text>a</mj-text></mj-body></mjml>",
         [(4, "<mj-text> in line 4 cannot stand in <mj-body>.")]),
        ("<mjml><mj-body>\n<mj-include path='a' /></mj-body></mjml>",
         [(2, "<mj-include> in line 2: nothing is fetched into a message; write it here.")]),
        ("Здравейте", [(1, "An MJML message begins with <mjml> and has an <mj-body>.")]),
        ("<mjml>\n<mj-body", [
            (1, "<mjml> of line 1 is not closed."),
            (2, "The tag that begins in line 2 is not finished: its > is missing."),
        ]),
    ],
)  # fmt: skip
def test_mjml_is_wrong_at_a_line(body: str, expected: list[tuple[int, str]]) -> None:
    assert faults(body, "mjml") == expected


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (HTML, []),
        ("<p>a<p>b\n<ul><li>c<li>d</ul><table><tr><td>e<tr><td>f</table><br><img alt='g' src='h'>", []),
        ("a\n<div>\n<b>c</div>", [(3, "<b> of line 3 is not closed before </div>.")]),
        ("a\n\n</i>", [(3, "</i> in line 3 closes nothing.")]),
        ("{{ subscriber.name|default(\n'x') }}\n<i>x", [(3, "<i> of line 3 is not closed.")]),
        ("{# two\nlines #}\n<i>x", [(3, "<i> of line 3 is not closed.")]),
        (
            '{% if subscriber.name %}<p class="a">{% elif subscriber.kind %}<p>{% else %}<p class="b">{% endif %}x</p>',
            [],
        ),
        ("{% if subscriber.name %}<b>{% endif %}x", [(1, "<b> of line 1 is not closed.")]),
        ("{% for service in services %}<tr>{% endfor %}<a title='<b>' href='https://a.bg'>x</a>", []),
    ],
)
def test_html_is_wrong_at_a_line(body: str, expected: list[tuple[int, str]]) -> None:
    assert faults(body, "html") == expected


def test_it_is_said_in_the_readers_language() -> None:
    run = compiled("<div>\n<b>x</div>", format="html")
    ((_n, problem),) = run.problems
    with override("bg"):
        assert str(problem.message) == "<b> от ред 2 не е затворен преди </div>."


def test_html_that_is_wrong_is_shown_all_the_same_and_mjml_is_not() -> None:
    assert [run.contents()[0].is_sound for run in (compiled("<b>x", format="html"), compiled("x", format="mjml"))] == [
        True,
        False,
    ]


def test_markdown_is_not_held_to_it() -> None:
    assert problems("5 <b и <i>a") == []


def test_a_picture_without_words_is_named_with_its_line() -> None:
    assert faults("<p>a</p>\n<img src='https://a.bg/b.png'>", "html") == [(2, "Pictures without a description: 1.")]
