"""What a person does in the browser, step by step."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Page, expect


def upload(page: Page, file: Path) -> None:
    page.get_by_role("link", name="Packages").click()
    page.get_by_role("link", name="Upload a package").first.click()
    page.get_by_label("Package file").set_input_files(file)
    page.get_by_role("button", name="Upload").click()


def make_process(page: Page, name: str, *, package: str) -> None:
    page.get_by_role("link", name="Processes").click()
    page.get_by_role("link", name="Add a process").first.click()
    page.get_by_label("Name").fill(name)
    page.get_by_label("Package").select_option(label=package)
    page.get_by_role("button", name="Create").click()


def run_now(page: Page, **parameters: str) -> None:
    page.get_by_role("link", name="Run now").click()
    for name, value in parameters.items():
        page.locator(f"[name='parameters.{name}']").fill(value)
    page.get_by_role("button", name="Run now").click()


def add_machine(page: Page, name: str = "host-1") -> str:
    """Add a machine and return its key, which is shown this once."""
    page.get_by_role("link", name="Machines").click()
    page.get_by_role("link", name="Add a machine").first.click()
    page.get_by_label("Name").fill(name)
    page.get_by_role("button", name="Add it and show the key").click()
    expect(page.locator("#op-secret-text")).to_contain_text("bvm_")
    return page.locator("#op-secret-text").inner_text().strip()
