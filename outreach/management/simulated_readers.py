"""Readers and scanners as they are met, each request labelled with who made it: what the classifier is measured on.

The labels come from here and reach no rule. A mix says how often each kind is met; a seed makes the world again.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from random import Random
from types import MappingProxyType
from typing import Final, NamedTuple

from outreach.core.vocabulary import EventKind
from outreach.delivery.tokens import HONEYPOT

_WINDOWS: Final = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0"
CHROME: Final = f"{_WINDOWS} Safari/537.36"
EDGE: Final = f"{_WINDOWS} Safari/537.36 Edg/141.0.0.0"
FIREFOX: Final = "Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0"
IPHONE: Final = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 "
    "Mobile/15E148 Safari/604.1"
)
ANDROID: Final = (
    "Mozilla/5.0 (Linux; Android 15; SM-S921B) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Mobile "
    "Safari/537.36"
)
HEADLESS: Final = (
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/138.0 Safari/537.36"
)
GMAIL: Final = "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)"
YAHOO: Final = "YahooMailProxy; https://help.yahoo.com/kb/yahoo-mail-proxy-SLN28749.html"
SCANNERS: Final = (
    "Barracuda Sentinel (EE)",
    "Mimecast URL Protect/1.0",
    "Proofpoint URL Defense",
    "Cloudmark/5.2 (scan)",
)
PREVIEWS: Final = ("WhatsApp/2.23.20.0", "Viber/22.5", "Slackbot-LinkExpanding 1.0", "facebookexternalhit/1.1")
LIBRARIES: Final = ("python-requests/2.32", "Go-http-client/2.0", "curl/8.9", "okhttp/4.12", "")
#: Addresses by where they are: at home and in offices, on a phone, in data centres, at proxies of pictures.
HOME: Final = ("78.90.12.34", "84.54.140.7", "212.50.1.9", "2a01:5a8:302::7")
MOBILE: Final = ("46.10.7.21", "149.62.201.4")
OFFICE: Final = ("212.122.160.5", "195.24.36.1")
CLOUD: Final = ("3.120.5.6", "18.196.10.2", "34.89.4.4", "159.69.7.7", "2600:1f18::8")
AZURE: Final = ("40.94.25.10", "20.50.3.4", "52.166.5.5")
GOOGLE_PROXY: Final = ("66.249.93.8", "66.102.9.1")
APPLE_PROXY: Final = ("172.224.226.5", "104.28.30.7")
#: A scanner's visit begins about so long after the message came.
MEDIAN_SCAN: Final = 43.0
HOUR: Final = 3600.0


class Act(NamedTuple):
    """One request."""

    #: Seconds after the message was handed over.
    after: float
    kind: EventKind
    agent: str
    address: str
    #: None for a picture.
    link: int | None = None
    method: str = "GET"
    headers: Mapping[str, str] = MappingProxyType({})


class Letter(NamedTuple):
    """What one actor is given to play with."""

    random: Random
    #: How many links the message has.
    links: int

    def some(self, most: int) -> list[int]:
        """Links that a person follows."""
        return self.random.sample(range(self.links), self.random.randint(1, min(most, self.links)))

    def all(self, *, bait: float = 0.0) -> list[int]:
        """Every link, and so often the one that no reader sees."""
        return [*range(self.links), *([HONEYPOT] if self.random.random() < bait else [])]

    def scan_begins(self) -> float:
        return self.random.lognormvariate(math.log(MEDIAN_SCAN), 0.6)

    def reading_begins(self) -> float:
        """Half of the readers come within three hours."""
        return self.random.lognormvariate(math.log(3 * HOUR), 1.6)


Play = Callable[[Letter], Iterator[Act]]


def _clicks(
    letter: Letter, links: list[int], *, begin: float, gap: tuple[float, float], agent: str, address: str, **how: str
) -> Iterator[Act]:
    after = begin
    for link in links:
        yield Act(after, EventKind.CLICKED, agent, address, link, how.get("method", "GET"))
        after += letter.random.uniform(*gap)


def _open(after: float, agent: str, address: str) -> Act:
    return Act(after, EventKind.OPENED, agent, address)


def _apple_proxy(letter: Letter) -> Iterator[Act]:
    """Apple's proxy of pictures loads them when the device fetches mail, looked at or not."""
    yield _open(letter.random.uniform(5, 12 * HOUR), "Mozilla/5.0", letter.random.choice(APPLE_PROXY))


