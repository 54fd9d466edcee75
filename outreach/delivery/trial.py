"""A test message through one account: a real message to one address, by the ledger, as a notice with a receipt.

Not a test run, since there is no campaign; everything else is the same road: the priority lane, the account's
limits, its session, and a row that says what became of it.
"""

from __future__ import annotations

from typing import Final

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from outreach.core import audit
from outreach.core.access import Actor
from outreach.core.errors import Invalid
from outreach.core.models import Account
from outreach.core.vocabulary import PERSONAL_CHANNELS, Channel, LawfulBasis, Permission
from outreach.delivery.models import Notice
from outreach.delivery.notice_call import NoticeCall
from outreach.delivery.notices import send_notice

#: Why accounts of public channels send no test.
PUBLIC: Final = gettext_lazy("A test on this channel would be public. Look at the preview of a campaign instead.")


def send_test_message(actor: Actor, account: Account, *, to: str, language: str) -> Notice:
    """Send a short text to one address through exactly this account. A paused account keeps it until it is resumed.

    Raises:
        Invalid: the address is none (`to`), or the channel is public.
        Forbidden
    """
    actor.require(Permission.MANAGE_ACCOUNTS)
    if account.channel not in PERSONAL_CHANNELS:
        raise Invalid({"to": [PUBLIC]})
    facts = {"account": account.name, "organisation": account.organisation}
    content = {
        "channel": account.channel,
        "language": language,
        "format": "text",
        "subject": _("Test of the account “%(account)s”") % facts if account.channel == Channel.EMAIL else "",
        "body": _("This is a test of %(organisation)s through the account “%(account)s”. It arrived.") % facts,
        "account": str(account.pk),
        "lawful_basis": LawfulBasis.PUBLIC_TASK.value,
    }
    call = NoticeCall(to={"channel": account.channel, "value": to}, content=content, data={}, language=language)
    try:
        notice = send_notice(actor.at(account.organisation), call)
    except Invalid as err:
        raise Invalid({"to": [said for sentences in err.fields.values() for said in sentences]}) from err
    audit.record(actor, "account.tested", account, notice=notice.pk)
    return notice
