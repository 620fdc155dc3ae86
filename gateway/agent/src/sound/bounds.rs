//! What a process that reads strangers' files may take of this host.

use std::io;

use rustix::process::{Resource, Rlimit, Signal, getrlimit, nice, set_parent_process_death_signal, setrlimit};

/// Address space: symphonia needs some megabytes, and the program itself is mapped too.
const MEMORY: u64 = 1 << 30;

/// Seconds of a processor: twelve hours of sound at a slow board's pace.
const SECONDS: u64 = 3600;

/// Calls come first on this host; and what runs away is ended.
pub(super) fn set() -> io::Result<()> {
    // Whoever wanted the sound may be killed: then nobody wants it.
    set_parent_process_death_signal(Some(Signal::KILL))?;
    // Where that is not allowed, it is only less polite.
    let _ = nice(5);
    for (resource, bound) in [(Resource::As, MEMORY), (Resource::Cpu, SECONDS), (Resource::Core, 0)] {
        let maximum = getrlimit(resource).maximum;
        let bound = maximum.map_or(bound, |maximum| maximum.min(bound));
        setrlimit(resource, Rlimit { current: Some(bound), maximum: Some(bound) })?;
    }
    Ok(())
}
