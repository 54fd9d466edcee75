"""Trouble by recipient domain: causes from servers' words, each attempt and each returned message counted once."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outreach.core import clock
from outreach.core.models import Account, Organisation
from outreach.core.vocabulary import EventKind, TroubleCause
from outreach.delivery.models import Attempt, Delivery
from outreach.effectiveness.domain_remedies import contact_of
from outreach.effectiveness.domains import as_json, domain_troubles
from outreach.events.domain_tally import DomainTrouble
from outreach.events.domain_troubles import forget_troubles, gather_troubles
from outreach.events.effects import Told, take_effect
from outreach.events.trouble_causes import cause_of, without_names
from outreach.management.domains import handle

WORDS = (
    ("550-5.7.26 Your email has been blocked because the sender is unauthenticated. Gmail requires SPF or DKIM", "",
     "authentication"),
    ("550 5.7.25 The IP address sending this message does not have a PTR record setup", "", "reverse_name"),
    ("554 5.7.1 Service unavailable; Client host [192.0.2.7] blocked using zen.spamhaus.org", "policy", "blocklist"),
    ("550 5.7.1 Our system has detected that this message is likely unsolicited mail (spam)", "policy", "spam"),
    ("421 4.7.0 [TSS04] Messages temporarily deferred due to unexpected volume or user complaints", "rate_limited",
     "rate"),
    ("450 4.2.0 <i@b.bg>: Recipient address rejected: Greylisted, see http://postgrey.schweikert.ch/", "temporary",
     "later"),
    ("451 4.7.1 Please try again later", "rate_limited", "later"),
    ("452 4.2.2 The email account that you tried to reach is over quota", "temporary", "full"),
    ("550 5.1.1 <nobody@b.bg>: Recipient address rejected: User unknown", "unknown_recipient", "nobody"),
    ("552 5.3.4 Message size exceeds fixed limit", "refused", "size"),
    ("550 Отказано", "refused", "other"),
    ("550 Отказано", "rate_limited", "rate"),
    ("", "authfailure", "authentication"),
    ("4.4.1", "networkerror", "unreachable"),
)  # fmt: skip


@pytest.mark.parametrize(("words", "reason", "cause"), WORDS)
def test_the_cause_is_found_in_the_words(words: str, reason: str, cause: str) -> None:
    assert cause_of(words, reason=reason) == cause


def test_words_are_alike_for_all_who_are_refused_alike() -> None:
    said = "550 5.1.1 <{}@abv.bg>: no such user here, id {} (in reply to RCPT TO)"
    one, other = (without_names(said.format(*each)) for each in (("ivan", "4QbXyz12345"), ("maria.p", "9KkAbc99871")))

    assert one == other == "550 5.1.1 … no such user here, id … (in reply to RCPT TO)"


@given(st.text(max_size=600))
def test_no_address_is_kept(words: str) -> None:
    kept = without_names(f"{words} ivan@abv.bg {words}")

    assert "@" not in kept
    assert len(kept) <= 240


@pytest.mark.parametrize(
    ("domain", "url"),
    [
        ("gmail.com", "https://support.google.com/mail/contact/gmail_bulk_sender_escalation"),
        ("yahoo.co.uk", "https://senders.yahooinc.com/contact/"),
        ("hotmail.fr", "https://olcsupport.office.com/"),
        ("live.example.org", "mailto:postmaster@live.example.org"),
        ("abv.bg", "mailto:postmaster@abv.bg"),
    ],
)
def test_who_is_to_be_asked(domain: str, url: str) -> None:
    assert contact_of(domain).url == url


def attempt(sent: Any, kind: str, reason: str, detail: str, *, minutes: float = 5) -> None:
    made = Attempt.objects.create(run_id=sent.run.pk, delivery=sent.delivery, kind=kind, reason=reason, detail=detail)
    Attempt.objects.filter(pk=made.pk).update(at=clock.now() - timedelta(minutes=minutes))


def bounce(sent: Any, identity: str, *, kind: EventKind = EventKind.BOUNCED, reason: str = "mailboxfull") -> None:
    delivery = Delivery.objects.get(run_id=sent.run.pk, id=sent.delivery)
    take_effect(
        delivery, Told(kind=kind, at=sent.run.as_of, identity=identity, source="mail", hard=False, reason=reason)
    )


def sums() -> list[tuple[Any, ...]]:
    rows = DomainTrouble.objects.order_by("cause")
    return [(r.domain, r.cause, r.deferred, r.refused, r.returned, r.complained, r.said) for r in rows]


def test_attempts_and_what_came_back_are_counted_once(sent: Any) -> None:
    attempt(sent, "temporary", "rate_limited", "421 4.7.28 rate limit for 192.0.2.77 id 8fh3k2j1")
    attempt(sent, "temporary", "rate_limited", "421 4.7.28 rate limit for 192.0.2.78 id 1jd84h2k")
    attempt(sent, "permanent", "policy", "550 5.7.26 SPF did not pass")
    attempt(sent, "moved", "", "one → other")
    bounce(sent, "b1")
    bounce(sent, "b1")
    bounce(sent, "c1", kind=EventKind.COMPLAINED, reason="abuse")
    attempt(sent, "permanent", "policy", "550 5.7.26 SPF did not pass", minutes=0)

    before = (gather_troubles(), sums())

    assert before == (
        4,
        [
            ("example.bg", "authentication", 0, 1, 0, 0, "550 5.7.26 SPF did not pass"),
            ("example.bg", "complaints", 0, 0, 0, 1, ""),
            ("example.bg", "full", 0, 0, 1, 0, ""),
            ("example.bg", "rate", 2, 0, 0, 0, "421 4.7.28 rate limit for 192.0.2.78 id …"),
        ],
    )
    assert (gather_troubles(), sums()) == (0, before[1])
    Attempt.objects.update(at=clock.now() - timedelta(minutes=5))
    assert (gather_troubles(), sums()[0][3]) == (1, 2)


def test_an_attempt_behind_one_that_is_young_waits_for_it(sent: Any) -> None:
    attempt(sent, "permanent", "refused", "550 no", minutes=0)
    attempt(sent, "permanent", "refused", "550 no")

    assert (gather_troubles(), sums()) == (0, [])
    Attempt.objects.update(at=clock.now() - timedelta(minutes=5))
    assert (gather_troubles(), sums()) == (1, [("example.bg", "other", 0, 2, 0, 0, "550 no")])


def trouble(organisation: Organisation, domain: str, cause: str, *, days: int = 0, **counts: Any) -> DomainTrouble:
    at = clock.now() - timedelta(days=days)
    return DomainTrouble.objects.create(
        organisation=organisation, domain=domain, cause=cause, on=at.date(), first_at=at, last_at=at, **counts
    )


def test_what_can_be_helped_comes_first_and_old_trouble_is_left_out(sent: Any, django_assert_num_queries: Any) -> None:
    trouble(sent.organisation, "abv.bg", "nobody", returned=900)
    trouble(sent.organisation, "gmail.com", "authentication", refused=3, said="550 5.7.26 no", account=sent.account)
    trouble(sent.organisation, "gmail.com", "authentication", days=2, refused=4, said="old", account=sent.account)
    trouble(sent.organisation, "gmail.com", "full", returned=50)
    trouble(sent.organisation, "mail.bg", "rate", days=30, deferred=1)

    with django_assert_num_queries(3):
        found = domain_troubles(sent.organisation, days=7)

    gmail, abv = found.domains
    assert (gmail.domain, [(line.cause, line.messages, line.said) for line in gmail.causes]) == (
        "gmail.com",
        [(TroubleCause.AUTHENTICATION, 7, "550 5.7.26 no"), (TroubleCause.FULL, 50, "")],
    )
    assert (gmail.causes[0].account, gmail.contact and gmail.contact.name) == (sent.account.pk, "Google")
    assert (abv.domain, abv.contact, found.count) == ("abv.bg", None, 2)
    assert forget_troubles() == 0
    trouble(sent.organisation, "mail.bg", "rate", days=91, deferred=1)
    assert forget_troubles() == 1


def test_the_command_says_it_in_words_and_as_json(sent: Any, capsys: pytest.CaptureFixture[str]) -> None:
    from argparse import Namespace

    trouble(sent.organisation, "gmail.com", "rate", deferred=12, said="421 4.7.28 slow down")
    asked = {"organisation": "plovdiv", "days": 7}

    assert handle(Namespace(**asked, json=True)) == 0
    line = domain_troubles(sent.organisation, days=7).domains[0]
    assert json.loads(capsys.readouterr().out) == as_json(line)
    assert handle(Namespace(**asked, json=False)) == 0
    words = capsys.readouterr().out
    assert "  We send too much at once: put off 12\n    Lower this domain’s rate in the account" in words
    assert "    “421 4.7.28 slow down”\n  Google https://support.google.com/" in words


def test_accounts_of_others_are_not_mixed(sent: Any) -> None:
    other = Account.objects.create(
        organisation=sent.organisation, adapter="smtp", channel="email", name="B", unknown_policy="resend",
        hook_key="hook-b",
    )  # fmt: skip
    trouble(sent.organisation, "gmail.com", "rate", deferred=1, account=other)
    trouble(sent.organisation, "gmail.com", "rate", deferred=1, account=sent.account)
    stranger = Organisation.objects.create(slug="varna", name={"en": "Varna"})

    assert domain_troubles(sent.organisation, days=7).domains[0].causes[0].account is None
    assert domain_troubles(stranger, days=7).domains == ()
