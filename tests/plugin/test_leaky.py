"""The tests that the package's author would write."""

from __future__ import annotations

from fsm_icl.testing import ArchitectureContract
from tests.plugin.fsm_icl_leaky import LeakySpec


class TestLeaky(ArchitectureContract):
    variants = (LeakySpec(arch="leaky"), LeakySpec(arch="leaky", leak=0.9, residual=True, norm="rms"))
