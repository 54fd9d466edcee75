from __future__ import annotations

from typing import Any

import pytest

from outreach.audience.models import Address, Subscriber
from outreach.campaigns.models import Run
from outreach.core.models import Account, AuditEntry
from outreach.core.secrets import address_digest
from outreach.core.vocabulary import Role
from outreach.delivery.models import Batch, Delivery, Notice

from .caller import Api, make_api

pytestmark = pytest.mark.django_db

READY: dict[str, Any] = {
    "slug": "permit-ready",
    "name": "Permit is ready",
    "lawful_basis": "public_task",
    "contents": [
        {"channel": "email", "language": "bg", "subject": "Готово: {{ data.permit.number }}", "body": "Вземете го."},
        {
            "channel": "email",
            "language": "en",
            "subject": "Permit {{ data.permit.number }}",
            "body": "Dear {{ subscriber.name }}, fetch it{% if data.until %} by {{ data.until }}{% endif %}.",
        },
    ],
}
TO: dict[str, Any] = {"channel": "email", "value": "Maria@example.org"}
DATA: dict[str, Any] = {"permit": {"number": "17-A"}}


@pytest.fixture
def account(ministry: Any) -> Account:
    return an_account(ministry)


def an_account(organisation: Any, channel: str = "email", adapter: str = "smtp") -> Account:
    return Account.objects.create(
        organisation=organisation,
        adapter=adapter,
        channel=channel,
        name=f"The {channel}",
        settings={"sender": "Ministry <news@example.bg>"},
        unknown_policy="resend",
        hook_key=f"key-{channel}-{organisation.pk}",
    )


def a_person(organisation: Any, value: str = "Ana@example.org", **columns: Any) -> Subscriber:
    person = Subscriber.objects.create(organisation=organisation, name="Ana", language="en")
    normalised = value.lower()
    Address.objects.create(
        organisation=organisation,
        subscriber=person,
        channel="email",
        value=value,
        normalised=normalised,
        digest=address_digest("email", normalised),
        **columns,
    )
    return person


def pointers(problem: Any) -> list[tuple[str, str]]:
    return [(error["pointer"], error["detail"]) for error in problem["errors"]]


NO_MAILBOX = "This is not an e-mail address such as name@example.org."
ONE_OF_TWO = "Name a subscriber, or a channel and an address: one of the two."


def nothing_is_stored() -> bool:
    return not (Notice.objects.exists() or Run.objects.exists() or Batch.objects.exists() or Delivery.objects.exists())


def test_a_notice_is_taken_and_its_fate_is_told(api: Api, account: Account) -> None:
    api.post("/notice-templates", READY)

    status, taken = api.post("/notices", {"to": TO, "template": "permit-ready", "data": DATA, "language": "en"})

    notice = Notice.objects.get()
    assert (status, taken) == (202, {"id": str(notice.pk), "state": "planned"})
    status, told = api.get(f"/notices/{taken['id']}")
    created_at = told.pop("created_at")
    assert (status, created_at) == (200, notice.created_at.isoformat())
    assert told == {
        "id": taken["id"],
        "organisation": "ministry",
        "template": "permit-ready",
        "lawful_basis": "public_task",
        "channel": "email",
        "language": "en",
        "address": "Maria@example.org",
        "subscriber": None,
        "state": "planned",
        "reason": "",
        "receipt": "",
        "uncertain": False,
        "attempts": 0,
        "provider_id": "",
        "delivery": f"{notice.run_id}-{notice.delivery}",
        "settled_at": None,
        "receipt_at": None,
    }
    assert Subscriber.objects.count() == 0
    assert api.get("/notices")[1]["items"] == [told | {"created_at": created_at}]


def test_the_receipt_of_a_notice_is_a_delivery_s(api: Api, account: Account) -> None:
    api.post("/notice-templates", READY)
    _, taken = api.post("/notices", {"to": TO, "template": "permit-ready", "data": DATA})
    delivery = api.get(f"/notices/{taken['id']}")[1]["delivery"]

    status, receipt = api.get(f"/deliveries/{delivery}")

    assert status == 200
    wanted = {"id": delivery, "address": "Maria@example.org", "campaign": None, "state": "planned", "language": "bg"}
    assert {name: receipt[name] for name in wanted} == wanted


