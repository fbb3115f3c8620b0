"""The tools ``chart`` and ``map``: a drawing of what an earlier step found, as a spec that holds only its rows."""

from __future__ import annotations

from typing import Any

from cloud.assistant.evidence import Row, RowKind, Value
from cloud.assistant.tools.parameters import ChartQuery, MapQuery
from cloud.assistant.tools.references import Found, listed
from cloud.assistant.tools.selection import MAX_CITED
from contracts.errors import InvalidInput

VEGA_LITE = "https://vega.github.io/schema/vega-lite/v6.json"


def chart(step: str, query: ChartQuery, found: Found) -> list[Row]:
    """Return a Vega-Lite spec with the groups of a step as inline data.

    Raises:
        InvalidInput: The step has no groups with such a figure.

    """
    rows = [row for row in listed(found, query.source) if isinstance(row.values.get(query.y), int | float)]
    if not rows:
        raise InvalidInput(f"{query.source} has no column of figures {query.y!r} to draw.", field="y")
    points = [{"group": row.label, query.y: row.values[query.y]} for row in rows]
    spec: dict[str, Any] = {
        "$schema": VEGA_LITE,
        "data": {"values": points},
        "mark": query.mark,
        "encoding": {
            "x": {"field": "group", "type": "ordinal", "sort": None, "title": None},
            "y": {"field": query.y, "type": "quantitative", "title": query.y.replace("_", " ")},
        },
    }
    return [_figure(step, rows, {"vega_lite": spec}, {"mark": query.mark, "points": len(points)})]


def map_rows(step: str, query: MapQuery, found: Found) -> list[Row]:
    """Return a GeoJSON FeatureCollection of the rows of a step that have a place; how many have none is a value.

    Raises:
        InvalidInput: None of them has a place.

    """
    rows = listed(found, query.source)
    placed = [row for row in rows if isinstance(row.values.get("lat_deg"), float)]
    if not placed:
        raise InvalidInput(f"No row of {query.source} has a place on the map.", field="source")
    features = [
        {
            "type": "Feature",
            "geometry": {"type": "Point", "coordinates": [row.values["lon_deg"], row.values["lat_deg"]]},
            "properties": {"label": row.label, "href": row.cites[0].href if row.cites else "",
                           "severity_rank": row.values.get("severity_rank")},
        }
        for row in placed
    ]  # fmt: skip
    collection = {"type": "FeatureCollection", "features": features}
    values: dict[str, Value] = {"points": len(placed), "without_place": len(rows) - len(placed)}
    return [_figure(step, placed, {"geojson": collection}, values)]


def _figure(step: str, rows: list[Row], figure: dict[str, Any], values: dict[str, Value]) -> Row:
    cites = tuple(dict.fromkeys(cite for row in rows for cite in row.cites))[:MAX_CITED]
    label = "chart" if "vega_lite" in figure else "map"
    return Row(ref=f"{step}.1", kind=RowKind.FIGURE, label=label, values=values, cites=cites, figure=figure,
               cited_of=len(rows))  # fmt: skip
