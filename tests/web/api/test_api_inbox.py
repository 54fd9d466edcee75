"""The inbox over the API: read, sorted, answered; a stranger's does not exist."""

from __future__ import annotations

import pytest

from outreach.core.models import Account, Membership, Organisation, User
from outreach.core.vocabulary import Role
from outreach.delivery.models import Notice
from outreach.events.models import Reply
from outreach.events.replies import take_mail
from tests.events.test_inbox import with_files

from .caller import Api, make_api

pytestmark = pytest.mark.django_db


@pytest.fixture
def reply(ministry: Organisation, monkeypatch: pytest.MonkeyPatch) -> Reply:
    from outreach.core import queue

    monkeypatch.setattr(queue, "_publish", lambda *_: None)
    account = Account.objects.create(
        organisation=ministry, adapter="smtp", channel="email", name="Mail", unknown_policy="resend",
        settings={"sender": "a@example.org"}, hook_key="key",
    )  # fmt: skip
    found = take_mail(account, with_files(("a.pdf", b"%PDF-1.7")))
    assert found is not None
    found.refresh_from_db()
    return found


def test_a_conversation_is_read_sorted_and_answered(api: Api, reply: Reply) -> None:
    user = User.objects.create_user("dora@x.bg", "right horse battery", name="Dora")
    Membership.objects.create(user=user, organisation=api.organisation, role=Role.AUTHOR)
    talk = str(reply.conversation_id)
    status, found = api.call("GET", "/conversations?state=waiting")
    assert (status, [one["id"] for one in found["items"]], found["items"][0]["sender"]) == (
        200, [talk], "ivana@example.bg",
    )  # fmt: skip
    change = {"assignee": "dora@x.bg", "labels": ["Въпрос"]}
    status, found = api.call("PATCH", f"/conversations/{talk}", change)
    assert (status, found["assignee"], found["labels"]) == (200, "dora@x.bg", ["Въпрос"])
    assert api.call("PATCH", f"/conversations/{talk}", {"assignee": "nobody@x.bg"})[0] == 422

    status, found = api.call("POST", f"/replies/{reply.pk}/answer", {"text": "Утре."})
    assert (status, found["notice"]) == (202, str(Notice.objects.get().pk))
    status, found = api.call("GET", f"/conversations/{talk}")
    assert [(one["by"], one["text"], one["attachments"]) for one in found["said"]] == [
        ("them", "Ето ги.", [{"name": "a.pdf", "type": "application/pdf", "size": 8, "kept": True}]),
        ("us", "Утре.", []),
    ]
    assert [one["language"] for one in found["said"]] == ["bg", ""]
    assert (found["state"], found["due_at"], found["said"][1]["state"]) == ("answered", None, "planned")
    assert api.call("PATCH", f"/conversations/{talk}", {"state": "closed"})[1]["state"] == "closed"


def test_a_change_that_is_refused_in_part_is_not_made_at_all(api: Api, reply: Reply) -> None:
    user = User.objects.create_user("dora@x.bg", "right horse battery", name="Dora")
    Membership.objects.create(user=user, organisation=api.organisation, role=Role.AUTHOR)
    path = f"/conversations/{reply.conversation_id}"
    assert api.call("PATCH", path, {"assignee": "dora@x.bg", "labels": ["x" * 41], "state": "closed"})[0] == 422
    found = api.call("GET", path)[1]
    assert (found["assignee"], found["labels"], found["state"]) == (None, [], "waiting")


def test_ready_answers_are_kept_and_dropped(api: Api) -> None:
    status, row = api.call("POST", "/ready-answers", {"name": "Срок", "text": "До 30 април."})
    assert (status, row["text"]) == (201, "До 30 април.")
    assert api.call("POST", "/ready-answers", {"name": "Срок", "text": "До 1 май."})[1]["id"] == row["id"]
    assert [one["text"] for one in api.call("GET", "/ready-answers")[1]["items"]] == ["До 1 май."]
    assert api.call("DELETE", f"/ready-answers/{row['id']}")[0] == 204


def test_a_strangers_inbox_does_not_exist(reply: Reply) -> None:
    other = make_api(Organisation.objects.create(slug="other", name={"en": "Other"}), Role.ADMINISTRATOR)
    for method, path in (
        ("GET", f"/conversations/{reply.conversation_id}"),
        ("PATCH", f"/conversations/{reply.conversation_id}"),
        ("POST", f"/replies/{reply.pk}/answer"),
    ):
        assert other.call(method, path, {"text": "x"} if method == "POST" else {})[0] == 404
    assert other.call("GET", "/conversations")[1]["items"] == []
