"""`manage.py deliver`: does, without a broker, all that is due now, and ends when nothing is left."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from campaigns.delivery import clock, completion, fanout, seeds, send
from campaigns.models import Batch, Run
from campaigns.tracking import spool


class Command(BaseCommand):
    help = "Starts due runs, fans out, delivers and settles, in this process, without a broker."

    def handle(self, *args: Any, **options: Any) -> None:
        spool.put_in()  # who left while the database was away gets nothing of what follows
        clock.start_due_runs(now=timezone.now())
        for run_id in Run.objects.filter(state=Run.State.EXPANDING).values_list("pk", flat=True):
            fanout.expand(run_id, now=timezone.now())
        delivered = 0
        while batch_ids := list(self.due()):
            claimed = sum(send.deliver(batch_id) for batch_id in batch_ids)
            delivered += claimed
            if not claimed:
                break
        for run_id in Run.objects.filter(state__in=[Run.State.SENDING, Run.State.STOPPING]).values_list(
            "pk", flat=True
        ):
            completion.settle(run_id, now=timezone.now())
        clock.complete_ended(now=timezone.now())
        seeds.send_due(now=timezone.now())
        self.stdout.write(f"{delivered} batches delivered")

    def due(self) -> Any:
        open_batches = Batch.objects.filter(
            state__in=[Batch.State.READY, Batch.State.CLAIMED], send_after__lte=timezone.now()
        )
        return open_batches.order_by("send_after").values_list("pk", flat=True)
