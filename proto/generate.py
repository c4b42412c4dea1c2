"""Generates payflow/v1 and its descriptor set from the .proto files.

``generate.py`` writes what changed and deletes what no .proto file gives any more;
``generate.py --check`` writes nothing and exits 1 when it would have.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from google.protobuf.descriptor_pb2 import FileDescriptorSet
from grpc_tools import protoc

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = Path("payflow/v1")
HAND_WRITTEN = {"__init__.py"}
DESCRIPTOR_SET = PACKAGE / "payflow.protoset"


def main(arguments: list[str]) -> int:
    """Brings payflow/v1 up to date, or with ``--check`` only says whether it is."""
    if arguments not in ([], ["--check"]):
        print("usage: generate.py [--check]", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as directory:
        generate(Path(directory))
        wanted = _contents(Path(directory) / PACKAGE)
    present = _contents(ROOT / PACKAGE)
    stale = sorted(name for name in wanted | present if wanted.get(name) != present.get(name))
    if arguments == ["--check"]:
        for name in stale:
            print(f"{PACKAGE / name} does not match proto/{PACKAGE}: run `make proto`", file=sys.stderr)
        return 1 if stale else 0
    _replace(stale, wanted)
    return 0


def generate(output: Path) -> None:
    """Writes the stubs and the descriptor set below ``output``; raises SystemExit on a bad .proto file."""
    (output / PACKAGE).mkdir(parents=True)
    sources = sorted(
        str(path.relative_to(ROOT / "proto")) for path in (ROOT / "proto" / PACKAGE).glob("*.proto")
    )
    descriptor_set = output / DESCRIPTOR_SET
    _protoc(sources, f"--descriptor_set_out={descriptor_set}", "--include_imports", "--include_source_info")
    _protoc(sources, f"--python_out={output}", f"--mypy_out=quiet:{output}")
    with_services = [
        file.name
        for file in FileDescriptorSet.FromString(descriptor_set.read_bytes()).file
        if file.name in sources and file.service
    ]
    _protoc(with_services, f"--grpc_python_out={output}", f"--mypy_grpc_out=quiet:{output}")


def _protoc(sources: list[str], *options: str) -> None:
    plugins = Path(sys.executable).parent
    status = protoc.main(
        [
            "protoc",
            f"-I{ROOT / 'proto'}",
            *(f"-I{path}" for path in _include_paths()),
            f"--plugin=protoc-gen-mypy={plugins / 'protoc-gen-mypy'}",
            f"--plugin=protoc-gen-mypy_grpc={plugins / 'protoc-gen-mypy_grpc'}",
            *options,
            *sources,
        ]
    )
    if status != 0:
        raise SystemExit(status)


def _include_paths() -> list[Path]:
    """Where google/protobuf (grpcio-tools) and google/api (googleapis-common-protos) are."""
    api = find_spec("google.api")
    assert api is not None and api.submodule_search_locations is not None
    return [
        Path(protoc.__file__).parent / "_proto",
        *(Path(location).parent.parent for location in api.submodule_search_locations),
    ]


def _contents(directory: Path) -> dict[str, bytes]:
    return {
        path.name: path.read_bytes()
        for path in directory.iterdir()
        if path.is_file() and path.name not in HAND_WRITTEN
    }


def _replace(stale: list[str], wanted: Mapping[str, bytes]) -> None:
    for name in stale:
        path = ROOT / PACKAGE / name
        if name in wanted:
            path.write_bytes(wanted[name])
            print(f"wrote {PACKAGE / name}")
        else:
            path.unlink()
            print(f"deleted {PACKAGE / name}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
