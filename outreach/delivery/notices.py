"""Notices: one message to one person now, by the priority lane, through the same ledger as everything else.

Here a call becomes rows, or a refusal that leaves nothing. What may still stop the message is looked up when it leaves:
suppression, erasure, the address; no topic's consent, since the template's lawful basis stands in its place.
"""

from __future__ import annotations

import json
from collections import Counter as Tally
from collections.abc import Mapping
from typing import Any, Final

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext_lazy as _

from outreach.audience.erasure import Erased, on_erase
from outreach.audience.models import Subscriber
from outreach.campaigns.models import Run
from outreach.core import audit
from outreach.core.access import Actor, product_itself
from outreach.core.errors import Invalid
from outreach.core.models import Account, Organisation, OwnedQuerySet
from outreach.core.queue import enqueue
from outreach.core.secrets import address_digest
from outreach.core.vocabulary import CampaignState, DeliveryState, Lane, LawfulBasis, Permission, RunKind
from outreach.delivery import counters, queries
from outreach.delivery.compile import compile_content, source_of
from outreach.delivery.connection import callers_link, fetch_one
from outreach.delivery.models import Attempt, Notice
from outreach.delivery.notice_call import Addressee, NoticeCall, Wording, missing_data, read_addressee, read_wording
from outreach.delivery.notice_plan import find_run, plan_of, with_accounts
from outreach.delivery.people import person_facts
from outreach.delivery.recipients import content_for
from outreach.delivery.render import Recipient, RenderingFailed, compile_run
from outreach.delivery.review import SAMPLE_DELIVERY
from outreach.delivery.runs import cancel_run, resume_run

_WITH_LINK: Final = "{{ data.text }}{% if data.has_link %}\n{{ preferences_url }}{% endif %}"
#: Characters of `data` as JSON.
LONGEST_DATA: Final = 20_000
#: A run that was closed between finding it and adding to it is looked for again.
TRIES: Final = 3
#: Runs that no campaign stands behind.
_BESIDE: Final = (RunKind.NOTICE, RunKind.DIGEST)


def send_notice(actor: Actor, call: NoticeCall) -> Notice:
    """Take one message to one person, and have it sent as soon as this commits. Nothing is stored of a bad call.

    Raises:
        Invalid: with every bad field, by path: the address, the template, a variable that `data` lacks (`data/code`).
        StateConflict: there is no account to send through.
        Forbidden
    """
    actor.require(Permission.PUBLISH)
    organisation = actor.organisation
    wording = read_wording(call, organisation)
    addressee = read_addressee(call, organisation, wording)
    chosen = [content for content in wording.contents if content["channel"] == addressee.channel]
    notice: dict[str, Any] = {
        "template": wording.template.slug if wording.template else "",
        "lawful_basis": wording.lawful_basis,
        **({"is_own_wish": True} if call.is_own_wish else {}),
    }
    plan = with_accounts(plan_of(organisation, chosen, name=wording.name, notice=notice), organisation)
    spoken = call.language or (addressee.subscriber.language if addressee.subscriber else "")
    content = content_for(plan, addressee.channel, spoken)
    assert content is not None  # noqa: S101 -- the addressee was read for a channel that is written
    _require_data(call.data, content, plan)
    _require_rendering(call.data, content, plan, addressee)
    is_single = wording.template is None
    return _store(actor, call, wording, addressee, plan=plan, content=content, is_single=is_single)


def send_confirmation(account: Account, *, to: str, text: str, language: str, word: str) -> Notice:
    """Answer a word such as STOP through the account that it came to, which a STOP itself does not hold back.

    Who withdraws a consent is owed the word that it is withdrawn, and how it could be given again.

    Raises:
        StateConflict: the organisation has no account that could send it.
    """
    return send_own_words(
        account.organisation,
        channel=account.channel,
        to=to,
        normalised=to,
        subject="",
        text=text,
        language=language,
        word=word,
        account=account.pk,
    )


def send_own_words(
    organisation: Organisation,
    *,
    channel: str,
    to: str,
    normalised: str,
    subject: str,
    text: str,
    language: str,
    word: str,
    account: int | None = None,
    data: Mapping[str, Any] | None = None,
    subscriber: Subscriber | None = None,
) -> Notice:
    """Send a text of the product itself: what it confirms is `word`.

    With an `account` it answers what came in there, which a STOP does not hold back; 0 for any account. `data` is what
    `subject` reads beside the text; `has_link` in it says whether the link to the preferences of the `subscriber`,
    whose the address is, follows the text.

    Raises:
        StateConflict: the organisation has no account that could send it.
    """
    content = {
        "channel": channel,
        "language": language,
        "format": "text",
        "subject": subject,
        # Not the text itself: it is nobody's template, and one run a day takes them all, whatever they say.
        "body": _WITH_LINK if data and "has_link" in data else "{{ data.text }}",
        "account": account or None,
    }
    basis = LawfulBasis.LEGAL_OBLIGATION.value
    wording = Wording(template=None, name=word, lawful_basis=basis, contents=[content])
    notice = {"template": "", "lawful_basis": basis, **({"confirms": word} if account is not None else {})}
    plan = with_accounts(plan_of(organisation, [content], name=word, notice=notice), organisation)
    told = {"text": text, **(data or {})}
    call = NoticeCall(to={"channel": channel, "value": to}, data=told, language=language)
    addressee = Addressee(channel=channel, value=to, normalised=normalised, subscriber=subscriber)
    actor = product_itself(organisation)
    return _store(actor, call, wording, addressee, plan=plan, content=plan["contents"][0], is_single=False)


