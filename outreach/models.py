"""Registry: imports each stage's models, in the road's order; no code."""

from __future__ import annotations

from outreach.audience.models import (
    Address,
    Consent,
    Import,
    ImportRejection,
    Subscriber,
    Subscription,
    Suppression,
    Topic,
)
from outreach.audience.pending import SignUp
from outreach.campaigns.models import (
    Approval,
    Branding,
    Campaign,
    Content,
    NoticeTemplate,
    Picture,
    Run,
    Service,
)
from outreach.core.models import (
    Account,
    Alert,
    ApiToken,
    AuditEntry,
    IdempotencyKey,
    Installation,
    Membership,
    Organisation,
    User,
)
from outreach.delivery.models import Attempt, Batch, Counter, Delivery, Hand, Notice, Price, Spend
from outreach.events.models import (
    Conversion,
    DomainReport,
    Event,
    FirstEvent,
    HookCall,
    Reply,
    ReportedSource,
    ReportedTlsFailure,
    SuppressionSync,
)
from outreach.feeds.models import Source, SourceItem
from outreach.sandbox.models import SandboxMessage

__all__ = [
    "Account",
    "Address",
    "Alert",
    "ApiToken",
    "Approval",
    "Attempt",
    "AuditEntry",
    "Batch",
    "Branding",
    "Campaign",
    "Consent",
    "Content",
    "Conversion",
    "Counter",
    "Delivery",
    "DomainReport",
    "Event",
    "FirstEvent",
    "Hand",
    "HookCall",
    "IdempotencyKey",
    "Import",
    "ImportRejection",
    "Installation",
    "Membership",
    "Notice",
    "NoticeTemplate",
    "Organisation",
    "Picture",
    "Price",
    "Reply",
    "ReportedSource",
    "ReportedTlsFailure",
    "Run",
    "SandboxMessage",
    "Service",
    "SignUp",
    "Source",
    "SourceItem",
    "Spend",
    "Subscriber",
    "Subscription",
    "Suppression",
    "SuppressionSync",
    "Topic",
    "User",
]
