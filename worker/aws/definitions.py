"""The SDK's descriptions of services and endpoints, without what no call here needs.

botocore reads them from JSON files when the first client of a service is made, and keeps them as long as the process
lives: about 10 MiB, most of it documentation and the endpoints of services that nobody here calls (ADR 0030).
"""

import gzip
import json
from pathlib import Path
from typing import Any

from aiobotocore.session import AioSession
from botocore.loaders import JSONFileLoader

_ENDPOINTS_OF = frozenset({"dynamodb", "events", "oidc", "portal.sso", "s3", "sqs", "states", "sts"})
"""Endpoint prefixes of what the commands call, and of what the SDK asks for credentials. A service that is missing
would get its partition's usual host name, which is right for nearly all of them."""


class _LeanFiles(JSONFileLoader):
    """botocore's file loader with plain dictionaries, no documentation and few endpoints."""

    def load_file(self, file_path: str) -> Any:
        """The content of the file with that path and `.json` or `.json.gz` at its end; None when there is none."""
        for suffix, read in ((".json", Path.read_bytes), (".json.gz", _unzip)):
            path = Path(file_path + suffix)
            if path.is_file():
                content = json.loads(read(path), object_hook=_without_documentation)
                return _with_few_endpoints(content) if Path(file_path).name == "endpoints" else content
        return None


def _unzip(path: Path) -> bytes:
    return gzip.decompress(path.read_bytes())


def _without_documentation(part: dict[str, Any]) -> dict[str, Any]:
    # Emptied, not deleted: some of botocore's own code wants it to be there. A member of that name is no text.
    if isinstance(part.get("documentation"), str):
        part["documentation"] = ""
    return part


def _with_few_endpoints(content: dict[str, Any]) -> dict[str, Any]:
    for partition in content["partitions"]:
        services = partition["services"]
        partition["services"] = {name: services[name] for name in services.keys() & _ENDPOINTS_OF}
    return content


def load_lean(session: AioSession) -> None:
    """Have `session` leave out from now on what no call here needs."""
    session.get_component("data_loader").file_loader = _LeanFiles()
