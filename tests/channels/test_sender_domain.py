"""What `check` of the smtp account reads in DNS about its sender, against a real DNS server on loopback."""

from __future__ import annotations

import time
from collections.abc import Sequence

import pytest

from channels import dns_records
from channels.alignment import is_aligned
from channels.base import Account, Problem
from channels.dkim import Signer
from channels.dns_records import Resolver, ResolverSilent, read_servers
from channels.sender_domain import check_sender_domain
from channels.smtp import Smtp
from channels.spf import SpfResult, SpfVerdict, judge_address
from channels.spf_record import Fault, with_mechanism
from tests.channels.dns_peer import DnsPeer, dns_server, silent_server
from tests.channels.smtp_peer import mail_server
from tests.channels.test_dkim import ed25519_pem, rsa_pem

SETTINGS = {
    "host": "mail.example.org", "port": "25", "security": "none", "sender": "News <news@example.org>",
    "dkim_rsa_selector": "r", "dkim_rsa_key": rsa_pem(), "dkim_ed25519_selector": "e",
    "dkim_ed25519_key": ed25519_pem(), "reply_address": "replies@example.org",
}  # fmt: skip
#: Addresses of the public Internet: private ones are no places that messages leave from. Nobody connects to them.
MAIL, OTHER, SIX = "1.2.3.4", "1.2.3.5", "2606:4700::1111"


def keys() -> Signer:
    signer = Signer.of(SETTINGS)
    assert signer is not None
    return signer


def text_record(name: str, value: str) -> str:
    """A TXT record in strings of at most 255 octets."""
    pieces = [value[start : start + 250] for start in range(0, len(value), 250)]
    return f"{name} 60 IN TXT " + " ".join(f'"{piece}"' for piece in pieces) + "\n"


#: A sender who has all in order.
WHOLE = (
    text_record("@", "v=spf1 mx -all")
    + text_record("@", "unrelated")
    + "@ 60 IN MX 10 mail\nmail 60 IN A 1.2.3.4\n"
    + "".join(text_record(f"{key.selector.decode()}._domainkey", key.record) for key in keys().keys)
    + text_record("_dmarc", "v=DMARC1; p=quarantine; rua=mailto:replies@example.org")
    + text_record("_smtp._tls", "v=TLSRPTv1; rua=mailto:replies@example.org")
)
REVERSE = "4 60 IN PTR mail.example.org.\n"


def account(peer: DnsPeer | str, **settings: str) -> Account:
    resolver = peer if isinstance(peer, str) else peer.address
    return Account(id="a", adapter="smtp", name="A", settings={**SETTINGS, **settings}, resolver=resolver)


def check(peer: DnsPeer | str, **settings: str) -> list[Problem]:
    asked = account(peer, **settings)
    return check_sender_domain(asked, Signer.of(asked.settings))


def codes(problems: Sequence[Problem]) -> list[tuple[str, str]]:
    return [(problem.severity, problem.code) for problem in problems]


def told(problems: Sequence[Problem], code: str) -> tuple[str, str]:
    """The finding's sentence with its values, and the record to publish."""
    problem = next(problem for problem in problems if problem.code == code)
    return problem.message % problem.values, str(problem.record or "")


def without(zone: str, word: str) -> str:
    return "".join(line for line in zone.splitlines(keepends=True) if word not in line)


def test_a_sender_with_all_in_order() -> None:
    with dns_server(example_org=WHOLE, **{"3_2_1_in-addr_arpa": REVERSE}) as peer:
        problems = check(peer)

    assert {problem.severity for problem in problems} == {"good"}
    assert [problem.message % problem.values for problem in problems] == [
        "SPF: example.org lets 1.2.3.4 send for it.",
        "DKIM: the key at r._domainkey.example.org is the one that signs our messages.",
        "DKIM: the key at e._domainkey.example.org is the one that signs our messages.",
        "DMARC: _dmarc.example.org asks receivers to act on messages that fail (p=quarantine).",
        "DMARC: signatures of example.org count for the sender's domain example.org.",
        "MX: mail for example.org goes to mail.example.org.",
        "Reverse DNS: 1.2.3.4 is called mail.example.org, and that name leads back to it.",
        "TLS-RPT: others report to example.org when they cannot encrypt what they write to it.",
    ]
    long_names = [how for name, kind, how in peer.questions if name.startswith("r._domainkey")]
    assert long_names == ["udp", "tcp"], "what does not fit into a datagram is asked for over TCP"
    assert len({(name, kind) for name, kind, how in peer.questions if how == "udp"}) == sum(
        how == "udp" for _name, _kind, how in peer.questions
    ), "nothing is asked twice"


