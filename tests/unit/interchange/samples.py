"""Published sample plans.

- `MAVSDK_SAMPLE`: `qgroundcontrol_sample.plan` of mavlink/MAVSDK (BSD-3-Clause).
- `HOME_BASE_FENCE`: `ce_geofence_home_base.plan` of mavlink/qgroundcontrol (Apache-2.0 or GPL-3.0).
- `DOCUMENTED`: put together from the examples of "Plan File Format" in QGroundControl's developer guide (same licence);
  where the guide says "...", points and transects were filled in.
- `DEVGUIDE_WPL`: the example of "Mission Plain-Text File Format", MAVLink developer guide (CC BY 4.0).
"""

from __future__ import annotations

import json
from typing import Any


def simple(command: int, params: list[float | None], frame: int = 2, **more: Any) -> dict[str, Any]:
    return {"type": "SimpleItem", "command": command, "frame": frame, "params": params, "autoContinue": True, **more}


def shown(command: int, params: list[float | None], jump: int) -> dict[str, Any]:
    more = {"AMSLAltAboveTerrain": None, "Altitude": 50, "AltitudeMode": 1, "doJumpId": jump}
    return simple(command, params, frame=3, **more)


def plan(items: list[Any], home: list[float], **more: Any) -> dict[str, Any]:
    return {
        "fileType": "Plan",
        "geoFence": {"circles": [], "polygons": [], "version": 2},
        "groundStation": "QGroundControl",
        "mission": {
            "cruiseSpeed": 15,
            "firmwareType": 12,
            "globalPlanAltitudeMode": 1,
            "hoverSpeed": 5,
            "items": items,
            "plannedHomePosition": home,
            "vehicleType": 2,
            "version": 2,
        },
        "rallyPoints": {"points": [], "version": 2},
        "version": 1,
        **more,
    }


MAVSDK_SAMPLE = plan(
    [
        shown(22, [15, 0, 0, None, 47.3977507, 8.5456075, 50], 1),
        shown(16, [0, 0, 0, None, 47.39777106, 8.5466122, 50], 2),
        simple(2000, [0, 0, 1, 0, 0, 0, 0], doJumpId=3),
        shown(16, [0, 0, 0, None, 47.39827377, 8.54660532, 50], 4),
        shown(16, [0, 0, 0, None, 47.39827842, 8.54560824, 50], 5),
        simple(20, [0, 0, 0, 0, 0, 0, 0], doJumpId=6),
    ],
    [47.3977507, 8.5456075, 488.93101752001763],
)

HOME_BASE_FENCE = plan(
    [],
    [38.75084010396389, -77.49721463637287, 30],
    geoFence={
        "circles": [],
        "polygons": [
            {
                "inclusion": True,
                "polygon": [
                    [38.7507608625056, -77.49735908548331],
                    [38.75094024382851, -77.49709285710168],
                    [38.75073132744176, -77.49686508648041],
                    [38.750551952470936, -77.49713235890398],
                ],
                "version": 1,
            },
            {
                "inclusion": False,
                "polygon": [
                    [38.750552, -77.4971324],
                    [38.7507313, -77.4968651],
                    [38.7508358, -77.496979],
                    [38.7506564, -77.4972457],
                ],
                "version": 1,
            },
        ],
        "version": 2,
    },
    rallyPoints={"points": [], "version": 1},
)

CAMERA_CALC = {
    "AdjustedFootprintFrontal": 272.4,
    "AdjustedFootprintSide": 409.2,
    "CameraName": "Sony ILCE-QX1",
    "DistanceToSurface": 940.6896551724138,
    "DistanceToSurfaceRelative": True,
    "FixedOrientation": False,
    "FocalLength": 16,
    "FrontalOverlap": 70,
    "ImageDensity": 25,
    "ImageHeight": 3632,
    "ImageWidth": 5456,
    "Landscape": True,
    "MinTriggerInterval": 0,
    "SensorHeight": 15.4,
    "SensorWidth": 23.2,
    "SideOverlap": 70,
    "ValueSetIsDistance": False,
    "version": 1,
}

