"""Was it a person? What one request says by itself; why each rule: docs/explanation/tracking.md.

What several requests say together is judged later, over stored events: `events.together`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Final, NamedTuple

from outreach.core.vocabulary import EventKind, Verdict


class Judgement(NamedTuple):
    verdict: Verdict
    #: A code; docs/explanation/tracking.md words it.
    reason: str


PERSON: Final = Judgement(Verdict.HUMAN, "")

#: Proxies that fetch pictures for a person who is looking: a real open.
_FETCHES_FOR_A_READER: Final = re.compile(r"GoogleImageProxy|YahooMailProxy|YahooCacheSystem", re.I)

#: User agents that say themselves that nobody looks.
_MACHINES: Final[tuple[tuple[re.Pattern[str], str], ...]] = (
    (
        re.compile(
            r"barracuda|proofpoint|mimecast|symantec|messagelabs|trendmicro|sophos|fireeye|forcepoint|ironport|"
            r"microsoft office protocol discovery|safelinks|urldefense|cloudmark|checkpoint|kaspersky|bitdefender|"
            r"virustotal|zscaler|netcraft|urlscan|wepawet",
            re.I,
        ),
        "mail_scanner",
    ),
    (
        re.compile(
            r"facebookexternalhit|twitterbot|linkedinbot|slackbot|telegrambot|whatsapp|viber|discordbot|skypeuripreview|"
            r"bingpreview|google-safety|googleother|applebot|embedly|iframely|mastodon|pleroma|bluesky",
            re.I,
        ),
        "link_preview",
    ),
    (re.compile(r"bot\b|bot/|crawl|spider|slurp|archiver|monitor|uptime|pingdom|scan|fetcher|feed", re.I), "crawler"),
    (
        re.compile(
            r"^(curl|wget|python|go-http-client|java|okhttp|libwww|lwp|ruby|php|perl|node|axios|got|undici|guzzle|"
            r"apache-httpclient|httpie|restsharp|postman|aiohttp|httpx|dart|winhttp)\b|python-requests|python-urllib|"
            r"headlesschrome|phantomjs|puppeteer|playwright|selenium",
            re.I,
        ),
        "http_library",
    ),
)


def judge(
    kind: EventKind, *, method: str, headers: Mapping[str, str], is_hosted: bool = False, is_honeypot: bool = False
) -> Judgement:
    """Say whether a request for a pixel or a link came from a person; header names in lower case.

    `is_hosted`: its address lies in a data centre (`events.networks`). `is_honeypot`: it is for the link that no
    reader sees.
    """
    if is_honeypot:
        return Judgement(Verdict.MACHINE, "honeypot")
    agent = headers.get("user-agent", "").strip()
    if method == "HEAD":
        return Judgement(Verdict.MACHINE, "head")
    if not agent:
        return Judgement(Verdict.MACHINE, "no_user_agent")
    if "prefetch" in f"{headers.get('purpose', '')} {headers.get('sec-purpose', '')} {headers.get('x-moz', '')}":
        return Judgement(Verdict.MACHINE, "prefetch")
    if kind == EventKind.OPENED and _FETCHES_FOR_A_READER.search(agent):
        return Judgement(Verdict.HUMAN, "image_proxy")
    if agent == "Mozilla/5.0":
        return _judge_bare(kind)
    found = judge_agent(agent)
    # A firm's proxy or a VPN may stand there with a person behind it.
    return Judgement(Verdict.UNCERTAIN, "hosting_network") if is_hosted and found == PERSON else found


@lru_cache(maxsize=4096)
def judge_agent(agent: str) -> Judgement:
    """What a user agent says by itself; remembered, since the world has few programs."""
    for pattern, reason in _MACHINES:
        if pattern.search(agent):
            return Judgement(Verdict.MACHINE, reason)
    return PERSON


def _judge_bare(kind: EventKind) -> Judgement:
    """Apple's privacy proxy fetches every picture under this name, looked at or not; no browser clicks under it."""
    if kind == EventKind.OPENED:
        return Judgement(Verdict.UNCERTAIN, "privacy_proxy")
    return Judgement(Verdict.MACHINE, "bare_user_agent")
