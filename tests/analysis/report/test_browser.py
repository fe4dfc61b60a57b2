"""The report in a real browser, headless: nothing is asked of the network, no script fails, tables sort."""

from __future__ import annotations

import json
import shutil
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

from analysis.findings.findings import findings_of
from analysis.report.files import write
from analysis.sources.sweep import load_sweep
from tests.analysis.builder import Plan, around, hypothesis, write_sweep
from tests.analysis.conftest import Presented

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        shutil.which("chromium") is None or shutil.which("chromedriver") is None,
        reason="needs Debian's packages chromium and chromium-driver",
    ),
]

QUIET = ("headless", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "disable-background-networking")
QUIET += ("disable-component-update", "disable-sync", "window-size=1200,900")


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or ""
    for flag in (*QUIET, f"user-data-dir={tmp_path_factory.mktemp('chromium')}"):
        options.add_argument(f"--{flag}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which("chromedriver")))
    driver.set_page_load_timeout(30)
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def page(presented: Presented) -> Path:
    return presented.figures / "report.html"


def requested(browser: Any, page: Path) -> list[str]:
    """Addresses that `page` has asked for; the browser's own start page asks for some, too."""
    messages = (json.loads(entry["message"])["message"] for entry in browser.get_log("performance"))
    sent = [message["params"] for message in messages if message["method"] == "Network.requestWillBeSent"]
    return [each["request"]["url"] for each in sent if each["documentURL"] == page.as_uri()]


def column(browser: Any, name: str) -> tuple[WebElement, int]:
    """The heading of a column of the table of cells, and its place."""
    heads = browser.find_elements(By.XPATH, "//table[caption='Cells']/thead/tr/th")
    place = next(i for i, head in enumerate(heads) if head.text.startswith(name))
    return heads[place], place


def labels(browser: Any) -> list[str]:
    return [e.text for e in browser.find_elements(By.XPATH, "//table[caption='Cells']/tbody/tr/th")]


def test_the_page_loads_without_errors_and_without_a_request(browser: Any, page: Path) -> None:
    browser.get_log("browser")
    browser.get(page.as_uri())
    assert browser.get_log("browser") == []
    asked = requested(browser, page)
    assert asked[0] == page.as_uri()
    assert all(url.startswith("data:") for url in asked[1:])
    assert all(image.get_property("naturalWidth") > 1000 for image in browser.find_elements(By.TAG_NAME, "img"))
    assert len(browser.find_elements(By.TAG_NAME, "img")) >= 8
    assert "python -m analysis spectrum --scale laptop" in browser.find_element(By.TAG_NAME, "main").text


def test_the_table_sorts_by_number_and_by_name(browser: Any, page: Path) -> None:
    browser.get(page.as_uri())
    as_made = ["rnn-d64-L1", "gru-d64-L1", "lstm-d64-L1", "lstm-d32-L1", "mgu-d64-L1"]
    assert labels(browser) == as_made
    head, _ = column(browser, "IQM")
    head.find_element(By.TAG_NAME, "button").click()
    rising = ["rnn-d64-L1", "mgu-d64-L1", "lstm-d32-L1", "gru-d64-L1", "lstm-d64-L1"]
    assert (labels(browser), head.get_attribute("aria-sort")) == (rising, "ascending")
    head.find_element(By.TAG_NAME, "button").click()
    assert (labels(browser), head.get_attribute("aria-sort")) == (rising[::-1], "descending")
    name, _ = column(browser, "cell")
    name.find_element(By.TAG_NAME, "button").click()
    assert labels(browser) == sorted(as_made, key=lambda label: label.replace("d32", "d032"))
    assert head.get_attribute("aria-sort") == "none"


def test_configs_are_behind_disclosures(browser: Any, page: Path) -> None:
    browser.get(page.as_uri())
    configs = browser.find_elements(By.CSS_SELECTOR, "details details pre")
    assert len(configs) == 5 * 10
    assert not configs[0].is_displayed()
    browser.execute_script("for (const d of document.querySelectorAll('details')) d.open = true")
    assert configs[0].is_displayed()
    assert json.loads(configs[0].text)["phase"] == "search"


def colours(browser: Any) -> tuple[str, str]:
    body = browser.find_element(By.TAG_NAME, "body")
    return body.value_of_css_property("color"), body.value_of_css_property("background-color")


def test_light_and_dark(browser: Any, page: Path, tmp_path: Path) -> None:
    seen = {}
    for scheme in ("light", "dark"):
        media = [{"name": "prefers-color-scheme", "value": scheme}]
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": media})
        browser.get(page.as_uri())
        seen[scheme] = colours(browser)
        picture = tmp_path / f"{scheme}.png"
        browser.save_screenshot(str(picture))
        width, height = struct.unpack(">II", picture.read_bytes()[16:24])
        assert width >= 1000
        assert height >= 700
        assert picture.stat().st_size > 20_000  # an empty page of this size has 4 kB
    assert seen == {
        "light": ("rgba(26, 26, 26, 1)", "rgba(255, 255, 255, 1)"),
        "dark": ("rgba(230, 230, 230, 1)", "rgba(22, 24, 28, 1)"),
    }


def test_nothing_is_wider_than_a_phone(browser: Any, page: Path) -> None:
    metrics = {"width": 400, "height": 800, "deviceScaleFactor": 1, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    browser.get(page.as_uri())
    assert browser.execute_script("return document.documentElement.scrollWidth") <= 400
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_a_thousand_trials_stay_under_5_mb_and_open_in_2_seconds(browser: Any, tmp_path: Path) -> None:
    ended = ("finished", "pruned", "pruned", "finished", "diverged") * 2
    plans = [
        Plan(arch, around(0.6 + 0.05 * j, 0.01, 10), d_model=32 * 2**j, num_layers=layers, search=ended)
        for arch in ("rnn", "gru", "lstm", "mgu", "ssm")
        for j in range(5)
        for layers in (1, 2)
    ]
    sweep = load_sweep(write_sweep(tmp_path / "grid", plans, [hypothesis()], sweep="grid"))
    assert sweep.counts.ended == 1000
    write(findings_of(sweep), "python -m analysis grid")
    page = tmp_path / "grid" / "figures" / "report.html"
    assert page.stat().st_size < 5e6
    started = time.monotonic()
    browser.get(page.as_uri())
    assert time.monotonic() - started < 2
    assert len(browser.find_elements(By.CSS_SELECTOR, "details details")) == 1000
