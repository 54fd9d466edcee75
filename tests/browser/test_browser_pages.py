"""Every page, seen: on a computer by day in English, on a telephone by night in Bulgarian."""

from __future__ import annotations

import email
import email.policy
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.browser.conftest import Desk
from tests.browser.page_rules import broken_rules, links, unseen_focus
from tests.road.installation import wait_until

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

SCREENSHOTS = Path(__file__).resolve().parent.parent / "screenshots"
ADMINISTRATOR = "admin@demo.egov.example"
#: (language, theme, width): each word of both languages, both themes and both widths, without all eight.
LOOKS = (("en", "light", 1440), ("bg", "dark", 390))

#: Name -> path; `{draft}`, `{sent}` and `{moving}` are campaigns, `{person}` a subscriber, and so on.
PAGES = {
    "home": "/",
    "campaigns": "/campaigns",
    "campaigns-archived": "/campaigns?show=archived",
    "campaign-new": "/campaigns/new",
    "campaign-aim": "/campaigns/{draft}/aim",
    "campaign-message": "/campaigns/{moving}/message",
    "campaign-message-sms": "/campaigns/{moving}/message/sms/bg",
    "campaign-message-social": "/campaigns/{moving}/message/social/bg",
    "campaign-message-feed": "/campaigns/{moving}/message/feed/bg",
    "campaign-message-empty": "/campaigns/{draft}/message/sms/en",
    "campaign-when": "/campaigns/{draft}/when",
    "campaign-review": "/campaigns/{draft}/review",
    "campaign-audience": "/campaigns/{draft}/audience?state=planned",
    "campaign-running": "/campaigns/{moving}/running",
    "campaign-report": "/campaigns/{sent}/report",
    "campaign-deliveries": "/campaigns/{sent}/deliveries",
    "receipt": "{receipt}",
    "inbox": "/inbox?view=all",
    "inbox-ready": "/inbox/ready",
    "people": "/people",
    "person": "{person}",
    "import": "/people/import",
    "import-job": "{import}",
    "services": "/services",
    "service": "{service}",
    "service-new": "/services/new",
    "service-opinions": "{service}/feedback",
    "service-calls": "{service}/calls",
    "service-register": "{service}/register",
    "survey-new": "{service}/surveys/new",
    "survey": "{survey}",
    "survey-change": "{survey}/change",
    "topics": "/topics",
    "topic": "{topic}",
    "topic-new": "/topics/new",
    "suppressions": "/suppressions",
    "suppression-import": "/suppressions/import",
    "thresholds": "/suppressions/thresholds",
    "suppression-new": "/suppressions/new",
    "attributes": "/attributes",
    "attribute": "{attribute}",
    "attribute-new": "/attributes/new",
    "person-change": "{person}/change",
    "person-doubles": "{person}/doubles",
    "person-stages": "{person}/stages",
    "doubles": "/people/doubles",
    "topics-arrange": "/topics/arrange",
    "segments": "/segments",
    "segment": "{segment}",
    "segment-new": "/segments/new",
    "sleepy": "/asleep",
    "sleepy-new": "/asleep/new",
    "frequency": "/frequency",
    "digests": "/digests",
    "notices": "/notices",
    "notice-answers": "/notices/answers",
    "sign-up": "/topics/sign-up",
    "accounts": "/accounts",
    "account": "{account}",
    "account-new": "/accounts/new/smtp",
    "prices": "{account}/prices",
    "costs": "/costs",
    "senders": "/senders",
    "domains": "/domains",
    "look": "/look",
    "sandbox-email": "/sandbox?channel=email",
    "sandbox-sms": "/sandbox?channel=sms",
    "sandbox-social": "/sandbox?channel=social",
    "more": "/more",
    "api": "/api/docs",
    "unsubscribe": "{unsubscribe}",
    "preferences": "{preferences}",
    "why": "{preferences}/why",
    "data": "{preferences}/data",
    "view": "{view}",
    "join": "/join/council",
    "topic-tree": "/join/council/topics",
    "archive": "/archive/",
    "archive-topic": "/archive/e-services-citizens",
    "archive-consents": "/archive/consent-ledger",
}
#: Pages that readers see, in words of their own.
PUBLIC = frozenset(
    {"unsubscribe", "preferences", "why", "data", "view", "join", "topic-tree", "archive", "archive-topic"}
    | {"archive-consents"}
)


