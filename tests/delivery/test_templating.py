from __future__ import annotations

import re
from pathlib import Path

import pytest

from outreach.delivery.templating import FILTERS, LOOP_FIELDS, NOTICE_VARIABLES, VARIABLES, check_template

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "templates.md"


def test_the_reference_names_every_variable_and_filter() -> None:
    page = PAGE.read_text()
    named = set(re.findall(r"\{\{ (\w+)(?:\.\w+)* \}\}", page))
    filters = page.partition("## Filters")[2].partition("##")[0]
    assert (named, set(re.findall(r"`(\w+)`", filters))) == ({*VARIABLES, *NOTICE_VARIABLES}, set(FILTERS))
    assert set(re.findall(r"`loop\.(\w+)`", page)) >= LOOP_FIELDS


@pytest.mark.parametrize(
    ("source", "roots", "attributes"),
    [
        ("plain", set(), set()),
        ("{{ subscriber.name }} {{ service.url }}", {"subscriber", "service"}, set()),
        ("{{ subscriber.attributes.a }}{{ subscriber.attributes.b|upper }}", {"subscriber"}, {"a", "b"}),
        ("{{ subscriber.attributes.a|default(subscriber.attributes.b) }}", {"subscriber"}, {"b"}),
        ("{% if subscriber.attributes.a %}x{% endif %}", {"subscriber"}, set()),
        ("{% for x in subscriber.attributes.list %}{{ x.deep.path }}{% endfor %}", {"subscriber"}, {"list"}),
        ("{% raw %}{{ nothing }}{% endraw %}", set(), set()),
        ("{# a comment about {{ nothing }} #}", set(), set()),
    ],
)
def test_what_a_template_reads_is_known(source: str, roots: set[str], attributes: set[str]) -> None:
    report = check_template(source)
    assert (report.problems, report.roots, report.attributes) == ([], roots, attributes)


def test_a_loop_variable_is_unknown_outside_its_loop() -> None:
    report = check_template("{% for item in services %}{{ item.name }}{% endfor %}{{ item.name }}")
    assert [problem.code for problem in report.problems] == ["unknown_variable"]


def test_several_mistakes_are_all_named() -> None:
    report = check_template("{{ a }}\n{{ subscriber.b }}\n{{ organisation.c }}")
    assert [(problem.code, problem.line) for problem in report.problems] == [
        ("unknown_variable", 1),
        ("unknown_variable", 2),
        ("unknown_variable", 3),
    ]


def test_a_remembered_problem_speaks_its_readers_language(monkeypatch: pytest.MonkeyPatch) -> None:
    from django.utils import translation

    report = check_template("{{ nothing_like_it }}")
    sentence = "There is no variable “%(name)s” (line %(line)s)."
    bulgarian = {sentence: "Няма %(name)s."}
    monkeypatch.setattr("django.utils.translation._trans.gettext", lambda text: bulgarian.get(text, text))
    with translation.override("bg"):
        assert str(report.problems[0].message) == "Няма nothing_like_it."
