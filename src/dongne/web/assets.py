"""Files for browsers: our own from `static/`, others' straight from node_modules, and only those that are listed."""

import hashlib
import json
import mimetypes
from functools import cache
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, Response

OWN = Path(__file__).parent / "static"
# package -> folder inside it, and the endings that may leave it.
PACKAGES = {
    "maplibre-gl": ("dist", (".mjs", ".css")),
    "uplot": ("dist", (".esm.js", ".css")),
    "pretendard": ("dist/web/variable", (".css", ".woff2")),
}
FOREVER = "public, max-age=31536000, immutable"
mimetypes.add_type("text/javascript", ".mjs")
mimetypes.add_type("font/woff2", ".woff2")


@cache
def _own_version() -> str:
    digest = hashlib.sha256()
    for file in sorted(OWN.rglob("*")):
        if file.is_file():
            digest.update(file.name.encode() + file.read_bytes())
    return digest.hexdigest()[:12]


def own_url(path: str) -> str:
    """The address of one of our files; it changes whenever any of them does."""
    return f"/assets/{_own_version()}/{path}"


@cache
def packages(node_modules: Path) -> dict[str, str]:
    """The address of each package's folder, for those that are installed."""
    found = {}
    for name in PACKAGES:
        file = node_modules / name / "package.json"
        if file.exists():
            version = json.loads(file.read_text(encoding="utf-8"))["version"]
            found[name] = f"/assets/npm/{name}@{version}/"
    return found


def find_own(path: str) -> Path | None:
    """One of our files."""
    file = (OWN / path).resolve()
    return file if file.is_file() and file.is_relative_to(OWN.resolve()) else None


def find_package_file(node_modules: Path, package: str, path: str) -> Path | None:
    """A file of an installed package, if it may be served."""
    if package not in PACKAGES:
        return None
    folder, endings = PACKAGES[package]
    root = (node_modules / package / folder).resolve()
    file = (root / path).resolve()
    allowed = path.endswith(endings) and file.is_relative_to(root)
    return file if allowed and file.is_file() else None


def serve_own(request: Request) -> Response:
    """GET /assets/<version>/<path>."""
    return _send(find_own(request.path_params["path"]))


def serve_package(request: Request) -> Response:
    """GET /assets/npm/<package>@<version>/<path>."""
    node_modules: Path = request.app.state.context.node_modules
    package = request.path_params["package"].rpartition("@")[0]
    return _send(find_package_file(node_modules, package, request.path_params["path"]))


def _send(file: Path | None) -> Response:
    if file is None:
        raise HTTPException(404)
    return FileResponse(file, headers={"cache-control": FOREVER, "x-content-type-options": "nosniff"})