def test_a_sender_with_nothing_gets_each_record_to_publish() -> None:
    with dns_server(example_org="mail 60 IN A 1.2.3.4\n") as peer:
        problems = check(peer)

    assert codes(problems) == [
        ("warning", "spf_missing"),
        ("error", "dkim_missing"),
        ("error", "dkim_missing"),
        ("warning", "dmarc_missing"),
        ("good", "aligned"),
        ("warning", "mx_missing"),
        ("warning", "reverse_missing"),
        ("note", "tls_reports_missing"),
    ]
    rsa, ed25519 = keys().keys
    assert [str(problem.record) for problem in problems if problem.record] == [
        'example.org TXT "v=spf1 mx a:mail.example.org ~all"',
        f'r._domainkey.example.org TXT "{rsa.record}"',
        f'e._domainkey.example.org TXT "{ed25519.record}"',
        '_dmarc.example.org TXT "v=DMARC1; p=none; rua=mailto:replies@example.org"',
        "example.org MX 10 mail.example.org.",
        "4.3.2.1.in-addr.arpa PTR mail.example.org.",
        '_smtp._tls.example.org TXT "v=TLSRPTv1; rua=mailto:replies@example.org"',
    ]


@pytest.mark.parametrize(
    ("spf", "code", "record"),
    [
        ("v=spf1 ip4:9.9.9.9 -all", "spf_not_named", "v=spf1 ip4:9.9.9.9 a:mail.example.org -all"),
        ("v=spf1 +all", "spf_open", "v=spf1 ~all"),
        ("v=spf1 mx fnord -all", "spf_broken", ""),
        ("v=spf1 include:none.example.org -all", "spf_broken", ""),
        (
            "v=spf1 exists:%{i}.example.org -all",
            "spf_not_named",
            "v=spf1 exists:%{i}.example.org a:mail.example.org -all",
        ),
        ("v=spf1 a:x.example.org a:y.example.org mx:z.example.org mx -all", "spf_broken", ""),
        ("v=spf1 exists:%{z}.example.org -all", "spf_broken", ""),
    ],
)
def test_an_spf_record_that_does_not_do(spf: str, code: str, record: str) -> None:
    zone = without(WHOLE, "spf1").replace("IN MX 10 mail", "IN MX 10 elsewhere") + text_record("@", spf)
    with dns_server(example_org=zone, **{"3_2_1_in-addr_arpa": REVERSE}) as peer:
        problems = check(peer)

    assert [problem.code for problem in problems if problem.severity != "good"] == [code]
    assert told(problems, code)[1] == (f'example.org TXT "{record}"' if record else "")


def test_ptr_counts_as_receivers_count_it_and_is_advised_against() -> None:
    zone = without(WHOLE, "spf1") + text_record("@", "v=spf1 ptr -all")
    with dns_server(example_org=zone, **{"3_2_1_in-addr_arpa": REVERSE}) as peer:
        found = codes(check(peer))

    assert found[:2] == [("note", "spf_ptr"), ("good", "spf")]


def test_two_spf_records_are_a_mistake() -> None:
    with dns_server(example_org=WHOLE + text_record("@", "v=spf1 -all")) as peer:
        assert told(check(peer), "spf_broken") == (
            "The domain example.org has more than one SPF record, which counts as a mistake.", "",
        )  # fmt: skip


