import ssl
from collections.abc import Mapping, Sequence
from typing import Any

from cassandra.auth import AuthProvider
from cassandra.policies import LoadBalancingPolicy
from cassandra.query import PreparedStatement, ResultSet

EXEC_PROFILE_DEFAULT: object

class NoHostAvailable(Exception):
    def __init__(self, message: str, errors: Mapping[Any, Exception] | Sequence[Exception]) -> None: ...
    errors: Mapping[Any, Exception] | Sequence[Exception]

class ExecutionProfile:
    def __init__(self, load_balancing_policy: LoadBalancingPolicy, *, consistency_level: int, request_timeout: float) -> None: ...

class Metadata:
    def all_hosts(self) -> list[Any]: ...

class Session:
    def execute(self, query: str | PreparedStatement, parameters: Sequence[Any] | None = None) -> ResultSet: ...
    def prepare(self, query: str) -> PreparedStatement: ...

class Cluster:
    metadata: Metadata
    def __init__(
        self,
        contact_points: Sequence[str],
        port: int,
        *,
        auth_provider: AuthProvider | None,
        ssl_context: ssl.SSLContext | None,
        protocol_version: int,
        execution_profiles: Mapping[object, ExecutionProfile],
        application_name: str,
        monitor_reporting_enabled: bool,
    ) -> None: ...
    def __enter__(self) -> Cluster: ...
    def __exit__(self, *details: object) -> None: ...
    def connect(self, keyspace: str | None = None) -> Session: ...
    def shutdown(self) -> None: ...
