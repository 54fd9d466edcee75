"""The buttons of a campaign: schedule, start, pause, resume, cancel, send a test.

Each checks role, lifecycle, review and approval, in this order; what happens to the run's rows is `runs`' doing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any, Final

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from outreach.audience.addresses import BadAddress, normalise
from outreach.campaigns.approval import require_approval
from outreach.campaigns.drafts import lock
from outreach.campaigns.lifecycle import Verb, next_state
from outreach.campaigns.models import Campaign, Run
from outreach.campaigns.planning import NoAccount, create_run
from outreach.core import audit, clock
from outreach.core.access import Actor
from outreach.core.errors import Invalid, ReviewFailed, StateConflict
from outreach.core.vocabulary import PUBLIC_CHANNELS, UNDER_WAY, Language, Permission, RunKind
from outreach.delivery import runs
from outreach.delivery.review import ReviewProblem, find_errors
from schedules import zones

MOST_TESTS: Final = 20


@transaction.atomic
def schedule(
    actor: Actor, campaign: Campaign, *, at: datetime | str | None = None, timezone: str | None = None
) -> Campaign:
    """Let the campaign start by itself. Without `at`, the time that it holds counts.

    A time without an offset is what a clock in `timezone` shows; one that the clock skips moves on.

    Raises:
        Invalid: the time or zone is none, or there is no time at all.
        ReviewFailed, ApprovalRequired, StateConflict, Forbidden
    """
    actor.require(Permission.PUBLISH)
    campaign = lock(campaign)
    state = next_state(campaign.state, Verb.SCHEDULE)
    if timezone:
        campaign.timezone = _known_zone(timezone)
    if at is not None:
        campaign.starts_at = _moment(at, timezone)
    if campaign.starts_at is None:
        raise Invalid({"at": [_("Say when the campaign should start.")]})
    # Written first, since review and approval look at the campaign as it is; a refusal rolls it back.
    campaign.save(update_fields=["timezone", "starts_at"])
    _require_review(campaign)
    require_approval(campaign)
    campaign.state = state
    campaign.save(update_fields=["state"])
    audit.record(actor, "campaign.scheduled", campaign, at=campaign.starts_at.isoformat())
    return campaign


@transaction.atomic
def unschedule(actor: Actor, campaign: Campaign) -> Campaign:
    """Take the campaign off the schedule; it is a draft again, and what was approved stays approved."""
    actor.require(Permission.PUBLISH)
    campaign = lock(campaign)
    campaign.state = next_state(campaign.state, Verb.UNSCHEDULE)
    campaign.save(update_fields=["state"])
    audit.record(actor, "campaign.unscheduled", campaign)
    return campaign


@transaction.atomic
def start(actor: Actor, campaign: Campaign) -> Run:
    """Start the campaign now, whatever time it holds.

    Raises:
        ReviewFailed, ApprovalRequired, StateConflict, Forbidden
    """
    actor.require(Permission.PUBLISH)
    campaign = lock(campaign)
    next_state(campaign.state, Verb.START)
    _require_review(campaign, besides="past")
    require_approval(campaign)
    return create_run(campaign, occurrence=clock.now(), actor=actor)


def pause(actor: Actor, campaign: Campaign) -> Campaign:
    """Hand nothing more over; what is in hand settles first."""
    return _steer(actor, campaign, Verb.PAUSE)


def resume(actor: Actor, campaign: Campaign) -> Campaign:
    """Go on after a pause or a hold."""
    return _steer(actor, campaign, Verb.RESUME)


@transaction.atomic
def cancel(actor: Actor, campaign: Campaign) -> Campaign:
    """Stop for good: whoever was not written to will not be. A scheduled campaign is cancelled at once."""
    actor.require(Permission.PUBLISH)
    campaign = lock(campaign)
    if campaign.state in UNDER_WAY:
        return _steer(actor, campaign, Verb.CANCEL)
    campaign.state = next_state(campaign.state, Verb.CANCEL)
    campaign.save(update_fields=["state"])
    audit.record(actor, "campaign.cancelled", campaign)
    return campaign


@transaction.atomic
def send_test(actor: Actor, campaign: Campaign, *, to: Sequence[Mapping[str, Any]], language: str = "") -> Run:
    """Send the campaign to a few named addresses, marked as a test and never counted. No approval is needed.

    Raises:
        Invalid: an address, channel or language is none, by path (`to/0/value`).
        ReviewFailed: the texts of these channels cannot be sent.
        StateConflict, Forbidden
    """
    actor.require(Permission.EDIT_CAMPAIGNS)
    campaign = lock(campaign)
    next_state(campaign.state, Verb.TEST)
    recipients = _read_recipients(campaign, to, language)
    channels = {recipient["channel"] for recipient in recipients}
    blocking = [problem for problem in find_errors(campaign) if _blocks_test(campaign, problem, channels)]
    if blocking:
        raise ReviewFailed(problems=[asdict(problem) for problem in blocking])
    try:
        return create_run(campaign, occurrence=clock.now(), actor=actor, kind=RunKind.TEST, recipients=recipients)
    except NoAccount as err:
        raise ReviewFailed(
            _("There is no account to send through for: %(channels)s.") % {"channels": ", ".join(err.channels)}
        ) from err


@transaction.atomic
def _steer(actor: Actor, campaign: Campaign, verb: Verb) -> Campaign:
    actor.require(Permission.PUBLISH)
    campaign = lock(campaign)
    next_state(campaign.state, verb)
    run = campaign.runs.filter(kind=RunKind.CAMPAIGN, state__in=UNDER_WAY).order_by("-pk").first()
    if run is None:
        raise StateConflict(state=campaign.state, verb=str(verb))
    {Verb.PAUSE: runs.pause_run, Verb.RESUME: runs.resume_run, Verb.CANCEL: runs.cancel_run}[verb](run.pk)
    campaign.refresh_from_db(fields=["state"])
    audit.record(actor, _STEERED[verb], campaign, run=run.pk)
    return campaign


_STEERED: Final = {
    Verb.PAUSE: "campaign.paused",
    Verb.RESUME: "campaign.resumed",
    Verb.CANCEL: "campaign.cancelled",
}


def _require_review(campaign: Campaign, *, besides: str = "") -> None:
    """Raises: ReviewFailed: with every error that the review found, but those of the code `besides`."""
    errors = [problem for problem in find_errors(campaign) if problem.code != besides]
    if errors:
        raise ReviewFailed(problems=[asdict(problem) for problem in errors])


def _blocks_test(campaign: Campaign, problem: ReviewProblem, channels: set[str]) -> bool:
    """Whether the error keeps these channels' texts from being sent; audience and time do not matter to a test."""
    head, _slash, rest = problem.field.partition("/")
    if head == "contents" and rest:
        contents = list(campaign.contents.all())
        return contents[int(rest.partition("/")[0])].channel in channels
    return problem.code in {"no_service", "account_paused", "no_credentials"}


