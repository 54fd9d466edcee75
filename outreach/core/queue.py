"""The Celery app and the one way to queue work: by a task's name, after the transaction that made the work commits.

A message carries no truth: PostgreSQL holds what must happen, and a sweep publishes again what nobody picked up. So a
broker that is away is logged here and costs time, never work.
"""

from __future__ import annotations

import gc
import logging
import mmap
from typing import Any, Final

import kombu.exceptions
from celery import Celery, signals
from django.conf import settings
from django.db import connections, transaction
from kombu import Queue

from outreach.core import broker
from outreach.core.vocabulary import Lane
from schedules.beat import BEAT, UPKEEP

logger = logging.getLogger(__name__)

#: In the order in which the embedded broker serves them.
LANES: Final = (Lane.NOTICES.value, Lane.CAMPAIGNS.value, UPKEEP)

#: The garbage collector looks again when so many more objects are alive than at the last look: some MB. Usual: 700.
COLLECT_AT: Final = 50_000
#: One byte shared with the worker's forked processes: whether it was told to stop.
_stopping = mmap.mmap(-1, 1)


def database_conninfo() -> dict[str, Any]:
    """How to reach the database that Django uses now (tests have one of their own), for psycopg."""
    known = {"dbname", "user", "password", "host", "port", "service"}
    parameters = connections["default"].get_connection_params()
    return {name: value for name, value in parameters.items() if value and (name in known or name.startswith("ssl"))}


#: How each kind of broker keeps what it was given, by its URL's scheme.
TRANSPORT_OPTIONS: Final[dict[str, dict[str, Any]]] = {
    "outreach": {"conninfo": database_conninfo},
    "redis": {"visibility_timeout": 3600, "unacked_restore_interval": 10},
    "rediss": {"visibility_timeout": 3600, "unacked_restore_interval": 10},
    "amqp": {"confirm_publish": True},
    "amqps": {"confirm_publish": True},
}


def make_app(url: str) -> Celery:
    """Build the Celery app over the broker at `url`; '' is the embedded one."""
    url = url or broker.URL
    scheme = url.partition("://")[0]
    quorum = {"x-queue-type": "quorum"} if scheme.startswith("amqp") else None
    made = Celery("outreach", broker=url, set_as_current=True)
    made.conf.update(
        broker_transport_options=TRANSPORT_OPTIONS.get(scheme, {}),
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        task_queues=[Queue(lane, routing_key=lane, queue_arguments=quorum) for lane in LANES],
        task_default_queue=UPKEEP,
        task_default_exchange="outreach",
        task_create_missing_queues=False,
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        task_ignore_result=True,
        task_serializer="json",
        accept_content=["json"],
        timezone="UTC",
        worker_prefetch_multiplier=1,
        worker_enable_remote_control=False,
        worker_send_task_events=False,
        worker_hijack_root_logger=False,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        worker_proc_alive_timeout=60,
        beat_schedule={entry.task: _beat_entry(entry.task, entry.seconds, entry.queue) for entry in BEAT},
        beat_scheduler="celery.beat:Scheduler",
        beat_max_loop_interval=5,
    )
    return made


def _beat_entry(task: str, seconds: float, queue: str) -> dict[str, Any]:
    # A message nobody took before the next one is due is dropped: work does not pile up behind a stopped worker.
    return {"task": task, "schedule": seconds, "options": {"queue": queue, "expires": max(seconds, 30.0)}}


def enqueue(name: str, *args: Any, lane: str = UPKEEP) -> None:
    """Publish the task called `name` once the open transaction commits, or at once outside of one.

    Arguments are ids, never objects. Losing, doubling or delaying the message may only change times.
    """
    transaction.on_commit(lambda: _publish(name, args, str(lane)))


def is_stopping() -> bool:
    """Say whether this worker was told to stop: long tasks end at their next safe point."""
    return _stopping[0] == 1


def _publish(name: str, args: tuple[Any, ...], lane: str) -> None:
    try:
        app.send_task(name, args=args, queue=lane, retry=True, retry_policy={"max_retries": 1, "interval_start": 0.1})
    except (kombu.exceptions.OperationalError, *broker.Transport.connection_errors) as error:
        logger.warning(
            "The broker is away: %s waits for the sweep (%s)", name, error, extra={"action": "enqueue", "task": name}
        )


def _note_shutdown(**_: Any) -> None:
    _stopping[0] = 1


def _leave_what_is_loaded(**_: Any) -> None:
    """Keep the garbage collector off all that was loaded before the work: to look through it takes a tenth of the time
    that sending takes, and none of it is garbage. A window's rows and messages are hardly ever in cycles either."""
    gc.freeze()
    gc.set_threshold(COLLECT_AT)


signals.worker_shutting_down.connect(_note_shutdown, weak=False)
signals.worker_process_init.connect(_leave_what_is_loaded, weak=False)
app = make_app(settings.BROKER_URL)
