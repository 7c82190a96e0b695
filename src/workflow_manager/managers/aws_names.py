"""
What AWS services, their operations and their errors are called: in ASL, in the AWS SDKs, and in an error's name.

Sources: AWS, "Integrating services with Step Functions" (aws-sdk resources are named as in the AWS SDK for Java 2.x,
optimised ones fail with the names of the AWS SDK for Java 1.x).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

_OTHER_NAMES = {
    "applicationdiscovery": "discovery",
    "cloudwatchlogs": "logs",
    "cognitoidentityprovider": "cognito-idp",
    "config": "config",
    "costandusagereport": "cur",
    "costexplorer": "ce",
    "databasemigration": "dms",
    "directory": "ds",
    "directoryservicedata": "ds-data",
    "elasticloadbalancing": "elb",
    "elasticloadbalancingv2": "elbv2",
    "elasticsearch": "es",
    "eventbridge": "events",
    "iotdataplane": "iot-data",
    "iotjobsdataplane": "iot-jobs-data",
    "lexmodelbuilding": "lex-models",
    "lexmodelsv2": "lexv2-models",
    "lexruntime": "lex-runtime",
    "lexruntimev2": "lexv2-runtime",
    "marketplaceentitlement": "marketplace-entitlement",
    "marketplacemetering": "meteringmarketplace",
    "migrationhub": "mgh",
    "serverlessapplicationrepository": "serverlessrepo",
    "sfn": "stepfunctions",
    "simpledb": "sdb",
    "states": "stepfunctions",
}
"""Services whose clients are called otherwise in boto3, and not only by hyphens."""

_VENDORS = ("Amazon ", "AWS ")
_TOO_SHORT = ("AWS SFN",)

_VERSION = re.compile(r"(?<=[A-Z]{2})v(?=\d)")
_BOUNDARY = re.compile(r"(?<=[a-z])(?=[A-Z][A-Za-z0-9])|(?<=[A-Z])(?=[A-Z][a-z])|(?<=\d)(?=[A-Za-z])|[^A-Za-z0-9]+")


def normal(name: str) -> str:
    """*name* in lower case, letters and digits only, without a closing "service": ``costandusagereport``."""
    return re.sub(r"[^a-z0-9]", "", name.lower()).removesuffix("service")


def client_name(service: str, available: Collection[str]) -> str | None:
    """
    The client among boto3's *available* names that *service* means, the part of an ASL resource that names it.

    ``cloudwatchlogs`` is ``logs``, ``acmpca`` is ``acm-pca``; ``None`` if there is none.
    """
    if service in available:
        return service
    wanted = normal(service)
    known = _OTHER_NAMES.get(wanted)
    if known in available:
        return known
    return next((name for name in available if normal(name) == wanted), None)


def sdk_name(service_id: str) -> str:
    """A service as the AWS SDK for Java 2.x names its classes: ``DynamoDb``, ``Sfn``, ``SecretsManager``."""
    words = _BOUNDARY.split(_VERSION.sub(" V", service_id))
    return "".join(word[:1].upper() + word[1:].lower() for word in words)


def exception_name(shape: str) -> str:
    """The class that an error shape becomes in the AWS SDKs for Java: ``NoSuchBucket`` is NoSuchBucketException."""
    return shape.removesuffix("Fault").removesuffix("Exception") + "Exception"


def full_title(metadata: Mapping[str, str]) -> str:
    """The service's own title with its vendor, out of the *metadata* of its model: ``Amazon DynamoDB``."""
    titles = [metadata.get("serviceAbbreviation", ""), metadata.get("serviceFullName", "")]
    full = [title for title in titles if title.startswith(_VENDORS) and title not in _TOO_SHORT]
    return full[0] if full else titles[1]


def short_title(title: str) -> str:
    """*title* without its vendor and without spaces, as optimised integrations' errors begin: ``StepFunctions``."""
    for vendor in _VENDORS:
        title = title.removeprefix(vendor)
    return title.replace(" ", "")


def first_upper(name: str) -> str:
    """*name* with its first letter in upper case, as ASL writes members and the SDKs operations."""
    return name[:1].upper() + name[1:]