SPF_TABLE = [
    ("v=spf1 ip4:1.2.3.0/24 -all", MAIL, SpfResult.PASS),
    ("v=spf1 ip4:1.2.3.5 ~all", MAIL, SpfResult.SOFTFAIL),
    ("v=spf1 -ip4:1.2.3.4 +all", MAIL, SpfResult.FAIL),
    ("v=spf1 ip6:2606:4700::/32 -all", SIX, SpfResult.PASS),
    ("v=spf1 a:mail.example.org/31 -all", OTHER, SpfResult.PASS),
    ("v=spf1 a/24//64 -all", MAIL, SpfResult.FAIL),
    ("v=spf1 mx/30 -all", "1.2.3.6", SpfResult.PASS),
    ("v=spf1 include:_spf.example.org ?all", OTHER, SpfResult.PASS),
    ("v=spf1 include:_spf.example.org ?all", MAIL, SpfResult.NEUTRAL),
    ("v=spf1 redirect=_spf.example.org", OTHER, SpfResult.PASS),
    ("v=spf1 exp=why.example.org exists:mail.example.org -all", SIX, SpfResult.PASS),
    ("v=spf1 ptr -all", MAIL, SpfResult.FAIL),
    ("v=spf1", MAIL, SpfResult.NEUTRAL),
    ("v=DMARC1; p=none", MAIL, SpfResult.NONE),
]


@pytest.mark.parametrize(("record", "address", "expected"), SPF_TABLE)
def test_spf_by_table(record: str, address: str, expected: SpfResult) -> None:
    zone = (
        "@ 60 IN MX 10 mail\nmail 60 IN A 1.2.3.4\n"
        + text_record("@", record)
        + text_record("_spf", "v=spf1 ip4:1.2.3.5 -all")
    )
    with dns_server(example_org=zone) as peer:
        assert judge_address("example.org", address, Resolver(peer.address)) == SpfVerdict(result=expected)


def test_an_spf_record_that_goes_round_in_circles_ends_at_ten_lookups() -> None:
    with dns_server(example_org=text_record("@", "v=spf1 include:example.org -all")) as peer:
        verdict = judge_address("example.org", MAIL, Resolver(peer.address))

    assert verdict == SpfVerdict(result=SpfResult.BROKEN, fault=Fault.LOOKUPS, culprit="example.org")


def test_macros_are_filled_in_by_the_account() -> None:
    """The local part of the address for returned mail, the server's name, the address in either order."""
    zone = without(WHOLE, "spf1") + text_record("@", "v=spf1 exists:%{l}.%{ir}.%{v}.%{h2}.ok.%{d} -all")
    zone += "bounces.4.3.2.1.in-addr.example.org.ok 60 IN A 127.0.0.2\n"
    with dns_server(example_org=zone) as peer:
        found = check(peer, bounce_address="bounces@example.org")

    assert ("good", "spf") in codes(found)


def test_a_mechanism_goes_in_front_of_what_ends_the_record() -> None:
    assert with_mechanism("v=spf1 mx ~all", "a:m") == "v=spf1 mx a:m ~all"
    assert with_mechanism("v=spf1 redirect=_spf.x", "a:m") == "v=spf1 a:m redirect=_spf.x"
    assert with_mechanism("v=spf1 mx", "a:m") == "v=spf1 mx a:m"


@pytest.mark.parametrize(
    ("published", "code"),
    [
        (["v=DKIM1; k=rsa; p=AAAA"], "dkim_differs"),
        (["v=DKIM1; k=rsa; p="], "dkim_revoked"),
        (["v=DKIM1; k=rsa; p=AAAA", "v=DKIM1; k=rsa; p=BBBB"], "dkim_several"),
    ],
)
def test_a_published_key_that_is_not_ours(published: list[str], code: str) -> None:
    zone = without(WHOLE, "r._domainkey") + "".join(text_record("r._domainkey", text) for text in published)
    with dns_server(example_org=zone) as peer:
        problems = check(peer)

    rsa = keys().keys[0]
    assert ("error", code) in codes(problems)
    assert told(problems, code)[1] == f'r._domainkey.example.org TXT "{rsa.record}"'


