"""Which campaigns name a segment: those meant for its people, and those that leave them out."""

from __future__ import annotations

from typing import Final

from django.db.models import Count, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce

from outreach.audience.models import Segment
from outreach.campaigns.models import Campaign, Exclusion
from outreach.core.models import Organisation

_LEFT_OUT_BY: Final = (
    Exclusion.objects.filter(segment=OuterRef("pk")).values("segment").annotate(n=Count("pk")).values("n")
)


def with_use(segments: QuerySet[Segment]) -> QuerySet[Segment]:
    """Segments with `campaign_count`: how many name each."""
    count = Count("campaigns", distinct=True) + Coalesce(Subquery(_LEFT_OUT_BY), 0)
    return segments.annotate(campaign_count=count)


def campaigns_naming(organisation: Organisation, segment: Segment) -> QuerySet[Campaign]:
    """The organisation's campaigns, and those below it, that name the segment; the newest first."""
    left_out_by = Exclusion.objects.filter(segment=segment).values("campaign")
    named = Q(segment=segment) | Q(pk__in=left_out_by)
    return Campaign.objects.for_organisation(organisation).filter(named).order_by("-pk")
