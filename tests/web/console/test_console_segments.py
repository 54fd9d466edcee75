"""The builder of segments: it works by its buttons alone, says what is wrong where it is, shows whom it means."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.db import connection
from django.http import QueryDict
from django.test.utils import CaptureQueriesContext

from outreach.audience.models import AttributeField, Segment, Subscriber, Topic
from outreach.campaigns.models import Campaign
from outreach.core.models import Organisation
from outreach.web.console.segment_outline import Clause, laid_out, outline_of, read_outline, rule_of_outline
from tests.web.console.conftest import Person

pytestmark = pytest.mark.django_db

RULE: dict[str, Any] = {
    "and": [
        {"language": {"in": ["bg"]}},
        {"not": {"topic": {"in": ["health"], "channel": "sms"}}},
        {
            "not": {
                "or": [
                    {"attribute": {"name": "age", "at_least": 18, "at_most": 18.5, "is": "18", "in": ["a", 7, "7"]}},
                    {"attribute": {"name": "vip", "known": False}},
                ]
            }
        },
    ]
}
#: The fields of RULE's outline as a browser sends them.
FIELDS: dict[str, Any] = {
    "name": "Sleepy",
    "r:fact": "group", "r:word": "all", "r:size": "3",
    "r.0:fact": "language", "r.0:in": ["bg"],
    "r.1:fact": "topic", "r.1:so": "no", "r.1:in": ["health"], "r.1:channel": "sms",
    "r.2:fact": "group", "r.2:word": "none", "r.2:size": "2",
    "r.2.0:fact": "attribute", "r.2.0:name": "age", "r.2.0:at_least": "18", "r.2.0:at_most": "18.5",
    "r.2.0:is": '"18"', "r.2.0:in": 'a; 7; "7"',
    "r.2.1:fact": "attribute", "r.2.1:name": "vip", "r.2.1:known": "false",
}  # fmt: skip


@pytest.fixture
def health(ministry: Organisation) -> Topic:
    return Topic.objects.create(organisation=ministry, slug="health", name={"bg": "Здраве", "en": "Health"})


def posted(fields: dict[str, Any]) -> QueryDict:
    made = QueryDict(mutable=True)
    for name, value in fields.items():
        made.setlist(name, value if isinstance(value, list) else [value])
    return made


def test_an_outline_is_the_rule_and_comes_back_from_the_form() -> None:
    assert rule_of_outline(outline_of(RULE))[0] == RULE
    assert rule_of_outline(read_outline(posted(FIELDS)))[0] == RULE


def test_a_segment_is_saved_and_shown_again(alice: Person, ministry: Organisation, health: Topic) -> None:
    answer = alice.post("/segments/new", **FIELDS, do="save")
    kept = Segment.objects.get()

    assert (answer.status_code, answer.headers["Location"]) == (302, "/segments")
    assert (kept.name, kept.organisation, kept.where) == ("Sleepy", ministry, RULE)
    page = alice.see(f"/segments/{kept.pk}")
    assert "People whose language is Български and who do not subscribe to “Health” by SMS" in page
    assert 'name="r.2.0:is" value="&#34;18&#34;"' in page
    assert "Sleepy" in alice.see("/segments")


def test_buttons_add_and_remove_without_saving(alice: Person, health: Topic) -> None:
    added = alice.post("/segments/new", **FIELDS, **{"do": "add:r.2", "r.2:add": "clicked"}).content.decode()
    assert 'name="r.2.2:fact" value="clicked"' in added
    assert '<fieldset class="o-clause" id="r.2.2" tabindex="-1" autofocus>' in added

    removed = alice.post("/segments/new", **FIELDS, do="remove:r.0").content.decode()
    assert 'name="r.0:fact" value="topic"' in removed
    assert 'name="r:size" value="2"' in removed
    assert Segment.objects.count() == 0


def test_what_is_wrong_is_said_at_its_control(alice: Person, health: Topic) -> None:
    wrong = {**FIELDS, "r.0:in": [], "r.1:in": ["gone"], "r.2.0:at_least": "x" * 300, "name": " "}
    page = alice.post("/segments/new", **wrong, do="save").content.decode()

    for place in ("name_error", "r.0:in_error", "r.1:in_error", "r.2.0:at_least_error"):
        assert f'id="{place}"' in page
    assert Segment.objects.count() == 0


@pytest.mark.parametrize(
    "fields", [{}, {"r:fact": "group", "r:size": "99999"}, {"r:fact": "nonsense"}, {"do": "add:r.9.9"}]
)
def test_nonsense_is_an_empty_outline(alice: Person, fields: dict[str, str]) -> None:
    assert alice.post("/segments/new", **fields, name="x").status_code == 200
    assert alice.post("/segments/new", **{**fields, "do": "save"}, name="x").status_code == 200
    assert Segment.objects.count() == 0


def test_the_count_and_a_sample_are_live(alice: Person, ministry: Organisation) -> None:
    Subscriber.objects.create(organisation=ministry, name="Ana", language="en")
    Subscriber.objects.create(organisation=ministry, name="Boris", language="bg")
    fields = {"r:fact": "group", "r:size": "1", "r.0:fact": "language", "r.0:in": "en"}
    page = alice.post("/segments/look", **fields).content.decode()

    assert '<span class="o-big">1</span>' in page
    assert "Ana" in page
    assert "Boris" not in page


def test_each_sees_their_own(alice: Person, bob: Person, charlie: Person, ministry: Organisation) -> None:
    kept = Segment.objects.create(organisation=ministry, name="Sleepy", where={"measured": {}})

    assert "Sleepy" in alice.see("/segments")
    for other in (bob, charlie):
        assert "Sleepy" not in other.see("/segments")
        other.see(f"/segments/{kept.pk}", status=404)
        assert other.post(f"/segments/{kept.pk}/delete").status_code in {403, 404}


def test_one_that_a_campaign_takes_is_not_deleted(alice: Person, ministry: Organisation) -> None:
    kept = Segment.objects.create(organisation=ministry, name="Sleepy", where={"measured": {}})
    campaign = Campaign.objects.create(organisation=ministry, name="Campaign", segment=kept)
    alice.post(f"/segments/{kept.pk}/delete")
    assert Segment.objects.count() == 1

    campaign.delete()
    alice.post(f"/segments/{kept.pk}/delete")
    assert Segment.objects.count() == 0


def test_a_list_asks_as_often_for_three_as_for_one(alice: Person, ministry: Organisation, health: Topic) -> None:
    asked = []
    for number in range(3):
        Segment.objects.create(organisation=ministry, name=f"S{number}", where={"topic": {"in": ["health"]}})
        with CaptureQueriesContext(connection) as queries:
            alice.see("/segments")
        asked.append(len(queries))

    assert asked[0] == asked[2]


def test_a_campaign_takes_and_leaves_out_segments(alice: Person, ministry: Organisation, health: Topic) -> None:
    taken, left = (
        Segment.objects.create(organisation=ministry, name=name, where={"language": {"in": ["bg"]}})
        for name in ("Taken", "Left out")
    )
    fields = {
        "name": "Campaign", "goal": "knows", "topics": "health", "mode": "all", "holdout": "0",
        "tracking": "aggregate", "segment": str(taken.pk), "exclude_segments": str(left.pk),
    }  # fmt: skip
    counted = alice.post("/campaigns/count", **fields)
    made = alice.post("/campaigns/new", **fields)
    campaign = Campaign.objects.get()

    assert (counted.status_code, made.status_code) == (200, 302)
    assert (campaign.segment, list(campaign.excluded_segments.all())) == (taken, [left])
    page = alice.see(f"/campaigns/{campaign.pk}/aim")
    assert f'<option value="{taken.pk}" selected>Taken</option>' in page


def test_the_people_of_now_are_kept_as_a_snapshot(alice: Person, ministry: Organisation) -> None:
    person = Subscriber.objects.create(organisation=ministry, language="en")
    kept = Segment.objects.create(organisation=ministry, name="English", where={"language": {"in": ["en"]}})
    alice.post(f"/segments/{kept.pk}/snapshot")
    taken = Segment.objects.exclude(pk=kept.pk).get()

    assert list(taken.members.values_list("subscriber_id", flat=True)) == [person.pk]
    assert f"who are in the snapshot “{taken.name}”" in alice.see("/segments")


def test_each_of_the_list_says_how_many_it_means_now(alice: Person, bob: Person, ministry: Organisation) -> None:
    Subscriber.objects.create(organisation=ministry, language="en")
    rules: list[dict[str, Any]] = [{"language": {"in": ["en"]}}, {"topic": {"in": ["gone"]}}]
    rows = [Segment.objects.create(organisation=ministry, name=str(one), where=one) for one in rules]
    said = [alice.see(f"/segments/{row.pk}/count") for row in rows]

    assert [text.strip() for text in said] == ["<span>1</span>", '<span><span class="o-faint">not known</span></span>']
    bob.see(f"/segments/{rows[0].pk}/count", status=404)


def test_what_may_stay_empty_is_folded_away() -> None:
    empty, filled = Clause(fact="attribute"), Clause(fact="attribute", given={"begins": "S", "at_most": "9"})
    short = Clause(fact="topic")
    names = [[[one.name for one in part] for part in laid_out(clause)] for clause in (empty, filled, short)]

    assert names == [
        [["name", "is"], ["in", "contains", "begins", "at_least", "at_most", "known"]],
        [["name", "is", "begins", "at_most"], ["in", "contains", "at_least", "known"]],
        [["in", "channel"], []],
    ]


def test_an_attribute_is_chosen_by_its_label_or_named_as_the_files_do(alice: Person, ministry: Organisation) -> None:
    AttributeField.objects.create(organisation=ministry, name="city", type="text", label={"en": "Town"})
    clause = {"r:fact": "group", "r:size": "1", "r.0:fact": "attribute", "r.0:is": "Sofia"}
    chosen = alice.post("/segments/new", **clause, **{"r.0:name": "city"}, do="look").content.decode()
    named = alice.post("/segments/new", **clause, **{"r.0:name:other": "town"}, do="look").content.decode()

    assert '<option value="city" selected>Town</option>' in chosen
    assert "whose “Town” is “Sofia”" in chosen
    assert 'name="r.0:name:other" value="town"' in named
    assert "whose “town” is “Sofia”" in named


def test_a_segment_names_its_campaigns_and_leads_to_the_next(alice: Person, ministry: Organisation) -> None:
    kept = Segment.objects.create(organisation=ministry, name="English", where={"language": {"in": ["en"]}})
    to_them = Campaign.objects.create(organisation=ministry, name="To them", segment=kept)
    without = Campaign.objects.create(organisation=ministry, name="Without them")
    without.excluded_segments.set([kept])
    page = alice.see(f"/segments/{kept.pk}")

    named = re.findall(r'href="/campaigns/(\d+)/aim">([^<]+)</a></h3>\s*<p>([^<]+)<', page)
    assert named == [
        (str(without.pk), "Without them", "leaves these people out"),
        (str(to_them.pk), "To them", "is meant for these people"),
    ]
    assert '<td class="r">2</td>' in alice.see("/segments")
    assert f'href="/campaigns/new?segment={kept.pk}"' in page
    assert f'<option value="{kept.pk}" selected>English</option>' in alice.see(f"/campaigns/new?segment={kept.pk}")


def test_a_snapshot_is_renamed_and_says_when_it_was_taken(alice: Person, ministry: Organisation) -> None:
    kept = Segment.objects.create(organisation=ministry, name="English", where={"language": {"in": ["en"]}})
    alice.post(f"/segments/{kept.pk}/snapshot")
    taken = Segment.objects.exclude(pk=kept.pk).get()
    page = alice.see(f"/segments/{taken.pk}")
    unseen = page[page.index("<div hidden>") :]
    fields = {name: value for name, value in re.findall(r'name="(r[^"]*)" value="([^"]*)"', unseen) if value}
    answer = alice.post(f"/segments/{taken.pk}", **fields, name="Then", do="save")

    assert "it stays as it was taken" in page
    assert answer.status_code == 302
    assert list(Segment.objects.filter(pk=taken.pk).values("name", "where")) == [{"name": "Then", "where": taken.where}]


def test_a_snapshot_of_what_names_something_gone_says_so(alice: Person, ministry: Organisation) -> None:
    kept = Segment.objects.create(organisation=ministry, name="Gone", where={"topic": {"in": ["gone"]}})
    answer = alice.post(f"/segments/{kept.pk}/snapshot")

    assert (answer.status_code, answer["Location"], Segment.objects.count()) == (302, f"/segments/{kept.pk}", 1)
