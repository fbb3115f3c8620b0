"""The simulated wind farm: where its turbines stand, the weather, the camera; read and written as one scene file."""

from __future__ import annotations

from pathlib import Path

import yaml
from pydantic import Field, ValidationError

from contracts.errors import InvalidInput, NotFound
from contracts.geo import Enu, Frozen, GeoPoint, LocalFrame
from contracts.ids import AssetId, SiteId
from contracts.optics import CameraIntrinsics
from contracts.turbine import TurbineGeometry
from contracts.vocabulary import AssetKind

SITE_ORIGIN = GeoPoint(lat_deg=56.70, lon_deg=8.20, alt_m=45.0)
CAMERA_4K = CameraIntrinsics(width_px=3840, height_px=2160, focal_px=5120.0)
_FEET_M = (("wt-01", 0.0, 0.0), ("wt-02", 310.0, 140.0), ("wt-03", 655.0, 245.0))
_HOME_M = Enu(-38.0, -30.0, 0.0)


class Weather(Frozen):
    """Light and air over the site."""

    sun_azimuth_deg: float = 215.0
    sun_elevation_deg: float = Field(default=38.0, ge=0, le=90)
    sun_share: float = Field(default=0.5, ge=0, le=1, description="direct light over all light; 0 is overcast")
    cloud_cover: float = Field(default=0.45, ge=0, le=1)
    haze: float = Field(default=0.5, ge=0, le=1)


class Asset(Frozen):
    """One turbine of the farm and the place its drone starts from."""

    asset_id: AssetId
    name: str
    kind: AssetKind = AssetKind.WIND_TURBINE
    geometry: TurbineGeometry
    home: GeoPoint


class Scene(Frozen):
    """Everything that is fixed in a simulated world. Defects follow from the seed and the inspection number."""

    seed: int = Field(ge=0)
    site_id: SiteId = "site-north"
    site_name: str = "North coast"
    assets: tuple[Asset, ...] = Field(min_length=1)
    camera: CameraIntrinsics = CAMERA_4K
    weather: Weather = Weather()

    def asset(self, asset_id: str) -> Asset:
        """Return one asset.

        Raises:
            NotFound: no asset has this id.

        """
        for asset in self.assets:
            if asset.asset_id == asset_id:
                return asset
        known = ", ".join(a.asset_id for a in self.assets)
        raise NotFound(f"The scene has no asset {asset_id!r}.", hint=f"It has: {known}.", field="asset_id")


def default_scene(seed: int) -> Scene:
    """Return the demo's wind farm: three 850 kW turbines on the Danish west coast, rotors stopped."""
    frame = LocalFrame(SITE_ORIGIN)
    return Scene(seed=seed, assets=tuple(_asset(frame, *foot) for foot in _FEET_M))


def _asset(frame: LocalFrame, asset_id: str, east_m: float, north_m: float) -> Asset:
    foot = _at_ground(frame.to_geo(Enu(east_m, north_m, 0.0)))
    home = _at_ground(LocalFrame(foot).to_geo(_HOME_M))
    return Asset(asset_id=asset_id, name=asset_id.upper(), geometry=TurbineGeometry(foot=foot), home=home)


def _at_ground(point: GeoPoint) -> GeoPoint:
    return point.model_copy(update={"alt_m": SITE_ORIGIN.alt_m})


def load_scene(path: Path) -> Scene:
    """Read a scene from JSON or YAML.

    Raises:
        InvalidInput: the file is missing, is not JSON or YAML, or breaks the scene's rules.

    """
    try:
        return Scene.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (OSError, yaml.YAMLError, ValidationError) as error:
        raise InvalidInput(
            f"Cannot read the scene {path}: {error}", hint="Write one with `kestrel-sim scene --out DIR`."
        ) from error


def save_scene(scene: Scene, path: Path) -> None:
    """Write a scene as JSON."""
    path.write_text(scene.model_dump_json(indent=2) + "\n", encoding="utf-8")
