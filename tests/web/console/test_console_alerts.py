"""What an alert says, in both languages: what happened, in whose words, and what to do about it."""

from __future__ import annotations

import pytest
from django.utils import translation

from outreach.core.models import Alert
from outreach.web.console.alerts import waiting_alerts

SAID = {"name": "Post", "trouble": "535 5.7.8 Error: authentication failed."}


@pytest.mark.parametrize(
    ("language", "code", "facts", "title", "text"),
    [
        (
            "en",
            "account_paused",
            SAID,
            "The account “Post” is paused: it cannot send",
            "The provider says: “535 5.7.8 Error: authentication failed”. Open the account, correct its settings,"
            " check it, then resume it. Messages wait; nothing is lost.",
        ),
        (
            "bg",
            "account_paused",
            SAID,
            "Профилът „Post“ е на пауза: не може да изпраща",
            "Доставчикът казва: „535 5.7.8 Error: authentication failed“. Отворете профила, поправете настройките му,"
            " проверете го и го пуснете отново. Съобщенията чакат; нищо не е загубено.",
        ),
        (
            "en",
            "account_stopped",
            {"name": "Post", "trouble": "ana paused it."},
            "The account “Post” is paused",
            "ana paused it. Messages wait until somebody resumes it; nothing is lost.",
        ),
        (
            "bg",
            "account_stopped",
            {"name": "Post", "trouble": "ana го спря на пауза."},
            "Профилът „Post“ е на пауза",
            "ana го спря на пауза. Съобщенията чакат, докато някой го пусне отново; нищо не е загубено.",
        ),
        (
            "bg",
            "run_paused",
            {"name": "Новини", "reason": "too_many_refusals"},
            "„Новини“ сама спря на пауза: твърде много съобщения се отказват",
            "Вижте какво казва доставчикът, поправете го и я пуснете да продължи. Нищо не е загубено.",
        ),
    ],
)
def test_an_alert_says_what_happened_and_what_to_do(
    language: str, code: str, facts: dict[str, str], title: str, text: str
) -> None:
    with translation.override(language):
        [row] = waiting_alerts([Alert(code=code, noun="account", noun_id="7", facts=facts)])
    assert (row.title, row.text, row.href) == (title, text, "/accounts/7")
