"""Networks of routers: where ports are attached, which way each flow goes, and that no flow can wait for itself."""

from .graph import Channel, Flow, Network, Path
from .planner import plan_network

__all__ = ["Channel", "Flow", "Network", "Path", "plan_network"]
