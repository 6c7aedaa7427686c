"""What staff do with bulk jobs: start one from a list or from pasted numbers, follow it, stop it, take its file."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, User
from django.test import Client
from django.urls import reverse

from logistics.bulk.tests.label_files import build_waybills, pdf_label
from logistics.models import Shipment
from logistics.tests.builders import build_shipment
from ordersite.admin.bulk_operations import OPERATIONS
from ordersite.bulk_jobs.models import BulkJob, BulkRow
from ordersite.bulk_jobs.run import run_bulk_jobs

pytestmark = pytest.mark.django_db
PARCELS = "/admin/logistics/shipment/"
PASTED = "/admin/bulk_jobs/bulkjob/add/"


def logged_in(client: Client, role: str) -> Client:
    user = User.objects.create_user(role, is_staff=True)
    user.groups.add(Group.objects.get(name=role))
    client.force_login(user)
    return client


def page_of(job: BulkJob) -> str:
    return reverse("admin:bulk_jobs_bulkjob_change", args=[job.pk])


def act(client: Client, chosen: Shipment, query: str = "", **more: str) -> Any:
    data = {"action": "poll_first", "_selected_action": [str(chosen.pk)], **more}
    return client.post(PARCELS + query, data)


def test_an_action_asks_first_and_starts_with_the_chosen_rows(client: Client) -> None:
    logged_in(client, "agent")
    parcel, other = build_shipment(), build_shipment()

    asked = act(client, parcel)
    assert not BulkJob.objects.exists()
    assert 'name="select_across" value="1"' in asked.content.decode()
    started = act(client, parcel, bulk_start="1", select_across="0")

    job = BulkJob.objects.get()
    assert started.headers["Location"] == page_of(job)
    assert list(job.rows.values_list("subject_id", "name")) == [(parcel.pk, parcel.tracking_number)]
    assert LogEntry.objects.filter(object_id=str(job.pk), change_message="start: 1").exists()
    run_bulk_jobs(OPERATIONS)
    assert Shipment.objects.get(pk=parcel.pk).is_important
    assert not Shipment.objects.get(pk=other.pk).is_important


def test_all_that_match_the_filter_are_taken(client: Client) -> None:
    logged_in(client, "agent")
    first, second = build_shipment(), build_shipment()
    other = build_shipment(carrier="zto", number="ZTO1234567890")

    act(client, first, "?carrier__exact=yto", bulk_start="1", select_across="1")

    subjects = set(BulkRow.objects.values_list("subject_id", flat=True))
    assert subjects == {first.pk, second.pk}
    assert other.pk not in subjects


def test_an_action_needs_its_right(client: Client) -> None:
    logged_in(client, "viewer")
    parcel = build_shipment()

    act(client, parcel, bulk_start="1", select_across="0")

    assert not BulkJob.objects.exists()


def test_pasted_numbers_become_a_job(client: Client) -> None:
    logged_in(client, "agent")
    parcel = build_shipment()
    numbers = f"{parcel.tracking_number.lower()}，{parcel.order.number}\nYT404"

    client.post(PASTED, {"operation": "poll_now", "numbers": numbers})

    rows = BulkRow.objects.order_by("position").values_list("name", "subject_id", "result")
    assert list(rows) == [(parcel.tracking_number, parcel.pk, ""), ("YT404", None, "failed")]


def test_the_button_of_pasted_numbers_says_what_it_does(client: Client) -> None:
    client.cookies["django_language"] = "zh-hans"
    page = logged_in(client, "agent").get(PASTED).content.decode()

    assert "</span>开始处理</button>" in page
    assert "重新选仓" in page


def test_pasted_numbers_need_the_operations_right(client: Client) -> None:
    logged_in(client, "operations")

    refused = client.post(PASTED, {"operation": "print_labels", "numbers": "YT1"})

    assert refused.status_code == 200
    assert not BulkJob.objects.exists()


def test_labels_are_printed_and_handed_out_to_those_who_may_print(client: Client) -> None:
    logged_in(client, "agent")
    good, broken = build_waybills(pdf_label("SF"), b"%PDF-1.4 cut off")
    data = {
        "action": "print_labels", "_selected_action": [good.parcel_id, broken.parcel_id], "bulk_start": "1",
    }  # fmt: skip
    client.post(PARCELS, data)

    run_bulk_jobs(OPERATIONS)

    job = BulkJob.objects.get()
    address = reverse("admin:bulk_jobs_bulkjob_file", args=[job.pk])
    shown = client.get(page_of(job)).content.decode()
    answer: Any = client.get(address)
    assert job.counts == {"done": 1, "failed": 1}
    assert address in shown
    assert "已损坏" in shown
    assert b"".join(answer.streaming_content).startswith(b"%PDF")
    logged_in(client, "operations")
    assert client.get(address).status_code == 403


def test_the_page_of_a_running_job_updates_itself_also_without_a_script(client: Client) -> None:
    logged_in(client, "agent")
    parcel = build_shipment()
    act(client, parcel, bulk_start="1", select_across="0")
    job = BulkJob.objects.get()

    running = client.get(page_of(job)).content.decode()
    run_bulk_jobs(OPERATIONS)
    finished = client.get(page_of(job)).content.decode()

    assert '<noscript><meta http-equiv="refresh" content="3"></noscript>' in running
    assert "bulk_job.js" in running
    assert 'http-equiv="refresh"' not in finished
    assert "bulk_job.js" not in finished


def test_a_job_is_stopped_by_its_button(client: Client) -> None:
    logged_in(client, "agent")
    act(client, build_shipment(), bulk_start="1", select_across="0")
    job = BulkJob.objects.get()

    client.post(reverse("admin:bulk_jobs_bulkjob_do", args=[job.pk, "stop"]))

    assert list(job.rows.values_list("result", flat=True)) == ["stopped"]


@pytest.mark.parametrize("page", ["bulk_jobs_bulkjob", "orders_order"])
def test_a_page_of_our_own_takes_no_post(client: Client, page: str) -> None:
    logged_in(client, "agent")
    parcel = build_shipment()
    act(client, parcel, bulk_start="1", select_across="0")
    row_id = BulkJob.objects.get().pk if page == "bulk_jobs_bulkjob" else parcel.order_id
    address, missing = (reverse(f"admin:{page}_change", args=[pk]) for pk in (row_id, 10**9))

    codes = [client.get(address), client.post(address), client.get(missing)]
    client.force_login(User.objects.create_user("nobody", is_staff=True))

    assert [one.status_code for one in (*codes, client.get(address))] == [200, 405, 404, 403]
