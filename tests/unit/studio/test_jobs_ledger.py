"""Our statements on DBOS's table of workflows, against DBOS itself."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from studio.core import Studio
from studio.jobs import ledger as module
from studio.jobs.ledger import SLOTS, WORKFLOW, Ledger, configure_dbos_logging
from studio.jobs.steps import QUEUES, STEPS, Step
from tests.stubs.studios import make_studio

PREPARE, TRAIN, DRAW, DELIVER = STEPS


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    opened = make_studio(tmp_path_factory.mktemp("studio"))
    yield opened
    opened.close()


@pytest.fixture
def ledger(studio: Studio) -> Iterator[Ledger]:
    made = Ledger(studio)
    with made._engine.begin() as connection:
        connection.execute(sa.delete(made._table))
    yield made
    made.close()


def take(ledger: Ledger, step: Step, executor: str, *, version: str = "1") -> list[str]:
    """Claim as DBOS's own queue thread does."""
    queue = ledger._client.retrieve_queue(step.queue)
    names, _ = ledger._client._sys_db.start_queued_workflows(
        queue, executor, version, None, owner_xid=f"token-of-{executor}"
    )
    return list(names)


def row(ledger: Ledger, name: str) -> Any:
    (found,) = ledger._client.list_workflows(workflow_ids=[name])
    return found


def test_dbos_has_the_columns_we_write(ledger: Ledger) -> None:
    there = {column["name"] for column in sa.inspect(ledger._engine).get_columns("workflow_status")}
    assert set(module._COLUMNS) <= there


def test_the_queues_are_registered_with_their_slots(ledger: Ledger) -> None:
    for queue in QUEUES:
        registered = ledger._client.retrieve_queue(queue)
        assert registered is not None
        assert registered.worker_concurrency == SLOTS[queue]
        assert registered.polling_interval_sec == module.POLL_S


def test_the_same_step_is_enqueued_once(ledger: Ledger) -> None:
    assert ledger.enqueue("a", 1, PREPARE, 5) == "a-1-prepare"
    ledger.enqueue("a", 1, PREPARE, 9)
    found = row(ledger, "a-1-prepare")
    assert (found.name, found.queue_name, found.priority, found.app_version) == (WORKFLOW, "light", 5, "1")
    assert tuple(found.input["args"]) == ("a", 1, "prepare")
    take(ledger, PREPARE, "w1")
    ledger.enqueue("a", 1, PREPARE, 5)
    assert ledger.states(["a-1-prepare", "b-1-prepare"]) == {"a-1-prepare": "PENDING"}


def test_workers_take_in_the_order_of_priority(ledger: Ledger) -> None:
    for name, priority in (("a", 30), ("b", 10), ("c", 20)):
        ledger.enqueue(name, 1, PREPARE, priority)
    assert [take(ledger, PREPARE, "w1")[0][0] for _ in "abc"] == ["b", "c", "a"]


def test_a_waiting_one_is_reordered_a_running_one_not(ledger: Ledger) -> None:
    ledger.enqueue("a", 1, PREPARE, 10)
    take(ledger, PREPARE, "w1")
    ledger.enqueue("b", 1, PREPARE, 20)
    assert ledger.reorder(["a-1-prepare", "b-1-prepare"], 1) == 1
    assert (row(ledger, "a-1-prepare").priority, row(ledger, "b-1-prepare").priority) == (10, 1)


def test_what_waits_is_cancelled_what_runs_is_not(ledger: Ledger) -> None:
    ledger.enqueue("a", 1, PREPARE, 10)
    take(ledger, PREPARE, "w1")
    ledger.enqueue("b", 1, PREPARE, 10)
    assert ledger.cancel_waiting(["a-1-prepare", "b-1-prepare", "c-1-prepare"]) == 1
    assert ledger.states(["a-1-prepare", "b-1-prepare"]) == {
        "a-1-prepare": "PENDING",
        "b-1-prepare": "CANCELLED",
    }
    assert take(ledger, PREPARE, "w1") == []


