"""Makes the bucket of MLflow's files if it is not there; runs once, before MLflow.

Reads ``S3_BUCKET``, ``MLFLOW_S3_ENDPOINT_URL`` and boto3's own ``AWS_*`` variables. Needs boto3
only, which the image of the MLflow server has.
"""

from __future__ import annotations

import os
import sys
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

# A server that is healthy answers at once; the retries bridge a slow start.
_CONFIG = Config(
    connect_timeout=5,
    read_timeout=20,
    retries={"max_attempts": 6, "mode": "standard"},
    s3={"addressing_style": "path"},
)
_ABSENT = {"404", "NoSuchBucket", "NotFound"}
# Another start of this script was quicker.
_THERE = {"BucketAlreadyOwnedByYou"}


def make_bucket(name: str, endpoint: str) -> str:
    """Make the bucket unless it is there, and say which of both.

    Raises
    ------
    botocore.exceptions.ClientError
        If the server refuses; also if the bucket belongs to somebody else.
    botocore.exceptions.BotoCoreError
        If the server cannot be reached or the keys are missing.
    """
    client = boto3.client("s3", endpoint_url=endpoint, config=_CONFIG)
    try:
        client.head_bucket(Bucket=name)
    except ClientError as error:
        if error.response["Error"]["Code"] not in _ABSENT:
            raise
    else:
        return f"bucket {name} is there"
    region = client.meta.region_name
    # The first region is the one that may not be named.
    where: Any = (
        {}
        if region == "us-east-1"
        else {"CreateBucketConfiguration": {"LocationConstraint": region}}
    )
    try:
        client.create_bucket(Bucket=name, **where)
    except ClientError as error:
        if error.response["Error"]["Code"] not in _THERE:
            raise
        return f"bucket {name} is there"
    return f"bucket {name} is made"


def main() -> int:
    """Run with the environment; 0 if the bucket is there afterwards."""
    name, endpoint = os.environ["S3_BUCKET"], os.environ["MLFLOW_S3_ENDPOINT_URL"]
    try:
        said = make_bucket(name, endpoint)
    except (BotoCoreError, ClientError) as error:
        advice = "Look at S3_ENDPOINT and at dur/secrets/mlflow/s3_*; docs/deployment.md."
        print(f"Bucket {name} at {endpoint}: {error}. {advice}", file=sys.stderr)
        return 1
    print(f"{said} ({endpoint})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