def _read_recipients(campaign: Campaign, to: Sequence[Mapping[str, Any]], language: str) -> list[dict[str, Any]]:
    wrong: dict[str, list[Any]] = {}
    written = set(campaign.contents.values_list("channel", flat=True))
    if not 0 < len(to) <= MOST_TESTS:
        wrong["to"] = [_("Name 1 to %(most)s addresses.") % {"most": MOST_TESTS}]
    if language and language not in Language.values:
        wrong["language"] = [_("There is no “%(word)s”.") % {"word": language[:20]}]
    recipients = []
    for position, recipient in enumerate(to[:MOST_TESTS]):
        channel, value = str(recipient.get("channel", "")), str(recipient.get("value") or "")
        complaint = _wrong_channel(channel, written)
        if complaint:
            wrong[f"to/{position}/channel"] = [complaint]
            continue
        try:
            value = normalise(channel, value)
        except BadAddress as err:
            wrong[f"to/{position}/value"] = [err.message]
        recipients.append(
            {
                "channel": channel,
                "value": value,
                "language": language or campaign.organisation.language,
                "subscriber": None,
            }
        )
    if wrong:
        raise Invalid(wrong)
    return recipients


def _wrong_channel(channel: str, written: set[str]) -> Any:
    if channel in PUBLIC_CHANNELS:
        return _("A test on this channel would be public. Look at the preview instead.")
    if channel not in written:
        return _("The campaign has no message for this channel.")
    return None


def _known_zone(name: str) -> str:
    try:
        zones.zone(name)
    except zones.UnknownZone as err:
        raise Invalid({"timezone": [_("There is no such time zone. Write one such as Europe/Sofia.")]}) from err
    return name


def _moment(at: datetime | str, timezone: str | None) -> datetime:
    try:
        moment = datetime.fromisoformat(at) if isinstance(at, str) else at
    except ValueError as err:
        raise Invalid({"at": [_("This is not a time. Write it as 2026-04-14T09:30:00+03:00.")]}) from err
    if not zones.is_of_our_time(moment):
        raise Invalid({"at": [_("This time lies too far away: years from 1900 to 8999 can be kept.")]})
    if moment.tzinfo is not None:
        return moment
    if not timezone:
        raise Invalid({"at": [_("The time has no offset. Write it as 2026-04-14T09:30:00+03:00.")]})
    return zones.moment_of(moment, timezone).at