def test_a_policy_above_the_senders_domain_holds() -> None:
    zone = text_record("_dmarc", "v=DMARC1; p=reject; adkim=s; rua=mailto:a@example.org") + "news 60 IN A 1.2.3.4\n"
    with dns_server(example_org=zone) as peer:
        problems = check(peer, sender="n@news.example.org", dkim_domain="example.org")

    assert told(problems, "dmarc")[0] == (
        "DMARC: _dmarc.example.org asks receivers to act on messages that fail (p=reject)."
    )
    assert told(problems, "unaligned")[0] == (
        "Signatures of example.org do not count for the sender's domain news.example.org, so DMARC takes the messages "
        "for unsigned."
    )


#: Of a domain that mail may return to.
RETURNS = text_record("@", "v=spf1 ip4:1.2.3.4 -all") + "@ 60 IN MX 10 mail\n"
UNSIGNED = {name: "" for name in SETTINGS if name.startswith("dkim")}


def spf_alignment(problems: Sequence[Problem]) -> list[tuple[str, str, str, str, str]]:
    return [
        (
            problem.severity,
            problem.code,
            problem.message % problem.values,
            problem.remedy % problem.values,
            str(problem.record or ""),
        )
        for problem in problems
        if problem.code in ("spf_aligned", "spf_unaligned")
    ]


def test_spf_of_a_foreign_domain_for_returned_mail_does_not_count() -> None:
    remedy = (
        "Take an address for returned mail in example.org, or in a domain below it that has an SPF and an MX record of "
        "its own."
    )
    with dns_server(example_org=WHOLE, example_net=RETURNS, **{"3_2_1_in-addr_arpa": REVERSE}) as peer:
        signed = check(peer, bounce_address="bounces@example.net")
        unsigned = check(peer, bounce_address="bounces@example.net", **UNSIGNED)

    assert spf_alignment(signed) == [
        ("note", "spf_unaligned", "Returned mail goes to example.net, so SPF does not count for the sender's domain "
         "example.org: DMARC passes by the signature alone, and fails wherever that breaks.", remedy, ""),
    ]  # fmt: skip
    assert spf_alignment(unsigned) == [
        ("warning", "spf_unaligned", "Returned mail goes to example.net, so SPF does not count for the sender's domain "
         "example.org, and no signature of ours does: DMARC fails unless the mail server signs for that domain.",
         remedy, ""),
    ]  # fmt: skip
    assert {problem.field for problem in signed if problem.severity != "good"} == {"bounce_address"}
    assert told(signed, "spf")[0] == "SPF: example.net lets 1.2.3.4 send for it."
    assert [problem.values["domain"] for problem in signed if problem.code == "mx"] == ["example.org", "example.net"]


def test_spf_of_a_domain_of_the_same_organisation_counts_unless_alignment_is_strict() -> None:
    policy = "v=DMARC1; p=reject; aspf=s; rua=mailto:replies@example.org"
    below = text_record("b", "v=spf1 ip4:1.2.3.4 -all") + "b 60 IN MX 10 mail\n"
    strict = without(WHOLE, "_dmarc") + text_record("_dmarc", policy) + below
    with dns_server(example_org=WHOLE + below) as peer:
        counted = check(peer, bounce_address="bounces@B.example.org")
    with dns_server(example_org=strict) as peer:
        refused = check(peer, bounce_address="bounces@b.example.org")

    assert spf_alignment(counted) == [
        ("good", "spf_aligned", "DMARC: SPF of b.example.org, where returned mail goes, counts for the sender's domain "
         "example.org.", "", ""),
    ]  # fmt: skip
    assert spf_alignment(refused) == [
        ("note", "spf_unaligned", "Returned mail goes to b.example.org, so SPF does not count for the sender's domain "
         "example.org: DMARC passes by the signature alone, and fails wherever that breaks.",
         "Take an address for returned mail in example.org itself, or publish this record, which lets domains of the "
         "same organisation count.",
         '_dmarc.example.org TXT "v=DMARC1; p=reject; aspf=r; rua=mailto:replies@example.org"'),
    ]  # fmt: skip