def _cloud_scanner(letter: Letter) -> Iterator[Act]:
    """A mail service's own, in its own cloud, with a browser's name."""
    address = letter.random.choice(AZURE)
    yield from _clicks(
        letter, letter.all(bait=0.5), begin=letter.scan_begins(), gap=(0.05, 2), agent=EDGE, address=address
    )


def _gateway(letter: Letter) -> Iterator[Act]:
    """A firm's own, on its own network, with a browser's name; now and then it loads the pictures, too."""
    begin, address = letter.scan_begins(), letter.random.choice(OFFICE)
    if letter.random.random() < 0.3:
        yield _open(begin - 0.4, CHROME, address)
    yield from _clicks(letter, letter.all(bait=0.7), begin=begin, gap=(0.02, 0.6), agent=CHROME, address=address)


def _slow_gateway(letter: Letter) -> Iterator[Act]:
    """One that takes its time between two links."""
    address = letter.random.choice(OFFICE)
    yield from _clicks(
        letter, letter.all(bait=0.8), begin=letter.scan_begins(), gap=(3, 18), agent=CHROME, address=address
    )


def _head_scanner(letter: Letter) -> Iterator[Act]:
    address = letter.random.choice(OFFICE)
    yield from _clicks(
        letter, letter.all(), begin=letter.scan_begins(), gap=(0.1, 3), agent=CHROME, address=address, method="HEAD"
    )


def _headless(letter: Letter) -> Iterator[Act]:
    """A browser without a screen that says so."""
    begin, address = letter.scan_begins(), letter.random.choice(CLOUD)
    yield _open(begin, HEADLESS, address)
    yield from _clicks(letter, letter.some(3), begin=begin + 1, gap=(1, 9), agent=HEADLESS, address=address)


def _sandbox(letter: Letter) -> Iterator[Act]:
    """A browser in a data centre under a plain name, also hours later, when old mail is checked again."""
    begin, address = letter.scan_begins() + letter.random.choice((0, 0, 6 * HOUR)), letter.random.choice(CLOUD)
    yield _open(begin, CHROME, address)
    yield from _clicks(letter, letter.some(2), begin=begin + 2, gap=(2, 40), agent=CHROME, address=address)


def _named_scanner(letter: Letter) -> Iterator[Act]:
    agent, address = letter.random.choice(SCANNERS), letter.random.choice(OFFICE)
    yield from _clicks(letter, letter.all(), begin=letter.scan_begins(), gap=(0.2, 5), agent=agent, address=address)


def _sampler(letter: Letter) -> Iterator[Act]:
    """A firm's own that follows one link of each message to its domain."""
    yield Act(letter.scan_begins(), EventKind.CLICKED, CHROME, letter.random.choice(OFFICE), 0)


def _picture_gateway(letter: Letter) -> Iterator[Act]:
    """A firm's own that loads the pictures of each message to its domain."""
    yield _open(letter.random.uniform(2, 90), CHROME, letter.random.choice(OFFICE))


def _smtp_scanner(letter: Letter) -> Iterator[Act]:
    """One that follows the links before it takes the message."""
    address = letter.random.choice(OFFICE)
    yield from _clicks(
        letter, letter.all(), begin=-letter.random.uniform(1, 4), gap=(0.01, 0.2), agent=CHROME, address=address
    )


def _prefetcher(letter: Letter) -> Iterator[Act]:
    """A mail program that loads pages before somebody asks for them."""
    how = {"sec-purpose": "prefetch;prerender"}
    for link in letter.some(2):
        after = letter.reading_begins()
        yield Act(after, EventKind.CLICKED, CHROME, letter.random.choice(HOME), link, headers=how)


