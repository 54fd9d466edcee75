"""The road of the demonstration: people come in, a campaign is approved and started, readers answer, all is counted."""

from __future__ import annotations

import re
import smtplib
import time
from collections import Counter as Tally
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import requests
from django.conf import settings
from django.db.models import QuerySet, Sum
from django.db.models.functions import Coalesce

from outreach.audience.models import Import
from outreach.campaigns.models import Campaign, Run
from outreach.core.access import actor_of_user
from outreach.core.models import Account, User
from outreach.core.secrets import unseal
from outreach.core.vocabulary import ENDED, CampaignState, Channel, CounterKind, DeliveryState, EventKind
from outreach.delivery.check import check_ledger
from outreach.delivery.launch import start
from outreach.delivery.models import Counter, Delivery
from outreach.delivery.review import review
from outreach.effectiveness.report import report
from outreach.events.models import Reply
from outreach.management import demonstration, demonstration_campaigns
from outreach.management.demonstration_catalogue import LOOPBACK, MARIA, REPLIES
from outreach.sandbox.models import SandboxMessage
from outreach.sandbox.readers import Reader

#: Seconds that a step may take before the demonstration says that it failed.
PATIENCE: Final = 90.0
POLL: Final = 0.1
#: The first request has Django load everything, which a busy machine takes its time for.
READY_SECONDS: Final = 30.0
#: One e-mail in so many is opened, and one opened in so many clicked; but not more than MOST.
OPENED_EVERY, CLICKED_EVERY, MOST = 3, 2, 400
#: Readers at work at once.
READERS: Final = 4
REPLIES_BY_MAIL: Final = 5
REPLIES_BY_SMS: Final = 3
FEED: Final = "/feeds/e-services-citizens.json"
_DELIVERY: Final = re.compile(rb"^X-Outreach-Delivery:\s*(\d+-\d+)", re.IGNORECASE | re.MULTILINE)

Say = Callable[..., None]


