from typing import Any

from dash.development.base_component import Component

class MantineProvider(Component):
    def __init__(self, children: Any = ..., **properties: Any) -> None: ...

class ActionIcon(Component):
    def __init__(self, children: Any = ..., **properties: Any) -> None: ...

class SegmentedControl(Component):
    def __init__(self, **properties: Any) -> None: ...