def test_siblings_below_a_policy_are_of_one_organisation() -> None:
    zone = without(WHOLE, "IN MX") + "news 60 IN A 1.2.3.4\nb 60 IN A 1.2.3.4\n"
    with dns_server(example_org=zone) as peer:
        problems = check(peer, sender="n@news.example.org", bounce_address="x@b.example.org")

    assert [(severity, code) for severity, code, *_rest in spf_alignment(problems)] == [("good", "spf_aligned")]


@pytest.mark.parametrize(
    ("dmarc", "expected"),
    [
        ("p=none; rua=mailto:r@example.org", ("note", "dmarc_watching", "p=quarantine; rua=mailto:r@example.org")),
        ("p=reject", ("note", "dmarc_no_reports", "p=reject; rua=mailto:replies@example.org")),
        ("pct=50", ("error", "dmarc_broken", "p=none; rua=mailto:replies@example.org")),
    ],
)  # fmt: skip
def test_a_policy_that_could_be_better(dmarc: str, expected: tuple[str, str, str]) -> None:
    with dns_server(example_org=without(WHOLE, "_dmarc") + text_record("_dmarc", f"v=DMARC1; {dmarc}")) as peer:
        (problem,) = [problem for problem in check(peer) if problem.code.startswith("dmarc_")]

    severity, code, record = expected
    assert (problem.severity, problem.code) == (severity, code)
    assert str(problem.record) == f'_dmarc.example.org TXT "v=DMARC1; {record}"'


def test_reports_to_another_domain_need_its_consent() -> None:
    zone = without(WHOLE, "_dmarc") + text_record("_dmarc", "v=DMARC1; p=reject; rua=mailto:r@reports.example.net!10m")
    consent = text_record("example.org._report._dmarc.reports", "v=DMARC1")
    with dns_server(example_org=zone, example_net="reports 60 IN A 1.2.3.4\n") as peer:
        refused = check(peer)
    with dns_server(example_org=zone, example_net=consent) as peer:
        agreed = check(peer)

    assert told(refused, "dmarc_reports_refused")[1] == 'example.org._report._dmarc.reports.example.net TXT "v=DMARC1"'
    assert "dmarc_reports_refused" not in dict(codes(agreed)).values()


@pytest.mark.parametrize(
    ("mx", "expected"),
    [("@ 60 IN MX 0 .\n", ("error", "mx_null")), ("@ 60 IN A 1.2.3.4\n", ("note", "mx_missing"))],
)
def test_a_domain_that_takes_no_mail(mx: str, expected: tuple[str, str]) -> None:
    with dns_server(example_org=without(WHOLE, "IN MX").replace("v=spf1 mx", "v=spf1 ip4:1.2.3.4") + mx) as peer:
        assert expected in codes(check(peer))


def test_a_name_in_reverse_dns_that_does_not_lead_back() -> None:
    with dns_server(example_org=WHOLE, **{"3_2_1_in-addr_arpa": "4 60 IN PTR host.example.org.\n"}) as peer:
        assert told(check(peer), "reverse_unconfirmed") == (
            "The address 1.2.3.4 is called host.example.org, but that name does not lead back to it.",
            "host.example.org A 1.2.3.4",
        )


def test_addresses_that_somebody_named_are_looked_up_instead_of_the_servers() -> None:
    with dns_server(example_org=WHOLE) as peer:
        problems = check(peer, host="10.0.0.1", sends_from=f"{OTHER}, {SIX}")

    assert [(problem.code, str(problem.record)) for problem in problems if problem.severity == "warning"] == [
        ("spf_not_named", 'example.org TXT "v=spf1 mx ip4:1.2.3.5 -all"'),
        ("spf_not_named", 'example.org TXT "v=spf1 mx ip6:2606:4700::1111 -all"'),
        ("reverse_missing", "5.3.2.1.in-addr.arpa PTR mail.example.org."),
        (
            "reverse_missing",
            "1.1.1.1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.7.4.6.0.6.2.ip6.arpa PTR mail.example.org.",
        ),
    ]


