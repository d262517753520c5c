"""People: who they are, what they did, what they allow, and the audiences they fall into."""

from audiences.models.audience import (
    Audience,
    AudienceGroupPermission,
    AudienceMember,
    AudienceSize,
    AudienceUserPermission,
)
from audiences.models.consent import (
    Confirmation,
    Consent,
    ConsentEntry,
    ConsentState,
    SoftBounce,
    SubscriptionCount,
    Suppression,
    Topic,
)
from audiences.models.event import ProfileEvent
from audiences.models.imports import Import, ImportChunk, ImportMapping, ImportProblem
from audiences.models.profile import (
    AttributeConversion,
    AttributeDefinition,
    Identity,
    IdentityNamespace,
    Profile,
)

__all__ = [
    "AttributeConversion",
    "AttributeDefinition",
    "Audience",
    "AudienceGroupPermission",
    "AudienceMember",
    "AudienceSize",
    "AudienceUserPermission",
    "Confirmation",
    "Consent",
    "ConsentEntry",
    "ConsentState",
    "Identity",
    "IdentityNamespace",
    "Import",
    "ImportChunk",
    "ImportMapping",
    "ImportProblem",
    "Profile",
    "ProfileEvent",
    "SoftBounce",
    "SubscriptionCount",
    "Suppression",
    "Topic",
]
