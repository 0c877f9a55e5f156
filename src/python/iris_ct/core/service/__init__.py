"""Services and the packages they serve: names, weights, instances, and changes of them.

A service answers at one address with one model or with two of them by weights. Its models are those
trained here, or packages that were onboarded. Nothing here knows how a service is run.
"""

from iris_ct.core.service.change import Change, changed
from iris_ct.core.service.instances import Autoscaling, Metric, instances_of
from iris_ct.core.service.json_form import (
    change_from_json,
    change_to_json,
    service_from_json,
    service_to_json,
)
from iris_ct.core.service.names import (
    CHAMPION,
    UNKNOWN,
    ModelRef,
    check_description,
    check_domain,
    check_package_id,
    check_service_name,
    check_version,
    parse_references,
)
from iris_ct.core.service.package import (
    STATEFUL,
    Author,
    Package,
    PackageStatus,
    public_key_digest,
)
from iris_ct.core.service.service import Branch, Service, ServiceType, make_service, service_words
from iris_ct.core.service.weights import parse_weights, say_weights, weights_for

__all__ = [
    "CHAMPION",
    "STATEFUL",
    "UNKNOWN",
    "Author",
    "Autoscaling",
    "Branch",
    "Change",
    "Metric",
    "ModelRef",
    "Package",
    "PackageStatus",
    "Service",
    "ServiceType",
    "change_from_json",
    "change_to_json",
    "changed",
    "check_description",
    "check_domain",
    "check_package_id",
    "check_service_name",
    "check_version",
    "instances_of",
    "make_service",
    "parse_references",
    "parse_weights",
    "public_key_digest",
    "say_weights",
    "service_from_json",
    "service_to_json",
    "service_words",
    "weights_for",
]
