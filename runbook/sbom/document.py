"""A bill of materials as CycloneDX; the sole importer of its library. Pure."""

import uuid
from collections.abc import Sequence
from datetime import datetime

from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import LicenseExpression
from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.spdx import is_expression
from packageurl import PackageURL

from runbook.sbom.packages import Package

SUITE = "debian-13"


def document(image: str, image_id: str, made: datetime, packages: Sequence[Package]) -> str:
    """The same text for the same image: the serial number is of its ID, the time is when it was built."""
    name, _, tag = image.partition(":")
    root = Component(name=name, version=tag, type=ComponentType.CONTAINER, bom_ref=image_id)
    bom = Bom(
        components=[_component(one) for one in packages],
        serial_number=uuid.uuid5(uuid.NAMESPACE_OID, image_id),
        metadata=BomMetaData(component=root, timestamp=made),
    )
    bom.register_dependency(root, bom.components)
    return str(JsonV1Dot6(bom).output_as_string(indent=2)) + "\n"


def _component(package: Package) -> Component:
    url = _url(package)
    # A licence that is no SPDX expression is left out: a wrong one would be worse than none.
    licences = [LicenseExpression(package.licence)] if is_expression(package.licence) else []
    return Component(
        name=package.name,
        version=package.version,
        purl=url,
        bom_ref=url.to_string(),
        licenses=licences,
    )


def _url(package: Package) -> PackageURL:
    if package.kind == "deb":
        qualifiers = {"arch": package.architecture, "distro": SUITE}
        return PackageURL("deb", "debian", package.name, package.version, qualifiers)
    if package.kind == "golang":
        namespace, _, name = package.name.rpartition("/")
        return PackageURL("golang", namespace or None, name, package.version)
    return PackageURL(package.kind, None, package.name, package.version)
