"""The integrity page in a real browser: it reads right, unfolds, plans before it repairs."""

from __future__ import annotations

import os
import re
import uuid
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.utils import timezone
from playwright.sync_api import expect, sync_playwright

from hypervisors.models import Hypervisor
from identity.models import Domain, User
from integrity.models import Finding, Sweep
from integrity.states import FindingKind, Policy, Scope
from operations.models import Operation

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
PASSWORD = "a long password 1"
DIFFERENCE = """--- as it should be
+++ as it is
@@ -3,3 +3,3 @@
   <currentMemory unit="KiB">262144</currentMemory>
-  <vcpu>1</vcpu>
+  <vcpu>4</vcpu>
"""
expect.set_options(timeout=30_000)


@pytest.fixture(scope="module")
def artifacts():
    default = Path(settings.BASE_DIR, "build", "artifacts")
    folder = Path(os.environ.get("CLOUDPORTAL_TEST_ARTIFACTS", default), "integrity")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture
def page(live_server, transactional_db, monkeypatch):
    """An administrator's page; what the console complains about ends the test."""
    # Playwright runs an event loop in this thread, which makes Django refuse the database here.
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
    Domain.objects.get_or_create(id="default", defaults={"name": "Default"})
    User.objects.create_superuser("admin", PASSWORD)
    complaints: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
        context = browser.new_context(
            base_url=live_server.url, viewport={"width": 1400, "height": 900}
        )
        opened = context.new_page()
        opened.on("pageerror", lambda error: complaints.append(str(error)))
        opened.on(
            "console", lambda line: complaints.append(line.text) if line.type == "error" else None
        )
        opened.goto("/admin/login/?next=/admin/")
        opened.get_by_label("Username").or_(opened.get_by_label("Name")).fill("admin")
        opened.get_by_label("Password").fill(PASSWORD)
        opened.get_by_role("button", name="Log in").click()
        yield opened
        browser.close()
    assert complaints == []


@pytest.fixture
def findings(transactional_db):
    host = Hypervisor.objects.create(name="rack-2-host-7", uri="qemu+ssh://root@192.0.2.7/system")
    now = timezone.now()
    Sweep.objects.create(
        started_at=now - timedelta(seconds=42),
        finished_at=now - timedelta(seconds=41),
        hosts=["rack-2-host-7"],
        unanswered=["rack-2-host-8"],
    )
    common = {"scope": Scope.HOST, "hypervisor": host}
    Finding.objects.create(
        key="a",
        kind=FindingKind.DOMAIN_CHANGED,
        subject="web-1",
        summary="The definition of web-1 on rack-2-host-7 was changed by hand: vCPUs.",
        difference=DIFFERENCE,
        repair="Define it as the books want it; the guest takes it up when it starts next.",
        policy=Policy.ON_REQUEST,
        **common,
    )
    Finding.objects.create(
        key="b",
        kind=FindingKind.DHCP_STALE,
        subject="fa:16:3e:00:00:01",
        summary="The DHCP still has an entry for fa:16:3e:00:00:01, a card that no server has.",
        repair="Remove the entry of fa:16:3e:00:00:01.",
        policy=Policy.AUTOMATIC,
        **common,
    )
    Finding.objects.create(
        key="c",
        kind=FindingKind.DOMAIN_FOREIGN,
        subject="somebody-else",
        summary="The domain somebody-else was not made by this portal.",
        policy=Policy.NEVER,
        **common,
    )
    Operation.objects.create(
        kind="server.cleanup",
        subject=uuid.uuid4(),
        state="running",
        params={"server": str(uuid.uuid4()), "hypervisor": host.pk, "ports": []},
    )


def test_the_page_says_what_is_wrong_and_repairs_after_a_look_at_the_plan(
    page, findings, artifacts
):
    page.get_by_role("link", name="Findings", exact=True).first.click()

    expect(page.get_by_role("heading", name="Integrity", exact=True)).to_be_visible()
    headline = page.locator(".integrity-headline")
    expect(headline).to_contain_text(re.compile(r"2 findings, checked 4\d s ago"))
    expect(headline).to_contain_text("1 host did not answer and was left out: rack-2-host-8")
    rows = page.locator("#result_list tbody tr")
    expect(rows).to_have_count(2)
    changed = rows.filter(has_text="changed by hand")
    expect(changed.locator("pre")).to_be_hidden()
    changed.get_by_text("Difference").click()
    expect(changed.locator("pre")).to_contain_text("+  <vcpu>4</vcpu>")
    expect(page.get_by_text("The domain somebody-else was not made")).to_be_visible()
    expect(page.get_by_role("heading", name="Debts (1)")).to_be_visible()
    page.screenshot(path=artifacts / "findings.png", full_page=True)

    page.get_by_role("button", name="Repair all…").click()
    expect(page.get_by_role("heading", name="Repair", exact=True)).to_be_visible()
    expect(page.get_by_text("Remove the entry of fa:16:3e:00:00:01.")).to_be_visible()
    expect(page.get_by_text("1 of these repairs is made on request only")).to_be_visible()
    page.screenshot(path=artifacts / "plan.png", full_page=True)
    assert not Operation.objects.filter(kind="integrity.repair").exists()
    page.get_by_role("button", name="Repair 2 findings").click()
    expect(page.get_by_text("2 findings are under repair.")).to_be_visible()
    assert Operation.objects.filter(kind="integrity.repair").exists()


def test_one_finding_is_chosen_and_planned(page, findings):
    page.goto("/admin/integrity/finding/")

    page.locator("#result_list tbody tr").filter(has_text="DHCP").get_by_role("checkbox").check()
    page.locator("select[name=action]").first.select_option("repair_selected")
    page.get_by_role("button", name="Go").or_(page.get_by_role("button", name="Run")).first.click()

    expect(page.get_by_role("button", name="Repair 1 finding", exact=True)).to_be_visible()
    page.get_by_role("link", name="No, take me back").click()
    expect(page.get_by_role("heading", name="Integrity", exact=True)).to_be_visible()
    assert not Operation.objects.filter(kind="integrity.repair").exists()


def test_check_now_is_followed_until_it_is_done(page, findings, artifacts):
    Finding.objects.all().delete()
    page.goto("/admin/integrity/finding/")
    page.get_by_role("button", name="Check now").click()

    expect(page.get_by_text("A check is under way")).to_be_visible()
    now = timezone.now()
    Sweep.objects.create(started_at=now, finished_at=now, hosts=["a", "b", "c"])

    # Nobody reloads: the page follows by itself.
    expect(page.get_by_text("A check is under way")).to_have_count(0)
    headline = page.locator(".integrity-headline")
    expect(headline).to_contain_text(re.compile(r"0 findings, checked \d+ s ago"))
    expect(headline).to_contain_text("All 3 hosts answered.")
    expect(page.get_by_role("button", name="Repair all…")).to_have_count(0)
    page.screenshot(path=artifacts / "all-well.png", full_page=True)
