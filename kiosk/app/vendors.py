"""The vendors served here: their drivers with their secrets out of the vault, and how they describe themselves."""

from __future__ import annotations

import logging
import tomllib
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from kiosk.drivers.driver import Driver
from kiosk.drivers.host import LendLine
from kiosk.drivers.registry import Registry, vendor_of
from kiosk.model.card import Vendor
from kiosk.model.errors import ConfigFault, KioskError

log = logging.getLogger(__name__)


def open_drivers(
    vault: Path, registry: Registry, lend_line: LendLine | None, sent: Mapping[str, str] | None = None
) -> dict[str, Driver]:
    """One driver a vendor, by code, not started yet. ConfigFault F-701 where a secret is missing.

    ``sent``: secrets that head office sealed to this terminal; they go before the vault's.
    """
    secrets = {"": "", **_vendor_secrets(vault), **(sent or {})}
    lacking = [m.sale.password for m in registry.manifests if m.sale.password not in secrets]
    if lacking:
        raise ConfigFault("F-701", f"vendors' secrets {vault}: {', '.join(lacking)} is missing")
    return {m.vendor.code: Driver(m, secrets[m.sale.password], lend_line) for m in registry.manifests}


def with_secrets(vault: Path, registry: Registry, sent: Mapping[str, str]) -> Registry:
    """The vendors whose secret is here; head office may still send the others'. Raises ConfigFault F-701."""
    here = {"", *_vendor_secrets(vault), *sent}
    for manifest in registry.manifests:
        if manifest.sale.password not in here:
            log.error("vendor %s is not served yet: its secret has not come", manifest.vendor.abbr)
    return Registry(tuple(manifest for manifest in registry.manifests if manifest.sale.password in here))


def describe_all(registry: Registry, drivers: Mapping[str, Driver]) -> dict[str, Vendor]:
    """Each vendor as its driver describes itself; one that cannot now is asked again when a card of it is put in."""
    for driver in drivers.values():
        with suppress(KioskError):  # it says so again when it is asked
            driver.process.prepare()  # all at once: they start side by side
    vendors = {}
    for manifest in registry.manifests:
        code = manifest.vendor.code
        try:
            vendors[code] = vendor_of(manifest, drivers[code].describe())
        except KioskError as error:
            log.error("vendor %s cannot be served: %s", manifest.vendor.abbr, error)
    return vendors


def opened_secrets(content: bytes) -> dict[str, str]:
    """Secrets that were sealed: TOML like the vault. Raises ConfigFault F-715; never with what stands in it."""
    try:
        table = tomllib.loads(content.decode())
    except ValueError:
        raise ConfigFault("F-715", "the sealed secrets are not TOML") from None
    return {str(name): str(secret) for name, secret in table.items()}


def _vendor_secrets(path: Path) -> dict[str, str]:
    try:
        if path.stat().st_mode & 0o077:
            raise ConfigFault("F-701", f"{path} may be read by others; chmod 600")
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not TOML"  # never the content
        raise ConfigFault("F-701", f"vendors' secrets {path}: {reason}") from None
    return {str(name): str(secret) for name, secret in table.items()}
