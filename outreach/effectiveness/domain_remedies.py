"""What an operator does when a recipient domain does not take our e-mails, and whom to ask there. Words alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from django.utils.translation import gettext
from django.utils.translation import gettext_noop as _

from outreach.core.vocabulary import TroubleCause

_REMEDIES: Final[Mapping[TroubleCause, str]] = {
    TroubleCause.AUTHENTICATION: _(
        "Check the account: its findings say which of SPF, DKIM and DMARC is missing and give the record to publish. "
        "Then look at “Our name” for servers of yours that send without passing."
    ),
    TroubleCause.REVERSE_NAME: _(
        "Ask whoever runs the mail server to give its address a name in DNS that leads back to it (PTR record), and to "
        "have the server greet with that name."
    ),
    TroubleCause.BLOCKLIST: _(
        "Read the server’s words: they mostly name the list. Find out there why (a password that was stolen, an old "
        "list of addresses), mend it, and ask to be taken off. Until then send through another account."
    ),
    TroubleCause.REPUTATION: _(
        "Send less to this domain for two weeks, to people who read you first, and raise the number slowly: lower its "
        "rate in the account, or set a warm-up. Then tell its postmaster."
    ),
    TroubleCause.SPAM: _(
        "Send the message to a mailbox of your own there and see where it lands. Fewer links and pictures, a plain "
        "subject, one clear sender help; then tell the domain’s postmaster."
    ),
    TroubleCause.COMPLAINTS: _(
        "Who complained is not written to any more. Write less often, let the first lines say why the message came, "
        "and keep the link to unsubscribe in sight."
    ),
    TroubleCause.RATE: _(
        "Lower this domain’s rate in the account, by half to begin with. What was put off leaves by itself, later."
    ),
    TroubleCause.LATER: _(
        "Nothing to do at first: many servers put a stranger’s first message off, and ours tries again by itself. "
        "Where it lasts for a day, lower the domain’s rate and tell its postmaster."
    ),
    TroubleCause.SENDER: _(
        "See that the sender’s address exists and its domain has an MX record, and that the mail server is allowed to "
        "send for it."
    ),
    TroubleCause.POLICY: _(
        "Read the server’s words, and ask the domain’s postmaster which rule is meant and how to keep it."
    ),
    TroubleCause.UNREACHABLE: _(
        "Nothing to do but wait: the trouble is with that domain or on the way to it. Where it lasts for days, the "
        "domain may be gone or misspelt: look at the people who have it."
    ),
    TroubleCause.FULL: _("Nothing to do: whoever does not read their mailbox for long is suppressed by itself."),
    TroubleCause.NOBODY: _(
        "They are suppressed by themselves. Where there are many, ask where the list came from: old lists also hold "
        "traps that get the sender blocked."
    ),
    TroubleCause.SIZE: _("Make the message smaller: link to files and pictures instead of attaching them."),
    TroubleCause.OTHER: _("Read the server’s words; where they say nothing, ask the domain’s postmaster."),
}


@dataclass(frozen=True, kw_only=True)
class Contact:
    """Where a domain is asked."""

    #: Who runs its mail; '' where only its own name is known.
    name: str
    #: A page with a form, or `mailto:`.
    url: str


#: Who runs mail for many -> its page for senders.
_PAGES: Final[Mapping[str, str]] = {
    "Google": "https://support.google.com/mail/contact/gmail_bulk_sender_escalation",
    "Microsoft": "https://olcsupport.office.com/",
    "Yahoo": "https://senders.yahooinc.com/contact/",
    "Apple": "https://support.apple.com/102322",
    "Mail.ru": "https://postmaster.mail.ru/",
    "Yandex": "https://postmaster.yandex.ru/",
    "GMX": "https://postmaster.gmx.net/",
    "Deutsche Telekom": "https://postmaster.t-online.de/",
}
#: First names of domains, whatever country they are of, and whole domains.
_RUN_BY: Final[Mapping[str, str]] = {
    "gmail.com": "Google", "googlemail.com": "Google",
    "outlook": "Microsoft", "hotmail": "Microsoft", "live": "Microsoft", "msn.com": "Microsoft",
    "yahoo": "Yahoo", "ymail.com": "Yahoo", "rocketmail.com": "Yahoo", "aol.com": "Yahoo",
    "icloud.com": "Apple", "me.com": "Apple", "mac.com": "Apple",
    "mail.ru": "Mail.ru", "bk.ru": "Mail.ru", "inbox.ru": "Mail.ru", "list.ru": "Mail.ru", "internet.ru": "Mail.ru",
    "yandex": "Yandex", "ya.ru": "Yandex",
    "gmx": "GMX", "web.de": "GMX",
    "t-online.de": "Deutsche Telekom", "magenta.de": "Deutsche Telekom",
}  # fmt: skip
#: Longest ending of a country after a first name: `co.uk`.
_ENDING: Final = 6


def remedy_of(cause: TroubleCause) -> str:
    """What to do against it, in the language that is active."""
    return gettext(_REMEDIES[cause])


def contact_of(domain: str) -> Contact:
    """The page for senders of whoever runs the domain's mail, else its postmaster (RFC 5321, 4.5.1)."""
    first, _dot, ending = domain.partition(".")
    name = _RUN_BY.get(domain) or (_RUN_BY.get(first, "") if len(ending) <= _ENDING else "")
    return Contact(name=name, url=_PAGES[name] if name else f"mailto:postmaster@{domain}")
