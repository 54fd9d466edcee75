"""API: digests, what readers who wanted a day's or a week's messages together were told."""

from __future__ import annotations

from typing import Any

from ninja import Router

from outreach.effectiveness.digest_runs import DigestRun, digest_runs, told_in
from outreach.web.api.access import Caller
from outreach.web.api.paging import Cursor, Limit, find, page
from outreach.web.api.schemas import DigestRunPage, ListPage
from outreach.web.api.sending import State, ledger_page
from outreach.web.api.shapes import moment

router = Router(tags=["Digests"])


@router.get("/digests", response=DigestRunPage, summary="Runs of digests, newest first")
def list_digests(request: Caller, cursor: Cursor = "", limit: Limit = 50) -> Any:
    found = page(digest_runs(request.auth.organisation), cursor=cursor, limit=limit, show=lambda run: {"run": run})
    return {**found, "items": [_digest_json(one) for one in told_in([item["run"] for item in found["items"]])]}


@router.get("/digests/{digest_run_id}/deliveries", response=ListPage, summary="Rows of a run of digests, newest first")
def list_digest_deliveries(
    request: Caller, digest_run_id: str, state: State = "", cursor: Cursor = "", limit: Limit = 50
) -> Any:
    run = find(digest_runs(request.auth.organisation), digest_run_id)
    return ledger_page([run.pk], state=state, channel="", cursor=cursor, limit=limit)


def _digest_json(found: DigestRun) -> dict[str, Any]:
    return {
        "id": str(found.run.pk),
        "organisation": found.run.organisation.slug,
        "state": found.run.state,
        "at": moment(found.run.started_at),
        "channel": found.channel,
        "readers": found.readers,
        "accepted": found.accepted,
        "delivered": found.delivered,
        "opened": found.opened,
        "told": [{"campaign": str(campaign.pk), "name": campaign.name} for campaign in found.told],
    }
