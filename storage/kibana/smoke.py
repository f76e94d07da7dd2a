"""The smoke test for those who have a Kibana: imports everything twice, reads it back, tries the API form and asks what the panels ask."""

from __future__ import annotations

from collections.abc import Iterator

from storage.kibana.client import Kibana
from storage.kibana.dashboards import DASHBOARDS
from storage.kibana.dashboards_api import api_body, api_id
from storage.kibana.ndjson import objects, render
from storage.kibana.objects import identity
from storage.mappings import alias
from veilocity.errors import StateError

__all__ = ["smoke"]


def smoke(kibana: Kibana, prefix: str) -> Iterator[str]:
    """Yield a sentence for each step that went well.

    Raises:
        StateError: a step did not; the sentence says which.
    """
    yield f"Kibana {kibana.version()} is ready."
    made = objects(prefix)
    for _ in range(2):
        kibana.bring(render(made))
    if missing := kibana.missing(made):
        raise StateError(f"Kibana does not give back what was imported: {', '.join(missing)}")
    yield f"{len(made)} objects are imported and read back."
    for dashboard in DASHBOARDS:
        kibana.read_dashboard(identity(prefix, "dashboard", dashboard.name))
        trial = api_id(prefix, dashboard)
        warnings = kibana.put_dashboard(trial, api_body(prefix, dashboard))
        kibana.remove_dashboard(trial)
        if warnings:
            raise StateError(f"the Dashboards API changed {dashboard.title}: {'; '.join(warnings)}")
        shown = {question.name: kibana.rows(question, alias(prefix, question.kind)) for question in dashboard.questions()}
        filled = sum(1 for rows in shown.values() if rows)
        yield f"{dashboard.title}: the API takes its form, {filled} of {len(shown)} questions have data."
