"""``steadyface sync``: every part of a run in order, and one clear line where nothing can be sent.

No W&B server is at hand: a stand-in answers what the client asks for, and keeps the rows as the client places them.
"""

from __future__ import annotations

import gzip
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from launcher.locks import lock_path, try_lock, unlock, write_holder
from launcher.settings import WandbSettings
from launcher.wandb_runs import ROWS_A_STEP, StageLogger, start_run
from launcher.wandb_sync import find_parts, sync_runs
from steadyface.errors import InputError

KEY = "0123456789" * 4

pytestmark = pytest.mark.timeout(900)


def log_part(folder: Path, run_id: str, steps: range) -> None:
    """One offline part of a run, a row a step."""
    folder.mkdir(parents=True, exist_ok=True)
    run = start_run(
        folder, WandbSettings(), run_id=run_id, group="demo", job_type="adaptation", name=run_id, tags=[], config={}
    )
    logger = StageLogger(ROWS_A_STEP * steps.start, experiment=run, save_dir=folder, id=run_id)
    for step in steps:
        logger.log_metrics({"train/loss": 1.0 / (1 + step)}, step=step)
    run.finish()


@pytest.fixture
def demo(tmp_path: Path) -> Path:
    """An experiment with two stages, one of them in two parts, and the run of its scores."""
    folder = tmp_path / "runs" / "demo"
    log_part(folder / "adaptation-1", "aaaa1111", range(0, 3))
    log_part(folder / "pretraining-2", "bbbb2222", range(0, 2))
    log_part(folder / "adaptation-1", "aaaa1111", range(2, 5))
    log_part(folder, "cccc3333", range(0, 1))
    return folder


