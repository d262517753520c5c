"""The doorbell. Celery carries ids between processes; whatever it loses, the sweep rings again.

Limits stand in an order that must hold: a task's hard limit is shorter than the broker's visibility time-out,
so no task is handed out again while it runs. A batch's lease is shorter than both and renewed while it works
(campaigns/delivery/claims.py): it decides who may write, whatever the broker believes.
"""

from __future__ import annotations

import gc
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from celery import Celery
from celery.signals import task_prerun, worker_init, worker_process_init
from kombu import Queue

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
# Django's checks load every page, which a worker never shows. Whoever deploys runs `manage.py check`.
os.environ.setdefault("CELERY_SKIP_CHECKS", "1")

from django.conf import settings
from django.db import close_old_connections

BULK, URGENT = "bulk", "urgent"
HARD_LIMIT, SOFT_LIMIT, VISIBILITY = 600, 540, 900


def queue_name(lane: str) -> str:
    return f"{settings.QUEUE_PREFIX}.{lane}"


app = Celery("carillon", broker=settings.CELERY_BROKER_URL)
is_amqp = settings.CELERY_BROKER_URL.startswith(("amqp", "pyamqp"))
app.conf.update(
    timezone="UTC",
    enable_utc=True,
    task_serializer="json",
    accept_content=["json"],
    task_ignore_result=True,
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    task_time_limit=HARD_LIMIT,
    task_soft_time_limit=SOFT_LIMIT,
    worker_prefetch_multiplier=1,
    worker_soft_shutdown_timeout=60,
    # A broker that goes away ends nobody's work: whoever hears of the same batch again finds it claimed.
    worker_cancel_long_running_tasks_on_connection_loss=False,
    worker_hijack_root_logger=False,
    broker_connection_retry_on_startup=True,
    broker_transport_options={}
    if is_amqp
    else {
        "visibility_timeout": VISIBILITY,
        "unacked_restore_interval": 5,
        "unacked_restore_throttle": 1,
        "socket_connect_timeout": 3,
        "socket_timeout": 10,
    },
    # Celery would end the line to the database before and after each task; see `keep_the_line`.
    CELERY_DB_REUSE_MAX=sys.maxsize,
    task_publish_retry_policy={"max_retries": 1, "interval_start": 0.2},
    task_default_queue=queue_name(BULK),
    task_default_queue_type="quorum" if is_amqp else None,
    worker_detect_quorum_queues=True,
    task_queues=[
        Queue(queue_name(lane), queue_arguments={"x-queue-type": "quorum"} if is_amqp else None)
        for lane in (BULK, URGENT)
    ],
    beat_scheduler="config.clock:Clock",
    beat_max_loop_interval=2,
    beat_schedule={
        "start due runs": {"task": "campaigns.tasks.start_due_runs", "schedule": 2.0},
        "sweep": {"task": "campaigns.tasks.sweep", "schedule": 5.0},
        "purge archived campaigns": {"task": "campaigns.tasks.purge_archived", "schedule": 3600.0},
        "seed copies": {"task": "campaigns.tasks.send_seed_copies", "schedule": 10.0},
        "imports": {"task": "audiences.tasks.sweep_imports", "schedule": 5.0},
        "conversions of attributes": {"task": "audiences.tasks.sweep_conversions", "schedule": 5.0},
        "send confirmations": {"task": "audiences.tasks.send_confirmations", "schedule": 5.0},
        "evaluate audiences": {"task": "audiences.tasks.evaluate_audiences", "schedule": 5.0},
        "indexes of attributes": {"task": "audiences.tasks.keep_indexes", "schedule": 30.0},
        "months of events": {"task": "audiences.tasks.keep_event_months", "schedule": 3600.0},
        "send notices": {"task": "accounts.tasks.send_notices", "schedule": 5.0},
        "old tries to sign in": {"task": "accounts.tasks.forget_sign_ins", "schedule": 3600.0},
        "look after campaigns": {"task": "campaigns.tasks.look_after", "schedule": 60.0},
        "reports by mail": {"task": "campaigns.tasks.send_reports", "schedule": 60.0},
        "old messages": {"task": "campaigns.tasks.drop_old_messages", "schedule": 3600.0},
        "mailboxes of bounces": {"task": "campaigns.tasks.read_mailboxes", "schedule": 20.0},
        "ask providers": {"task": "campaigns.tasks.ask_providers", "schedule": 120.0},
        "receipts": {"task": "campaigns.tasks.apply_receipts", "schedule": 5.0},
        "machines told apart": {"task": "campaigns.tasks.judge_machines", "schedule": 60.0},
        "kept events": {
            "task": "campaigns.tasks.put_in_kept_events",
            "schedule": 10.0,
        },
        "counts moved forward": {"task": "campaigns.tasks.move_counts_forward", "schedule": 10.0},
        "feedback gathered": {"task": "campaigns.tasks.gather_feedback", "schedule": 5.0},
        "feedback posted": {"task": "campaigns.tasks.post_feedback", "schedule": 5.0},
        "forget old feedback": {"task": "campaigns.tasks.forget_feedback", "schedule": 3600.0},
        "forget old receipts": {"task": "channels.tasks.prune_received", "schedule": 3600.0},
        "write mail files": {"task": "channels.tasks.write_mail_files", "schedule": 10.0},
        "check sending domains": {"task": "channels.tasks.check_domains", "schedule": 600.0},
        "sweep, urgent lane": {
            "task": "campaigns.tasks.sweep_urgent",
            "schedule": 3.0,
            "options": {"queue": queue_name(URGENT)},
        },
    },
)
app.autodiscover_tasks()


@worker_init.connect
def refuse_a_database_that_forgets(**_told: Any) -> None:
    """A worker in production hands nothing over on the word of a server that may not keep it (P-04)."""
    from django.db import OperationalError, connection

    from config.durability import forgetful

    if not settings.PRODUCTION:
        return
    try:
        names = forgetful()
    except OperationalError:
        return  # it is away: the worker waits for it, and the doctor asks again
    finally:
        connection.close()
    if names:
        raise SystemExit(f"PostgreSQL may lose what it has committed. Set to on: {', '.join(names)}.")


@worker_init.connect
def step_back(sender: Any, **_told: Any) -> None:
    """A campaign waits for the processor behind what somebody waits for: pages, calls, their messages."""
    if queue_name(URGENT) in sender.app.amqp.queues.consume_from:
        return
    os.nice(settings.BULK_NICENESS)
    if os.getsid(0) == os.getpid():  # Linux weighs whole sessions against each other (sched(7), autogroup)
        with suppress(OSError):
            Path("/proc/self/autogroup").write_text(str(settings.BULK_NICENESS))


@task_prerun.connect
def keep_the_line(task: Any, **_told: Any) -> None:
    """The line to the database is kept from task to task, as the web server keeps its own from request to
    request, and made anew when it is old or was cut (CONN_MAX_AGE, CONN_HEALTH_CHECKS).
    """
    if not task.request.is_eager:
        close_old_connections()


@worker_process_init.connect
def settle_in(**_told: Any) -> None:
    """What a worker has loaded stays for its life: the collector need not look at it again and again, nor
    after every few hundred objects. It took 6 % of a sending worker's time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)
