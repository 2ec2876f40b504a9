"""``facemask-edge check``, the doctor: tries all that the daemon needs, and says how each thing is and what to do."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from facemask_edge import __version__
from facemask_edge.check.broker import check_brokers
from facemask_edge.check.cameras import check_cameras
from facemask_edge.check.finding import Finding, State, ok, problem
from facemask_edge.check.machine import (
    check_clock,
    check_outbox,
    check_secrets,
    check_temperature,
    is_running,
)
from facemask_edge.check.models import check_models
from facemask_edge.config import load_config
from facemask_edge.errors import ConfigError, ServiceError

SCHEMA = "facemask-edge/check/1"
STYLES = {State.OK: "green", State.WARNING: "yellow", State.PROBLEM: "bold red"}
CONFIG_SUBJECTS = {"configuration", "model"}


def check(file: Path | None, overrides: Sequence[str], *, as_json: bool) -> int:
    """Try everything and print what was found.

    Args:
        file: The configuration; None takes the defaults.
        overrides: As ``load_config``.
        as_json: Print JSON instead of a table.

    Returns:
        The exit code: 0 without a problem, 78 where the configuration or a model is one, else 69.
    """
    findings = list(_examined(file, overrides))
    if as_json:
        shown = {"schema": SCHEMA, "version": __version__, "findings": [asdict(finding) for finding in findings]}
        print(json.dumps(shown, indent=1))  # noqa: T201 - the result
    else:
        _print(findings)
    problems = {finding.subject for finding in findings if finding.state is State.PROBLEM}
    if not problems:
        return 0
    return ConfigError.exit_code if problems & CONFIG_SUBJECTS else ServiceError.exit_code


def _examined(file: Path | None, overrides: Sequence[str]) -> list[Finding]:
    try:
        config = load_config(file, overrides)
        device = config.device_name
    except ConfigError as error:
        return [problem("configuration", str(error), "correct it")]
    findings = [ok("configuration", f"{file or 'the defaults'}, device {device}"), *check_secrets(config, file)]
    found, models = check_models(config)
    findings += [*found, *check_outbox(config), *check_clock(), *check_temperature()]
    health, is_used = None, is_running(config)
    findings.append(ok("daemon", "runs") if is_used else ok("daemon", "does not run now"))
    try:
        brokers, health = check_brokers(config)
        findings += brokers
    except ConfigError as error:
        findings.append(problem("configuration", str(error), "correct it"))
    if models is not None:
        told = (health or {}).get("cameras", {}) if is_used else None
        findings += check_cameras(config, models, told if isinstance(told, dict) or told is None else {})
    return findings


def _print(findings: Sequence[Finding]) -> None:
    console = Console(highlight=False)
    table = Table("", "", "", box=None, show_header=False, padding=(0, 1))
    for finding in findings:
        says = Text(finding.says)
        if finding.advice:
            says.append(f"\n→ {finding.advice}", style="dim")
        table.add_row(Text(finding.state, style=STYLES[finding.state]), finding.subject, says)
    console.print(table)
    counts = {state: sum(finding.state is state for finding in findings) for state in State}
    problems, warnings = counts[State.PROBLEM], counts[State.WARNING]
    said = f"{problems} problem{'s' * (problems != 1)}, {warnings} warning{'s' * (warnings != 1)}"
    console.print(f"\n{said}" if problems or warnings else "\nall is well")