def _chat_preview(letter: Letter) -> Iterator[Act]:
    """Somebody passed a link on in a chat, whose server looks at it."""
    agent, address = letter.random.choice(PREVIEWS), letter.random.choice(CLOUD)
    yield Act(letter.reading_begins(), EventKind.CLICKED, agent, address, letter.some(1)[0])


def _library(letter: Letter) -> Iterator[Act]:
    agent, address = letter.random.choice(LIBRARIES), letter.random.choice(HOME + CLOUD)
    yield from _clicks(letter, letter.some(4), begin=letter.scan_begins(), gap=(0.1, 30), agent=agent, address=address)


def _read(
    letter: Letter, *, agent: str, address: str, opens_by: str = "", most: int = 2, begin: float | None = None
) -> Iterator[Act]:
    """A person opens the message and follows a link or two, one after the other."""
    after = letter.reading_begins() if begin is None else begin
    yield _open(after, opens_by or agent, letter.random.choice(GOOGLE_PROXY) if opens_by == GMAIL else address)
    if letter.random.random() < 0.6:
        after += letter.random.uniform(3, 90)
        yield from _clicks(letter, letter.some(most), begin=after, gap=(9, 240), agent=agent, address=address)


def _desktop(letter: Letter) -> Iterator[Act]:
    agent = letter.random.choice((CHROME, EDGE, FIREFOX))
    return _read(letter, agent=agent, address=letter.random.choice(HOME))


def _phone(letter: Letter) -> Iterator[Act]:
    return _read(letter, agent=letter.random.choice((IPHONE, ANDROID)), address=letter.random.choice(MOBILE))


def _gmail(letter: Letter) -> Iterator[Act]:
    return _read(letter, agent=CHROME, address=letter.random.choice(HOME), opens_by=GMAIL)


def _yahoo(letter: Letter) -> Iterator[Act]:
    return _read(letter, agent=ANDROID, address=letter.random.choice(MOBILE), opens_by=YAHOO)


def _apple_mail(letter: Letter) -> Iterator[Act]:
    """Only their clicks are their own: the pictures are `apple_proxy`'s."""
    return (act for act in _read(letter, agent=IPHONE, address=letter.random.choice(MOBILE)) if act.link is not None)


def _reads_twice(letter: Letter) -> Iterator[Act]:
    """Comes back after hours or days, and follows the same link again."""
    first = list(_read(letter, agent=CHROME, address=letter.random.choice(HOME)))
    later = letter.random.uniform(2 * HOUR, 72 * HOUR)
    yield from first
    yield from (act._replace(after=act.after + later) for act in first)


def _colleague(letter: Letter) -> Iterator[Act]:
    """Many at one firm, behind one address, who read when their day begins."""
    begin = letter.random.uniform(30, 2 * HOUR)
    return _read(letter, agent=EDGE, address=OFFICE[0], begin=begin)


def _forwarder(letter: Letter) -> Iterator[Act]:
    """Passes the message on: several people, several programs, one token."""
    for _ in range(letter.random.randint(2, 5)):
        agent = letter.random.choice((CHROME, IPHONE, ANDROID, FIREFOX))
        yield from _read(letter, agent=agent, address=letter.random.choice(HOME + MOBILE))


def _tab_opener(letter: Letter) -> Iterator[Act]:
    """Opens what looks good in new tabs, one quickly after the other."""
    begin, address = letter.reading_begins(), letter.random.choice(HOME)
    yield _open(begin, FIREFOX, address)
    yield from _clicks(
        letter, letter.some(6), begin=begin + letter.random.uniform(4, 40), gap=(0.5, 3), agent=FIREFOX, address=address
    )


def _double_clicker(letter: Letter) -> Iterator[Act]:
    begin, address, link = letter.reading_begins(), letter.random.choice(HOME), letter.some(1)[0]
    yield _open(begin, EDGE, address)
    yield from _clicks(letter, [link, link], begin=begin + 8, gap=(0.1, 0.4), agent=EDGE, address=address)


def _quick_reader(letter: Letter) -> Iterator[Act]:
    """Has the telephone in the hand when the message comes."""
    begin = letter.random.uniform(5, 60)
    return _read(letter, agent=ANDROID, address=letter.random.choice(MOBILE), begin=begin)


