"""A real ``dagster dev``: what the UI does, through the GraphQL API that it uses."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from monitor.pipeline.headless import prepare_home

PATIENCE = 240
"""Seconds until something that should happen is given up."""

LAUNCH = """
mutation ($selector: JobOrPipelineSelector!) {
  launchRun(executionParams: {selector: $selector, runConfigData: {}}) {
    __typename
    ... on LaunchRunSuccess { run { runId } }
    ... on PythonError { message }
    ... on RunConfigValidationInvalid { errors { message } }
  }
}
"""
LOCATIONS = """
{ repositoriesOrError { ... on RepositoryConnection { nodes { name location { name } } } } }
"""
STATUS = """
query ($run: ID!) { runOrError(runId: $run) { ... on Run { status } } }
"""
CHECKS = """
query ($key: AssetKeyInput!) {
  assetNodeOrError(assetKey: $key) {
    ... on AssetNode {
      owners { ... on TeamAssetOwner { team } }
      assetMaterializations(limit: 1) { metadataEntries { label } }
      assetChecksOrError {
        ... on AssetChecks { checks { name executionForLatestMaterialization { status } } }
      }
    }
  }
}
"""


def _until(happened: Callable[[], Any], process: subprocess.Popen[bytes], log: Path) -> Any:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and process.poll() is None:
        if found := happened():
            return found
        time.sleep(0.5)
    raise AssertionError(f"did not happen:\n{log.read_text(errors='replace')[-4000:]}")


@pytest.fixture
def dagster_dev(world, tmp_path) -> Iterator[Callable[..., Any]]:
    """Start ``dagster dev`` on the small monitor and return a function that asks its GraphQL."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address, log = f"http://127.0.0.1:{port}/graphql", tmp_path / "dagster.log"
    environment = {
        **os.environ,
        "DAGSTER_HOME": str(prepare_home(world.settings)),
        "MONITOR_SOURCE": world.settings.source,
        "MONITOR_DATA": str(world.settings.data),
        "MONITOR_DEFINITIONS": str(world.settings.definitions),
    }
    command = [sys.executable, "-m", "dagster", "dev", "-m", "monitor.pipeline"]
    with log.open("wb") as out:
        process = subprocess.Popen(
            [*command, "--host", "127.0.0.1", "--port", str(port)],
            env=environment,
            cwd=tmp_path,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def ask(query: str, **variables: Any) -> Any:
        body = {"query": query, "variables": variables}
        answer = requests.post(address, json=body, timeout=30).json()
        assert "errors" not in answer, answer
        return answer["data"]

    def answers() -> Any:
        try:
            return ask(LOCATIONS)["repositoriesOrError"]["nodes"]
        except requests.ConnectionError:
            return None

    ask.until = lambda happened: _until(happened, process, log)  # type: ignore[attr-defined]
    try:
        ask.nodes = ask.until(answers)  # type: ignore[attr-defined]
        yield ask
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@pytest.mark.slow
def test_a_run_started_in_the_ui_publishes_and_shows_what_it_did(world, dagster_dev):
    world.record_figures("99901NED", "x", "x", "x")
    (node,) = dagster_dev.nodes
    launched = dagster_dev(
        LAUNCH,
        selector={
            "repositoryLocationName": node["location"]["name"],
            "repositoryName": node["name"],
            "pipelineName": "everything",
        },
    )["launchRun"]
    assert launched["__typename"] == "LaunchRunSuccess", launched
    run_id = launched["run"]["runId"]

    def ended() -> str | None:
        status = dagster_dev(STATUS, run=run_id)["runOrError"]["status"]
        return status if status in {"SUCCESS", "FAILURE", "CANCELED"} else None

    assert dagster_dev.until(ended) == "SUCCESS"
    assert world.figures()["hulp-perioden", "NL01"] == (5.0, None)
    asset = dagster_dev(CHECKS, key={"path": ["cbs", "99901NED"]})["assetNodeOrError"]
    assert {"team": "vng"} in asset["owners"]
    labels = [e["label"] for e in asset["assetMaterializations"][0]["metadataEntries"]]
    assert "quarantined" in labels
    (check,) = asset["assetChecksOrError"]["checks"]
    assert check["executionForLatestMaterialization"]["status"] == "FAILED"
