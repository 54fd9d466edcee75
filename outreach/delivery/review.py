"""May it go? Exact numbers from the audience's own SQL, and each problem at its field, in plain words, with remedy."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Final

from django.conf import settings
from django.db.models import Count, Q, QuerySet
from django.utils.translation import gettext as _

from channels.base import Capabilities, Message
from outreach.audience.models import Subscriber, Subscription
from outreach.audience.selection import AudienceCount, Drawn, count_audience, draw_from_audience, reaches_anybody
from outreach.campaigns.models import Campaign
from outreach.campaigns.planning import freeze
from outreach.campaigns.survey import open_survey
from outreach.core import clock
from outreach.core.models import Account
from outreach.core.vocabulary import (
    PERSONAL_CHANNELS,
    PUBLIC_CHANNELS,
    AccountState,
    Channel,
    Language,
    Reason,
    SubscriptionState,
)
from outreach.delivery.adapters import capabilities, missing_settings
from outreach.delivery.capped import count_capped
from outreach.delivery.carrying import MOST_SEGMENTS, Carrier, Readers, find_refusals
from outreach.delivery.compile import CompiledContent, ContentSource
from outreach.delivery.cost import SAMPLE, Cost, Made, SmsLine, estimate, sms_lines
from outreach.delivery.people import NOBODY, person_facts
from outreach.delivery.prices import country_of
from outreach.delivery.render import CompiledRun, Recipient, RenderingFailed, compile_run
from outreach.delivery.segments import measure_sms

#: Makes tokens as long as real ones, so that lengths are right.
SAMPLE_DELIVERY: Final = 99_999_999
#: A held-out group smaller than this shows nothing.
LEAST_HELD_OUT: Final = 50


@dataclass(frozen=True, kw_only=True)
class ReviewProblem:
    """One thing to mend or to know before the campaign goes."""

    #: `aim`, `audience`, `message`, `senders`, `when` or `holdout`.
    section: str
    code: str
    #: `error` stops the campaign, `warning` does not.
    severity: str
    #: Path of the field, as in the campaign's JSON (`contents/0/body`).
    field: str
    message: str
    remedy: str = ""


@dataclass(frozen=True, kw_only=True)
class Review:
    """What would happen if the campaign went now."""

    #: Channel -> messages, posts and entries.
    recipients: Mapping[str, int] = field(default_factory=dict)
    #: People who get at least one message.
    people: int = 0
    #: Everybody in the audience.
    audience: int = 0
    #: Reason -> messages that are not sent.
    skipped: Mapping[str, int] = field(default_factory=dict)
    held_out: int = 0
    problems: tuple[ReviewProblem, ...] = ()
    #: Whether no problem is an error.
    may_go: bool = True
    #: What it would cost, where anything costs.
    cost: Cost = field(default_factory=Cost)
    #: Each SMS text with its size and its recipients.
    sms: tuple[SmsLine, ...] = ()

    @property
    def digested(self) -> int:
        """Messages that are kept for their readers' digests."""
        return self.skipped.get(Reason.DIGESTED, 0)

    @property
    def unsent(self) -> Mapping[str, int]:
        """Reason -> messages that nobody is told in any way."""
        return {reason: count for reason, count in self.skipped.items() if reason != Reason.DIGESTED}

    @property
    def is_cost_exact(self) -> bool:
        """Whether everybody's SMS was counted."""
        return not any(line.parts.margin for line in self.sms)


def review(campaign: Campaign) -> Review:
    """Look at a campaign as it is now; changes nothing, asks no provider."""
    return _Reviewer(campaign).review()


def find_errors(campaign: Campaign) -> list[ReviewProblem]:
    """What stops the campaign, and nothing else: found without counting the audience, so that a start takes no time."""
    return _Reviewer(campaign, is_for_start=True).find_errors()


def review_content(campaign: Campaign, *, channel: str, language: str, variant: str = "") -> list[ReviewProblem]:
    """What is wrong with one content, for the editor; counts nobody."""
    reviewer = _Reviewer(campaign)
    wanted = reviewer.paths.get((channel, language, variant))
    checks = (reviewer.check_contents, reviewer.check_questions, reviewer.check_lengths, reviewer.check_carried)
    found = (problem for check in checks for problem in check())
    return [problem for problem in found if wanted is not None and f"{problem.field}/".startswith(f"{wanted}/")]


