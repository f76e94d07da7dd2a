"""The frame of the page: what stands still. Everything that moves is put into it by the scripts in `assets/`.

The static outline inside the index is painted before any script ran, and has the same boxes as the live page, so nothing jumps.
"""

from __future__ import annotations

from typing import Any

import dash_mantine_components as dmc
from dash import dcc, html

from dashboard.navigation import dash_links

__all__ = ["INDEX", "OUTLINE", "page"]

_SKELETON_ROWS = "".join('<li class="row skeleton"><i></i><b></b><s></s></li>' for _ in range(8))

INDEX = """<!DOCTYPE html>
<html lang="en">
  <head>
    {%metas%}
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <meta name="color-scheme" content="dark light">
    <title>{%title%}</title>
    <link rel="icon" href="assets/icon.svg" type="image/svg+xml">
    <script src="assets/theme.js"></script>
    <link rel="stylesheet" href="assets/tokens.css">
    <link rel="stylesheet" href="assets/desk.css">
    <link rel="stylesheet" href="assets/status.css">
    <link rel="stylesheet" href="assets/map.css">
    <link rel="stylesheet" href="assets/lists.css">
    <link rel="stylesheet" href="assets/evidence.css">
    <link rel="stylesheet" href="assets/evidence_case.css">
    <link rel="stylesheet" href="assets/asking.css">
    <link rel="stylesheet" href="assets/splitters.css">
    <link rel="stylesheet" href="assets/account.css">
    {%css%}
  </head>
  <body data-connection="connecting" data-content="loading">
    {%app_entry%}
    <noscript>The live map needs JavaScript. The same records are in MongoDB and Elasticsearch.</noscript>
    <footer hidden>{%config%}{%scripts%}{%renderer%}</footer>
    <script type="module" src="assets/account.js"></script>
    <script type="module" src="assets/main.js"></script>
  </body>
</html>"""

OUTLINE = f"""
<div id="react-entry-point">
  <div class="desk" aria-busy="true">
    <header class="bar"><span class="brand"><img src="assets/icon.svg" alt="" width="20" height="20">Veilocity</span>
      <span class="pill" data-state="connecting">connecting</span></header>
    <div class="map-panel"></div>
    <section class="side"><div class="side-head"><h2>Alerts</h2></div>
      <div class="filters"></div><ol class="rows">{_SKELETON_ROWS}</ol></section>
    <section class="evidence evidence-empty"></section>
  </div>
</div>
"""
"""What stands in the place of the page until its scripts ran."""

_NONE = "\N{EN DASH}"
_COUNTERS = (
    ("people", "people", "People whose newest generalised place is on the map, at most 5,000. Source: MongoDB, positions."),
    ("payments", "payments", "Payments decided since the beginning; every one is masked and in both stores. Source: privacy progress."),
    ("alerts", "alerts", "Distinct alerts since the beginning, whatever became of them. Source: privacy progress."),
    ("released", "released", "Payments in released classes, each class proven to hold at least k distinct people."),
    ("suppressed", "suppressed", "Payments of closed windows that fit no class of k people; they are never released."),
    ("pending", "pending", "Payments in windows that are still open."),
)


def _attributes(**values: str) -> dict[str, Any]:
    """Return attributes whose names hold hyphens: `aria_label` for `aria-label`."""
    return {name.replace("_", "-"): value for name, value in values.items()}


def _figure() -> dict[str, Any]:
    """Return geography alone. Colours come from the theme, in the browser."""
    geography = {
        "projection": {"type": "natural earth", "scale": 1},
        "resolution": 110,
        "showframe": False,
        "showcoastlines": False,
        "showland": True,
        "showocean": False,
        "showlakes": False,
        "showcountries": True,
        "countrywidth": 0.6,
        "bgcolor": "rgba(0,0,0,0)",
        "landcolor": "rgba(0,0,0,0)",
        "countrycolor": "rgba(0,0,0,0)",
    }
    return {
        "data": [{"type": "scattergeo", "lat": [], "lon": [], "hoverinfo": "skip", "showlegend": False}],
        "layout": {
            "geo": geography,
            "margin": {"l": 0, "r": 0, "t": 0, "b": 0},
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            "dragmode": "pan",
            "hovermode": False,
        },
    }