def _require_data(data: Mapping[str, Any], content: Mapping[str, Any], plan: Mapping[str, Any]) -> None:
    if len(json.dumps(data, ensure_ascii=False)) > LONGEST_DATA:
        raise Invalid({"data": [_("This is too long: at most %(most)s characters.") % {"most": LONGEST_DATA}]})
    missing = missing_data(compile_content(source_of(content, plan)).data, data)
    if missing:
        sentence = _("The text needs this.")
        raise Invalid({"/".join(("data", *path)): [sentence] for path in missing})


def _require_rendering(
    data: Mapping[str, Any], content: Mapping[str, Any], plan: Mapping[str, Any], addressee: Addressee
) -> None:
    """Make the message as the worker will: what cannot be made is refused now, not later."""
    recipient = Recipient(
        delivery=SAMPLE_DELIVERY,
        channel=addressee.channel,
        language=content["language"],
        to=addressee.value,
        subscriber=person_facts(addressee.subscriber) if addressee.subscriber else None,
        data=data,
    )
    try:
        compile_run(plan, run_id=0, base_url=settings.BASE_URL).render(recipient)
    except RenderingFailed as err:
        raise Invalid({"data": [_("The message could not be made with this.")]}) from err


@transaction.atomic
def _store(
    actor: Actor,
    call: NoticeCall,
    wording: Wording,
    addressee: Addressee,
    *,
    plan: Mapping[str, Any],
    content: Mapping[str, Any],
    is_single: bool,
) -> Notice:
    link = callers_link()
    given = {
        "account": content["account"],
        "channel": addressee.channel,
        "language": content["language"],
        "subscriber": addressee.subscriber.pk if addressee.subscriber else None,
        "address": addressee.address,
        "template": wording.template.pk if wording.template else None,
        "lawful_basis": wording.lawful_basis,
        "value": addressee.value,
        "normalised": addressee.normalised,
        "address_digest": address_digest(addressee.channel, addressee.normalised),
        "data": json.dumps(call.data),
        "token": actor.token.pk if actor.token else None,
        "is_last": is_single,
    }
    for _try in range(TRIES):
        run = find_run(link, actor.organisation, plan, is_single=is_single)
        row = fetch_one(link, queries.INSERT_NOTICE, run=run, **given)
        if row is not None:
            break
    else:
        raise RuntimeError("a run that takes notices was closed again and again")
    enqueue("outreach.work", Lane.NOTICES.value, lane=Lane.NOTICES)
    deltas: counters.Deltas = Tally()
    counters.born(
        deltas,
        channel=addressee.channel,
        language=content["language"],
        state=DeliveryState.PLANNED.value,
        reason="",
        count=1,
    )
    counters.write(link, run, deltas)
    return Notice.objects.get(pk=row[0])


def stopped_runs(organisation: Organisation) -> OwnedQuerySet[Run]:
    """Runs of notices and digests that wait for somebody: held or paused, each with messages that have not left."""
    waiting = (CampaignState.HELD, CampaignState.PAUSING, CampaignState.PAUSED)
    return Run.objects.for_organisation(organisation).filter(kind__in=_BESIDE, state__in=waiting).order_by("-pk")


@transaction.atomic
def resume_notices(actor: Actor, run: Run) -> None:
    """Let the notices of a held or paused run go on.

    Raises:
        StateConflict, Forbidden
    """
    actor.require(Permission.PUBLISH)
    resume_run(run.pk)
    audit.record(actor, "notices.resumed", run)


@transaction.atomic
def cancel_notices(actor: Actor, run: Run) -> None:
    """Close what has not left of a run of notices, for good.

    Raises:
        StateConflict, Forbidden
    """
    actor.require(Permission.PUBLISH)
    cancel_run(run.pk)
    audit.record(actor, "notices.cancelled", run)


def forget_notices(erased: Erased) -> None:
    """Empty what notices hold of a person who is erased, by name or by address; their fates stay."""
    digests = [address_digest(channel, normalised) for channel, normalised in erased.addresses]
    by_address = Notice.objects.filter(digest__in=digests, organisation__in=erased.organisations)
    mine = Notice.objects.filter(subscriber=erased.subscriber) | by_address
    with_evidence = list(mine.values_list("run_id", "delivery"))
    mine.update(value="", normalised="", data={})
    for run, delivery in with_evidence:
        Attempt.objects.filter(run=run, delivery=delivery).update(detail="")


def register() -> None:
    """Have erasures come by here; once, at start-up."""
    if forget_notices not in on_erase:
        on_erase.append(forget_notices)
