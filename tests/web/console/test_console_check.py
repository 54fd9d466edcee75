"""The page of an account's check: what DNS says of its sender, the worst first, each record ready to be copied."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from tests.channels.certificate import make_certificate
from tests.channels.dns_peer import dns_server
from tests.channels.smtp_peer import mail_server
from tests.web.console.conftest import Person

ZONE = '@ 60 IN TXT "v=spf1 ip4:1.2.3.4 -all"\n@ 60 IN MX 10 mail\n_dmarc 60 IN TXT "v=DMARC1; p=none"\n'


@pytest.fixture
def resolver(settings: Any) -> Any:
    settings.BASE_URL = "https://outreach.example.org"
    with dns_server(example_org=ZONE, **{"3_2_1_in-addr_arpa": "9 60 IN PTR x.\n"}) as peer:
        settings.RESOLVER = peer.address
        yield peer


def make_account(person: Person, port: int, **settings: Any) -> Any:
    from outreach.delivery.accounts import create_account

    base = {"host": "127.0.0.1", "port": port, "security": "none", "sender": "News <news@example.org>"}
    return create_account(person.actor, adapter="smtp", name="Mail", settings={**base, **settings})


def page_of(person: Person, account: Any) -> str:
    answer = person.post(f"/accounts/{account.pk}/check")
    assert answer.status_code == 200
    return unescape(answer.content.decode())


@pytest.mark.usefixtures("resolver")
def test_findings_stand_by_severity_with_their_records(alice: Person) -> None:
    with mail_server() as server:
        account = make_account(alice, server.port, sends_from="1.2.3.4", reply_address="replies@example.org")
        page = page_of(alice, account)

    assert re.findall(r'<h2 id="(\w+)">([^<]*)<', page) == [
        ("warning", "What receivers count against you"),
        ("note", "Good to know"),
        ("good", "In order"),
    ]
    assert re.findall(r'<h3 class="o-wrap">([^<]*)<', page) == [
        "The address 1.2.3.4, which messages leave from, has no name in reverse DNS. Gmail, Yahoo and many others "
        "refuse mail from such addresses.",
        "E-mails are not signed here (DKIM); DNS does not tell whether the mail server signs them for example.org.",
        "The DMARC record at _dmarc.example.org only watches (p=none): who forges your name is not stopped.",
        "The DMARC record at _dmarc.example.org asks nobody for reports, so you do not see who sends in your name.",
        "Nobody is asked to report when answers to example.org cannot be encrypted on their way (TLS-RPT).",
        "SPF: example.org lets 1.2.3.4 send for it.",
        "MX: mail for example.org goes to mail.example.org.",
        "One-click unsubscribe: every e-mail of a campaign carries it, as Gmail and Yahoo ask.",
    ]
    assert re.findall(r'id="\w+-(name|value)" value="([^"]*)"', page) == [
        ("name", "4.3.2.1.in-addr.arpa"), ("value", "mail.example.org."),
        ("name", "_dmarc.example.org"), ("value", "v=DMARC1; p=quarantine"),
        ("name", "_dmarc.example.org"), ("value", "v=DMARC1; p=none; rua=mailto:replies@example.org"),
        ("name", "_smtp._tls.example.org"), ("value", "v=TLSRPTv1; rua=mailto:replies@example.org"),
    ]  # fmt: skip


@pytest.mark.usefixtures("resolver")
def test_findings_are_in_the_readers_language(alice: Person) -> None:
    alice.user.language = "bg"
    alice.user.save()
    with mail_server() as server:
        page = page_of(alice, make_account(alice, server.port))

    assert "SPF: example.org" not in page, "the address of a private server is not known"
    assert "Пощенският сървър е в частна мрежа" in page
    assert "DMARC записът на _dmarc.example.org само наблюдава (p=none)" in page


@pytest.mark.usefixtures("resolver")
def test_where_returned_mail_goes_is_judged_on_the_page_and_over_the_api(alice: Person) -> None:
    from tests.web.api.caller import make_api

    alice.user.language = "bg"
    alice.user.save()
    with mail_server() as server:
        account = make_account(alice, server.port, sends_from="1.2.3.4", bounce_address="b@example.net")
        page = page_of(alice, account)
        status, told = make_api(alice.organisation).post(f"/accounts/{account.pk}/check")

    assert "Върнатата поща отива към example.net, затова SPF не важи за домейна на подателя example.org" in page
    assert "Вземете адрес за върната поща в example.org или в домейн под него" in page
    (found,) = [problem for problem in told["problems"] if problem["code"] == "spf_unaligned"]
    assert (status, found["severity"], found["field"], found["message"]) == (
        200,
        "warning",
        "bounce_address",
        "Returned mail goes to example.net, so SPF does not count for the sender's domain example.org, and no "
        "signature of ours does: DMARC fails unless the mail server signs for that domain.",
    )
    missing = [problem["record"] for problem in told["problems"] if problem["code"] in ("spf_missing", "mx_missing")]
    assert [(record["name"], record["kind"]) for record in missing] == [("example.net", "TXT"), ("example.net", "MX")]


def test_the_api_tells_findings_and_what_is_in_order_apart(alice: Person, resolver: Any) -> None:
    from outreach.core.models import Account
    from outreach.delivery.adapters import check_account

    with mail_server() as server:
        account = make_account(alice, server.port, sends_from="1.2.3.4")
        found = check_account(Account.objects.get(pk=account.pk))

    severities = [problem.severity for problem in found]
    assert severities == sorted(severities, key=("error", "warning", "note", "good").index)
    assert not any("%(" in f"{problem.message}{problem.remedy}" for problem in found)


def test_an_account_of_the_sandbox_asks_no_dns(alice: Person, resolver: Any) -> None:
    from outreach.core.models import Account
    from outreach.delivery.adapters import check_account

    with mail_server() as server:
        account = make_account(alice, server.port)
        Account.objects.filter(pk=account.pk).update(is_sandbox=True)
        assert check_account(Account.objects.get(pk=account.pk)) == []
    assert resolver.questions == []


def test_certificates_are_no_secret_and_stay_on_the_form(alice: Person, tmp_path: Path) -> None:
    from outreach.core.models import Account

    pem = make_certificate(tmp_path / "own.pem").read_text()
    own = "-----BEGIN CERTIFICATE-----" + pem.partition("-----BEGIN CERTIFICATE-----")[2].rstrip()
    form = {
        "name": "Mail", "unknown_policy": "resend", "rate_per_minute": "0", "settings_host": "127.0.0.1",
        "settings_port": "25", "settings_security": "starttls", "settings_sender": "News <news@example.org>",
        "settings_tls_trusted": own.replace("\n", "\r\n"), "settings_auth": "scram-sha-256", "weight": "1",
    }  # fmt: skip
    answer = alice.post("/accounts/new/smtp", **form)
    assert answer.status_code == 302
    account = Account.objects.get()

    assert unescape(alice.see(f"/accounts/{account.pk}")).count(own) == 1
    assert (account.settings["tls_trusted"], account.settings["auth"]) == (own, "scram-sha-256")
