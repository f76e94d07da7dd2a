"""Real servers and our services as processes of one machine, without containers.

This room promises: what it starts is pinned, verified and on loopback; ready means that a real request was answered; `stop` ends all it
started and nothing else; after a crash of the launcher the next start ends what was left; a complete cache needs no network.
"""

from devstack.cancellation import Cancellation, Cancelled
from devstack.install import spark_jars
from devstack.servers import SERVERS
from devstack.services import SERVICES
from devstack.stack import Simulation, Stack

__all__ = ["SERVERS", "SERVICES", "Cancellation", "Cancelled", "Simulation", "Stack", "spark_jars"]
