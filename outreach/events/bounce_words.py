"""The words by which mail servers are understood: tables alone; `events.bounces` applies them."""

from __future__ import annotations

import re
from typing import Final

ADDRESS: Final = r"[\w.!#$%&'*+/=?^`{|}~-]+@[\w-]+(?:\.[\w-]+)+"

#: What the words of a refusal mean; the first that fits counts.
_REASONS: Final[tuple[tuple[str, str], ...]] = (
    (
        "mailboxfull",
        r"mailbox (?:is )?full|over ?quota|quota (?:has been )?exceed|exceed\w* (?:\w+ ){0,4}quota|out of storage|"
        r"insufficient (?:storage|system storage|disk)|too much mail|disk quota|user is over|storage limit|"
        r"inbox is full|not enough (?:storage|space)|mailbox size limit|5\.2\.2",
    ),
    (
        "mesgtoobig",
        r"message (?:size|file)? ?(?:is )?(?:too (?:big|large)|exceeds)|size limit|"
        r"exceeded (?:the )?maximum (?:fixed )?(?:message )?size|5\.3\.4|max message size",
    ),
    ("networkerror", r"(?:name service error|host not\s+found)[^<]{0,80}try again"),
    (
        "hostunknown",
        r"domain (?:name )?(?:\S+ )?(?:does not exist|not found)|domain not exist|unknown (?:host|domain)|"
        r"no such (?:host|domain)|nxdomain",
    ),
    ("hasmoved", r"has (?:been )?moved|recipient not here|no longer with|has left|5\.1\.6|address (?:has )?changed"),
    (
        "suspend",
        r"(?:account|mailbox|user)[^.\n]{0,60}(?:disabled|suspended|inactive|deactivated|locked|frozen|blocked|"
        r"expired|closed)|not (?:currently )?active|has been disabled|"
        r"mailbox (?:is )?(?:currently )?unavailable or access denied|temporarily disabled|inactive user|suspended",
    ),
    (
        "authfailure",
        r"\bspf\b|\bdkim\b|\bdmarc\b|authentication[- ](?:checks?|results?|failed|required)|unauthenticated|"
        r"not authenticated|5\.7\.(?:20|21|22|23|24|25|26|27)\b|sender[- ]id",
    ),
    (
        "requireptr",
        r"reverse (?:dns|lookup|host)|ptr record|\bptr\b|r?dns lookup|cannot (?:find|resolve) your (?:host|"
        r"reverse)|fix reverse dns|without a (?:valid )?(?:reverse|hostname)",
    ),
    ("badreputation", r"reputation|4\.7\.650|score is (?:too )?low"),
    (
        "blocked",
        r"black ?list|block ?list|blocklisted|\brbl\b|spamhaus|spamcop|sorbs|barracudacentral|\bdnsbl\b|banned|"
        r"\bip\b[^.\n]{0,40}(?:blocked|denied|rejected)|client host (?:rejected|blocked)|(?<!or )access denied|"
        r"5\.7\.(?:50[1-9]|51[01]|60[0-9])|connection refused by|is blocked|not allowed to connect|"
        r"too many (?:spam|bad)",
    ),
    (
        "spamdetected",
        r"\bspam\b|unsolicited|\bbulk mail\b|junk|spam-like|looks like spam|content (?:rejected|restriction|"
        r"filter)|message (?:was )?(?:rejected|blocked)[^.\n]{0,30}(?:content|spam)|high (?:probability|spam)",
    ),
    ("virusdetected", r"virus|malware|infected|trojan|phishing"),
    (
        "norelaying",
        r"relay(?:ing)? (?:access )?(?:denied|not (?:allowed|permitted))|not permitted to relay|unable to relay|"
        r"we do not relay|no relaying|relaying denied|not a gateway",
    ),
    (
        "toomanyconn",
        r"too many (?:connections|concurrent|sessions|recipients|messages|errors)|connection (?:limit|rate)|"
        r"rate limit|throttl|exceed\w* (?:the )?(?:rate|frequency|sending)|frequency limited|ratelimit|"
        r"connection frequency",
    ),
    (
        "rejected",
        r"sender (?:address )?(?:rejected|denied|refused|verify failed)|(?:your|from) address[^.\n]{0,30}rejected|"
        r"domain of sender|mail from[^.\n]{0,30}(?:rejected|denied|not allowed)|envelope (?:sender )?blocked|"
        r"not allowed to (?:post|send)|5\.1\.[78]\b|sender is not|invalid sender|you are not allowed|"
        r"permission to post|not accept mail from",
    ),
    (
        "userunknown",
        r"user (?:\S+ )?(?:is )?(?:unknown|not (?:found|known|exist))|unknown (?:user|address|recipient|local)|"
        r"no such (?:user|recipient|mailbox|person|address|account)|(?:address|recipient|mailbox|account|user|"
        r"alias)[^.\n]{0,80}(?:does(?:n'?t| not) exist|not (?:be )?found|not known|unknown|invalid|"
        r"no longer (?:valid|exists|available|in use)|undeliverable)|does not have an? (?:\S+ )?account|"
        r"no mailbox|invalid (?:recipient|mailbox|user|address|final)|not a (?:valid|known) (?:user|mailbox|"
        r"address|recipient)|recipnotfound|not listed in|bad destination mailbox|unrouteable address|"
        r"nonexist\w* (?:user|mailbox|account)|there is no (?:one|such)|doesn't have a|couldn't be found|"
        r"not our customer|this user|address error|5\.1\.(?:0|1|10|3)\b|5\.1\.351|recipient rejected|"
        r"did not reach the following|non-existent|not exist",
    ),
    (
        "hostunknown",
        r"(?:host|domain)(?: name)?[^.\n]{0,60}(?:unknown|not (?:be )?found|does not exist|not exist|lookup|"
        r"nonexistent|invalid)|unknown (?:host|domain)|no such (?:host|domain)|name (?:or )?service (?:not known|"
        r"error)|5\.1\.2\b|couldn't find any host|domain (?:name )?not found|nxdomain|unresolvable",
    ),
    (
        "notaccept",
        r"does not accept (?:mail|any)|null mx|nullmx|no mx|mx (?:points|record)|doesn't accept mail|"
        r"cname lookup failed|5\.4\.4|556 ",
    ),
    (
        "filtered",
        r"filter|5\.2\.1\b|user not willing|not accepting (?:mail|messages)|refus\w+ to accept|recipient refused|"
        r"5\.0\.910|dosnot accept",
    ),
    (
        "policyviolation",
        r"policy|5\.7\.[0-9]+|prohibited|not permitted|attachment|violat|not compliant|rfc ?(?:2?822|5322)",
    ),
    (
        "networkerror",
        r"name server|dns (?:error|failure)|network (?:is )?unreachable|no route|loop|too many hops|"
        r"connection (?:timed out|reset|refused|dropped|lost)|host (?:is )?(?:down|unreachable)|4\.4\.[1-6]|"
        r"lost connection|could not connect|timed? ?out",
    ),
    (
        "expired",
        r"expired|delivery time|too long in|queue too long|retry (?:time|timeout)|could not be delivered for|"
        r"not (?:yet )?been delivered|undeliverable for|giving up|4\.4\.7|will (?:be )?(?:keep|"
        r"continue) (?:to )?try|has not been collected|delayed|within \d+ (?:hours?|days?)|for \d+ (?:hours?|"
        r"days?)",
    ),
    ("mailererror", r"mailer error|command (?:failed|died|time)|exited with|pipe to|unknown mailer|x-unix|procmail"),
    (
        "systemerror",
        r"(?:system|internal|local|server) (?:error|failure|problem)|configuration error|4\.3\.[0-9]|5\.3\.[05]|"
        r"temporar|try again|unexpected failure",
    ),
)
REASONS: Final = tuple((name, re.compile(pattern, re.I)) for name, pattern in _REASONS)
#: Reasons that will not go away by waiting: the address is suppressed.
FOR_GOOD: Final = frozenset({"userunknown", "hostunknown", "hasmoved", "notaccept"})