class Road:
    """One journey through the product, driven from outside wherever there is an outside."""

    def __init__(self, *, say: Say) -> None:
        self.say = say
        self.problems: list[dict[str, Any]] = []
        self.done = {"opens": 0, "clicks": 0, "replies": 0}

    def travel(self, *, subscribers: int) -> dict[str, Any]:
        """Go the whole way; return what `outreach demo --json` prints."""
        campaign = self._prepare(subscribers)
        self._wait("the web process answers", self._is_ready)
        run = self._start(campaign)
        self._let("reply", self._reply)
        self._wait("everything is handed over", lambda: self._has_ended(run))
        self._let("read", self._read)
        self._wait("what came back is counted", lambda: self._came_back(run))
        return self._result(campaign, run)

    def _prepare(self, subscribers: int) -> Campaign:
        self.say("Importing people", {"files": 4})
        demonstration.lay_out(subscribers=subscribers)
        for job in Import.objects.order_by("pk"):
            self.say(f"  {job.file_name}", {"rows": job.rows, "new": job.created, "rejected": job.rejected})
        return demonstration.find_campaign(demonstration_campaigns.MAIN)

    def _start(self, campaign: Campaign) -> Run:
        """Reviewed, and approved by somebody else: so it may start."""
        found = review(campaign)
        self.say("Reviewed", {"people": found.people, **found.recipients})
        maria = actor_of_user(User.objects.get(email=MARIA), campaign.organisation)
        run = start(maria, campaign)
        self.say("Started", {"campaign": campaign.pk})
        return run

    def _reply(self) -> None:
        """The first to get a message answer at once, each on the channel it came by."""
        ports = settings.SANDBOX_PORTS
        with Reader() as reader:
            for message in self._first(Channel.EMAIL, REPLIES_BY_MAIL):
                reader.reply_by_mail(message, "Благодаря, кога работи гишето?", smtp_port=ports["smtp"])
                self.done["replies"] += 1
            self._reply_by_sms(reader)
            for message in self._first(Channel.SOCIAL, 1):
                base_url = f"http://{LOOPBACK}:{ports['social']}"
                reader.reply_on_social(message, "Страхотно!", base_url=base_url, name="grazhdanin", number=2002)
                self.done["replies"] += 1
        self.say("Readers replied", {"replies": self.done["replies"]})

    def _reply_by_sms(self, reader: Reader) -> None:
        account = Account.objects.get(adapter="twilio", is_sandbox=True)
        hook = f"{settings.BASE_URL}/hooks/{account.hook_key}/inbound"
        sid, token = account.settings["account_sid"], unseal(account.sealed)["auth_token"]
        for message in self._first(Channel.SMS, REPLIES_BY_SMS):
            status = reader.reply_by_sms(message, "Къде да подпиша?", hook_url=hook, account_sid=sid, token=token)
            self._expect(status, 200, "a reply by SMS")
            self.done["replies"] += 1

    def _first(self, channel: str, count: int) -> list[SandboxMessage]:
        """The first messages of a channel; waits for them, since the campaign is still moving."""
        rows = self._arrived(channel)
        wanted = min(count, self._expected(channel))
        self._wait(f"{wanted} messages by {channel} arrive", lambda: rows.all()[:wanted].count() >= wanted)
        return list(rows.all()[:wanted])

    def _expected(self, channel: str) -> int:
        """How many messages of a channel are to come: a small audience has fewer than we would like to answer."""
        self._wait("the campaign is fanned out", lambda: not Run.objects.filter(fanned_out_at=None).exists())
        return Delivery.objects.filter(channel=channel).exclude(state=DeliveryState.SKIPPED).count()

    def _arrived(self, channel: str) -> QuerySet[SandboxMessage]:
        """What the peers got from us; not what readers wrote."""
        rows = SandboxMessage.objects.filter(channel=channel).order_by("pk")
        return rows.exclude(recipient__startswith=REPLIES.partition("@")[0]).exclude(sender="@grazhdanin")

    def _read(self) -> None:
        messages = list(self._arrived(Channel.EMAIL)[: MOST * OPENED_EVERY : OPENED_EVERY])
        hands = [messages[number::READERS] for number in range(READERS)]
        with ThreadPoolExecutor(READERS) as pool:
            for opens, clicks in pool.map(self._read_some, hands):
                self.done["opens"] += opens
                self.done["clicks"] += clicks
        self.say("Readers opened and clicked", {name: self.done[name] for name in ("opens", "clicks")})

    def _read_some(self, messages: Sequence[SandboxMessage]) -> tuple[int, int]:
        """One reader: open each message and click every second; asks the database nothing."""
        clicked = messages[::CLICKED_EVERY]
        with Reader() as reader:
            for message in messages:
                self._expect(reader.open_pixel(message), 200, "an opening")
            for message in clicked:
                self._expect(reader.click_link(message), 302, "a click")
        return len(messages), len(clicked)

    def _let(self, what: str, act: Callable[[], None]) -> None:
        try:
            act()
        except (requests.RequestException, smtplib.SMTPException, OSError) as err:
            self._complain("readers", f"readers could not {what}: {err}")

    def _expect(self, status: int, wanted: int, what: str) -> None:
        if status // 100 != wanted // 100:
            self._complain("readers", f"{what} was answered with {status}")

    def _result(self, campaign: Campaign, run: Run) -> dict[str, Any]:
        campaign.refresh_from_db()
        checked = check_ledger(campaign)
        mailbox = self._arrived(Channel.EMAIL)
        self._compare_mailbox(run, mailbox)
        counted = self._counted(run)
        for name, wanted in self.done.items():
            if counted[name] != wanted:
                self._complain("came_back", f"readers made {wanted} {name}, and {counted[name]} were counted")
        if campaign.state != CampaignState.FINISHED:
            self._complain("unfinished", f"the campaign is {campaign.state}")
        self._report(campaign)
        result = checked.as_json()
        return {
            **result,
            "problems": [*result["problems"], *self.problems],
            "mailbox": mailbox.count(),
            "phone": self._arrived(Channel.SMS).count(),
            "social": self._arrived(Channel.SOCIAL).count(),
            "feed": self._feed_entries(campaign),
            **counted,
        }

    def _report(self, campaign: Campaign) -> None:
        self.say("The report says")
        for line in report(campaign).channels:
            facts = ("accepted", "delivered", "opened", "clicked", "replied")
            self.say(f"  {line.name}", {name: getattr(line, name) for name in facts})

    def _compare_mailbox(self, run: Run, mailbox: QuerySet[SandboxMessage]) -> None:
        """The mailbox holds exactly the accepted e-mails: none missing, none twice, none else."""
        got = [_named(bytes(raw)) for raw in mailbox.values_list("raw", flat=True).iterator()]
        accepted = {
            f"{run.pk}-{key}"
            for key in Delivery.objects.filter(
                run=run, channel=Channel.EMAIL, state=DeliveryState.ACCEPTED
            ).values_list("id", flat=True)
        }
        twice = sorted(key for key, times in Tally(got).items() if times > 1)
        missing, strange = sorted(accepted - set(got)), sorted(set(got) - accepted)
        if twice or missing or strange:
            facts = {"missing": missing[:5], "twice": twice[:5], "not accepted": strange[:5]}
            self._complain(
                "mailbox", f"{len(accepted)} e-mails were accepted and {len(got)} lie in the mailbox: {facts}"
            )

    def _feed_entries(self, campaign: Campaign) -> int:
        """The campaign's entries as a subscriber of the feeds reads them, in every language that it was written in."""
        written = campaign.contents.filter(channel=Channel.FEED).values_list("language", flat=True)
        return sum(self._entries(language) for language in written)

    def _entries(self, language: str) -> int:
        answer = requests.get(f"{settings.BASE_URL}{FEED}", params={"language": language}, timeout=READY_SECONDS)
        items = answer.json()["items"] if answer.ok else []
        if len(items) != 1:
            self._complain("feed", f"{FEED} in {language} answers {answer.status_code} with {len(items)} entries")
        return len(items)

    def _came_back(self, run: Run) -> bool:
        counted = self._counted(run)
        return all(counted[name] >= wanted for name, wanted in self.done.items())

    def _counted(self, run: Run) -> dict[str, int]:
        """What the product's own counters say, whatever the verdict."""
        events = Counter.objects.filter(run=run, kind=CounterKind.EVENT)
        seen = {
            name: events.filter(name=kind).aggregate(total=Coalesce(Sum("count"), 0))["total"]
            for name, kind in (("opens", EventKind.OPENED), ("clicks", EventKind.CLICKED))
        }
        return {**seen, "replies": Reply.objects.filter(run=run).count()}

    def _is_ready(self) -> bool:
        try:
            return requests.get(f"{settings.BASE_URL}/readyz", timeout=READY_SECONDS).ok
        except requests.RequestException:
            return False

    def _has_ended(self, run: Run) -> bool:
        run.refresh_from_db(fields=["state"])
        return run.state in ENDED

    def _wait(self, what: str, is_so: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not is_so():
            if time.monotonic() > deadline:
                self._complain("patience", f"waited {PATIENCE:.0f} s in vain until {what}")
                return
            time.sleep(POLL)

    def _complain(self, code: str, message: str) -> None:
        entry = {"run": 0, "code": code, "message": message}
        if entry not in self.problems:
            self.problems.append(entry)


def _named(raw: bytes) -> str:
    found = _DELIVERY.search(raw)
    return found[1].decode() if found else ""


def in_words(result: Mapping[str, Any]) -> str:
    """The result for people."""
    states = ", ".join(f"{count:,} {state}" for state, count in sorted(result["primary"].items()))
    lines = [
        f"Campaign {result['campaign']}: {result['audience']:,} messages to people and the public: {states}.",
        f"The local peers hold {result['mailbox']:,} e-mails, {result['phone']:,} SMS, {result['social']:,} posts"
        f" and {result['feed']:,} feed entries.",
        f"Readers came back with {result['opens']:,} opens, {result['clicks']:,} clicks and"
        f" {result['replies']:,} replies.",
        *(f"PROBLEM: {problem['code']}: {problem['message']}" for problem in result["problems"]),
    ]
    adds_up = result["counters_equal"] and not result["problems"]
    lines.append("The ledger adds up." if adds_up else "The ledger does NOT add up.")
    return "\n".join(lines)
