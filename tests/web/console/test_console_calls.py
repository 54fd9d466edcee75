"""The page of a service's signed calls: a secret is shown by the answer that makes it and by no later page."""

from __future__ import annotations

import re

from outreach.campaigns.models import Service
from outreach.core.models import Organisation
from outreach.core.secrets import unseal
from outreach.events.call_secrets import CallSecret
from tests.web.console.conftest import Person


def test_a_secret_is_made_on_the_service_s_page_and_withdrawn(
    alice: Person, bob: Person, charlie: Person, ministry: Organisation
) -> None:
    service = Service.objects.create(organisation=ministry, slug="pay", name={"en": "Pay"}, url="https://x.example")
    path = f"/services/{service.pk}/calls"
    assert path in alice.see(f"/services/{service.pk}")
    assert "No secret yet" in alice.see(path)

    answer = alice.post(path)
    row = CallSecret.objects.get()
    shown = re.findall(r"whsec_[^\"]+", answer.content.decode())
    later = alice.see(path)

    assert (answer.status_code, answer["Cache-Control"], shown) == (200, "no-store", [unseal(row.sealed)["secret"]])
    assert (row.made_by, "whsec_" in later, row.ending in later) == (alice.user, False, True)
    assert f"/api/v1/services/{service.pk}/conversions" in later
    withdraw = f"{path}/{row.pk}/withdraw"
    assert [who.post(withdraw).status_code for who in (bob, charlie)] == [403, 404]
    assert [who.client.get(path).status_code for who in (bob, charlie)] == [403, 404]
    assert alice.post(withdraw)["Location"] == path
    empty = alice.see(path)
    assert ("is withdrawn" in empty, "Make a secret" in empty) == (True, True)
    assert alice.post(f"{path}/999/withdraw").status_code == 404
