"""The native probe, compiled once a run and flavour; processes that end with their test."""

import subprocess
from pathlib import Path

import pytest
from driver_bench import vendor
from hypothesis import HealthCheck, settings

from kiosk.drivers.driver import Driver
from kiosk.drivers.host import DriverProcess

HERE = Path(__file__).parent
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")  # a busy machine is no failure


@pytest.fixture(scope="session")
def native(tmp_path_factory):
    """native(*macros) → the library's bytes."""
    built = {}

    def build(*macros):
        if macros not in built:
            library = tmp_path_factory.mktemp("native") / "libprb.so"
            flags = ["-O1", "-Wall", "-Wextra", "-Werror", "-fPIC", "-shared", *(f"-D{macro}" for macro in macros)]
            subprocess.run(["gcc", *flags, "-o", library, HERE / "prb.c"], check=True)
            built[macros] = library.read_bytes()
        return built[macros]

    return build


@pytest.fixture
def started(tmp_path):
    """started(image, lend_line=None, **manifest) → a DriverProcess, closed at the end."""
    processes = []

    def start(image, lend_line=None, **changes):
        if isinstance(image, bytes):
            changes = {"kind": "native"} | changes
        manifest = vendor(tmp_path / f"prb{len(processes)}", image, **changes)
        processes.append(DriverProcess(manifest, lend_line))
        return processes[-1]

    yield start
    for process in processes:
        process.close()


@pytest.fixture
def driven(tmp_path):
    """driven(image, password="", **manifest) → a Driver, closed at the end."""
    drivers = []

    def drive(image, password="", **changes):
        if isinstance(image, bytes):
            changes = {"kind": "native"} | changes
        drivers.append(Driver(vendor(tmp_path / f"prb{len(drivers)}", image, **changes), password))
        return drivers[-1]

    yield drive
    for driver in drivers:
        driver.close()
