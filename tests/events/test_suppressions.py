from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from outreach.audience.models import Consent, Subscription, Suppression
from outreach.audience.suppression import is_suppressed, suppress
from outreach.core.models import Alert, Organisation
from outreach.core.secrets import seal
from outreach.events.models import HookCall, SuppressionSync
from outreach.events.suppressions import sync_suppressions
from tests.channels.scripted import Http, Request, ScriptedPeer, running

pytestmark = pytest.mark.django_db


@dataclass
class Lists:
    """SendGrid's lists, and what was asked of them."""

    peer: ScriptedPeer | None = None
    entries: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    told: list[list[str]] = field(default_factory=list)
    #: Instead of every answer.
    trouble: Http | None = None

    def answer(self, request: Request) -> Http:
        if self.trouble:
            return self.trouble
        path, query = urlsplit(request.path).path, parse_qs(urlsplit(request.path).query)
        if request.method == "POST":
            self.told.append(json.loads(request.body)["recipient_emails"])
            return Http(201, {"recipient_emails": self.told[-1]})
        since = int(query.get("start_time", ["0"])[0])
        start, limit = int(query["offset"][0]), int(query["limit"][0])
        found = [entry for entry in self.entries.get(path.rpartition("/")[2], []) if entry["created"] >= since]
        return Http(200, found[start : start + limit])


@pytest.fixture
def lists(sent: Any) -> Iterator[Lists]:
    lists = Lists()
    with running(ScriptedPeer(lists.answer, provider="sendgrid")) as peer:
        lists.peer = peer
        sent.account.settings = {"sender": "news@plovdiv.bg", "base_url": peer.url}
        sent.account.sealed = seal({"api_key": "SG.key"})
        sent.account.save()
        yield lists


def entry(email: str, created: int = 1_700_000_000, **more: Any) -> dict[str, Any]:
    return {"email": email, "created": created, **more}


def an_hour_later() -> None:
    sync = SuppressionSync.objects.get()
    assert sync.tried_at is not None
    SuppressionSync.objects.update(tried_at=sync.tried_at - timedelta(hours=1))


def states() -> list[tuple[str, str]]:
    return sorted(Subscription.objects.values_list("topic__slug", "state"))


def test_whom_the_provider_does_not_write_to_is_not_written_to(sent: Any, lists: Lists) -> None:
    lists.entries = {
        "bounces": [entry("Gone@Example.bg", reason="550 no such user", status="5.1.1")],
        "invalid_emails": [entry("not an address")],
        "spam_reports": [entry("angry@example.bg", ip="192.0.2.1")],
        "unsubscribes": [entry("ivana@example.bg"), entry("nobody@example.bg")],
    }
    assert sync_suppressions() == 3
    reasons = sorted(Suppression.objects.values_list("organisation__slug", "channel", "reason"))
    assert reasons == [("plovdiv", "email", "complaint"), ("plovdiv", "email", "hard_bounce")]
    assert is_suppressed(sent.organisation, "email", "gone@example.bg")
    assert states() == [("schools", "unsubscribed"), ("taxes", "unsubscribed")]
    consent = Consent.objects.order_by("pk").first()
    assert consent is not None
    assert (consent.action, consent.source, consent.evidence["at"]) == (
        "withdrawn",
        "sendgrid",
        "2023-11-14T22:13:20+00:00",
    )
    assert not HookCall.objects.filter(event_id__contains="example").exists()


def test_who_subscribes_again_is_not_ended_by_the_old_entry(sent: Any, lists: Lists) -> None:
    lists.entries = {"unsubscribes": [entry("ivana@example.bg", created=4_000_000_000)]}
    assert sync_suppressions() == 1
    Subscription.objects.update(state="subscribed")
    an_hour_later()
    assert sync_suppressions() == 0
    assert states() == [("schools", "subscribed"), ("taxes", "subscribed")]


def test_ours_are_told_where_they_hold_for_all_that_the_account_sends(sent: Any, lists: Lists) -> None:
    other = Organisation.objects.create(slug="varna", name={"bg": "Варна", "en": "Varna"})
    suppress(other, "email", "ivana@example.bg", "manual")
    suppress(sent.organisation, "email", "erased@example.bg", "erased")
    assert (sync_suppressions(), lists.told) == (0, [])
    suppress(None, "email", "ivana@example.bg", "complaint")
    an_hour_later()
    assert (sync_suppressions(), lists.told) == (0, [["ivana@example.bg"]])


def test_a_bounce_is_left_to_the_providers_own_count(sent: Any, lists: Lists) -> None:
    suppress(sent.organisation, "email", "ivana@example.bg", "hard_bounce")
    assert (sync_suppressions(), lists.told) == (0, [])


def test_lists_are_read_page_by_page(sent: Any, lists: Lists) -> None:
    lists.entries = {"bounces": [entry(f"gone-{n}@example.bg") for n in range(501)]}
    assert sync_suppressions() == 501
    assert Suppression.objects.count() == 501


def test_two_workers_read_once(sent: Any, lists: Lists) -> None:
    sync_suppressions()
    asked = len(lists.peer.requests) if lists.peer else 0
    assert sync_suppressions() == 0
    assert asked == 4
    assert lists.peer is not None
    assert len(lists.peer.requests) == asked


def test_a_provider_in_trouble_raises_one_alert_and_nothing_is_passed_over(sent: Any, lists: Lists) -> None:
    lists.entries = {"bounces": [entry("gone@example.bg")]}
    lists.trouble = Http(503)
    assert sync_suppressions() == 0
    alert = Alert.objects.get()
    assert (alert.code, alert.resolved_at) == ("suppressions_unsynced", None)
    lists.trouble = None
    an_hour_later()
    assert sync_suppressions() == 1
    alert.refresh_from_db()
    assert alert.resolved_at is not None


def test_an_account_may_keep_its_lists_to_itself(sent: Any, lists: Lists) -> None:
    sent.account.settings = {**sent.account.settings, "compare_lists": "false"}
    sent.account.save()
    suppress(None, "email", "ivana@example.bg", "complaint")
    assert sync_suppressions() == 0
    assert lists.peer is not None
    assert lists.peer.requests == []


def test_an_account_whose_adapter_is_gone_keeps_nobody_else_from_it(sent: Any, lists: Lists) -> None:
    facts = {"organisation": sent.organisation, "adapter": "gone", "channel": "email", "unknown_policy": "hold"}
    type(sent.account).objects.create(**facts, name="A package that was removed", hook_key="hook-key-of-gone")
    lists.entries = {"bounces": [entry("gone@example.bg")]}
    assert sync_suppressions() == 1
