"""What a report says: its figures in their order, and everything else that its template names."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from stress.report import fans as retracing
from stress.report.figure import Figure, Table
from stress.report.figures import joint, losses, payers, sure, through_time, why
from stress.report.headline import headline
from stress.report.subject import Subject

ASKED_NOT_TO = "the report was made without them (--no-fans)"


def contents(subject: Subject, fans: bool, threads: int) -> tuple[dict[str, Figure], dict[str, Any]]:
    """The figures by key, and the values of the template `report.html`."""
    traced, without = _through_time(subject, fans, threads)
    made = [
        losses.losses(subject),
        losses.heat(subject),
        losses.exceedance(subject),
        payers.waterfall(subject),
        payers.funds(subject),
        joint.together(subject),
        joint.pairs(subject),
        *traced,
        why.amplification(subject),
        why.sellers(subject),
        why.at_rest(subject),
        sure.convergence(subject),
    ]
    figures = by_key(made)
    values = {
        "title": str(subject.attrs.get("title") or subject.one.scenario.item()),
        "question": str(subject.attrs.get("question") or ""),
        "name": str(subject.one.scenario.item()),
        "given": str(subject.attrs.get("conditional_on") or ""),
        "headline": headline(subject),
        "through_time": [figure.key for figure in traced],
        "without_time": without,
        "one_shard": subject.folder is not None and "convergence" not in figures,
        "no_shards": subject.folder is None,
        "statuses": statuses(subject),
        "warnings": warnings(subject),
        "resolved": subject.resolved,
        "provenance": provenance(subject),
        "sources": sources(subject),
        "commands": commands(subject),
        "references": [str(entry) for entry in (subject.config.get("about") or {}).get("references") or []],
        "confidence": subject.confidence_name,
        "n_path": subject.n_path,
    }
    return figures, values


def by_key(figures: Iterable[Figure | None]) -> dict[str, Figure]:
    """Those that there are."""
    return {figure.key: figure for figure in figures if figure is not None}


def _through_time(subject: Subject, wanted: bool, threads: int) -> tuple[list[Figure], str]:
    """Charts through time, or why there are none."""
    from kernels.batch import EngineError

    if not wanted:
        return [], ASKED_NOT_TO
    if subject.job is None:
        return [], subject.why_not
    if reason := retracing.missing(subject.job):
        return [], reason
    try:
        return through_time.figures(subject, retracing.fans(subject.job, threads)), ""
    except EngineError as error:
        return [], str(error)


def statuses(subject: Subject) -> Table:
    """Paths by status, and what each status says."""
    from kernels.outcome import STATUS

    sentences = {"ok": "nothing to report", **dict(STATUS.values())}
    n_path = int(subject.one.n_path)
    rows = [
        (word.replace("_", " "), f"{count:,}", f"{100 * count / n_path:.3g}%", sentences.get(word, ""))
        for word, count in zip(
            subject.one.path_status.values.tolist(), subject.one.status_count.values.tolist(), strict=True
        )
        if count or word == "ok"
    ]
    return Table(("Status", "Paths", "Share", "What it says"), tuple(rows))


def warnings(subject: Subject) -> list[str]:
    """What a reader has to be told."""
    found = []
    if warning := subject.stored.cube["loss_es"].attrs.get("warning"):
        found.append(f"{warning[0].upper()}{warning[1:]}.")
    failed = int(subject.one.n_path) - subject.n_path
    if failed:
        found.append(f"{failed:,} paths failed and are in no statistic.")
    if subject.job is not None:
        from stress.static_response import at_rest

        supercritical, reason = at_rest(subject.job.scenario)
        if supercritical:
            found.append(f"The market is supercritical at rest: {reason}. It can break without any news.")
    return found


def provenance(subject: Subject) -> Table:
    """Where the numbers come from."""
    attrs = subject.attrs
    rows = [
        ("Program", f"liquidation-stress {attrs.get('version')}"),
        ("Engine", f"{attrs.get('backend')}, {attrs.get('dtype')}"),
        ("Paths", f"{int(subject.one.n_path):,}"),
        ("Seed", str(attrs.get("seed"))),
        ("Config, SHA-256", str(attrs.get("config_sha256"))),
        ("Engine's sources, SHA-256", str(attrs.get("kernels_sha256"))),
        ("Compiled scenario, SHA-256", str(attrs.get("scenario_sha256"))),
    ]
    if subject.folder is not None and subject.folder.exists:
        manifest = subject.folder.manifest()
        machine = manifest["device"]
        rows += [
            ("Begun", manifest["created"]),
            (
                "Machine",
                f"{machine['processor']}, {machine['cores']} cores, {machine['system']}, Python "
                f"{machine['python']}",
            ),
        ]
    return Table(("What", "Value"), tuple(rows))


def sources(subject: Subject) -> Table | None:
    """The files that the config was read from."""
    if subject.folder is None or not subject.folder.exists:
        return None
    found = subject.folder.manifest()["sources"]
    return Table(("File", "SHA-256"), tuple((str(file), str(sha256)) for file, sha256 in found.items()))


def commands(subject: Subject) -> list[tuple[str, str]]:
    """Command and what it does, for whoever wants the same again."""
    if subject.folder is None or not subject.folder.exists:
        return [("stress run resolved.yaml", "runs it again; resolved.yaml is the config above")]
    name = subject.folder.path.resolve().name
    return [
        (f"stress verify {name}", "finds any flipped bit in the files of this run"),
        (f"stress verify {name} --recompute 2", "computes two shards again, and compares them"),
        (
            f"stress run {name}/resolved.yaml",
            "runs it again from the config as it was, with every default filled in",
        ),
        (f"stress replay {name} --worst", "tells the path with the largest loss, step by step"),
        (f"stress report {name}", "makes this page again"),
    ]