def _bar() -> html.Header:
    counters = [
        html.Div([html.Dt(label), html.Dd(_NONE, id=f"count-{key}")], className="counter", title=title) for key, label, title in _COUNTERS
    ]
    return html.Header(
        [
            html.H1([html.Img(src="assets/icon.svg", alt="", width="20", height="20"), "Veilocity"], className="brand"),
            dash_links("Live"),
            html.Dl(counters, className="counters"),
            html.Div(
                [html.Span(_NONE, id="clock"), html.Small("event time", id="clock-words")],
                id="clock-box",
                className="clock",
            ),
            html.Span(
                [html.Span("connecting", id="connection-word"), html.Span("", id="connection-age", **_attributes(aria_hidden="true"))],
                id="connection",
                className="pill",
                role="status",
                **_attributes(data_state="connecting"),
            ),
            html.Div(id="who", className="account"),
            dmc.ActionIcon(
                html.Span(className="theme-glyph", **_attributes(aria_hidden="true")),
                id="theme",
                variant="subtle",
                color="gray",
                size="lg",
                **_attributes(aria_label="Switch between dark and light (t)"),
            ),
        ],
        className="bar",
    )


def _map() -> html.Section:
    views = dmc.SegmentedControl(
        id="view",
        value="city",
        size="xs",
        data=[{"value": "world", "label": "World"}, {"value": "city", "label": "City"}],
        **_attributes(aria_label="What the map shows"),
    )
    zoom = html.Div(
        [
            html.Button("+", id="zoom-in", title="Closer (+)", **_attributes(aria_label="Closer")),
            html.Button("\N{MINUS SIGN}", id="zoom-out", title="Farther (-)", **_attributes(aria_label="Farther")),
        ],
        className="zoom",
    )
    table = html.Button("Table", id="table-toggle", className="plain", title="The same as text (m)", **_attributes(aria_pressed="false"))
    replay = html.Button("Replay", id="replay-toggle", className="plain", title="Play a stretch of time again (r)")
    layers = html.Button("Layers", id="layers-toggle", className="plain", title="What the map shows", **_attributes(aria_expanded="false"))
    return html.Section(
        [
            dcc.Graph(
                id="geography",
                figure=_figure(),
                responsive=True,
                config={"topojsonURL": "assets/geo/", "displayModeBar": False, "scrollZoom": True, "showTips": False, "doubleClick": False},
            ),
            html.Canvas(id="overlay", **_attributes(aria_hidden="true")),
            html.Div(id="chip", className="chip", hidden=True),
            html.Div(id="tip", className="tip", hidden=True),
            html.Div([views, table, replay, layers], className="tools"),
            zoom,
            html.Div(id="notice", className="notice", hidden=True),
            html.Div(id="legend", className="legend", **_attributes(aria_hidden="true")),
            html.Div([html.Span(id="scale-bar"), html.Span(id="scale-text")], className="scale", **_attributes(aria_hidden="true")),
            html.Div(id="replay", className="replay", hidden=True, role="group", **_attributes(aria_label="Replay")),
            html.Div(id="map-table", className="map-table", hidden=True, tabIndex=0),
        ],
        id="map-panel",
        className="map-panel",
        **_attributes(aria_label="Map of people, payments and alerts"),
    )


def _side() -> html.Section:
    return html.Section(
        [
            html.Div(
                [
                    html.H2("Alerts"),
                    html.Span(id="alert-states", className="quiet"),
                    html.Span(id="alert-new", className="badge", hidden=True),
                    html.Button(
                        "Pause", id="pause", className="plain", title="Pause what arrives (space)", **_attributes(aria_pressed="false")
                    ),
                ],
                className="side-head",
            ),
            html.Div(id="filters", className="filters"),
            html.Ol(id="alerts", className="rows", role="listbox", tabIndex=0, **_attributes(aria_label="Alerts, newest first")),
            html.Div(id="alerts-empty", className="empty", hidden=True),
            html.Div(id="older", className="older"),
            html.Div(
                [html.H2("Latest payments"), html.Span("masked", className="quiet", title="Tokens, cells and bands; never a card number.")],
                className="side-head",
            ),
            html.Ol(id="payments", className="payments", **_attributes(aria_label="Latest payments")),
        ],
        className="side",
        **_attributes(aria_label="Alerts and payments"),
    )


def page() -> dmc.MantineProvider:
    """Return the component tree of the page."""
    return dmc.MantineProvider(
        html.Div(
            [
                _bar(),
                html.Main(
                    [
                        _map(),
                        _side(),
                        html.Section(id="evidence", className="evidence", tabIndex=-1, **_attributes(aria_label="Evidence")),
                    ],
                    className="work",
                ),
                html.Div(id="announcer", className="for-readers", role="log", **_attributes(aria_live="polite")),
            ],
            id="desk",
            className="desk",
        ),
        id="mantine",
        theme={"primaryColor": "teal", "defaultRadius": 6, "fontFamily": "inherit"},
    )