def test_of_a_private_mail_server_it_is_said_that_its_addresses_are_not_known() -> None:
    with dns_server(example_org=WHOLE) as peer:
        problems = check(peer, host="127.0.0.1")

    assert [(p.severity, p.code, p.field) for p in problems if p.severity != "good"] == [
        ("note", "address_unknown", "sends_from")
    ]


def test_a_domain_that_there_is_not() -> None:
    with dns_server(example_org=WHOLE) as peer:
        problems = check(peer, sender="n@exmaple.org")

    assert codes(problems) == [("error", "no_domain")]
    assert told(problems, "no_domain")[0] == "There is no domain exmaple.org in DNS, so receivers refuse what it sends."


def test_a_silent_resolver_is_said_and_is_no_trouble_of_the_account(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dns_records, "ANSWER_PATIENCE", 0.2)
    with silent_server() as address, mail_server() as server:
        asked = server.account_with(**{name: SETTINGS[name] for name in SETTINGS if name.startswith("dkim")})
        began = time.monotonic()
        problems = Smtp().check(Account(**{**vars(asked), "resolver": address}))
        took = time.monotonic() - began

    assert codes(problems) == [("note", "dkim_record"), ("note", "dkim_record"), ("note", "dns_silent")]
    assert told(problems, "dns_silent")[0] == (
        "The DNS server did not answer, so this was not looked at: SPF, DKIM, DMARC, MX, PTR, TLS-RPT."
    )
    assert took < 2, "after one silence nobody is asked again"


def test_one_name_that_cannot_be_looked_up_does_not_hide_the_others() -> None:
    with dns_server(example_org=WHOLE, **{"3_2_1_in-addr_arpa": REVERSE}) as peer:
        peer.failing = {"_dmarc.example.org", "4.3.2.1.in-addr.arpa"}
        problems = check(peer)

    assert [problem.code for problem in problems] == ["spf", "dkim", "dkim", "mx", "tls_reports", "dns_silent"]
    assert problems[-1].values == {"parts": "DMARC, PTR"}


def test_nobody_is_asked_without_a_resolver() -> None:
    assert check("") == []


def test_a_resolver_that_is_none_is_a_note() -> None:
    (problem,) = check("dns.example.org")

    assert (problem.severity, problem.message) == (
        "note",
        "The setting OUTREACH_RESOLVER cannot be used: 'dns.example.org' is not a DNS server such as 9.9.9.9 or "
        "127.0.0.1:5353.",
    )


def test_time_is_bounded_for_all_questions_together() -> None:
    with dns_server(example_org=WHOLE) as peer, pytest.raises(ResolverSilent):
        Resolver(peer.address, seconds=0).texts("example.org")


def test_resolvers_are_read() -> None:
    assert read_servers("9.9.9.9, 127.0.0.1:5353,[::1]:54, ::1") == [
        ("9.9.9.9", 53), ("127.0.0.1", 5353), ("::1", 54), ("::1", 53),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("domain", "signed", "organisational", "is_strict", "expected"),
    [
        ("example.org", "example.org", "", False, True),
        ("news.example.org", "example.org", "", False, True),
        ("example.org", "mail.example.org", "", False, True),
        ("a.example.org", "b.example.org", "example.org", False, True),
        ("a.example.org", "b.example.org", "", False, False),
        ("example.org", "org", "", False, False),
        ("news.example.org", "example.org", "", True, False),
        ("example.org", "example.net", "example.org", False, False),
        ("badexample.org", "example.org", "", False, False),
    ],
)
def test_alignment(domain: str, signed: str, organisational: str, is_strict: bool, expected: bool) -> None:
    assert is_aligned(domain, signed, organisational=organisational, is_strict=is_strict) is expected


def test_the_form_refuses_addresses_that_are_none() -> None:
    faults = Smtp().find_faults({"sends_from": "mail.example.org"}, ())

    assert [(fault.field, fault.code) for fault in faults] == [("sends_from", "invalid_addresses")]
    assert Smtp().find_faults({"sends_from": "1.2.3.4 2606:4700::1111"}, ()) == []
