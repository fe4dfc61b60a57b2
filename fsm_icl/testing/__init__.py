"""What every architecture and every task family must keep, as test classes that its author inherits. Needs pytest.

architectures.py  ArchitectureContract
tasks.py          TaskContract
"""

from fsm_icl.testing.architectures import ArchitectureContract
from fsm_icl.testing.tasks import TaskContract

__all__ = ["ArchitectureContract", "TaskContract"]
