"""API: accounts and adapters, campaigns and their verbs, the ledger and what came back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Annotated, Any, Final, Literal

from django.conf import settings
from django.db.models import QuerySet
from ninja import Query, Router, Status

from outreach.audience.models import Address, Subscriber
from outreach.campaigns.approval import approve, reject, submit
from outreach.campaigns.drafts import change_campaign, create_campaign
from outreach.campaigns.models import Campaign, Run
from outreach.campaigns.senders import usable_accounts
from outreach.core.access import Actor
from outreach.core.errors import NotFound
from outreach.core.models import Account, Organisation
from outreach.core.vocabulary import Permission, RunKind
from outreach.delivery.accounts import change_account, create_account
from outreach.delivery.adapters import adapter_names, check_account, describe
from outreach.delivery.cost import as_json as cost_json
from outreach.delivery.launch import cancel, pause, resume, schedule, send_test, start
from outreach.delivery.models import Delivery
from outreach.delivery.preview import preview
from outreach.delivery.review import review
from outreach.effectiveness.receipts import as_json as receipt_json
from outreach.effectiveness.receipts import delivery_json, find_delivery, receipt
from outreach.effectiveness.report import as_json as report_json
from outreach.effectiveness.report import report
from outreach.events.conversions import record_conversion
from outreach.events.models import Event, Reply
from outreach.sandbox.models import SandboxMessage
from outreach.web.api.access import Caller, at
from outreach.web.api.paging import Cursor, Limit, find, page, read_cursor, read_word, write_cursor
from outreach.web.api.schemas import (
    AccountIn,
    AccountOut,
    AccountPatch,
    CampaignIn,
    CampaignOut,
    CampaignPatch,
    ChannelName,
    ConversionIn,
    ConversionOut,
    ListPage,
    NoteCall,
    PreviewCall,
    RunOut,
    ScheduleCall,
    TestCall,
)
from outreach.web.api.shapes import (
    account_json,
    campaign_json,
    conversion_json,
    event_json,
    lent_account_json,
    reply_json,
    sandbox_json,
)

router = Router(tags=["Sending"])

State = Literal["planned", "deferred", "accepted", "rejected", "unknown", "skipped", "held_out", "cancelled", ""]


def _accounts(organisation: Organisation) -> QuerySet[Account]:
    return Account.objects.for_organisation(organisation).select_related("organisation")


def _campaigns(organisation: Organisation) -> QuerySet[Campaign]:
    return (
        Campaign.objects.for_organisation(organisation)
        .select_related("organisation")
        .prefetch_related("topics", "excluded_topics", "excluded_segments", "services", "contents")
    )


@router.get("/adapters", response=ListPage, summary="Channels that an account can use, with their settings")
def list_adapters(request: Caller) -> Any:
    return {"items": [asdict(describe(name)) for name in adapter_names()], "next_cursor": None}


def _lent(organisation: Organisation) -> QuerySet[Account]:
    """Accounts of the nodes above, which everything below them may send through."""
    return usable_accounts(organisation).exclude(organisation=organisation).select_related("organisation")


@router.get("/accounts", response=ListPage, summary="Accounts that can be sent through, newest first")
def list_accounts(request: Caller, *, lent: bool | None = None, cursor: Cursor = "", limit: Limit = 50) -> Any:
    """Those of the organisation and all below it, and those that the ones above it lend: `lent_by` names the owner of
    such a one, whose settings are not shown. `lent=false` and `lent=true` leave out one or the other."""
    own, above = _accounts(request.auth.organisation), _lent(request.auth.organisation)
    lent_ids = frozenset(above.values_list("pk", flat=True))
    rows = {True: above, False: own, None: own | above}[lent]
    return page(
        rows,
        cursor=cursor,
        limit=limit,
        show=lambda account: lent_account_json(account) if account.pk in lent_ids else account_json(account),
    )


@router.post("/accounts", response={201: AccountOut}, summary="Add an account of a channel")
def post_account(request: Caller, payload: AccountIn) -> Any:
    actor = at(request.auth, payload.organisation)
    return Status(201, account_json(create_account(actor, **payload.dict(exclude={"organisation"}))))


@router.get("/accounts/{account_id}", response=AccountOut, summary="One account, without its secrets")
def get_account(request: Caller, account_id: str) -> Any:
    try:
        return account_json(find(_accounts(request.auth.organisation), account_id))
    except NotFound:
        return lent_account_json(find(_lent(request.auth.organisation), account_id))


@router.patch("/accounts/{account_id}", response=AccountOut, summary="Change an account; a secret left out stays")
def patch_account(request: Caller, account_id: str, payload: AccountPatch) -> Any:
    account = find(_accounts(request.auth.organisation), account_id)
    changes = payload.dict(exclude_none=True)
    if "warm_up" in payload.model_fields_set:  # null ends the ramp
        changes["warm_up"] = changes.get("warm_up", {})
    return account_json(change_account(request.auth, account, **changes))


@router.post("/accounts/{account_id}/check", response=dict[str, Any], summary="Look for what would stop sending")
def post_account_check(request: Caller, account_id: str) -> Any:
    request.auth.require(Permission.MANAGE_ACCOUNTS)
    found = [asdict(problem) for problem in check_account(find(_accounts(request.auth.organisation), account_id))]
    for problem in found:
        del problem["values"]  # the message has them
    return {
        "problems": [problem for problem in found if problem["severity"] != "good"],
        "in_order": [problem["message"] for problem in found if problem["severity"] == "good"],
    }


@router.get("/campaigns", response=ListPage, summary="Campaigns, newest first")
def list_campaigns(request: Caller, cursor: Cursor = "", limit: Limit = 50) -> Any:
    return page(_campaigns(request.auth.organisation), cursor=cursor, limit=limit, show=campaign_json)


@router.post("/campaigns", response={201: CampaignOut}, summary="Draft a campaign")
def post_campaign(request: Caller, payload: CampaignIn) -> Any:
    actor = at(request.auth, payload.organisation)
    campaign = create_campaign(actor, payload.dict(exclude={"organisation"}))
    return Status(201, _shown(request.auth, campaign))


@router.get("/campaigns/{campaign_id}", response=CampaignOut, summary="One campaign")
def get_campaign(request: Caller, campaign_id: str) -> Any:
    return campaign_json(find(_campaigns(request.auth.organisation), campaign_id))


@router.patch("/campaigns/{campaign_id}", response=CampaignOut, summary="Change a draft; an approval is void then")
def patch_campaign(request: Caller, campaign_id: str, payload: CampaignPatch) -> Any:
    campaign = find(_campaigns(request.auth.organisation), campaign_id)
    change_campaign(request.auth, campaign, payload.dict(exclude_unset=True))
    return _shown(request.auth, campaign)


def _shown(actor: Actor, campaign: Campaign) -> dict[str, Any]:
    return campaign_json(find(_campaigns(actor.organisation), str(campaign.pk)))


@router.post("/campaigns/{campaign_id}/preview", response=dict[str, Any], summary="Exactly as a person will get it")
def post_preview(request: Caller, campaign_id: str, payload: PreviewCall) -> Any:
    campaign = find(_campaigns(request.auth.organisation), campaign_id)
    people = Subscriber.objects.for_organisation(request.auth.organisation).filter(erased_at=None)
    return preview(campaign, find(people, payload.subscriber))


@router.post("/campaigns/{campaign_id}/review", response=dict[str, Any], summary="Who would get it, and may it go")
def post_review(request: Caller, campaign_id: str) -> Any:
    seen = review(find(_campaigns(request.auth.organisation), campaign_id))
    return {**asdict(seen), "cost": cost_json(seen.cost)}


@router.post("/campaigns/{campaign_id}/test", response={202: RunOut}, summary="Send it to a few addresses to look at")
def post_test(request: Caller, campaign_id: str, payload: TestCall) -> Any:
    campaign = find(_campaigns(request.auth.organisation), campaign_id)
    to = [address.dict() for address in payload.to]
    run = send_test(request.auth, campaign, to=to, language=payload.language or "")
    return Status(202, {"id": str(run.pk), "state": run.state})


@router.post("/campaigns/{campaign_id}/schedule", response=CampaignOut, summary="Let it start by itself at its time")
def post_schedule(request: Caller, campaign_id: str, payload: ScheduleCall | None = None) -> Any:
    campaign = find(_campaigns(request.auth.organisation), campaign_id)
    schedule(request.auth, campaign, **(payload.dict(exclude_none=True) if payload else {}))
    return _shown(request.auth, campaign)


@router.post("/campaigns/{campaign_id}/reject", response=CampaignOut, summary="Send it back to its author")
def post_reject(request: Caller, campaign_id: str, payload: NoteCall | None = None) -> Any:
    campaign = find(_campaigns(request.auth.organisation), campaign_id)
    reject(request.auth, campaign, note=payload.note if payload else "")
    return _shown(request.auth, campaign)


#: Verbs that take nothing but the campaign: path -> (verb, what OpenAPI says).
PLAIN_VERBS: Final[dict[str, tuple[Callable[[Actor, Campaign], Any], str]]] = {
    "submit": (submit, "Ask for approval"),
    "approve": (approve, "Approve exactly this version"),
    "start": (start, "Start it now"),
    "pause": (pause, "Pause; nothing more leaves after the windows in hand"),
    "resume": (resume, "Go on after a pause or hold"),
    "cancel": (cancel, "Cancel; whoever was not written to will not be"),
}


def _add_verb(name: str, verb: Callable[[Actor, Campaign], Any], summary: str) -> None:
    def post_verb(request: Caller, campaign_id: str) -> Any:
        campaign = find(_campaigns(request.auth.organisation), campaign_id)
        verb(request.auth, campaign)
        return _shown(request.auth, campaign)

    router.post(
        f"/campaigns/{{campaign_id}}/{name}", response=CampaignOut, summary=summary, operation_id=f"{name}_campaign"
    )(post_verb)


for _name, (_verb, _summary) in PLAIN_VERBS.items():
    _add_verb(_name, _verb, _summary)


@router.get("/campaigns/{campaign_id}/report", response=dict[str, Any], summary="What became of it")
def get_report(request: Caller, campaign_id: str) -> Any:
    return report_json(report(find(_campaigns(request.auth.organisation), campaign_id)))


@router.get("/campaigns/{campaign_id}/deliveries", response=ListPage, summary="Rows of the ledger, newest first")
def list_deliveries(
    request: Caller,
    campaign_id: str,
    state: State = "",
    channel: ChannelName | Literal[""] = "",
    cursor: Cursor = "",
    limit: Limit = 50,
) -> Any:
    campaign = find(_campaigns(request.auth.organisation), campaign_id)
    runs = list(Run.objects.filter(campaign=campaign, kind=RunKind.CAMPAIGN).values_list("pk", flat=True))
    return ledger_page(runs, state=state, channel=channel, cursor=cursor, limit=limit)


def ledger_page(runs: list[int], *, state: str, channel: str, cursor: str, limit: int) -> dict[str, Any]:
    """A page of the rows of these runs, newest first."""
    wanted = {name: value for name, value in {"state": state, "channel": channel}.items() if value}
    rows = Delivery.objects.filter(run_id__in=runs, **wanted)
    if cursor:
        rows = rows.filter(id__lt=read_cursor(cursor))
    found = list(rows.order_by("-id")[: limit + 1])
    addresses = dict(
        Address.objects.filter(pk__in=[row.address_id for row in found if row.address_id]).values_list("pk", "value")
    )
    return {
        "items": [
            delivery_json(row, address=addresses.get(row.address_id or 0, ""), state=row.state) for row in found[:limit]
        ],
        "next_cursor": write_cursor(found[limit - 1].id) if len(found) > limit else None,
    }


@router.get("/deliveries/{delivery_id}", response=dict[str, Any], summary="The receipt of one message")
def get_delivery(request: Caller, delivery_id: str) -> Any:
    return receipt_json(receipt(request.auth.organisation, delivery_id))


@router.get("/events", response=ListPage, summary="What came back of one message")
def list_events(request: Caller, delivery: Annotated[str, Query(max_length=40)], limit: Limit = 50) -> Any:
    run, row = find_delivery(request.auth.organisation, delivery)
    events = Event.objects.filter(run=run, delivery=row.id).order_by("-at")[:limit]
    return {"items": [event_json(event) for event in events], "next_cursor": None}


@router.get("/replies", response=ListPage, summary="What people wrote back, newest first")
def list_replies(request: Caller, cursor: Cursor = "", limit: Limit = 50) -> Any:
    return page(Reply.objects.for_organisation(request.auth.organisation), cursor=cursor, limit=limit, show=reply_json)


@router.post("/conversions", response={201: ConversionOut}, summary="Tell that somebody used or judged a service")
def post_conversion(request: Caller, payload: ConversionIn) -> Any:
    return Status(201, conversion_json(record_conversion(request.auth, **payload.dict())))


@router.get("/sandbox/messages", response=ListPage, summary="What the local peers of the demonstration got")
def list_sandbox_messages(
    request: Caller,
    channel: ChannelName | Literal[""] = "",
    to: Annotated[str, Query(max_length=320)] = "",
    cursor: Cursor = "",
    limit: Limit = 50,
) -> Any:
    if not settings.SANDBOX:
        raise NotFound
    wanted = {
        name: value for name, value in {"channel": channel, "recipient": read_word(to, field="to")}.items() if value
    }
    return page(SandboxMessage.objects.filter(**wanted), cursor=cursor, limit=limit, show=sandbox_json)
