"""People: who they are, what they did, what they allow, and the audiences they fall into."""

from audiences.models.audience import (
    Audience,
    AudienceGroupPermission,
    AudienceMember,
    AudienceSize,
    AudienceUserPermission,
)
from audiences.models.consent import Consent, ConsentEntry, ConsentState, Suppression, Topic
from audiences.models.event import ProfileEvent
from audiences.models.imports import Import, ImportChunk, ImportMapping, ImportProblem
from audiences.models.profile import AttributeDefinition, Identity, IdentityNamespace, Profile

__all__ = [
    "AttributeDefinition",
    "Audience",
    "AudienceGroupPermission",
    "AudienceMember",
    "AudienceSize",
    "AudienceUserPermission",
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
    "Suppression",
    "Topic",
]
