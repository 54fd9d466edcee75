"""The account form's private keys: refused with words where they are none, kept sealed, never shown again."""

from __future__ import annotations

from tests.channels.test_dkim import ed25519_pem, rsa_pem
from tests.web.console.conftest import Person

FORM = {
    "name": "Mail", "unknown_policy": "resend", "rate_per_minute": "0", "weight": "1", "settings_host": "127.0.0.1",
    "settings_port": "25", "settings_security": "none", "settings_sender": "News <news@example.org>",
}  # fmt: skip


def test_a_bad_key_is_refused_in_words_and_not_shown_again(alice: Person) -> None:
    bad = "-----BEGIN PRIVATE KEY-----\r\nc2VjcmV0IHRleHQ=\r\n-----END PRIVATE KEY-----"

    answer = alice.post("/accounts/new/smtp", **FORM, settings_dkim_rsa_selector="s", settings_dkim_rsa_key=bad)

    page = answer.content.decode()
    assert answer.status_code == 200
    assert "This is no private key in PEM form, from -----BEGIN to -----END." in page
    assert "c2VjcmV0IHRleHQ=" not in page


def test_keys_are_sealed_and_stay_when_left_empty(alice: Person) -> None:
    from outreach.core.models import Account
    from outreach.core.secrets import unseal

    keys = {
        "settings_dkim_rsa_selector": "r", "settings_dkim_rsa_key": rsa_pem().replace("\n", "\r\n"),
        "settings_dkim_ed25519_selector": "e", "settings_dkim_ed25519_key": ed25519_pem(),
    }  # fmt: skip
    assert alice.post("/accounts/new/smtp", **FORM, **keys).status_code == 302
    account = Account.objects.get()

    page = alice.see(f"/accounts/{account.pk}")
    emptied = {name: "" if name.endswith("_key") else value for name, value in keys.items()}
    assert alice.post(f"/accounts/{account.pk}", **FORM, **emptied).status_code == 302

    account.refresh_from_db()
    kept = {"dkim_rsa_key": rsa_pem().strip(), "dkim_ed25519_key": ed25519_pem().strip()}
    assert unseal(account.sealed) == kept
    assert not set(account.settings) & set(kept)
    assert "BEGIN PRIVATE" not in page
