"""Signatures, verified by dkimpy: over messages as they are made, over odd bodies, and through a real conversation."""

from __future__ import annotations

import base64
from collections.abc import Callable
from functools import cache

import dkim
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from channels.base import AccountProblem, Message, OutcomeKind, Problem, Record
from channels.dkim import BadKey, Signer, canonical_body, load_key
from channels.mime import assemble
from channels.smtp import Smtp
from tests.channels.smtp_peer import MailServer, mail_server


def pem(key: Ed25519PrivateKey | RSAPrivateKey, password: bytes = b"") -> str:
    sealing = BestAvailableEncryption(password) if password else NoEncryption()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, sealing).decode()


@cache
def rsa_pem(bits: int = 2048) -> str:
    return pem(generate_private_key(public_exponent=65537, key_size=bits))


@cache
def ed25519_pem() -> str:
    return pem(Ed25519PrivateKey.generate())


@cache
def keys() -> dict[str, str]:
    return {
        "dkim_rsa_selector": "r2026",
        "dkim_rsa_key": rsa_pem(),
        "dkim_ed25519_selector": "e2026",
        "dkim_ed25519_key": ed25519_pem(),
    }


def signer(**changes: str) -> Signer:
    made = Signer.of({"sender": "Новини <news@example.org>", **keys(), **changes})
    assert made is not None
    return made


def verdicts(raw: bytes, by: Signer) -> list[bool]:
    """What dkimpy says of each signature, with the records that we tell people to publish."""
    records = {f"{key.host}.": key.record.encode() for key in by.keys}

    def look_up(name: bytes, timeout: int = 5) -> bytes | None:
        return records.get(name.decode())

    return [bool(dkim.DKIM(raw, minkey=1024).verify(idx=number, dnsfunc=look_up)) for number in range(len(by.keys))]


def message(**changes: object) -> Message:
    values: dict[str, object] = {
        "id": "1-2", "to": "ivan@example.bg", "subject": "Новата услуга вече работи", "text": "Здравейте!\n",
        "html": "<p>Здравейте,  Иване!</p>", "sender": "Новини <news@example.org>", "message_id": "1-2.x@example.org",
        "headers": (
            ("List-Unsubscribe", "<https://news.example.org/u/token>"),
            ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"),
        ),
        **changes,
    }  # fmt: skip
    return Message(**values)  # type: ignore[arg-type]


BODIES = {
    "plain": "Hello.\n",
    "cyrillic": "Здравейте, Иване!\nТова е новина.\n",
    "long lines": "дума " * 800,
    "very long ascii": "x" * 3000,
    "empty": "",
    "blank lines at the end": "Hello.\n\n\n\n",
    "only blank lines": "\n\n\n",
    "spaces": "a  b \t c   \n \t \n.dot\n..two\n   \n",
    "no end": "Hello",
}


@pytest.mark.parametrize("text", BODIES.values(), ids=BODIES)
@pytest.mark.parametrize("html", ["", "<p>Здравейте,   Иване!</p>\n\n"], ids=["alone", "with html"])
def test_both_signatures_hold(text: str, html: str) -> None:
    by = signer()

    signed = by.sign(assemble(message(text=text, html=html)))

    assert signed.count(b"DKIM-Signature: ") == 2
    assert verdicts(signed, by) == [True, True]
    assert max(len(line) for line in signed.split(b"\r\n\r\n")[0].split(b"\r\n")) <= 998


@pytest.mark.parametrize(
    "body", [b"", b"\r\n", b"\r\n\r\n", b" \r\n\t\r\n", b"a", b"a \t", b"a\r\n \r\n", b" a\tb  c \r\n"]
)
def test_odd_bodies_are_canonicalised_as_dkimpy_does(body: bytes) -> None:
    by = signer()

    signed = by.sign(b"From: news@example.org\r\nSubject: x\r\n\r\n" + body)

    assert verdicts(signed if signed.endswith(b"\r\n") else signed + b"\r\n", by) == [True, True]


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from([b" ", b"\t", b"\r\n", b"a", b".", "я".encode()]), max_size=30))
def test_every_body_is_canonicalised_as_dkimpy_does(parts: list[bytes]) -> None:
    body = b"".join(parts)
    on_the_wire = body if body.endswith(b"\r\n") or not body else body + b"\r\n"

    assert canonical_body(body) == dkim.canonicalization.Relaxed.canonicalize_body(on_the_wire)


def test_folded_and_repeated_headers_hold() -> None:
    by = signer()
    raw = (
        b"Received: by x\r\nFROM:  News\r\n\t<news@example.org>\r\nTo: a@example.bg,\r\n  b@example.bg \r\n"
        b"subject:\tx  y\r\nDate: one\r\nDate: two\r\nMessage-ID: <1@example.org>\r\n\r\nbody\r\n"
    )

    assert verdicts(by.sign(raw), by) == [True, True]


def test_what_is_signed_cannot_be_changed_nor_said_twice() -> None:
    by = signer()
    signed = by.sign(assemble(message()))

    assert verdicts(signed.replace(b"ivan@example.bg", b"oleg@example.bg"), by) == [False, False]
    assert verdicts(signed.replace(b"One-Click", b"Two-Click"), by) == [False, False]
    for added in (b"From: other@example.org\r\n", b"Subject: other\r\n"):
        assert verdicts(added + signed, by) == [False, False]