def test_a_subscriber_is_written_to_in_their_language_at_the_best_address(
    api: Api, account: Account, ministry: Any
) -> None:
    person = a_person(ministry, "old@example.org", state="invalid")
    Address.objects.create(
        organisation=ministry,
        subscriber=person,
        channel="email",
        value="New@example.org",
        normalised="new@example.org",
        digest=address_digest("email", "new@example.org"),
        state="unconfirmed",
    )
    api.post("/notice-templates", READY)

    _, taken = api.post("/notices", {"to": {"subscriber": str(person.pk)}, "template": "permit-ready", "data": DATA})

    told = api.get(f"/notices/{taken['id']}")[1]
    assert (told["address"], told["language"], told["subscriber"]) == ("New@example.org", "en", str(person.pk))


def test_a_text_of_its_own_needs_its_lawful_basis(api: Api, account: Account) -> None:
    content = {"channel": "email", "language": "en", "subject": "Code {{ data.code }}", "body": "Use it soon."}

    refused = api.post("/notices", {"to": TO, "content": content, "data": {"code": "1"}})
    unfounded = {**content, "lawful_basis": "consent"}
    wrong = api.post("/notices", {"to": TO, "content": unfounded, "data": {"code": "1"}})
    founded = {**content, "lawful_basis": "contract"}
    taken = api.post("/notices", {"to": TO, "content": founded, "data": {"code": "1"}})

    assert (refused[0], pointers(refused[1])) == (422, [("/content/lawful_basis", "This must be there.")])
    assert (wrong[0], [pointer for pointer, _ in pointers(wrong[1])]) == (422, ["/content/lawful_basis"])
    assert taken[0] == 202
    assert api.get(f"/notices/{taken[1]['id']}")[1]["template"] is None


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"data": {}}, [("/data/permit", "The text needs this.")]),
        ({"data": {"permit": {}}}, [("/data/permit/number", "The text needs this.")]),
        ({"data": {"permit": {"number": None}}}, [("/data/permit/number", "The text needs this.")]),
        ({"data": {**DATA, "more": "x" * 20_000}}, [("/data", "This is too long: at most 20000 characters.")]),
        ({"to": {"channel": "email", "value": "nobody"}}, [("/to/value", NO_MAILBOX)]),
        ({"to": {"channel": "sms", "value": "+359888123456"}}, [("/to/channel", "There is no text for this channel.")]),
        ({"to": {"value": "maria@example.org"}}, [("/to/channel", "This must not be empty.")]),
        ({"to": {}}, [("/to", ONE_OF_TWO)]),
        ({"to": {**TO, "subscriber": "1"}}, [("/to", ONE_OF_TWO)]),
        ({"to": {"subscriber": "1"}}, [("/to/subscriber", "There is no such person.")]),
        ({"template": "none"}, [("/template", "There is no “none”.")]),
        ({"template": None}, [("/template", "Name a template, or write a content: one of the two.")]),
        ({"organisation": "elsewhere"}, [("/organisation", "There is no such organisation below that of your token.")]),
        ({"language": "de"}, [("/language", "Input should be 'bg' or 'en'")]),
    ],
)  # fmt: skip
def test_a_bad_call_is_pointed_at_and_leaves_nothing(
    api: Api, account: Account, changes: dict[str, Any], expected: list[tuple[str, str]]
) -> None:
    api.post("/notice-templates", READY)

    status, problem = api.post("/notices", {"to": TO, "template": "permit-ready", "data": DATA, **changes})

    assert (status, problem["code"], pointers(problem)) == (422, "invalid", expected)
    assert nothing_is_stored()


