from __future__ import annotations

import json

import pytest
import requests

from tests.channels.scripted import Http, ScriptedPeer, find_faults, running
from tests.contract_checks import contracts_folder

MAIL = {
    "personalizations": [{"to": [{"email": "ana@example.org"}]}],
    "from": {"email": "news@example.org"},
    "subject": "Новини",
    "content": [{"type": "text/plain", "value": "Текст"}],
}


@pytest.mark.skipif(contracts_folder() is None, reason="no provider contracts here: set OUTREACH_CONTRACTS")
@pytest.mark.parametrize(
    ("path", "body", "fault"),
    [
        ("/v3/mail/send", MAIL, ""),
        ("/v3/mail/send", {**MAIL, "from": {}}, "'email' is a required property"),
        ("/v3/mail/send", {**MAIL, "categories": ["a"] * 2}, "non-unique"),
        ("/v3/mail/nowhere", MAIL, "know no such path"),
    ],
)
def test_request_that_the_provider_does_not_document_is_told(path: str, body: object, fault: str) -> None:
    with running(ScriptedPeer(lambda _: Http(202), provider="sendgrid")) as peer:
        headers = {"Content-Type": "application/json", "Authorization": "Bearer x"}
        requests.post(peer.url + path, data=json.dumps(body), headers=headers, timeout=5)
        found = " ".join(find_faults(peer))
        peer.requests.clear()
    assert fault in found
    assert bool(fault) == bool(found)
