//! What a process that reads strangers' sounds may take of its host, and what its end says.

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use rustix::process::{Pid, Resource, Rlimit, getrlimit, nice, prlimit, setpriority_process, setrlimit};
use tokio::process::Child;

/// Seconds of a processor after the signal that says that they are used up: with none the system kills at once, and nobody knows why.
const GRACE: u64 = 2;

/// What a process may take of its host. None of them may leave a core, which would be as large as its memory.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Bytes of address space; the program itself is mapped too.
    pub memory: u64,
    /// Seconds of a processor.
    pub seconds: u64,
    /// Bytes of each file that it writes; absent where it bounds that itself.
    pub file: Option<u64>,
    /// By how much others go first, from 0 to 19.
    pub niceness: i32,
}

impl Bounds {
    /// Bounds this process, for good: before it reads the first byte.
    ///
    /// # Errors
    /// If the system does not allow that.
    pub fn take(&self) -> io::Result<()> {
        // Where that is not allowed, it is only less polite.
        let _ = nice(self.niceness);
        self.limits().try_for_each(|(resource, limit)| Ok(setrlimit(resource, limit)?))
    }

    /// Bounds a process that was started just now.
    ///
    /// # Errors
    /// If the system does not allow that.
    pub fn give(&self, child: &Child) -> io::Result<()> {
        let process = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        // One that has ended already needs none.
        let Some(process) = process else { return Ok(()) };
        let _ = setpriority_process(Some(process), self.niceness);
        self.limits().try_for_each(|(resource, limit)| Ok(prlimit(Some(process), resource, limit).map(drop)?))
    }

    fn limits(&self) -> impl Iterator<Item = (Resource, Rlimit)> {
        let file = self.file.map(|bytes| (Resource::Fsize, bytes, bytes));
        let others = [
            (Resource::As, self.memory, self.memory),
            (Resource::Cpu, self.seconds, self.seconds + GRACE),
            (Resource::Core, 0, 0),
        ];
        others.into_iter().chain(file).map(|(resource, current, maximum)| {
            let allowed = getrlimit(resource).maximum.unwrap_or(u64::MAX);
            let limit = Rlimit { current: Some(current.min(allowed)), maximum: Some(maximum.min(allowed)) };
            (resource, limit)
        })
    }
}

/// How a bounded process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It did what it should.
    Well,
    /// It makes nothing of what it was given: an exit code, or a signal that it brought upon itself.
    Failed(ExitStatus),
    /// It wanted more time of a processor, or a larger file, than it may have.
    TooMuch,
    /// Something from outside ended it, by this signal: nothing is said about what it was given.
    Killed(i32),
}

impl From<ExitStatus> for Ended {
    fn from(status: ExitStatus) -> Self {
        const OUT_OF_TIME: i32 = 24; // SIGXCPU
        const OUT_OF_ROOM: i32 = 25; // SIGXFSZ
        const FAULTS: [i32; 5] = [4, 6, 7, 8, 11]; // SIGILL, SIGABRT, SIGBUS, SIGFPE, SIGSEGV
        match status.signal() {
            None if status.success() => Self::Well,
            Some(OUT_OF_TIME | OUT_OF_ROOM) => Self::TooMuch,
            Some(signal) if !FAULTS.contains(&signal) => Self::Killed(signal),
            _ => Self::Failed(status),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::process::Stdio;

    use tokio::process::Command;

    use super::*;

    const BOUNDS: Bounds = Bounds { memory: 1 << 30, seconds: 1, file: Some(1 << 10), niceness: 0 };

    async fn ended(script: &str) -> Ended {
        // The shell waits until it has its bounds.
        let mut command = Command::new("sh");
        command.args(["-c", &format!("read go; {script}")]).stdin(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.kill_on_drop(true).spawn().unwrap();
        BOUNDS.give(&child).unwrap();
        drop(child.stdin.take());
        child.wait().await.unwrap().into()
    }

    #[tokio::test]
    async fn what_a_process_brought_upon_itself_is_told_from_what_others_did_to_it() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("large").into_os_string().into_string().unwrap();
        assert_eq!(ended("exit 0").await, Ended::Well);
        assert!(matches!(ended("exit 3").await, Ended::Failed(status) if status.code() == Some(3)));
        assert!(matches!(ended("kill -SEGV $$").await, Ended::Failed(_)));
        assert_eq!(ended("kill -KILL $$").await, Ended::Killed(9));
        assert_eq!(ended("while :; do :; done").await, Ended::TooMuch);
        assert_eq!(ended(&format!("exec head -c 100000 /dev/zero > '{file}'")).await, Ended::TooMuch);
    }
}
