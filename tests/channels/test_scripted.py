from __future__ import annotations

import json
from contextlib import nullcontext
from pathlib import Path

import pytest
import requests

from tests.channels.scripted import Http, ScriptedPeer, find_faults, running
from tests.contract_checks import DOCUMENTS, contracts_folder, load

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
    headers = {"Content-Type": "application/json", "Authorization": "Bearer x"}
    peer = ScriptedPeer(lambda _: Http(202), provider="sendgrid")
    with pytest.raises(AssertionError) if fault else nullcontext(), running(peer):
        requests.post(peer.url + path, data=json.dumps(body), headers=headers, timeout=5)
        peer.requests.clear()  # a test may: what the peer took is held against the documents all the same
    found = " ".join(find_faults(peer))
    assert fault in found
    assert bool(fault) == bool(found)


@pytest.mark.parametrize("provider", sorted(DOCUMENTS))
def test_documents_of_each_provider_are_read(provider: str) -> None:
    folder = contracts_folder(provider)
    if folder is None:
        pytest.skip(f"requests to {provider} are held against no documents here: set OUTREACH_CONTRACTS")
    documents, _ = DOCUMENTS[provider]
    assert all(load(folder / document).spec for document in documents)


def test_folder_that_is_named_must_be_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("OUTREACH_CONTRACTS", str(tmp_path / "nowhere"))
    with pytest.raises(FileNotFoundError, match="OUTREACH_CONTRACTS"):
        contracts_folder()
