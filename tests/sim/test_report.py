"""The report is one page without a network, and shows what was judged."""

import json
import re
from pathlib import Path

from sim.report import write_report
from tests.sim.synthetic import Synthetic
from tests.sim.twins import judge


def test_page_is_self_contained(tmp_path: Path) -> None:
    """No address is loaded from anywhere, and nothing of the trace is missing from the page."""
    judgement = judge(tmp_path)
    manifest = judgement.results["hitless-quiet"].reference.manifest
    page = write_report(manifest, judgement, tmp_path / "report.html").read_text()
    assert not re.search(r"(src|href)=|url\(|@import|<script", page)
    assert f"all {len(judgement.verdicts)} verdicts pass" in page
    for name in ("alpha", "beta", "gamma", "delta", "beta grows", "bank3"):
        assert name in page
    # Before, beta has two granules; after, four: two cells more in its colour on the second picture.
    before, after = re.findall(r"<figure><figcaption>.*?</figcaption>(<svg.*?</svg>)", page, re.DOTALL)
    cell = re.compile(r'<rect [^>]*height="8.3"[^>]*fill="#e0782a"')
    assert (len(cell.findall(before)), len(cell.findall(after))) == (2, 4)


def test_red_verdict_is_red(tmp_path: Path) -> None:
    """A failed check shows in the page's head and with its reason."""

    def lose(card: Synthetic) -> None:
        card.events["host1", "B"].pop()

    judgement = judge(tmp_path, lose)
    manifest = judgement.results["hitless-quiet"].reference.manifest
    page = write_report(manifest, judgement, tmp_path / "report.html").read_text()
    assert "verdicts fail" in page
    assert "no complete response to the write" in page


def test_text_is_escaped(tmp_path: Path) -> None:
    """A name from a description is text, not markup."""
    judgement = judge(tmp_path)
    result = judgement.results["hitless-changed"]
    for mark in result.trace.noted("phase_begin"):
        mark["owners"]["0"]["name"] = "<b>alpha & co</b>"
    page = write_report(result.reference.manifest, judgement, tmp_path / "report.html").read_text()
    assert "<b>alpha" not in page
    assert "&lt;b&gt;alpha &amp; co&lt;/b&gt;" in page


def test_recorded_programs_show_when_they_ran_on_this_card(tmp_path: Path) -> None:
    """The table is that of the file beside the page; a file of another card, or none, shows nothing."""
    judgement = judge(tmp_path)
    manifest = judgement.results["hitless-quiet"].reference.manifest
    file = tmp_path / "replay.json"
    tenant = {
        "program": "emacs", "port": "core7", "requests": 1234, "cycles": {"alone": 50_000, "shared": 60_000},
        "slowdown": {"shared / alone": 1.2},
    }  # fmt: skip
    result = {
        "manifest": manifest["hash"], "command": "make replay CARD=x", "checked": 4321, "wrong": 0,
        "layout": {"bank": "bank0"}, "changes": {"count": 17}, "tenants": [tenant],
    }  # fmt: skip

    def page(**changed: object) -> str:
        file.write_text(json.dumps(result | changed))
        return write_report(manifest, judgement, tmp_path / "report.html").read_text()

    shown = page()
    for text in (
        "Recorded programs",
        "emacs",
        "core7",
        "1\u202f234",
        "50\u202f000",
        "60\u202f000",
        "1.200",
        "17 changes",
    ):
        assert text in shown, text
    assert "were wrong" not in shown and '<b class="detail">5 were wrong' in page(wrong=5)
    assert "Recorded programs" not in page(manifest="another")
    file.unlink()
    assert "Recorded programs" not in write_report(manifest, judgement, tmp_path / "report.html").read_text()
