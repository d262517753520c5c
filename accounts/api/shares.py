"""The REST doors of sharing one object: with whom it is shared, sharing it, and taking that back.

A holder is a person or a role of the workspace, named “user:3” or “role:8”; reading tells those there are.
Each app makes its two doors with `share_views`. Only whom its gate lets manage the object comes in.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from django.db.models import Model
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.models import ApiCredential, Role, User
from accounts.sharing import Sharing, choices, holder_called, key_of
from common.api import StrictSerializer

Gate = Callable[[ApiCredential, int], Any]


class HolderShape(StrictSerializer):
    holder = serializers.CharField(help_text="“user:3” or “role:8”.")
    name = serializers.CharField()


def share_views(things: str, gate: Gate, sharing: Sharing) -> tuple[Any, Any]:
    """The views of `<things>/<pk>/shares/` and of `<things>/<pk>/shares/<holder>/`. `gate` gives the object,
    and raises NotFound or PermissionMissing for who may not manage it.
    """
    name = "".join(part.title() for part in things.split("_"))
    level = serializers.ChoiceField(list(sharing.levels), help_text="Who may manage it also sees it.")
    write: Any = type(f"{name}ShareWrite", (StrictSerializer,), {"level": level})
    share: Any = type(
        f"{name}ShareShape", (HolderShape,), {"level": serializers.ChoiceField(list(sharing.levels))}
    )
    listed: Any = type(
        f"{name}SharesShape",
        (StrictSerializer,),
        {
            "results": share(many=True),
            "available": HolderShape(many=True, help_text="With whom it can be shared."),
        },
    )

    class Shares(APIView):
        @extend_schema(operation_id=f"{things}_shares", responses=listed)
        def get(self, request: Request, pk: int) -> Response:
            """With whom it is shared, and with whom it can be."""
            obj = gate(cast(ApiCredential, request.user), pk)
            known = [one for _group, options in choices(obj.workspace) for one in options]
            return Response(
                {
                    "results": [_shown(holder, level) for holder, level in sharing.shares_of(obj)],
                    "available": [{"holder": key, "name": name} for key, name in known],
                }
            )

    class OneShare(APIView):
        @extend_schema(operation_id=f"{things}_share", request=write, responses=share)
        def put(self, request: Request, pk: int, holder: str) -> Response:
            """In place of the level they had. It adds to what their roles allow and never takes away."""
            actor, obj, whom = _found(request, gate, pk, holder)
            body = write(data=request.data)
            body.is_valid(raise_exception=True)
            level = body.validated_data["level"]
            sharing.give(obj, holder=whom, level=level, actor=actor, now=timezone.now())
            return Response(_shown(whom, level))

        @extend_schema(operation_id=f"{things}_unshare", responses={204: None})
        def delete(self, request: Request, pk: int, holder: str) -> Response:
            """What they may do by their roles stays. Taking back what was never given changes nothing."""
            actor, obj, whom = _found(request, gate, pk, holder)
            sharing.withdraw(obj, holder=whom, actor=actor, now=timezone.now())
            return Response(status=204)

    return Shares.as_view(), OneShare.as_view()


def _found(request: Request, gate: Gate, pk: int, holder: str) -> tuple[ApiCredential, Model, User | Role]:
    actor = cast(ApiCredential, request.user)
    obj = gate(actor, pk)
    return actor, obj, holder_called(obj.workspace, holder)


def _shown(holder: User | Role, level: str) -> dict[str, str]:
    name = holder.title if isinstance(holder, Role) else str(holder)
    return {"holder": key_of(holder), "name": name, "level": level}