#: Subjects of bounces that are no standard report.
SUBJECT: Final = re.compile(
    r"undeliver|non.?delivery|delivery (?:status|failure|has failed|problem|notification|error|report|delay)|"
    r"failure (?:notice|delivery)|failed (?:mail|delivery)|mail (?:delivery|system error|could not)|"
    r"returned (?:mail|to sender)|"
    r"could not be delivered|not be delivered|message (?:delayed|undeliverable|you sent|status|not delivered)|"
    r"delivery \w* ?(?:failed|unsuccessful)|unable to deliver|warning: .*(?:delayed|not .*delivered)|nondeliverable|"
    r"недостав|не.? ?е (?:било )?доставен|не(?:възможно|успешно) доставяне|вaше сообщение не доставлено|не доставлено|"
    r"unzustellbar|non recapitabile|non remis|no se puede entregar|onbestelbaar|olevererbart|nepodarilo|"
    r"mail error|bounce",
    re.I,
)
FROM_SERVER: Final = re.compile(
    r"mailer-?daemon|postmaster|mail(?:er)?[ _.-]?(?:delivery|system|administrator)|mmdf|mdaemon|system administrator",
    re.I,
)
SAYS_SO: Final = re.compile(
    r"could not (?:be delivered|deliver)|(?:was |were )?not delivered|unable to (?:be )?deliver|undeliver|"
    r"delivery (?:to|has|failed|attempts?)|"
    r"did not reach|permanent (?:fatal )?error|returned to (?:you|sender)|failed to (?:deliver|reach)|"
    r"cannot be delivered|"
    r"wasn't able to deliver|couldn't be delivered|has not (?:yet )?been delivered|delivery .{0,40}fail|"
    r"не.{0,20}доставен",
    re.I,
)
#: Where the explanation ends and the message that came back begins.
ORIGINAL: Final = re.compile(
    r"^[\s>*-]*(?:-{2,}.{0,20}(?:original|returned|unsent|undeliver|copy|below this line|headers? of|"
    r"message header|header and|"
    r"the (?:header|message)|failed message)|(?:-+ )?(?:this is a copy|below is|below this line|the (?:header|"
    r"first|text) .{0,30}(?:message|lines)|"
    r"original message|message header|message text follows|your message follows|copy of your message|"
    r"the original message was (?!received)|the message headers|received: (?:from|by)|return-path:|original headers))",
    re.I | re.M,
)
#: How servers point at who did not get it; the first pattern that finds somebody counts.
POINTERS: Final = tuple(
    re.compile(pattern, re.I | re.M)
    for pattern in (
        rf"^\s*(?:failed|undeliver\w+|invalid|final|original)[ -](?:recipients?|"
        rf"address)\s*:\s*(?:rfc822\s*;\s*)?<?({ADDRESS})",
        rf"^\s*(?:recipients?|to|addressee|user|address|mailbox)\s*:\s*(?:\[?smtp:)?<?({ADDRESS})>?\]?",
        rf"^\s*<({ADDRESS})>\s*:",
        rf"rcpt to:\s*<?({ADDRESS})",
        rf"^\s*<({ADDRESS})>",
        rf"^\s*>{{3}} ({ADDRESS})",
        rf"^\s*(?:\[?smtp:)?({ADDRESS})\]?(?:\s*$|[:;,(]|\.\.\.|\s+(?:on|-|failed|\())",
    )
)
