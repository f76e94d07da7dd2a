"""Karney's geodesics on an ellipsoid."""

class Geodesic:
    WGS84: Geodesic
    DISTANCE: int
    def Inverse(self, lat1: float, lon1: float, lat2: float, lon2: float, outmask: int = ...) -> dict[str, float]: ...