def _behind_a_cloud(letter: Letter) -> Iterator[Act]:
    """A person whose firm's proxy or VPN stands in a data centre."""
    return _read(letter, agent=EDGE, address=letter.random.choice(CLOUD))


def _thorough(letter: Letter) -> Iterator[Act]:
    """Follows nearly everything, one after the other."""
    begin, address = letter.reading_begins(), letter.random.choice(HOME)
    yield _open(begin, CHROME, address)
    yield from _clicks(letter, letter.some(8), begin=begin + 10, gap=(6, 120), agent=CHROME, address=address)


#: Who looks at each message of a domain, or comes by one of them.
MACHINES: Final[Mapping[str, Play]] = {
    "apple_proxy": _apple_proxy,
    "cloud_scanner": _cloud_scanner,
    "gateway": _gateway,
    "slow_gateway": _slow_gateway,
    "head_scanner": _head_scanner,
    "headless": _headless,
    "sandbox": _sandbox,
    "named_scanner": _named_scanner,
    "sampler": _sampler,
    "picture_gateway": _picture_gateway,
    "smtp_scanner": _smtp_scanner,
    "prefetcher": _prefetcher,
    "chat_preview": _chat_preview,
    "library": _library,
}
PEOPLE: Final[Mapping[str, Play]] = {
    "desktop": _desktop,
    "phone": _phone,
    "gmail": _gmail,
    "yahoo": _yahoo,
    "apple_mail": _apple_mail,
    "reads_twice": _reads_twice,
    "colleague": _colleague,
    "forwarder": _forwarder,
    "tab_opener": _tab_opener,
    "double_clicker": _double_clicker,
    "quick_reader": _quick_reader,
    "behind_a_cloud": _behind_a_cloud,
    "thorough": _thorough,
}
#: What only a domain's own gateway does, and so to the messages of a whole firm.
OF_FIRMS: Final = frozenset({"sampler", "picture_gateway"})
#: How often each is met, until another mix is asked for: a list of citizens with firms and offices among them.
USUAL: Final[Mapping[str, float]] = {
    **dict.fromkeys((*MACHINES, *PEOPLE), 1.0),
    "apple_proxy": 12.0,
    "cloud_scanner": 4.0,
    "gateway": 3.0,
    "gmail": 20.0,
    "phone": 12.0,
    "desktop": 10.0,
    "apple_mail": 10.0,
    "colleague": 4.0,
    "yahoo": 3.0,
}


@dataclass(frozen=True, kw_only=True)
class Received:
    """One message and all that was done with it."""

    delivery: int
    domain: str
    #: Seconds from the beginning of the world.
    handed: float
    links: int
    #: (kind of actor, what it did).
    acts: list[tuple[str, Act]] = field(default_factory=list)


def make_world(*, seed: int, messages: int, mix: Mapping[str, float] = USUAL) -> list[Received]:
    """So many messages or a few more, to domains of one to sixty people, and who looked at them in such a mix."""
    random, world = Random(seed), list[Received]()  # noqa: S311 -- a simulation
    machines, people = ({name: mix.get(name, 0.0) for name in kinds} for kinds in (MACHINES, PEOPLE))
    while len(world) < messages:
        machine = _drawn(random, machines)
        size = random.randint(15, 60) if machine in OF_FIRMS else random.choice((1, 1, 1, 2, 5, 12, 30))
        domain, begun = f"firm{len(world)}.example", random.uniform(0, HOUR)
        for number in range(size):
            one = Received(
                delivery=len(world) + 1, domain=domain, handed=begun + number * 0.05, links=random.randint(1, 10)
            )
            for actor, plays in ((machine, MACHINES), (_drawn(random, people), PEOPLE)):
                if actor:
                    one.acts.extend((actor, act) for act in plays[actor](Letter(random, one.links)))
            world.append(one)
    return world


def _drawn(random: Random, weights: Mapping[str, float]) -> str:
    """One of the names, as often as its weight says; '' where none has any."""
    if not any(weights.values()):
        return ""
    return random.choices(list(weights), list(weights.values()))[0]
