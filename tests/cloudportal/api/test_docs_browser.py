"""The pages of the API documentation in a real browser: whole, and asking nobody else."""

import pytest
from playwright.sync_api import expect

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.mark.parametrize("page", ["/api/docs/", "/api/docs/redoc/"])
def test_the_page_shows_the_calls_of_the_microversion_without_a_complaint(
    chromium, live_server, page
):
    opened = chromium.new_page()
    complaints: list[str] = []
    opened.on(
        "console", lambda said: complaints.append(said.text) if said.type == "error" else None
    )
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    asked: list[str] = []
    opened.on("request", lambda request: asked.append(request.url))

    opened.goto(f"{live_server.url}{page}?microversion=2.79")

    expect(opened.get_by_text("compute os-keypairs").first).to_be_visible(timeout=30_000)
    assert complaints == []
    assert {
        url for url in asked if not url.startswith((live_server.url, "data:", "blob:"))
    } == set()
    opened.close()