class _Reviewer:
    def __init__(self, campaign: Campaign, *, is_for_start: bool = False) -> None:
        self.campaign = campaign
        #: Whether only errors are asked for.
        self.is_for_start = is_for_start
        self.frozen = freeze(campaign, is_whole=False)
        self.contents = list(campaign.contents.select_related("account"))
        #: (channel, language, variant) -> its path in the campaign's JSON.
        self.paths = {(c.channel, c.language, c.variant): f"contents/{n}" for n, c in enumerate(self.contents)}
        self.personal = [channel for channel in campaign.channels if channel in PERSONAL_CHANNELS]
        self.run: CompiledRun = compile_run(self.frozen, run_id=0, base_url=settings.BASE_URL)

    def review(self) -> Review:
        checks: tuple[Callable[[], Iterator[ReviewProblem]], ...] = (
            self.check_audience,
            self.check_channels,
            self.check_languages,
            self.check_contents,
            self.check_services,
            self.check_questions,
            self.check_lengths,
            self.check_carried,
            self.check_attributes,
            self.check_senders,
            self.check_silence,
            self.check_times,
            self.check_holdout,
            self.check_caps,
        )
        problems = tuple(problem for check in checks for problem in check())
        cost, sms = self.reckon()
        posts = Counter(c.channel for c in self.contents if c.channel in PUBLIC_CHANNELS)
        public = {channel: posts[channel] for channel in self.campaign.channels if posts[channel]}
        return Review(
            recipients={**self.count.recipients, **public},
            people=self.count.people,
            audience=self.count.audience,
            skipped=dict(self.count.skipped),
            held_out=self.count.held_out,
            problems=problems,
            may_go=not any(problem.severity == "error" for problem in problems),
            cost=cost,
            sms=sms,
        )

    def reckon(self) -> tuple[Cost, tuple[SmsLine, ...]]:
        """What it costs, and the sizes of its SMS: from messages as some of the audience would get them."""
        written = {
            content.source.language: (path, content)
            for path, content in self.compiled
            if content.source.channel == Channel.SMS and content.is_sound
        }
        ancestors = self.campaign.organisation.ancestor_ids()
        varying = [language for language, (_path, content) in written.items() if "subscriber" in content.roots]
        drawn = draw_from_audience(self.frozen, varying, most=SAMPLE + 1, ancestors=ancestors)
        people = Subscriber.objects.in_bulk([one.subscriber for one in drawn])
        texts = {
            language: (f"{path}/body", self._made(content, [one for one in drawn if one.language == language], people))
            for language, (path, content) in written.items()
        }
        samples = {language: sample for language, (_path, sample) in texts.items()}
        cost = estimate(self.frozen, ancestors=ancestors, texts=samples)
        return cost, sms_lines(self.frozen, cost, texts, ancestors=ancestors)

    def _made(self, content: CompiledContent, drawn: Sequence[Drawn], people: Mapping[int, Subscriber]) -> Made:
        """The text as those drawn would get it; one for nobody stands for all where it says nothing of them."""
        found = [("", self._message(content.source, None))]
        if drawn:
            found = [
                (country_of(one.number), self._message(content.source, people[one.subscriber]))
                for one in drawn[:SAMPLE]
                if one.subscriber in people
            ]
        texts = [(country, message.text) for country, message in found if message is not None]
        return Made(texts=texts, is_whole=len(drawn) <= SAMPLE)

    def _message(self, source: ContentSource, person: Subscriber | None) -> Message | None:
        """The message for this person, or for somebody of whom nothing is known; None where it cannot be made."""
        facts = person_facts(person) if person else {**NOBODY, "language": source.language}
        recipient = Recipient(
            delivery=SAMPLE_DELIVERY,
            channel=source.channel,
            language=source.language,
            variant=source.variant,
            subscriber=None if source.channel in PUBLIC_CHANNELS else facts,
        )
        try:
            return self.run.render(recipient)
        except RenderingFailed:
            return None

    def find_errors(self) -> list[ReviewProblem]:
        checks: tuple[Callable[[], Iterator[ReviewProblem]], ...] = (
            self.check_audience,
            self.check_channels,
            self.check_languages,
            self.check_contents,
            self.check_services,
            self.check_questions,
            self.check_lengths,
            self.check_carried,
            self.check_senders,
            self.check_times,
        )
        return [problem for check in checks for problem in check() if problem.severity == "error"]

    def reaches_anybody(self) -> bool:
        if self.is_for_start:
            return reaches_anybody(self.frozen, ancestors=self.campaign.organisation.ancestor_ids())
        return bool(self.count.people or self.count.skipped.get(Reason.DIGESTED))

    @cached_property
    def count(self) -> AudienceCount:
        if not self.personal or not self.frozen["topics"]:
            return AudienceCount()
        return count_audience(self.frozen, ancestors=self.campaign.organisation.ancestor_ids())

    @cached_property
    def compiled(self) -> list[tuple[str, CompiledContent]]:
        """Each used content with its path."""
        return [
            (self.paths[content.source.channel, content.source.language, content.source.variant], content)
            for content in self.run.contents()
        ]

    def check_audience(self) -> Iterator[ReviewProblem]:
        if not self.personal and Channel.FEED not in self.campaign.channels:
            return
        if not self.frozen["topics"]:
            yield _error(
                "audience",
                "no_topics",
                "audience/topics",
                _("The campaign has no audience."),
                _("Choose at least one topic."),
            )
        elif self._has_accounts() and not self.reaches_anybody():
            yield _error(
                "audience",
                "unreachable",
                "audience/topics",
                _("Nobody of the audience can be reached by the channels of the campaign."),
                _("Choose other topics or channels, or import people."),
            )

    def _has_accounts(self) -> bool:
        """Whether people could be written to at all: else the missing account is the problem to name."""
        return bool(self.personal) and all(channel in self.frozen["accounts"] for channel in self.personal)

    def check_channels(self) -> Iterator[ReviewProblem]:
        written = {content.channel for content in self.contents}
        if not self.campaign.channels:
            remedy = _("Write a message for at least one channel.")
            yield _error("message", "no_channels", "channels/order", _("The campaign has no channel."), remedy)
        for position, channel in enumerate(self.campaign.channels):
            if channel not in written:
                message = _("There is no message for the channel %(channel)s.") % {"channel": Channel(channel).label}
                remedy = _("Write it, or take the channel out.")
                yield _error("message", "no_content", f"channels/order/{position}", message, remedy)
        for content in self.contents:
            if content.channel not in self.campaign.channels:
                path = self.paths[content.channel, content.language, content.variant]
                message = _("This message is not used: its channel is not among those of the campaign.")
                yield _warning("message", "unused_content", path, message, _("Add the channel, or delete the message."))

    def check_languages(self) -> Iterator[ReviewProblem]:
        """People whose language has no text get the fallback language; where that is missing too, they get nothing."""
        fallback = self.frozen["fallback_language"]
        for channel in self.personal:
            written = {content.language for content in self.contents if content.channel == channel}
            if not written or (self.is_for_start and fallback in written):
                continue  # with the fallback's text it is but a warning
            for language, count in sorted(self._speakers(channel).items()):
                if language not in written:
                    yield self._missing_language(channel, language, count, has_fallback=fallback in written)

    def _missing_language(self, channel: str, language: str, count: int, *, has_fallback: bool) -> ReviewProblem:
        facts = {
            "count": count,
            "language": Language(language).label,
            "channel": Channel(channel).label,
            "fallback": Language(self.frozen["fallback_language"]).label,
        }
        if has_fallback:
            message = _(
                "%(channel)s has no text in %(language)s. People who read it: %(count)s. "
                "They get the text in %(fallback)s."
            )
            return _warning("message", "missing_language", "contents", message % facts, _("Write it in this language."))
        message = _("%(channel)s has no text in %(language)s. People who read it and get nothing: %(count)s.")
        return _error("message", "missing_language", "contents", message % facts, _("Write it in this language."))

    def check_contents(self) -> Iterator[ReviewProblem]:
        for path, content in self.compiled:
            for problem in content.problems:
                yield ReviewProblem(
                    section="message",
                    code=problem.code,
                    severity=problem.severity,
                    field=f"{path}/{problem.field}",
                    message=str(problem.message),
                    remedy=str(problem.remedy),
                )

    def check_services(self) -> Iterator[ReviewProblem]:
        if self.frozen["services"]:
            return
        for path, content in self.compiled:
            if content.roots & {"service", "services"}:
                yield _error(
                    "aim",
                    "no_service",
                    "services",
                    _("The message in %(language)s names a service, but the campaign promotes none.")
                    % {"language": Language(content.source.language).label},
                    _("Choose the service, or take it out of the text (%(path)s).") % {"path": path},
                )

    def check_questions(self) -> Iterator[ReviewProblem]:
        """Whether what a message asks is about something, and its survey can be answered."""
        about = next((service["slug"] for service in self.frozen["services"]), "")
        for path, content in self.compiled:
            if "survey_url" in content.roots and not (about and open_survey(about)):
                said = _("The message leads to a survey, but the service of the campaign has none that is open.")
                remedy = _("Make one under Services, or take {{ survey_url }} out.")
                yield _error("message", "no_survey", f"{path}/body", said, remedy)
            if content.questions and not about:
                said = _("The message asks for an opinion, but the campaign promotes no service that it is about.")
                yield _warning("message", "asks_of_nothing", f"{path}/body", said, _("Choose the service in step 1."))

    def check_lengths(self) -> Iterator[ReviewProblem]:
        for path, content in self.compiled:
            source = content.source
            if not content.is_sound or source.channel != Channel.SMS:
                continue
            message = self._message(source, self._first(source.language))
            if message is not None:
                yield from self._judge_length(f"{path}/body", message.text)

    def _judge_length(self, path: str, text: str) -> Iterator[ReviewProblem]:
        size = measure_sms(text)
        if 1 < size.segments <= MOST_SEGMENTS:
            message = _("The SMS has %(length)s characters and is charged as %(segments)s messages.")
            facts = {"length": size.length, "segments": size.segments}
            yield _warning("message", "many_segments", path, message % facts, _("Shorten it."))

    def check_carried(self) -> Iterator[ReviewProblem]:
        """What an account would refuse at sending is refused here, with the reason and the number of messages."""
        pictures = self.frozen.get("pictures", {})
        for path, content in self.compiled:
            carrier = self._carrier(path)
            if carrier is None or not content.is_sound:
                continue
            for found in find_refusals(content, carrier, self._readers(content), pictures):
                if found.severity == "error" or not self.is_for_start:
                    yield ReviewProblem(
                        section="message",
                        code=found.code,
                        severity=found.severity,
                        field=f"{path}/{found.field}",
                        message=found.message,
                        remedy=found.remedy,
                    )

    def _carrier(self, path: str) -> Carrier | None:
        content = self.contents[int(path.rpartition("/")[2])]
        key = content.account_id or self.frozen["accounts"].get(content.channel)
        account = self._accounts.get(key) if key else None
        return Carrier(name=account.name, can=capabilities(account.adapter)) if account else None

    @cached_property
    def _accounts(self) -> dict[int, Account]:
        return Account.objects.in_bulk([int(id_) for id_ in self.frozen["senders"]])

    def _readers(self, content: CompiledContent) -> Readers:
        """Who gets this text: people of its language, and of each that is not written where it is the fallback."""
        source = content.source
        written = {other.language for other in self.contents if other.channel == source.channel}
        is_fallback = source.language == self.frozen["fallback_language"]

        def people() -> QuerySet[Subscriber]:
            reached = self._people().filter(
                pk__in=Subscription.objects.filter(
                    topic__in=self.frozen["topics"], state=SubscriptionState.SUBSCRIBED, channel=source.channel
                ).values("subscriber")
            )
            own = Q(language=source.language)
            return reached.filter(own | ~Q(language__in=written) if is_fallback else own).order_by("pk")

        def render(person: Subscriber | None) -> tuple[str, str] | None:
            message = self._message(source, person)
            return (message.text, message.html) if message else None

        is_public = source.channel in PUBLIC_CHANNELS
        return Readers(count=lambda: 1 if is_public else people().count(), people=people, render=render)

    def _limits(self, channel: str) -> Capabilities:
        return capabilities(self.frozen["senders"][str(self.frozen["accounts"][channel])]["adapter"])

    def check_attributes(self) -> Iterator[ReviewProblem]:
        """How many people lack what the text prints about them."""
        if not self.personal or not self.frozen["topics"]:
            return
        printed = {name: path for path, content in reversed(self.compiled) for name in content.attributes}
        for name, path in sorted(printed.items()):
            lacking = self._people().exclude(attributes__has_key=name).count()
            if lacking:
                message = _("People who have no “%(name)s”, so that it stays empty in their message: %(count)s.")
                remedy = _("Write what they should read instead: {{ subscriber.attributes.%(name)s|default('…') }}.")
                facts = {"name": name, "count": lacking}
                yield _warning("message", "missing_attribute", f"{path}/body", message % facts, remedy % facts)

    def check_senders(self) -> Iterator[ReviewProblem]:
        accounts = Account.objects.in_bulk([int(id_) for id_ in self.frozen["senders"]])
        for position, channel in enumerate(self.campaign.channels):
            if channel not in self.frozen["accounts"]:
                message = _("There is no account to send %(channel)s through.") % {"channel": Channel(channel).label}
                yield _error("senders", "no_account", f"channels/order/{position}", message, _("Add an account."))
        for account in accounts.values():
            for problem in _judge_account(account):
                yield replace(problem, severity="warning") if self._has_another(account, accounts) else problem

    def _has_another(self, account: Account, accounts: Mapping[int, Account]) -> bool:
        """Whether its messages go through others of its pool while it cannot send."""
        pool = self.frozen.get("pools", {}).get(account.channel, ())
        beside = [accounts[id_] for id_, _ in pool if id_ in accounts and id_ != account.pk]
        is_in = account.pk in {id_ for id_, _ in pool}
        return is_in and any(one.state == AccountState.ACTIVE and not missing_settings(one) for one in beside)

    def check_silence(self) -> Iterator[ReviewProblem]:
        """Of an account whose provider reports no receipts, every message would be taken for lost."""
        if not self.frozen["fallback"] or self.frozen["fallback"]["after"] is None:
            return
        for channel in self.personal if len(self.personal) > 1 else []:
            if channel in self.frozen["accounts"] and not self._limits(channel).receipts:
                message = _("%(channel)s: the provider reports no receipts, so its silence is not taken for a failure.")
                remedy = _(
                    "Only a refusal or a returned message goes on by the next channel. Nothing needs to be done."
                )
                facts = {"channel": Channel(channel).label}
                yield _warning("senders", "no_receipts", "channels/fallback_after", message % facts, remedy)

    def check_times(self) -> Iterator[ReviewProblem]:
        at, not_after = self.campaign.starts_at, self.campaign.not_after
        if at is not None and at <= clock.now():
            message = _("The time of the campaign has passed.")
            yield _error("when", "past", "schedule/at", message, _("Choose a later time, or start it now."))
        if not_after is not None and not_after <= (at or clock.now()):
            message = _("The campaign would be over before it begins.")
            yield _error("when", "over", "schedule/not_after", message, _("Choose a later “not after”."))

    def check_holdout(self) -> Iterator[ReviewProblem]:
        if self.campaign.holdout and self.count.held_out < LEAST_HELD_OUT:
            message = _("Only %(count)s people would be held out: too few to see a difference.")
            remedy = _("Hold out more people, or nobody.")
            facts = {"count": self.count.held_out}
            yield _warning("holdout", "too_few", "experiment/holdout", message % facts, remedy)

    def check_caps(self) -> Iterator[ReviewProblem]:
        """What the caps would hold back if it left now; when it leaves they are asked again."""
        organisation = self.campaign.organisation
        capped = count_capped(self.frozen, organisation=organisation.pk, ancestors=organisation.ancestor_ids())
        if capped:
            message = _("Messages that would be skipped now, since their people got enough lately: %(count)s.")
            remedy = _("Send it later, or change the cap of the topic. Nothing has to be done.")
            yield _warning("audience", "capped", "audience/topics", message % {"count": capped}, remedy)

    def _people(self) -> QuerySet[Subscriber]:
        subscribed = Subscription.objects.filter(
            topic__in=self.frozen["topics"], state=SubscriptionState.SUBSCRIBED, channel__in=self.personal
        )
        people = Subscriber.objects.filter(pk__in=subscribed.values("subscriber"), erased_at=None)
        return people.filter(kind__in=self.campaign.kinds) if self.campaign.kinds else people

    def _speakers(self, channel: str) -> dict[str, int]:
        if not self.frozen["topics"]:
            return {}
        reached = Subscription.objects.filter(
            topic__in=self.frozen["topics"], state=SubscriptionState.SUBSCRIBED, channel=channel
        )
        people = self._people().filter(pk__in=reached.values("subscriber"))
        return dict(people.order_by().values_list("language").annotate(Count("pk")))

    def _first(self, language: str) -> Subscriber | None:
        return self._people().filter(language=language).order_by("pk").first() if self.frozen["topics"] else None


def _judge_account(account: Account) -> Iterator[ReviewProblem]:
    name = {"name": account.name}
    if account.state == AccountState.PAUSED:
        message = _("The account “%(name)s” is paused: %(trouble)s") % {**name, "trouble": account.trouble}
        yield _error("senders", "account_paused", f"accounts/{account.pk}", message, _("Mend it, then resume it."))
    missing = missing_settings(account)
    if missing:
        labels = ", ".join(problem.field for problem in missing)
        message = _("The account “%(name)s” is not complete: %(missing)s.") % {**name, "missing": labels}
        yield _error("senders", "no_credentials", f"accounts/{account.pk}", message, _("Fill in what is missing."))


def _error(section: str, code: str, path: str, message: str, remedy: str) -> ReviewProblem:
    return ReviewProblem(section=section, code=code, severity="error", field=path, message=message, remedy=remedy)


def _warning(section: str, code: str, path: str, message: str, remedy: str) -> ReviewProblem:
    return ReviewProblem(section=section, code=code, severity="warning", field=path, message=message, remedy=remedy)
