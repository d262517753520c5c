"""What uses a configuration: rows of other apps that name it, found by their foreign keys, so that this app
need not know them. A row that is part of something larger counts as that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from django.db.models import CASCADE, ForeignKey, Model, QuerySet

from accounts.access import Actor, visible_to
from channels.models import ChannelConfiguration

Running = Callable[[ChannelConfiguration], QuerySet[Model]]
_running: list[Running] = []  # lent by the apps whose rows send


@dataclass(frozen=True)
class Use:
    """`page` is the name of the address of its page, by the house's custom `app:detail`."""

    row: Model
    page: str

    @property
    def state(self) -> str:
        shown = getattr(self.row, "get_status_display", None)
        return str(shown()) if shown else ""


@dataclass(frozen=True)
class Uses:
    """Those the reader may see, newest first, and how many more there are."""

    seen: list[Use]
    hidden: int


def uses_of(configuration: ChannelConfiguration, actor: Actor, most: int = 20) -> Uses:
    return _told(_referring(configuration), actor, most)


def lend(running: Running) -> None:
    """What of an app's own sends by a configuration now, or will by itself."""
    _running.append(running)


def running_over(configuration: ChannelConfiguration, actor: Actor, most: int = 5) -> Uses:
    return _told((running(configuration) for running in _running), actor, most)


def _told(found: Iterable[QuerySet[Model]], actor: Actor, most: int) -> Uses:
    seen: list[Use] = []
    count = 0
    for rows in found:
        options = rows.model._meta
        visible = visible_to(actor, rows, f"{options.app_label}.view_{options.model_name}")
        count += rows.count()
        seen += [Use(row, f"{options.app_label}:detail") for row in visible.order_by("-pk")[:most]]
    return Uses(seen, count - len(seen))


def _referring(configuration: ChannelConfiguration) -> Iterator[QuerySet[Model]]:
    ours = ChannelConfiguration._meta.app_label
    for relation in ChannelConfiguration._meta.related_objects:
        model = relation.related_model
        if model._meta.app_label == ours:
            continue
        rows = model._default_manager.filter(**{relation.field.name: configuration})
        whole = _whole(model)
        if whole is not None:
            rows = whole.related_model._default_manager.filter(pk__in=rows.values(whole.attname))
        yield rows


def _whole(model: type[Model]) -> ForeignKey[Model, Model] | None:
    """The key to what a row is part of, when the row itself stands in no workspace."""
    names = {field.name for field in model._meta.fields}
    if "workspace" in names:
        return None
    keys = (field for field in model._meta.fields if isinstance(field, ForeignKey))
    return next((key for key in keys if key.remote_field.on_delete is CASCADE), None)
