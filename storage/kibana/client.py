"""Kibana by its HTTP interface: brings the objects in, reads them back, and asks through it what the panels ask.

Only documented calls, but one: Kibana has no public call to search with, so the smoke test uses the one behind its Console.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import httpx

from storage.kibana.objects import Json, SavedObject
from storage.kibana.questions import Question
from veilocity.errors import ServiceUnavailableError, SettingsError, StateError
from veilocity.settings import Settings

__all__ = ["Kibana", "faults_of_import", "missing_of_export"]

_HEADERS = {"kbn-xsrf": "veilocity", "x-elastic-internal-origin": "veilocity"}
"""Kibana answers no call that changes anything without the first, and none that is not documented without the second."""
_UNREADABLE = "the address of Kibana cannot be read: write http://HOST:PORT"
_PASSING = frozenset({408, 429, 500, 502, 503, 504})


class Kibana:
    """One Kibana; every method may be repeated.

    Raises (every method):
        ServiceUnavailableError: it does not answer, or says "not now".
        SettingsError: it refuses the address or the user.
        StateError: it refuses what is asked.
    """

    def __init__(self, url: str, settings: Settings, *, request_timeout_s: float = 60.0) -> None:
        """Connect when first used, as the user that `settings` have for Elasticsearch."""
        user = settings.elasticsearch_username
        try:
            address = httpx.URL(url)
        except httpx.InvalidURL as cause:
            raise SettingsError(_UNREADABLE) from cause
        self._client = httpx.Client(
            base_url=address,
            auth=(user, settings.elasticsearch_password.get_secret_value()) if user else None,
            headers=_HEADERS,
            timeout=request_timeout_s,
        )

    def close(self) -> None:
        """Let the connections go."""
        self._client.close()

    def version(self) -> str:
        """Return Kibana's version once it is ready."""
        status = self._json("GET", "/api/status")
        if status.get("status", {}).get("overall", {}).get("level") != "available":
            raise ServiceUnavailableError("Kibana is not ready yet: wait until its status is available")
        return str(status["version"]["number"])

    def bring(self, text: str) -> None:
        """Import a file, putting every object in the place of the one with its id."""
        files = {"file": ("veilocity.ndjson", text.encode(), "application/ndjson")}
        answer = self._json("POST", "/api/saved_objects/_import", params={"overwrite": "true"}, files=files)
        if faults := faults_of_import(answer):
            raise StateError(f"Kibana did not import everything: {'; '.join(faults)}")

    def missing(self, made: Iterable[SavedObject]) -> list[str]:
        """Return the objects that Kibana does not have, or has with another title."""
        wanted = list(made)
        asked = {"objects": [{"type": each.type, "id": each.id} for each in wanted], "excludeExportDetails": True}
        try:
            answer = self._call("POST", "/api/saved_objects/_export", json=asked)
        except StateError:  # it exports all of them or none
            return [f"{each.type} {each.attributes['title']}" for each in wanted]
        return missing_of_export(wanted, answer.text)

    def put_dashboard(self, identity: str, body: Json) -> list[str]:
        """Put a dashboard in by the Dashboards API; return its warnings."""
        answer = self._json("PUT", f"/api/dashboards/{identity}", json=body)
        return [str(each.get("message", each)) for each in answer.get("warnings", answer.get("meta", {}).get("warnings", []))]

    def read_dashboard(self, identity: str) -> Json:
        """Return a dashboard as the Dashboards API gives it."""
        return self._json("GET", f"/api/dashboards/{identity}")

    def remove_dashboard(self, identity: str) -> None:
        """Remove a dashboard that was put in by the API."""
        self._call("DELETE", f"/api/dashboards/{identity}")

    def rows(self, question: Question, index: str) -> int:
        """Return how many rows a panel would show, asked through Kibana as its user."""
        proxied = {"path": f"/{index}/_search?ignore_unavailable=true", "method": "POST"}
        return len(question.read(self._json("POST", "/api/console/proxy", params=proxied, json=question.body)))

    def _json(self, method: str, path: str, **arguments: Any) -> Json:
        answer = self._call(method, path, **arguments)
        try:
            found = answer.json()
        except ValueError as cause:
            raise StateError(f"what answers {path} is no Kibana: check the address") from cause
        if not isinstance(found, dict):
            raise StateError(f"what answers {path} is no Kibana: check the address")
        return found

    def _call(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        try:
            answer = self._client.request(method, path, **arguments)
        except httpx.UnsupportedProtocol as cause:
            raise SettingsError(_UNREADABLE) from cause
        except httpx.TransportError as cause:
            message = f"no Kibana answers there ({type(cause).__name__}): start one, or name its address with --url"
            raise ServiceUnavailableError(message) from cause
        if answer.status_code in (401, 403):
            message = "Kibana refuses the user: set VEILOCITY_ELASTICSEARCH_USERNAME and _PASSWORD to one who may write saved objects"
            raise SettingsError(message)
        if answer.status_code in _PASSING:
            raise ServiceUnavailableError(f"Kibana cannot answer now ({answer.status_code})")
        if not answer.is_success:
            raise StateError(f"Kibana refuses {method} {path} ({answer.status_code}): is it of version 9.5 or newer?")
        return answer


def faults_of_import(answer: Json) -> list[str]:
    """Return what an import says it could not bring in.

    >>> faults_of_import({"success": True, "successCount": 9})
    []
    >>> faults_of_import({"success": False, "errors": [{"type": "map", "id": "m", "error": {"type": "missing_references"}}]})
    ['map m (missing_references)']
    """
    faults = [f"{each['type']} {each['id']} ({each['error']['type']})" for each in answer.get("errors", [])]
    return faults or ([] if answer.get("success") else ["it says no success and no error"])


def missing_of_export(wanted: Iterable[SavedObject], text: str) -> list[str]:
    """Return which objects are not in an export, or are there with another title."""
    lines = [json.loads(line) for line in text.splitlines() if line]
    there = {(line["type"], line["id"]): line["attributes"].get("title") for line in lines if "attributes" in line}
    return [f"{each.type} {each.attributes['title']}" for each in wanted if there.get((each.type, each.id)) != each.attributes["title"]]