def test_a_dead_workers_workflow_waits_again_in_its_old_place(ledger: Ledger) -> None:
    ledger.enqueue("a", 1, DRAW, 3)
    ledger.enqueue("b", 1, DRAW, 7)
    take(ledger, DRAW, "w1")
    held = {workflow.id: workflow for workflow in ledger.held()}["a-1-draw"]
    assert (held.executor, held.queue, held.version, held.token) == ("w1", "generate", "1", "token-of-w1")
    assert ledger.requeue(held)
    found = row(ledger, "a-1-draw")
    assert (found.status, found.queue_name, found.priority) == ("ENQUEUED", "generate", 3)
    assert take(ledger, DRAW, "w2")[0] == "a-1-draw"


def test_one_that_was_taken_up_again_is_not_taken_from_who_has_it(ledger: Ledger) -> None:
    ledger.enqueue("a", 1, DRAW, 3)
    take(ledger, DRAW, "w1")
    (held,) = ledger.held("w1")
    assert ledger.requeue(held)
    assert not ledger.requeue(held)
    take(ledger, DRAW, "w2")
    assert not ledger.requeue(held)
    assert [workflow.executor for workflow in ledger.held()] == ["w2"]
    assert ledger.held("w1") == []


def test_one_that_lost_its_queue_goes_back_to_it(ledger: Ledger) -> None:
    ledger.enqueue("a", 1, DRAW, 3)
    take(ledger, DRAW, "w1")
    with ledger._engine.begin() as connection:
        connection.execute(sa.update(ledger._table).values(queue_name="_dbos_internal_queue"))
    (held,) = ledger.held()
    assert ledger.requeue(held)
    assert row(ledger, "a-1-draw").queue_name == "generate"


def test_another_versions_jobs_are_taken_once_they_are_adopted(studio: Studio, ledger: Ledger) -> None:
    ledger.enqueue("a", 1, DRAW, 3)
    ledger.enqueue("b", 1, PREPARE, 3)
    newer = Ledger(studio, version="2")
    assert take(newer, DRAW, "w2", version="2") == []
    assert newer.waiting_versions() == {("1", "generate"), ("1", "light")}
    assert newer.adopt("1", "generate") == 1
    assert take(newer, DRAW, "w2", version="2") == ["a-1-draw"]
    assert newer.waiting_versions() == {("1", "light")}
    newer.close()


def test_what_ended_long_ago_is_deleted(ledger: Ledger) -> None:
    for name in ("a", "b", "c"):
        ledger.enqueue(name, 1, PREPARE, 3)
    with ledger._engine.begin() as connection:
        table = ledger._table
        done = sa.update(table).values(status="SUCCESS", completed_at=1000)
        connection.execute(done.where(table.c.workflow_uuid == "a-1-prepare"))
        connection.execute(done.where(table.c.workflow_uuid == "b-1-prepare").values(completed_at=9000))
    assert ledger.prune(before=5.0) == 1
    assert set(ledger.states([f"{name}-1-prepare" for name in "abc"])) == {"b-1-prepare", "c-1-prepare"}
    assert ledger.prune(before=5.0) == 0


def test_only_the_jobs_own_workflows_are_forgotten(ledger: Ledger) -> None:
    for name in ("ab", "abc"):
        ledger.enqueue(name, 1, PREPARE, 3)
    assert ledger.forget("ab") == 1
    assert ledger.states(["ab-1-prepare", "abc-1-prepare"]) == {"abc-1-prepare": "ENQUEUED"}


def test_dbos_speaks_through_the_standard_logging(caplog: pytest.LogCaptureFixture) -> None:
    configure_dbos_logging()
    from dbos._logger import dbos_logger, init_logger

    init_logger()
    assert dbos_logger.propagate
    assert not any(type(handler) is logging.StreamHandler for handler in dbos_logger.handlers)
    dbos_logger.info("chatter")
    dbos_logger.warning("trouble")
    assert [record.message for record in caplog.records] == ["trouble"]
