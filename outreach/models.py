"""Registry: imports each stage's models, in the road's order; no code."""

from __future__ import annotations

from outreach.audience.bounce_rules import BounceCount, BounceRule
from outreach.audience.consent_chain import ConsentBlock, ConsentBookmark, ConsentDay
from outreach.audience.import_trace import ImportChange, ImportMade, ImportUndo
from outreach.audience.models import (
    Address,
    AttributeField,
    Consent,
    FormerAddress,
    Import,
    ImportRejection,
    Segment,
    SnapshotMember,
    Subscriber,
    Subscription,
    Suppression,
    Topic,
)
from outreach.audience.pending import SignUp, SignUpRules
from outreach.audience.suppression_import import SuppressionImport, SuppressionRejection
from outreach.campaigns.models import (
    Approval,
    Branding,
    Campaign,
    Content,
    Exclusion,
    NoticeTemplate,
    Picture,
    Run,
    Service,
)
from outreach.campaigns.survey import Survey
from outreach.core.models import (
    Account,
    Alert,
    ApiToken,
    AuditEntry,
    IdempotencyKey,
    Installation,
    Membership,
    Organisation,
    Tally,
    User,
)
from outreach.delivery.models import Attempt, Batch, Counter, Delivery, Hand, Notice, Price, Spend
from outreach.events.call_secrets import CallSecret
from outreach.events.domain_tally import DomainTrouble, TroubleMark, TroubleNote
from outreach.events.feedback import Feedback, SurveyResponse
from outreach.events.models import (
    Conversion,
    DomainReport,
    Event,
    FirstEvent,
    HookCall,
    LookedAt,
    Reply,
    ReportedSource,
    ReportedTlsFailure,
    SuppressionSync,
)
from outreach.events.signed_calls import SignedConversion
from outreach.events.sleepy import SleepQuestion, SleepRule
from outreach.events.stages import StageEvidence
from outreach.events.talk import Answer, Attachment, CannedAnswer, Conversation
from outreach.feeds.models import Source, SourceItem
from outreach.sandbox.models import SandboxMessage

__all__ = [
    "Account",
    "Address",
    "Alert",
    "Answer",
    "ApiToken",
    "Approval",
    "Attachment",
    "Attempt",
    "AttributeField",
    "AuditEntry",
    "Batch",
    "BounceCount",
    "BounceRule",
    "Branding",
    "CallSecret",
    "Campaign",
    "CannedAnswer",
    "Consent",
    "ConsentBlock",
    "ConsentBookmark",
    "ConsentDay",
    "Content",
    "Conversation",
    "Conversion",
    "Counter",
    "Delivery",
    "DomainReport",
    "DomainTrouble",
    "Event",
    "Exclusion",
    "Feedback",
    "FirstEvent",
    "FormerAddress",
    "Hand",
    "HookCall",
    "IdempotencyKey",
    "Import",
    "ImportChange",
    "ImportMade",
    "ImportRejection",
    "ImportUndo",
    "Installation",
    "LookedAt",
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
    "Segment",
    "Service",
    "SignUp",
    "SignUpRules",
    "SignedConversion",
    "SleepQuestion",
    "SleepRule",
    "SnapshotMember",
    "Source",
    "SourceItem",
    "Spend",
    "StageEvidence",
    "Subscriber",
    "Subscription",
    "Suppression",
    "SuppressionImport",
    "SuppressionRejection",
    "SuppressionSync",
    "Survey",
    "SurveyResponse",
    "Tally",
    "Topic",
    "TroubleMark",
    "TroubleNote",
    "User",
]
