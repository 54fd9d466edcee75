"""Why a message was refused, by the words of who refused it: a table alone; `events.bounces` applies it."""

from __future__ import annotations

import re
from typing import Final

from outreach.events import bounce_tongues

#: What the words of a refusal mean; the first that fits counts.
_REASONS: Final[tuple[tuple[str, str], ...]] = (
    # Of whoever writes, not of who is written to, though the words are the same.
    (
        "rejected",
        r"sender (?:address )?(?:is )?(?:not accepted|rejected|refused|denied|verif\w{1,40} failed|verify fail)|"
        r"domain of sender|verification failed for <|sender was rejected|bad ?mail ?from|helo command rejected|"
        r"\bsender(?:'s)? (?:e-?mail |address |domain |host |server ){0,2}(?:is |was )?(?:does(?:n't| not) exist|"
        r"not found|unknown|invalid)|(?:helo|host name you)\b[^.\n]{0,40}(?:does not exist|not found|unknown|invalid)|"
        r"(?:your|the|invalid|bad) (?:from|return|sending|envelope) (?:e-?mail |sender )?(?:address|domain)\b(?!\s*:)|"
        r"reverse[ -]path|call-?back|"
        r"mail from \S{1,80} (?:is )?not allowed|at sender's",
    ),
    ("blocked", r"too many (?:unknown|invalid|bad|non-?existent) (?:users|recipients|addresses)"),
    # Exchange Online and Outlook.com know no such recipient, and say it so.
    (
        "userunknown",
        r"5\.4\.1\b[^\n]{0,120}recipient address rejected: access denied|5\.5\.0\b[^\n]{0,60}mailbox unavailable|"
        r"\brcp-p1\b|"
        # RFC 5321, section 4.2.2, of 550; the same words after 450 are of a mailbox that is busy.
        r"\b550[ -](?:[#(]?5\.[015]\.[01]\)? )?requested action not taken:\s{1,20}mailbox (?:unavailable|"
        r"not available)",
    ),
    # KDDI names nobody where a person's filter refused; of whom it does not know it says the address.
    ("filtered", r"\b550 : user unknown"),
    ("systemerror", r"lowest numbered mx record|best-preference mx|loops? back to (?:me|myself)"),
    (
        "mailboxfull",
        r"mailbox (?:[^.\n]{0,40} is )?(?:is )?full|over ?quota|quota (?:has been )?exceed|"
        r"exceed\w{0,24} (?:\w{1,40} ){0,4}quota|quota usage exceed|full mailbox|overdrawn|disk space limit|"
        r"storage full|"
        r"no space left|not have enough space|out of storage|"
        r"insufficient (?:storage|system storage|disk)|too much mail|disk quota|user is over|storage limit|"
        r"inbox is full|not enough (?:storage|space)|mailbox size limit|mailbox exceeds|5\.2\.2|"
        r"кутия[^.\n]{0,40}(?:е |бе )?(?:пълна|препълнена)|превишен\w{0,24} (?:\w{1,40} )?(?:квота|лимит)|"
        r"ящик[^.\n]{0,30}переполнен",
    ),
    (
        "mesgtoobig",
        r"message (?:size|file)? ?(?:is )?(?:too (?:big|large)|exceeds)|size limit|"
        r"exceeded (?:the )?maximum (?:fixed )?(?:message )?size|5\.3\.4|max message size",
    ),
    ("networkerror", r"(?:name service error|host not\s{1,20}found)[^<]{0,80}try again"),
    (
        "hostunknown",
        r"domain (?:name )?(?:\S{1,80} )?(?:does not exist|not found)|domain not exist|unknown (?:host|domain)|"
        r"no such (?:host|domain)|nxdomain|unrouteable mail domain|no valid mx hosts|"
        r"domain isn't in dns|(?<!client )host unknown|domain[^\n]{0,60}not appear to be registered|"
        r"mx records? point to non-?existent|"
        r"домейн\w{0,24} не (?:съществува|е намерен)|няма такъв домейн",
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
        r"not authenticated|5\.7\.(?:20|21|22|23|24|26|27)\b|sender[- ]id",
    ),
    (
        "requireptr",
        r"5\.7\.25\b|reverse (?:dns|lookup|host)|ptr record|\bptr\b|r?dns lookup|cannot (?:find|resolve) your (?:host|"
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
        r"rate limit|throttl|exceed\w{0,24} (?:the )?(?:rate|frequency|sending)|frequency limited|ratelimit|"
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
        r"user (?:\S{1,80} )?(?:is )?(?:unknown|not (?:found|known|exist))|unknown (?:or illegal |virtual )?(?:user|"
        r"address|"
        r"recipient|local|mailbox)|no account by|receiver not found|not present in (?:the )?directory|"
        r"malformed local[ -]part|can(?:'t|not) find (?:\S{1,80} ){0,2}user's mailbox|no valid recipients? were found|"
        r"no e-?mail address registered|"
        r"nosuchuser|user path no exist|user not a member|bad[ _]recipient|no mail[ -]box|unregistered address|"
        r"(?:unrecogni[sz]ed|unregistered) recipient|recipients? cannot be verified|rcpt user \S{1,80} not ok|"
        r"not a valid (?:\S{1,80} )?user here|no such (?:local |mail ?)?(?:user|"
        r"drop|recipient|mailbox|person|address|account)|(?:address|recipient|mailbox|account|user|"
        r"alias)(?:[^.\n]|\.(?=\S)){0,80}(?:does(?:n'?t| not) exist|not (?:be )?found|not known|unknown|invalid|"
        r"not recogni|"
        r"no longer (?:valid|exists|available|in use)|undeliverable)|does not have an? (?:\S{1,80} )?account|"
        r"no mailbox|invalid (?:recipient|receiver|mailbox|user|address|final)|not a (?:valid|known) (?:user|mailbox|"
        r"address|recipient)|recipnotfound|not listed in|bad destination mailbox|unrouteable address|"
        r"nonexist\w{0,24} (?:user|mailbox|account)|there is no (?:one|such)|doesn't have a|couldn't be found|"
        r"not our customer|address error|(?:account|address|mailbox|user|recipient) is not valid|5\.1\.(?:0|1|10|"
        r"3)\b|5\.1\.351|recipient rejected|"
        r"did not reach the following|non-existent|not exist|"
        r"(?:rcpt|recipient)[\s\S]{0,120}mailbox unavailable|mailbox unavailable[\s\S]{0,120}rcpt to|"
        r"(?:няма|непознат|неизвестен|несъществуващ|не съществува) (?:такъв |такава )?(?:потребител|адрес|получател|"
        r"кутия)|(?:потребител|адрес|получател|кутия)\w{0,24}[^.\n]{0,60} не (?:съществува|е намерен|"
        r"може да бъде намерен)|"
        r"нет такого|такого (?:пользователя|адреса|ящика)|(?:адрес|ящик)\w{0,24}[^.\n]{0,60} не (?:найден|существует)|"
        r"пользовател\w{0,24} (?:с таким \w{1,40} )?не (?:найден|существует|зарегистрирован)|"
        r"unbekannter empf|empfänger unbekannt",
    ),
    (
        "hostunknown",
        r"(?:host|domain)(?: name)?[^.\n]{0,60}(?:unknown|not (?:be )?found|does not exist|not exist|lookup|"
        r"nonexistent|invalid)|unknown (?:host|domain)|no such (?:host|domain)|name (?:or )?service (?:not known|"
        r"error)|5\.1\.2\b|couldn't find any host|domain (?:name )?not found|nxdomain|unresolvable",
    ),
    (
        "notaccept",
        r"does not accept (?:mail|any)|null mx|nullmx|no mx|mx points|doesn't accept mail|"
        r"cname lookup failed|5\.4\.4|556 ",
    ),
    (
        "filtered",
        r"filter|5\.2\.1\b|user not willing|not accepting (?:mail|messages)|refus\w{1,40} to accept|recipient refused|"
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
        r"continue) (?:to )?try|has not been collected|delayed|within \d{1,9} (?:hours?|days?)|for \d{1,9} (?:hours?|"
        r"days?)",
    ),
    ("mailererror", r"mailer error|command (?:failed|died|time)|exited with|pipe to|unknown mailer|x-unix|procmail"),
    (
        "systemerror",
        r"(?:system|internal|local|server) (?:error|failure|problem)|configuration error|4\.3\.[0-9]|5\.3\.[05]|"
        r"temporar|try again|unexpected failure",
    ),
)
_LAST: Final = {name: number for number, (name, _pattern) in enumerate(_REASONS)}
#: What is said in other languages belongs to the last pattern of its reason.
_IN_TONGUES: Final = {_LAST[name]: f"|{pattern}" for name, pattern in bounce_tongues.REASONS.items()}
REASONS: Final = tuple(
    (name, re.compile(pattern + _IN_TONGUES.get(number, ""), re.I)) for number, (name, pattern) in enumerate(_REASONS)
)
#: Reasons that will not go away by waiting: the address is suppressed.
FOR_GOOD: Final = frozenset({"userunknown", "hostunknown", "hasmoved", "notaccept"})
