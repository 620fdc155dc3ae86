//! A disk that is soon full.

use std::fs;
use std::io::Write as _;
use std::process::Command;

use camino::{Utf8Path, Utf8PathBuf};

/// A small file system on a directory; gone when it is dropped.
pub(crate) struct SmallDisk(Utf8PathBuf);

impl SmallDisk {
    pub(crate) fn on(directory: &Utf8Path, kilobytes: u32) -> Self {
        assert!(rustix::process::geteuid().is_root(), "only root can mount a small disk: run the tests as root");
        fs::create_dir_all(directory).unwrap();
        let disk = Self(directory.to_owned());
        disk.mount(&format!("mode=2775,size={kilobytes}k"));
        disk
    }

    pub(crate) fn grow(&self, kilobytes: u32) {
        self.mount(&format!("remount,size={kilobytes}k"));
    }

    /// Leaves so many bytes free, or none.
    pub(crate) fn fill_up_to(&self, free: usize) {
        let mut ballast = fs::File::create(self.ballast()).unwrap();
        while ballast.write_all(&[0; 4096]).is_ok() {}
        let length = ballast.metadata().unwrap().len();
        ballast.set_len(length.saturating_sub(free as u64)).unwrap();
    }

    /// Makes room again.
    pub(crate) fn clear(&self) {
        let _ = fs::remove_file(self.ballast());
    }

    fn ballast(&self) -> Utf8PathBuf {
        self.0.join("ballast")
    }

    fn mount(&self, options: &str) {
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(&self.0).status();
        assert!(mounted.unwrap().success());
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // A mount that stays is found by whoever cleans up; a panic here would hide what failed.
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}
