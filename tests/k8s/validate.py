"""Holds each object of a rendered file against the schema of its kind, in the oldest and the newest
version of Kubernetes that we say we run on. A kind without a schema is a failure, not a warning.

usage: validate.py FILE CUSTOM_KINDS_SCRIPT"""

import json
import subprocess
import sys

import kubernetes_validate
import yaml

CUSTOM_GROUPS = ["gateway.networking.k8s.io"]
VERSIONS = ["1.32", kubernetes_validate.latest_version()]


def memory_faults(objects: list) -> list:
    """The gateway sheds sessions well before the kernel ends it for its memory."""
    by_name = {(o["kind"], o["metadata"]["name"]): o for o in objects}
    container = by_name["Deployment", "inkwire"]["spec"]["template"]["spec"]["containers"][0]
    limit = container["resources"]["limits"]["memory"]
    bytes_max = int(by_name["ConfigMap", "inkwire"]["data"]["INKWIRE_MEMORY_BYTES_MAX"])
    if not limit.endswith("Gi") or bytes_max > int(limit.removesuffix("Gi")) * 2**30 * 3 // 4:
        return [f"INKWIRE_MEMORY_BYTES_MAX {bytes_max} is too near to the limit of memory, {limit}"]
    return []


def main(path: str, custom_kinds: str) -> int:
    with open(path, encoding="utf-8") as file:
        objects = [document for document in yaml.safe_load_all(file) if document]
    if not objects:
        print(f"{path}: nothing was rendered")
        return 1
    faults = []
    custom = []
    for document in objects:
        name = f"{document['kind']} {document['metadata']['name']}"
        if document["apiVersion"].split("/")[0] in CUSTOM_GROUPS:
            custom.append(document)
            continue
        for version in VERSIONS:
            try:
                kubernetes_validate.validate(document, version, strict=True)
            except kubernetes_validate.ValidationError as error:
                where = ".".join(str(part) for part in error.path)
                faults.append(f"{name}, Kubernetes {version}: {where}: {error.message}")
            except kubernetes_validate.SchemaNotFoundError as error:
                faults.append(f"{name}, Kubernetes {version}: no schema: {error}")
    if custom:
        run = subprocess.run(
            ["node", custom_kinds], input=json.dumps(custom), text=True, capture_output=True, check=False
        )
        if run.returncode != 0:
            faults.append(run.stdout + run.stderr)
    faults += memory_faults(objects)
    for fault in faults:
        print(fault)
    print(f"{path.rsplit('/', 1)[-1]}: {len(objects)} objects, {len(faults)} faults, "
          f"against Kubernetes {' and '.join(VERSIONS)}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