SURVEY = {
    "TransectStyleComplexItem": {
        "CameraCalc": CAMERA_CALC,
        "CameraTriggerInTurnAround": True,
        "FollowTerrain": False,
        "HoverAndCapture": False,
        "Items": [
            simple(16, [0, 0, 0, None, -37.75161626657736, 144.98414811224316, 50], frame=3, doJumpId=2),
            simple(206, [25, 0, 1, 0, 0, 0, 0], doJumpId=3),
            simple(16, [0, 0, 0, None, -37.75565155437309, 144.99438539496475, 50], frame=3, doJumpId=4),
            simple(206, [0, 0, 1, 0, 0, 0, 0], doJumpId=5),
        ],
        "Refly90Degrees": False,
        "TurnAroundDistance": 10,
        "VisualTransectPoints": [
            [-37.75161626657736, 144.98414811224316],
            [-37.75565155437309, 144.99438539496475],
        ],
        "version": 1,
    },
    "angle": 0,
    "complexItemType": "survey",
    "entryLocation": 0,
    "flyAlternateTransects": False,
    "polygon": [
        [-37.75170619863631, 144.98414811224316],
        [-37.75170619863631, 144.99457681259048],
        [-37.75565155437309, 144.99457681259048],
    ],
    "type": "ComplexItem",
    "version": 4,
}

CORRIDOR = {
    "CorridorWidth": 50,
    "EntryPoint": 0,
    "TransectStyleComplexItem": SURVEY["TransectStyleComplexItem"],
    "complexItemType": "CorridorScan",
    "polyline": [[-37.75234887156983, 144.9893624624168], [-37.75491914850321, 144.9893624624168]],
    "type": "ComplexItem",
    "version": 2,
}

STRUCTURE = {
    "Altitude": 50,
    "CameraCalc": {
        "AdjustedFootprintFrontal": 25,
        "AdjustedFootprintSide": 25,
        "CameraName": "Manual (no camera specs)",
        "DistanceToSurface": 10,
        "DistanceToSurfaceRelative": True,
        "version": 1,
    },
    "Layers": 1,
    "StructureHeight": 25,
    "altitudeRelative": True,
    "complexItemType": "StructureScan",
    "polygon": [
        [-37.753184359536355, 144.98879374063998],
        [-37.753184359536355, 144.98979374063998],
        [-37.75408368012594, 144.98879374063998],
    ],
    "type": "ComplexItem",
    "version": 2,
}

FENCES = {
    "circles": [
        {
            "circle": {"center": [47.39756763610029, 8.544649762407738], "radius": 319.85},
            "inclusion": True,
            "version": 1,
        }
    ],
    "polygons": [
        {
            "inclusion": True,
            "polygon": [
                [47.39807773798406, 8.543834631785785],
                [47.39983519888905, 8.550024648373267],
                [47.39641100087146, 8.54499282423751],
                [47.395590322265186, 8.539435808992085],
            ],
            "version": 1,
        }
    ],
    "version": 2,
}

RALLY = {"points": [[47.39760401, 8.5509154, 50], [47.39902017, 8.54263274, 50]], "version": 2}

DOCUMENTED = plan(
    [
        simple(
            22,
            [15, 0, 0, None, 47.3985099, 8.5451002, 50],
            frame=3,
            AMSLAltAboveTerrain=None,
            Altitude=50,
            AltitudeMode=0,
            doJumpId=1,
        ),
        SURVEY,
        CORRIDOR,
        STRUCTURE,
    ],
    [47.3977419, 8.545594, 487.989],
    geoFence=FENCES,
    rallyPoints=RALLY,
)

PUBLISHED = {"mavsdk": MAVSDK_SAMPLE, "home base fence": HOME_BASE_FENCE, "developer guide": DOCUMENTED}

DEVGUIDE_WPL = (
    b"QGC WPL 110\n"
    b"0\t1\t0\t16\t0.149999999999999994\t0\t0\t0\t8.54800000000000004\t47.3759999999999977\t550\t1\n"
    b"1\t0\t0\t16\t0.149999999999999994\t0\t0\t0\t8.54800000000000004\t47.3759999999999977\t550\t1\n"
    b"2\t0\t0\t16\t0.149999999999999994\t0\t0\t0\t8.54800000000000004\t47.3759999999999977\t550\t1\n"
)


def as_bytes(document: dict[str, Any]) -> bytes:
    return json.dumps(document).encode()
