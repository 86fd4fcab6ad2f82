"""The programs start on systems that lack what only Unix has."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
WITHOUT_UNIX = """
import builtins, importlib, pkgutil

UNIX = {"crypt", "fcntl", "grp", "posix", "pty", "pwd", "resource", "syslog", "termios", "tty"}
PACKAGES = ("iprnn_tf", "programs", "trainers", "export")
find = builtins.__import__

def find_as_on_windows(name, globals=None, *rest, **options):
    ours = (globals or {}).get("__name__", "").startswith(PACKAGES)
    if ours and name in UNIX:
        raise ImportError(f"no {name} on Windows")
    return find(name, globals, *rest, **options)

builtins.__import__ = find_as_on_windows
count = 0
for package in map(importlib.import_module, PACKAGES):
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        importlib.import_module(module.name)
        count += 1
print(count)
"""


def test_no_module_needs_what_only_unix_has_to_be_imported():
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_UNIX], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 100
