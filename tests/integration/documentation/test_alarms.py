"""Every alert rule has its runbook in docs/operations.md, where the alert itself says that it is; and no other has."""

from __future__ import annotations

import yaml

from tests.integration.documentation.markdown import ROOT, read_page

PAGE = "docs/operations.md"
RULES = ROOT / "infra" / "prometheus" / "alerts.yml"


def test_every_alert_has_a_heading_and_every_heading_of_an_alert_its_rule() -> None:
    """In the order of the rules, at the address that the alert carries."""
    groups = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    page = read_page(PAGE)
    assert [heading for heading in page.headings if heading.startswith("CausalKV")] == [rule["alert"] for rule in rules]
    for rule in rules:
        path, _, anchor = rule["annotations"]["runbook"].partition("#")
        assert path.endswith(PAGE)
        assert anchor in page.anchors


def test_the_severity_of_an_alert_is_what_its_runbook_says() -> None:
    """The first word below the heading."""
    text = (ROOT / PAGE).read_text(encoding="utf-8")
    words = {"critical": "Critical.", "warning": "Warning.", "info": "Information."}
    for group in yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]:
        for rule in group["rules"]:
            said = text.partition(f"### {rule['alert']}\n")[2].lstrip().split(" ", 1)[0]
            assert said == words[rule["labels"]["severity"]], rule["alert"]
