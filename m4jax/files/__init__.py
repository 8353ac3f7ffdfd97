"""Files that are whole or absent, and what they were: atomic writes, checksums, JSON."""

from m4jax.files.contents import (
    digest,
    fingerprint,
    fingerprint_folder,
    fingerprint_stream,
    sha256,
)
from m4jax.files.lines import (
    append_jsonl,
    read_jsonl,
    write_jsonl,
)
from m4jax.files.sealed import (
    MANIFEST,
    intact,
    read_json,
    read_sealed,
    seal_file,
    sealed_file,
    write_json,
    write_manifest,
    write_sealed,
)
from m4jax.files.writing import (
    atomic,
    locked,
    new_directory,
    sweep,
    write_text,
)

__all__ = [
    "MANIFEST",
    "append_jsonl",
    "atomic",
    "digest",
    "fingerprint",
    "fingerprint_folder",
    "fingerprint_stream",
    "intact",
    "locked",
    "new_directory",
    "read_json",
    "read_jsonl",
    "read_sealed",
    "seal_file",
    "sealed_file",
    "sha256",
    "sweep",
    "write_json",
    "write_jsonl",
    "write_manifest",
    "write_sealed",
    "write_text",
]
