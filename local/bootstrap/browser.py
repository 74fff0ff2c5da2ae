"""Installs a browser for the tests."""

from __future__ import annotations

import ctypes.util
import os
import shutil
import subprocess

from local.bootstrap import SetupFailed
from local.bootstrap.steps import TRIES, run, say


def chromium() -> bool:
    """Install a browser, if this user may. Without one, the browser tests are skipped."""
    whole = bool(shutil.which("chromium") and ctypes.util.find_library("atomic"))
    if whole and shutil.which("chromium-headless-shell"):
        return False
    prefix = [] if os.geteuid() == 0 else ["sudo", "-n"]
    if not shutil.which("apt-get") or (prefix and not may_sudo()):
        if not whole:
            say("Chromium or libatomic is missing, and this user may not install it: browser tests")
            say("will be skipped. To run them: apt-get install chromium libatomic1")
        return False
    apt = [*prefix, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "--quiet=2"]
    apt += ["-oDPkg::Lock::Timeout=300", "-oAcquire::Retries=3"]
    install = [*apt, "--yes", "--no-install-recommends", "install"]
    run([*apt, "update"], "read Debian's package lists", tries=TRIES)
    if not whole:
        # Playwright's driver needs libatomic and does not bring it.
        packages = ["chromium", "fonts-liberation", "libatomic1"]
        run([*install, *packages], "install Debian's chromium", tries=TRIES)
    try:
        run([*install, "chromium-headless-shell"], "install Debian's chromium-headless-shell")
    except SetupFailed:
        say("There is no package chromium-headless-shell here: browser tests take longer.")
        return not whole
    return True


def may_sudo() -> bool:
    if not shutil.which("sudo"):
        return False
    asked = subprocess.run(["sudo", "-n", "true"], capture_output=True, timeout=30, check=False)
    return asked.returncode == 0