def test_the_domain_is_the_senders_unless_one_is_named() -> None:
    found = [signer(), signer(sender="a@поща.example"), signer(dkim_domain="mail.example.org")]

    assert [one.keys[0].host for one in found] == [
        "r2026._domainkey.example.org",
        "r2026._domainkey.xn--80a1ac5b.example",
        "r2026._domainkey.mail.example.org",
    ]


def test_records_are_as_the_rfcs_write_them() -> None:
    rsa, ed25519 = signer().keys

    assert rsa.record.startswith("v=DKIM1; k=rsa; p=MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8A")
    kind, _, public = ed25519.record.partition(" p=")
    assert (kind, len(base64.b64decode(public))) == ("v=DKIM1; k=ed25519;", 32)


def test_the_key_of_rfc_8463_gives_its_record() -> None:
    seed = base64.b64decode("nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=")
    private = Ed25519PrivateKey.from_private_bytes(seed)
    by = signer(dkim_ed25519_key=pem(private), dkim_rsa_selector="")

    assert [key.record for key in by.keys] == ["v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="]


def test_a_key_without_selector_is_out_of_use() -> None:
    settings = {"sender": "news@example.org", **keys(), "dkim_rsa_selector": "", "dkim_ed25519_selector": ""}

    assert Signer.of(settings) is None
    assert Signer.of({"sender": "news@example.org"}) is None


BAD_KEYS: dict[str, tuple[str, Callable[[], str]]] = {
    "no key": ("rsa", lambda: "-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----"),
    "words": ("rsa", lambda: "secret"),
    "of another kind": ("rsa", ed25519_pem),
    "of the other kind": ("ed25519", rsa_pem),
    "long": ("rsa", lambda: rsa_pem(4104)),
    "with a password": ("rsa", lambda: pem(generate_private_key(65537, 2048), b"pw")),
}


@pytest.mark.parametrize("name", BAD_KEYS)
def test_a_key_that_cannot_sign_is_refused_and_never_repeated(name: str) -> None:
    kind, make = BAD_KEYS[name]
    text = make()

    with pytest.raises(BadKey) as caught:
        load_key(kind, text)
    with pytest.raises(AccountProblem) as problem:
        Signer.of({"sender": "a@example.org", f"dkim_{kind}_selector": "s", f"dkim_{kind}_key": text})

    said = str(caught.value) + str(problem.value) + repr(problem.value)
    assert not any(line in said for line in text.splitlines() if len(line) > 6 and "BEGIN" not in line)


def test_neither_a_key_nor_a_signer_prints_the_secret() -> None:
    assert "private" not in repr(signer().keys[0])


def test_what_is_wrong_with_the_form_is_told_by_field() -> None:
    def faults(*kept: str, **given_: str) -> list[tuple[str, str]]:
        return [(fault.field, fault.code) for fault in Smtp().find_faults(given_, frozenset(kept))]

    assert faults() == []
    assert faults(**keys()) == []
    assert faults(dkim_rsa_selector="s") == [("dkim_rsa_key", "no_key")]
    assert faults("dkim_rsa_key", dkim_rsa_selector="s") == []
    assert faults("dkim_rsa_key", dkim_rsa_selector="") == []
    assert faults(dkim_rsa_key=rsa_pem()) == [("dkim_rsa_selector", "no_selector")]
    assert faults("dkim_rsa_key", dkim_rsa_selector="a b") == [("dkim_rsa_selector", "invalid_selector")]
    assert faults(dkim_ed25519_selector="e", dkim_ed25519_key=rsa_pem()) == [("dkim_ed25519_key", "invalid_key")]


def test_check_names_the_records_to_publish() -> None:
    with mail_server() as server:
        problems = Smtp().check(server.account_with(**keys()))

    notes = [problem for problem in problems if problem.severity == "note"]
    assert notes == [
        Problem(
            severity="note",
            code="dkim_record",
            message=f'Publish this TXT record in DNS: {key.host} TXT "{key.record}"',
            remedy="Receivers verify our signatures by it. Until it is published they take the messages for unsigned.",
            record=Record(name=key.host, kind="TXT", value=key.record),
        )
        for key in signer().keys
    ]


def sent_through(server: MailServer, *messages: Message, **changes: str) -> list[OutcomeKind]:
    with Smtp().open(server.account_with(**{**keys(), **changes})) as session:
        return [outcome.kind for outcome in session.send(messages)]


@pytest.mark.parametrize("extensions", [("PIPELINING", "8BITMIME"), ("8BITMIME",), ("PIPELINING",)])
def test_what_a_server_gets_is_what_was_signed(extensions: tuple[str, ...]) -> None:
    made = [
        message(id="1-1", text=".first\n..second\nтрета\n"),
        message(id="1-2", text="", html=""),
        message(id="1-3", raw=assemble(message(text="Готово.\n")), is_dotless=True),
        message(id="1-4", raw=assemble(message(text="Hello\n\n\n", html=""))),
    ]
    with mail_server(extensions=extensions) as server:
        outcomes = sent_through(server, *made)

    assert outcomes == [OutcomeKind.ACCEPTED] * 4
    assert [verdicts(content, signer()) for _to, content in server.messages] == [[True, True]] * 4


def test_a_bad_key_stops_the_account_and_nothing_leaves() -> None:
    with mail_server() as server:
        outcomes = sent_through(server, message(), dkim_rsa_key="nonsense")

    assert (outcomes, server.messages) == ([OutcomeKind.ACCOUNT], [])


def test_without_keys_nothing_is_signed() -> None:
    with mail_server() as server, Smtp().open(server.account) as session:
        list(session.send([message()]))

    assert b"DKIM-Signature" not in server.messages[0][1]