def test_what_cannot_be_made_with_this_data_is_refused(api: Api, account: Account) -> None:
    content = {"channel": "email", "language": "en", "subject": "Sum", "body": "{{ data.sum|round }}"}
    call = {"to": TO, "content": {**content, "lawful_basis": "contract"}, "data": {"sum": "much"}}

    status, problem = api.post("/notices", call)

    assert (status, pointers(problem)) == (422, [("/data", "The message could not be made with this.")])
    assert nothing_is_stored()


def test_without_an_account_it_is_a_conflict(api: Api) -> None:
    api.post("/notice-templates", READY)

    status, problem = api.post("/notices", {"to": TO, "template": "permit-ready", "data": DATA})

    assert (status, problem["code"], problem["detail"]) == (
        409,
        "conflict_state",
        "There is no account to send this through. Add one of the channel.",
    )
    assert nothing_is_stored()


def test_the_same_key_sends_once(api: Api, account: Account) -> None:
    api.post("/notice-templates", READY)
    call = {"to": TO, "template": "permit-ready", "data": DATA}

    first = api.post("/notices", call, **{"idempotency-key": "k"})
    second = api.post("/notices", call, **{"idempotency-key": "k"})
    other = api.post("/notices", {**call, "language": "en"}, **{"idempotency-key": "k"})

    assert (first[0], second) == (202, first)
    assert (other[0], other[1]["code"]) == (422, "idempotency_mismatch")
    assert Notice.objects.count() == 1


def test_a_template_is_checked_kept_and_changed_with_an_audit(api: Api, ministry: Any) -> None:
    status, made = api.post("/notice-templates", READY)

    text = {"format": "markdown", "account": None}
    assert (status, {name: made[name] for name in ("slug", "organisation", "name", "lawful_basis", "contents")}) == (
        201,
        {
            **READY,
            "organisation": "ministry",
            "contents": [{**text, **content} for content in READY["contents"]],
        },
    )
    changed = api.call("PATCH", f"/notice-templates/{made['id']}", {"lawful_basis": "contract"})
    assert (changed[0], changed[1]["lawful_basis"], changed[1]["name"]) == (200, "contract", READY["name"])
    assert api.get(f"/notice-templates/{made['id']}")[1] == changed[1]
    assert api.get("/notice-templates")[1] == {"items": [changed[1]], "next_cursor": None}
    assert list(AuditEntry.objects.order_by("pk").values_list("action", "noun", "noun_id", "facts")) == [
        ("notice_template.created", "noticetemplate", made["id"], {}),
        ("notice_template.changed", "noticetemplate", made["id"], {"fields": ["lawful_basis"]}),
    ]


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"slug": "Not a slug"}, "/slug"),
        ({"lawful_basis": "consent"}, "/lawful_basis"),
        ({"contents": []}, "/contents"),
        ({"contents": [READY["contents"][0], READY["contents"][0]]}, "/contents"),
        ({"contents": [{"channel": "social", "language": "en"}]}, "/contents/0/channel"),
        ({"contents": [{"channel": "email", "language": "en", "subject": "s", "body": " "}]}, "/contents/0/body"),
        ({"contents": [{"channel": "email", "language": "en", "body": "b"}]}, "/contents/0/subject"),
        (
            {"contents": [{"channel": "sms", "language": "en", "body": "{{ unsubscribe_url }}"}]},
            "/contents/0/body",
        ),
        ({"contents": [{"channel": "sms", "language": "en", "body": "{{ campaign.name }}"}]}, "/contents/0/body"),
        ({"contents": [{"channel": "sms", "language": "en", "body": "b", "account": "99"}]}, "/contents/0/account"),
    ],
)
def test_a_bad_template_is_pointed_at_and_not_kept(api: Api, changes: dict[str, Any], pointer: str) -> None:
    status, problem = api.post("/notice-templates", {**READY, **changes})

    assert (status, problem["code"], [one for one, _ in pointers(problem)]) == (422, "invalid", [pointer])
    assert api.get("/notice-templates")[1]["items"] == []


def test_two_templates_of_an_organisation_have_two_names(api: Api) -> None:
    api.post("/notice-templates", READY)

    status, problem = api.post("/notice-templates", READY)

    assert (status, [one for one, _ in pointers(problem)]) == (422, ["/slug"])


