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
# our name for it -> folder in node_modules that is served, and the endings that may leave it.
PACKAGES = {
    "maplibre-gl": ("maplibre-gl/dist", (".mjs", ".css")),
    "pmtiles": ("pmtiles/dist", ("pmtiles.js",)),
    "uplot": ("uplot/dist", (".esm.js", ".css")),
    "pretendard": ("pretendard/dist/web/variable", (".css", ".woff2")),
    "inter": (
        "@fontsource-variable/inter",
        (".css", ".woff2"),
    ),  # the accents Pretendard's subsets lack; its Latin is Inter
}
FOREVER = "public, max-age=31536000, immutable"
# The map's worker is held to the policy of its own file, not to that of the page which starts it.
POLICY = "default-src 'none'; script-src 'self'; connect-src 'self'; frame-ancestors 'none'"
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
    for name, (folder, _) in PACKAGES.items():
        parts = folder.split("/")
        file = node_modules.joinpath(*parts[: 2 if folder.startswith("@") else 1], "package.json")
        if file.exists():
            version = json.loads(file.read_text(encoding="utf-8"))["version"]
            found[name] = f"/assets/npm/{name}@{version}/"
    return found


def find_own(path: str) -> Path | None:
    """One of our files."""
    return _find(OWN.resolve(), path)


def find_package_file(node_modules: Path, package: str, path: str) -> Path | None:
    """A file of an installed package, if it may be served."""
    if package not in PACKAGES:
        return None
    folder, endings = PACKAGES[package]
    return _find((node_modules / folder).resolve(), path) if path.endswith(endings) else None


def _find(root: Path, path: str) -> Path | None:
    """The file below this folder."""
    try:
        file = (root / path).resolve()
        return file if file.is_relative_to(root) and file.is_file() else None
    except (OSError, ValueError):  # a name too long for a file, or with a NUL in it
        return None


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
    headers = {"cache-control": FOREVER, "x-content-type-options": "nosniff", "content-security-policy": POLICY}
    return FileResponse(file, headers=headers)
