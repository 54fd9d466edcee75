"""Domains that do not take our e-mails: the page says how many, why, in whose words, and what to do."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from tests.web.console.conftest import Person
from tests.web.console.test_console_senders import account_of, text_of


def trouble(person: Person, domain: str, cause: str, **facts: Any) -> None:
    from outreach.core import clock
    from outreach.events.domain_tally import DomainTrouble

    at = clock.now() - timedelta(minutes=1)
    DomainTrouble.objects.create(
        organisation=person.organisation, domain=domain, cause=cause, on=at.date(), first_at=at, last_at=at, **facts
    )


def test_a_domain_is_shown_with_its_remedy(alice: Person, charlie: Person) -> None:
    account = account_of(alice)
    trouble(alice, "gmail.com", "rate", deferred=1200, said="421 4.7.28 slow <b>down</b>", account=account)
    trouble(alice, "abv.bg", "nobody", returned=1)

    page = alice.see("/domains")

    assert "gmail.com 1,200 tries put off Since" in text_of(page)
    assert "We send too much at once Lower this domain’s rate" in text_of(page)
    assert "slow &lt;b&gt;down&lt;/b&gt;" in page
    assert f'href="/accounts/{account.pk}"' in page
    assert "Ask Google gmail.com" in text_of(page)
    assert text_of(page).index("gmail.com") < text_of(page).index("abv.bg 1 message returned")
    assert "postmaster" not in page.partition("abv.bg")[2].partition("<footer")[0]
    assert "gmail.com" not in charlie.see("/domains?days=30")


def test_the_page_is_in_bulgarian(alice: Person) -> None:
    alice.user.language = "bg"
    alice.user.save()
    trouble(alice, "gmail.com", "authentication", refused=2)

    page = text_of(alice.see("/domains?days=1"))

    assert "Домейни, които не приемат писмата ни" in page
    assert "gmail.com 2 отказани писма" in page
    assert "Не е доказано, че писмата ни са наши" in page