def test_an_organisation_uses_its_own_template_before_one_from_above(api: Api, account: Account, ministry: Any) -> None:
    from outreach.core.models import Organisation

    town = Organisation.objects.create(slug="town", name={"en": "Town"}, parent=ministry)
    towns = make_api(town)
    api.post("/notice-templates", READY)
    call = {"to": TO, "template": "permit-ready", "data": DATA}

    towns.post("/notices", call)
    towns.post("/notice-templates", {**READY, "lawful_basis": "contract"})
    towns.post("/notices", call)

    told = [(item["organisation"], item["lawful_basis"]) for item in towns.get("/notices")[1]["items"]]
    assert told == [("town", "contract"), ("town", "public_task")]


@pytest.mark.parametrize(
    ("role", "expected"),
    [
        (Role.AUTHOR, (403, 403)),
        (Role.APPROVER, (403, 403)),
        (Role.ANALYST, (403, 403)),
        (Role.PUBLISHER, (201, 202)),
        (Role.ADMINISTRATOR, (201, 202)),
    ],
)
def test_who_may_publish_may_write_and_send(
    ministry: Any, account: Account, role: str, expected: tuple[int, int]
) -> None:
    member = make_api(ministry, role)

    written = member.post("/notice-templates", READY)[0]
    if written != 201:
        make_api(ministry, "administrator").post("/notice-templates", READY)
    sent = member.post("/notices", {"to": TO, "template": "permit-ready", "data": DATA})[0]

    assert (written, sent) == expected


def test_a_stranger_sees_and_uses_nothing(api: Api, stranger: Api, account: Account, ministry: Any) -> None:
    person = a_person(ministry)
    template = api.post("/notice-templates", READY)[1]["id"]
    taken = api.post("/notices", {"to": TO, "template": "permit-ready", "data": DATA})[1]["id"]
    delivery = api.get(f"/notices/{taken}")[1]["delivery"]

    paths = [f"/notices/{taken}", f"/notice-templates/{template}", f"/deliveries/{delivery}"]
    assert [stranger.get(path)[0] for path in paths] == [404, 404, 404]
    assert stranger.call("PATCH", f"/notice-templates/{template}", {"name": "Mine"})[0] == 404
    assert [stranger.get(path)[1]["items"] for path in ("/notices", "/notice-templates")] == [[], []]
    assert stranger.post("/notices", {"to": TO, "template": "permit-ready", "data": DATA})[0] == 422
    an_account(stranger.organisation)
    stranger.post("/notice-templates", READY)
    status, problem = stranger.post(
        "/notices", {"to": {"subscriber": str(person.pk)}, "template": "permit-ready", "data": DATA}
    )
    assert (status, pointers(problem)) == (422, [("/to/subscriber", "There is no such person.")])


def test_a_template_is_compiled_into_one_run_a_day(api: Api, account: Account) -> None:
    made = api.post("/notice-templates", READY)[1]["id"]
    call = {"to": TO, "template": "permit-ready", "data": DATA}

    for _ in range(3):
        api.post("/notices", call)
    api.call("PATCH", f"/notice-templates/{made}", {"lawful_basis": "contract"})
    api.post("/notices", call)

    runs = Run.objects.order_by("pk").values("kind", "state", "audience_count", "fanned_out_at", "campaign")
    open_run = {"kind": "notice", "state": "running", "fanned_out_at": None, "campaign": None}
    assert list(runs) == [{**open_run, "audience_count": 3}, {**open_run, "audience_count": 1}]


def test_a_text_of_its_own_has_a_run_that_ends_with_it(api: Api, account: Account) -> None:
    content = {"channel": "email", "language": "en", "subject": "s", "body": "b", "lawful_basis": "contract"}

    api.post("/notices", {"to": TO, "content": content})

    [(state, count, fanned_out_at)] = Run.objects.values_list("state", "audience_count", "fanned_out_at")
    assert (state, count, fanned_out_at is not None) == ("running", 1, True)