class StandIn(BaseHTTPRequestHandler):
    """Answers the calls of one sync; ``rows``: run -> its rows, placed where the client said."""

    rows: dict[str, list[dict[str, Any]]]
    asked: list[str]

    def log_message(self, *arguments: Any) -> None:
        pass

    def do_GET(self) -> None:
        self._answer({})

    def do_PUT(self) -> None:
        self._body()
        self._answer({})

    def do_POST(self) -> None:
        content = json.loads(self._body() or b"{}")
        if "query" in content:
            name = re.search(r"(?:query|mutation)\s+(\w+)", content["query"])
            assert name is not None
            self.asked.append(name[1])
            self._answer({"data": self._graph(name[1], content.get("variables") or {})})
            return
        run, sent = self.path.split("/")[-2], content.get("files", {}).get("wandb-history.jsonl")
        if sent:
            rows = self.rows.setdefault(run, [])
            rows[sent["offset"] : sent["offset"] + len(sent["content"])] = map(json.loads, sent["content"])
        self._answer({"exitcode": None, "limits": {}})

    def _graph(self, name: str, given: dict[str, Any]) -> dict[str, Any]:
        rows = self.rows.get(given.get("name", ""), [])
        project = {"id": "m", "name": "steadyface", "entity": {"id": "e", "name": "team"}}
        bucket = {"id": "b", "name": given.get("name"), "displayName": "d", "historyLineCount": len(rows)}
        if name == "UpsertBucket":
            return {"upsertBucket": {"bucket": {**bucket, "config": "{}", "project": project}, "inserted": True}}
        if name == "RunResumeStatus":
            tails = {"historyTail": json.dumps([json.dumps(row) for row in rows[-1:]]), "eventsTail": "[]"}
            counts = {"logLineCount": 0, "eventsLineCount": 0}
            texts = {"summaryMetrics": "{}", "config": "{}", "wandbConfig": '{"t": 0}', "tags": []}
            return {"model": {**project, "bucket": {**bucket, **tails, **counts, **texts} if rows else None}}
        if name == "CreateRunFiles":
            where = f"http://{self.headers['host']}/file"
            files = [{"name": file, "uploadUrl": where} for file in given["files"]]
            return {"createRunFiles": {"runID": "b", "uploadHeaders": [], "files": files}}
        return {}

    def _body(self) -> bytes:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        return gzip.decompress(body) if self.headers.get("content-encoding") == "gzip" else body

    def _answer(self, content: dict[str, Any]) -> None:
        body = json.dumps(content).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def stand_in() -> Iterator[tuple[type[StandIn], str]]:
    handler = type("Handler", (StandIn,), {"rows": {}, "asked": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield handler, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def sync(folder: Path, home: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """``steadyface sync`` in a process of its own, with an empty home."""
    home.mkdir()
    words = [sys.executable, "-m", "launcher.cli", "sync", str(folder)]
    environment = {
        "PATH": os.environ["PATH"], "HOME": str(home), "PYTHONPATH": str(Path(__file__).parents[2]),
        "NO_PROXY": "127.0.0.1", **variables,
    }  # fmt: skip
    return subprocess.run(words, env=environment, capture_output=True, text=True, timeout=600, cwd=home)


def marks(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*.synced"))


def test_all_parts_are_found_in_order(demo: Path) -> None:
    parts = find_parts(demo)
    assert [part.wandb_id for part in parts] == ["aaaa1111", "aaaa1111", "bbbb2222", "cccc3333"]
    assert parts[0].began <= parts[1].began and not any(part.sent for part in parts)
    assert [part.wandb_id for part in find_parts(demo / "pretraining-2")] == ["bbbb2222"]


def test_a_dry_run_prints_what_could_be_typed(demo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, later, *_ = find_parts(demo)
    assert sync_runs([demo, demo / "adaptation-1"], dry_run=True) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"wandb sync {first.file.parent} ") and lines[0].count("offline-run-") == 3
    assert lines[1:] == [f"WANDB_RESUME=allow wandb sync {later.file.parent}"]


def test_what_was_sent_is_not_sent_again(demo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    parts = find_parts(demo)
    for part in (parts[0], *parts[2:]):
        part.file.with_name(part.file.name + ".synced").touch()
    sync_runs([demo], dry_run=True)
    assert capsys.readouterr().out == f"WANDB_RESUME=allow wandb sync {parts[1].file.parent}\n"
    parts[1].file.with_name(parts[1].file.name + ".synced").touch()
    assert sync_runs([demo]) == 0 and "all 4 parts were sent before" in capsys.readouterr().out


def test_a_stage_at_work_is_passed_over(demo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (demo / "adaptation-1" / "run.json").write_text("{}")
    path = lock_path(demo.parent, "adaptation-1")
    lock = try_lock(path)
    assert lock is not None
    write_holder(lock, "demo/adaptation-1")
    assert {part.wandb_id for part in find_parts(demo)} == {"bbbb2222", "cccc3333"}
    assert "adaptation-1: still running" in capsys.readouterr().err
    unlock(lock, path)
    assert len(find_parts(demo)) == 4


def test_both_parts_arrive_as_one_run(demo: Path, tmp_path: Path, stand_in: tuple[type[StandIn], str]) -> None:
    handler, address = stand_in
    done = sync(demo, tmp_path / "home", WANDB_API_KEY=KEY, WANDB_BASE_URL=address)
    assert done.returncode == 0, done.stderr[-2000:]
    rows = handler.rows["aaaa1111"]
    assert [row["trainer/global_step"] for row in rows] == [0, 1, 2, 2, 3, 4]  # nothing was overwritten
    numbers = [row["_step"] for row in rows]
    assert numbers == sorted(set(numbers))
    assert len(handler.rows["bbbb2222"]) == 2 and len(marks(demo)) == 4
    assert handler.asked.count("RunResumeStatus") == 1, "of four parts one goes on"
    left = {path.parts[0] for path in (path.relative_to(tmp_path / "home") for path in (tmp_path / "home").rglob("*"))}
    assert left == set(), "W&B's own log of a sync lies in the run's folder"


def test_without_a_login_nothing_is_sent(demo: Path, tmp_path: Path) -> None:
    done = sync(demo, tmp_path / "home")
    assert done.returncode == 2 and marks(demo) == []
    assert done.stderr.count("\n") == 1 and "expected a W&B login, got none; run `wandb login`" in done.stderr


def test_without_a_network_nothing_is_sent(demo: Path, tmp_path: Path) -> None:
    done = sync(demo, tmp_path / "home", WANDB_API_KEY=KEY, WANDB_BASE_URL="http://127.0.0.1:9")
    assert done.returncode == 2 and marks(demo) == []
    fault = done.stderr.splitlines()[-1]
    assert fault.startswith("steadyface: http://127.0.0.1:9: expected a W&B server that answers")
    assert "Traceback" not in done.stderr


def test_a_folder_without_runs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="a folder with offline W&B runs"):
        sync_runs([tmp_path])
