//! What the commands of a phone server say to people.

use std::io::{self, Write};

use audiospread_agent::{Amount, Menu, MenuCategory, Pruned, PullReport, PushReport, Status, Verified};

pub(super) fn pulled(out: &mut dyn Write, report: &PullReport) -> io::Result<()> {
    writeln!(
        out,
        "version {}: {} entities, {} new or changed, {} gone",
        report.version, report.count, report.put, report.deleted
    )?;
    writeln!(out, "audio: {} files came ({})", report.stored, Amount(report.stored_bytes))?;
    if report.undecodable > 0 {
        writeln!(out, "{} sounds cannot be decoded (audiospread status)", report.undecodable)?;
    }
    writeln!(out, "callers get {} new states; {} wait", report.shown, report.waiting)
}

pub(super) fn pushed(out: &mut dyn Write, report: &PushReport) -> io::Result<()> {
    writeln!(
        out,
        "recordings: {} sent ({}), {} wait",
        report.recordings,
        Amount(report.bytes),
        report.recordings_waiting
    )?;
    if report.quarantined > 0 {
        writeln!(out, "{} went into quarantine (audiospread status)", report.quarantined)?;
    }
    if report.titles_quarantined > 0 {
        writeln!(out, "{} spoken titles went into quarantine (audiospread status)", report.titles_quarantined)?;
    }
    writeln!(
        out,
        "call records: {} sent, {} not taken, {} wait",
        report.calls, report.calls_refused, report.calls_waiting
    )
}

pub(super) fn verified(out: &mut dyn Write, verified: &Verified) -> io::Result<()> {
    writeln!(out, "version {}: {} entities, digest {}", verified.version, verified.count, verified.digest)?;
    writeln!(
        out,
        "callers get {}; {} sounds were checked ({})",
        verified.shown,
        verified.files,
        Amount(verified.bytes)
    )?;
    for fault in &verified.faults {
        writeln!(out, "FAULT: {fault}")?;
    }
    match (&verified.gateway_agrees, &verified.gateway_away) {
        (Some(true), _) => writeln!(out, "the gateway has the same digest at this version")?,
        (Some(false), _) => writeln!(out, "the gateway does not have this digest at this version")?,
        (None, Some(why)) => writeln!(out, "the gateway was not asked: {why}")?,
        (None, None) => writeln!(out, "the gateway was not asked")?,
    }
    if verified.repaired > 0 {
        writeln!(out, "repaired; {} entities wait for the next pull", verified.repaired)?;
    }
    writeln!(out, "{}", if verified.is_equal() { "equal" } else { "NOT EQUAL" })
}

