"""The pipeline's table of contents: clock → fan-out → delivery, and the sweep that makes it safe.

Every task carries an id or nothing, and may run twice without harm.
"""

from __future__ import annotations

from celery import shared_task
from django.utils import timezone

from accounts import heartbeat
from campaigns import archive, preflight, watch
from campaigns.delivery import asking, bandits, caps, clock, fanout, recovery, retention, seeds, send
from campaigns.feedback import gather, post
from campaigns.models import Batch
from campaigns.reports import counting, orders
from campaigns.tracking import machines, mailboxes, receipts, replies, spool


@shared_task
def start_due_runs() -> None:
    now = clock.time_of_database()
    clock.start_due_runs(now=now)
    clock.complete_ended(now=now)


@shared_task
def purge_archived() -> None:
    archive.purge_archived(now=timezone.now())


@shared_task
def expand_run(run_id: int) -> None:
    fanout.expand(run_id, now=timezone.now())


@shared_task
def deliver_batch(batch_id: int, lane: str = Batch.Lane.BULK) -> None:
    send.work(batch_id, lane)


@shared_task
def send_reports() -> None:
    orders.send_due(now=timezone.now())


@shared_task
def drop_old_messages() -> None:
    now = timezone.now()
    retention.keep_events(now=now)
    retention.drop_old_messages(now=now)
    retention.prune_standing(now=now)


@shared_task
def ask_providers() -> None:
    asking.ask(now=timezone.now())


@shared_task
def apply_receipts() -> None:
    receipts.apply(now=timezone.now())
    replies.apply(now=timezone.now())


@shared_task
def read_mailboxes() -> None:
    mailboxes.read_due(timezone.now)


@shared_task
def judge_machines() -> None:
    machines.judge(now=timezone.now())


@shared_task
def put_in_kept_events() -> None:
    spool.put_in()


@shared_task
def move_counts_forward() -> None:
    counting.move_forward(now=timezone.now())


@shared_task
def gather_feedback() -> None:
    gather.gather(now=timezone.now())


@shared_task
def post_feedback() -> None:
    post.send_due(now=timezone.now())


@shared_task
def forget_feedback() -> None:
    gather.forget_old(now=timezone.now())


@shared_task
def look_at_every_message(pk: int) -> None:
    preflight.check(pk, now=timezone.now())


@shared_task
def sweep() -> None:
    now = timezone.now()
    heartbeat.beat("bulk", now=now)
    recovery.sweep(now=now)
    preflight.ring_again(now=now)


@shared_task
def look_after() -> None:
    watch.look_after(now=timezone.now())
    bandits.refresh(now=timezone.now())
    caps.begin_where_due(now=timezone.now())


@shared_task
def send_seed_copies() -> None:
    seeds.send_due(now=timezone.now())


@shared_task
def sweep_urgent() -> None:
    now = timezone.now()
    heartbeat.beat("urgent", now=now)
    recovery.ring_due_batches(Batch.Lane.URGENT, now=now)
