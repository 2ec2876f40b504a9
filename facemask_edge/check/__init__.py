"""``facemask-edge check``, the doctor: tries all that the daemon needs, and says how each thing is and what to do."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from facemask_edge import __version__
from facemask_edge.check.accelerator import check_accelerator
from facemask_edge.check.broker import check_brokers
from facemask_edge.check.cameras import check_cameras
from facemask_edge.check.finding import Finding, State, ok, problem, secret_or_configuration, warning
from facemask_edge.check.machine import check_clock, check_outbox, check_secrets, check_temperature
from facemask_edge.check.models import check_models
from facemask_edge.check.page import check_page
from facemask_edge.check.rollout import check_rollout
from facemask_edge.check.service import check_daemon, check_places, is_running
from facemask_edge.check.snapshots import check_snapshots
from facemask_edge.check.switches import check_switches
from facemask_edge.check.told import is_current, newest, part
from facemask_edge.config_file import load_config
from facemask_edge.edge_tpu_devices import edge_tpu_devices
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
    findings = _examined(file, overrides)
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
    findings += [*found, *check_outbox(config), *check_clock(), *check_temperature(), *check_places(config)]
    findings += [*check_switches(config, device), *check_page(config), *check_snapshots(config)]
    findings += check_rollout(config)
    is_used = is_running(config)
    findings.append(check_daemon(is_used=is_used))
    brokers: list[Finding] = []
    health: dict[str, Any] | None = None
    try:
        brokers, kept = check_brokers(config)
        findings += brokers
        health = newest(kept)
    except ConfigError as error:
        findings.append(secret_or_configuration(error))
    told = health if is_used and health is not None and is_current(health, config.health.interval) else None
    if is_used and told is None:
        findings.append(_unheard(brokers))
    if fault := part(told or {}, "outbox").get("fault"):
        advice = "see its log; what is in memory is lost when the power is cut"
        findings.append(problem("outbox", f"the daemon keeps events in memory: {fault}", advice))
    if models is not None:
        accelerators = part(told or {}, "accelerator") if is_used else None
        findings.append(check_accelerator(config, accelerators, edge_tpu_devices()))
        findings += check_cameras(config, models, part(told or {}, "cameras") if is_used else None)
    return findings


def _unheard(brokers: Sequence[Finding]) -> Finding:
    """The daemon runs, and no broker has anything that it said lately."""
    answering = next((broker.subject for broker in brokers if broker.state is State.OK), None)
    if answering is None:
        advice = "see journalctl -u facemask-edge; without a broker nobody hears it"
        return warning("daemon", "it has not said for a while how it is", advice)
    # It may have been started with the password of yesterday.
    advice = "sudo systemctl restart facemask-edge, and see its log: journalctl -u facemask-edge"
    return problem("daemon", f"it is not connected to {answering}, which lets the doctor in", advice)


def _print(findings: Sequence[Finding]) -> None:
    console = Console(highlight=False)
    table = Table("", "", "", box=None, show_header=False, padding=(0, 1))
    for finding in findings:
        # Not as markup: an address may hold brackets.
        says = Text(finding.says)
        if finding.advice:
            says.append(f"\n→ {finding.advice}", style="dim")
        table.add_row(Text(finding.state, style=STYLES[finding.state]), Text(finding.subject), says)
    console.print(table)
    counts = {state: sum(finding.state is state for finding in findings) for state in State}
    problems, warnings = counts[State.PROBLEM], counts[State.WARNING]
    said = f"{problems} problem{'s' * (problems != 1)}, {warnings} warning{'s' * (warnings != 1)}"
    console.print(f"\n{said}" if problems or warnings else "\nall is well")
