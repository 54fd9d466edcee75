"""The words by which mail servers are understood: tables alone; `events.bounces` applies them."""

from __future__ import annotations

import re
from typing import Final

from outreach.events import bounce_tongues

#: Bounded before the @: a long word without one would cost the square of its length.
ADDRESS: Final = r"[\w.!#$%&'*+/=?^`{|}~-]{1,128}@[\w-]+(?:\.[\w-]+)+"

#: Subjects of bounces that are no standard report.
SUBJECT: Final = re.compile(
    r"undeliver|non.?delivery|delivery (?:status|failure|has failed|problem|notification|error|report|delay)|"
    r"failure (?:notice|delivery)|failed (?:mail|delivery)|user unknown|unknown user|mail failed|"
    r"returning to sender|mail (?:delivery|"
    r"system error|could not)|"
    r"returned (?:mail|to sender)|"
    r"could not be delivered|not be delivered|message (?:delayed|undeliverable|you sent|status|not delivered)|"
    r"delivery \w{0,40} ?(?:failed|unsuccessful)|unable to deliver|"
    r"warning: .{0,200}?(?:delayed|not .{0,80}?delivered)|nondeliverable|"
    r"недостав|не.? ?(?:е|бе) (?:било |беше )?доставен|не може да (?:се достави|бъде доставен)|mail failure|^rejected:|"
    r"не(?:възможно|успешно) доставяне|вaше сообщение не доставлено|не доставлено|"
    r"unzustellbar|non recapitabile|non remis|no se puede entregar|onbestelbaar|olevererbart|nepodarilo|"
    r"mail error|bounce|" + bounce_tongues.NOT_DELIVERED,
    re.I,
)
FROM_SERVER: Final = re.compile(
    r"mailer-?daemon|postmaster|mail(?:er)?[ _.-]?(?:delivery|system|administrator)|mmdf|mdaemon|system administrator",
    re.I,
)
#: Addresses that no person writes from.
DAEMON: Final = re.compile(
    r"\b(?:mailer-?daemon|postmaster|mdaemon|mmdf|mail-?(?:delivery|system)|microsoftexchange[0-9a-f]+)@|"
    r"^[^\S\n]*(?:<>|\"?(?:mailer-?daemon|postmaster)\b)",
    re.I | re.M,
)
#: What gateways and lists put before a subject: `[EXTERNAL]`, `[news]`.
TAGS: Final = r"^\s{0,3}(?:\[[^\]\n]{1,40}\]\s{0,3}){0,3}"
#: Subjects of what a person answers or passes on.
PASSED_ON: Final = re.compile(TAGS + r"(?:re|fwd?|fw|отг|отн|пр|aw|wg|rv|tr|sv|vs)\s*(?:\[\d+\])?:", re.I)
#: Those of what is passed on alone, and answers nothing.
FORWARDED: Final = re.compile(TAGS + r"(?:fwd?|fw|пр|wg|rv|tr|vs)\s*:", re.I)
SAYS_SO: Final = re.compile(
    r"could not (?:be delivered|deliver)|(?:was |were )?not delivered|unable to (?:be )?deliver|undeliver|"
    r"delivery (?:to|has|failed|attempts?)|"
    r"did not (?:reach|receive (?:a copy|your message))|failed addresses|(?:message|"
    r"recipient\S{0,3}) could not be (?:sent|reached)|no such user|"
    r"permanent (?:fatal )?error|"
    r"has been rejected|returned to (?:you|sender)|failed to (?:deliver|reach)|"
    r"cannot be delivered|"
    r"wasn't able to deliver|couldn't be delivered|has not (?:yet )?been delivered|delivery .{0,40}fail|"
    r"automatically rejected|delivery problems?|не(?:успешн)?.{0,24}(?:доставен|доставя)|"
    r"доставянето.{0,60}неуспешно|не может быть доставлено|zustellung.{0,60}fehlgeschlagen|nicht zugestellt|"
    + bounce_tongues.NOT_DELIVERED,
    re.I,
)
#: Where the explanation ends and the message that came back begins.
ORIGINAL: Final = re.compile(
    r"^[\s>*-]{0,40}(?:-{2,90}.{0,20}(?:original|returned|unsent|undeliver|copy|below this line|headers? of|"
    r"message header|header and|"
    r"the (?:header|message)|failed message)|(?:-+ )?(?:this is a copy|below is|below this line|the (?:header|"
    r"first|text) .{0,30}(?:message|lines)|"
    r"original message|message header|message text follows|your message follows|copy of your message|"
    r"-{3,40}\s{0,3}[^\x00-\x7f]|the original message was (?!received)|the message headers|received: (?:from|by)|"
    r"return-path:|original headers))",
    re.I | re.M,
)
#: How many of them name a recipient and nobody else: a `postmaster@` that they find is one that we wrote to.
SUREST: Final = 5
#: How servers point at who did not get it; the first pattern that finds somebody counts.
POINTERS: Final = tuple(
    re.compile(pattern, re.I | re.M)
    for pattern in (
        rf"^[^\S\n]*recipient address\s*:\s*<?({ADDRESS})",
        rf"^[^\S\n]*(?:failed|undeliver\w+|invalid|final|original)[ -](?:recipients?|"
        rf"address)\s*:\s*(?:rfc822\s*;\s*)?<?({ADDRESS})",
        rf"^[^\S\n]*(?:recipients?|to|addressee|user|address|mailbox)\s*[:=]\s*(?:\[?smtp:)?<?({ADDRESS})>?\]?",
        rf"^[^\S\n]*<({ADDRESS})>\s*:",
        rf"rcpt to:\s*<?({ADDRESS})",
        rf"^[^\S\n]*<({ADDRESS})>",
        rf"^[^\S\n]*>{{3}} ({ADDRESS})",
        rf"\b(?:address|user|mailbox|recipient|account)[ :]+[\"'<(]*({ADDRESS})[^.\n]{{0,40}}"
        r"(?:no longer|not|unknown|invalid)",
        rf"^[^\S\n]*(?:\[?smtp:)?({ADDRESS})\]?(?:\s*$|[:;,(]|\.\.\.|\s+(?:on|-|failed|\())",
        rf"\b(?:deliver\w*|undeliverable|message|mail|sent)\s+(?:\w+ )?to:?\s+[\"'<(]*({ADDRESS})",
    )
)