pub(super) fn status(out: &mut dyn Write, status: &Status) -> io::Result<()> {
    match (&status.version, &status.cursor) {
        (Some(version), Some(cursor)) => writeln!(out, "version {version} (cursor {cursor})")?,
        _ => writeln!(out, "nothing was pulled yet")?,
    }
    writeln!(out, "{:12} {:>10} {:>10} {:>10}", "", "published", "on phones", "waiting")?;
    for kind in &status.kinds {
        writeln!(out, "{:12} {:>10} {:>10} {:>10}", kind.kind.as_str(), kind.published, kind.shown, kind.waiting)?;
    }
    writeln!(
        out,
        "audio: {} files ({}), {} missing ({}), {} free on the disk",
        status.stored_files,
        Amount(status.stored_bytes),
        status.missing_files,
        Amount(status.missing_bytes),
        Amount(status.free_bytes)
    )?;
    writeln!(out, "ready for the phone: {} sounds ({})", status.phone_files, Amount(status.phone_bytes))?;
    for sound in &status.undecodable {
        let named_by =
            if sound.named_by.is_empty() { "nothing any more".to_owned() } else { sound.named_by.join(", ") };
        writeln!(out, "cannot be decoded: {} ({}), of {named_by}", sound.sha256, printable(&sound.why))?;
    }
    if let Some(calls) = &status.calls {
        writeln!(
            out,
            "recordings: {} wait for the gateway, {} are being made, {} in quarantine; calls: {} records, {} wait, {} not taken; \
             text messages: {} wait, {} failed; calls back: {} wait",
            calls.recordings_waiting,
            calls.recording,
            calls.quarantined.len(),
            calls.call_records,
            calls.call_records_waiting,
            calls.call_records_refused,
            calls.messages_pending,
            calls.messages_failed,
            calls.callbacks_pending
        )?;
        for kept in &calls.quarantined {
            writeln!(out, "in quarantine since {:.0}: {}: {}", kept.since, kept.uuid, printable(&kept.why))?;
        }
        if !calls.quarantined.is_empty() {
            writeln!(out, "when the cause is mended: audiospread push --retry-quarantined")?;
        }
        for kept in &calls.quarantined_titles {
            let why = printable(&kept.why);
            writeln!(
                out,
                "in quarantine since {:.0}: the title of {}, which goes without it: {why}",
                kept.since, kept.uuid
            )?;
        }
        for refused in &calls.handovers_refused {
            writeln!(out, "not taken over: {}: {}", printable(refused.path.as_str()), printable(&refused.why))?;
        }
        if let Some(why) = &calls.last_refused {
            writeln!(out, "the last call record that was not taken: {}", printable(why))?;
        }
        match &calls.pushed_at {
            Some(at) => writeln!(out, "last whole push: {at:.0}")?,
            None => writeln!(out, "no push has brought everything yet")?,
        }
        if let (Some(at), Some(why)) = (&calls.push_failed_at, &calls.push_failure) {
            writeln!(out, "last failure of a push: {at:.0}: {}", printable(why))?;
        }
        for refused in &calls.budgets_refused {
            writeln!(
                out,
                "refused by a budget in the last 24 hours: {} {}, the last {:.0}: {}",
                refused.count,
                printable(&refused.kind),
                refused.last_at,
                printable(&refused.last_detail)
            )?;
        }
        if let Some(last) = &calls.last_fault {
            writeln!(out, "{} faults in the menus, the last: {}", calls.faults, printable(last))?;
        }
    }
    if let Some(why) = &status.calls_failure {
        writeln!(out, "{why}")?;
    }
    match &status.pulled_at {
        Some(at) => writeln!(out, "last whole pull: {at:.0}, {} ago", ago(status.lag_seconds.unwrap_or(0)))?,
        None => writeln!(out, "no pull has brought everything yet")?,
    }
    if let (Some(at), Some(why)) = (&status.failed_at, &status.failure) {
        writeln!(out, "last failure: {at:.0}: {why}")?;
    }
    Ok(())
}

pub(super) fn menu(out: &mut dyn Write, menu: &Menu) -> io::Result<()> {
    writeln!(out, "home ({})", menu.language)?;
    below(out, &menu.home, "")
}

fn below(out: &mut dyn Write, categories: &[MenuCategory], indent: &str) -> io::Result<()> {
    for (number, category) in (1..).zip(categories) {
        let silent = if category.has_title_sound { "" } else { "   (no spoken title)" };
        writeln!(out, "{indent}  {number} {}{silent}", printable(&category.name))?;
        let indent = format!("{indent}    ");
        below(out, &category.categories, &indent)?;
        for (number, program) in (category.categories.len() + 1..).zip(&category.programs) {
            let silent = if program.has_title_sound { "" } else { ", no spoken title" };
            writeln!(
                out,
                "{indent}  {number} {}   (code {}, {}, {}{silent})",
                printable(&program.title),
                program.id,
                program.language,
                length(program.duration_ms)
            )?;
        }
    }
    Ok(())
}

pub(super) fn pruned(out: &mut dyn Write, pruned: &Pruned) -> io::Result<()> {
    let word = if pruned.dry_run { "would go" } else { "removed" };
    writeln!(out, "{} files ({}) {word}", pruned.files, Amount(pruned.bytes))
}

fn length(milliseconds: i64) -> String {
    let seconds = (milliseconds + 500) / 1000;
    format!("{}:{:02}", seconds / 60, seconds % 60)
}

fn ago(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// What editors typed, fit for a terminal.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
