from __future__ import annotations

import re
from typing import Any

import pytest

from outreach.delivery.render import Recipient, RenderingFailed
from tests.delivery.letter import ANNA, compiled, problems, rendered


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (
            "Здравейте\n\n{{ subscriber.nmae }}",
            [("body", 3, "There is no variable “subscriber.nmae” (line 3). Did you mean “subscriber.name”?")],
        ),
        (
            "{{ subscribr.name }}",
            [("body", 1, "There is no variable “subscribr” (line 1). Did you mean “subscriber”?")],
        ),
        ("{{ qqq }}", [("body", 1, "There is no variable “qqq” (line 1).")]),
        (
            "{% for service in services %}{{ service.ulr }}{% endfor %}",
            [("body", 1, "There is no variable “service.ulr” (line 1). Did you mean “service.url”?")],
        ),
        ("{{ service.steps.bg }}", [("body", 1, "There is no variable “service.steps.bg” (line 1).")]),
    ],
)
def test_an_unknown_variable_is_named_with_its_line(body: str, expected: list[tuple[str, int, str]]) -> None:
    assert problems(body) == expected


@pytest.mark.parametrize(
    ("body", "line"),
    [
        ("{{ subscriber.name", 1),
        ("a\n{% if subscriber.name %}b", 2),
        ("a\n\n{% endfor %}", 3),
        ("{{ subscriber.name|shout }}", 1),
        ("{% include 'x' %}{% bad %}", 1),
        ("{{ 1 + }}", 1),
    ],
)
def test_a_broken_template_is_named_with_its_line(body: str, line: int) -> None:
    found = problems(body)
    assert [(field, at) for field, at, _message in found] == [("body", line)]
    assert found[0][2].startswith(f"The template is broken in line {line}: ")


@pytest.mark.parametrize(
    "body",
    [
        "{{ subscriber.name.upper() }}",
        "{{ subscriber.__class__ }}",
        "{{ ''.__class__.__mro__ }}",
        "{% set x = 'a' %}{{ x }}",
        "{% macro m() %}{% endmacro %}",
        "{{ 9 ** 999999 }}",
        "{{ 'a' * 999999999 }}",
        "{{ '%999999999d' % 1 }}",
        "{% for a in range(99999999) %}x{% endfor %}",
        "{% for a in 'aaaa' %}x{% endfor %}",
        "{% for a in [1, 2] %}x{% endfor %}",
        "{% for a in services %}{% for b in services %}{% for c in services %}x{% endfor %}{% endfor %}{% endfor %}",
        "{% for a in services recursive %}{% endfor %}",
        "{% include 'email.html' %}",
        "{% extends 'email.html' %}",
        "{{ 'a'|center(999999999) }}",
        "{{ self }}",
        "{{ cycler }}",
        "{{ subscriber.attributes[subscriber.name] }}",
        "{% filter upper %}x{% endfilter %}",
        "{% with a = 1 %}{% endwith %}",
    ],
)
def test_what_could_harm_is_refused(body: str) -> None:
    run = compiled(body)
    assert [problem.severity for _n, problem in run.problems][:1] == ["error"]
    with pytest.raises(RenderingFailed):
        run.render(Recipient(delivery=1, channel="email", language="bg", subscriber=ANNA))


def test_the_subject_is_checked_too() -> None:
    assert problems(subject="{{ nmae }}") == [("subject", 1, "There is no variable “nmae” (line 1).")]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"body": " \n"}, ("body", "no_text", "error")),
        ({"subject": " "}, ("subject", "empty_subject", "error")),
        ({"body": "[тук](www.example.bg)"}, ("body", "bad_link", "error")),
        (
            {"body": "<a href='#'>a</a><a href=\"javascript:alert\">b</a>", "format": "html"},
            ("body", "bad_link", "error"),
        ),
        ({"body": "![](https://example.bg/a.png)"}, ("body", "image_without_text", "warning")),
        ({"body": "<script>x</script>"}, ("body", "script", "error")),
        ({"body": "<html><body>x</body></html>", "format": "html"}, ("body", "no_unsubscribe", "error")),
        ({"body": "<mjml><mj-nothing/></mjml>", "format": "mjml"}, ("body", "broken_template", "error")),
        ({"body": "{{ subscriber.name }}", "channel": "social"}, ("body", "personal_in_public", "error")),
        ({"body": "{{ unsubscribe_url }}", "channel": "feed"}, ("body", "personal_in_public", "error")),
    ],
)
def test_other_mistakes_are_found(changes: dict[str, Any], expected: tuple[str, str, str]) -> None:
    changes = dict(changes)
    found = [(p.field, p.code, p.severity) for _n, p in compiled(changes.pop("body", "x"), **changes).problems]
    assert found == [expected]