@pytest.fixture(scope="module")
def places(desk: Desk) -> dict[str, str]:
    """Where the pages are that have a number in their path."""
    from outreach.management import demonstration_campaigns as campaigns

    page = desk.log_in(ADMINISTRATOR)
    numbers = {one["name"]: one["id"] for one in desk.installation.api("GET", "/campaigns?limit=100")[1]["items"]}
    found = {
        "draft": str(numbers[campaigns.IDENTIFICATION["name"]]),
        "sent": str(numbers[campaigns.TRAINING["name"]]),
        "moving": str(numbers[campaigns.MAIN["name"]]),
    }
    for name, list_path, pattern in (
        ("person", "/people", r"/people/\d+"),
        ("import", "/people", r"/people/imports/\d+"),
        ("service", "/services", r"/services/\d+"),
        ("topic", "/topics", r"/topics/\d+"),
        ("attribute", "/attributes", r"/attributes/\d+"),
        ("segment", "/segments", r"/segments/\d+"),
        ("account", "/accounts", r"/accounts/\d+"),
        ("receipt", f"/campaigns/{found['sent']}/deliveries", r"/deliveries/[\w-]+"),
    ):
        page.goto(list_path)
        found[name] = next((link for link in sorted(links(page)) if re.fullmatch(pattern, link)), "")
    return {**found, "survey": _survey(page), **_places_of_readers(desk)}


def _survey(page: Page) -> str:
    """The first survey that any service has."""
    page.goto("/services")
    for service in sorted(link for link in links(page) if re.fullmatch(r"/services/\d+", link)):
        page.goto(f"{service}/feedback")
        if surveys := sorted(link for link in links(page) if re.fullmatch(r"/services/surveys/\d+", link)):
            return surveys[0]
    return ""


def _places_of_readers(desk: Desk) -> dict[str, str]:
    """From a mail that a topic's subscriber got; others lie in the same sandbox, such as those of who signs up."""

    def found() -> dict[str, str]:
        return next(filter(None, map(_ways_out, desk.installation.sandbox("email"))), {})

    return wait_until(found, what="a subscriber's mail has arrived")


def _ways_out(mail: dict[str, Any]) -> dict[str, str]:
    """The links of a mail that only its reader has; {} where any is missing."""
    parts = email.message_from_string(mail["raw"], policy=email.policy.default).walk()
    text = " ".join(part.get_content() for part in parts if part.get_content_maintype() == "text")
    names = {"unsubscribe": "u", "preferences": "p", "view": "v"}
    found = {name: re.search(rf"/{letter}/[\w-]{{20,}}", text) for name, letter in names.items()}
    return {name: match.group() for name, match in found.items() if match} if all(found.values()) else {}


@pytest.fixture(scope="module", params=LOOKS, ids=["-".join(map(str, look)) for look in LOOKS])
def look(request: pytest.FixtureRequest) -> tuple[str, str, int]:
    chosen: tuple[str, str, int] = request.param
    return chosen


@pytest.fixture(scope="module")
def page(desk: Desk, look: tuple[str, str, int], places: dict[str, str]) -> Iterator[Page]:
    """One logged-in page for a look; after `places`, since the language is the user's."""
    language, theme, width = look
    opened = desk.log_in(ADMINISTRATOR, language=language, theme=theme, width=width)
    yield opened
    opened.context.close()


@pytest.fixture(scope="module")
def walked() -> set[str]:
    """Patterns of links that were followed."""
    return set()


@pytest.mark.parametrize("name", PAGES)
def test_page(
    name: str, page: Page, desk: Desk, look: tuple[str, str, int], places: dict[str, str], walked: set[str]
) -> None:
    path = PAGES[name].format(**places)
    if not path:
        pytest.fail(f"the demonstration has no {name}")
    desk.take_troubles()

    page.goto(f"{path}?language={look[0]}" if name in PUBLIC else path)
    page.wait_for_load_state("load")
    troubles = broken_rules(page)
    _photograph(page, name, look)

    assert [*troubles, *unseen_focus(page), *_dead_links(page, walked), *desk.take_troubles()] == []


def _photograph(page: Page, name: str, look: tuple[str, str, int]) -> None:
    """As high as the page is: frames below the fold are painted, and nothing that sticks covers anything."""
    SCREENSHOTS.mkdir(exist_ok=True)
    usual = page.viewport_size
    assert usual is not None
    page.set_viewport_size({**usual, "height": min(4000, page.evaluate("document.scrollingElement.scrollHeight"))})
    page.screenshot(path=SCREENSHOTS / f"{name}-{'-'.join(map(str, look))}.png")
    page.set_viewport_size(usual)


def _dead_links(page: Page, walked: set[str]) -> list[str]:
    """Follow each kind of link once: `/people/7` stands for all people."""
    dead = []
    for link in sorted(links(page)):
        kind = re.sub(r"\d+(-\d+)?|cursor=[^&]*|/([upv])/[\w-]+", "#", link)
        if kind in walked:
            continue
        walked.add(kind)
        status = page.context.request.get(link, max_redirects=0).status
        if status >= 400:
            dead.append(f"dead link: {status} {link}")
    return dead