def test_nothing_is_wrong_with_a_good_text() -> None:
    body = """# {{ subscriber.name|default("Здравейте") }}

{% for service in services %}
- [{{ service.name }}]({{ service.url }}), {{ loop.index }} от {{ loop.length }}: {{ service.steps|upper }}
{% endfor %}

{% if subscriber.attributes.city == "Пловдив" and not subscriber.kind == "business" %}Добре{% else %}Иначе{% endif %}

{{ subscriber.attributes.children|join(", ") }} {{ organisation.name }} {{ campaign.name }}
[{{ unsubscribe_url }}]({{ unsubscribe_url }}) [a](mailto:a@example.bg) {{ view_url }} {{ preferences_url }}
"""
    assert problems(body) == []


def test_attributes_that_are_printed_are_known() -> None:
    attributes = "subscriber.attributes"
    body = f'{{{{ {attributes}.city }}}} {{{{ {attributes}["town"] }}}} {{{{ {attributes}.x|default("y") }}}}'
    assert compiled(body).contents()[0].attributes == {"city", "town"}


def test_links_are_numbered_and_services_come_last() -> None:
    body = "[A](https://a.bg/?x=1&y=2) https://b.bg/. [C]({{ services[1].url }}) [A](https://a.bg/?x=1&y=2)"
    assert [(link.position, link.url, link.label) for link in compiled(body).links] == [
        (0, "https://a.bg/?x=1&y=2", "A"),
        (1, "https://b.bg/", "https://b.bg/"),
        (2, "https://a.bg/?x=1&y=2", "A"),
        (3, "https://card.example.bg/?a=1&b=2", "Карта"),
        (4, "https://pin.example.bg/", "ПИК"),
    ]


def test_a_loop_around_table_rows_stays_in_the_table() -> None:
    body = (
        "<style>td { color: red }</style><table>\n{% for service in services %}\n<tr><td>{{ service.name }}</td></tr>\n"
        "{% endfor %}\n</table>"
    )
    html = rendered(body, format="html").html
    table = re.search(r"<tbody[^>]*>((?:\s*<tr[^>]*><td[^>]*>[^<]*</td></tr>\s*)+)</tbody>", html)
    assert table is not None
    rows = table[1]
    assert rows.count("<tr") == 2
    assert rows.index("Карта") < rows.index("ПИК")


def test_comparisons_inside_tags_survive_the_inliner() -> None:
    html = rendered("<p>{% if 1 < 2 and subscriber.name > 'A' %}Да{% endif %}</p>", format="html").html
    assert "Да" in html


def test_mjml_becomes_html_with_variables_and_links() -> None:
    body = (
        "<mjml><mj-body><mj-section><mj-column>\n{% for service in services %}\n"
        "<mj-text>{{ service.name }} {{ subscriber.name }}</mj-text>\n{% endfor %}\n"
        '<mj-button href="https://a.bg/">Вижте</mj-button>'
        '<mj-text><a href="{{ unsubscribe_url }}">Отписване</a></mj-text>'
        "</mj-column></mj-section></mj-body></mjml>"
    )
    message = rendered(body, format="mjml", tracking="aggregate")
    assert "Карта Анна" in message.html
    assert "ПИК Анна" in message.html
    assert 'href="https://uslugi.example.bg/c/' in message.html
    assert "<mj-" not in message.html
    assert "Карта Анна" in message.text


def test_an_organisation_named_like_a_template_stays_a_name() -> None:
    organisation = {"id": 1, "slug": "x", "name": {"bg": "A {{ subscriber.name }} {% if %} & <b>"}, "timezone": "UTC"}
    message = rendered("Здравейте", organisation=organisation)
    assert "A {{ subscriber.name }} {% if %} &amp; &lt;b&gt;" in message.html
    assert "A {{ subscriber.name }} {% if %} & <b>" in message.text


@pytest.mark.parametrize("body", ["{% for s in services %}* [{{ s.name }}]({{ s.url }})\n{% endfor %}\nEnd"])
def test_a_loop_over_paragraphs_is_not_torn_by_the_preheader(body: str) -> None:
    content = compiled(body).contents()[0]
    assert (content.is_sound, content.problems) == (True, ())
